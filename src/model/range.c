#include "model/range.h"

#include <string.h>
#include <strings.h>

/* A number as written: (-) digits / 10^decimals. Kept exact until the type decides what to make of it. */
struct number {
	uint64_t digits;
	unsigned decimals;
	bool negative;
};

struct item {
	struct number lo, hi;
	bool is_range; /* "a..b" or "a-b"; otherwise lo is the value and hi its copy */
};

enum unit { UNIT_NONE, UNIT_BYTES, UNIT_BITS };

struct list {
	struct item items[MW_RANGE_SPANS_MAX];
	size_t n;
	enum unit unit;
};

struct scan {
	const char *p, *end;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char peek(const struct scan *s, size_t ahead)
{
	return (size_t)(s->end - s->p) > ahead ? s->p[ahead] : 0;
}

static void skip_spaces(struct scan *s)
{
	while (s->p < s->end && *s->p && strchr(" \t\r\n", *s->p))
		s->p++;
}

/* Appends one decimal digit; false when 64 bits are not enough. */
static bool add_digit(struct number *n, char c)
{
	uint64_t digit = (uint64_t)(c - '0');
	if (n->digits > (UINT64_MAX - digit) / 10)
		return false;
	n->digits = n->digits * 10 + digit;
	return true;
}

static bool read_number(struct scan *s, struct number *out)
{
	*out = (struct number){0};
	skip_spaces(s);
	if (peek(s, 0) == '-' || peek(s, 0) == '+')
		out->negative = *s->p++ == '-';
	if (!is_digit(peek(s, 0)))
		return false;
	while (is_digit(peek(s, 0)))
		if (!add_digit(out, *s->p++))
			return false;
	if (peek(s, 0) != '.' || !is_digit(peek(s, 1))) /* a second dot belongs to ".." */
		return true;
	for (s->p++; is_digit(peek(s, 0)); out->decimals++)
		if (!add_digit(out, *s->p++))
			return false;
	return true;
}

/* Takes "..", "..." or "-" when a number follows. "16-bit" is no range. */
static bool read_range_sign(struct scan *s)
{
	struct scan ahead = *s;
	skip_spaces(&ahead);
	if (peek(&ahead, 0) == '.' && peek(&ahead, 1) == '.')
		ahead.p += peek(&ahead, 2) == '.' ? 3 : 2;
	else if (peek(&ahead, 0) == '-')
		ahead.p++;
	else
		return false;
	struct scan after = ahead;
	struct number ignored;
	if (!read_number(&after, &ignored))
		return false;
	*s = ahead;
	return true;
}

static bool read_word(struct scan *s, const char *word)
{
	struct scan ahead = *s;
	skip_spaces(&ahead);
	size_t len = strlen(word);
	if ((size_t)(ahead.end - ahead.p) < len || strncasecmp(ahead.p, word, len) ||
		is_letter(peek(&ahead, len)))
		return false;
	s->p = ahead.p + len;
	return true;
}

static bool read_separator(struct scan *s)
{
	skip_spaces(s);
	if (peek(s, 0) == ',' || peek(s, 0) == ';')
		return s->p++, true;
	return read_word(s, "or");
}

static enum unit read_unit(struct scan *s)
{
	static const struct {
		const char *word;
		enum unit unit;
	} words[] = {{"byte", UNIT_BYTES}, {"bytes", UNIT_BYTES}, {"octet", UNIT_BYTES}, {"octets", UNIT_BYTES},
		{"char", UNIT_BYTES}, {"chars", UNIT_BYTES}, {"characters", UNIT_BYTES}, {"bit", UNIT_BITS},
		{"bits", UNIT_BITS}};
	skip_spaces(s);
	if (peek(s, 0) == '-')
		s->p++;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (read_word(s, words[i].word))
			return words[i].unit;
	return UNIT_NONE;
}

/* "16-32-48": with a third hyphen the text is a list, not a range. Called after "16-32" was read. */
static bool read_hyphen_chain(struct scan *s, struct list *out)
{
	struct number last = out->items[0].hi;
	out->items[0].hi = out->items[0].lo;
	out->items[0].is_range = false;
	out->items[out->n++] = (struct item){.lo = last, .hi = last};
	while (read_range_sign(s)) {
		if (out->n == MW_RANGE_SPANS_MAX || !read_number(s, &last))
			return false;
		out->items[out->n++] = (struct item){.lo = last, .hi = last};
	}
	return true;
}

/* item *( ("," / ";" / "or") item ) [ unit ]; false when the text is anything else. */
static bool read_list(struct scan *s, struct list *out)
{
	do {
		if (out->n == MW_RANGE_SPANS_MAX)
			return false;
		struct item *it = &out->items[out->n];
		if (!read_number(s, &it->lo))
			return false;
		it->hi = it->lo;
		it->is_range = read_range_sign(s);
		if (it->is_range && !read_number(s, &it->hi))
			return false;
		out->n++;
		if (it->is_range && out->n == 1 && peek(s, 0) == '-' && is_digit(peek(s, 1)) &&
			!read_hyphen_chain(s, out))
			return false;
	} while (read_separator(s));
	skip_spaces(s);
	if (s->p == s->end)
		return true;
	out->unit = read_unit(s);
	skip_spaces(s);
	return out->unit != UNIT_NONE && s->p == s->end;
}

/* A bound beyond what the type can hold is no bound at its far end, and nonsense at its near end. */
static bool to_integer(struct number n, bool is_hi, union mw_bound *out)
{
	const uint64_t most = INT64_MAX;
	if (n.decimals)
		return false;
	if (n.negative) {
		if (n.digits > most + 1 && is_hi)
			return false;
		out->i = n.digits > most ? INT64_MIN : -(int64_t)n.digits;
	} else {
		if (n.digits > most && !is_hi)
			return false;
		out->i = n.digits > most ? INT64_MAX : (int64_t)n.digits;
	}
	return true;
}

static bool to_unsigned(struct number n, bool is_hi, union mw_bound *out)
{
	bool below = n.negative && n.digits;
	if (n.decimals || (below && is_hi))
		return false;
	out->u = below ? 0 : n.digits;
	return true;
}

/* Up to 2^53 and 10^22 both are exact, so one division gives the nearest double; and no locale has a say. */
static bool to_float(struct number n, union mw_bound *out)
{
	if (n.decimals > 22 || (n.decimals && n.digits > UINT64_C(1) << 53))
		return false;
	double scale = 1;
	for (unsigned i = 0; i < n.decimals; i++)
		scale *= 10;
	double v = (double)n.digits / scale;
	out->f = n.negative ? -v : v;
	return true;
}

static enum mw_range_kind kind_of(enum mw_type type)
{
	switch (type) {
	case MW_TYPE_INTEGER:
	case MW_TYPE_TIME:
		return MW_RANGE_INTEGER;
	case MW_TYPE_UNSIGNED:
		return MW_RANGE_UNSIGNED;
	case MW_TYPE_FLOAT:
		return MW_RANGE_FLOAT;
	case MW_TYPE_STRING:
	case MW_TYPE_OPAQUE:
		return MW_RANGE_LENGTH;
	default:
		return MW_RANGE_NONE;
	}
}

static int number_cmp(struct number a, struct number b)
{
	union mw_bound x, y;
	if (!a.decimals && !b.decimals && a.negative == b.negative) {
		int cmp = (a.digits > b.digits) - (a.digits < b.digits);
		return a.negative ? -cmp : cmp;
	}
	if (!to_float(a, &x) || !to_float(b, &y))
		return 0;
	return (x.f > y.f) - (x.f < y.f);
}

static bool to_span(enum mw_range_kind kind, struct item it, struct mw_span *out)
{
	if (number_cmp(it.lo, it.hi) > 0) {
		struct number lo = it.hi;
		it.hi = it.lo;
		it.lo = lo;
	}
	switch (kind) {
	case MW_RANGE_INTEGER:
		return to_integer(it.lo, false, &out->lo) && to_integer(it.hi, true, &out->hi);
	case MW_RANGE_UNSIGNED:
		return to_unsigned(it.lo, false, &out->lo) && to_unsigned(it.hi, true, &out->hi);
	case MW_RANGE_LENGTH: /* a negative length is a slip that we do not interpret */
		return !it.lo.negative && to_unsigned(it.lo, false, &out->lo) && to_unsigned(it.hi, true, &out->hi);
	case MW_RANGE_FLOAT:
		return to_float(it.lo, &out->lo) && to_float(it.hi, &out->hi);
	default:
		return false;
	}
}

/* One number by itself: greatest length of a text, width of a number with a unit, and nothing otherwise. */
static bool single_to_span(
	enum mw_range_kind kind, enum mw_type type, const struct list *l, struct mw_span *out)
{
	struct number n = l->items[0].lo;
	if (n.decimals || n.negative || n.digits > UINT32_MAX)
		return false;
	uint64_t bits = l->unit == UNIT_BITS ? n.digits : n.digits * 8;
	if (kind == MW_RANGE_LENGTH) {
		if (l->unit == UNIT_BITS && (type != MW_TYPE_OPAQUE || bits % 8))
			return false;
		out->lo.u = 0;
		out->hi.u = l->unit == UNIT_BITS ? bits / 8 : n.digits;
		return true;
	}
	if (l->unit == UNIT_NONE || !bits || bits > 63)
		return false;
	if (kind == MW_RANGE_UNSIGNED) {
		out->lo.u = 0;
		out->hi.u = (UINT64_C(1) << bits) - 1;
	} else if (kind == MW_RANGE_INTEGER) {
		out->lo.i = -(INT64_C(1) << (bits - 1));
		out->hi.i = (int64_t)((UINT64_C(1) << bits) - 1);
	}
	return kind != MW_RANGE_FLOAT;
}

struct mw_range mw_range_parse(
	const char *text, size_t len, enum mw_type type, struct mw_span spans[MW_RANGE_SPANS_MAX])
{
	const struct mw_range none = {.kind = MW_RANGE_NONE};
	enum mw_range_kind kind = kind_of(type);
	struct scan s = {text, text + len};
	struct list l = {.n = 0};
	if (kind == MW_RANGE_NONE || !len || !read_list(&s, &l))
		return none;
	if (l.n == 1 && !l.items[0].is_range) {
		if (!single_to_span(kind, type, &l, &spans[0]))
			return none;
		return (struct mw_range){kind, 1, spans};
	}
	if (l.unit == UNIT_BITS || (l.unit != UNIT_NONE && kind != MW_RANGE_LENGTH))
		return none;
	for (size_t i = 0; i < l.n; i++)
		if (!to_span(kind, l.items[i], &spans[i]))
			return none;
	return (struct mw_range){kind, (uint8_t)l.n, spans};
}

static uint64_t count_chars(struct mw_bytes s)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s.len; i++)
		n += (s.data[i] & 0xc0) != 0x80; /* UTF-8 continuation bytes start no character */
	return n;
}

static bool length_in(const struct mw_span *span, const struct mw_value *v)
{
	uint64_t bytes = v->s.len;
	if (bytes >= span->lo.u && bytes <= span->hi.u)
		return true;
	if (v->type != MW_TYPE_STRING)
		return false;
	uint64_t chars = count_chars(v->s);
	return chars >= span->lo.u && chars <= span->hi.u;
}

static bool span_holds(enum mw_range_kind kind, const struct mw_span *span, const struct mw_value *v)
{
	switch (kind) {
	case MW_RANGE_INTEGER:
		return v->i >= span->lo.i && v->i <= span->hi.i;
	case MW_RANGE_UNSIGNED:
		return v->u >= span->lo.u && v->u <= span->hi.u;
	case MW_RANGE_FLOAT:
		return v->f >= span->lo.f && v->f <= span->hi.f;
	case MW_RANGE_LENGTH:
		return length_in(span, v);
	default:
		return true;
	}
}

bool mw_range_holds(const struct mw_range *r, const struct mw_value *v)
{
	if (r->kind == MW_RANGE_NONE || kind_of(v->type) != r->kind)
		return true;
	for (size_t i = 0; i < r->n_spans; i++)
		if (span_holds(r->kind, &r->spans[i], v))
			return true;
	return false;
}
