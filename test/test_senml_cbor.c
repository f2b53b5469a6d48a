#include "codec_helper.h"
#include "codec/senml_cbor.h"

/* The /3/0 listing of LwM2M Core, "SenML CBOR": 16 records in 196 bytes. */
#define DEVICE                                                                                               \
	"90 a3 21 65 \"/3/0/\" 00 61 \"0\" 03 74 \"Open Mobile Alliance\" a2 00 61 \"1\" 03 76 \"Lightweight "   \
	"M2M "                                                                                                   \
	"Client\" a2 00 61 \"2\" 03 69 \"345000123\" a2 00 61 \"3\" 03 63 \"1.0\" a2 00 63 \"6/0\" 02 01 "       \
	"a2 00 63 \"6/1\" 02 05 a2 00 63 \"7/0\" 02 190ed8 a2 00 63 \"7/1\" 02 191388 a2 00 63 \"8/0\" 02 187d " \
	"a2 00 63 \"8/1\" 02 190384 a2 00 61 \"9\" 02 1864 a2 00 62 \"10\" 02 0f a2 00 64 \"11/0\" 02 00 "       \
	"a2 00 62 \"13\" 02 1a5182428f a2 00 62 \"14\" 03 66 \"+02:00\" a2 00 62 \"16\" 03 61 \"U\""

static void vectors(void **state)
{
	(void)state;
	static const struct vector cases[] = {
		{"device", "/3/0", DEVICE,
			"/3/0/0 String Open Mobile Alliance|/3/0/1 String Lightweight M2M Client|/3/0/2 String 345000123|"
			"/3/0/3 String 1.0|/3/0/6/0 Integer 1|/3/0/6/1 Integer 5|/3/0/7/0 Integer 3800|/3/0/7/1 Integer "
			"5000|"
			"/3/0/8/0 Integer 125|/3/0/8/1 Integer 900|/3/0/9 Integer 100|/3/0/10 Integer 15|/3/0/11/0 "
			"Integer 0|"
			"/3/0/13 Time 1367491215|/3/0/14 String +02:00|/3/0/16 String U|",
			0, NULL},
		{"one resource", "/3/0/9", "81 a2 21 66 \"/3/0/9\" 02 1864", "/3/0/9 Integer 100|", 0, NULL},
		{"one resource, as name", "/3/0/9", "81 a2 00 66 \"/3/0/9\" 02 1864", "/3/0/9 Integer 100|", ONE_WAY,
			NULL},
		{"empty", "/3/0", "80", "", 0, NULL},
		{"empty, indefinite", "/3/0", "9f ff", "", ONE_WAY, NULL},
		{"all indefinite", "/3/0",
			"9f bf 21 7f 63 \"/3/\" 62 \"0/\" ff 00 61 \"9\" 02 05 ff bf 00 7f 61 \"1\" 61 \"0\" "
			"ff 02 06 ff ff",
			"/3/0/9 Integer 5|/3/0/10 Integer 6|", ONE_WAY, NULL},
		{"any order", "/3/0", "82 a3 02 05 00 61 \"9\" 21 65 \"/3/0/\" a2 02 06 00 62 \"10\"",
			"/3/0/9 Integer 5|/3/0/10 Integer 6|", ONE_WAY, NULL},
		{"base name changes", "/",
			"82 a3 21 65 \"/3/0/\" 00 61 \"9\" 02 05 a3 21 65 \"/1/0/\" 00 61 \"1\" 02 06",
			"/3/0/9 Integer 5|/1/0/1 Integer 6|", ONE_WAY, NULL},
		{"several objects", "/", "82 a2 00 66 \"/3/0/9\" 02 05 a2 00 66 \"/1/0/1\" 02 06",
			"/3/0/9 Integer 5|/1/0/1 Integer 6|", 0, NULL},
		{"all types", "/9/0",
			"89 a3 21 65 \"/9/0/\" 00 61 \"1\" 03 61 \"a\" a2 00 61 \"2\" 02 20 a2 00 61 \"3\" 02 "
			"1bffffffffffffffff "
			"a2 00 61 \"4\" 02 f93e00 a2 00 61 \"5\" 04 f5 a2 00 61 \"6\" 08 4200ff a2 00 61 \"7\" 02 20 "
			"a2 00 61 \"8\" 63 \"vlo\" 64 \"66:0\" a2 00 61 \"9\" 03 64 \"</3>\"",
			"/9/0/1 String a|/9/0/2 Integer -1|/9/0/3 Unsigned Integer 18446744073709551615|/9/0/4 Float 1.5|"
			"/9/0/5 Boolean true|/9/0/6 Opaque 00ff|/9/0/7 Time -1|/9/0/8 Objlnk 66:0|/9/0/9 Corelnk </3>|",
			0, NULL},
		{"guessed", "/9/0",
			"86 a3 21 65 \"/9/0/\" 00 61 \"1\" 03 61 \"a\" a2 00 61 \"2\" 02 1b7fffffffffffffff a2 00 61 "
			"\"4\" 02 f93e00 "
			"a2 00 61 \"5\" 04 f4 a2 00 61 \"6\" 08 40 a2 00 61 \"8\" 63 \"vlo\" 6b \"65535:65535\"",
			"/9/0/1 String a|/9/0/2 Integer 9223372036854775807|/9/0/4 Float 1.5|/9/0/5 Boolean false|/9/0/6 "
			"Opaque |"
			"/9/0/8 Objlnk 65535:65535|",
			UNTYPED, NULL},
		{"null link as printed", "/9/0/8", "81 a2 00 66 \"/9/0/8\" 63 \"vlo\" 69 \"FFFF:FFFF\"",
			"/9/0/8 Objlnk 65535:65535|", ONE_WAY, NULL},
		{"label in chunks", "/9/0/8", "81 a2 00 66 \"/9/0/8\" 7f 62 \"vl\" 61 \"o\" ff 63 \"3:0\"",
			"/9/0/8 Objlnk 3:0|", ONE_WAY, NULL},
		{"link that is none", "/9/0/8", "81 a2 00 66 \"/9/0/8\" 63 \"vlo\" 61 \"x\"", "/9/0/8 String x|",
			ONE_WAY, NULL},
		{"integral float", "/9/0/2", "81 a2 00 66 \"/9/0/2\" 02 fb4014000000000000", "/9/0/2 Integer 5|",
			ONE_WAY, NULL},
		{"decimal fraction", "/9/0/4", "81 a2 00 66 \"/9/0/4\" 02 c4 82 20 18d7", "/9/0/4 Float 21.5|",
			ONE_WAY, NULL},
		{"number as text", "/9/0/4", "81 a2 00 66 \"/9/0/4\" 03 64 \"43.5\"", "/9/0/4 Float 43.5|", ONE_WAY,
			NULL},
		{"not its type", "/9/0", "82 a2 00 66 \"/9/0/2\" 03 61 \"x\" a2 00 66 \"/9/0/4\" 02 01",
			"/9/0/2 String x|/9/0/4 Float 1|", ONE_WAY, NULL},
		{"unknown labels", "/3/0",
			"81 a6 00 66 \"/3/0/9\" 01 61 \"%\" 184d 83 01 02 a0 64 \"more\" 9f 01 ff 382b 00 02 05",
			"/3/0/9 Integer 5|", ONE_WAY, NULL},
		{"unit, sum and update time", "/3/0", "81 a6 23 61 \"%\" 25 01 00 66 \"/3/0/9\" 05 02 07 03 02 05",
			"/3/0/9 Integer 5|", ONE_WAY, NULL},
		{"label that must be understood", "/3/0", "81 a3 00 66 \"/3/0/9\" 62 \"x_\" 01 02 05", NULL, 0,
			"ends with"},
		{"version 10", "/3/0", "81 a3 20 0a 00 66 \"/3/0/9\" 02 05", "/3/0/9 Integer 5|", ONE_WAY, NULL},
		{"version 11", "/3/0", "81 a3 20 0b 00 66 \"/3/0/9\" 02 05", NULL, 0, "version 11"},
		{"base value", "/9/0", "82 a3 24 05 00 66 \"/9/0/2\" 02 20 a2 00 66 \"/9/0/4\" 02 f93e00",
			"/9/0/2 Integer 4|/9/0/4 Float 6.5|", ONE_WAY, NULL},
		{"base value beyond", "/9/0", "81 a3 24 1bffffffffffffffff 00 66 \"/9/0/2\" 02 01", NULL, 0,
			"beyond 64 bits"},
		{"base value, unsigned", "/9/0", "81 a3 24 1bfffffffffffffffe 00 66 \"/9/0/3\" 02 01",
			"/9/0/3 Unsigned Integer 18446744073709551615|", ONE_WAY, NULL},
		{"no value", "/3/0", "82 a1 21 65 \"/3/0/\" a2 00 61 \"9\" 02 05", "/3/0/9 Integer 5|", ONE_WAY,
			NULL},
		{"null", "/3/0", "82 a2 00 66 \"/3/0/9\" 02 f6 a2 00 67 \"/3/0/10\" 02 05", "/3/0/10 Integer 5|",
			ONE_WAY, NULL},
		{"two values", "/3/0", "81 a3 00 66 \"/3/0/9\" 02 05 04 f5", NULL, 0, "second value at byte 13"},
		{"alternate path", "/3/0", "81 a2 00 6c \"/lwm2m/3/0/9\" 02 05", "/3/0/9 Integer 5|", ONE_WAY, NULL},
		{"alternate path as base", "/3/0", "81 a3 21 6b \"/lwm2m/3/0/\" 00 61 \"9\" 02 05",
			"/3/0/9 Integer 5|", ONE_WAY, NULL},
		{"no leading slash", "/3/0", "81 a2 00 65 \"3/0/9\" 02 05", "/3/0/9 Integer 5|", ONE_WAY, NULL},
		{"seen from the request", "/3/0", "81 a2 00 61 \"9\" 02 05", "/3/0/9 Integer 5|", ONE_WAY, NULL},
		{"no name at all", "/3/0/9", "81 a1 02 05", "/3/0/9 Integer 5|", ONE_WAY, NULL},
		{"no name at all for an instance", "/3/0", "81 a1 02 05", NULL, 0, "no resource under /3/0"},
		{"outside the request", "/3/0", "81 a2 00 66 \"/3/1/9\" 02 05", NULL, 0,
			"\"/3/1/9\" is no resource under /3/0"},
		{"instance with a value", "/3/0", "81 a2 00 64 \"/3/0\" 02 05", NULL, 0, "is no resource"},
		{"bytes beyond ASCII", "/3/0", "81 a2 00 64 2f0aff2f 02 05", NULL, 0,
			"\"/?"
			"?/\""},
		{"name of bytes", "/3/0", "81 a2 00 41 39 02 05", NULL, 0, "name at byte 3 is not text"},
		{"value is an array", "/3/0", "81 a2 00 66 \"/3/0/9\" 02 80", NULL, 0, "array or map"},
		{"label is an array", "/3/0", "81 a1 80 02", NULL, 0, "label at byte 2"},
		{"no array", "/3/0", "a0", NULL, 0, "no array begins at byte 0"},
		{"no record", "/3/0", "81 05", NULL, 0, "byte 1 is not a map"},
		{"rubbish behind", "/3/0", "80 00", NULL, 0, "1 bytes behind"},
		{"array of a liar", "/3/0", "9bffffffffffffffff a2 00 66 \"/3/0/9\" 02 05", NULL, 0, "ends at byte"},
		{"map of a liar", "/3/0", "81 bbffffffffffffffff 00 61 \"9\"", NULL, 0, "ends at byte"},
		{"too deep", "/3/0", "81 a1 01 9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f", NULL, 0, "deeper"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_vector(MW_FORMAT_SENML_CBOR, &cases[i], 0);
	struct mw_bytes device = bytes_of(DEVICE);
	assert_int_equal(device.len, 196);
	bytes_free(device);
}

static void times(void **state)
{
	(void)state;
	static const struct vector cases[] = {
		{"absolute", "/3/0/9", "81 a3 21 66 \"/3/0/9\" 22 1a5f5e1000 02 05", "/3/0/9 Integer 5 @1600000000|",
			0, NULL},
		{"series", "/3/0/9",
			"83 a3 21 66 \"/3/0/9\" 22 1a5f5e1000 02 05 a2 02 06 06 18 3c a2 02 07 06 f93800",
			"/3/0/9 Integer 5 @1600000000|/3/0/9 Integer 6 @1600000060|/3/0/9 Integer 7 @1600000000.5|", 0,
			NULL},
		{"absolute, own", "/3/0",
			"82 a4 21 65 \"/3/0/\" 00 61 \"9\" 02 05 06 1a5f5e1000 a2 00 62 \"10\" 02 06",
			"/3/0/9 Integer 5 @1600000000|/3/0/10 Integer 6|", 0, NULL},
		{"relative", "/3/0", "82 a3 00 66 \"/3/0/9\" 02 05 06 29 a3 00 67 \"/3/0/10\" 02 06 06 00",
			"/3/0/9 Integer 5 @1700000990|/3/0/10 Integer 6 @1700001000|", ONE_WAY, NULL},
		{"base time sticks", "/3/0",
			"82 a4 22 29 21 65 \"/3/0/\" 00 61 \"9\" 02 05 a3 00 62 \"10\" 02 06 06 05",
			"/3/0/9 Integer 5 @1700000990|/3/0/10 Integer 6 @1700000995|", ONE_WAY, NULL},
		{"last relative one", "/3/0", "81 a3 00 66 \"/3/0/9\" 02 05 06 1a0fffffff",
			"/3/0/9 Integer 5 @1968436455|", ONE_WAY, NULL},
		{"first absolute one", "/3/0", "81 a3 00 66 \"/3/0/9\" 02 05 06 1a10000000",
			"/3/0/9 Integer 5 @268435456|", ONE_WAY, NULL},
		{"decimal fraction", "/3/0", "81 a3 00 66 \"/3/0/9\" 02 05 06 c4 82 20 1b00000003b9aca005",
			"/3/0/9 Integer 5 @1600000000.5|", ONE_WAY, NULL},
		{"infinite", "/3/0", "81 a3 00 66 \"/3/0/9\" 02 05 06 f97c00", NULL, 0, "not a finite"},
		{"text", "/3/0", "81 a3 00 66 \"/3/0/9\" 02 05 06 61 \"1\"", NULL, 0, "a number must be at byte 13"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_vector(MW_FORMAT_SENML_CBOR, &cases[i], 1700001000);
}

static void base_names(void **state)
{
	(void)state;
	static const struct {
		struct mw_path a, b;
		const char *hex;
	} cases[] = {
		{{3, 0, 6, 0, 4}, {3, 0, 6, 1, 4}, "82 a3 21 67 \"/3/0/6/\" 00 61 \"0\" 04 f4 a2 00 61 \"1\" 04 f4"},
		{{3, 0, 6, MW_ID_NONE, 3}, {3, 0, 6, 1, 4},
			"82 a3 21 65 \"/3/0/\" 00 61 \"6\" 04 f4 a2 00 63 \"6/1\" 04 f4"},
		{{3, 0, 6, MW_ID_NONE, 3}, {3, 1, 6, MW_ID_NONE, 3},
			"82 a3 21 63 \"/3/\" 00 63 \"0/6\" 04 f4 a2 00 63 \"1/6\" 04 f4"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_path base = MW_PATH(3);
		struct mw_node nodes[] = {{.path = cases[i].a, .value = {.type = MW_TYPE_BOOLEAN}},
			{.path = cases[i].b, .value = {.type = MW_TYPE_BOOLEAN}}};
		struct mw_bytes expected = bytes_of(cases[i].hex);
		uint8_t memory[64];
		struct mw_buf out;
		mw_buf_init(&out, memory, sizeof(memory));
		assert_int_equal(mw_encode(MW_FORMAT_SENML_CBOR, &base, nodes, 2, &out, NULL), 0);
		assert_int_equal(out.len, expected.len);
		assert_memory_equal(memory, expected.data, out.len);
		bytes_free(expected);
	}
}

/* (a - b) + b is not always a: then every record carries its own time. */
static void times_stay_exact(void **state)
{
	(void)state;
	struct mw_path base = MW_PATH(3, 0);
	struct mw_node nodes[2] = {{.path = MW_PATH(3, 0, 9), .has_time = true, .time_s = 1600000000.1},
		{.path = MW_PATH(3, 0, 10), .has_time = true, .time_s = 2.2e9 + 0.3}};
	nodes[0].value = nodes[1].value = (struct mw_value){.type = MW_TYPE_INTEGER, .i = 1};
	for (int i = 0; i < 1000; i++) {
		uint8_t memory[128];
		struct mw_buf out;
		struct mw_nodes back;
		nodes[1].time_s += 1234.567;
		mw_buf_init(&out, memory, sizeof(memory));
		mw_nodes_init(&back, 0);
		assert_int_equal(mw_encode(MW_FORMAT_SENML_CBOR, &base, nodes, 2, &out, NULL), 0);
		assert_int_equal(mw_decode(MW_FORMAT_SENML_CBOR, &base, mw_buf_bytes(&out), NULL, 1, &back, NULL), 0);
		assert_int_equal(back.len, 2);
		assert_true(back.items[0].time_s == nodes[0].time_s && back.items[1].time_s == nodes[1].time_s);
		mw_nodes_deinit(&back);
	}
}

static void path_lists(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *expected;
	} cases[] = {{"82 a1 00 66 \"/3/0/9\" a1 00 62 \"/1\"", "/3/0/9 none |/1 none |"},
		{"81 a1 00 61 \"/\"", "/ none |"},
		{"83 a1 21 65 \"/3/0/\" a1 00 61 \"9\" a1 00 63 \"6/1\"", "/3/0/9 none |/3/0/6/1 none |"},
		{"81 a1 21 64 \"/3/0\"", "/3/0 none |"}, {"81 a2 21 65 \"/3/0/\" 00 60", "/3/0 none |"},
		{"81 a1 00 62 \"/x\"", "/ none |"}, {"81 a1 00 64 \"/3/x\"", NULL}, {"80", ""}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_bytes payload = bytes_of(cases[i].hex);
		struct mw_nodes nodes;
		char text[TEXT_CAP];
		mw_nodes_init(&nodes, 0);
		int rc = mw_senml_cbor_decode_paths(payload, &nodes, NULL);
		assert_int_equal(rc, cases[i].expected ? 0 : MW_E_FORMAT);
		dump(&nodes, text);
		if (cases[i].expected)
			assert_string_equal(text, cases[i].expected);
		mw_nodes_deinit(&nodes);
		bytes_free(payload);
	}
	struct mw_path paths[] = {MW_PATH(3, 0, 9), MW_PATH(1)};
	struct mw_bytes expected = bytes_of(cases[0].hex);
	uint8_t memory[64];
	struct mw_buf out;
	mw_buf_init(&out, memory, sizeof(memory));
	assert_int_equal(mw_senml_cbor_encode_paths(paths, 2, &out), 0);
	assert_int_equal(out.len, expected.len);
	assert_memory_equal(memory, expected.data, out.len);
	mw_buf_init(&out, memory, 5);
	assert_int_equal(mw_senml_cbor_encode_paths(paths, 2, &out), MW_E_LIMIT);
	bytes_free(expected);
}

static void long_names_are_refused(void **state)
{
	(void)state;
	uint8_t payload[600] = {0x81, 0xa3, 0x21, 0x79, 0x01, 0x00};
	struct mw_path base = MW_PATH(3, 0);
	struct mw_nodes nodes;
	struct mw_errbuf e;
	memset(payload + 6, '/', 256);
	memcpy(payload + 262, "\x00\x61\x39\x02\x05", 5);
	mw_nodes_init(&nodes, 0);
	assert_int_equal(
		mw_senml_cbor_decode(&base, (struct mw_bytes){payload, 267}, NULL, 0, &nodes, &e), MW_E_FORMAT);
	assert_non_null(strstr(e.text, "longer than 255"));
	/* 254 characters that are no path, with the name 255: at the border. */
	payload[3] = 0x78;
	payload[4] = 254;
	memset(payload + 5, 'x', 254);
	memcpy(payload + 259, "\x00\x61\x39\x02\x05", 5);
	assert_int_equal(
		mw_senml_cbor_decode(&base, (struct mw_bytes){payload, 264}, NULL, 0, &nodes, &e), MW_E_FORMAT);
	assert_non_null(strstr(e.text, "no resource"));
	mw_nodes_deinit(&nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(times),
		cmocka_unit_test(base_names),
		cmocka_unit_test(times_stay_exact),
		cmocka_unit_test(path_lists),
		cmocka_unit_test(long_names_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
