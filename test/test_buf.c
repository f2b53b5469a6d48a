#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_fixed_memory(void **state)
{
	(void)state;
	uint8_t memory[8];
	struct mw_buf b;
	mw_buf_init(&b, memory, sizeof(memory));
	mw_buf_put_be(&b, 0x0102030405, 3);
	mw_buf_put_u8(&b, 9);
	mw_buf_put(&b, NULL, 0);
	mw_buf_put_str(&b, "abcd");
	assert_false(b.overflow);
	assert_int_equal(b.len, 8);
	assert_memory_equal(memory, "\3\4\5\11abcd", 8);
	mw_buf_put_u8(&b, 1);
	assert_true(b.overflow);
	assert_int_equal(b.len, 8);
	assert_ptr_equal(mw_buf_bytes(&b).data, memory);
	mw_buf_deinit(&b); /* the memory is the caller's */
}

/* What does not fit is left out whole, and nothing is written behind a gap. */
static void test_overflow_is_final(void **state)
{
	(void)state;
	uint8_t memory[4] = {0};
	struct mw_buf b;
	mw_buf_init(&b, memory, sizeof(memory));
	mw_buf_put_str(&b, "ab");
	mw_buf_put_str(&b, "xyz");
	assert_true(b.overflow);
	mw_buf_put_str(&b, "c");
	mw_buf_printf(&b, "%d", 1);
	assert_int_equal(b.len, 2);
	assert_memory_equal(memory, "ab\0\0", 4);
	mw_buf_init(&b, NULL, 0);
	mw_buf_put_u8(&b, 1);
	assert_true(b.overflow);
}

static void test_heap(void **state)
{
	(void)state;
	struct mw_buf b;
	mw_buf_init_heap(&b, 1000);
	for (int i = 0; i < 1000; i++)
		mw_buf_put_u8(&b, (uint8_t)i);
	assert_false(b.overflow);
	assert_int_equal(b.len, 1000);
	assert_true(b.cap <= 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(b.data[i], i & 255);
	assert_false(mw_buf_reserve(&b, 1));
	assert_true(b.overflow);
	mw_buf_deinit(&b);
	mw_buf_init_heap(&b, 10);
	assert_false(mw_buf_reserve(&b, SIZE_MAX));
	assert_false(mw_buf_reserve(&b, 1)); /* final here as well */
	mw_buf_deinit(&b);
}

static void test_printf(void **state)
{
	(void)state;
	uint8_t memory[1024];
	char wide[600];
	struct mw_buf b;
	mw_buf_init(&b, memory, sizeof(memory));
	mw_buf_printf(&b, "%s-%u", "x", 7u);
	assert_int_equal(b.len, 3);
	assert_memory_equal(memory, "x-7", 3);
	memset(wide, 'w', sizeof(wide));
	wide[599] = 0;
	mw_buf_printf(&b, "%s", wide); /* beyond what printf takes in one go: refused, not cut */
	assert_true(b.overflow);
	assert_int_equal(b.len, 3);
}

static void test_reader(void **state)
{
	(void)state;
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
	struct mw_cur c;
	mw_cur_init(&c, bytes, sizeof(bytes));
	assert_int_equal(mw_cur_u8(&c), 1);
	assert_true(mw_cur_be(&c, 8) == 0x0203040506070809);
	assert_int_equal(mw_cur_left(&c), 2);
	struct mw_bytes s = mw_cur_take(&c, 2);
	assert_ptr_equal(s.data, bytes + 9);
	assert_int_equal(s.len, 2);
	assert_false(c.failed);
	assert_int_equal(mw_cur_be(&c, 2), 0);
	assert_true(c.failed);
}

static void test_reader_never_overreads(void **state)
{
	(void)state;
	static const uint8_t bytes[] = {0xff, 0xff, 0xff};
	struct mw_cur c;
	mw_cur_init(&c, bytes, sizeof(bytes));
	assert_true(mw_cur_be(&c, 4) == 0); /* zeros, not the three that are there */
	assert_true(c.failed);
	assert_int_equal(mw_cur_left(&c), 0);
	assert_int_equal(mw_cur_take(&c, SIZE_MAX).len, 0);
	assert_int_equal(mw_cur_u8(&c), 0);
	mw_cur_init(&c, NULL, 0);
	assert_int_equal(mw_cur_left(&c), 0);
	assert_int_equal(mw_cur_take(&c, 0).len, 0);
	assert_false(c.failed);
	assert_int_equal(mw_cur_u8(&c), 0);
	assert_true(c.failed);
}

static void test_strings(void **state)
{
	(void)state;
	char out[4];
	mw_strcopy(out, sizeof(out), "ab");
	assert_string_equal(out, "ab");
	mw_strcopy(out, sizeof(out), "abcdef");
	assert_string_equal(out, "abc");
	mw_strcopy(out, 1, "abc");
	assert_string_equal(out, "");
	char *s = mw_strndup("x\0y", 3);
	assert_memory_equal(s, "x\0y\0", 4);
	free(s);
	s = mw_strndup(NULL, 0);
	assert_string_equal(s, "");
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed_memory),
		cmocka_unit_test(test_overflow_is_final),
		cmocka_unit_test(test_heap),
		cmocka_unit_test(test_printf),
		cmocka_unit_test(test_reader),
		cmocka_unit_test(test_reader_never_overreads),
		cmocka_unit_test(test_strings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
