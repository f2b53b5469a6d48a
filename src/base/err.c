#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

int mw_fail(struct mw_errbuf *e, int code, const char *fmt, ...)
{
	if (e) {
		e->code = code;
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof(e->text), fmt, ap);
		va_end(ap);
	}
	return code;
}

const char *mw_err_word(int code)
{
	switch (code) {
#define X(name, number, word, text)                                                                          \
	case number:                                                                                             \
		return word;
		MW_ERR_LIST(X)
#undef X
	default:
		return code >= 0 ? "OK" : "EUNKNOWN";
	}
}

const char *mw_err_text(int code)
{
	switch (code) {
#define X(name, number, word, text)                                                                          \
	case number:                                                                                             \
		return text;
		MW_ERR_LIST(X)
#undef X
	default:
		return code >= 0 ? "success" : "unknown error";
	}
}
