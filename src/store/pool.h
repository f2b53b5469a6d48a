/** @file pool.h  Threads that read the store, so that the loop thread never waits for a query.
 *
 * Each thread has a reader of its own, opened with its first job. Everything but a job's `run` happens on the
 * loop thread. An open pool keeps the loop alive only while jobs are under way. */
#pragma once
#include "base/err.h"
#include "base/list.h"
#include "store/reader.h"
#include <uv.h>

struct mw_reader_pool;
struct mw_reader_job;

/** On one of the pool's threads; must not touch what the loop thread uses. Blocks as long as it needs.
 *  @return 0 or a negative code, with job->error filled: both come to `done` */
typedef int mw_reader_run_cb(struct mw_reader *reader, struct mw_reader_job *job);
/** On the loop thread, exactly once per job that was accepted; the job is the caller's again.
 *  @param status  what `run` gave, or, when it was not called: MW_E_CANCELED (pool closed first), or what
 * opening the store gave, with job->error filled */
typedef void mw_reader_done_cb(struct mw_reader_job *job, int status);

/** Embedded in the caller's own struct (MW_CONTAINER_OF); lives until `done`. */
struct mw_reader_job {
	mw_reader_run_cb *run;
	mw_reader_done_cb *done;
	struct mw_errbuf error;
	struct mw_list node; /**< private */
	int status;          /**< private */
};

struct mw_reader_pool_config {
	const char *path;    /**< the store's file */
	uint32_t n_threads;  /**< 0 = 2; at most 64 */
	uint32_t max_queued; /**< jobs that may wait for a thread; 0 = 256 */
};

struct mw_reader_pool *mw_reader_pool_open(
	uv_loop_t *loop, const struct mw_reader_pool_config *config, struct mw_errbuf *e);
/** Queues @p job. 0; MW_E_LIMIT (queue full: say "busy" to whoever asked), MW_E_STATE (closing); then no
 * `done`. */
int mw_reader_pool_submit(struct mw_reader_pool *p, struct mw_reader_job *job);
/** Cancels what is queued, interrupts what runs and waits for it, runs every `done`, stops the threads. The
 * loop must run once more after. From inside a `done`: closes after it. NULL is allowed. */
void mw_reader_pool_close(struct mw_reader_pool *p);
