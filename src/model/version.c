#include "model/version.h"
#include "base/err.h"

enum { PART_MAX = 65534 };

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Reads digits at *at; false when there are none or the number is too large. */
static bool read_part(const char *text, size_t len, size_t *at, uint16_t *out)
{
	uint32_t n = 0;
	size_t start = *at;
	for (; *at < len && text[*at] >= '0' && text[*at] <= '9'; ++*at) {
		n = n * 10 + (uint32_t)(text[*at] - '0');
		if (n > PART_MAX)
			return false;
	}
	*out = (uint16_t)n;
	return *at > start;
}

int mw_version_parse(struct mw_version *out, const char *text, size_t len)
{
	struct mw_version v = {0};
	size_t at = 0;
	while (at < len && is_space(text[at]))
		at++;
	while (len > at && is_space(text[len - 1]))
		len--;
	if (!read_part(text, len, &at, &v.major) || !v.major)
		return MW_E_FORMAT;
	if (at < len && text[at] == '.') {
		at++;
		if (!read_part(text, len, &at, &v.minor))
			return MW_E_FORMAT;
	}
	if (at != len)
		return MW_E_FORMAT;
	*out = v;
	return 0;
}

int mw_version_cmp(struct mw_version a, struct mw_version b)
{
	if (a.major != b.major)
		return a.major < b.major ? -1 : 1;
	return (a.minor > b.minor) - (a.minor < b.minor);
}
