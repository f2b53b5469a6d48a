#include "coap/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENT_MAX = 255, PATH_MAX_BYTES = 1024, QUERY_MAX_BYTES = 1024 };

/* Segments are kept as a length byte and the text. */
static void put_segment(struct mw_buf *b, const char *text, size_t len)
{
	if (len > SEGMENT_MAX)
		b->overflow = true;
	mw_buf_put_u8(b, (uint8_t)len);
	mw_buf_put(b, text, len);
}

static void put_text_path(struct mw_buf *b, const char *path)
{
	while (*path) {
		if (*path == '/') {
			path++;
			continue;
		}
		size_t len = strcspn(path, "/");
		put_segment(b, path, len);
		path += len;
	}
}

static void put_numeric_path(struct mw_buf *b, const uint16_t *path, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char text[8];
		int len = snprintf(text, sizeof(text), "%u", path[i]);
		put_segment(b, text, (size_t)len);
	}
}

int mw__request_copy(struct mw_exchange *x, const struct mw_coap_send *rq)
{
	uint8_t segments[PATH_MAX_BYTES + QUERY_MAX_BYTES];
	struct mw_buf b;
	mw_buf_init(&b, segments, sizeof(segments));
	if (rq->prefix)
		put_text_path(&b, rq->prefix);
	if (rq->text_path)
		put_text_path(&b, rq->text_path);
	else
		put_numeric_path(&b, rq->path, rq->path_len);
	x->path_len = b.len;
	for (size_t i = 0; rq->query && rq->query[i]; i++)
		put_segment(&b, rq->query[i], strlen(rq->query[i]));
	if (b.overflow)
		return MW_E_ARG;
	x->query_len = b.len - x->path_len;
	x->copied = malloc(b.len + rq->payload.len + 1);
	if (!x->copied)
		return MW_E_NOMEM;
	if (b.len)
		memcpy(x->copied, segments, b.len);
	if (rq->payload.len)
		memcpy(x->copied + b.len, rq->payload.data, rq->payload.len);
	x->payload = (struct mw_bytes){x->copied + b.len, rq->payload.len};
	return 0;
}

static void write_segments(struct mw_coap_writer *w, uint16_t option, const uint8_t *p, size_t len)
{
	for (const uint8_t *end = p + len; p < end; p += 1 + *p)
		mw_coap_put_opt(w, option, p + 1, *p);
}

/* A request for a further block repeats the body only where the body is part of the question (RFC 8132
 * section 2.5); one that went by Block1 is known to the peer already (RFC 7959 section 3.3). */
static struct mw_bytes payload_of(const struct mw_exchange *x)
{
	if (x->down.follow)
		return x->code == MW_COAP_FETCH && !x->up.active ? x->payload : (struct mw_bytes){NULL, 0};
	if (!x->up.active)
		return x->payload;
	size_t left = x->payload.len - x->up.offset, size = mw__block_size(x->up.szx);
	return (struct mw_bytes){x->payload.data + x->up.offset, left < size ? left : size};
}

static void write_block2(struct mw_coap_writer *w, const struct mw_exchange *x)
{
	uint8_t preferred = x->c->config.block_szx;
	if (x->down.follow) {
		struct mw_block b = {(uint32_t)(x->down.body.len >> (x->down.szx + 4)), false, x->down.szx};
		mw_coap_put_block(w, MW_OPT_BLOCK2, &b);
	} else if (preferred < 6 && (x->code == MW_COAP_GET || x->code == MW_COAP_FETCH)) {
		mw_coap_put_block(w, MW_OPT_BLOCK2, &(struct mw_block){0, false, preferred});
	}
}

static void write_block1(struct mw_coap_writer *w, const struct mw_exchange *x, size_t len)
{
	if (x->down.follow || !x->up.active)
		return;
	struct mw_block b = {
		(uint32_t)(x->up.offset >> (x->up.szx + 4)), x->up.offset + len < x->payload.len, x->up.szx};
	mw_coap_put_block(w, MW_OPT_BLOCK1, &b);
	if (!x->up.offset)
		mw_coap_put_uint(w, MW_OPT_SIZE1, (uint32_t)x->payload.len);
}

int mw__request_encode(struct mw_exchange *x)
{
	struct mw_buf b;
	struct mw_coap_writer w;
	struct mw_bytes payload = payload_of(x);
	mw_buf_init(&b, x->c->scratch, sizeof(x->c->scratch));
	mw_coap_begin(&w, &b, MW_COAP_CON, x->code, x->mid, &x->wire_token);
	if (x->observe >= 0 && !x->down.follow)
		mw_coap_put_uint(&w, MW_OPT_OBSERVE, (uint32_t)x->observe);
	write_segments(&w, MW_OPT_URI_PATH, x->copied, x->path_len);
	if (x->content_format != MW_COAP_NO_FORMAT && payload.len)
		mw_coap_put_uint(&w, MW_OPT_CONTENT_FORMAT, x->content_format);
	write_segments(&w, MW_OPT_URI_QUERY, x->copied + x->path_len, x->query_len);
	if (x->accept != MW_COAP_NO_FORMAT)
		mw_coap_put_uint(&w, MW_OPT_ACCEPT, x->accept);
	write_block2(&w, x);
	write_block1(&w, x, payload.len);
	int rc = mw_coap_end(&w, payload);
	return rc < 0 ? rc : (int)b.len;
}
