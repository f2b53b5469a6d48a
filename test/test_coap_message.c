#include "coap/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define B(text) (const uint8_t *)(text), sizeof(text) - 1

static void test_parse_verdicts(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const uint8_t *data;
		size_t len;
		enum mw_coap_parse want;
	} rows[] = {
		{"nothing", B(""), MW_COAP_SILENT},
		{"three bytes", B("\x40\x01\x00"), MW_COAP_SILENT},
		{"version 0", B("\x00\x01\x00\x01"), MW_COAP_SILENT},
		{"version 2", B("\x80\x01\x00\x01"), MW_COAP_SILENT},
		{"get", B("\x40\x01\x00\x01"), MW_COAP_PARSED},
		{"token length 9",
			B("\x49\x01\x00\x01"
			  "123456789"),
			MW_COAP_BAD_FORMAT},
		{"token cut",
			B("\x44\x01\x00\x01"
			  "123"),
			MW_COAP_BAD_FORMAT},
		{"ping", B("\x40\x00\x00\x01"), MW_COAP_PARSED},
		{"ping with a byte more", B("\x40\x00\x00\x01\xff"), MW_COAP_BAD_FORMAT},
		{"empty with token", B("\x41\x00\x00\x01\x01"), MW_COAP_BAD_FORMAT},
		{"marker, no payload", B("\x40\x01\x00\x01\xff"), MW_COAP_BAD_FORMAT},
		{"payload",
			B("\x40\x01\x00\x01\xff"
			  "x"),
			MW_COAP_PARSED},
		{"option cut",
			B("\x40\x01\x00\x01\xb3"
			  "ab"),
			MW_COAP_BAD_FORMAT},
		{"delta 15", B("\x40\x01\x00\x01\xf0"), MW_COAP_BAD_FORMAT},
		{"length 15",
			B("\x40\x01\x00\x01\x1f"
			  "0123456789abcdef"),
			MW_COAP_BAD_FORMAT},
		{"extended delta cut", B("\x40\x01\x00\x01\xe0\x01"), MW_COAP_BAD_FORMAT},
		{"extended length cut", B("\x40\x01\x00\x01\x0d"), MW_COAP_BAD_FORMAT},
		{"number above 65535", B("\x40\x01\x00\x01\xe0\xfe\xf2\xe0\x00\x00"), MW_COAP_BAD_OPTIONS},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mw_coap_msg m;
		uint8_t *copy = test_malloc(rows[i].len + 1); /* so that reading past the end is noticed */
		memcpy(copy, rows[i].data, rows[i].len);
		enum mw_coap_parse got = mw_coap_parse(&m, copy, rows[i].len);
		if (got != rows[i].want)
			fail_msg("%s: got %d, want %d", rows[i].name, got, rows[i].want);
		test_free(copy);
	}
}

static void test_parse_fields(void **state)
{
	(void)state;
	struct mw_coap_msg m;
	assert_int_equal(mw_coap_parse(&m, B("\x52\x02\x12\x34"
										 "\xab\xcd"
										 "\xb2"
										 "rd"
										 "\x11\x28\x35"
										 "lt=60"
										 "\xff"
										 "<>")),
		0);
	assert_int_equal(m.type, MW_COAP_NON);
	assert_int_equal(m.code, MW_COAP_POST);
	assert_int_equal(m.mid, 0x1234);
	assert_int_equal(m.token.len, 2);
	assert_memory_equal(m.token.bytes, "\xab\xcd", 2);
	assert_int_equal(m.n_options, 3);
	const struct mw_coap_opt *o = mw_coap_find(&m, MW_OPT_URI_QUERY);
	assert_non_null(o);
	assert_int_equal(o->len, 5);
	assert_memory_equal(o->value, "lt=60", 5);
	assert_null(mw_coap_find(&m, MW_OPT_ACCEPT));
	uint32_t v = 7;
	assert_int_equal(mw_coap_uint(&m, MW_OPT_CONTENT_FORMAT, 1, &v), 0);
	assert_int_equal(v, 40);
	assert_int_equal(mw_coap_uint(&m, MW_OPT_ACCEPT, 99, &v), 0);
	assert_int_equal(v, 99);
	assert_int_equal(mw_coap_uint(&m, MW_OPT_URI_QUERY, 0, &v), MW_E_FORMAT);
	assert_int_equal(m.payload.len, 2);
}

static void test_too_many_options(void **state)
{
	(void)state;
	struct mw_coap_msg m;
	uint8_t data[4 + MW_COAP_MAX_OPTIONS + 1] = {0x40, 1, 0, 1, 0xb0};
	assert_int_equal(mw_coap_parse(&m, data, 4 + MW_COAP_MAX_OPTIONS), MW_COAP_PARSED);
	assert_int_equal(m.n_options, MW_COAP_MAX_OPTIONS);
	assert_int_equal(mw_coap_parse(&m, data, sizeof(data)), MW_COAP_BAD_OPTIONS);
}

static void test_round_trip(void **state)
{
	(void)state;
	static const uint32_t values[] = {0, 1, 255, 256, 65535, 65536, 0xffffff, 0x1000000, 0xffffffff};
	uint8_t memory[2048], big[300];
	memset(big, 'q', sizeof(big));
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct mw_buf b;
		struct mw_coap_writer w;
		struct mw_coap_token token = {3, {1, 2, 3}};
		mw_buf_init(&b, memory, sizeof(memory));
		mw_coap_begin(&w, &b, MW_COAP_ACK, MW_COAP_CONTENT, 0xbeef, &token);
		mw_coap_put_opt(&w, MW_OPT_ETAG, "e", 1);
		mw_coap_put_uint(&w, MW_OPT_MAX_AGE, values[i]);
		mw_coap_put_opt(&w, MW_OPT_URI_QUERY, big, i * 33);
		mw_coap_put_block(&w, MW_OPT_BLOCK2, &(struct mw_block){(uint32_t)i, i & 1, 6});
		mw_coap_put_opt(&w, MW_OPT_REQUEST_TAG, "tag", 3);
		mw_coap_put_opt(&w, 65001, NULL, 0);
		assert_int_equal(mw_coap_end(&w, (struct mw_bytes){big, i}), 0);
		struct mw_coap_msg m;
		uint32_t v;
		struct mw_block block;
		assert_int_equal(mw_coap_parse(&m, b.data, b.len), 0);
		assert_int_equal(mw_coap_uint(&m, MW_OPT_MAX_AGE, 5, &v), 0);
		assert_int_equal(v, values[i]);
		assert_int_equal(mw_coap_find(&m, MW_OPT_URI_QUERY)->len, i * 33);
		assert_int_equal(mw_coap_block(&m, MW_OPT_BLOCK2, &block), 1);
		assert_int_equal(block.num, i);
		assert_int_equal(block.more, i & 1);
		assert_int_equal(mw_coap_block(&m, MW_OPT_BLOCK1, &block), 0);
		assert_non_null(mw_coap_find(&m, 65001));
		assert_int_equal(m.payload.len, i);
		assert_int_equal(m.type, MW_COAP_ACK);
	}
}

static void test_bytes_of_a_known_message(void **state)
{
	(void)state;
	uint8_t memory[64];
	struct mw_buf b;
	struct mw_coap_writer w;
	mw_buf_init(&b, memory, sizeof(memory));
	mw_coap_begin(&w, &b, MW_COAP_CON, MW_COAP_GET, 0x7d34, NULL);
	mw_coap_put_opt(&w, MW_OPT_URI_PATH, "temperature", 11); /* RFC 7252 figure 16 */
	assert_int_equal(mw_coap_end(&w, (struct mw_bytes){0}), 0);
	assert_int_equal(b.len, 16);
	assert_memory_equal(b.data,
		"\x40\x01\x7d\x34\xbb"
		"temperature",
		16);
}

static void test_writer_limits(void **state)
{
	(void)state;
	struct mw_coap_token token = {8, {0}};
	for (size_t room = 0; room < 21; room++) {
		uint8_t *memory = test_malloc(room + 1);
		struct mw_buf b;
		struct mw_coap_writer w;
		mw_buf_init(&b, memory, room);
		mw_coap_begin(&w, &b, MW_COAP_CON, MW_COAP_GET, 1, &token);
		mw_coap_put_opt(&w, MW_OPT_URI_PATH, "abcd", 4);
		assert_int_equal(mw_coap_end(&w, (struct mw_bytes){(const uint8_t *)"xyz", 3}), MW_E_LIMIT);
		test_free(memory);
	}
	uint8_t exact[21];
	struct mw_buf b;
	struct mw_coap_writer w;
	mw_buf_init(&b, exact, sizeof(exact));
	mw_coap_begin(&w, &b, MW_COAP_CON, MW_COAP_GET, 1, &token);
	mw_coap_put_opt(&w, MW_OPT_URI_PATH, "abcd", 4);
	assert_int_equal(mw_coap_end(&w, (struct mw_bytes){(const uint8_t *)"xyz", 3}), 0);
	mw_buf_init(&b, exact, sizeof(exact));
	mw_coap_begin(&w, &b, MW_COAP_CON, MW_COAP_GET, 1, NULL);
	mw_coap_put_block(&w, MW_OPT_BLOCK2, &(struct mw_block){1 << 20, false, 2});
	assert_int_equal(mw_coap_end(&w, (struct mw_bytes){0}), MW_E_ARG);
}

static void test_block_values(void **state)
{
	(void)state;
	static const struct {
		const uint8_t *data;
		size_t len;
		int want;
		struct mw_block block;
	} rows[] = {
		{B("\x40\x01\x00\x01\xd0\x0a"), 1, {0, false, 0}},
		{B("\x40\x01\x00\x01\xd1\x0a\x0e"), 1, {0, true, 6}},
		{B("\x40\x01\x00\x01\xd1\x0a\x16"), 1, {1, false, 6}},
		{B("\x40\x01\x00\x01\xd3\x0a\xff\xff\xfe"), 1, {0xfffff, true, 6}},
		{B("\x40\x01\x00\x01\xd1\x0a\x07"), MW_E_FORMAT, {0}},
		{B("\x40\x01\x00\x01\xd4\x0a\x00\x00\x00\x00"), MW_E_FORMAT, {0}},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mw_coap_msg m;
		struct mw_block got = {0};
		assert_int_equal(mw_coap_parse(&m, rows[i].data, rows[i].len), 0);
		assert_int_equal(mw_coap_block(&m, MW_OPT_BLOCK2, &got), rows[i].want);
		assert_int_equal(got.num, rows[i].block.num);
		assert_int_equal(got.more, rows[i].block.more);
		assert_int_equal(got.szx, rows[i].block.szx);
	}
}

static void test_code_print(void **state)
{
	(void)state;
	char text[5];
	assert_string_equal(mw_coap_code_print(MW_COAP_CONTENT, text), "2.05");
	assert_string_equal(mw_coap_code_print(MW_COAP_CONTINUE, text), "2.31");
	assert_string_equal(mw_coap_code_print(255, text), "7.31");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_verdicts),
		cmocka_unit_test(test_parse_fields),
		cmocka_unit_test(test_too_many_options),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_bytes_of_a_known_message),
		cmocka_unit_test(test_writer_limits),
		cmocka_unit_test(test_block_values),
		cmocka_unit_test(test_code_print),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
