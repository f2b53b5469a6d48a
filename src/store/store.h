/** @file store.h  The durable store: one SQLite file (WAL, synchronous FULL), one writer thread, group
 * commit.
 *
 * Rows are copied into the current batch on the loop thread; an idle writer gets the batch at the end of the
 * turn of the loop when somebody waits or it holds `commit_rows` rows, else when its first row is `commit_ms`
 * old. While the writer is busy the next batch collects, so batches grow with the load. Completions run on
 * the loop thread, in order. No function here blocks on the disk, except open and close.
 *
 * A batch that cannot be committed (disk full, file gone) is lost as a whole: every completion in it gets
 * MW_E_FULL or MW_E_IO, nobody acknowledges anything to a device, the error is logged once with its count,
 * and the next batch tries again. The process goes on. */
#pragma once
#include "base/err.h"
#include "base/log.h"
#include "store/row.h"
#include <uv.h>

struct mw_store;

struct mw_store_config {
	const char
		*path; /**< file; its folder must exist. ":memory:" is not supported: durability is the point */
	uint32_t commit_ms;   /**< 0 = 5 */
	uint32_t commit_rows; /**< 0 = 1000 */
	size_t max_pending;   /**< bytes of rows not committed yet; 0 = 64 MiB; beyond it puts give MW_E_FULL */
};

/** Opens or creates the file (mode 0600), migrates its schema, starts the writer.
 *  A file of a newer schema is refused with a sentence that names both versions.
 *  @param loop, log  borrowed */
struct mw_store *mw_store_open(
	uv_loop_t *loop, const struct mw_store_config *config, struct mw_log *log, struct mw_errbuf *e);
/** Commits what is pending, runs the completions, stops the threads, closes. The loop must run once more
 * after. From inside a completion: closes when that batch's completions are through. An open store keeps the
 * loop alive. */
void mw_store_close(struct mw_store *s);

/** Each copies the row into the current batch; 0, MW_E_NOMEM, MW_E_FULL, MW_E_STATE (closing), MW_E_ARG (no
 * endpoint; unknown kind, status or severity; device id below 0 or above 2^28), MW_E_TYPE (a value that is no
 * number). Floats keep every bit; NaN is stored as no value. A device whose id or endpoint is there already
 * is left as it is. */
int mw_store_put_device(struct mw_store *s, const struct mw_device_row *row);
/** Insert or replace by device_id. */
int mw_store_put_registration(struct mw_store *s, const struct mw_registration_row *row);
int mw_store_delete_registration(struct mw_store *s, int64_t device_id);
int mw_store_put_observation(struct mw_store *s, const struct mw_observation_row *row);
int mw_store_delete_observation(struct mw_store *s, uint64_t token);
int mw_store_delete_observations_of(struct mw_store *s, int64_t device_id);
int mw_store_put_feed(struct mw_store *s, const struct mw_feed_row *row);

enum { MW_STORE_TICKET_MAX = 96 };
/** @param ticket  the bytes given to mw_store_commit; @param status  0, MW_E_FULL or MW_E_IO */
typedef void mw_store_done_cb(void *ud, const void *ticket, int status);
/** Calls @p cb once everything put so far is on disk (or could not be). @p ticket is copied, so that the
 * thousands of acknowledgements of one batch need no allocation each. Call it in the same turn of the loop as
 * the puts: rows whose failure was reported before are not counted. 0, or MW_E_LIMIT (ticket too long),
 * MW_E_NOMEM, MW_E_FULL, MW_E_STATE (closing); then @p cb is never called. */
int mw_store_commit(
	struct mw_store *s, mw_store_done_cb *cb, void *ud, const void *ticket, size_t ticket_len);

/** Called on the loop thread after every commit that added feed items: readers with a cursor look again.
 *  @param last_seq  highest committed sequence number */
typedef void mw_store_feed_cb(void *ud, int64_t last_seq);
void mw_store_on_feed(struct mw_store *s, mw_store_feed_cb *cb, void *ud);

struct mw_store_stats {
	uint64_t commits, rows, feed_rows, failed_commits;
	uint64_t pending_bytes;
	uint32_t last_commit_us, longest_commit_us;
	int64_t last_seq;
};
void mw_store_stats(struct mw_store *s, struct mw_store_stats *out);
