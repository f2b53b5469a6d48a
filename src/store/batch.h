/** @file batch.h  What one transaction takes: rows one after the other in one block of memory, tickets in
 * another.
 *
 * Filled on the loop thread, read on the writer's; never by both at a time. Emptied batches keep their
 * memory, so that in steady state nothing is allocated. */
#pragma once
#include "base/buf.h"
#include "store/row.h"
#include "store/store.h"

enum mw_batch_op {
	MW_BATCH_PUT_DEVICE,             /* struct mw_device_row */
	MW_BATCH_PUT_REGISTRATION,       /* struct mw_registration_row */
	MW_BATCH_PUT_OBSERVATION,        /* struct mw_observation_row */
	MW_BATCH_PUT_FEED,               /* struct mw_feed_row */
	MW_BATCH_DELETE_REGISTRATION,    /* int64_t device id */
	MW_BATCH_DELETE_OBSERVATION,     /* int64_t token, as stored */
	MW_BATCH_DELETE_OBSERVATIONS_OF, /* int64_t device id */
	MW_BATCH_N_OPS
};

struct mw_batch {
	struct mw_buf rows, tickets;
	uint32_t n_rows, n_tickets;
	int inherited; /**< failure of the batch before, when tickets of this one may stand for rows of that one
					*/

	/* Filled by the writer. */
	int status; /**< 0, MW_E_FULL or MW_E_IO */
	uint32_t commit_us, n_feed, n_ignored;
	int64_t last_seq;
	struct mw_errbuf error;
};

void mw_batch_init(struct mw_batch *b);
void mw_batch_deinit(struct mw_batch *b);
/** Empties it. Memory beyond a normal batch's is given back. */
void mw_batch_clear(struct mw_batch *b);
/** Bytes that it holds, of rows and tickets. */
size_t mw_batch_bytes(const struct mw_batch *b);
/** Copies the row or number that belongs to @p op, strings included. @p left  bytes that may be added.
 *  0, MW_E_FULL (more than @p left), MW_E_NOMEM; the batch is then as before. */
int mw_batch_add(struct mw_batch *b, enum mw_batch_op op, const void *row, size_t left);
int mw_batch_add_ticket(
	struct mw_batch *b, mw_store_done_cb *cb, void *ud, const void *ticket, size_t len, size_t left);
/** Next row from *@p at on (start with 0), its strings pointing into the batch; NULL after the last one. */
void *mw_batch_next(const struct mw_batch *b, size_t *at, enum mw_batch_op *op);
/** Runs every ticket's callback with @p status, in the order of adding. */
void mw_batch_complete(const struct mw_batch *b, int status);
