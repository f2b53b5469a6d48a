/** @file series.h  Numbers for the (type, series, unit) triples that repeat in the feed. Writer only.
 *
 * A cache of fixed size in front of the table `series`: a script that makes up ever new names costs time, no
 * memory. */
#pragma once
#include "base/buf.h"
#include "base/hash.h"
#include <sqlite3.h>
#include <stdint.h>

struct mw_series_entry;

struct mw_series {
	struct mw_hash_key key;
	struct mw_series_entry *cache;
	sqlite3_stmt *find, *add;
};

/** An SQLite result code. On failure mw_series_deinit must still be called. */
int mw_series_init(struct mw_series *s, sqlite3 *db);
void mw_series_deinit(struct mw_series *s);
/** After a transaction was rolled back: numbers given in it are void. */
void mw_series_forget(struct mw_series *s);
/** Number of a triple, given now if it is a new one. An SQLite result code. */
int mw_series_id(struct mw_series *s, const struct mw_bytes triple[3], int64_t *id);
