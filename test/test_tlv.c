#include "codec_helper.h"
#include "codec/tlv.h"

#include <math.h>

/* The listings of LwM2M Core, "TLV", are among the vectors, with the printed lengths put right where they are
 * wrong. */
static void vectors(void **state)
{
	(void)state;
	static const struct vector cases[] = {
		{"device", "/3/0",
			"c80014 \"Open Mobile Alliance\" c80116 \"Lightweight M2M Client\" c80209 \"345000123\" c303 "
			"\"1.0\" "
			"8606 410001 410105 880708 42000ed8 42011388 8708 41007d 42010384 c10964 c10a0f 830b 410000 "
			"c40d 5182428f c60e \"+02:00\" c110 \"U\"",
			"/3/0/0 String Open Mobile Alliance|/3/0/1 String Lightweight M2M Client|/3/0/2 String 345000123|"
			"/3/0/3 String 1.0|/3/0/6/0 Integer 1|/3/0/6/1 Integer 5|/3/0/7/0 Integer 3800|/3/0/7/1 Integer "
			"5000|"
			"/3/0/8/0 Integer 125|/3/0/8/1 Integer 900|/3/0/9 Integer 100|/3/0/10 Integer 15|/3/0/11/0 "
			"Integer 0|"
			"/3/0/13 Time 1367491215|/3/0/14 String +02:00|/3/0/16 String U|",
			0, NULL},
		{"access control", "/2",
			"08000e c10001 c10100 8302 417f07 c1037f 080212 c10003 c10100 8702 417f07 61013601 c1037f",
			"/2/0/0 Integer 1|/2/0/1 Integer 0|/2/0/2/127 Integer 7|/2/0/3 Integer 127|/2/2/0 Integer 3|"
			"/2/2/1 Integer 0|/2/2/2/127 Integer 7|/2/2/2/310 Integer 1|/2/2/3 Integer 127|",
			0, NULL},
		{"links", "/65/0", "88000c 44000042 0000 44010042 0001 c8010d \"8613800755500\" c40212345678",
			"/65/0/0/0 Objlnk 66:0|/65/0/0/1 Objlnk 66:1|/65/0/1 String 8613800755500|/65/0/2 Integer "
			"305419896|",
			0, NULL},
		{"links back", "/66",
			"080026 c8000b \"myService 1\" c8010f \"Internet.15.234\" c402 00430000 "
			"080126 c8000b \"myService 2\" c8010f \"Internet.15.235\" c402 ffffffff",
			"/66/0/0 String myService 1|/66/0/1 String Internet.15.234|/66/0/2 Objlnk 67:0|"
			"/66/1/0 String myService 2|/66/1/1 String Internet.15.235|/66/1/2 Objlnk 65535:65535|",
			0, NULL},
		{"server", "/1", "08000f c10001 c40100015180 c10601 c10755",
			"/1/0/0 Integer 1|/1/0/1 Integer 86400|/1/0/6 Boolean true|/1/0/7 String U|", 0, NULL},
		{"server, as printed", "/1", "08000d c10001 c40100015180 c10601 c10755", NULL, 0, "byte 15: cut off"},
		{"instance in its wrapper", "/1/0", "080003 c10001", "/1/0/0 Integer 1|", ONE_WAY, NULL},
		{"another instance", "/1/0", "080103 c10001", NULL, 0, "instance 1 does not belong to /1/0"},
		{"bare resources of an object", "/1", "c10001", "/1/0/0 Integer 1|", ONE_WAY, NULL},
		{"empty instance", "/1", "0005", "", ONE_WAY, NULL},
		{"nothing", "/1", "", "", 0, NULL},
		{"resource", "/3/0/9", "c10964", "/3/0/9 Integer 100|", 0, NULL},
		{"resource in its wrapper", "/3/0/9", "080003 c10964", "/3/0/9 Integer 100|", ONE_WAY, NULL},
		{"another resource", "/3/0/9", "c10a64", NULL, 0, "resource 10 does not belong to /3/0/9"},
		{"multiple resource", "/3/0/6", "8606 410001 410105", "/3/0/6/0 Integer 1|/3/0/6/1 Integer 5|", 0,
			NULL},
		{"instances without wrapper", "/3/0/6", "410001 410105", "/3/0/6/0 Integer 1|/3/0/6/1 Integer 5|",
			ONE_WAY, NULL},
		{"empty multiple resource", "/3/0/6", "8006", "", ONE_WAY, NULL},
		{"resource instance", "/3/0/6/1", "410105", "/3/0/6/1 Integer 5|", 0, NULL},
		{"resource instance as resource", "/3/0/6/1", "c10105", "/3/0/6/1 Integer 5|", ONE_WAY, NULL},
		{"resource instance, id of the resource", "/3/0/6/1", "c10605", "/3/0/6/1 Integer 5|", ONE_WAY, NULL},
		{"resource instance in its wrapper", "/3/0/6/1", "8306 410105", "/3/0/6/1 Integer 5|", ONE_WAY, NULL},
		{"another resource instance", "/3/0/6/1", "410205", NULL, 0,
			"instance 2 does not belong to /3/0/6/1"},
		{"other values after it", "/3/0/6/1", "8606 410105 410205", NULL, 0, "instance 2 does not belong"},
		{"integers", "/9/0", "c102ff c2020080 c40200008000 c8020800000000 80000000 c80208 8000000000000000",
			"/9/0/2 Integer -1|/9/0/2 Integer 128|/9/0/2 Integer 32768|/9/0/2 Integer 2147483648|"
			"/9/0/2 Integer -9223372036854775808|",
			0, NULL},
		{"integer of 3 bytes", "/9/0", "c302000001", "/9/0/2 Opaque 000001|", 0, NULL},
		{"integer of no byte", "/9/0", "c002", "/9/0/2 Opaque |", 0, NULL},
		{"integer, not the shortest", "/9/0", "c4020000 0005", "/9/0/2 Integer 5|", ONE_WAY, NULL},
		{"unsigned", "/9/0", "c103ff c80308 ffffffffffffffff",
			"/9/0/3 Unsigned Integer 255|/9/0/3 Unsigned Integer 18446744073709551615|", 0, NULL},
		{"floats", "/9/0", "c404 41ac0000 c80408 3fb999999999999a c404 7f800000 c404 7fc00000",
			"/9/0/4 Float 21.5|/9/0/4 Float 0.1|/9/0/4 Float inf|/9/0/4 Float nan|", 0, NULL},
		{"float of 2 bytes", "/9/0", "c2043c00", "/9/0/4 Opaque 3c00|", 0, NULL},
		{"booleans", "/9/0", "c10500 c10501 c10502",
			"/9/0/5 Boolean false|/9/0/5 Boolean true|/9/0/5 Opaque 02|", 0, NULL},
		{"opaque", "/9/0", "c306 00ff01 c006", "/9/0/6 Opaque 00ff01|/9/0/6 Opaque |", 0, NULL},
		{"text that is none", "/9/0", "c201fffe", "/9/0/1 Opaque fffe|", 0, NULL},
		{"corelnk", "/9/0", "c409 \"</3>\"", "/9/0/9 Corelnk </3>|", 0, NULL},
		{"link of 3 bytes", "/9/0", "c308000000", "/9/0/8 Opaque 000000|", 0, NULL},
		{"unknown object", "/3303/0", "e41644 41ac0000", "/3303/0/5700 Opaque 41ac0000|", 0, NULL},
		{"without definitions", "/3/0", "c10964 8306 410001", "/3/0/9 Opaque 64|/3/0/6/0 Opaque 01|", UNTYPED,
			NULL},
		{"16-bit length", "/9/0", "d0060001 00", "/9/0/6 Opaque 00|", ONE_WAY, NULL},
		{"24-bit length", "/9/0", "d806000001 00", "/9/0/6 Opaque 00|", ONE_WAY, NULL},
		{"bits beside the length are ignored", "/9/0", "cf0601 00", "/9/0/6 Opaque 00|", ONE_WAY, NULL},
		{"duplicate", "/3/0", "c10964 c10965", "/3/0/9 Integer 100|/3/0/9 Integer 101|", 0, NULL},
		{"cut header", "/3/0", "c8", NULL, 0, "byte 0: cut off"},
		{"cut value", "/3/0", "c10964 c40a00", NULL, 0, "byte 3: 4 bytes of value announced, 1 there"},
		{"inner longer than outer", "/3/0", "8306 440001 ffffff", NULL, 0, "byte 2: 4 bytes"},
		{"reserved id", "/3/0", "e1ffff00", NULL, 0, "65535 is reserved"},
		{"instance in an instance", "/3", "080004 08000100", NULL, 0, "byte 3: object instance inside"},
		{"multiple in a multiple", "/3/0", "8406 8206 0000", NULL, 0, "byte 2: multiple resource inside"},
		{"resource in a multiple", "/3/0", "8306 c10001", NULL, 0, "only resource instances"},
		{"lone resource instance", "/3/0", "410001", NULL, 0, "outside a multiple resource"},
		{"root", "/", "c10001", NULL, 0, "does not name objects"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		check_vector(MW_FORMAT_TLV, &cases[i], 0);
		struct vector old = cases[i];
		old.flags |= ONE_WAY; /* 1542 is read, but never written */
		check_vector(MW_FORMAT_OLD_TLV, &old, 0);
		if (old.base[1] && path_of(old.base).depth < 3)
			check_vector(MW_FORMAT_NONE, &old, 0);
	}
}

static struct mw_node integer(struct mw_path path, int64_t i)
{
	return (struct mw_node){.path = path, .value = {.type = MW_TYPE_INTEGER, .i = i}};
}

static void create_without_instance(void **state)
{
	(void)state;
	const struct mw_path base = MW_PATH(2);
	const struct mw_node nodes[] = {
		integer(MW_PATH(2, MW_ID_NONE, 0), 3), integer(MW_PATH(2, MW_ID_NONE, 2, 127), 7)};
	uint8_t memory[64];
	struct mw_buf out;
	struct mw_bytes expected = bytes_of("c10003 8302 417f07"), wrapped = bytes_of("080003 c10003");
	mw_buf_init(&out, memory, sizeof(memory));
	assert_int_equal(mw_encode(MW_FORMAT_TLV, &base, nodes, 2, &out, NULL), 0);
	assert_int_equal(out.len, expected.len);
	assert_memory_equal(memory, expected.data, out.len);
	assert_false(mw_tlv_names_instance(expected));
	assert_false(mw_tlv_names_instance((struct mw_bytes){0}));
	assert_true(mw_tlv_names_instance(wrapped));
	bytes_free(expected);
	bytes_free(wrapped);
}

static void lengths_at_their_borders(void **state)
{
	(void)state;
	static const size_t lengths[] = {0, 7, 8, 255, 256, 65535, 65536, 16777000};
	const struct mw_path base = MW_PATH(9, 0, 6);
	uint8_t *value = calloc(1, 16777300);
	assert_non_null(value);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct mw_node node = {.path = base, .value = {.type = MW_TYPE_OPAQUE, .s = {value, lengths[i]}}};
		struct mw_buf out;
		struct mw_nodes nodes;
		mw_buf_init_heap(&out, 1 << 25);
		mw_nodes_init(&nodes, 0);
		assert_int_equal(mw_encode(MW_FORMAT_TLV, &base, &node, 1, &out, NULL), 0);
		assert_int_equal(mw_decode(MW_FORMAT_TLV, &base, mw_buf_bytes(&out), NULL, 0, &nodes, NULL), 0);
		assert_int_equal(nodes.len, 1);
		assert_int_equal(nodes.items[0].value.s.len, lengths[i]);
		mw_nodes_deinit(&nodes);
		mw_buf_deinit(&out);
	}
	struct mw_node large = {.path = base, .value = {.type = MW_TYPE_OPAQUE, .s = {value, 16777216}}};
	struct mw_buf out;
	struct mw_errbuf e;
	mw_buf_init_heap(&out, 1 << 25);
	assert_int_equal(mw_encode(MW_FORMAT_TLV, &base, &large, 1, &out, &e), MW_E_LIMIT);
	assert_non_null(strstr(e.text, "16777215"));
	mw_buf_deinit(&out);
	free(value);
}

static void limits_are_kept(void **state)
{
	(void)state;
	struct mw_path base = MW_PATH(3, 0);
	struct mw_bytes payload = bytes_of("c10964 c10a64 c10b64");
	struct mw_nodes nodes;
	struct mw_errbuf e;
	mw_nodes_init(&nodes, 2);
	assert_int_equal(mw_decode(MW_FORMAT_TLV, &base, payload, definitions(), 0, &nodes, &e), MW_E_LIMIT);
	assert_int_equal(nodes.len, 2);
	assert_int_equal(nodes.items[1].value.i, 100);
	const struct mw_node node = integer(MW_PATH(3, 0, 9), 1000000);
	for (size_t cap = 0; cap < 6; cap++) {
		uint8_t *memory = malloc(cap ? cap : 1);
		struct mw_buf out;
		mw_buf_init(&out, memory, cap);
		assert_int_equal(mw_encode(MW_FORMAT_TLV, &base, &node, 1, &out, &e), MW_E_LIMIT);
		assert_int_equal(out.len, 0);
		free(memory);
	}
	mw_nodes_deinit(&nodes);
	bytes_free(payload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(create_without_instance),
		cmocka_unit_test(lengths_at_their_borders),
		cmocka_unit_test(limits_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
