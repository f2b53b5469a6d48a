/** @file writer.h  The one thread that writes to the store: takes a batch, commits it, gives it back. One at
 * a time. */
#pragma once
#include "base/err.h"
#include "store/batch.h"
#include <stdint.h>

struct mw_writer;

/** Runs on the writer's thread when a batch is finished: wake the loop, do nothing else. */
typedef void mw_writer_wake_cb(void *ud);

/** Opens or creates the file, migrates it, starts the thread. NULL and a sentence on failure. */
struct mw_writer *mw_writer_open(const char *path, mw_writer_wake_cb *wake, void *ud, struct mw_errbuf *e);
/** Highest feed number given so far; only while no batch is under way. */
int64_t mw_writer_last_seq(const struct mw_writer *w);
/** Hands @p b over; the caller touches it again after mw_writer_take gave it back. No other may be under way.
 */
void mw_writer_give(struct mw_writer *w, struct mw_batch *b);
/** The finished batch, or NULL. @param wait  blocks until the batch under way is finished */
struct mw_batch *mw_writer_take(struct mw_writer *w, bool wait);
/** Stops the thread and closes the file. No batch may be under way. NULL is allowed. */
void mw_writer_close(struct mw_writer *w);
