#include "coap/core.h"

#include <string.h>

enum {
	TRANSFER_COST = 256 /* charged for a transfer besides its bytes, so that empty ones are bounded too */
};

struct wanted {
	const struct mw_addr *peer;
	uint64_t key;
};

static bool is_wanted(const void *ud, uint32_t id, const void *key)
{
	const struct mw_transfers *t = ud;
	const struct mw_transfer *x = mw_pool_at(&t->pool, id);
	const struct wanted *w = key;
	return x->key == w->key && mw_addr_eq(&x->peer, w->peer);
}

static uint64_t hash_of(const struct mw_coap *c, const struct mw_addr *peer, uint64_t key)
{
	uint8_t bytes[sizeof(*peer) + sizeof(key)];
	memcpy(bytes, peer, sizeof(*peer));
	memcpy(bytes + sizeof(*peer), &key, sizeof(key));
	return mw_hash(&c->key, bytes, sizeof(bytes));
}

struct mw_transfer *mw__transfer_find(
	const struct mw_transfers *t, const struct mw_coap *c, const struct mw_addr *peer, uint64_t key)
{
	struct wanted w = {peer, key};
	uint32_t id = mw_index_find(&t->index, hash_of(c, peer, key), is_wanted, t, &w);
	return id == MW_INDEX_NONE ? NULL : mw_pool_at(&t->pool, id);
}

struct mw_transfer *mw__transfer_new(struct mw_transfers *t, struct mw_coap *c, const struct mw_addr *peer,
	uint64_t key, size_t limit, mw_timer_cb *expired)
{
	struct mw_transfer *x = mw__transfer_find(t, c, peer, key);
	if (x)
		mw__transfer_free(t, x);
	if (mw_budget_take(&c->budget, peer, TRANSFER_COST) < 0)
		return NULL;
	uint32_t index = mw_pool_alloc(&t->pool);
	if (index == MW_POOL_NONE || mw_index_add(&t->index, hash_of(c, peer, key), index) < 0) {
		if (index != MW_POOL_NONE)
			mw_pool_free(&t->pool, index);
		mw_budget_give(&c->budget, peer, TRANSFER_COST);
		return NULL;
	}
	x = mw_pool_at(&t->pool, index);
	x->index = index;
	x->peer = *peer;
	x->key = key;
	x->c = c;
	x->charged = TRANSFER_COST;
	mw_buf_init_heap(&x->body, limit);
	mw_wheel_add(c->wheel, &x->timer, mw__coap_after(c, c->config.block_timeout_ms), expired);
	return x;
}

int mw__transfer_append(struct mw_transfer *x, struct mw_bytes more)
{
	int rc = mw_budget_take(&x->c->budget, &x->peer, more.len);
	if (rc < 0)
		return rc;
	size_t before = x->body.len;
	mw_buf_put(&x->body, more.data, more.len);
	if (x->body.len != before + more.len) {
		mw_budget_give(&x->c->budget, &x->peer, more.len);
		return MW_E_LIMIT;
	}
	x->charged += more.len;
	return 0;
}

void mw__transfer_free(struct mw_transfers *t, struct mw_transfer *x)
{
	struct mw_coap *c = x->c;
	mw_wheel_remove(c->wheel, &x->timer);
	mw_index_remove(&t->index, hash_of(c, &x->peer, x->key), x->index);
	mw_budget_give(&c->budget, &x->peer, x->charged);
	mw_buf_deinit(&x->body);
	mw_pool_free(&t->pool, x->index);
}

void mw__transfers_deinit(struct mw_transfers *t, struct mw_coap *c)
{
	for (uint32_t i = 0; i < t->pool.fresh; i++) {
		struct mw_transfer *x = mw_pool_at(&t->pool, i);
		if (!mw_timer_is_armed(&x->timer))
			continue;
		mw_wheel_remove(c->wheel, &x->timer);
		mw_buf_deinit(&x->body);
	}
	mw_pool_deinit(&t->pool);
	mw_index_deinit(&t->index);
}

static void on_expiry(struct mw_timer *t, void *ud)
{
	(void)ud;
	struct mw_transfer *x = MW_CONTAINER_OF(t, struct mw_transfer, timer);
	mw__transfer_free(&x->c->in, x);
}

static void refuse(struct mw_coap *c, const struct mw_coap_reply *reply, uint8_t code, const char *text)
{
	struct mw_coap_response resp = {
		.code = code, .content_format = MW_COAP_NO_FORMAT, .payload = {(const uint8_t *)text, strlen(text)}};
	struct mw_response_extra extra = {.block1 = &c->current->info.block1};
	if (code == MW_COAP_TOO_LARGE)
		extra.size1 = (uint32_t)c->config.block_body_max; /* what would have fitted: RFC 7959 section 4 */
	c->stats.blocks_refused++;
	mw__respond(c, reply, &resp, &extra);
}

/* The block is taken; the peer is told to go on, in smaller blocks if ours are smaller. */
static void tell_continue(struct mw_coap *c, const struct mw_coap_reply *reply, const struct mw_block *got)
{
	struct mw_block echo = *got;
	if (echo.szx > c->config.block_szx)
		echo.szx = c->config.block_szx;
	struct mw_coap_response resp = {.code = MW_COAP_CONTINUE, .content_format = MW_COAP_NO_FORMAT};
	mw__respond(c, reply, &resp, &(struct mw_response_extra){.block1 = &echo});
}

static struct mw_transfer *transfer_for(struct mw_coap *c, const struct mw_coap_request *rq, uint64_t key)
{
	const struct mw_block *b = &c->current->info.block1;
	if (b->num) {
		struct mw_transfer *x = mw__transfer_find(&c->in, c, &rq->reply.to, key);
		if (!x)
			refuse(c, &rq->reply, MW_COAP_INCOMPLETE, "no transfer is under way: begin with block 0");
		return x;
	}
	uint32_t size = 0;
	if (mw_coap_uint(rq->msg, MW_OPT_SIZE1, 0, &size) == 0 && size > c->config.block_body_max) {
		refuse(c, &rq->reply, MW_COAP_TOO_LARGE, "body is too large");
		return NULL;
	}
	struct mw_transfer *x =
		mw__transfer_new(&c->in, c, &rq->reply.to, key, c->config.block_body_max, on_expiry);
	if (!x)
		refuse(c, &rq->reply, MW_COAP_TOO_LARGE, "too many bodies at once");
	return x;
}

static void finish(struct mw_coap *c, const struct mw_coap_request *rq, struct mw_transfer *x)
{
	struct mw_coap_request whole = *rq;
	struct mw_buf body = x->body;
	x->body = (struct mw_buf){0}; /* the callback may start a transfer of the same name */
	mw__transfer_free(&c->in, x);
	whole.body = mw_buf_bytes(&body);
	mw__coap_deliver(c, &whole);
	mw_buf_deinit(&body);
}

void mw__block_in(struct mw_coap *c, const struct mw_coap_request *rq)
{
	const struct mw_block *b = &c->current->info.block1;
	struct mw_bytes payload = rq->msg->payload;
	size_t size = mw__block_size(b->szx), offset = (size_t)b->num << (b->szx + 4);
	if (payload.len > size || (b->more && payload.len != size)) {
		refuse(c, &rq->reply, MW_COAP_BAD_REQUEST, "block is not as long as its option says");
		return;
	}
	if (!b->num && !b->more) {
		mw__coap_deliver(c, rq);
		return;
	}
	struct mw_transfer *x = transfer_for(c, rq, mw__request_key(c, rq->msg));
	if (!x)
		return;
	bool is_again = b->more && offset + payload.len == x->body.len && payload.len &&
					memcmp(x->body.data + offset, payload.data, payload.len) == 0;
	if (!is_again && offset != x->body.len) {
		mw__transfer_free(&c->in, x);
		refuse(c, &rq->reply, MW_COAP_INCOMPLETE, "a block is missing: begin again with block 0");
		return;
	}
	if (!is_again && mw__transfer_append(x, payload) < 0) {
		mw__transfer_free(&c->in, x);
		refuse(c, &rq->reply, MW_COAP_TOO_LARGE, "body is too large");
		return;
	}
	if (!b->more) {
		finish(c, rq, x);
		return;
	}
	mw_wheel_add(c->wheel, &x->timer, mw__coap_after(c, c->config.block_timeout_ms), on_expiry);
	tell_continue(c, &rq->reply, b);
}
