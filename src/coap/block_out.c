#include "coap/core.h"

static void on_expiry(struct mw_timer *t, void *ud)
{
	(void)ud;
	struct mw_transfer *x = MW_CONTAINER_OF(t, struct mw_transfer, timer);
	mw__transfer_free(&x->c->out, x);
}

/* Sends the block of @p whole that @p wanted names. */
static int send_block(struct mw_coap *c, const struct mw_coap_reply *reply,
	const struct mw_coap_response *whole, const struct mw_block *wanted, const struct mw_block *block1,
	uint32_t etag)
{
	struct mw_block b = *wanted;
	if (b.szx > c->config.block_szx) { /* we may answer smaller: the number then counts the smaller blocks */
		b.num <<= b.szx - c->config.block_szx;
		b.szx = c->config.block_szx;
	}
	size_t size = mw__block_size(b.szx), offset = (size_t)b.num * size;
	if (b.num >> 20 || (b.num && offset >= whole->payload.len)) {
		struct mw_coap_response beyond = {.code = MW_COAP_BAD_REQUEST, .content_format = MW_COAP_NO_FORMAT};
		return mw__respond(c, reply, &beyond, &(struct mw_response_extra){0});
	}
	size_t left = whole->payload.len - offset;
	struct mw_coap_response part = *whole;
	b.more = left > size;
	if (left)
		part.payload = (struct mw_bytes){whole->payload.data + offset, b.more ? size : left};
	return mw__respond(
		c, reply, &part, &(struct mw_response_extra){.block1 = block1, .block2 = &b, .etag = etag});
}

static uint32_t etag_of(const struct mw_coap *c, struct mw_bytes body)
{
	uint32_t etag = (uint32_t)mw_hash(&c->key, body.data, body.len);
	return etag ? etag : 1;
}

static int keep(struct mw_coap *c, const struct mw_coap_reply *reply, const struct mw_coap_response *resp,
	uint64_t key, uint32_t etag)
{
	struct mw_transfer *x = mw__transfer_new(&c->out, c, &reply->to, key, resp->payload.len, on_expiry);
	if (!x)
		return MW_E_LIMIT;
	if (mw__transfer_append(x, resp->payload) < 0) {
		mw__transfer_free(&c->out, x);
		return MW_E_LIMIT;
	}
	x->code = resp->code;
	x->content_format = resp->content_format;
	x->etag = etag;
	return 0;
}

int mw__block_out_start(struct mw_coap *c, const struct mw_coap_reply *reply,
	const struct mw_coap_response *resp, const struct mw_request_info *info)
{
	struct mw_coap_response whole = *resp;
	uint8_t preferred = c->config.block_szx;
	struct mw_block wanted = info->has_block2 ? info->block2 : (struct mw_block){0, false, preferred};
	size_t size = mw__block_size(wanted.szx < preferred ? wanted.szx : preferred);
	if (resp->code >> 5 != 2) { /* a diagnostic text is not worth a second message */
		whole.payload.len = whole.payload.len < size ? whole.payload.len : size;
		struct mw_response_extra extra = {.block1 = info->has_block1 ? &info->block1 : NULL};
		return mw__respond(c, reply, &whole, &extra);
	}
	uint32_t etag = etag_of(c, resp->payload);
	bool must_keep = resp->payload.len > size;
	int rc = must_keep ? keep(c, reply, resp, info->key, etag) : 0;
	if (rc < 0)
		return rc;
	rc = send_block(c, reply, &whole, &wanted, info->has_block1 ? &info->block1 : NULL, etag);
	if (rc < 0 && must_keep) {
		struct mw_transfer *x = mw__transfer_find(&c->out, c, &reply->to, info->key);
		if (x)
			mw__transfer_free(&c->out, x);
	}
	return rc;
}

bool mw__block_out_serve(struct mw_coap *c, const struct mw_coap_request *rq, const struct mw_block *wanted)
{
	struct mw_transfer *x = mw__transfer_find(&c->out, c, &rq->reply.to, mw__request_key(c, rq->msg));
	if (!x)
		return false;
	mw_wheel_add(c->wheel, &x->timer, mw__coap_after(c, c->config.block_timeout_ms), on_expiry);
	struct mw_coap_response whole = {
		.code = x->code, .content_format = x->content_format, .payload = mw_buf_bytes(&x->body)};
	send_block(c, &rq->reply, &whole, wanted, NULL, x->etag);
	return true;
}
