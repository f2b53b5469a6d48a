#include "script/pattern.h"

#include <ctype.h>
#include <string.h>

#define SPECIALS "^$*+?.([%-"

bool mw_pattern_is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] && strchr(SPECIALS, text[i]))
			return false;
	}
	return true;
}

static const char *fail(struct mw_pattern *m, const char *why)
{
	if (!m->error)
		m->error = why;
	return NULL;
}

/* False: stop everything. */
static bool step(struct mw_pattern *m, int64_t n)
{
	m->steps -= n;
	if (m->steps < 0)
		m->out_of_steps = true;
	return !m->out_of_steps && !m->error;
}

/* ---- single characters ---- */

/* The first character after the item at @p p: a letter, %x, or a set. */
static const char *item_end(struct mw_pattern *m, const char *p)
{
	char c = *p++;
	if (c == '%')
		return p < m->pattern_end ? p + 1 : fail(m, "malformed pattern (ends with '%')");
	if (c != '[')
		return p;
	if (p < m->pattern_end && *p == '^')
		p++;
	for (bool first = true;; first = false) { /* a ']' in the first place stands for itself */
		if (p >= m->pattern_end)
			return fail(m, "malformed pattern (missing ']')");
		c = *p++;
		if (c == ']' && !first)
			return p;
		if (c == '%' && p++ >= m->pattern_end)
			return fail(m, "malformed pattern (ends with '%')");
	}
}

static bool in_class(unsigned char c, unsigned char class)
{
	bool in;
	switch (tolower(class)) {
	case 'a':
		in = isalpha(c);
		break;
	case 'c':
		in = iscntrl(c);
		break;
	case 'd':
		in = isdigit(c);
		break;
	case 'g':
		in = isgraph(c);
		break;
	case 'l':
		in = islower(c);
		break;
	case 'p':
		in = ispunct(c);
		break;
	case 's':
		in = isspace(c);
		break;
	case 'u':
		in = isupper(c);
		break;
	case 'w':
		in = isalnum(c);
		break;
	case 'x':
		in = isxdigit(c);
		break;
	case 'z': /* from Lua 5.1, still known */
		in = c == '\0';
		break;
	default:
		return class == c; /* %. and the like */
	}
	return isupper(class) ? !in : in;
}

/* @p p is behind '[', @p end at its ']'. */
static bool in_set(unsigned char c, const char *p, const char *end)
{
	bool wanted = true;
	if (*p == '^') {
		wanted = false;
		p++;
	}
	while (p < end) {
		if (*p == '%') {
			if (in_class(c, (unsigned char)p[1]))
				return wanted;
			p += 2;
		} else if (p + 2 < end && p[1] == '-') {
			if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
				return wanted;
			p += 3;
		} else if ((unsigned char)*p++ == c) {
			return wanted;
		}
	}
	return !wanted;
}

static bool is_single(struct mw_pattern *m, const char *s, const char *p, const char *end)
{
	if (!s || s >= m->subject_end || !step(m, *p == '[' ? 1 + (end - p) / 4 : 1))
		return false;
	unsigned char c = (unsigned char)*s;
	switch (*p) {
	case '.':
		return true;
	case '%':
		return in_class(c, (unsigned char)p[1]);
	case '[':
		return in_set(c, p + 1, end - 1);
	default:
		return (unsigned char)*p == c;
	}
}

/* ---- sequences ---- */

static const char *match(struct mw_pattern *m, const char *s, const char *p);

/* As many as possible, then fewer. */
static const char *match_most(struct mw_pattern *m, const char *s, const char *p, const char *end)
{
	ptrdiff_t n = 0;
	while (is_single(m, s + n, p, end))
		n++;
	for (; n >= 0 && step(m, 1); n--) {
		const char *out = match(m, s + n, end + 1);
		if (out)
			return out;
	}
	return NULL;
}

/* As few as possible, then more. */
static const char *match_least(struct mw_pattern *m, const char *s, const char *p, const char *end)
{
	while (step(m, 1)) {
		const char *out = match(m, s, end + 1);
		if (out)
			return out;
		if (!is_single(m, s, p, end))
			return NULL;
		s++;
	}
	return NULL;
}

static const char *open_capture(struct mw_pattern *m, const char *s, const char *p, ptrdiff_t kind)
{
	if (m->n_captures >= MW_PATTERN_CAPTURES)
		return fail(m, "too many captures");
	m->captures[m->n_captures].start = s;
	m->captures[m->n_captures].len = kind;
	m->n_captures++;
	const char *out = match(m, s, p);
	if (!out)
		m->n_captures--;
	return out;
}

static const char *close_capture(struct mw_pattern *m, const char *s, const char *p)
{
	int i = m->n_captures - 1;
	while (i >= 0 && m->captures[i].len != MW_PATTERN_OPEN)
		i--;
	if (i < 0)
		return fail(m, "invalid pattern capture");
	m->captures[i].len = s - m->captures[i].start;
	const char *out = match(m, s, p);
	if (!out)
		m->captures[i].len = MW_PATTERN_OPEN;
	return out;
}

/* %bxy: from x to the y that balances it. */
static const char *match_balance(struct mw_pattern *m, const char *s, const char *p)
{
	if (p + 1 >= m->pattern_end)
		return fail(m, "malformed pattern (missing arguments to '%b')");
	if (!s || s >= m->subject_end || *s != *p)
		return NULL;
	size_t open = 1;
	for (s++; s < m->subject_end && step(m, 1); s++) {
		if (*s == p[1]) {
			if (--open == 0)
				return s + 1;
		} else if (*s == *p) {
			open++;
		}
	}
	return NULL;
}

/* %f[set]: between a character that is not in the set and one that is; the ends count as '\0'. */
static bool is_frontier(struct mw_pattern *m, const char *s, const char *p, const char *end)
{
	if (!s)
		return false;
	unsigned char before = s == m->subject ? '\0' : (unsigned char)s[-1];
	unsigned char after = s < m->subject_end ? (unsigned char)*s : '\0';
	return step(m, end - p) && !in_set(before, p + 1, end - 1) && in_set(after, p + 1, end - 1);
}

/* %1 to %9: the same text again. */
static const char *match_again(struct mw_pattern *m, const char *s, char digit)
{
	int i = digit - '1';
	if (i < 0 || i >= m->n_captures || m->captures[i].len < 0) {
		fail(m, "invalid capture index in the pattern");
		return NULL;
	}
	size_t len = (size_t)m->captures[i].len;
	if ((size_t)(m->subject_end - s) < len || !step(m, (int64_t)len / 8) ||
		memcmp(m->captures[i].start, s, len) != 0)
		return NULL;
	return s + len;
}

enum outcome { NO, YES, OTHER };

/* %b, %f and %1: on YES, @p s and @p p are behind it. */
static enum outcome match_escape(struct mw_pattern *m, const char **s, const char **p)
{
	const char *at = *p + 1, *end;
	if (at >= m->pattern_end)
		return OTHER;
	if (*at == 'b') {
		*s = match_balance(m, *s, at + 1);
		*p = at + 3;
		return *s ? YES : NO;
	}
	if (*at == 'f') {
		if (at + 1 >= m->pattern_end || at[1] != '[') {
			fail(m, "missing '[' after '%f' in pattern");
			return NO;
		}
		end = item_end(m, at + 1);
		*p = end;
		return end && is_frontier(m, *s, at + 1, end) ? YES : NO;
	}
	if (isdigit((unsigned char)*at)) {
		*s = match_again(m, *s, *at);
		*p = at + 1;
		return *s ? YES : NO;
	}
	return OTHER;
}

static const char *match_items(struct mw_pattern *m, const char *s, const char *p)
{
	while (p < m->pattern_end) {
		if (!step(m, 1))
			return NULL;
		if (*p == '(')
			return p + 1 < m->pattern_end && p[1] == ')' ? open_capture(m, s, p + 2, MW_PATTERN_POSITION)
														 : open_capture(m, s, p + 1, MW_PATTERN_OPEN);
		if (*p == ')')
			return close_capture(m, s, p + 1);
		if (*p == '$' && p + 1 == m->pattern_end)
			return s == m->subject_end ? s : NULL;
		if (*p == '%') {
			enum outcome o = match_escape(m, &s, &p);
			if (o == NO)
				return NULL;
			if (o == YES)
				continue;
		}
		const char *end = item_end(m, p);
		if (!end)
			return NULL;
		char quantifier = end < m->pattern_end ? *end : '\0';
		if (quantifier == '*')
			return match_most(m, s, p, end);
		if (quantifier == '+')
			return is_single(m, s, p, end) ? match_most(m, s + 1, p, end) : NULL;
		if (quantifier == '-')
			return match_least(m, s, p, end);
		bool single = is_single(m, s, p, end);
		if (quantifier == '?') {
			const char *out = single ? match(m, s + 1, end + 1) : NULL;
			if (out)
				return out;
			p = end + 1;
			continue;
		}
		if (!single)
			return NULL;
		s++;
		p = end;
	}
	return s;
}

static const char *match(struct mw_pattern *m, const char *s, const char *p)
{
	if (++m->depth > MW_PATTERN_DEPTH) {
		m->depth--;
		return fail(m, "pattern too complex");
	}
	const char *out = match_items(m, s, p);
	m->depth--;
	return m->error || m->out_of_steps ? NULL : out;
}

const char *mw_pattern_match(struct mw_pattern *m, const char *at)
{
	m->depth = 0;
	m->n_captures = 0;
	return match(m, at, m->pattern);
}
