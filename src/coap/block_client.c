#include "coap/core.h"

#include <string.h>

static bool is_success(uint8_t code)
{
	return code >> 5 == 2;
}

static bool read_number(const struct mw_coap_opt *o, uint16_t *out)
{
	uint32_t v = 0;
	for (size_t i = 0; i < o->len; i++) {
		if (i >= 5 || o->value[i] < '0' || o->value[i] > '9')
			return false;
		v = v * 10 + (uint32_t)(o->value[i] - '0');
	}
	*out = (uint16_t)v;
	return o->len && v < UINT16_MAX;
}

/* "/lwm2m/3/1" gives 3 and 1: an alternate path is not numeric. */
static void read_location(const struct mw_coap_msg *m, uint16_t out[3])
{
	size_t n = 0;
	for (size_t i = 0; i < 3; i++)
		out[i] = UINT16_MAX;
	for (size_t i = 0; i < m->n_options && n < 3; i++) {
		uint16_t v;
		if (m->options[i].number == MW_OPT_LOCATION_PATH && read_number(&m->options[i], &v))
			out[n++] = v;
	}
}

void mw__client_describe(struct mw_coap_result *result, const struct mw_coap_msg *m)
{
	uint32_t format = MW_COAP_NO_FORMAT;
	if (mw_coap_uint(m, MW_OPT_CONTENT_FORMAT, MW_COAP_NO_FORMAT, &format) < 0 || format > MW_COAP_NO_FORMAT)
		format = MW_COAP_NO_FORMAT;
	result->code = m->code;
	result->content_format = format;
	read_location(m, result->location);
}

void mw__client_release(struct mw_exchange *x)
{
	mw_budget_give(&x->c->budget, &x->peer->addr, x->down.body.len);
	mw_buf_deinit(&x->down.body);
	mw_buf_init_heap(&x->down.body, x->c->config.block_body_max);
	x->down.active = false;
}

enum step {
	GO_ON,  /* this part has nothing more to do */
	SENT,   /* the next message is on its way */
	IGNORE, /* a late copy of an earlier response */
	BROKEN  /* the exchange fails */
};

static enum step upload_again(struct mw_exchange *x, uint8_t szx)
{
	x->up.szx = szx;
	x->up.offset = 0;
	x->up.active = x->payload.len > mw__block_size(szx);
	mw__exchange_send(x);
	return SENT;
}

static enum step upload_next(struct mw_exchange *x, const struct mw_coap_msg *m, const struct mw_block *b)
{
	if (b->num != x->up.offset >> (x->up.szx + 4))
		return m->type == MW_COAP_NON ? IGNORE : BROKEN;
	x->up.offset += mw__block_size(x->up.szx);
	if (b->szx < x->up.szx) /* taken, but the next ones shall be smaller: RFC 7959 section 2.5 */
		x->up.szx = b->szx;
	mw__exchange_send(x);
	return SENT;
}

static enum step upload_step(struct mw_exchange *x, const struct mw_coap_msg *m)
{
	struct mw_block b;
	if (x->down.follow || !x->payload.len)
		return GO_ON;
	int has = mw_coap_block(m, MW_OPT_BLOCK1, &b);
	if (has < 0)
		return BROKEN;
	if (m->code == MW_COAP_TOO_LARGE && has && b.szx < x->up.szx)
		return upload_again(x, b.szx);
	if (!x->up.active)
		return m->code == MW_COAP_CONTINUE ? BROKEN : GO_ON;
	if (m->code == MW_COAP_INCOMPLETE && x->up.offset && !x->up.restarted) {
		x->up.restarted = true;
		return upload_again(x, x->up.szx);
	}
	bool is_last = x->up.offset + mw__block_size(x->up.szx) >= x->payload.len;
	if (is_success(m->code) && has && !is_last)
		return upload_next(x, m, &b);
	if (m->code != MW_COAP_CONTINUE)
		return GO_ON;
	return is_last && m->type == MW_COAP_NON ? IGNORE : BROKEN;
}

static bool read_etag(const struct mw_coap_msg *m, struct mw_bytes *out)
{
	const struct mw_coap_opt *o = mw_coap_find(m, MW_OPT_ETAG);
	*out = (struct mw_bytes){o ? o->value : NULL, o ? o->len : 0};
	return out->len <= MW_ETAG_MAX;
}

static void begin_download(struct mw_exchange *x, const struct mw_coap_msg *m, struct mw_bytes etag)
{
	struct mw_coap_result r = {0};
	mw__client_describe(&r, m);
	x->down.active = true;
	x->down.code = r.code;
	x->down.content_format = r.content_format;
	memcpy(x->down.location, r.location, sizeof(r.location));
	x->down.etag_len = (uint8_t)etag.len;
	if (etag.len)
		memcpy(x->down.etag, etag.data, etag.len);
}

static bool append_block(struct mw_exchange *x, struct mw_bytes payload)
{
	struct mw_coap *c = x->c;
	if (payload.len > c->config.block_body_max - x->down.body.len ||
		mw_budget_take(&c->budget, &x->peer->addr, payload.len) < 0)
		return false;
	size_t before = x->down.body.len;
	mw_buf_put(&x->down.body, payload.data, payload.len);
	if (x->down.body.len == before + payload.len)
		return true;
	mw_budget_give(&c->budget, &x->peer->addr, payload.len);
	return false;
}

bool mw__client_first_block(struct mw_exchange *x, const struct mw_coap_msg *m)
{
	struct mw_block b;
	struct mw_bytes etag;
	if (mw_coap_block(m, MW_OPT_BLOCK2, &b) != 1 || b.num || m->payload.len != mw__block_size(b.szx) ||
		!read_etag(m, &etag) || !append_block(x, m->payload))
		return false;
	begin_download(x, m, etag);
	x->down.szx = b.szx < x->down.szx ? b.szx : x->down.szx;
	return true;
}

/* The notification's token stays the observation's; its further blocks are fetched under another one, without
 * Observe (RFC 7959 section 3.4). Otherwise the token is kept: some clients find the transfer by it. */
static void ask_for_block(struct mw_exchange *x)
{
	if (x->observe == 0 && !x->down.follow)
		mw_random_pooled(&x->c->random, x->wire_token.bytes, x->wire_token.len = MW_COAP_TOKEN_MAX);
	x->down.follow = true;
	mw__exchange_send(x);
}

static enum step download_again(struct mw_exchange *x)
{
	bool is_safe = x->code == MW_COAP_GET || (x->code == MW_COAP_FETCH && !x->up.active);
	if (x->down.restarted || !is_safe) /* asking a POST again would do its work twice */
		return BROKEN;
	x->down.restarted = true;
	mw__client_release(x);
	ask_for_block(x);
	return SENT;
}

static enum step download_step(struct mw_exchange *x, const struct mw_coap_msg *m, int *err)
{
	struct mw_block b;
	struct mw_bytes etag;
	int has = mw_coap_block(m, MW_OPT_BLOCK2, &b);
	if (!is_success(m->code))
		return GO_ON;
	if (has < 0 || !read_etag(m, &etag) || (!has && x->down.active))
		return BROKEN;
	if (!has || (!x->down.active && !b.num && !b.more))
		return GO_ON;
	size_t offset = (size_t)b.num << (b.szx + 4);
	if (offset < x->down.body.len && m->type == MW_COAP_NON)
		return IGNORE;
	if (x->down.active &&
		(etag.len != x->down.etag_len || (etag.len && memcmp(etag.data, x->down.etag, etag.len) != 0)))
		return download_again(x);
	if (offset != x->down.body.len || m->payload.len > mw__block_size(b.szx) ||
		(b.more && m->payload.len != mw__block_size(b.szx)))
		return BROKEN;
	if (!append_block(x, m->payload)) {
		*err = MW_E_LIMIT;
		return BROKEN;
	}
	if (!x->down.active)
		begin_download(x, m, etag);
	if (!b.more)
		return GO_ON;
	x->down.szx = b.szx < x->down.szx ? b.szx : x->down.szx;
	ask_for_block(x);
	return SENT;
}

/* The first answer to a registration decides whether there is an observation (RFC 7641 section 3.1). */
static void note_observation(struct mw_exchange *x, const struct mw_coap_msg *m)
{
	struct mw_coap *c = x->c;
	uint32_t seq;
	if (x->observe != 0 || x->down.follow || m->code == MW_COAP_CONTINUE)
		return;
	size_t before = c->observe.pool.n_used;
	if (!is_success(m->code) || !mw_coap_find(m, MW_OPT_OBSERVE) ||
		mw_coap_uint(m, MW_OPT_OBSERVE, 0, &seq) < 0) {
		mw_observe_remove(&c->observe, &x->token);
	} else if (mw_observe_put(&c->observe, &x->token, x->cookie) == 0) {
		x->has_observation = true;
		mw_observe_seen(
			&c->observe, mw_observe_find(&c->observe, &x->token), &x->token, seq, mw_mono_now(c->clock));
	}
	c->stats.observations += c->observe.pool.n_used - before;
}

static void deliver(struct mw_exchange *x, const struct mw_coap_msg *m)
{
	struct mw_coap_result r = {.body = m->payload};
	mw__client_describe(&r, m);
	if (x->down.active && is_success(m->code)) {
		r.code = x->down.code;
		r.content_format = x->down.content_format;
		memcpy(r.location, x->down.location, sizeof(r.location));
		r.body = mw_buf_bytes(&x->down.body);
	}
	mw__exchange_end(x, &r);
}

void mw__client_response(struct mw_exchange *x, const struct mw_coap_msg *m)
{
	int err = MW_E_FORMAT;
	enum step step = upload_step(x, m);
	if (step == GO_ON) {
		note_observation(x, m);
		step = download_step(x, m, &err);
	}
	if (step == GO_ON)
		deliver(x, m);
	else if (step == BROKEN)
		mw__exchange_fail(x, err);
}
