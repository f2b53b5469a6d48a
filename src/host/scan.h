/** @file scan.h  One look at a folder of text files: names, contents, sub-folders. Blocks; touches no shared
 * state, so it runs on any thread. For watch.c. */
#pragma once
#include "host/watch.h"
#include <sys/types.h>

struct mw_scan_dir {
	char *name; /**< relative to the folder, "" = itself */
	dev_t dev;
	ino_t ino;
};

struct mw_scan {
	const char *folder, *suffix;   /**< borrowed */
	struct mw_watched_file *files; /**< ascending by name */
	size_t n_files, cap_files;
	struct mw_scan_dir *dirs;
	size_t n_dirs, cap_dirs;
	int rc; /**< 0, MW_E_NOTFOUND, MW_E_LIMIT, MW_E_NOMEM; then `e` says more and the lists are incomplete */
	struct mw_errbuf e;
};

/** Fills @p s, which has `folder` and `suffix` set and zeros otherwise. */
void mw_scan_run(struct mw_scan *s);
/** Frees the lists; a zeroed scan is allowed. */
void mw_scan_deinit(struct mw_scan *s);
