/** @file buf.h  Bounded bytes: a view, a writer that never overruns, and a reader that never overreads. */
#pragma once
#include "moonwire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Writer over caller's memory, or over heap memory that grows up to `limit` (init with mw_buf_init_heap).
 *  A write that does not fit sets `overflow` and changes nothing; check once at the end. */
struct mw_buf {
	uint8_t *data;
	size_t len, cap;
	size_t limit; /**< heap buffers only: largest cap; 0 = memory is the caller's and fixed */
	bool overflow;
};

void mw_buf_init(struct mw_buf *b, void *memory, size_t cap);
void mw_buf_init_heap(struct mw_buf *b, size_t limit);
/** Frees heap memory; a no-op on a buffer over caller's memory. */
void mw_buf_deinit(struct mw_buf *b);
/** Makes room for @p n more bytes; false (and `overflow`) when that is not possible. */
bool mw_buf_reserve(struct mw_buf *b, size_t n);
void mw_buf_put(struct mw_buf *b, const void *data, size_t len);
void mw_buf_put_u8(struct mw_buf *b, uint8_t v);
/** Big endian, the low @p n_bytes (1..8) of @p v. */
void mw_buf_put_be(struct mw_buf *b, uint64_t v, unsigned n_bytes);
void mw_buf_put_str(struct mw_buf *b, const char *s);
void mw_buf_printf(struct mw_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct mw_bytes mw_buf_bytes(const struct mw_buf *b);

/** Reader. A read past the end sets `failed` and gives zeros; check once at the end. */
struct mw_cur {
	const uint8_t *p, *end;
	bool failed;
};

void mw_cur_init(struct mw_cur *c, const void *data, size_t len);
size_t mw_cur_left(const struct mw_cur *c);
uint8_t mw_cur_u8(struct mw_cur *c);
/** Big endian number of @p n_bytes (1..8). */
uint64_t mw_cur_be(struct mw_cur *c, unsigned n_bytes);
struct mw_bytes mw_cur_take(struct mw_cur *c, size_t len);

/** Heap copy of @p len bytes with a terminating NUL that is not counted; NULL when out of memory. */
char *mw_strndup(const void *data, size_t len);
/** Copies @p text, cut to @p cap - 1 bytes, always terminated. */
void mw_strcopy(char *out, size_t cap, const char *text);
