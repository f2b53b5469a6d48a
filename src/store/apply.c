#include "store/apply.h"
#include "store/schema.h"

static const char *const texts[MW_APPLY_N] = {
	/* A device that is there is left as it is: one row of a confused caller must not fail everybody's batch.
	 */
	[MW_APPLY_DEVICE] = "INSERT OR IGNORE INTO device(id, endpoint, created_ms) VALUES(?, ?, ?)",
	[MW_APPLY_REGISTRATION] =
		"REPLACE INTO registration(device, location, peer, peer_text, lifetime_s, version, binding, "
		"queue_mode,"
		" sms, params, links, registered_ms, updated_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[MW_APPLY_OBSERVATION] = "REPLACE INTO observation(token, device, oid, iid, rid, riid, format, active) "
							 "VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
	[MW_APPLY_FEED] =
		"INSERT INTO feed(seq, prev, kind, device, time_ms, series, value, text, severity, status, alarm,"
		" oid, iid, rid, riid) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[MW_APPLY_NO_REGISTRATION] = "DELETE FROM registration WHERE device = ?",
	[MW_APPLY_NO_OBSERVATION] = "DELETE FROM observation WHERE token = ?",
	[MW_APPLY_NO_OBSERVATIONS_OF] = "DELETE FROM observation WHERE device = ?",
	/* Both of these take and give the same columns, see raise_or_change(). */
	[MW_APPLY_ALARM_CHANGE] =
		"UPDATE alarm SET status = CASE ?3 WHEN 1 THEN status ELSE ?3 END, count = count + (?3 = 1),"
		" severity = CASE ?4 WHEN 0 THEN severity ELSE ?4 END, text = coalesce(?5, text), time_ms = ?6, seq "
		"= ?7"
		" WHERE device = ?1 AND type = ?2 AND status <> 3 RETURNING id, status, severity, text, count",
	[MW_APPLY_ALARM_NEW] =
		"INSERT INTO alarm(device, type, status, severity, text, count, first_ms, time_ms, seq)"
		" VALUES(?1, ?2, ?3, ?4, ?5, 1, ?6, ?6, ?7) RETURNING id, status, severity, text, count",
	[MW_APPLY_SEQ] = "UPDATE mark SET value = ? WHERE name = 'seq'",
};

static int load(struct mw_apply *a, struct mw_errbuf *e)
{
	int rc = mw_schema_number(a->db,
		"SELECT max((SELECT value FROM mark WHERE name = 'seq'), (SELECT ifnull(max(seq), 0) FROM feed))",
		&a->last_seq, e);
	return rc < 0 ? rc : mw_heads_load(&a->heads, a->db, e);
}

int mw_apply_init(struct mw_apply *a, sqlite3 *db, struct mw_errbuf *e)
{
	*a = (struct mw_apply){.db = db};
	int rc = mw_series_init(&a->series, db);
	for (int i = 0; i < MW_APPLY_N && rc == SQLITE_OK; i++)
		rc = sqlite3_prepare_v3(db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &a->stmts[i], NULL);
	if (rc == SQLITE_NOMEM)
		return mw_fail(e, MW_E_NOMEM, "out of memory while opening the store");
	if (rc != SQLITE_OK)
		return mw_fail(e, MW_E_IO, "the store's tables are not as they should be: %s", sqlite3_errmsg(db));
	return load(a, e);
}

void mw_apply_deinit(struct mw_apply *a)
{
	for (int i = 0; i < MW_APPLY_N; i++)
		sqlite3_finalize(a->stmts[i]);
	mw_series_deinit(&a->series);
	mw_heads_deinit(&a->heads);
	*a = (struct mw_apply){0};
}

int mw_apply_reload(struct mw_apply *a, struct mw_errbuf *e)
{
	mw_series_forget(&a->series);
	return load(a, e);
}

/* ---- binding. Results are not looked at: what can fail here (memory, sizes) makes the step fail or cannot
 * happen, as mw_batch_add bounds every string. ---- */

static void bind_text(sqlite3_stmt *st, int at, struct mw_bytes s)
{
	if (s.len)
		sqlite3_bind_text(st, at, (const char *)s.data, (int)s.len, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, at);
}

static void bind_number_or_null(sqlite3_stmt *st, int at, int64_t n)
{
	if (n)
		sqlite3_bind_int64(st, at, n);
	else
		sqlite3_bind_null(st, at);
}

static void bind_path(sqlite3_stmt *st, int at, const struct mw_path *p)
{
	const uint16_t ids[] = {p->oid, p->iid, p->rid, p->riid};
	for (int i = 0; i < 4; i++) {
		if (i < p->depth)
			sqlite3_bind_int64(st, at + i, ids[i]);
		else
			sqlite3_bind_null(st, at + i);
	}
}

static void bind_value(sqlite3_stmt *st, int at, const struct mw_value *v)
{
	if (v->type == MW_TYPE_INTEGER)
		sqlite3_bind_int64(st, at, v->i);
	else if (v->type == MW_TYPE_UNSIGNED)
		sqlite3_bind_int64(st, at, (int64_t)v->u);
	else if (v->type == MW_TYPE_FLOAT)
		sqlite3_bind_double(st, at, v->f);
	else
		sqlite3_bind_null(st, at);
}

static int run(sqlite3_stmt *st)
{
	sqlite3_step(st);
	return sqlite3_reset(st);
}

/* ---- rows ---- */

static int put_device(struct mw_apply *a, struct mw_batch *b, const struct mw_device_row *row)
{
	sqlite3_stmt *st = a->stmts[MW_APPLY_DEVICE];
	sqlite3_bind_int64(st, 1, row->id);
	bind_text(st, 2, row->endpoint);
	sqlite3_bind_int64(st, 3, row->created_ms);
	int rc = run(st);
	if (rc == SQLITE_OK && !sqlite3_changes(a->db))
		b->n_ignored++;
	return rc;
}

static int put_registration(struct mw_apply *a, const struct mw_registration_row *row)
{
	sqlite3_stmt *st = a->stmts[MW_APPLY_REGISTRATION];
	sqlite3_bind_int64(st, 1, row->device_id);
	sqlite3_bind_int64(st, 2, (int64_t)row->location);
	if (row->peer.len)
		sqlite3_bind_blob(st, 3, row->peer.data, (int)row->peer.len, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, 3);
	bind_text(st, 4, row->peer_text);
	sqlite3_bind_int64(st, 5, row->lifetime_s);
	bind_text(st, 6, row->version);
	bind_text(st, 7, row->binding);
	sqlite3_bind_int64(st, 8, row->queue_mode);
	bind_text(st, 9, row->sms);
	bind_text(st, 10, row->params);
	bind_text(st, 11, row->links);
	sqlite3_bind_int64(st, 12, row->registered_ms);
	sqlite3_bind_int64(st, 13, row->updated_ms);
	return run(st);
}

static int put_observation(struct mw_apply *a, const struct mw_observation_row *row)
{
	sqlite3_stmt *st = a->stmts[MW_APPLY_OBSERVATION];
	sqlite3_bind_int64(st, 1, (int64_t)row->token);
	sqlite3_bind_int64(st, 2, row->device_id);
	bind_path(st, 3, &row->path);
	sqlite3_bind_int64(st, 7, row->format);
	sqlite3_bind_int64(st, 8, row->is_active);
	return run(st);
}

static int delete_by(struct mw_apply *a, enum mw_apply_stmt which, int64_t id)
{
	sqlite3_bind_int64(a->stmts[which], 1, id);
	return run(a->stmts[which]);
}

static int step_alarm(sqlite3_stmt *st, const struct mw_feed_row *row, int64_t seq)
{
	sqlite3_bind_int64(st, 1, row->device_id);
	sqlite3_bind_text(
		st, 2, row->type.len ? (const char *)row->type.data : "", (int)row->type.len, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, (int64_t)row->status);
	sqlite3_bind_int64(st, 4, (int64_t)row->severity);
	bind_text(st, 5, row->text);
	sqlite3_bind_int64(st, 6, row->time_ms);
	sqlite3_bind_int64(st, 7, seq);
	return sqlite3_step(st);
}

/* Brings the alarm table up to date. *at is left on the row that describes the alarm now, to be reset by the
 * caller; NULL when there is no such alarm and none is raised. */
static int raise_or_change(struct mw_apply *a, const struct mw_feed_row *row, int64_t seq, sqlite3_stmt **at)
{
	*at = a->stmts[MW_APPLY_ALARM_CHANGE];
	int rc = step_alarm(*at, row, seq);
	if (rc == SQLITE_DONE && row->status == MW_ALARM_ACTIVE) {
		sqlite3_reset(*at);
		*at = a->stmts[MW_APPLY_ALARM_NEW];
		rc = step_alarm(*at, row, seq);
	}
	if (rc == SQLITE_ROW)
		return SQLITE_OK;
	rc = sqlite3_reset(*at);
	*at = NULL;
	return rc;
}

static void bind_alarm(sqlite3_stmt *st, sqlite3_stmt *alarm)
{
	sqlite3_bind_int64(st, 7, sqlite3_column_int64(alarm, 4));
	sqlite3_bind_value(st, 8, sqlite3_column_value(alarm, 3));
	sqlite3_bind_int64(st, 9, sqlite3_column_int64(alarm, 2));
	sqlite3_bind_int64(st, 10, sqlite3_column_int64(alarm, 1));
	sqlite3_bind_int64(st, 11, sqlite3_column_int64(alarm, 0));
}

static int put_feed(struct mw_apply *a, struct mw_batch *b, const struct mw_feed_row *row)
{
	int64_t seq = a->last_seq + 1, series;
	sqlite3_stmt *st = a->stmts[MW_APPLY_FEED], *alarm = NULL;
	int rc = SQLITE_OK;
	if (row->kind == MW_FEED_ALARM) {
		rc = raise_or_change(a, row, seq, &alarm);
		if (rc != SQLITE_OK || !alarm)
			return rc;
	}
	int64_t *head = mw_heads_at(&a->heads, row->device_id);
	if (!head)
		rc = SQLITE_NOMEM;
	if (rc == SQLITE_OK)
		rc = mw_series_id(&a->series, (const struct mw_bytes[]){row->type, row->series, row->unit}, &series);
	if (rc == SQLITE_OK) {
		sqlite3_bind_int64(st, 1, seq);
		bind_number_or_null(st, 2, *head);
		sqlite3_bind_int64(st, 3, (int64_t)row->kind);
		sqlite3_bind_int64(st, 4, row->device_id);
		sqlite3_bind_int64(st, 5, row->time_ms);
		sqlite3_bind_int64(st, 6, series);
		if (alarm) {
			bind_alarm(st, alarm);
		} else {
			bind_value(st, 7, &row->value);
			bind_text(st, 8, row->text);
			bind_number_or_null(st, 9, (int64_t)row->severity);
			sqlite3_bind_null(st, 10);
			sqlite3_bind_null(st, 11);
		}
		bind_path(st, 12, &row->path);
		rc = run(st);
	}
	if (alarm)
		sqlite3_reset(alarm);
	if (rc == SQLITE_OK) {
		*head = a->last_seq = seq;
		b->n_feed++;
	}
	return rc;
}

static int apply_row(struct mw_apply *a, struct mw_batch *b, enum mw_batch_op op, const void *row)
{
	switch (op) {
	case MW_BATCH_PUT_DEVICE:
		return put_device(a, b, row);
	case MW_BATCH_PUT_REGISTRATION:
		return put_registration(a, row);
	case MW_BATCH_PUT_OBSERVATION:
		return put_observation(a, row);
	case MW_BATCH_PUT_FEED:
		return put_feed(a, b, row);
	case MW_BATCH_DELETE_REGISTRATION:
		return delete_by(a, MW_APPLY_NO_REGISTRATION, *(const int64_t *)row);
	case MW_BATCH_DELETE_OBSERVATION:
		return delete_by(a, MW_APPLY_NO_OBSERVATION, *(const int64_t *)row);
	case MW_BATCH_DELETE_OBSERVATIONS_OF:
		return delete_by(a, MW_APPLY_NO_OBSERVATIONS_OF, *(const int64_t *)row);
	case MW_BATCH_N_OPS:
		break;
	}
	return SQLITE_MISUSE;
}

int mw_apply_batch(struct mw_apply *a, struct mw_batch *b)
{
	enum mw_batch_op op;
	size_t at = 0;
	int rc = SQLITE_OK;
	for (void *row; rc == SQLITE_OK && (row = mw_batch_next(b, &at, &op)) != NULL;)
		rc = apply_row(a, b, op, row);
	if (rc == SQLITE_OK && b->n_feed) {
		sqlite3_bind_int64(a->stmts[MW_APPLY_SEQ], 1, a->last_seq);
		rc = run(a->stmts[MW_APPLY_SEQ]);
	}
	if (rc == SQLITE_OK && b->n_feed && mw_heads_is_due(&a->heads, a->last_seq))
		rc = mw_heads_save(&a->heads, a->db, a->last_seq);
	return rc;
}
