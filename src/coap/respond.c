#include "coap/core.h"

#include <string.h>

/* A request whose handler returned before it was answered. It is found by the note in its dedup record; when
 * the record is gone (the ring was full) or answered, the timer clears up. */
struct late {
	uint32_t pool_word;
	uint32_t index;
	struct mw_coap *c;
	struct mw_timer timer;
	struct mw_coap_reply reply;
	struct mw_request_info info;
	struct mw_mono until;
};

void mw__respond_init(struct mw_coap *c)
{
	mw_pool_init(&c->late, sizeof(struct late));
}

static struct mw_dedup_record *open_record(struct mw_coap *c, const struct mw_coap_reply *r)
{
	return mw_dedup_open(&c->dedup, r->serial, &r->to, r->mid);
}

static struct late *late_of(const struct mw_coap *c, const struct mw_dedup_record *r)
{
	uint32_t note = mw_dedup_note(r);
	return note == MW_DEDUP_NO_NOTE ? NULL : mw_pool_at(&c->late, note);
}

static void free_late(struct late *l)
{
	if (!l)
		return;
	mw_wheel_remove(l->c->wheel, &l->timer);
	mw_pool_free(&l->c->late, l->index);
}

enum { LOOK_AGAIN_MS = 5000 /* so that a full ring does not leave many of these behind */ };

static void on_timer(struct mw_timer *t, void *ud)
{
	(void)ud;
	struct late *l = MW_CONTAINER_OF(t, struct late, timer);
	struct mw_coap *c = l->c;
	struct mw_dedup_record *r = open_record(c, &l->reply);
	if (!r || mw_mono_now(c->clock).ms >= l->until.ms) {
		if (r)
			mw_dedup_set_note(r, MW_DEDUP_NO_NOTE);
		free_late(l);
		return;
	}
	if (r->state == MW_DEDUP_PENDING && l->reply.type == MW_COAP_CON) {
		r->state = MW_DEDUP_ACKED;
		mw__coap_send_empty(c, &l->reply.to, MW_COAP_ACK, l->reply.mid);
	}
	struct mw_mono next = mw__coap_after(c, LOOK_AGAIN_MS);
	mw_wheel_add(c->wheel, t, next.ms < l->until.ms ? next : l->until, on_timer);
}

void mw__respond_later(struct mw_coap *c, const struct mw_coap_reply *reply)
{
	struct mw_dedup_record *r = open_record(c, reply);
	if (!r || mw_dedup_note(r) != MW_DEDUP_NO_NOTE)
		return;
	uint32_t index = mw_pool_alloc(&c->late);
	if (index == MW_POOL_NONE) /* then the answer has no block options, and the peer repeats its request */
		return;
	struct late *l = mw_pool_at(&c->late, index);
	l->index = index;
	l->c = c;
	l->reply = *reply;
	l->info = c->current->info;
	l->info.key = mw__request_key(c, c->current->msg);
	l->until = mw__coap_after(c, MW_EXCHANGE_LIFETIME_MS);
	mw_dedup_set_note(r, index);
	mw_wheel_add(c->wheel, &l->timer, mw__coap_after(c, c->config.separate_after_ms), on_timer);
}

static bool is_location_ok(const char *segment)
{
	return strlen(segment) <= 255;
}

static int encode(struct mw_buf *b, uint8_t type, uint16_t mid, const struct mw_coap_token *token,
	const struct mw_coap_response *resp, const struct mw_response_extra *extra)
{
	struct mw_coap_writer w;
	mw_coap_begin(&w, b, type, resp->code, mid, token);
	if (extra->etag)
		mw_coap_put_opt(&w, MW_OPT_ETAG, &extra->etag, sizeof(extra->etag));
	for (size_t i = 0; i < 4 && resp->location[i]; i++) {
		if (!is_location_ok(resp->location[i]))
			return MW_E_LIMIT;
		mw_coap_put_opt(&w, MW_OPT_LOCATION_PATH, resp->location[i], strlen(resp->location[i]));
	}
	if (resp->content_format != MW_COAP_NO_FORMAT)
		mw_coap_put_uint(&w, MW_OPT_CONTENT_FORMAT, resp->content_format);
	if (resp->max_age_s && resp->code == MW_COAP_UNAVAILABLE)
		mw_coap_put_uint(&w, MW_OPT_MAX_AGE, resp->max_age_s);
	if (extra->block2)
		mw_coap_put_block(&w, MW_OPT_BLOCK2, extra->block2);
	if (extra->block1)
		mw_coap_put_block(&w, MW_OPT_BLOCK1, extra->block1);
	if (extra->size1)
		mw_coap_put_uint(&w, MW_OPT_SIZE1, extra->size1);
	return mw_coap_end(&w, resp->payload) < 0 ? MW_E_LIMIT : 0;
}

/* The answer to a CON whose ACK has gone already: a message of its own, repeated until acknowledged. */
static int send_separate(struct mw_coap *c, const struct mw_coap_reply *reply,
	const struct mw_coap_response *resp, const struct mw_response_extra *extra)
{
	struct mw_buf b;
	struct mw_peer *p = mw__peer_get(c, &reply->to);
	if (!p)
		return MW_E_NOMEM;
	mw_buf_init(&b, c->scratch, sizeof(c->scratch));
	uint16_t mid = mw__peer_mid(p);
	int rc = encode(&b, MW_COAP_CON, mid, &reply->token, resp, extra);
	if (rc == 0)
		rc = mw__separate_send(p, mid, b.data, b.len);
	if (rc < 0)
		return rc;
	const uint8_t ack[4] = {0x60, 0, (uint8_t)(reply->mid >> 8), (uint8_t)reply->mid};
	mw_dedup_answer(&c->dedup, reply->serial, (struct mw_bytes){ack, sizeof(ack)});
	return 0;
}

static uint16_t mid_for_non(struct mw_coap *c, const struct mw_addr *to)
{
	struct mw_peer *p = mw__peer_find(c, to);
	return p ? mw__peer_mid(p) : c->next_mid++;
}

int mw__respond(struct mw_coap *c, const struct mw_coap_reply *reply, const struct mw_coap_response *resp,
	const struct mw_response_extra *extra)
{
	struct mw_buf b;
	struct mw_dedup_record *r = open_record(c, reply);
	if (!r)
		return MW_E_NOTFOUND;
	struct late *l = late_of(c, r);
	bool is_con = reply->type == MW_COAP_CON;
	if (is_con && r->state == MW_DEDUP_ACKED) {
		int rc = send_separate(c, reply, resp, extra);
		if (rc == 0)
			free_late(l);
		return rc;
	}
	mw_buf_init(&b, c->scratch, sizeof(c->scratch));
	uint16_t mid = is_con ? reply->mid : mid_for_non(c, &reply->to);
	int rc = encode(&b, is_con ? MW_COAP_ACK : MW_COAP_NON, mid, &reply->token, resp, extra);
	if (rc < 0)
		return rc;
	/* A duplicate of a NON request is ignored (RFC 7252 section 4.3), so its answer need not be kept. */
	mw_dedup_answer(&c->dedup, reply->serial, is_con ? mw_buf_bytes(&b) : (struct mw_bytes){NULL, 0});
	free_late(l);
	mw__coap_send(c, &reply->to, b.data, b.len);
	return 0;
}

void mw__respond_code(struct mw_coap *c, const struct mw_coap_reply *reply, uint8_t code, const char *text)
{
	struct mw_coap_response resp = {.code = code,
		.content_format = MW_COAP_NO_FORMAT,
		.payload = {(const uint8_t *)text, text ? strlen(text) : 0}};
	mw__respond(c, reply, &resp, &(struct mw_response_extra){0});
}

static const struct mw_request_info *info_of(
	const struct mw_coap *c, const struct mw_coap_reply *reply, const struct late *l)
{
	if (c->current && c->current->serial == reply->serial)
		return &c->current->info;
	return l ? &l->info : NULL;
}

int mw_coap_respond(struct mw_coap *c, const struct mw_coap_reply *reply, const struct mw_coap_response *resp)
{
	struct mw_dedup_record *r = open_record(c, reply);
	if (!r)
		return MW_E_NOTFOUND;
	struct mw_request_info none = {0};
	const struct mw_request_info *info = info_of(c, reply, late_of(c, r));
	if (!info)
		info = &none;
	size_t limit = mw__block_size(
		info->has_block2 && info->block2.szx < c->config.block_szx ? info->block2.szx : c->config.block_szx);
	if (resp->payload.len > limit || (info->has_block2 && info->block2.num)) {
		struct mw_request_info own = *info;
		if (c->current && info == &c->current->info)
			own.key = mw__request_key(c, c->current->msg);
		return mw__block_out_start(c, reply, resp, &own);
	}
	struct mw_response_extra extra = {.block1 = info->has_block1 ? &info->block1 : NULL};
	return mw__respond(c, reply, resp, &extra);
}

int mw_coap_ack(struct mw_coap *c, const struct mw_coap_reply *reply)
{
	if (reply->type != MW_COAP_CON)
		return 0;
	if (!open_record(c, reply))
		return MW_E_NOTFOUND;
	const uint8_t ack[4] = {0x60, 0, (uint8_t)(reply->mid >> 8), (uint8_t)reply->mid};
	mw_dedup_answer(&c->dedup, reply->serial, (struct mw_bytes){ack, sizeof(ack)});
	mw__coap_send_empty(c, &reply->to, MW_COAP_ACK, reply->mid);
	return 0;
}

void mw_coap_drop(struct mw_coap *c, const struct mw_coap_reply *reply)
{
	if (reply->type == MW_COAP_CON && open_record(c, reply))
		mw_dedup_forget(&c->dedup, reply->serial);
	mw_observe_unsee(&c->observe, &reply->token);
}

void mw__respond_deinit(struct mw_coap *c)
{
	for (uint32_t i = 0; i < c->late.fresh; i++) {
		struct late *l = mw_pool_at(&c->late, i);
		if (mw_timer_is_armed(&l->timer))
			mw_wheel_remove(c->wheel, &l->timer);
	}
	mw_pool_deinit(&c->late);
}
