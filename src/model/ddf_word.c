#include "model/ddf_word.h"
#include "model/object.h"

#include <string.h>
#include <strings.h>

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct mw_bytes mw_ddf_trim(struct mw_bytes text)
{
	while (text.len && is_space(text.data[0]))
		text = (struct mw_bytes){text.data + 1, text.len - 1};
	while (text.len && is_space(text.data[text.len - 1]))
		text.len--;
	return text;
}

static char lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool is_word(struct mw_bytes text, const char *word)
{
	return text.len == strlen(word) && (!text.len || !strncasecmp((const char *)text.data, word, text.len));
}

int mw_ddf_type(struct mw_bytes text, enum mw_type *out)
{
	static const struct {
		const char *word;
		enum mw_type type;
	} types[] = {
		{"", MW_TYPE_NONE},
		{"none", MW_TYPE_NONE},
		{"string", MW_TYPE_STRING},
		{"integer", MW_TYPE_INTEGER},
		{"unsignedinteger", MW_TYPE_UNSIGNED},
		{"float", MW_TYPE_FLOAT},
		{"boolean", MW_TYPE_BOOLEAN},
		{"opaque", MW_TYPE_OPAQUE},
		{"time", MW_TYPE_TIME},
		{"objlnk", MW_TYPE_OBJLNK},
		{"corelnk", MW_TYPE_CORELNK},
	};
	char word[32];
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (is_space(text.data[i]))
			continue;
		if (!text.data[i] || n == sizeof(word) - 1)
			return MW_E_FORMAT;
		word[n++] = lower(text.data[i]);
	}
	word[n] = 0;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(word, types[i].word))
			return *out = types[i].type, 0;
	return MW_E_FORMAT;
}

int mw_ddf_operations(struct mw_bytes text, uint8_t *out)
{
	uint8_t bits = 0;
	for (size_t i = 0; i < text.len; i++) {
		switch (lower(text.data[i])) {
		case 'r':
			bits |= MW_OP_R;
			break;
		case 'w':
			bits |= MW_OP_W;
			break;
		case 'e':
			bits |= MW_OP_E;
			break;
		default:
			return MW_E_FORMAT;
		}
	}
	*out = bits;
	return 0;
}

int mw_ddf_id(struct mw_bytes text, uint16_t *out)
{
	uint32_t n = 0;
	if (!text.len)
		return MW_E_FORMAT;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return MW_E_FORMAT;
		if (n < MW_ID_NONE)
			n = n * 10 + (uint32_t)(text.data[i] - '0');
	}
	if (n >= MW_ID_NONE)
		return MW_E_LIMIT;
	*out = (uint16_t)n;
	return 0;
}

int mw_ddf_choice(struct mw_bytes text, const char *yes, const char *no, bool *out)
{
	if (!text.len || is_word(text, no))
		return *out = false, 0;
	if (is_word(text, yes))
		return *out = true, 0;
	char first = lower(text.data[0]);
	if (first != lower((uint8_t)yes[0]) && first != lower((uint8_t)no[0]))
		return MW_E_FORMAT;
	*out = first == lower((uint8_t)yes[0]);
	return 1;
}
