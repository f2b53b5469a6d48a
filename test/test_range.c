/* RangeEnumeration: every shape of text that the public registry has, and values against the result. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/range.h"

/* One line per constraint: "int 0..100", "float 0.5..1, 3..3", "none". */
static void print_range(const struct mw_range *r, char *out, size_t size)
{
	static const char *const kinds[] = {"none", "int", "uint", "float", "len"};
	size_t at = (size_t)snprintf(out, size, "%s", kinds[r->kind]);
	for (size_t i = 0; i < r->n_spans; i++) {
		const struct mw_span *s = &r->spans[i];
		const char *sep = i ? "," : "";
		if (r->kind == MW_RANGE_INTEGER)
			at += (size_t)snprintf(
				out + at, size - at, "%s %lld..%lld", sep, (long long)s->lo.i, (long long)s->hi.i);
		else if (r->kind == MW_RANGE_FLOAT)
			at += (size_t)snprintf(out + at, size - at, "%s %g..%g", sep, s->lo.f, s->hi.f);
		else
			at += (size_t)snprintf(out + at, size - at, "%s %llu..%llu", sep, (unsigned long long)s->lo.u,
				(unsigned long long)s->hi.u);
	}
}

static void test_texts(void **state)
{
	(void)state;
	enum {
		S = MW_TYPE_STRING,
		I = MW_TYPE_INTEGER,
		U = MW_TYPE_UNSIGNED,
		F = MW_TYPE_FLOAT,
		O = MW_TYPE_OPAQUE
	};
	static const struct {
		int type;
		const char *text, *want;
	} cases[] = {
		/* ranges */
		{I, "0..100", "int 0..100"},
		{I, "-1..1", "int -1..1"},
		{I, " 0 .. 100 ", "int 0..100"},
		{I, "+1..+5", "int 1..5"},
		{I, "-128..127", "int -128..127"},
		{I, "-110..-48", "int -110..-48"},
		{I, "-30..-120", "int -120..-30"},
		{I, "5..-5", "int -5..5"},
		{I, "0..4294967295", "int 0..4294967295"},
		{I, "0..9223372036854775807", "int 0..9223372036854775807"},
		{I, "-9223372036854775808..0", "int -9223372036854775808..0"},
		{I, "-18446744073709551615..18446744073709551615", "int -9223372036854775808..9223372036854775807"},
		{I, "0..99999999999999999999", "none"},
		{I, "10000000000000000000..18446744073709551615", "none"},
		{MW_TYPE_TIME, "0..86400", "int 0..86400"},
		{U, "0..18446744073709551615", "uint 0..18446744073709551615"},
		{U, "-1..5", "uint 0..5"},
		{U, "-5..-1", "none"},
		{F, "0..1", "float 0..1"},
		{F, "-100.0..100.0", "float -100..100"},
		{F, "0.000001..1.0", "float 1e-06..1"},
		{F, "-1.5..-0.5", "float -1.5..-0.5"},
		{F, "0.5..0.25", "float 0.25..0.5"},
		{F, "0.00000000000000000000001..1", "none"},
		{I, "0.5..1.5", "none"},
		/* other signs for "to" */
		{I, "0-255", "int 0..255"},
		{I, "1 - 65534", "int 1..65534"},
		{I, "-5--1", "int -5..-1"},
		{I, "1...63", "int 1..63"},
		/* lists */
		{I, "0,1,2", "int 0..0, 1..1, 2..2"},
		{I, "5, 10, 15, 20", "int 5..5, 10..10, 15..15, 20..20"},
		{I, "0..3, 99", "int 0..3, 99..99"},
		{I, "0..247, 255", "int 0..247, 255..255"},
		{F, "0; 3.8..20.5", "float 0..0, 3.8..20.5"},
		{S, "10,26", "len 10..10, 26..26"},
		{O, "16,32,48", "len 16..16, 32..32, 48..48"},
		{O, "16-32-48 bytes", "len 16..16, 32..32, 48..48"},
		{S, "10 or 26 Bytes", "len 10..10, 26..26"},
		/* lengths */
		{S, "0..255", "len 0..255"},
		{S, "0..255 bytes", "len 0..255"},
		{S, "0-255 bytes", "len 0..255"},
		{S, "1..64 Bytes", "len 1..64"},
		{S, "64", "len 0..64"},
		{S, "12 Bytes ", "len 0..12"},
		{S, "32 characters", "len 0..32"},
		{O, "6", "len 0..6"},
		{O, "8 bit", "len 0..1"},
		{O, "12 bit", "none"},
		{S, "8 bit", "none"},
		{S, "-1..5", "none"},
		{S, "0.5..5", "none"},
		/* widths */
		{I, "8 bit", "int -128..255"},
		{I, "16-bit", "int -32768..65535"},
		{I, "8-Bits", "int -128..255"},
		{I, "1 bytes", "int -128..255"},
		{I, "64 bit", "none"},
		{I, "0 bit", "none"},
		{U, "2 bytes", "uint 0..65535"},
		{F, "4 bytes", "none"},
		{I, "0..255 bytes", "none"},
		{O, "0..64 bit", "none"},
		/* says nothing */
		{I, "", "none"},
		{I, "   ", "none"},
		{I, "255", "none"},
		{I, "[1:4]", "none"},
		{I, "<7 to >12.5", "none"},
		{I, "2 Instances", "none"},
		{F, "ON;OFF", "none"},
		{I, "0: disabled\n\t1: normal", "none"},
		{U, "0: RELEASED\n\t\t1: PRESSED", "none"},
		{S, "The possible values are those listed elsewhere", "none"},
		{I, "0..", "none"},
		{I, "..5", "none"},
		{I, "0..5,", "none"},
		{I, "0..5 apples", "none"},
		{I, "0..5..7", "none"},
		{I, "-", "none"},
		{I, "0..1e6", "none"},
		{I, "1 orange", "none"},
		{MW_TYPE_BOOLEAN, "0..65535", "none"},
		{MW_TYPE_OBJLNK, "0..1", "none"},
		{MW_TYPE_NONE, "0..1", "none"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mw_span spans[MW_RANGE_SPANS_MAX];
		char got[256];
		struct mw_range r =
			mw_range_parse(cases[i].text, strlen(cases[i].text), (enum mw_type)cases[i].type, spans);
		print_range(&r, got, sizeof(got));
		if (strcmp(got, cases[i].want))
			fail_msg("\"%s\" of type %d: got %s, want %s", cases[i].text, cases[i].type, got, cases[i].want);
	}
}

/* The longest list fits, one more is not understood. Both forms of list have the limit. */
static void test_span_limit(void **state)
{
	(void)state;
	static const char *const separators[] = {",", "-"};
	for (size_t s = 0; s < 2; s++) {
		char text[256] = "0";
		for (int i = 1; i <= MW_RANGE_SPANS_MAX; i++) {
			struct mw_span spans[MW_RANGE_SPANS_MAX];
			struct mw_range r = mw_range_parse(text, strlen(text), MW_TYPE_INTEGER, spans);
			if (i > 2)
				assert_int_equal(r.n_spans, i);
			size_t at = strlen(text);
			snprintf(text + at, sizeof(text) - at, "%s%d", separators[s], i);
		}
		struct mw_span spans[MW_RANGE_SPANS_MAX];
		struct mw_range r = mw_range_parse(text, strlen(text), MW_TYPE_INTEGER, spans);
		assert_int_equal(r.kind, MW_RANGE_NONE);
		assert_int_equal(r.n_spans, 0);
	}
}

/* The text need not be terminated: nothing after its length is looked at. */
static void test_not_terminated(void **state)
{
	(void)state;
	const char text[] = {'0', '.', '.', '2', '5'};
	struct mw_span spans[MW_RANGE_SPANS_MAX];
	struct mw_range r = mw_range_parse(text, 4, MW_TYPE_INTEGER, spans);
	assert_int_equal(r.n_spans, 1);
	assert_int_equal(spans[0].hi.i, 2);
	r = mw_range_parse(text, 3, MW_TYPE_INTEGER, spans);
	assert_int_equal(r.kind, MW_RANGE_NONE);
}

static bool holds(const char *text, enum mw_type type, struct mw_value v)
{
	struct mw_span spans[MW_RANGE_SPANS_MAX];
	struct mw_range r = mw_range_parse(text, strlen(text), type, spans);
	return mw_range_holds(&r, &v);
}

static struct mw_value text_value(enum mw_type type, const char *s)
{
	return (struct mw_value){.type = type, .s = {(const uint8_t *)s, strlen(s)}};
}

static void test_values(void **state)
{
	(void)state;
	const enum mw_type I = MW_TYPE_INTEGER, U = MW_TYPE_UNSIGNED, F = MW_TYPE_FLOAT, S = MW_TYPE_STRING;
	assert_true(holds("0..100", I, (struct mw_value){.type = I, .i = 0}));
	assert_true(holds("0..100", I, (struct mw_value){.type = I, .i = 100}));
	assert_false(holds("0..100", I, (struct mw_value){.type = I, .i = 101}));
	assert_false(holds("0..100", I, (struct mw_value){.type = I, .i = -1}));
	assert_true(holds("0..3, 99", I, (struct mw_value){.type = I, .i = 99}));
	assert_false(holds("0..3, 99", I, (struct mw_value){.type = I, .i = 4}));
	assert_true(holds("0..18446744073709551615", U, (struct mw_value){.type = U, .u = UINT64_MAX}));
	assert_false(holds("1..5", U, (struct mw_value){.type = U, .u = UINT64_MAX}));
	assert_true(holds("0.000001..1.0", F, (struct mw_value){.type = F, .f = 0.000001}));
	assert_false(holds("0..1", F, (struct mw_value){.type = F, .f = 1.0000001}));
	assert_false(holds("0..1", F, (struct mw_value){.type = F, .f = NAN}));
	assert_true(holds("1..3", S, text_value(S, "abc")));
	assert_false(holds("1..3", S, text_value(S, "abcd")));
	assert_false(holds("1..3", S, text_value(S, "")));
	/* four bytes, two characters: fits by characters, and "10 or 26" must not fit in between */
	assert_true(holds("1..3", S, text_value(S, "\xc3\xa4\xc3\xb6")));
	assert_false(holds("1..3", MW_TYPE_OPAQUE, text_value(MW_TYPE_OPAQUE, "\xc3\xa4\xc3\xb6")));
	assert_false(holds("10 or 26", S, text_value(S, "123456789012")));
	/* no opinion: no constraint, or a value of another type */
	assert_true(holds("whatever", I, (struct mw_value){.type = I, .i = 7}));
	assert_true(holds("0..1", I, text_value(S, "abc")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_span_limit),
		cmocka_unit_test(test_not_terminated),
		cmocka_unit_test(test_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
