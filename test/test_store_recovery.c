/* Durability for real: a child process is killed right after it said what is on disk; all of that must be
 * there. */
#include "store_kit.h"
#include <signal.h>
#include <sys/wait.h>

enum { N_PER_TURN = 40 };

struct child {
	struct kit *k;
	int fd;
	int64_t next;
};

/* Says so on the pipe; a short write cannot happen below PIPE_BUF. */
static void report(void *ud, const void *ticket, int status)
{
	struct child *c = ud;
	if (status != 0 || write(c->fd, ticket, sizeof(int64_t)) != sizeof(int64_t))
		_exit(3);
}

static void put_more(uv_prepare_t *handle)
{
	struct child *c = handle->data;
	for (int i = 0; i < N_PER_TURN; i++) {
		int64_t id = c->next++;
		char endpoint[32];
		snprintf(endpoint, sizeof(endpoint), "ep-%lld", (long long)id);
		struct mw_device_row device = {.id = id, .endpoint = kit_str(endpoint), .created_ms = id};
		struct mw_registration_row reg = {.device_id = id, .location = (uint64_t)id * 3, .lifetime_s = 60};
		struct mw_feed_row feed = kit_measurement(id, id);
		if (mw_store_put_device(c->k->store, &device) || mw_store_put_registration(c->k->store, &reg) ||
			mw_store_put_feed(c->k->store, &feed) || mw_store_commit(c->k->store, report, c, &id, sizeof(id)))
			return; /* full for now */
	}
}

/* Registers devices until it is killed. */
static _Noreturn void child_main(struct kit *k, int fd, int64_t first)
{
	struct child c = {.k = k, .fd = fd, .next = first};
	uv_prepare_t prepare;
	if (uv_loop_init(&k->loop) || !kit_try_open(k, (struct mw_store_config){.max_pending = 1 << 20}))
		_exit(2);
	uv_prepare_init(&k->loop, &prepare);
	prepare.data = &c;
	uv_prepare_start(&prepare, put_more);
	uv_run(&k->loop, UV_RUN_DEFAULT);
	_exit(4);
}

struct found {
	int64_t n, last, n_registered;
};

static bool on_device(void *ud, const struct mw_device_row *d, const struct mw_registration_row *reg)
{
	struct found *f = ud;
	f->n++;
	f->last = d->id;
	f->n_registered += reg && reg->location == (uint64_t)d->id * 3;
	return true;
}

/* Lets a child run until it reported @p n rows more, kills it; gives the highest number it reported. */
static int64_t run_and_kill(struct kit *k, int64_t first, int n)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(fds[0]);
		child_main(k, fds[1], first);
	}
	close(fds[1]);
	int64_t last = 0, got;
	for (int i = 0; i < n; i++) {
		assert_int_equal(read(fds[0], &got, sizeof(got)), sizeof(got));
		last = got;
	}
	kill(pid, SIGKILL);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* What it said before it died counts as well. */
	while (read(fds[0], &got, sizeof(got)) == sizeof(got))
		last = got;
	close(fds[0]);
	return last;
}

static void reported_rows_survive_kill(void **state)
{
	(void)state;
	struct kit k;
	kit_init(&k);
	int64_t first = 1;
	static const int rounds[] = {1, 137, 4000, 20, 9000};
	for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
		int64_t reported = run_and_kill(&k, first, rounds[i]);
		assert_true(reported >= first);
		struct mw_reader *r = kit_reader(&k);
		struct found f = {0};
		assert_int_equal(mw_reader_devices(r, (struct mw_bytes){0}, on_device, &f, NULL), 0);
		int64_t last_device, last_seq;
		assert_int_equal(mw_reader_marks(r, &last_device, &last_seq, NULL), 0);
		mw_reader_close(r);
		assert_true(f.last >= reported);
		assert_int_equal(f.n, f.last); /* none is missing in between, */
		assert_int_equal(f.n_registered, f.n);
		assert_int_equal(last_device, f.last);
		assert_int_equal(last_seq, f.last); /* and no batch is there by halves */
		first = f.last + 1;
	}
	/* The list of each device's items is whole, too. */
	struct kit_rows *rows = kit_feed(&k, (struct mw_feed_query){.endpoint = kit_str("ep-77")});
	assert_int_equal(rows->n, 1);
	assert_int_equal(rows->rows[0].value.i, 77);
	free(rows);
	kit_deinit(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(reported_rows_survive_kill)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
