/** @file watch.h  Watches a folder of text files and hands over all of them, read on a worker thread, after
 * each change.
 *
 * One delivery is the whole folder as it stood at one moment, 200 ms after the last change event (an editor's
 * save or a checkout is several), so that the receiver can treat it as one transaction. Loop thread only. */
#pragma once
#include "base/err.h"
#include "base/log.h"
#include <uv.h>

struct mw_watch;

struct mw_watched_file {
	const char *name; /**< relative to the folder, '/' between segments, e.g. "protocols/temperature.lua" */
	struct mw_bytes text;
	int err;         /**< 0, or why it could not be read: `text` is empty then */
	const char *why; /**< with err: the reason in words */
};

/** One look at the folder; everything borrowed for the call. */
struct mw_watch_look {
	const struct mw_watched_file *files; /**< ascending by name */
	size_t n_files;
	int err;         /**< 0, or why the folder could not be read: then there are no files */
	const char *why; /**< with err: the reason in words */
	uint64_t poke;   /**< the last mw_watch_poke before this look began; 0 = none */
};
typedef void mw_watch_cb(void *ud, const struct mw_watch_look *look);

enum { MW_WATCH_FILE_MAX = 1024 * 1024, MW_WATCH_FILES_MAX = 4096, MW_WATCH_DEPTH_MAX = 4 };

/** Reads all files under @p folder that end with @p suffix, now, on the calling thread (start-up and offline
 * checks); hidden files and editors' backup files are left out. MW_E_NOTFOUND: no such folder; then @p cb is
 * not called. */
int mw_watch_read(const char *folder, const char *suffix, mw_watch_cb *cb, void *ud, struct mw_errbuf *e);
/** Starts watching (recursively). @param debounce_ms  0 = 200. NULL on failure. */
struct mw_watch *mw_watch_new(uv_loop_t *loop, const char *folder, const char *suffix, uint32_t debounce_ms,
	struct mw_log *log, mw_watch_cb *cb, void *ud, struct mw_errbuf *e);
/** Reads and delivers soon even though nothing changed, be it only the reason why the folder cannot be read.
 *  @return its number, 1 for the first: the deliveries that answer it have this or a higher one */
uint64_t mw_watch_poke(struct mw_watch *w);
/** No callback after this; memory goes when the loop has run the close callbacks. NULL is allowed. */
void mw_watch_free(struct mw_watch *w);
