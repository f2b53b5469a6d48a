#include "store/reader.h"
#include "store/heads.h"
#include "store/schema.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mw_reader {
	sqlite3 *db;
	atomic_bool stop;
};

/* ---- opening ---- */

static int on_progress(void *ud)
{
	struct mw_reader *r = ud;
	return atomic_load_explicit(&r->stop, memory_order_relaxed);
}

static int open_db(struct mw_reader *r, const char *path, struct mw_errbuf *e)
{
	if (access(path, R_OK) < 0)
		return mw_fail(e, errno == ENOENT ? MW_E_NOTFOUND : MW_E_IO,
			"cannot read the store %s: %s; the host creates it when it first runs", path, strerror(errno));
	struct mw_errbuf why = {0};
	int rc = 0;
	if (sqlite3_open_v2(path, &r->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		rc = mw_fail(&why, MW_E_IO, "%s", r->db ? sqlite3_errmsg(r->db) : "out of memory");
	if (rc == 0)
		rc = mw_schema_setup(r->db, true, &why);
	if (rc == 0)
		rc = mw_schema_check(r->db, &why);
	return rc < 0 ? mw_fail(e, rc, "%s: %.400s", path, why.text) : 0;
}

struct mw_reader *mw_reader_open(const char *path, struct mw_errbuf *e)
{
	struct mw_reader *r = calloc(1, sizeof(*r));
	if (!r) {
		mw_fail(e, MW_E_NOMEM, "out of memory");
		return NULL;
	}
	atomic_init(&r->stop, false);
	if (open_db(r, path, e) < 0) {
		mw_reader_close(r);
		return NULL;
	}
	sqlite3_progress_handler(r->db, 2000, on_progress, r);
	return r;
}

void mw_reader_close(struct mw_reader *r)
{
	if (!r)
		return;
	sqlite3_close(r->db);
	free(r);
}

void mw_reader_interrupt(struct mw_reader *r)
{
	atomic_store_explicit(&r->stop, true, memory_order_relaxed);
}

/* ---- helpers ---- */

static bool is_stopped(const struct mw_reader *r)
{
	return atomic_load_explicit(&r->stop, memory_order_relaxed);
}

static int fail(const struct mw_reader *r, int rc, struct mw_errbuf *e)
{
	if (rc == SQLITE_INTERRUPT)
		return mw_fail(e, MW_E_CANCELED, "the query was interrupted");
	if (rc == SQLITE_NOMEM)
		return mw_fail(e, MW_E_NOMEM, "out of memory");
	return mw_fail(e, MW_E_IO, "cannot read the store: %s", sqlite3_errmsg(r->db));
}

/* What every query ends with: @p rc of the last step; a row means that the callback had enough. */
static int finish(const struct mw_reader *r, sqlite3_stmt *st, int rc, struct mw_errbuf *e)
{
	int result = rc == SQLITE_DONE || rc == SQLITE_ROW || rc == SQLITE_OK ? 0 : fail(r, rc, e);
	sqlite3_finalize(st);
	return result;
}

static int prepare(struct mw_reader *r, const char *sql, sqlite3_stmt **st)
{
	*st = NULL;
	return is_stopped(r) ? SQLITE_INTERRUPT : sqlite3_prepare_v2(r->db, sql, -1, st, NULL);
}

static struct mw_bytes bytes_at(sqlite3_stmt *st, int at)
{
	const void *data = sqlite3_column_blob(st, at);
	int len = sqlite3_column_bytes(st, at);
	return (struct mw_bytes){data, data && len > 0 ? (size_t)len : 0};
}

static void bind_bytes(sqlite3_stmt *st, int at, struct mw_bytes s)
{
	int len = s.len > INT_MAX ? INT_MAX : (int)s.len;
	sqlite3_bind_text(st, at, len ? (const char *)s.data : "", len, SQLITE_STATIC);
}

static struct mw_path path_at(sqlite3_stmt *st, int at)
{
	uint16_t ids[4];
	size_t n = 0;
	while (n < 4 && sqlite3_column_type(st, at + (int)n) == SQLITE_INTEGER) {
		ids[n] = (uint16_t)sqlite3_column_int(st, at + (int)n);
		n++;
	}
	return mw_path_of(ids, n);
}

static int64_t limit_of(int64_t limit)
{
	return limit > 0 ? limit : 1000;
}

/* ---- devices and observations ---- */

#define DEVICES                                                                                              \
	"SELECT d.id, d.endpoint, d.created_ms, r.device, r.location, r.peer, r.peer_text, r.lifetime_s, "       \
	"r.version,"                                                                                             \
	" r.binding, r.queue_mode, r.sms, r.params, r.links, r.registered_ms, r.updated_ms"                      \
	" FROM device d LEFT JOIN registration r ON r.device = d.id"

static bool give_device(sqlite3_stmt *st, mw_device_row_cb *cb, void *ud)
{
	struct mw_device_row device = {.id = sqlite3_column_int64(st, 0),
		.endpoint = bytes_at(st, 1),
		.created_ms = sqlite3_column_int64(st, 2)};
	if (sqlite3_column_type(st, 3) == SQLITE_NULL)
		return cb(ud, &device, NULL);
	struct mw_registration_row reg = {.device_id = device.id,
		.location = (uint64_t)sqlite3_column_int64(st, 4),
		.peer = bytes_at(st, 5),
		.peer_text = bytes_at(st, 6),
		.lifetime_s = sqlite3_column_int64(st, 7),
		.version = bytes_at(st, 8),
		.binding = bytes_at(st, 9),
		.queue_mode = sqlite3_column_int(st, 10) != 0,
		.sms = bytes_at(st, 11),
		.params = bytes_at(st, 12),
		.links = bytes_at(st, 13),
		.registered_ms = sqlite3_column_int64(st, 14),
		.updated_ms = sqlite3_column_int64(st, 15)};
	return cb(ud, &device, &reg);
}

int mw_reader_devices(
	struct mw_reader *r, struct mw_bytes endpoint, mw_device_row_cb *cb, void *ud, struct mw_errbuf *e)
{
	sqlite3_stmt *st;
	int rc = prepare(r, endpoint.len ? DEVICES " WHERE d.endpoint = ?" : DEVICES " ORDER BY d.id", &st);
	if (rc == SQLITE_OK && endpoint.len)
		bind_bytes(st, 1, endpoint);
	if (rc == SQLITE_OK)
		while ((rc = sqlite3_step(st)) == SQLITE_ROW && give_device(st, cb, ud))
			;
	return finish(r, st, rc, e);
}

int mw_reader_device_page(
	struct mw_reader *r, const struct mw_device_query *q, mw_device_row_cb *cb, void *ud, struct mw_errbuf *e)
{
	sqlite3_stmt *st;
	int rc = prepare(r,
		q->endpoint.len ? DEVICES " WHERE d.id > ?1 AND d.endpoint = ?3 LIMIT ?2"
						: DEVICES " WHERE d.id > ?1 ORDER BY d.id LIMIT ?2",
		&st);
	if (rc != SQLITE_OK)
		return finish(r, st, rc, e);
	sqlite3_bind_int64(st, 1, q->after_id);
	sqlite3_bind_int64(st, 2, limit_of(q->limit));
	if (q->endpoint.len)
		bind_bytes(st, 3, q->endpoint);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && give_device(st, cb, ud))
		;
	return finish(r, st, rc, e);
}

int mw_reader_observations(struct mw_reader *r, mw_observation_row_cb *cb, void *ud, struct mw_errbuf *e)
{
	sqlite3_stmt *st;
	int rc = prepare(r, "SELECT token, device, oid, iid, rid, riid, format, active FROM observation", &st);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(st);
		if (rc != SQLITE_ROW)
			break;
		struct mw_observation_row row = {.token = (uint64_t)sqlite3_column_int64(st, 0),
			.device_id = sqlite3_column_int64(st, 1),
			.path = path_at(st, 2),
			.format = (uint16_t)sqlite3_column_int(st, 6),
			.is_active = sqlite3_column_int(st, 7) != 0};
		if (!cb(ud, &row))
			break;
	}
	return finish(r, st, rc, e);
}

/* ---- the feed ---- */

enum {
	C_SEQ,
	C_KIND,
	C_DEVICE,
	C_TIME,
	C_TYPE,
	C_SERIES,
	C_UNIT,
	C_TEXT,
	C_VALUE,
	C_PATH,
	C_SEVERITY = C_PATH + 4,
	C_STATUS,
	C_FIRST,
	C_ENDPOINT,
	C_PREV,
};

#define FEED                                                                                                 \
	"SELECT f.seq, f.kind, f.device, f.time_ms, s.type, s.series, s.unit, f.text, f.value, f.oid, f.iid, "   \
	"f.rid,"                                                                                                 \
	" f.riid, f.severity, f.status, a.first_ms, d.endpoint, f.prev"                                          \
	" FROM feed f LEFT JOIN series s ON s.id = f.series LEFT JOIN device d ON d.id = f.device"               \
	" LEFT JOIN alarm a ON a.id = f.alarm"

#define ALARMS                                                                                               \
	"SELECT a.seq, 3, a.device, a.time_ms, a.type, NULL, NULL, a.text, a.count, NULL, NULL, NULL, NULL,"     \
	" a.severity, a.status, a.first_ms, d.endpoint, NULL FROM alarm a LEFT JOIN device d ON d.id = a.device" \
	" WHERE a.status <= ?1"

static struct mw_value value_at(sqlite3_stmt *st, int at)
{
	switch (sqlite3_column_type(st, at)) {
	case SQLITE_INTEGER:
		return (struct mw_value){.type = MW_TYPE_INTEGER, .i = sqlite3_column_int64(st, at)};
	case SQLITE_FLOAT:
		return (struct mw_value){.type = MW_TYPE_FLOAT, .f = sqlite3_column_double(st, at)};
	default:
		return (struct mw_value){.type = MW_TYPE_NONE};
	}
}

static bool give_feed(sqlite3_stmt *st, mw_feed_row_cb *cb, void *ud)
{
	struct mw_feed_row row = {.seq = sqlite3_column_int64(st, C_SEQ),
		.kind = (enum mw_feed_kind)sqlite3_column_int(st, C_KIND),
		.device_id = sqlite3_column_int64(st, C_DEVICE),
		.time_ms = sqlite3_column_int64(st, C_TIME),
		.type = bytes_at(st, C_TYPE),
		.series = bytes_at(st, C_SERIES),
		.unit = bytes_at(st, C_UNIT),
		.text = bytes_at(st, C_TEXT),
		.path = path_at(st, C_PATH),
		.severity = (enum mw_severity)sqlite3_column_int(st, C_SEVERITY),
		.status = (enum mw_alarm_status)sqlite3_column_int(st, C_STATUS),
		.endpoint = bytes_at(st, C_ENDPOINT)};
	if (row.kind == MW_FEED_ALARM) {
		row.count = sqlite3_column_int64(st, C_VALUE);
		row.first_ms = sqlite3_column_int64(st, C_FIRST);
	} else {
		row.value = value_at(st, C_VALUE);
	}
	return cb(ud, &row);
}

/* Items of all devices, in one walk over the table or the index by kind. */
static int feed_of_all(
	struct mw_reader *r, const struct mw_feed_query *q, mw_feed_row_cb *cb, void *ud, struct mw_errbuf *e)
{
	char sql[1200];
	/* "kind > 1" stands there for SQLite to see that the partial index will do. */
	sqlite3_snprintf(sizeof(sql), sql, FEED " WHERE f.seq > ?1%s%s%s%s%s ORDER BY f.seq%s LIMIT ?6",
		q->kind ? " AND f.kind = ?2" : "", q->kind > MW_FEED_MEASUREMENT ? " AND f.kind > 1" : "",
		q->type.len ? " AND f.series IN (SELECT id FROM series WHERE type = ?3)" : "",
		q->from_ms ? " AND f.time_ms >= ?4" : "", q->to_ms ? " AND f.time_ms < ?5" : "",
		q->newest_first ? " DESC" : "");
	sqlite3_stmt *st;
	int rc = prepare(r, sql, &st);
	if (rc != SQLITE_OK)
		return finish(r, st, rc, e);
	sqlite3_bind_int64(st, 1, q->newest_first ? 0 : q->after_seq);
	sqlite3_bind_int64(st, 2, (int64_t)q->kind);
	bind_bytes(st, 3, q->type);
	sqlite3_bind_int64(st, 4, q->from_ms);
	sqlite3_bind_int64(st, 5, q->to_ms);
	sqlite3_bind_int64(st, 6, limit_of(q->limit));
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && give_feed(st, cb, ud))
		;
	return finish(r, st, rc, e);
}

/* Where @p device's list begins: what the file noted down, or a newer row that came since. */
static int newest_of(struct mw_reader *r, int64_t device, int64_t *seq, struct mw_errbuf *e)
{
	char sql[200];
	sqlite3_snprintf(sizeof(sql), sql,
		"SELECT seq FROM feed WHERE seq > (SELECT value FROM mark WHERE name = 'head') AND device = %lld"
		" ORDER BY seq DESC LIMIT 1",
		(long long)device);
	int rc = mw_schema_number(r->db, sql, seq, e);
	if (rc == 0 && !*seq)
		rc = mw_heads_read(r->db, device, seq, e);
	return rc;
}

static bool is_wanted(sqlite3_stmt *st, const struct mw_feed_query *q)
{
	int64_t time_ms = sqlite3_column_int64(st, C_TIME);
	if (q->kind && sqlite3_column_int(st, C_KIND) != (int)q->kind)
		return false;
	if ((q->from_ms && time_ms < q->from_ms) || (q->to_ms && time_ms >= q->to_ms))
		return false;
	struct mw_bytes type = bytes_at(st, C_TYPE);
	return !q->type.len || (type.len == q->type.len && !memcmp(type.data, q->type.data, type.len));
}

static int step_to(sqlite3_stmt *st, int64_t seq)
{
	sqlite3_reset(st);
	sqlite3_bind_int64(st, 1, seq);
	return sqlite3_step(st);
}

/* The list runs from new to old; a row that was deleted ends it. */
static int walk_back(struct mw_reader *r, sqlite3_stmt *st, int64_t seq, const struct mw_feed_query *q,
	mw_feed_row_cb *cb, void *ud)
{
	int rc = SQLITE_DONE;
	for (int64_t left = limit_of(q->limit); left > 0 && seq > 0;) {
		if (is_stopped(r))
			return SQLITE_INTERRUPT;
		rc = step_to(st, seq);
		if (rc != SQLITE_ROW)
			return rc;
		if (is_wanted(st, q)) {
			if (!give_feed(st, cb, ud))
				return SQLITE_DONE;
			left--;
		}
		int64_t prev = sqlite3_column_int64(st, C_PREV);
		seq = prev < seq ? prev : 0; /* a damaged file must not lead us round in circles */
	}
	return rc;
}

/* Numbers met on the way back, of which only the last `keep`, the oldest, are wanted. */
struct trail {
	int64_t *seqs;
	size_t len, cap, keep;
};

static bool trail_add(struct trail *t, int64_t seq)
{
	if (t->len == t->cap) {
		if (t->len / 2 >= t->keep) {
			memmove(t->seqs, t->seqs + t->len - t->keep, t->keep * sizeof(int64_t));
			t->len = t->keep;
		} else {
			size_t cap = t->cap ? t->cap * 2 : 256;
			int64_t *seqs = realloc(t->seqs, cap * sizeof(int64_t));
			if (!seqs)
				return false;
			t->seqs = seqs;
			t->cap = cap;
		}
	}
	t->seqs[t->len++] = seq;
	return true;
}

static int collect(
	struct mw_reader *r, sqlite3_stmt *st, int64_t seq, const struct mw_feed_query *q, struct trail *t)
{
	while (seq > q->after_seq && seq > 0) {
		if (is_stopped(r))
			return SQLITE_INTERRUPT;
		int rc = step_to(st, seq);
		if (rc != SQLITE_ROW)
			return rc;
		if (is_wanted(st, q) && !trail_add(t, seq))
			return SQLITE_NOMEM;
		int64_t prev = sqlite3_column_int64(st, C_PREV);
		seq = prev < seq ? prev : 0;
	}
	return SQLITE_DONE;
}

static int walk_forward(struct mw_reader *r, sqlite3_stmt *st, int64_t seq, const struct mw_feed_query *q,
	mw_feed_row_cb *cb, void *ud)
{
	struct trail t = {.keep = (size_t)limit_of(q->limit)};
	int rc = collect(r, st, seq, q, &t);
	size_t end = t.len > t.keep ? t.len - t.keep : 0;
	for (size_t i = t.len; rc == SQLITE_DONE && i > end; i--) {
		if (step_to(st, t.seqs[i - 1]) != SQLITE_ROW)
			rc = sqlite3_reset(st) == SQLITE_OK ? SQLITE_CORRUPT : sqlite3_errcode(r->db);
		else if (!give_feed(st, cb, ud))
			break;
	}
	free(t.seqs);
	return rc;
}

static int feed_of_device(struct mw_reader *r, int64_t device, const struct mw_feed_query *q,
	mw_feed_row_cb *cb, void *ud, struct mw_errbuf *e)
{
	int64_t seq;
	int result = newest_of(r, device, &seq, e);
	if (result < 0 || !seq)
		return result;
	sqlite3_stmt *st;
	int rc = prepare(r, FEED " WHERE f.seq = ?", &st);
	if (rc == SQLITE_OK)
		rc = q->newest_first ? walk_back(r, st, seq, q, cb, ud) : walk_forward(r, st, seq, q, cb, ud);
	return finish(r, st, rc, e);
}

static int device_id(struct mw_reader *r, struct mw_bytes endpoint, int64_t *id, struct mw_errbuf *e)
{
	sqlite3_stmt *st;
	int rc = prepare(r, "SELECT id FROM device WHERE endpoint = ?", &st);
	*id = 0;
	if (rc == SQLITE_OK) {
		bind_bytes(st, 1, endpoint);
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW)
			*id = sqlite3_column_int64(st, 0);
	}
	return finish(r, st, rc, e);
}

int mw_reader_feed(
	struct mw_reader *r, const struct mw_feed_query *q, mw_feed_row_cb *cb, void *ud, struct mw_errbuf *e)
{
	if (!q->endpoint.len)
		return feed_of_all(r, q, cb, ud, e);
	/* One view of the file for all steps: heads and list must be of the same moment. */
	if (sqlite3_exec(r->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		return fail(r, sqlite3_errcode(r->db), e);
	int64_t device;
	int rc = device_id(r, q->endpoint, &device, e);
	if (rc == 0 && device)
		rc = feed_of_device(r, device, q, cb, ud, e);
	sqlite3_progress_handler(r->db, 0, NULL, NULL); /* ending must work after an interruption, too */
	sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_progress_handler(r->db, 2000, on_progress, r);
	return rc;
}

int mw_reader_alarms(struct mw_reader *r, struct mw_bytes endpoint, bool include_cleared, int64_t limit,
	mw_feed_row_cb *cb, void *ud, struct mw_errbuf *e)
{
	sqlite3_stmt *st;
	int rc = prepare(r,
		endpoint.len ? ALARMS " AND a.device = (SELECT id FROM device WHERE endpoint = ?3)"
							  " ORDER BY a.status, a.seq DESC LIMIT ?2"
					 : ALARMS " ORDER BY a.status, a.seq DESC LIMIT ?2",
		&st);
	if (rc == SQLITE_OK) {
		sqlite3_bind_int(st, 1, include_cleared ? MW_ALARM_CLEARED : MW_ALARM_ACKNOWLEDGED);
		sqlite3_bind_int64(st, 2, limit_of(limit));
		if (endpoint.len)
			bind_bytes(st, 3, endpoint);
		while ((rc = sqlite3_step(st)) == SQLITE_ROW && give_feed(st, cb, ud))
			;
	}
	return finish(r, st, rc, e);
}

int mw_reader_marks(struct mw_reader *r, int64_t *last_device_id, int64_t *last_seq, struct mw_errbuf *e)
{
	int rc = mw_schema_number(r->db, "SELECT max(id) FROM device", last_device_id, e);
	if (rc == 0)
		rc = mw_schema_number(r->db, "SELECT value FROM mark WHERE name = 'seq'", last_seq, e);
	return rc;
}
