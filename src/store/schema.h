/** @file schema.h  The tables of the store file, and how an older file becomes one of today.
 *
 * A step is never changed once it was released: a new shape of the tables is a new step at the end. The
 * number of steps done is the file's version (PRAGMA user_version). Used by writer.c and reader.c only. */
#pragma once
#include "base/err.h"
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	MW_SCHEMA_APPLICATION_ID = 0x4d577374, /* "MWst": tells our file from anybody else's SQLite file */
	MW_SCHEMA_HEADS_PER_PAGE = 500,        /* devices in one row of feed_head: 8 bytes each, fits one page */
};

/** SQL text of each step, the first makes version 1. Static memory. */
extern const char *const mw_schema_steps[];
extern const int mw_schema_n_steps;

/** What every connection of ours needs: busy timeout, WAL, synchronous FULL, no foreign keys.
 *  @param read_only  leaves out what writes to the file */
int mw_schema_setup(sqlite3 *db, bool read_only, struct mw_errbuf *e);
/** Runs the steps that @p db lacks, each in a transaction of its own together with the new version number.
 *  MW_E_UNSUPPORTED: the file is newer, or is not a store of ours. MW_E_IO: a step failed; the file is then
 * at the last version that worked. */
int mw_schema_migrate(sqlite3 *db, const char *const *steps, int n_steps, struct mw_errbuf *e);
/** 0 when @p db is exactly of today's version, else MW_E_UNSUPPORTED. For readers, which cannot migrate. */
int mw_schema_check(sqlite3 *db, struct mw_errbuf *e);
/** First column of the first row of @p sql; 0 for no row or NULL. Negative SQLite failures become MW_E_IO. */
int mw_schema_number(sqlite3 *db, const char *sql, int64_t *out, struct mw_errbuf *e);
