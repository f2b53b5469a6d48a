#include "codec/value.h"

struct mw_path mw_path_of(const uint16_t *ids, size_t n)
{
	uint16_t full[4] = {MW_ID_NONE, MW_ID_NONE, MW_ID_NONE, MW_ID_NONE};
	if (n > 4)
		n = 4;
	for (size_t i = 0; i < n; i++)
		full[i] = ids[i];
	return (struct mw_path){full[0], full[1], full[2], full[3], (uint8_t)n};
}

/* One id without leading zeros; returns its length or 0. */
static size_t parse_id(const char *text, size_t len, uint16_t *id)
{
	unsigned v = 0;
	size_t i = 0;
	for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		v = v * 10 + (unsigned)(text[i] - '0');
		if (v >= MW_ID_NONE || (i && text[0] == '0'))
			return 0;
	}
	*id = (uint16_t)v;
	return i;
}

int mw_path_parse(struct mw_path *out, const char *text, size_t len)
{
	uint16_t ids[4];
	size_t n = 0, i = len && text[0] == '/';
	if (!len)
		return MW_E_PATH;
	while (i < len) {
		size_t id_len = n < 4 ? parse_id(text + i, len - i, &ids[n]) : 0;
		if (!id_len)
			return MW_E_PATH;
		n++;
		i += id_len;
		if (i < len && text[i++] != '/')
			return MW_E_PATH;
	}
	*out = mw_path_of(ids, n);
	return 0;
}

int mw_path_parse_prefixed(struct mw_path *out, const char *text, size_t len, size_t *prefix_len)
{
	size_t start = 0;
	while (start < len) {
		size_t i = start + (text[start] == '/'), n_digits = 0, n = 0;
		for (; i + n < len && text[i + n] != '/'; n++)
			n_digits += text[i + n] >= '0' && text[i + n] <= '9';
		if (!n || n == n_digits)
			break;
		start = i + n;
	}
	if (prefix_len)
		*prefix_len = start;
	if (start && start == len) {
		*out = mw_path_of(NULL, 0);
		return 0;
	}
	return mw_path_parse(out, text + start, len - start);
}

size_t mw_path_print(const struct mw_path *p, char *out)
{
	const uint16_t ids[4] = {p->oid, p->iid, p->rid, p->riid};
	char *at = out;
	for (unsigned i = 0; i < p->depth && i < 4; i++) {
		char digits[5];
		size_t n = 0;
		unsigned id = ids[i];
		do
			digits[n++] = (char)('0' + id % 10);
		while (id /= 10);
		*at++ = '/';
		while (n)
			*at++ = digits[--n];
	}
	if (at == out)
		*at++ = '/';
	*at = 0;
	return (size_t)(at - out);
}

bool mw_path_eq(const struct mw_path *a, const struct mw_path *b)
{
	return a->depth == b->depth && mw_path_is_under(a, b);
}

bool mw_path_is_under(const struct mw_path *p, const struct mw_path *top)
{
	return p->depth >= top->depth && (top->depth < 1 || p->oid == top->oid) &&
		   (top->depth < 2 || p->iid == top->iid) && (top->depth < 3 || p->rid == top->rid) &&
		   (top->depth < 4 || p->riid == top->riid);
}

struct mw_path mw_path_child(const struct mw_path *p, uint16_t id)
{
	uint16_t ids[5] = {p->oid, p->iid, p->rid, p->riid, id};
	ids[p->depth] = id;
	return mw_path_of(ids, p->depth + 1u);
}
