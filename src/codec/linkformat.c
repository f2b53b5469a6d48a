#include "codec/linkformat.h"

#include <string.h>

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const uint8_t *skip_space(const uint8_t *p, const uint8_t *end)
{
	while (p < end && is_space(*p))
		p++;
	return p;
}

/* Behind the closing quote of the string that starts at @p p, or NULL. */
static const uint8_t *skip_quoted(const uint8_t *p, const uint8_t *end)
{
	for (p++; p < end; p++) {
		if (*p == '\\' && end - p > 1)
			p++;
		else if (*p == '"')
			return p + 1;
	}
	return NULL;
}

/* Reads one ";name=value" that starts at @p p. @return what is behind it, or NULL when it is none. */
static const uint8_t *parse_attr(const uint8_t *p, const uint8_t *end, struct mw_linkformat_attr *attr)
{
	*attr = (struct mw_linkformat_attr){0};
	const uint8_t *start = p = skip_space(p + 1, end);
	while (p < end && !is_space(*p) && !strchr("=;,<>\"", *p))
		p++;
	attr->name = (struct mw_bytes){start, (size_t)(p - start)};
	p = skip_space(p, end);
	if (p == end || *p != '=')
		return p;
	attr->has_value = true;
	start = p = skip_space(p + 1, end);
	if (p < end && *p == '"') {
		p = skip_quoted(start, end);
		if (!p)
			return NULL;
		attr->is_quoted = true;
		attr->value = (struct mw_bytes){start + 1, (size_t)(p - start) - 2};
		return skip_space(p, end);
	}
	while (p < end && *p != ';' && *p != ',' && *p != '"' && !is_space(*p))
		p++;
	attr->value = (struct mw_bytes){start, (size_t)(p - start)};
	return skip_space(p, end);
}

/* @return what is behind the link that starts at @p p (the end or a comma), or NULL. */
static const uint8_t *parse_link(const uint8_t *p, const uint8_t *end, struct mw_linkformat_link *link)
{
	struct mw_linkformat_attr attr;
	if (p == end || *p != '<')
		return NULL;
	const uint8_t *start = ++p;
	while (p < end && *p != '>' && *p != '<' && *p != ',')
		p++;
	if (p == end || *p != '>')
		return NULL;
	link->target = (struct mw_bytes){start, (size_t)(p - start)};
	const uint8_t *attrs = ++p;
	p = skip_space(p, end);
	while (p && p < end && *p == ';')
		p = parse_attr(p, end, &attr);
	if (!p || (p < end && *p != ','))
		return NULL;
	link->attrs = (struct mw_bytes){attrs, (size_t)(p - attrs)};
	return p;
}

/* The next comma with a "<" behind it: a broken link has lost its quotes, so they are not looked at. */
static const uint8_t *resynchronize(const uint8_t *p, const uint8_t *end)
{
	for (; p < end; p++)
		if (*p == ',') {
			const uint8_t *next = skip_space(p + 1, end);
			if (next < end && *next == '<')
				return p;
		}
	return end;
}

void mw_linkformat_init(struct mw_linkformat *l, struct mw_bytes payload)
{
	struct mw_cur c;
	mw_cur_init(&c, payload.data, payload.len);
	*l = (struct mw_linkformat){.p = c.p, .end = c.end};
	/* A byte order mark means nothing in UTF-8. */
	if (payload.len >= 3 && !memcmp(l->p, "\xef\xbb\xbf", 3))
		l->p += 3;
}

bool mw_linkformat_next(struct mw_linkformat *l, struct mw_linkformat_link *link)
{
	*link = (struct mw_linkformat_link){0};
	for (;;) {
		while (l->p < l->end && (is_space(*l->p) || *l->p == ','))
			l->p++;
		if (l->p == l->end)
			return false;
		const uint8_t *next = parse_link(l->p, l->end, link);
		if (next) {
			l->p = next;
			return true;
		}
		l->n_skipped++;
		l->p = resynchronize(l->p, l->end);
	}
}

bool mw_linkformat_attr_next(struct mw_bytes *rest, struct mw_linkformat_attr *attr)
{
	*attr = (struct mw_linkformat_attr){0};
	while (rest->len) {
		const uint8_t *end = rest->data + rest->len, *p = skip_space(rest->data, end);
		const uint8_t *next = p < end && *p == ';' ? parse_attr(p, end, attr) : NULL;
		*rest = next ? (struct mw_bytes){next, (size_t)(end - next)} : (struct mw_bytes){0};
		if (next && attr->name.len)
			return true;
	}
	return false;
}

bool mw_linkformat_attr_find(
	const struct mw_linkformat_link *link, const char *name, struct mw_linkformat_attr *attr)
{
	struct mw_bytes rest = link->attrs;
	size_t len = strlen(name);
	while (mw_linkformat_attr_next(&rest, attr))
		if (attr->name.len == len && !memcmp(attr->name.data, name, len))
			return true;
	return false;
}

bool mw_linkformat_word_next(struct mw_bytes *rest, struct mw_bytes *word)
{
	const uint8_t *p = rest->data, *end = rest->len ? p + rest->len : p;
	const uint8_t *start = p = skip_space(p, end);
	while (p < end && !is_space(*p))
		p++;
	*word = (struct mw_bytes){start, (size_t)(p - start)};
	*rest = (struct mw_bytes){p, (size_t)(end - p)};
	return word->len > 0;
}

int mw_linkformat_unquote(const struct mw_linkformat_attr *attr, char *out, size_t cap)
{
	size_t n = 0;
	for (size_t i = 0; i < attr->value.len; i++) {
		if (attr->is_quoted && attr->value.data[i] == '\\' && i + 1 < attr->value.len)
			i++;
		if (n + 1 >= cap)
			return MW_E_LIMIT;
		out[n++] = (char)attr->value.data[i];
	}
	if (n >= cap || n > INT32_MAX)
		return MW_E_LIMIT;
	out[n] = 0;
	return (int)n;
}

int mw_linkformat_path(const struct mw_linkformat_link *link, struct mw_path *out, struct mw_bytes *prefix)
{
	size_t prefix_len;
	int rc = mw_path_parse_prefixed(out, (const char *)link->target.data, link->target.len, &prefix_len);
	if (rc == 0 && prefix)
		*prefix = (struct mw_bytes){link->target.data, prefix_len};
	return rc;
}
