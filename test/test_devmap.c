/* The map from devices: against a plain array, with many collisions, wrap-around and removal. */
#include "script/devmap.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { N = 5000 };

static void assert_same(const struct mw_devmap *m, char *const *model, size_t n)
{
	size_t count = 0, seen = 0;
	for (uint32_t i = 0; i < n; i++) {
		assert_ptr_equal(mw_devmap_get(m, i), model[i]);
		count += model[i] != NULL;
	}
	for (size_t i = 0; i < m->cap; i++)
		seen += m->slots[i].item != NULL;
	assert_int_equal(m->count, count);
	assert_int_equal(seen, count);
}

static void test_against_an_array(void **state)
{
	(void)state;
	static char items[N];
	static char *model[N];
	struct mw_devmap m = {0};
	uint32_t random = 1;
	for (int round = 0; round < 60000; round++) {
		random = random * 1664525 + 1013904223;
		uint32_t index = (random >> 8) % (round < 30000 ? N : 40); /* many, then few: runs that wrap around */
		if (random & 0x80000000) {
			assert_int_equal(mw_devmap_set(&m, index, &items[index]), 0);
			model[index] = &items[index];
		} else {
			mw_devmap_remove(&m, index);
			model[index] = NULL;
		}
		if (round % 1000 == 0)
			assert_same(&m, model, N);
	}
	assert_same(&m, model, N);
	for (uint32_t i = 0; i < N; i++) {
		mw_devmap_remove(&m, i);
		model[i] = NULL;
		if (i % 500 == 0)
			assert_same(&m, model, N);
	}
	assert_null(m.slots); /* nothing is kept when it is empty */
}

static void test_set_replaces(void **state)
{
	(void)state;
	char a, b;
	struct mw_devmap m = {0};
	assert_null(mw_devmap_get(&m, 7));
	mw_devmap_remove(&m, 7);
	mw_devmap_set(&m, 7, &a);
	mw_devmap_set(&m, 7, &b);
	assert_ptr_equal(mw_devmap_get(&m, 7), &b);
	assert_int_equal(m.count, 1);
	mw_devmap_deinit(&m);
	assert_null(mw_devmap_get(&m, 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_an_array),
		cmocka_unit_test(test_set_replaces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
