#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct item {
	uint32_t pool_link;
	uint32_t value;
	uint64_t more;
};

static struct item *at(const struct mw_pool *p, uint32_t index)
{
	return mw_pool_at(p, index);
}

static void test_items_are_zeroed_and_do_not_move(void **state)
{
	(void)state;
	enum { N = MW_POOL_CHUNK * 3 + 5 };
	struct mw_pool p;
	struct item **seen = calloc(N, sizeof(struct item *));
	mw_pool_init(&p, sizeof(struct item));
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(mw_pool_alloc(&p), i);
		seen[i] = at(&p, i);
		assert_true(!seen[i]->pool_link && !seen[i]->value && !seen[i]->more);
		*seen[i] = (struct item){i, i, ~UINT64_C(0)};
	}
	assert_int_equal(p.n_used, N);
	for (uint32_t i = 0; i < N; i++) {
		assert_ptr_equal(at(&p, i), seen[i]);
		assert_int_equal(seen[i]->value, i);
	}
	free(seen);
	mw_pool_deinit(&p);
	assert_int_equal(p.n_used, 0);
}

static void test_freed_ones_come_back_once(void **state)
{
	(void)state;
	struct mw_pool p;
	bool taken[100] = {false};
	mw_pool_init(&p, sizeof(struct item));
	for (uint32_t i = 0; i < 100; i++)
		at(&p, mw_pool_alloc(&p))->value = i;
	for (uint32_t i = 0; i < 100; i += 3)
		mw_pool_free(&p, i);
	assert_int_equal(p.n_used, 66);
	assert_int_equal(at(&p, 3)->value, 3); /* only the first four bytes of a free item are the pool's */
	for (int n = 0; n < 34; n++) {
		uint32_t index = mw_pool_alloc(&p);
		assert_in_range(index, 0, 99);
		assert_true(index % 3 == 0 && !taken[index]);
		assert_int_equal(at(&p, index)->value, 0);
		taken[index] = true;
	}
	assert_int_equal(mw_pool_alloc(&p), 100);
	mw_pool_deinit(&p);
}

static void test_deinit_and_again(void **state)
{
	(void)state;
	struct mw_pool p;
	mw_pool_init(&p, 4); /* the smallest */
	mw_pool_deinit(&p);
	assert_int_equal(mw_pool_alloc(&p), 0);
	assert_int_equal(mw_pool_alloc(&p), 1);
	mw_pool_free(&p, 0);
	mw_pool_deinit(&p);
	assert_int_equal(mw_pool_alloc(&p), 0);
	mw_pool_deinit(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items_are_zeroed_and_do_not_move),
		cmocka_unit_test(test_freed_ones_come_back_once),
		cmocka_unit_test(test_deinit_and_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
