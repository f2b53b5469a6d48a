/* The folder watcher on a loop and a folder of its own. Waits for events, with a limit, never for a fixed
 * time. */
#include "host/watch.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
	uv_loop_t loop;
	uv_timer_t limit;
	struct mw_watch *w;
	struct mw_log log;
	struct mw_errbuf why;
	char dir[64];
	char seen[8192];                 /* "name=text;" of the last delivery */
	char log_text[2048], error[256]; /* error: why the folder could not be read, last */
	int n, wanted, n_files, n_errors;
	uint64_t poke; /* of the last delivery */
	bool timed_out;
};

static void on_log(
	void *ud, enum mw_log_level level, enum mw_log_group group, const char *file, int line, const char *text)
{
	struct fixture *f = ud;
	(void)level;
	(void)group;
	(void)file;
	(void)line;
	snprintf(f->log_text, sizeof(f->log_text), "%s", text);
}

static void on_look(void *ud, const struct mw_watch_look *look)
{
	struct fixture *f = ud;
	const struct mw_watched_file *files = look->files;
	size_t len = 0, n = look->n_files;
	f->poke = look->poke;
	if (look->err) {
		assert_int_equal(look->err, MW_E_NOTFOUND);
		snprintf(f->error, sizeof(f->error), "%s", look->why);
		f->n_errors++;
		return;
	}
	f->n++;
	f->n_files = (int)n;
	*f->seen = '\0';
	for (size_t i = 0; i < n && len < sizeof(f->seen) - 100; i++)
		len += (size_t)snprintf(f->seen + len, sizeof(f->seen) - len, "%s=%.*s%s;", files[i].name,
			(int)(files[i].text.len > 20 ? 20 : files[i].text.len), (const char *)files[i].text.data,
			files[i].why);
	if (f->n >= f->wanted)
		uv_stop(&f->loop);
}

static void on_limit(uv_timer_t *t)
{
	struct fixture *f = t->data;
	f->timed_out = true;
	uv_stop(&f->loop);
}

static void setup(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "/tmp/mw-watch-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	mw_log_init(&f->log, on_log, f, MW_LOG_DEBUG);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	uv_timer_init(&f->loop, &f->limit);
	f->limit.data = f;
}

static void start(struct fixture *f)
{
	f->w = mw_watch_new(&f->loop, f->dir, ".lua", 20, &f->log, on_look, f, &f->why);
	if (!f->w)
		fail_msg("%s", f->why.text);
}

static void teardown(struct fixture *f)
{
	char command[128];
	mw_watch_free(f->w);
	uv_close((uv_handle_t *)&f->limit, NULL);
	while (uv_run(&f->loop, UV_RUN_DEFAULT) != 0) /* not 0 when on_look has stopped the loop */
		continue;
	assert_int_equal(uv_loop_close(&f->loop), 0); /* nothing is left running */
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
}

static void write_file(struct fixture *f, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void make_dir(struct fixture *f, const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

/* Until the folder is seen as @p text; deliveries in between are allowed, as events may come in two series.
 */
static void wait_for(struct fixture *f, const char *text)
{
	f->timed_out = false;
	uv_timer_start(&f->limit, on_limit, 20000, 0);
	while (!f->timed_out && strcmp(f->seen, text) != 0) {
		f->wanted = f->n + 1;
		uv_run(&f->loop, UV_RUN_DEFAULT);
	}
	uv_timer_stop(&f->limit);
	if (f->timed_out)
		fail_msg("seen '%s', not '%s'", f->seen, text);
}

static void test_read(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	make_dir(&f, "protocols");
	make_dir(&f, ".git");
	write_file(&f, "protocols/b.lua", "B");
	write_file(&f, "protocols/a.lua", "A");
	write_file(&f, "z.lua", "");
	write_file(&f, "z.txt", "other suffix");
	write_file(&f, ".hidden.lua", "x");
	write_file(&f, ".git/x.lua", "x");
	write_file(&f, "#auto.lua", "x");
	write_file(&f, "backup.lua~", "x");
	write_file(&f, ".lua", "x");
	assert_int_equal(mw_watch_read(f.dir, ".lua", on_look, &f, &f.why), 0);
	assert_string_equal(f.seen, "protocols/a.lua=A;protocols/b.lua=B;z.lua=;");
	assert_int_equal(mw_watch_read("/nonexistent", ".lua", on_look, &f, &f.why), MW_E_NOTFOUND);
	assert_string_equal(f.why.text, "/nonexistent: no such folder");
	assert_int_equal(f.n, 1);
	teardown(&f);
}

static void test_what_cannot_be_read_is_delivered_with_its_reason(void **state)
{
	(void)state;
	struct fixture f;
	char path[128];
	setup(&f);
	snprintf(path, sizeof(path), "%s/big.lua", f.dir);
	write_file(&f, "big.lua", "x");
	assert_int_equal(truncate(path, MW_WATCH_FILE_MAX + 1), 0);
	write_file(&f, "good.lua", "G");
	snprintf(path, sizeof(path), "%s/pipe.lua", f.dir);
	assert_int_equal(mkfifo(path, 0600), 0); /* not a file: left out, and nothing waits for it */
	snprintf(path, sizeof(path), "%s/nowhere.lua", f.dir);
	assert_int_equal(symlink("/nonexistent/x", path), 0);
	assert_int_equal(mw_watch_read(f.dir, ".lua", on_look, &f, &f.why), 0);
	assert_string_equal(f.seen, "big.lua=larger than 1 MiB;good.lua=G;");
	teardown(&f);
}

static void test_depth_and_loops_of_links_end(void **state)
{
	(void)state;
	struct fixture f;
	char path[128];
	setup(&f);
	make_dir(&f, "a");
	make_dir(&f, "a/b");
	make_dir(&f, "a/b/c");
	make_dir(&f, "a/b/c/d");
	make_dir(&f, "a/b/c/d/e");
	write_file(&f, "a/b/c/d/in.lua", "1");
	write_file(&f, "a/b/c/d/e/out.lua", "2");
	assert_int_equal(mw_watch_read(f.dir, ".lua", on_look, &f, &f.why), 0);
	assert_string_equal(f.seen, "a/b/c/d/in.lua=1;");
	snprintf(path, sizeof(path), "%s/a/loop", f.dir);
	assert_int_equal(symlink("..", path), 0);
	assert_int_equal(mw_watch_read(f.dir, ".lua", on_look, &f, &f.why), 0);
	assert_true(f.n_files >= 1 && f.n_files < 20);
	teardown(&f);
}

static void test_too_many_files(void **state)
{
	(void)state;
	struct fixture f;
	char name[32];
	setup(&f);
	for (int i = 0; i <= MW_WATCH_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "f%d.lua", i);
		write_file(&f, name, "");
	}
	assert_int_equal(mw_watch_read(f.dir, ".lua", on_look, &f, &f.why), MW_E_LIMIT);
	assert_int_equal(f.n, 0);
	teardown(&f);
}

static void test_changes_are_delivered(void **state)
{
	(void)state;
	struct fixture f;
	char from[128], to[128];
	setup(&f);
	make_dir(&f, "p");
	write_file(&f, "p/a.lua", "1");
	start(&f);
	write_file(&f, "p/a.lua", "2");
	wait_for(&f, "p/a.lua=2;");
	write_file(&f, "b.lua", "B");
	wait_for(&f, "b.lua=B;p/a.lua=2;");
	/* An editor's save: a new file takes the name of the old one. */
	write_file(&f, "p/a.lua.tmp", "3");
	snprintf(from, sizeof(from), "%s/p/a.lua.tmp", f.dir);
	snprintf(to, sizeof(to), "%s/p/a.lua", f.dir);
	assert_int_equal(rename(from, to), 0);
	wait_for(&f, "b.lua=B;p/a.lua=3;");
	assert_int_equal(unlink(to), 0);
	wait_for(&f, "b.lua=B;");
	teardown(&f);
}

static void test_several_changes_are_one_delivery(void **state)
{
	(void)state;
	struct fixture f;
	char name[32];
	setup(&f);
	f.w = mw_watch_new(&f.loop, f.dir, ".lua", 200, &f.log, on_look, &f, &f.why);
	assert_non_null(f.w);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "f%d.lua", i);
		write_file(&f, name, "x");
	}
	f.wanted = 1;
	uv_timer_start(&f.limit, on_limit, 20000, 0);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_false(f.timed_out);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.n_files, 10);
	teardown(&f);
}

static void test_new_folders_are_watched(void **state)
{
	(void)state;
	struct fixture f;
	char from[128], to[128];
	setup(&f);
	start(&f);
	make_dir(&f, "new");
	make_dir(&f, "new/deep");
	write_file(&f, "new/deep/a.lua", "1");
	wait_for(&f, "new/deep/a.lua=1;");
	write_file(&f, "new/deep/a.lua", "2");
	wait_for(&f, "new/deep/a.lua=2;");
	/* Another folder takes its name. */
	make_dir(&f, "other");
	write_file(&f, "other/a.lua", "3");
	wait_for(&f, "new/deep/a.lua=2;other/a.lua=3;");
	snprintf(from, sizeof(from), "%s/new", f.dir);
	snprintf(to, sizeof(to), "%s/.old", f.dir);
	assert_int_equal(rename(from, to), 0);
	snprintf(from, sizeof(from), "%s/other", f.dir);
	snprintf(to, sizeof(to), "%s/new", f.dir);
	assert_int_equal(rename(from, to), 0);
	wait_for(&f, "new/a.lua=3;");
	write_file(&f, "new/a.lua", "4");
	wait_for(&f, "new/a.lua=4;");
	teardown(&f);
}

static void test_poke(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	write_file(&f, "a.lua", "1");
	start(&f);
	mw_watch_poke(f.w);
	wait_for(&f, "a.lua=1;");
	teardown(&f);
}

/* Turns the loop until a delivery, good or bad, answers this poke. */
static void wait_for_poke(struct fixture *f, uint64_t poke)
{
	f->timed_out = false;
	f->wanted = f->n + 1000;
	uv_timer_start(&f->limit, on_limit, 20000, 0);
	while (!f->timed_out && f->poke < poke)
		uv_run(&f->loop, UV_RUN_ONCE);
	uv_timer_stop(&f->limit);
	assert_false(f->timed_out);
}

/* Turns the loop until a look at the folder is under way on the worker. It takes a while there: it has many
 * files to read. */
static void wait_until_looking(struct fixture *f)
{
	while (!uv_loop_alive(&f->loop) || !f->loop.active_reqs.count)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void test_poke_while_a_look_is_under_way(void **state)
{
	(void)state;
	struct fixture f;
	char name[32];
	setup(&f);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "f%d.lua", i);
		write_file(&f, name, "x");
	}
	start(&f);
	uint64_t first = mw_watch_poke(f.w);
	assert_int_equal(first, 1);
	wait_until_looking(&f);
	write_file(&f, "g.lua", "new"); /* the look under way may have missed it */
	uint64_t second = mw_watch_poke(f.w);
	assert_int_equal(second, 2);
	wait_for_poke(&f, first);
	assert_int_equal(f.poke, first); /* it does not claim to answer the second */
	wait_for_poke(&f, second);
	assert_int_equal(f.n_files, 501);
	teardown(&f);
}

static void test_a_folder_that_vanishes_and_comes_back(void **state)
{
	(void)state;
	struct fixture f;
	char away[128];
	setup(&f);
	write_file(&f, "a.lua", "1");
	start(&f);
	snprintf(away, sizeof(away), "%s.away", f.dir);
	assert_int_equal(rename(f.dir, away), 0);
	wait_for_poke(&f, mw_watch_poke(f.w));
	assert_non_null(strstr(f.log_text, "no such folder; trying again"));
	assert_non_null(strstr(f.error, "no such folder"));
	assert_int_equal(f.n, 0);
	int n_errors = f.n_errors;
	wait_for_poke(&f, mw_watch_poke(f.w)); /* at once, not when it tries again by itself */
	assert_true(f.n_errors > n_errors);
	assert_int_equal(rename(away, f.dir), 0);
	wait_for(&f, "a.lua=1;"); /* it looks again by itself */
	write_file(&f, "a.lua", "2");
	wait_for(&f, "a.lua=2;"); /* and watches */
	teardown(&f);
}

static void test_free_at_any_time(void **state)
{
	(void)state;
	for (int turns = 0; turns < 6; turns++) {
		struct fixture f;
		setup(&f);
		write_file(&f, "a.lua", "1");
		start(&f);
		mw_watch_poke(f.w);
		f.wanted = 1000;
		for (int i = 0; i < turns; i++)
			uv_run(&f.loop, UV_RUN_NOWAIT);
		int n = f.n;
		mw_watch_free(f.w);
		f.w = NULL;
		uv_run(&f.loop, UV_RUN_DEFAULT);
		assert_int_equal(f.n, n); /* no callback after it */
		teardown(&f);
	}
	mw_watch_free(NULL);
}

static void test_new_says_what_is_wrong(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	assert_null(mw_watch_new(&f.loop, "/nonexistent", ".lua", 0, &f.log, on_look, &f, &f.why));
	assert_string_equal(f.why.text, "/nonexistent: no such folder");
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_what_cannot_be_read_is_delivered_with_its_reason),
		cmocka_unit_test(test_depth_and_loops_of_links_end),
		cmocka_unit_test(test_too_many_files),
		cmocka_unit_test(test_changes_are_delivered),
		cmocka_unit_test(test_several_changes_are_one_delivery),
		cmocka_unit_test(test_new_folders_are_watched),
		cmocka_unit_test(test_poke),
		cmocka_unit_test(test_poke_while_a_look_is_under_way),
		cmocka_unit_test(test_a_folder_that_vanishes_and_comes_back),
		cmocka_unit_test(test_free_at_any_time),
		cmocka_unit_test(test_new_says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
