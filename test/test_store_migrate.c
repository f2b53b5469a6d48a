/* Schema versions: made new, brought up step by step, refused when too new or not ours. */
#include "store_kit.h"
#include "store/schema.h"

static int setup(void **state)
{
	struct kit *k = malloc(sizeof(*k));
	kit_init(k);
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	kit_deinit(*state);
	free(*state);
	return 0;
}

static sqlite3 *open_db(const struct kit *k)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	return db;
}

static int64_t number(sqlite3 *db, const char *sql)
{
	int64_t n = -1;
	assert_int_equal(mw_schema_number(db, sql, &n, NULL), 0);
	return n;
}

static void exec(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static const char *const steps[] = {
	"CREATE TABLE a(x); INSERT INTO a VALUES(1);",
	"ALTER TABLE a ADD COLUMN y; UPDATE a SET y = x + 1;",
	"CREATE TABLE b(x); INSERT INTO b SELECT y FROM a;",
};

static void steps_run_once_each(void **state)
{
	struct kit *k = *state;
	sqlite3 *db = open_db(k);
	assert_int_equal(mw_schema_migrate(db, steps, 1, &k->err), 0);
	assert_int_equal(number(db, "PRAGMA user_version"), 1);
	exec(db, "INSERT INTO a VALUES(10)"); /* lives through the steps */
	assert_int_equal(mw_schema_migrate(db, steps, 3, &k->err), 0);
	assert_int_equal(number(db, "PRAGMA user_version"), 3);
	assert_int_equal(number(db, "SELECT sum(x) FROM b"), 2 + 11);
	assert_int_equal(mw_schema_migrate(db, steps, 3, &k->err), 0); /* nothing left to do */
	assert_int_equal(number(db, "SELECT count(*) FROM b"), 2);
	sqlite3_close(db);
}

static void failed_step_leaves_the_version_before(void **state)
{
	struct kit *k = *state;
	const char *const broken[] = {steps[0], "CREATE TABLE c(x); INSERT INTO nowhere VALUES(1);", steps[2]};
	sqlite3 *db = open_db(k);
	assert_int_equal(mw_schema_migrate(db, broken, 3, &k->err), MW_E_IO);
	assert_non_null(strstr(k->err.text, "schema version 2"));
	assert_non_null(strstr(k->err.text, "nowhere"));
	assert_int_equal(number(db, "PRAGMA user_version"), 1);
	assert_int_equal(number(db, "SELECT count(*) FROM sqlite_master WHERE name = 'c'"), 0);
	assert_int_equal(mw_schema_migrate(db, steps, 3, &k->err), 0); /* mended */
	sqlite3_close(db);
}

static void newer_file_is_refused(void **state)
{
	struct kit *k = *state;
	kit_open(k);
	kit_close(k);
	sqlite3 *db = open_db(k);
	assert_int_equal(number(db, "PRAGMA user_version"), mw_schema_n_steps);
	char sql[64], want[64];
	snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", mw_schema_n_steps + 1);
	exec(db, sql);
	sqlite3_close(db);
	assert_null(kit_try_open(k, (struct mw_store_config){0}));
	snprintf(want, sizeof(want), "schema version %d, this program knows versions up to %d",
		mw_schema_n_steps + 1, mw_schema_n_steps);
	assert_non_null(strstr(k->err.text, want));
	assert_non_null(strstr(k->err.text, k->path));
	assert_null(mw_reader_open(k->path, &k->err));
	assert_non_null(strstr(k->err.text, want));
}

static void readers_do_not_migrate(void **state)
{
	struct kit *k = *state;
	sqlite3 *db = open_db(k);
	assert_int_equal(mw_schema_migrate(db, steps, 0, &k->err), 0);
	sqlite3_close(db);
	fclose(fopen(k->path, "a"));
	assert_null(mw_reader_open(k->path, &k->err));
	assert_non_null(strstr(k->err.text, "start the host once"));
}

static void foreign_files_are_refused_and_left_alone(void **state)
{
	struct kit *k = *state;
	sqlite3 *db = open_db(k);
	exec(db, "CREATE TABLE bookmarks(url)");
	assert_null(kit_try_open(k, (struct mw_store_config){0}));
	assert_non_null(strstr(k->err.text, "another program"));
	assert_int_equal(number(db, "SELECT count(*) FROM sqlite_master"), 1);
	sqlite3_close(db);
	FILE *f = fopen(k->path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("this is no database at all\n", f);
	fclose(f);
	assert_null(kit_try_open(k, (struct mw_store_config){0}));
	assert_non_null(strstr(k->err.text, "not a database"));
}

static void pragmas_are_in_force(void **state)
{
	struct kit *k = *state;
	sqlite3 *db = open_db(k);
	assert_int_equal(mw_schema_setup(db, false, &k->err), 0);
	assert_int_equal(number(db, "PRAGMA synchronous"), 2);
	assert_int_equal(number(db, "PRAGMA foreign_keys"), 0);
	assert_int_equal(number(db, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
	sqlite3_close(db);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(steps_run_once_each),
		T(failed_step_leaves_the_version_before),
		T(newer_file_is_refused),
		T(readers_do_not_migrate),
		T(foreign_files_are_refused_and_left_alone),
		T(pragmas_are_in_force),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
