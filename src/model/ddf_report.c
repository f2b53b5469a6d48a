#include "model/ddf_parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

unsigned mw__ddf_line(const struct mw_ddf_parser *p)
{
	return !p->xml ? 0 : (unsigned)XML_GetCurrentLineNumber(p->xml);
}

static bool is_continuation(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

const char *mw__ddf_tail(const char *path)
{
	enum { TAIL = 150 };
	size_t len = strlen(path);
	const char *tail = len > TAIL ? path + len - TAIL : path;
	while (is_continuation((uint8_t)*tail))
		tail++;
	return tail;
}

void mw__ddf_message(struct mw_errbuf *e, const char *file, unsigned line, const char *text)
{
	mw_fail(e, 0, "%s:%u: %s", mw__ddf_tail(file), line, text);
}

static void tell(struct mw_ddf_parser *p, unsigned line, int code, const char *text)
{
	if (p->cb)
		p->cb(p->ud, &(struct mw_ddf_problem){.file = p->file, .line = line, .code = code, .text = text});
}

const char *mw__ddf_shown(struct mw_ddf_parser *p, struct mw_bytes text)
{
	enum { SHOWN = 40 };
	size_t len = text.len;
	if (len > SHOWN)
		for (len = SHOWN; len && is_continuation(text.data[len]);)
			len--;
	for (size_t i = 0; i < len; i++)
		p->shown[i] = (char)(text.data[i] < ' ' ? ' ' : text.data[i]);
	snprintf(p->shown + len, sizeof(p->shown) - len, "%s", len < text.len ? "..." : "");
	return p->shown;
}

void mw__ddf_fail(struct mw_ddf_parser *p, unsigned line, int code, const char *fmt, ...)
{
	if (p->rc < 0)
		return;
	p->rc = code;
	char text[320];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	mw__ddf_message(p->e, p->file, line, text);
	tell(p, line, code, text);
	if (p->xml)
		XML_StopParser(p->xml, XML_FALSE);
}

void mw__ddf_fail_memory(struct mw_ddf_parser *p)
{
	mw__ddf_fail(p, mw__ddf_line(p), MW_E_NOMEM, "out of memory");
}

void mw__ddf_warn(struct mw_ddf_parser *p, unsigned line, const char *fmt, ...)
{
	if (p->stats.warnings++ >= MW_DDF_WARNINGS_MAX)
		return;
	char text[320];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (p->stats.warnings == 1)
		mw__ddf_message(p->e, p->file, line, text);
	tell(p, line, 0, text);
}
