#include "codec_helper.h"
#include "codec/base64.h"
#include "codec/number.h"
#include "codec/utf8.h"

#include <inttypes.h>
#include <math.h>

static void paths_parse_and_print(void **state)
{
	(void)state;
	static const struct {
		const char *text, *printed;
	} cases[] = {{"/", "/"}, {"/3303/0/5700", "/3303/0/5700"}, {"3303/0/5700", "/3303/0/5700"},
		{"/3/0/", "/3/0"}, {"/65534/65534/65534/65534", "/65534/65534/65534/65534"}, {"0", "/0"},
		{"/3/0/6/1/", "/3/0/6/1"}, {"", NULL}, {"//", NULL}, {"/3//0", NULL}, {"/65535", NULL},
		{"/99999999999999999999", NULL}, {"/3/x", NULL}, {"/1/2/3/4/5", NULL}, {"/03", NULL}, {"/-1", NULL},
		{"/3 ", NULL}, {"/3/0//", NULL}, {"/00", NULL}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_path p;
		char text[MW_PATH_TEXT_MAX];
		int rc = mw_path_parse(&p, cases[i].text, strlen(cases[i].text));
		if (!cases[i].printed) {
			assert_int_equal(rc, MW_E_PATH);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_int_equal(mw_path_print(&p, text), strlen(cases[i].printed));
		assert_string_equal(text, cases[i].printed);
	}
}

static void paths_behind_a_prefix(void **state)
{
	(void)state;
	static const struct {
		const char *text, *printed, *prefix;
	} cases[] = {{"/lwm2m/3/0/0", "/3/0/0", "/lwm2m"}, {"/a/b7/3/0", "/3/0", "/a/b7"}, {"/3/0", "/3/0", ""},
		{"lwm2m/3", "/3", "lwm2m"}, {"/lwm2m", "/", "/lwm2m"}, {"/lwm2m/", "/", "/lwm2m"}, {"/", "/", ""},
		{"/3/x", NULL, ""}, {"/x/3/y", NULL, ""}, {"", NULL, ""}, {"/x/70000", NULL, ""}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_path p;
		char text[MW_PATH_TEXT_MAX];
		size_t prefix_len;
		int rc = mw_path_parse_prefixed(&p, cases[i].text, strlen(cases[i].text), &prefix_len);
		assert_int_equal(rc, cases[i].printed ? 0 : MW_E_PATH);
		if (!cases[i].printed)
			continue;
		mw_path_print(&p, text);
		assert_string_equal(text, cases[i].printed);
		assert_int_equal(prefix_len, strlen(cases[i].prefix));
	}
}

static void paths_relate(void **state)
{
	(void)state;
	struct mw_path root = path_of("/"), a = MW_PATH(3, 0), b = MW_PATH(3, 0, 6, 1), c = MW_PATH(3, 1);
	assert_true(mw_path_is_under(&b, &a) && mw_path_is_under(&a, &a) && mw_path_is_under(&a, &root));
	assert_false(mw_path_is_under(&a, &b) || mw_path_is_under(&b, &c));
	assert_true(mw_path_eq(&a, &a));
	assert_false(mw_path_eq(&a, &c) || mw_path_eq(&a, &b));
	struct mw_path child = mw_path_child(&a, 6), grandchild = mw_path_child(&child, 1);
	assert_true(mw_path_eq(&grandchild, &b));
	assert_int_equal(root.oid, MW_ID_NONE);
	assert_int_equal(a.rid, MW_ID_NONE);
}

#define INT(x)                                                                                               \
	{                                                                                                        \
		.type = MW_TYPE_INTEGER, .i = (x)                                                                    \
	}
#define UINT(x)                                                                                              \
	{                                                                                                        \
		.type = MW_TYPE_UNSIGNED, .u = (x)                                                                   \
	}
#define FLT(x)                                                                                               \
	{                                                                                                        \
		.type = MW_TYPE_FLOAT, .f = (x)                                                                      \
	}
#define BOOL(x)                                                                                              \
	{                                                                                                        \
		.type = MW_TYPE_BOOLEAN, .b = (x)                                                                    \
	}
#define STR(x)                                                                                               \
	{                                                                                                        \
		.type = MW_TYPE_STRING, .s = {(const uint8_t *)(x), sizeof(x) - 1 }                                  \
	}
#define OPQ(x)                                                                                               \
	{                                                                                                        \
		.type = MW_TYPE_OPAQUE, .s = {(const uint8_t *)(x), sizeof(x) - 1 }                                  \
	}

static void values_convert_without_loss(void **state)
{
	(void)state;
	static const struct {
		struct mw_value from;
		enum mw_type to;
		const char *printed; /* NULL = refused */
	} cases[] = {{INT(5), MW_TYPE_INTEGER, "5"}, {INT(5), MW_TYPE_UNSIGNED, "5"},
		{INT(-5), MW_TYPE_UNSIGNED, NULL}, {INT(-5), MW_TYPE_TIME, "-5"},
		{INT(INT64_MIN), MW_TYPE_TIME, "-9223372036854775808"}, {INT(9007199254740993), MW_TYPE_FLOAT, NULL},
		{INT(9007199254740992), MW_TYPE_FLOAT, "9007199254740992"}, {INT(INT64_MAX), MW_TYPE_FLOAT, NULL},
		{INT(INT64_MIN), MW_TYPE_FLOAT, "-9.223372036854776e+18"}, {INT(1), MW_TYPE_BOOLEAN, "true"},
		{INT(0), MW_TYPE_BOOLEAN, "false"}, {INT(2), MW_TYPE_BOOLEAN, NULL}, {INT(-1), MW_TYPE_BOOLEAN, NULL},
		{INT(1), MW_TYPE_STRING, NULL}, {INT(1), MW_TYPE_OBJLNK, NULL},
		{UINT(UINT64_MAX), MW_TYPE_INTEGER, NULL}, {UINT(INT64_MAX), MW_TYPE_INTEGER, "9223372036854775807"},
		{FLT(5.0), MW_TYPE_INTEGER, "5"}, {FLT(5.5), MW_TYPE_INTEGER, NULL}, {FLT(-5.0), MW_TYPE_TIME, "-5"},
		{FLT(-5.0), MW_TYPE_UNSIGNED, NULL}, {FLT(0x1p63), MW_TYPE_INTEGER, NULL},
		{FLT(0x1p63), MW_TYPE_UNSIGNED, "9223372036854775808"}, {FLT(0x1p64), MW_TYPE_UNSIGNED, NULL},
		{FLT(-0x1p63), MW_TYPE_INTEGER, "-9223372036854775808"}, {FLT(NAN), MW_TYPE_INTEGER, NULL},
		{FLT(INFINITY), MW_TYPE_INTEGER, NULL}, {FLT(1), MW_TYPE_BOOLEAN, "true"},
		{BOOL(true), MW_TYPE_INTEGER, "1"}, {STR("21.5"), MW_TYPE_FLOAT, "21.5"},
		{STR("5.0"), MW_TYPE_INTEGER, "5"}, {STR("1e3"), MW_TYPE_INTEGER, "1000"},
		{STR("9223372036854775807"), MW_TYPE_INTEGER, "9223372036854775807"},
		{STR("9223372036854775808"), MW_TYPE_INTEGER, NULL},
		{STR("-9223372036854775808"), MW_TYPE_TIME, "-9223372036854775808"},
		{STR("18446744073709551615"), MW_TYPE_UNSIGNED, "18446744073709551615"},
		{STR("18446744073709551616"), MW_TYPE_UNSIGNED, NULL}, {STR(""), MW_TYPE_INTEGER, NULL},
		{STR("0x10"), MW_TYPE_INTEGER, NULL}, {STR("nan"), MW_TYPE_FLOAT, NULL},
		{STR("inf"), MW_TYPE_FLOAT, NULL}, {STR("1e999"), MW_TYPE_FLOAT, NULL},
		{STR("1."), MW_TYPE_FLOAT, "1"}, {STR("."), MW_TYPE_FLOAT, NULL}, {STR("1e"), MW_TYPE_FLOAT, NULL},
		{STR("true"), MW_TYPE_BOOLEAN, "true"}, {STR("0"), MW_TYPE_BOOLEAN, "false"},
		{STR("2"), MW_TYPE_BOOLEAN, NULL}, {STR("3:0"), MW_TYPE_OBJLNK, "3:0"},
		{STR("65535:65535"), MW_TYPE_OBJLNK, "65535:65535"},
		{STR("FFFF:ffff"), MW_TYPE_OBJLNK, "65535:65535"}, {STR("65536:0"), MW_TYPE_OBJLNK, NULL},
		{STR("3"), MW_TYPE_OBJLNK, NULL}, {STR("3:"), MW_TYPE_OBJLNK, NULL},
		{STR(":3"), MW_TYPE_OBJLNK, NULL}, {STR("3:0 "), MW_TYPE_OBJLNK, NULL},
		{STR("FFFF"), MW_TYPE_OBJLNK, NULL}, {STR("</3>"), MW_TYPE_CORELNK, "</3>"},
		{STR("ab"), MW_TYPE_OPAQUE, "6162"}, {OPQ("ab"), MW_TYPE_STRING, "ab"},
		{OPQ("\xff"), MW_TYPE_STRING, NULL}, {OPQ("1"), MW_TYPE_INTEGER, NULL}, {INT(1), MW_TYPE_NONE, NULL}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_value v = cases[i].from;
		char text[512], before[512];
		struct mw_buf b;
		mw_buf_init(&b, before, sizeof(before) - 1);
		mw_value_print(&v, &b);
		before[b.len] = 0;
		int rc = mw_value_convert(&v, cases[i].to);
		mw_buf_init(&b, text, sizeof(text) - 1);
		mw_value_print(&v, &b);
		text[b.len] = 0;
		if (cases[i].printed && (rc < 0 || strcmp(text, cases[i].printed) || v.type != cases[i].to))
			fail_msg("case %zu: %s as %s gave %d, %s", i, before, mw_type_name(cases[i].to), rc, text);
		if (!cases[i].printed && (rc != MW_E_TYPE || strcmp(text, before) || v.type != cases[i].from.type))
			fail_msg("case %zu: %s as %s was not refused: %s", i, before, mw_type_name(cases[i].to), text);
	}
}

static void numbers_print_shortest(void **state)
{
	(void)state;
	static const struct {
		double v;
		const char *text, *plain;
	} cases[] = {{21.5, "21.5", "21.5"}, {0.1, "0.1", "0.1"}, {0, "0", "0"}, {-0.0, "-0", "-0"},
		{100, "100", "100"}, {1e21, "1e+21", "1000000000000000000000"}, {1.5e-7, "1.5e-07", "0.00000015"},
		{-1234.5678, "-1234.5678", "-1234.5678"}, {1.0 / 3, "0.3333333333333333", "0.3333333333333333"},
		{1e-5, "0.00001", "0.00001"}, {123456789012345678.0, "1.2345678901234568e+17", "123456789012345680"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[MW_NUMBER_TEXT_MAX];
		assert_int_equal(mw_number_print(cases[i].v, text), strlen(cases[i].text));
		assert_string_equal(text, cases[i].text);
		mw_number_print_plain(cases[i].v, text);
		assert_string_equal(text, cases[i].plain);
	}
	static const double extremes[] = {5e-324, 1.7976931348623157e308, -1.7976931348623157e308,
		2.2250738585072014e-308, 0x1.fffffffffffffp-1023, 0x1.23456789abcdep+70};
	for (size_t i = 0; i < sizeof(extremes) / sizeof(*extremes); i++) {
		char text[MW_NUMBER_TEXT_MAX];
		double back;
		size_t len = mw_number_print_plain(extremes[i], text);
		assert_null(strchr(text, 'e'));
		assert_true(mw_number_parse_double(text, len, &back) && back == extremes[i]);
		len = mw_number_print(extremes[i], text);
		assert_true(mw_number_parse_double(text, len, &back) && back == extremes[i]);
	}
}

static void nodes_grow_to_their_limit(void **state)
{
	(void)state;
	struct mw_nodes nodes;
	struct mw_node node = {.path = MW_PATH(3, 0, 9)};
	mw_nodes_init(&nodes, 20);
	for (int i = 0; i < 20; i++)
		assert_int_equal(mw_nodes_add(&nodes, &node), 0);
	assert_int_equal(mw_nodes_add(&nodes, &node), MW_E_LIMIT);
	assert_int_equal(nodes.len, 20);
	uint8_t *small = mw_nodes_bytes(&nodes, 3), *large = mw_nodes_bytes(&nodes, 100000),
			*none = mw_nodes_bytes(&nodes, 0);
	assert_true(small && large && none);
	memset(small, 1, 3);
	memset(large, 2, 100000);
	assert_int_equal(small[2], 1);
	assert_null(mw_nodes_bytes(&nodes, SIZE_MAX - 4));
	size_t cap = nodes.cap;
	mw_nodes_clear(&nodes);
	assert_int_equal(nodes.len, 0);
	assert_int_equal(nodes.cap, cap);
	assert_null(nodes.arena);
	mw_nodes_deinit(&nodes);
}

static void utf8_is_checked(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {{"", true}, {"abc", true}, {"\xc3\xa9", true}, {"\xe2\x82\xac", true},
		{"\xf0\x9f\x98\x80", true}, {"\xf4\x8f\xbf\xbf", true}, {"\xf4\x90\x80\x80", false},
		{"\xed\xa0\x80", false}, {"\xc0\xaf", false}, {"\xe0\x80\xaf", false}, {"\x80", false},
		{"\xc3", false}, {"\xe2\x82", false}, {"\xe2\x82\x41", false}, {"\xff", false},
		{"a\xf0\x9f\x98", false}, {"\xf0\x80\x80\x80", false}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(mw_utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].ok);
}

static void base64_both_ways(void **state)
{
	(void)state;
	static const struct {
		const char *text, *bytes; /* bytes NULL = refused */
	} cases[] = {{"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYg==", "foob"}, {"Zg", "f"},
		{"Zm8", "fo"}, {"Zm9v\r\nYg==\n", "foob"}, {"-_8", "\xfb\xff"}, {"+/8=", "\xfb\xff"}, {"Z", NULL},
		{"Zg=", NULL}, {"Zg===", NULL}, {"Zg==Zg==", NULL}, {"Zm9v*", NULL}, {"====", NULL}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_bytes text = {(const uint8_t *)cases[i].text, strlen(cases[i].text)};
		uint8_t out[32];
		int64_t len = mw_base64_decode(text, out);
		if (!cases[i].bytes) {
			assert_int_equal(len, MW_E_FORMAT);
			continue;
		}
		assert_int_equal(len, strlen(cases[i].bytes));
		assert_memory_equal(out, cases[i].bytes, (size_t)len);
	}
	char text[16];
	struct mw_buf b;
	mw_buf_init(&b, text, sizeof(text));
	mw_base64_encode((struct mw_bytes){(const uint8_t *)"\xfb\xff", 2}, false, &b);
	mw_base64_encode((struct mw_bytes){(const uint8_t *)"\xfb\xff", 2}, true, &b);
	assert_int_equal(b.len, 7);
	assert_memory_equal(text, "+/8=-_8", 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_parse_and_print),
		cmocka_unit_test(paths_behind_a_prefix),
		cmocka_unit_test(paths_relate),
		cmocka_unit_test(values_convert_without_loss),
		cmocka_unit_test(numbers_print_shortest),
		cmocka_unit_test(nodes_grow_to_their_limit),
		cmocka_unit_test(utf8_is_checked),
		cmocka_unit_test(base64_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
