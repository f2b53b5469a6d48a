#include "store/schema.h"

/* Why the feed looks as it does (each point was measured against the plain way):
 * - type, series and unit repeat in millions of rows; a feed row names one row of `series` instead.
 * - an index on feed(device) would touch another page for nearly every row. Instead each row holds the number
 * of the same device's row before it (`prev`), a list that costs nothing to append to. `feed_head` holds
 * where each device's list begins, as of row number mark 'head'; it is brought up to date now and then, see
 * writer.c.
 * - everything but measurements is rare and looked for by kind, so these rows have an index of their own.
 * - `value` has no declared type, so SQLite keeps integers and reals apart, and every bit of both.
 *   In rows of alarms it is how often the alarm was raised up to then.
 * Ids of a path are NULL from its depth on. Mark 'seq' is the highest number ever given, deleted rows
 * included. */
static const char step_1[] =
	"CREATE TABLE device("
	" id INTEGER PRIMARY KEY, endpoint TEXT NOT NULL UNIQUE, created_ms INTEGER NOT NULL);"
	"CREATE TABLE registration("
	" device INTEGER PRIMARY KEY, location INTEGER NOT NULL, peer BLOB, peer_text TEXT,"
	" lifetime_s INTEGER NOT NULL, version TEXT, binding TEXT, queue_mode INTEGER NOT NULL, sms TEXT,"
	" params TEXT, links TEXT, registered_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL);"
	"CREATE TABLE observation("
	" token INTEGER PRIMARY KEY, device INTEGER NOT NULL, oid INTEGER, iid INTEGER, rid INTEGER, riid "
	"INTEGER,"
	" format INTEGER NOT NULL, active INTEGER NOT NULL);"
	"CREATE INDEX observation_device ON observation(device);"
	"CREATE TABLE series("
	" id INTEGER PRIMARY KEY, type TEXT NOT NULL, series TEXT NOT NULL, unit TEXT NOT NULL,"
	" UNIQUE(type, series, unit));"
	"CREATE TABLE feed("
	" seq INTEGER PRIMARY KEY, prev INTEGER, kind INTEGER NOT NULL, device INTEGER NOT NULL,"
	" time_ms INTEGER NOT NULL, series INTEGER NOT NULL, value, text TEXT, severity INTEGER, status INTEGER,"
	" alarm INTEGER, oid INTEGER, iid INTEGER, rid INTEGER, riid INTEGER);"
	"CREATE INDEX feed_kind ON feed(kind) WHERE kind > 1;"
	"CREATE TABLE feed_head(page INTEGER PRIMARY KEY, heads BLOB NOT NULL);"
	"CREATE TABLE alarm("
	" id INTEGER PRIMARY KEY, device INTEGER NOT NULL, type TEXT NOT NULL, status INTEGER NOT NULL,"
	" severity INTEGER NOT NULL, text TEXT, count INTEGER NOT NULL, first_ms INTEGER NOT NULL,"
	" time_ms INTEGER NOT NULL, seq INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX alarm_open ON alarm(device, type) WHERE status <> 3;"
	"CREATE INDEX alarm_device ON alarm(device);"
	"CREATE INDEX alarm_order ON alarm(status, seq DESC);"
	"CREATE TABLE mark(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"INSERT INTO mark VALUES('seq', 0), ('head', 0);";

const char *const mw_schema_steps[] = {step_1};
const int mw_schema_n_steps = sizeof(mw_schema_steps) / sizeof(mw_schema_steps[0]);

static int run(sqlite3 *db, const char *sql, const char *doing, struct mw_errbuf *e)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return mw_fail(e, MW_E_IO, "%s: %s", doing, sqlite3_errmsg(db));
}

int mw_schema_number(sqlite3 *db, const char *sql, int64_t *out, struct mw_errbuf *e)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	int64_t n = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_finalize(st);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return mw_fail(e, MW_E_IO, "cannot read the store: %s", sqlite3_errmsg(db));
	*out = n;
	return 0;
}

/* The pragma answers with the mode that is in force, and does not fail when it is not the one asked for. */
static int use_wal(sqlite3 *db, struct mw_errbuf *e)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode=WAL", -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	bool is_wal = rc == SQLITE_ROW && !sqlite3_stricmp((const char *)sqlite3_column_text(st, 0), "wal");
	sqlite3_finalize(st);
	if (is_wal)
		return 0;
	return mw_fail(
		e, MW_E_IO, "no write-ahead logging here (%s); put the store on a local disk", sqlite3_errmsg(db));
}

int mw_schema_setup(sqlite3 *db, bool read_only, struct mw_errbuf *e)
{
	sqlite3_busy_timeout(db, 5000);
	int rc = run(db, "PRAGMA foreign_keys=OFF", "setting up the connection", e);
	if (rc == 0 && !read_only)
		rc = use_wal(db, e);
	if (rc < 0 || read_only)
		return rc;
	/* A checkpoint every 1000 pages (4 MiB): 4000 gave no more rows a second, but commits of 50 ms instead
	 * of 20. The size limit gives space back after a rush. */
	return run(db,
		"PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=1000; PRAGMA journal_size_limit=67108864;"
		"PRAGMA cache_size=-32768",
		"setting up the connection", e);
}

/* Version of the file, or a failure when it is no store at all. 0 = empty file. */
static int version_of(sqlite3 *db, int64_t *version, struct mw_errbuf *e)
{
	int64_t app, n_tables;
	int rc = mw_schema_number(db, "PRAGMA user_version", version, e);
	if (rc == 0)
		rc = mw_schema_number(db, "PRAGMA application_id", &app, e);
	if (rc == 0)
		rc = mw_schema_number(db, "SELECT count(*) FROM sqlite_master", &n_tables, e);
	if (rc < 0)
		return rc;
	if ((*version || n_tables) && app != MW_SCHEMA_APPLICATION_ID)
		return mw_fail(
			e, MW_E_UNSUPPORTED, "this is a database of another program, not a store; name another file");
	return 0;
}

static int refuse_newer(int64_t version, int n_steps, struct mw_errbuf *e)
{
	return mw_fail(e, MW_E_UNSUPPORTED,
		"the store has schema version %lld, this program knows versions up to %d; use a newer program",
		(long long)version, n_steps);
}

static int run_step(sqlite3 *db, const char *sql, int version, struct mw_errbuf *e)
{
	char doing[64], stamp[96];
	sqlite3_snprintf(sizeof(doing), doing, "making schema version %d", version);
	sqlite3_snprintf(sizeof(stamp), stamp, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
		MW_SCHEMA_APPLICATION_ID, version);
	int rc = run(db, "BEGIN IMMEDIATE", doing, e);
	if (rc < 0)
		return rc;
	/* Another process may have done the step while this one waited for the lock. */
	int64_t found = 0;
	rc = mw_schema_number(db, "PRAGMA user_version", &found, e);
	if (rc == 0 && found >= version)
		return run(db, "ROLLBACK", doing, e);
	if (rc == 0)
		rc = run(db, sql, doing, e);
	if (rc == 0)
		rc = run(db, stamp, doing, e);
	if (rc < 0)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

int mw_schema_migrate(sqlite3 *db, const char *const *steps, int n_steps, struct mw_errbuf *e)
{
	int64_t version;
	int rc = version_of(db, &version, e);
	if (rc < 0)
		return rc;
	if (version > n_steps)
		return refuse_newer(version, n_steps, e);
	for (int i = (int)version; i < n_steps && rc == 0; i++)
		rc = run_step(db, steps[i], i + 1, e);
	return rc;
}

int mw_schema_check(sqlite3 *db, struct mw_errbuf *e)
{
	int64_t version;
	int rc = version_of(db, &version, e);
	if (rc < 0)
		return rc;
	if (version > mw_schema_n_steps)
		return refuse_newer(version, mw_schema_n_steps, e);
	if (version < mw_schema_n_steps)
		return mw_fail(e, MW_E_UNSUPPORTED,
			"the store has schema version %lld, this program needs %d; start the host once, it migrates the "
			"file",
			(long long)version, mw_schema_n_steps);
	return 0;
}
