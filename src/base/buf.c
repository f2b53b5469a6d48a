#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mw_buf_init(struct mw_buf *b, void *memory, size_t cap)
{
	*b = (struct mw_buf){.data = memory, .cap = cap};
}

void mw_buf_init_heap(struct mw_buf *b, size_t limit)
{
	*b = (struct mw_buf){.limit = limit};
}

void mw_buf_deinit(struct mw_buf *b)
{
	if (b->limit)
		free(b->data);
	*b = (struct mw_buf){0};
}

bool mw_buf_reserve(struct mw_buf *b, size_t n)
{
	if (n <= b->cap - b->len)
		return !b->overflow;
	if (!b->limit || n > b->limit - b->len)
		return b->overflow = true, false;
	size_t cap = b->cap ? b->cap : 64;
	while (cap < b->len + n)
		cap *= 2;
	if (cap > b->limit)
		cap = b->limit;
	uint8_t *data = realloc(b->data, cap);
	if (!data)
		return b->overflow = true, false;
	b->data = data;
	b->cap = cap;
	return !b->overflow;
}

void mw_buf_put(struct mw_buf *b, const void *data, size_t len)
{
	if (!len || !mw_buf_reserve(b, len))
		return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void mw_buf_put_u8(struct mw_buf *b, uint8_t v)
{
	mw_buf_put(b, &v, 1);
}

void mw_buf_put_be(struct mw_buf *b, uint64_t v, unsigned n_bytes)
{
	uint8_t bytes[8];
	for (unsigned i = 0; i < n_bytes; i++)
		bytes[i] = (uint8_t)(v >> (8 * (n_bytes - 1 - i)));
	mw_buf_put(b, bytes, n_bytes);
}

void mw_buf_put_str(struct mw_buf *b, const char *s)
{
	mw_buf_put(b, s, strlen(s));
}

void mw_buf_printf(struct mw_buf *b, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		b->overflow = true;
	else
		mw_buf_put(b, text, (size_t)n);
}

struct mw_bytes mw_buf_bytes(const struct mw_buf *b)
{
	return (struct mw_bytes){b->data, b->len};
}

void mw_cur_init(struct mw_cur *c, const void *data, size_t len)
{
	const uint8_t *p = data;
	*c = (struct mw_cur){.p = p, .end = len ? p + len : p};
}

size_t mw_cur_left(const struct mw_cur *c)
{
	return (size_t)(c->end - c->p);
}

uint8_t mw_cur_u8(struct mw_cur *c)
{
	return (uint8_t)mw_cur_be(c, 1);
}

uint64_t mw_cur_be(struct mw_cur *c, unsigned n_bytes)
{
	struct mw_bytes s = mw_cur_take(c, n_bytes);
	uint64_t v = 0;
	for (size_t i = 0; i < s.len; i++)
		v = v << 8 | s.data[i];
	return v;
}

struct mw_bytes mw_cur_take(struct mw_cur *c, size_t len)
{
	if (len > mw_cur_left(c)) {
		c->failed = true;
		c->p = c->end;
		return (struct mw_bytes){0};
	}
	struct mw_bytes s = {c->p, len};
	if (len)
		c->p += len;
	return s;
}

char *mw_strndup(const void *data, size_t len)
{
	char *s = malloc(len + 1);
	if (!s)
		return NULL;
	if (len)
		memcpy(s, data, len);
	s[len] = 0;
	return s;
}

void mw_strcopy(char *out, size_t cap, const char *text)
{
	size_t len = strnlen(text, cap - 1);
	memcpy(out, text, len);
	out[len] = 0;
}
