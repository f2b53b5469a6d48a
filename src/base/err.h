/** @file err.h  Error codes of the whole project, and the text that goes with one.
 *
 * A function that can fail returns >= 0 on success and a negative `enum mw_err` on failure. Where a caller
 * can do something with a sentence, the function also takes a `struct mw_errbuf *` and fills it on failure.
 */
#pragma once
#include "moonwire.h"

/** Writes the formatted sentence into @p e (may be NULL) and returns @p code, so that callers can
 *  `return mw_fail(e, MW_E_PATH, "resource %u not in object %u", rid, oid);`. */
int mw_fail(struct mw_errbuf *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
