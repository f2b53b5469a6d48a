#include "script/numeric.h"
#include "codec/number.h"

#include <math.h>

static void trim(struct mw_bytes *s)
{
	while (s->len > 0 && (s->data[0] == ' ' || s->data[0] == '\t')) {
		s->data++;
		s->len--;
	}
	while (s->len > 0 && (s->data[s->len - 1] == ' ' || s->data[s->len - 1] == '\t'))
		s->len--;
}

static int digit_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* All of @p s as digits of @p base, into a signed 64-bit number. */
static bool parse_base(struct mw_bytes s, unsigned base, bool negative, int64_t *out)
{
	uint64_t n = 0;
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned d = (unsigned)digit_of(s.data[i]);
		if (d >= base || n > ((uint64_t)INT64_MAX - d) / base)
			return false;
		n = n * base + d;
	}
	*out = negative ? -(int64_t)n : (int64_t)n;
	return true;
}

static bool parse_prefixed(struct mw_bytes s, int64_t *out)
{
	bool negative = s.len > 0 && s.data[0] == '-';
	if (s.len > 0 && (negative || s.data[0] == '+')) {
		s.data++;
		s.len--;
	}
	if (s.len < 2 || s.data[0] != '0')
		return false;
	bool hex = s.data[1] == 'x' || s.data[1] == 'X';
	struct mw_bytes digits = {s.data + (hex ? 2 : 1), s.len - (hex ? 2 : 1)};
	return parse_base(digits, hex ? 16 : 8, negative, out);
}

static int from_text(struct mw_bytes s, struct mw_value *out)
{
	int64_t i;
	double f;
	trim(&s);
	if (parse_prefixed(s, &i) || mw_number_parse_i64(s.data, s.len, &i)) {
		*out = (struct mw_value){.type = MW_TYPE_INTEGER, .i = i};
		return 0;
	}
	if (!mw_number_parse_double(s.data, s.len, &f) || !isfinite(f))
		return MW_E_TYPE;
	*out = (struct mw_value){.type = MW_TYPE_FLOAT, .f = f};
	return 0;
}

int mw_numeric(const struct mw_value *v, struct mw_value *out)
{
	switch (v->type) {
	case MW_TYPE_INTEGER:
	case MW_TYPE_TIME:
		*out = (struct mw_value){.type = MW_TYPE_INTEGER, .i = v->i};
		return 0;
	case MW_TYPE_UNSIGNED:
		if (v->u > INT64_MAX)
			return MW_E_TYPE;
		*out = *v;
		return 0;
	case MW_TYPE_FLOAT:
		if (!isfinite(v->f))
			return MW_E_TYPE;
		*out = *v;
		return 0;
	case MW_TYPE_BOOLEAN:
		*out = (struct mw_value){.type = MW_TYPE_INTEGER, .i = v->b};
		return 0;
	case MW_TYPE_STRING:
		return from_text(v->s, out);
	default:
		return MW_E_TYPE;
	}
}
