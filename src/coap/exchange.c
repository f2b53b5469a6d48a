#include "coap/core.h"

#include <stdlib.h>
#include <string.h>

enum { SERIAL_BITS = 31 };

static void on_timer(struct mw_timer *t, void *ud);

uint32_t mw__exchange_first_wait(struct mw_coap *c, uint32_t ack_timeout_ms)
{
	uint32_t r;
	mw_random_pooled(&c->random, &r, sizeof(r));
	return ack_timeout_ms + (uint32_t)((uint64_t)r * (ack_timeout_ms / 2 + 1) >> 32);
}

static void transmit(struct mw_exchange *x)
{
	int len = mw__request_encode(x);
	if (len > 0) /* cannot fail: the largest message was tried when the request was made */
		mw__coap_send(x->c, &x->peer->addr, x->c->scratch, (size_t)len);
}

void mw__exchange_send(struct mw_exchange *x)
{
	struct mw_coap *c = x->c;
	x->mid = mw__peer_mid(x->peer);
	x->state = MW_EXCHANGE_SENT;
	x->retries = 0;
	x->wait_ms = mw__exchange_first_wait(c, x->ack_timeout_ms);
	mw_wheel_add(c->wheel, &x->timer, mw__coap_after(c, x->wait_ms), on_timer);
	c->stats.requests_sent++;
	transmit(x);
}

static void on_timer(struct mw_timer *t, void *ud)
{
	(void)ud;
	struct mw_exchange *x = MW_CONTAINER_OF(t, struct mw_exchange, timer);
	struct mw_coap *c = x->c;
	if (x->state == MW_EXCHANGE_ACKED || x->retries >= c->config.max_retransmit) {
		c->stats.timeouts++;
		mw__exchange_fail(x, MW_E_TIMEOUT);
		return;
	}
	x->retries++;
	x->wait_ms *= 2;
	c->stats.retransmissions++;
	mw_wheel_add(c->wheel, t, mw__coap_after(c, x->wait_ms), on_timer);
	transmit(x);
}

static void on_deadline(struct mw_timer *t, void *ud)
{
	(void)ud;
	struct mw_exchange *x = MW_CONTAINER_OF(t, struct mw_exchange, deadline);
	x->c->stats.timeouts++;
	mw__exchange_fail(x, MW_E_TIMEOUT);
}

void mw__exchange_acked(struct mw_exchange *x)
{
	if (x->state != MW_EXCHANGE_SENT)
		return;
	x->state = MW_EXCHANGE_ACKED;
	mw_wheel_add(x->c->wheel, &x->timer, mw__coap_after(x->c, x->c->config.response_timeout_ms), on_timer);
}

static void start_next(struct mw_peer *p)
{
	if (p->in_flight || mw_list_is_empty(&p->queue) || p->c->closing)
		return;
	struct mw_exchange *x = MW_CONTAINER_OF(p->queue.next, struct mw_exchange, link);
	mw_list_remove(&x->link);
	p->n_queued--;
	p->in_flight = x;
	mw__exchange_send(x);
}

static void settle_observation(struct mw_exchange *x, struct mw_coap_result *result)
{
	struct mw_coap *c = x->c;
	bool is_over = x->observe == 1 || (x->observe == 0 && result->err && x->has_observation);
	if (is_over && mw_observe_remove(&c->observe, &x->token) == 0)
		c->stats.observations--;
	result->observing =
		x->observe == 0 && x->has_observation && mw_observe_find(&c->observe, &x->token) != MW_OBSERVE_NONE;
}

static void detach(struct mw_exchange *x)
{
	struct mw_peer *p = x->peer;
	mw_wheel_remove(x->c->wheel, &x->timer);
	mw_wheel_remove(x->c->wheel, &x->deadline);
	if (p->in_flight == x) {
		p->in_flight = NULL;
	} else {
		mw_list_remove(&x->link);
		p->n_queued--;
	}
	p->used = mw_mono_now(x->c->clock);
}

void mw__exchange_end(struct mw_exchange *x, struct mw_coap_result *result)
{
	struct mw_coap *c = x->c;
	struct mw_peer *p = x->peer;
	struct mw_buf body = x->down.body; /* the result may point into it */
	mw_coap_result_cb *cb = x->cb;
	void *ud = x->ud;
	detach(x);
	settle_observation(x, result);
	result->token = x->token;
	result->from = p->addr;
	mw_budget_give(&c->budget, &p->addr, body.len);
	free(x->copied);
	x->serial = 0;
	mw_pool_free(&c->exchanges, x->index);
	c->stats.exchanges--;
	if (c->answer && !result->err) {
		result->ack_later = &c->answer->ack_later;
		result->reply = c->answer->reply;
		result->reply.token = result->token;
	}
	cb(ud, result);
	mw_buf_deinit(&body);
	start_next(p);
}

void mw__exchange_fail(struct mw_exchange *x, int err)
{
	struct mw_coap_result result = {
		.err = err, .content_format = MW_COAP_NO_FORMAT, .location = {UINT16_MAX, UINT16_MAX, UINT16_MAX}};
	mw__exchange_end(x, &result);
}

static bool is_valid(const struct mw_coap_send *rq, mw_coap_result_cb *cb)
{
	if (!cb || !mw_coap_is_request(rq->code) || rq->observe < -1 || rq->observe > 1)
		return false;
	if (rq->token ? rq->token->len > MW_COAP_TOKEN_MAX : rq->observe == 1)
		return false;
	return rq->content_format <= MW_COAP_NO_FORMAT && rq->accept <= MW_COAP_NO_FORMAT &&
		   (rq->path || !rq->path_len || rq->text_path);
}

static void fill(struct mw_exchange *x, const struct mw_coap_send *rq)
{
	struct mw_coap *c = x->c;
	x->code = rq->code;
	x->observe = (int8_t)rq->observe;
	x->cookie = rq->cookie;
	x->content_format = (uint16_t)rq->content_format;
	x->accept = (uint16_t)rq->accept;
	x->ack_timeout_ms = rq->ack_timeout_ms ? rq->ack_timeout_ms : c->config.ack_timeout_ms;
	if (rq->token) {
		x->token = *rq->token;
	} else {
		x->token.len = MW_COAP_TOKEN_MAX;
		mw_random_pooled(&c->random, x->token.bytes, MW_COAP_TOKEN_MAX);
	}
	x->wire_token = x->token;
	x->up.szx = c->config.block_szx;
	x->up.active = x->payload.len > mw__block_size(x->up.szx);
	x->down.szx = c->config.block_szx;
	mw_buf_init_heap(&x->down.body, c->config.block_body_max);
}

/* A new exchange that is in no queue yet. */
static int make(struct mw_coap *c, const struct mw_coap_send *rq, struct mw_exchange **out)
{
	uint32_t index = mw_pool_alloc(&c->exchanges);
	if (index == MW_POOL_NONE)
		return MW_E_NOMEM;
	struct mw_exchange *x = mw_pool_at(&c->exchanges, index);
	x->index = index;
	x->c = c;
	mw_list_init(&x->link);
	int rc = mw__request_copy(x, rq);
	if (rc < 0)
		goto fail;
	fill(x, rq);
	rc = mw__request_encode(x) < 0 ? MW_E_ARG : 0; /* only to see that it fits */
	if (rc < 0)
		goto fail;
	x->peer = mw__peer_get(c, &rq->to);
	rc = x->peer ? 0 : MW_E_NOMEM;
	if (x->peer && x->peer->n_queued >= c->config.max_peer_queue)
		rc = MW_E_LIMIT;
	if (rc < 0)
		goto fail;
	c->next_serial = (c->next_serial + 1) & ((UINT32_C(1) << SERIAL_BITS) - 1);
	x->serial = c->next_serial ? c->next_serial : (c->next_serial = 1);
	c->stats.exchanges++;
	*out = x;
	return 0;
fail:
	free(x->copied);
	mw_pool_free(&c->exchanges, index);
	return rc;
}

static void enqueue(struct mw_exchange *x, uint32_t timeout_ms)
{
	mw_list_add_tail(&x->peer->queue, &x->link);
	x->peer->n_queued++;
	if (timeout_ms)
		mw_wheel_add(x->c->wheel, &x->deadline, mw__coap_after(x->c, timeout_ms), on_deadline);
	start_next(x->peer);
}

int64_t mw_coap_request(struct mw_coap *c, const struct mw_coap_send *rq, mw_coap_result_cb *cb, void *ud)
{
	if (!is_valid(rq, cb))
		return MW_E_ARG;
	if (c->closing || c->stats.exchanges >= c->config.max_exchanges)
		return MW_E_LIMIT;
	struct mw_exchange *x;
	int rc = make(c, rq, &x);
	if (rc < 0)
		return rc;
	x->cb = cb;
	x->ud = ud;
	int64_t id = (int64_t)((uint64_t)x->serial << 32 | x->index);
	enqueue(x, rq->timeout_ms);
	return id;
}

int mw__exchange_fetch(struct mw_coap *c, const struct mw_coap_send *rq, const struct mw_coap_msg *m,
	mw_coap_result_cb *cb, void *ud)
{
	if (!is_valid(rq, cb))
		return MW_E_ARG;
	if (c->closing || c->stats.exchanges >= c->config.max_exchanges)
		return MW_E_LIMIT;
	struct mw_exchange *x;
	int rc = make(c, rq, &x);
	if (rc < 0)
		return rc;
	x->cb = cb;
	x->ud = ud;
	if (!mw__client_first_block(x, m)) {
		mw__client_release(x);
		free(x->copied);
		x->serial = 0;
		c->stats.exchanges--;
		mw_pool_free(&c->exchanges, x->index);
		return MW_E_LIMIT;
	}
	x->down.follow = true;
	enqueue(x, rq->timeout_ms);
	return 0;
}

int mw_coap_cancel(struct mw_coap *c, int64_t id)
{
	uint32_t index = (uint32_t)id, serial = (uint32_t)(id >> 32);
	if (id <= 0 || !serial || index >= c->exchanges.fresh)
		return MW_E_NOTFOUND;
	struct mw_exchange *x = mw_pool_at(&c->exchanges, index);
	if (x->serial != serial)
		return MW_E_NOTFOUND;
	mw__exchange_fail(x, MW_E_CANCELED);
	return 0;
}

void mw__exchanges_deinit(struct mw_coap *c)
{
	for (uint32_t i = 0; i < c->exchanges.fresh; i++) {
		struct mw_exchange *x = mw_pool_at(&c->exchanges, i);
		if (x->serial)
			mw__exchange_fail(x, MW_E_CANCELED);
	}
	mw_pool_deinit(&c->exchanges);
}
