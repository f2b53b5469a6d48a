/* The reader pool: jobs off the loop, completions on it, a bounded queue, an orderly stop. */
#include "store_kit.h"
#include "store/pool.h"
#include <pthread.h>

enum { N_JOBS = 200 };

struct job {
	struct mw_reader_job base;
	struct test *test;
	struct mw_feed_query query;
	struct kit_rows *rows;
	int n_done, status;
	bool submit_again;
};

struct test {
	struct kit k;
	struct mw_reader_pool *pool;
	pthread_t loop_thread;
	int n_done;
	/* A gate that holds jobs on their threads until the test opens it. */
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int n_waiting;
	bool is_open;
};

static int setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));
	kit_init(&t->k);
	t->loop_thread = pthread_self();
	pthread_mutex_init(&t->mutex, NULL);
	pthread_cond_init(&t->cond, NULL);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;
	mw_reader_pool_close(t->pool);
	kit_deinit(&t->k);
	pthread_cond_destroy(&t->cond);
	pthread_mutex_destroy(&t->mutex);
	free(t);
	return 0;
}

static void open_pool(struct test *t, uint32_t n_threads, uint32_t max_queued)
{
	struct mw_reader_pool_config config = {t->k.path, n_threads, max_queued};
	t->pool = mw_reader_pool_open(&t->k.loop, &config, &t->k.err);
	if (!t->pool)
		fail_msg("%s", t->k.err.text);
}

static struct job *job_of(struct mw_reader_job *base)
{
	return MW_CONTAINER_OF(base, struct job, base);
}

/* No assertions here: cmocka's do not work on other threads. */
static int run_query(struct mw_reader *reader, struct mw_reader_job *base)
{
	struct job *job = job_of(base);
	if (pthread_equal(pthread_self(), job->test->loop_thread))
		return MW_E_STATE;
	return mw_reader_feed(reader, &job->query, kit_row, job->rows, &base->error);
}

static int run_gate(struct mw_reader *reader, struct mw_reader_job *base)
{
	(void)reader;
	struct test *t = job_of(base)->test;
	pthread_mutex_lock(&t->mutex);
	t->n_waiting++;
	pthread_cond_broadcast(&t->cond);
	while (!t->is_open)
		pthread_cond_wait(&t->cond, &t->mutex);
	pthread_mutex_unlock(&t->mutex);
	return 7;
}

static int run_endless(struct mw_reader *reader, struct mw_reader_job *base)
{
	struct test *t = job_of(base)->test;
	pthread_mutex_lock(&t->mutex);
	t->n_waiting++;
	pthread_cond_broadcast(&t->cond);
	pthread_mutex_unlock(&t->mutex);
	int rc;
	do {
		int64_t device, seq;
		rc = mw_reader_marks(reader, &device, &seq, NULL);
		if (rc == 0)
			rc = mw_reader_observations(reader, NULL, NULL, &base->error);
	} while (rc == 0);
	return rc;
}

static void done(struct mw_reader_job *base, int status)
{
	struct job *job = job_of(base);
	assert_true(pthread_equal(pthread_self(), job->test->loop_thread));
	job->n_done++;
	job->status = status;
	job->test->n_done++;
	if (job->submit_again) {
		job->submit_again = false;
		job->rows->n = 0;
		assert_int_equal(mw_reader_pool_submit(job->test->pool, base), 0);
	}
}

static struct job make(struct test *t, mw_reader_run_cb *run)
{
	return (struct job){.base = {.run = run, .done = done}, .test = t};
}

static void wait_for_threads(struct test *t, int n)
{
	pthread_mutex_lock(&t->mutex);
	while (t->n_waiting < n)
		pthread_cond_wait(&t->cond, &t->mutex);
	pthread_mutex_unlock(&t->mutex);
}

static void open_gate(struct test *t)
{
	pthread_mutex_lock(&t->mutex);
	t->is_open = true;
	pthread_cond_broadcast(&t->cond);
	pthread_mutex_unlock(&t->mutex);
}

static void fill_store(struct test *t)
{
	kit_open(&t->k);
	for (int i = 0; i < N_JOBS; i++)
		kit_put(&t->k, kit_measurement(1, i));
	assert_int_equal(kit_sync(&t->k), 0);
}

static void queries_on_threads(void **state)
{
	struct test *t = *state;
	fill_store(t);
	open_pool(t, 0, 0);
	static struct job jobs[N_JOBS];
	for (int i = 0; i < N_JOBS; i++) {
		jobs[i] = make(t, run_query);
		jobs[i].query = (struct mw_feed_query){.after_seq = i, .limit = 1};
		jobs[i].rows = calloc(1, sizeof(*jobs[i].rows));
		jobs[i].submit_again = i % 50 == 0;
		assert_int_equal(mw_reader_pool_submit(t->pool, &jobs[i].base), 0);
	}
	while (t->n_done < N_JOBS + 4)
		uv_run(&t->k.loop, UV_RUN_ONCE);
	for (int i = 0; i < N_JOBS; i++) {
		assert_int_equal(jobs[i].status, 0);
		assert_int_equal(jobs[i].n_done, i % 50 == 0 ? 2 : 1);
		assert_int_equal(jobs[i].rows->n, 1);
		assert_int_equal(jobs[i].rows->rows[0].value.i, i);
		free(jobs[i].rows);
	}
}

static void queue_is_bounded(void **state)
{
	struct test *t = *state;
	kit_open(&t->k);
	open_pool(t, 2, 3);
	struct job jobs[6];
	for (int i = 0; i < 6; i++)
		jobs[i] = make(t, run_gate);
	for (int i = 0; i < 2; i++)
		assert_int_equal(mw_reader_pool_submit(t->pool, &jobs[i].base), 0);
	wait_for_threads(t, 2);
	for (int i = 2; i < 5; i++)
		assert_int_equal(mw_reader_pool_submit(t->pool, &jobs[i].base), 0);
	assert_int_equal(mw_reader_pool_submit(t->pool, &jobs[5].base), MW_E_LIMIT);
	open_gate(t);
	while (t->n_done < 5)
		uv_run(&t->k.loop, UV_RUN_ONCE);
	for (int i = 0; i < 5; i++)
		assert_int_equal(jobs[i].status, 7);
	assert_int_equal(jobs[5].n_done, 0);
	assert_int_equal(mw_reader_pool_submit(t->pool, &jobs[5].base), 0);
	while (t->n_done < 6)
		uv_run(&t->k.loop, UV_RUN_ONCE);
}

static void idle_pool_does_not_hold_the_loop(void **state)
{
	struct test *t = *state;
	open_pool(t, 1, 0);
	assert_int_equal(uv_run(&t->k.loop, UV_RUN_DEFAULT), 0);
}

static void missing_store_is_told_and_tried_again(void **state)
{
	struct test *t = *state;
	open_pool(t, 1, 0);
	struct job job = make(t, run_query);
	job.rows = calloc(1, sizeof(*job.rows));
	assert_int_equal(mw_reader_pool_submit(t->pool, &job.base), 0);
	uv_run(&t->k.loop, UV_RUN_DEFAULT); /* an open job holds the loop */
	assert_int_equal(job.n_done, 1);
	assert_int_equal(job.status, MW_E_IO);
	assert_non_null(strstr(job.base.error.text, "store.db"));
	fill_store(t);
	assert_int_equal(mw_reader_pool_submit(t->pool, &job.base), 0);
	while (job.n_done < 2)
		uv_run(&t->k.loop, UV_RUN_ONCE);
	assert_int_equal(job.status, 0);
	assert_int_equal(job.rows->n, N_JOBS);
	free(job.rows);
}

static void close_interrupts_and_cancels(void **state)
{
	struct test *t = *state;
	kit_open(&t->k);
	open_pool(t, 2, 0);
	struct job jobs[5];
	for (int i = 0; i < 5; i++) {
		jobs[i] = make(t, run_endless);
		assert_int_equal(mw_reader_pool_submit(t->pool, &jobs[i].base), 0);
		if (i == 1)
			wait_for_threads(t, 2);
	}
	mw_reader_pool_close(t->pool);
	t->pool = NULL;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(jobs[i].n_done, 1);
		assert_int_equal(jobs[i].status, MW_E_CANCELED);
	}
}

static void close_in_done(struct mw_reader_job *base, int status)
{
	struct test *t = job_of(base)->test;
	done(base, status);
	mw_reader_pool_close(t->pool);
	assert_int_equal(mw_reader_pool_submit(t->pool, base), MW_E_STATE);
}

static void close_from_done(void **state)
{
	struct test *t = *state;
	kit_open(&t->k);
	open_pool(t, 1, 0);
	struct job jobs[3];
	open_gate(t);
	for (int i = 0; i < 3; i++) {
		jobs[i] = make(t, run_gate);
		jobs[i].base.done = i ? done : close_in_done;
		assert_int_equal(mw_reader_pool_submit(t->pool, &jobs[i].base), 0);
	}
	kit_close(&t->k); /* runs the loop until nothing is left */
	t->pool = NULL;
	for (int i = 0; i < 3; i++)
		assert_int_equal(jobs[i].n_done, 1);
}

static void too_many_threads(void **state)
{
	struct test *t = *state;
	struct mw_reader_pool_config config = {t->k.path, 65, 0};
	assert_null(mw_reader_pool_open(&t->k.loop, &config, &t->k.err));
	assert_non_null(strstr(t->k.err.text, "65 reader threads"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(queries_on_threads),
		T(queue_is_bounded),
		T(idle_pool_does_not_hold_the_loop),
		T(missing_store_is_told_and_tried_again),
		T(close_interrupts_and_cancels),
		T(close_from_done),
		T(too_many_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
