/* A full disk: the kernel refuses to let files grow (RLIMIT_FSIZE), so that writing fails for real. In a
 * child, as the limit is the process's. */
#include "store_kit.h"
#include <signal.h>
#include <sys/resource.h>

static void limit_files(rlim_t size)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void unlimit_files(void)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit_files(limit.rlim_max);
}

static int setup(void **state)
{
	struct kit *k = malloc(sizeof(*k));
	kit_init(k);
	kit_open(k);
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	unlimit_files();
	kit_deinit(*state);
	free(*state);
	return 0;
}

static void put_many(struct kit *k, int n)
{
	for (int i = 0; i < n; i++)
		kit_put(k, kit_measurement(1 + i % 5, i));
}

static size_t n_rows_in_file(struct kit *k)
{
	struct kit_rows *rows = kit_feed(k, (struct mw_feed_query){.limit = KIT_ROWS_MAX});
	size_t n = rows->n;
	free(rows);
	return n;
}

static void fail_then_recover(void **state)
{
	struct kit *k = *state;
	for (int64_t i = 1; i <= 5; i++) {
		char endpoint[16];
		snprintf(endpoint, sizeof(endpoint), "ep%d", (int)i);
		kit_device(k, i, endpoint);
	}
	put_many(k, 10);
	assert_int_equal(kit_sync(k), 0);

	limit_files(64 << 10);
	for (int round = 1; round <= 3; round++) {
		put_many(k, 3000);
		assert_int_equal(kit_sync(k), MW_E_FULL);
		assert_int_equal(k->n_log_errors, 1); /* once, however often it fails */
	}
	struct mw_store_stats stats;
	mw_store_stats(k->store, &stats);
	assert_int_equal(stats.failed_commits, 3);
	assert_int_equal(stats.pending_bytes, 0);
	assert_int_equal(stats.last_seq, 10);
	assert_int_equal(n_rows_in_file(k), 10); /* nothing of the lost batches */

	unlimit_files();
	put_many(k, 10);
	assert_int_equal(kit_sync(k), 0);
	assert_int_equal(k->n_log_errors, 2);
	assert_non_null(strstr(k->last_log, "work again after 3 that failed; 9000 rows"));
	assert_int_equal(n_rows_in_file(k), 20);
	/* The numbers and each device's list have no gap where the lost rows would have been. */
	struct kit_rows *rows =
		kit_feed(k, (struct mw_feed_query){.endpoint = kit_str("ep3"), .newest_first = true});
	static const int64_t want[] = {18, 13, 8, 3};
	assert_int_equal(rows->n, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(rows->rows[i].seq, want[i]);
	free(rows);
}

/* Names given numbers in a batch that failed must not be taken for known afterwards. */
static void names_of_a_failed_batch_are_forgotten(void **state)
{
	struct kit *k = *state;
	struct mw_feed_row row = kit_measurement(1, 1);
	row.type = kit_str("NewName");
	limit_files(0);
	kit_put(k, row);
	assert_int_equal(kit_sync(k), MW_E_FULL);
	unlimit_files();
	kit_put(k, row);
	assert_int_equal(kit_sync(k), 0);
	struct kit_rows *rows = kit_feed(k, (struct mw_feed_query){.type = kit_str("NewName")});
	assert_int_equal(rows->n, 1);
	free(rows);
}

/* Rows went to the writer by themselves; a completion asked for meanwhile must not say that all is well. */
static void late_completion_hears_of_it(void **state)
{
	struct kit *k = *state;
	kit_close(k);
	assert_non_null(kit_try_open(k, (struct mw_store_config){.commit_rows = 1}));
	limit_files(0);
	put_many(k, 1);
	uv_run(&k->loop, UV_RUN_NOWAIT); /* hands the row over */
	struct mw_store_stats stats;
	mw_store_stats(k->store, &stats);
	int status = kit_sync(k);
	/* NOWAIT may, when the writer is that quick, have brought the failure already: then it was told of in the
	 * log. */
	assert_true(status == MW_E_FULL || stats.failed_commits == 1);
	unlimit_files();
	put_many(k, 1);
	assert_int_equal(kit_sync(k), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(fail_then_recover),
		T(names_of_a_failed_batch_are_forgotten),
		T(late_completion_hears_of_it),
	};
	signal(SIGXFSZ, SIG_IGN); /* write() then fails with EFBIG */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
