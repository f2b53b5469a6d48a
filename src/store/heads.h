/** @file heads.h  The writer's record of every device's newest feed item, from which each new row takes its
 * `prev`.
 *
 * An array by device id, in pages of MW_SCHEMA_HEADS_PER_PAGE; device ids are dense, so the array is, too.
 * The file has it as of mark 'head'; feed rows above that mark are looked through when the file is opened. */
#pragma once
#include "base/err.h"
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MW_HEADS_MAX_DEVICE = 1 << 28 };

struct mw_heads_page;

struct mw_heads {
	struct mw_heads_page **pages;
	size_t n_pages;
	int64_t mark; /**< what the file's copy knows */
};

/** Forgets what @p h knew and reads the file. MW_E_IO or MW_E_NOMEM. */
int mw_heads_load(struct mw_heads *h, sqlite3 *db, struct mw_errbuf *e);
void mw_heads_deinit(struct mw_heads *h);
/** The number of @p device's newest item, 0 for none; may be changed. NULL: out of memory, or an id outside
 *  0..MW_HEADS_MAX_DEVICE. */
int64_t *mw_heads_at(struct mw_heads *h, int64_t device);
/** True when so many rows came since the last saving that opening the file or asking it for one device gets
 * slow. */
bool mw_heads_is_due(const struct mw_heads *h, int64_t last_seq);
/** Writes the pages that changed; inside the caller's transaction. An SQLite result code. */
int mw_heads_save(struct mw_heads *h, sqlite3 *db, int64_t last_seq);
/** For readers: @p device's newest item in the file's copy. Look above mark 'head' for a newer one. */
int mw_heads_read(sqlite3 *db, int64_t device, int64_t *out, struct mw_errbuf *e);
