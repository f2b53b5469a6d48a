/** @file host.h  What the layers above the public header need of a host: its loop, its log, its folders'
 * watch. */
#pragma once
#include "base/log.h"
#include "host/watch.h"
#include "moonwire.h"
#include <uv.h>

/** Borrowed; lives as long as the host. */
uv_loop_t *mw_host_loop(struct mw_host *host);
struct mw_log *mw_host_log(struct mw_host *host);
/** Wall and monotonic time of the host's clock. */
int64_t mw_host_wall_ms(struct mw_host *host);
int64_t mw_host_mono_ms(struct mw_host *host);
/** Commits of the store that failed so far, as the counter "store.failed_commits": rows of them are lost. */
uint64_t mw_host_failed_commits(struct mw_host *host);
/** Stores the text for mw_host_error() and returns @p code. */
int mw_host_fail(struct mw_host *host, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/** Calls @p cb once after @p ms milliseconds. @return its id > 0 for mw_host_after_cancel, or MW_E_NOMEM */
int64_t mw_host_after(struct mw_host *host, uint32_t ms, void (*cb)(void *ud), void *ud);
/** MW_E_NOTFOUND when it has been called already. */
int mw_host_after_cancel(struct mw_host *host, int64_t id);
