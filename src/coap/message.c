#include "coap/message.h"

#include <assert.h>
#include <coap3/coap.h>
#include <stdio.h>
#include <string.h>

enum { HEADER_LEN = 4, VERSION = 1, PAYLOAD_MARKER = 0xff };

static enum mw_coap_parse parse_options(struct mw_coap_msg *m, const uint8_t *p, const uint8_t *end)
{
	uint32_t number = 0;
	while (p < end && *p != PAYLOAD_MARKER) {
		coap_option_t o;
		size_t n = coap_opt_parse(p, (size_t)(end - p), &o);
		if (!n || o.length > (size_t)(end - p))
			return MW_COAP_BAD_FORMAT;
		number += o.delta;
		if (number > UINT16_MAX || m->n_options == MW_COAP_MAX_OPTIONS)
			return MW_COAP_BAD_OPTIONS;
		m->options[m->n_options++] = (struct mw_coap_opt){(uint16_t)number, (uint16_t)o.length, o.value};
		p += n;
	}
	if (p == end)
		return MW_COAP_PARSED;
	if (++p == end)
		return MW_COAP_BAD_FORMAT; /* a marker with nothing behind it: RFC 7252 section 3 */
	m->payload = (struct mw_bytes){p, (size_t)(end - p)};
	return MW_COAP_PARSED;
}

enum mw_coap_parse mw_coap_parse(struct mw_coap_msg *m, const uint8_t *data, size_t len)
{
	m->n_options = 0;
	m->payload = (struct mw_bytes){NULL, 0};
	m->token = (struct mw_coap_token){0};
	if (len < HEADER_LEN || data[0] >> 6 != VERSION)
		return MW_COAP_SILENT;
	m->type = data[0] >> 4 & 3;
	m->code = data[1];
	m->mid = (uint16_t)(data[2] << 8 | data[3]);
	uint8_t token_len = data[0] & 15;
	if (token_len > MW_COAP_TOKEN_MAX || len < HEADER_LEN + (size_t)token_len)
		return MW_COAP_BAD_FORMAT;
	if (m->code == MW_COAP_EMPTY && len != HEADER_LEN) /* section 4.1: nothing follows the message id */
		return MW_COAP_BAD_FORMAT;
	m->token.len = token_len;
	memcpy(m->token.bytes, data + HEADER_LEN, token_len);
	return parse_options(m, data + HEADER_LEN + token_len, data + len);
}

const struct mw_coap_opt *mw_coap_find(const struct mw_coap_msg *m, uint16_t number)
{
	for (size_t i = 0; i < m->n_options && m->options[i].number <= number; i++)
		if (m->options[i].number == number)
			return &m->options[i];
	return NULL;
}

static uint32_t uint_of(const struct mw_coap_opt *o)
{
	uint32_t v = 0;
	for (size_t i = 0; i < o->len; i++)
		v = v << 8 | o->value[i];
	return v;
}

int mw_coap_uint(const struct mw_coap_msg *m, uint16_t number, uint32_t absent, uint32_t *out)
{
	const struct mw_coap_opt *o = mw_coap_find(m, number);
	if (o && o->len > 4)
		return MW_E_FORMAT;
	*out = o ? uint_of(o) : absent;
	return 0;
}

int mw_coap_block(const struct mw_coap_msg *m, uint16_t number, struct mw_block *out)
{
	const struct mw_coap_opt *o = mw_coap_find(m, number);
	if (!o)
		return 0;
	if (o->len > 3)
		return MW_E_FORMAT;
	uint32_t v = uint_of(o);
	if ((v & 7) == 7)
		return MW_E_FORMAT;
	*out = (struct mw_block){.num = v >> 4, .more = v & 8, .szx = v & 7};
	return 1;
}

const char *mw_coap_code_print(uint8_t code, char *out)
{
	unsigned detail = code & 31u;
	out[0] = (char)('0' + (code >> 5));
	out[1] = '.';
	out[2] = (char)('0' + detail / 10);
	out[3] = (char)('0' + detail % 10);
	out[4] = 0;
	return out;
}

void mw_coap_begin(struct mw_coap_writer *w, struct mw_buf *buf, uint8_t type, uint8_t code, uint16_t mid,
	const struct mw_coap_token *token)
{
	uint8_t token_len = token ? token->len : 0;
	*w = (struct mw_coap_writer){.buf = buf, .failed = token_len > MW_COAP_TOKEN_MAX};
	if (w->failed)
		return;
	uint8_t head[HEADER_LEN + MW_COAP_TOKEN_MAX] = {
		(uint8_t)(VERSION << 6 | (type & 3) << 4 | token_len), code, (uint8_t)(mid >> 8), (uint8_t)mid};
	if (token_len)
		memcpy(head + HEADER_LEN, token->bytes, token_len);
	mw_buf_put(buf, head, HEADER_LEN + (size_t)token_len);
}

static size_t extended_len(size_t v)
{
	return v < 13 ? 0 : v < 269 ? 1 : 2;
}

void mw_coap_put_opt(struct mw_coap_writer *w, uint16_t number, const void *value, size_t len)
{
	assert(number >= w->last_option);
	if (w->failed || number < w->last_option || len > UINT16_MAX) {
		w->failed = true;
		return;
	}
	uint16_t delta = (uint16_t)(number - w->last_option);
	size_t size = 1 + extended_len(delta) + extended_len(len) + len;
	if (!mw_buf_reserve(w->buf, size))
		return;
	size_t n = coap_opt_encode(w->buf->data + w->buf->len, size, delta, value, len);
	w->failed = n != size;
	w->buf->len += n;
	w->last_option = number;
}

void mw_coap_put_uint(struct mw_coap_writer *w, uint16_t number, uint32_t value)
{
	uint8_t bytes[4];
	size_t n = 0;
	for (int shift = 24; shift >= 0; shift -= 8)
		if (n || value >> shift)
			bytes[n++] = (uint8_t)(value >> shift);
	mw_coap_put_opt(w, number, bytes, n);
}

void mw_coap_put_block(struct mw_coap_writer *w, uint16_t number, const struct mw_block *block)
{
	if (block->num >> 20 || block->szx > 6)
		w->failed = true;
	else
		mw_coap_put_uint(w, number, block->num << 4 | (block->more ? 8u : 0u) | block->szx);
}

int mw_coap_end(struct mw_coap_writer *w, struct mw_bytes payload)
{
	if (payload.len) {
		mw_buf_put_u8(w->buf, PAYLOAD_MARKER);
		mw_buf_put(w->buf, payload.data, payload.len);
	}
	if (w->failed)
		return MW_E_ARG;
	return w->buf->overflow ? MW_E_LIMIT : 0;
}
