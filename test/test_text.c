#include "codec_helper.h"

#include <math.h>

static void text_vectors(void **state)
{
	(void)state;
	static const struct vector cases[] = {
		{"string", "/9/0/1", "\"Open Mobile Alliance\"", "/9/0/1 String Open Mobile Alliance|", 0, NULL},
		{"empty string", "/9/0/1", "", "/9/0/1 String |", 0, NULL},
		{"string keeps spaces", "/9/0/1", "\" 5 \"", "/9/0/1 String  5 |", 0, NULL},
		{"instance", "/9/0/2/7", "\"-5\"", "/9/0/2/7 Integer -5|", 0, NULL},
		{"integer", "/9/0/2", "\"9223372036854775807\"", "/9/0/2 Integer 9223372036854775807|", 0, NULL},
		{"smallest", "/9/0/2", "\"-9223372036854775808\"", "/9/0/2 Integer -9223372036854775808|", 0, NULL},
		{"too large", "/9/0/2", "\"9223372036854775808\"", "/9/0/2 String 9223372036854775808|", 0, NULL},
		{"integral", "/9/0/2", "\"5.0\"", "/9/0/2 Integer 5|", ONE_WAY, NULL},
		{"spaces", "/9/0/2", "\" 5\" 0d0a", "/9/0/2 Integer 5|", ONE_WAY, NULL},
		{"no integer", "/9/0/2", "\"5.5\"", "/9/0/2 String 5.5|", 0, NULL},
		{"unsigned", "/9/0/3", "\"18446744073709551615\"", "/9/0/3 Unsigned Integer 18446744073709551615|", 0,
			NULL},
		{"negative unsigned", "/9/0/3", "\"-1\"", "/9/0/3 String -1|", 0, NULL},
		{"float", "/9/0/4", "\"-21.5\"", "/9/0/4 Float -21.5|", 0, NULL},
		{"exponent", "/9/0/4", "\"1e30\"", "/9/0/4 Float 1e+30|", ONE_WAY, NULL},
		{"nan", "/9/0/4", "\"nan\"", "/9/0/4 String nan|", 0, NULL},
		{"infinity", "/9/0/4", "\"1e999\"", "/9/0/4 String 1e999|", 0, NULL},
		{"true", "/9/0/5", "\"1\"", "/9/0/5 Boolean true|", 0, NULL},
		{"false", "/9/0/5", "\"0\"", "/9/0/5 Boolean false|", 0, NULL},
		{"no boolean", "/9/0/5", "\"2\"", "/9/0/5 String 2|", 0, NULL},
		{"opaque", "/9/0/6", "\"AQID\"", "/9/0/6 Opaque 010203|", 0, NULL},
		{"opaque, padded", "/9/0/6", "\"/w==\"", "/9/0/6 Opaque ff|", 0, NULL},
		{"opaque, URL alphabet", "/9/0/6", "\"_w\"", "/9/0/6 Opaque ff|", ONE_WAY, NULL},
		{"opaque, empty", "/9/0/6", "", "/9/0/6 Opaque |", 0, NULL},
		{"opaque, not Base64", "/9/0/6", "\"***\"", "/9/0/6 String ***|", 0, NULL},
		{"time", "/9/0/7", "\"1367491215\"", "/9/0/7 Time 1367491215|", 0, NULL},
		{"link", "/9/0/8", "\"66:0\"", "/9/0/8 Objlnk 66:0|", 0, NULL},
		{"null link", "/9/0/8", "\"65535:65535\"", "/9/0/8 Objlnk 65535:65535|", 0, NULL},
		{"corelnk", "/9/0/9", "\"</3/0>;ver=1.1\"", "/9/0/9 Corelnk </3/0>;ver=1.1|", 0, NULL},
		{"unknown", "/99/0/1", "\"5\"", "/99/0/1 String 5|", 0, NULL},
		{"without definitions", "/9/0/2", "\"5\"", "/9/0/2 String 5|", UNTYPED, NULL},
		{"not UTF-8", "/9/0/1", "ff fe", "/9/0/1 Opaque fffe|", ONE_WAY, NULL},
		{"an instance", "/9/0", "\"5\"", NULL, 0, "/9/0 is not one"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		check_vector(MW_FORMAT_TEXT, &cases[i], 0);
		if (!(cases[i].flags & ONE_WAY) && cases[i].expected) {
			struct vector v = cases[i];
			v.flags |= ONE_WAY; /* 1541 is read, but never written */
			check_vector(MW_FORMAT_OLD_TEXT, &v, 0);
			check_vector(MW_FORMAT_NONE, &v, 0);
		}
	}
}

static void opaque_vectors(void **state)
{
	(void)state;
	static const struct vector cases[] = {
		{"opaque", "/9/0/6", "00 01 ff", "/9/0/6 Opaque 0001ff|", 0, NULL},
		{"unknown", "/99/0/6/3", "61", "/99/0/6/3 Opaque 61|", 0, NULL},
		{"empty", "/9/0/6", "", "/9/0/6 Opaque |", 0, NULL},
		{"string", "/9/0/1", "\"text\"", "/9/0/1 String text|", ONE_WAY, NULL},
		{"not a string", "/9/0/1", "ff", "/9/0/1 Opaque ff|", 0, NULL},
		{"no number", "/9/0/2", "31", "/9/0/2 Opaque 31|", 0, NULL},
		{"an object", "/9", "00", NULL, 0, "/9 is not one"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_vector(MW_FORMAT_OPAQUE, &cases[i], 0);
}

static void what_cannot_be_encoded(void **state)
{
	(void)state;
	const struct mw_path base = MW_PATH(9, 0, 4);
	static const struct {
		unsigned format;
		struct mw_value v;
		int rc;
	} cases[] = {{MW_FORMAT_TEXT, {.type = MW_TYPE_FLOAT, .f = NAN}, MW_E_TYPE},
		{MW_FORMAT_TEXT, {.type = MW_TYPE_FLOAT, .f = -INFINITY}, MW_E_TYPE},
		{MW_FORMAT_TEXT, {.type = MW_TYPE_NONE}, MW_E_TYPE},
		{MW_FORMAT_TEXT, {.type = MW_TYPE_STRING, .s = {(const uint8_t *)"\xff", 1}}, MW_E_TYPE},
		{MW_FORMAT_TEXT, {.type = MW_TYPE_FLOAT, .f = 1e300}, MW_E_LIMIT},
		{MW_FORMAT_OPAQUE, {.type = MW_TYPE_STRING, .s = {(const uint8_t *)"a", 1}}, MW_E_TYPE},
		{MW_FORMAT_CBOR, {.type = MW_TYPE_NONE}, MW_E_TYPE},
		{MW_FORMAT_TLV, {.type = MW_TYPE_NONE}, MW_E_TYPE},
		{MW_FORMAT_SENML_CBOR, {.type = MW_TYPE_NONE}, MW_E_TYPE},
		{MW_FORMAT_SENML_CBOR, {.type = MW_TYPE_STRING, .s = {(const uint8_t *)"\xff", 1}}, MW_E_TYPE},
		{MW_FORMAT_TLV, {.type = MW_TYPE_STRING, .s = {(const uint8_t *)"\xff", 1}}, MW_E_TYPE},
		{MW_FORMAT_SENML_JSON, {.type = MW_TYPE_INTEGER}, MW_E_UNSUPPORTED},
		{MW_FORMAT_OLD_TLV, {.type = MW_TYPE_INTEGER}, MW_E_UNSUPPORTED},
		{MW_FORMAT_NONE, {.type = MW_TYPE_INTEGER}, MW_E_UNSUPPORTED}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t memory[64];
		struct mw_buf out;
		struct mw_errbuf e = {0};
		struct mw_node node = {.path = base, .value = cases[i].v};
		mw_buf_init(&out, memory, sizeof(memory));
		mw_buf_put_u8(&out, 7);
		assert_int_equal(mw_encode(cases[i].format, &base, &node, 1, &out, &e), cases[i].rc);
		assert_true(e.text[0] != 0);
		assert_int_equal(out.len, 1);
	}
	uint8_t memory[8];
	struct mw_buf out;
	struct mw_node two[2] = {{.path = base}, {.path = base}};
	two[0].value = two[1].value = (struct mw_value){.type = MW_TYPE_BOOLEAN};
	mw_buf_init(&out, memory, sizeof(memory));
	assert_int_equal(mw_encode(MW_FORMAT_TEXT, &base, two, 2, &out, NULL), MW_E_TYPE);
	assert_int_equal(mw_encode(MW_FORMAT_TEXT, &base, two, 0, &out, NULL), MW_E_TYPE);
	two[0].path = MW_PATH(9, 0, 5);
	assert_int_equal(mw_encode(MW_FORMAT_TEXT, &base, two, 1, &out, NULL), MW_E_PATH);
	assert_int_equal(mw_encode(MW_FORMAT_TLV, &base, two, 1, &out, NULL), MW_E_PATH);
	assert_int_equal(mw_encode(MW_FORMAT_SENML_CBOR, &base, two, 1, &out, NULL), MW_E_PATH);
}

static void formats_have_names(void **state)
{
	(void)state;
	assert_string_equal(mw_format_name(MW_FORMAT_TLV), "tlv");
	assert_string_equal(mw_format_name(1542), "tlv");
	assert_string_equal(mw_format_name(112), "senml+cbor");
	assert_string_equal(mw_format_name(4711), "unknown");
	static const unsigned unbuilt[] = {
		MW_FORMAT_JSON, MW_FORMAT_SENML_JSON, MW_FORMAT_LWM2M_CBOR, MW_FORMAT_LINK, 50};
	for (size_t i = 0; i < sizeof(unbuilt) / sizeof(*unbuilt); i++) {
		struct mw_path base = MW_PATH(3);
		struct mw_errbuf e = {0};
		struct mw_nodes nodes;
		mw_nodes_init(&nodes, 0);
		assert_int_equal(
			mw_decode(unbuilt[i], &base, (struct mw_bytes){0}, NULL, 0, &nodes, &e), MW_E_UNSUPPORTED);
		assert_true(e.text[0] != 0);
		mw_nodes_deinit(&nodes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_vectors),
		cmocka_unit_test(opaque_vectors),
		cmocka_unit_test(what_cannot_be_encoded),
		cmocka_unit_test(formats_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
