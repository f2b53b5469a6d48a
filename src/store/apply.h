/** @file apply.h  Rows of a batch into tables, with prepared statements. Runs on the writer's thread, inside
 * the writer's transaction; begins and ends none itself. */
#pragma once
#include "store/batch.h"
#include "store/heads.h"
#include "store/series.h"
#include <sqlite3.h>

enum mw_apply_stmt {
	MW_APPLY_DEVICE,
	MW_APPLY_REGISTRATION,
	MW_APPLY_OBSERVATION,
	MW_APPLY_FEED,
	MW_APPLY_NO_REGISTRATION,
	MW_APPLY_NO_OBSERVATION,
	MW_APPLY_NO_OBSERVATIONS_OF,
	MW_APPLY_ALARM_CHANGE,
	MW_APPLY_ALARM_NEW,
	MW_APPLY_SEQ,
	MW_APPLY_N
};

struct mw_apply {
	sqlite3 *db; /**< borrowed */
	sqlite3_stmt *stmts[MW_APPLY_N];
	struct mw_series series;
	struct mw_heads heads;
	int64_t last_seq;
};

/** Prepares the statements and reads what the file knows. On failure mw_apply_deinit must still be called. */
int mw_apply_init(struct mw_apply *a, sqlite3 *db, struct mw_errbuf *e);
void mw_apply_deinit(struct mw_apply *a);
/** After a transaction that was rolled back: reads again what the file knows. */
int mw_apply_reload(struct mw_apply *a, struct mw_errbuf *e);
/** All rows of @p b and the marks; counts in b->n_feed and b->n_ignored. An SQLite result code. */
int mw_apply_batch(struct mw_apply *a, struct mw_batch *b);
