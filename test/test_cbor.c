#include "codec_helper.h"
#include "codec/cbor.h"

#include <math.h>

static void content_format_60(void **state)
{
	(void)state;
	static const struct vector cases[] = {
		{"string", "/9/0/1", "6161", "/9/0/1 String a|", 0, NULL},
		{"empty string", "/9/0/1", "60", "/9/0/1 String |", 0, NULL},
		{"string in chunks", "/9/0/1", "7f 6161 60 626263 ff", "/9/0/1 String abc|", ONE_WAY, NULL},
		{"no chunks", "/9/0/1", "7fff", "/9/0/1 String |", ONE_WAY, NULL},
		{"chunk of another kind", "/9/0/1", "7f 6161 4162 ff", NULL, 0, "byte 3 is no chunk"},
		{"chunk in chunks", "/9/0/1", "7f 7f 6161 ff ff", NULL, 0, "byte 1 is no chunk"},
		{"text that is none", "/9/0/1", "62fffe", "/9/0/1 Opaque fffe|", ONE_WAY, NULL},
		{"bytes", "/9/0/6", "4300ff01", "/9/0/6 Opaque 00ff01|", 0, NULL},
		{"bytes in chunks", "/9/0/6", "5f 4100 42ff01 ff", "/9/0/6 Opaque 00ff01|", ONE_WAY, NULL},
		{"0", "/9/0/2", "00", "/9/0/2 Integer 0|", 0, NULL},
		{"23", "/9/0/2", "17", "/9/0/2 Integer 23|", 0, NULL},
		{"24", "/9/0/2", "1818", "/9/0/2 Integer 24|", 0, NULL},
		{"-1", "/9/0/2", "20", "/9/0/2 Integer -1|", 0, NULL},
		{"-500", "/9/0/2", "3901f3", "/9/0/2 Integer -500|", 0, NULL},
		{"largest", "/9/0/2", "1b7fffffffffffffff", "/9/0/2 Integer 9223372036854775807|", 0, NULL},
		{"smallest", "/9/0/2", "3b7fffffffffffffff", "/9/0/2 Integer -9223372036854775808|", 0, NULL},
		{"below", "/9/0/2", "3b8000000000000000", NULL, 0, "below -2^63"},
		{"above", "/9/0/2", "1b8000000000000000", "/9/0/2 Unsigned Integer 9223372036854775808|", 0, NULL},
		{"unsigned", "/9/0/3", "1bffffffffffffffff", "/9/0/3 Unsigned Integer 18446744073709551615|", 0,
			NULL},
		{"not the shortest", "/9/0/2", "1b0000000000000005", "/9/0/2 Integer 5|", ONE_WAY, NULL},
		{"integral float", "/9/0/2", "f94500", "/9/0/2 Integer 5|", ONE_WAY, NULL},
		{"half", "/9/0/4", "f93e00", "/9/0/4 Float 1.5|", 0, NULL},
		{"half, smallest", "/9/0/4", "f90001", "/9/0/4 Float 5.9604644775390625e-08|", 0, NULL},
		{"half, below normal", "/9/0/4", "f903ff", "/9/0/4 Float 0.00006097555160522461|", 0, NULL},
		{"half, largest", "/9/0/4", "f97bff", "/9/0/4 Float 65504|", 0, NULL},
		{"-0", "/9/0/4", "f98000", "/9/0/4 Float -0|", 0, NULL},
		{"infinity", "/9/0/4", "f97c00", "/9/0/4 Float inf|", 0, NULL},
		{"-infinity", "/9/0/4", "f9fc00", "/9/0/4 Float -inf|", 0, NULL},
		{"single", "/9/0/4", "fa47c35000", "/9/0/4 Float 100000|", 0, NULL},
		{"single, tiny", "/9/0/4", "fa00000001", "/9/0/4 Float 1.401298464324817e-45|", 0, NULL},
		{"double", "/9/0/4", "fb3fb999999999999a", "/9/0/4 Float 0.1|", 0, NULL},
		{"double, not the shortest", "/9/0/4", "fb3ff8000000000000", "/9/0/4 Float 1.5|", ONE_WAY, NULL},
		{"integer as float", "/9/0/4", "05", "/9/0/4 Float 5|", ONE_WAY, NULL},
		{"true", "/9/0/5", "f5", "/9/0/5 Boolean true|", 0, NULL},
		{"false", "/9/0/5", "f4", "/9/0/5 Boolean false|", 0, NULL},
		{"1 as boolean", "/9/0/5", "01", "/9/0/5 Boolean true|", ONE_WAY, NULL},
		{"time", "/9/0/7", "1a5182428f", "/9/0/7 Time 1367491215|", 0, NULL},
		{"time, tagged", "/9/0/7", "c11a5182428f", "/9/0/7 Time 1367491215|", ONE_WAY, NULL},
		{"time, tagged, unknown", "/99/0/7", "c11a5182428f", "/99/0/7 Time 1367491215|", ONE_WAY, NULL},
		{"date", "/9/0/7", "c0 74 \"2013-03-21T20:04:00Z\"", "/9/0/7 Time 1363896240|", ONE_WAY, NULL},
		{"date, zone", "/9/0/7", "c0 7819 \"2013-03-21T22:04:00+02:00\"", "/9/0/7 Time 1363896240|", ONE_WAY,
			NULL},
		{"date, fraction of zero", "/9/0/7", "c0 7816 \"1969-12-31T23:59:59.0Z\"", "/9/0/7 Time -1|", ONE_WAY,
			NULL},
		{"leap day", "/9/0/7", "c0 74 \"2000-02-29T00:00:00Z\"", "/9/0/7 Time 951782400|", ONE_WAY, NULL},
		{"no date", "/9/0/7", "c0 74 \"2013-13-21T20:04:00Z\"", "/9/0/7 String 2013-13-21T20:04:00Z|",
			ONE_WAY, NULL},
		{"link", "/9/0/8", "64 \"66:0\"", "/9/0/8 Objlnk 66:0|", 0, NULL},
		{"null link", "/9/0/8", "6b \"65535:65535\"", "/9/0/8 Objlnk 65535:65535|", 0, NULL},
		{"corelnk", "/9/0/9", "64 \"</3>\"", "/9/0/9 Corelnk </3>|", 0, NULL},
		{"decimal fraction", "/9/0/4", "c4 82 21 196ab3", "/9/0/4 Float 273.15|", ONE_WAY, NULL},
		{"decimal fraction, indefinite", "/9/0/4", "c4 9f 21 196ab3 ff", "/9/0/4 Float 273.15|", ONE_WAY,
			NULL},
		{"whole decimal fraction", "/9/0/2", "c4 82 00 1b7fffffffffffffff",
			"/9/0/2 Integer 9223372036854775807|", ONE_WAY, NULL},
		{"decimal fraction, scaled up", "/9/0/2", "c4 82 02 21", "/9/0/2 Integer -200|", ONE_WAY, NULL},
		{"decimal fraction, scaled down", "/9/0/2", "c4 82 21 1901f4", "/9/0/2 Integer 5|", ONE_WAY, NULL},
		{"decimal fraction, 64 bits", "/9/0/3", "c4 82 00 1bffffffffffffffff",
			"/9/0/3 Unsigned Integer 18446744073709551615|", ONE_WAY, NULL},
		{"decimal fraction, huge", "/9/0/4", "c4 82 1b7fffffffffffffff 01", "/9/0/4 Float inf|", ONE_WAY,
			NULL},
		{"decimal fraction, tiny", "/9/0/4", "c4 82 3b7fffffffffffffff 01", "/9/0/4 Float 0|", ONE_WAY, NULL},
		{"decimal fraction of zero", "/9/0/4", "c4 82 3b7fffffffffffffff 00", "/9/0/4 Float 0|", ONE_WAY,
			NULL},
		{"decimal fraction of three", "/9/0/4", "c4 83 00 00 00", NULL, 0, "[exponent, mantissa]"},
		{"decimal fraction of one", "/9/0/4", "c4 81 00", NULL, 0, "[exponent, mantissa]"},
		{"decimal fraction of text", "/9/0/4", "c4 82 00 6161", NULL, 0, "[exponent, mantissa]"},
		{"unknown tag", "/9/0/2", "d9d9f7 05", "/9/0/2 Integer 5|", ONE_WAY, NULL},
		{"too many tags", "/9/0/2", "c1c1c1c1c1c1c1c1c105", NULL, 0, "too many tags"},
		{"guessed", "/9/0/2", "05", "/9/0/2 Integer 5|", UNTYPED, NULL},
		{"guessed text", "/9/0/8", "64 \"66:0\"", "/9/0/8 String 66:0|", UNTYPED, NULL},
		{"not its type", "/9/0/2", "6161", "/9/0/2 String a|", 0, NULL},
		{"null", "/9/0/2", "f6", NULL, 0, "null at byte 0"},
		{"array", "/9/0/2", "8105", NULL, 0, "array or map at byte 0"},
		{"map", "/9/0/2", "a0", NULL, 0, "array or map at byte 0"},
		{"break", "/9/0/2", "ff", NULL, 0, NULL},
		{"two items", "/9/0/2", "0505", NULL, 0, "1 bytes behind"},
		{"nothing", "/9/0/2", "", NULL, 0, "ends at byte 0"},
		{"cut", "/9/0/2", "1b0000", NULL, 0, "cut off"},
		{"length of a liar", "/9/0/1", "7bffffffffffffffff 61", NULL, 0, NULL},
		{"reserved head", "/9/0/2", "1c", NULL, 0, "0x1c"},
		{"an instance", "/9/0", "05", NULL, 0, "carries one resource"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_vector(MW_FORMAT_CBOR, &cases[i], 0);
}

static void nan_is_kept(void **state)
{
	(void)state;
	struct mw_path base = MW_PATH(9, 0, 4);
	static const char *const cases[] = {"f97e00", "fa7fc00000", "fb7ff8000000000000"};
	for (size_t i = 0; i < 3; i++) {
		struct mw_bytes payload = bytes_of(cases[i]);
		struct mw_nodes nodes;
		uint8_t memory[16];
		struct mw_buf out;
		mw_nodes_init(&nodes, 0);
		assert_int_equal(mw_decode(MW_FORMAT_CBOR, &base, payload, definitions(), 0, &nodes, NULL), 0);
		assert_true(isnan(nodes.items[0].value.f));
		mw_buf_init(&out, memory, sizeof(memory));
		assert_int_equal(mw_encode(MW_FORMAT_CBOR, &base, nodes.items, 1, &out, NULL), 0);
		assert_int_equal(out.len, 3);
		mw_nodes_deinit(&nodes);
		bytes_free(payload);
	}
}

/* Every half precision number must come back as the same two bytes. */
static void all_halves_round_trip(void **state)
{
	(void)state;
	for (unsigned half = 0; half <= 0xffff; half++) {
		uint8_t in[3] = {0xf9, (uint8_t)(half >> 8), (uint8_t)half}, memory[16];
		struct mw_cbor c;
		struct mw_cbor_item item;
		struct mw_buf out;
		mw_cbor_init(&c, (struct mw_bytes){in, 3}, NULL, NULL);
		assert_int_equal(mw_cbor_next(&c, &item), 0);
		if (isnan(item.f))
			continue;
		mw_buf_init(&out, memory, sizeof(memory));
		mw_cbor_put_double(&out, item.f);
		assert_int_equal(out.len, 3);
		assert_memory_equal(memory, in, 3);
	}
}

static void skipping(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		int64_t end; /* position behind the first item, or an error */
	} cases[] = {{"05 06", 1}, {"83 01 820203 04 06", 6}, {"9f 01 9f02ff 9fff ff 06", 8},
		{"bf 61619f01ff 02f5 ff 06", 9}, {"a2 01 c2 4100 02 7f6161ff 06", 10}, {"80 06", 1}, {"a0 06", 1},
		{"5f 4101 ff 06", 4}, {"c1c1c1 05 06", 4}, {"8181818181818181818181818181818105", 17},
		{"818181818181818181818181818181818105", MW_E_FORMAT},
		{"9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f", MW_E_FORMAT}, {"82 01", MW_E_FORMAT},
		{"82 01 ff", MW_E_FORMAT}, {"ff", MW_E_FORMAT}, {"9bffffffffffffffff 01", MW_E_FORMAT},
		{"bbffffffffffffffff 01", MW_E_FORMAT}, {"bb8000000000000000 01", MW_E_FORMAT}, {"c1", MW_E_FORMAT},
		{"9f 01", MW_E_FORMAT}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_bytes in = bytes_of(cases[i].hex);
		struct mw_cbor c;
		struct mw_cbor_item item;
		struct mw_errbuf e;
		mw_cbor_init(&c, in, NULL, &e);
		int rc = mw_cbor_next(&c, &item);
		if (rc == 0)
			rc = mw_cbor_skip(&c, &item);
		if ((rc < 0 ? rc : (int64_t)c.at) != cases[i].end)
			fail_msg("%s: %d at %zu: %s", cases[i].hex, rc, c.at, rc < 0 ? e.text : "");
		bytes_free(in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_format_60),
		cmocka_unit_test(nan_is_kept),
		cmocka_unit_test(all_halves_round_trip),
		cmocka_unit_test(skipping),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
