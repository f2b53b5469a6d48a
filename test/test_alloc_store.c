/* Memory that runs out in the store: every allocation of a short life of it is refused once. Takes over
 * malloc, calloc and realloc of the statically linked code: link with
 * -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc, else
 * its tests skip themselves. */
#include "store_kit.h"
#include "store/pool.h"

void *__real_malloc(size_t size) __attribute__((weak));
void *__real_calloc(size_t n, size_t size) __attribute__((weak));
void *__real_realloc(void *p, size_t size) __attribute__((weak));
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

/* Which allocation is refused (0 = none), counted over all threads. The one mutable static of this program:
 * the wrappers have no other way to be told. */
static _Atomic long countdown;

static bool is_refused(void)
{
	return countdown > 0 && --countdown == 0;
}

void *__wrap_malloc(size_t size)
{
	return is_refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return is_refused() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return is_refused() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return size && n > SIZE_MAX / size ? NULL : __wrap_realloc(p, n * size);
}

/* Puts what can be put; every refusal must say why, every accepted completion must come. */
static void live(struct kit *k)
{
	if (!kit_try_open(k, (struct mw_store_config){0})) {
		assert_true(strlen(k->err.text) > 0);
		return;
	}
	int n_accepted = 0;
	for (int i = 0; i < 20; i++) {
		struct mw_feed_row row = kit_measurement(1 + i * 600, i);
		int rc = mw_store_put_feed(k->store, &row);
		assert_true(rc == 0 || rc == MW_E_NOMEM);
		rc = mw_store_commit(k->store, kit_done, k, "ticket", 6);
		assert_true(rc == 0 || rc == MW_E_NOMEM);
		n_accepted += rc == 0;
		if (i % 7 == 0)
			uv_run(&k->loop, UV_RUN_NOWAIT);
	}
	kit_close(k);
	assert_int_equal(k->n_done, n_accepted);
}

static void every_allocation_refused_once(void **state)
{
	(void)state;
	if (!__real_malloc)
		skip();
	int n_bad = 0;
	for (long nth = 1; nth < 1000; nth++) {
		struct kit k;
		kit_init(&k);
		countdown = nth;
		live(&k);
		bool was_refused = countdown == 0;
		countdown = 0;
		/* Whatever happened: the file is whole and takes rows. */
		kit_open(&k);
		kit_put(&k, kit_measurement(1, 1));
		assert_int_equal(kit_sync(&k), 0);
		kit_deinit(&k);
		if (!was_refused) {
			assert_true(nth > 10); /* else the wrappers are not linked in */
			return;
		}
		n_bad++;
	}
	fail_msg("after %d refusals still not through", n_bad);
}

static void put_and_commit_say_no_memory(void **state)
{
	(void)state;
	if (!__real_malloc)
		skip();
	struct kit k;
	kit_init(&k);
	kit_open(&k);
	struct mw_feed_row row = kit_measurement(1, 1);
	countdown = 1;
	assert_int_equal(mw_store_put_feed(k.store, &row), MW_E_NOMEM);
	countdown = 1;
	assert_int_equal(mw_store_commit(k.store, kit_done, &k, NULL, 0), MW_E_NOMEM);
	assert_int_equal(mw_store_put_feed(k.store, &row), 0);
	assert_int_equal(kit_sync(&k), 0);
	assert_int_equal(k.n_done, 1);
	kit_deinit(&k);
}

static void pool_opening(void **state)
{
	(void)state;
	if (!__real_malloc)
		skip();
	struct kit k;
	kit_init(&k);
	for (long nth = 1; nth <= 2; nth++) {
		countdown = nth;
		assert_null(mw_reader_pool_open(&k.loop, &(struct mw_reader_pool_config){.path = k.path}, &k.err));
		assert_string_equal(k.err.text, "out of memory");
	}
	kit_deinit(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_refused_once),
		cmocka_unit_test(put_and_commit_say_no_memory),
		cmocka_unit_test(pool_opening),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
