/* Included before every file that clang-tidy reads; no compiler sees it. The analyzer does not look into
 * other files, and must know that mw_fail gives the code that it was called with, which is negative. */
#include "base/err.h"

void mw_tidy_read(struct mw_errbuf *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define mw_fail(e, code, ...) (mw_tidy_read((e), __VA_ARGS__), (code))
