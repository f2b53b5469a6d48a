#include "coap/core.h"

#include <stdlib.h>

/* A notification whose further blocks are being fetched. */
struct fetch {
	struct mw_coap *c;
	struct mw_coap_reply
		reply; /**< to the notification; its token is the observation's, the fetch has its own */
};

static void forget(struct mw_coap *c, const struct mw_coap_token *token)
{
	if (mw_observe_remove(&c->observe, token) == 0)
		c->stats.observations--;
}

/* An open dedup record for a CON, so that copies of it stay unanswered until this one is. */
static bool open_record(struct mw_coap *c, const struct mw_coap_msg *m, struct mw_coap_reply *reply)
{
	if (m->type != MW_COAP_CON)
		return true;
	uint64_t hash = mw_dedup_hash(&c->dedup, &reply->to, m->mid);
	return mw_dedup_add(
			   &c->dedup, hash, &reply->to, m->mid, m->type, mw_mono_now(c->clock), &reply->serial) == 0;
}

static void reset(struct mw_coap *c, const struct mw_coap_reply *reply)
{
	const uint8_t rst[4] = {0x70, 0, (uint8_t)(reply->mid >> 8), (uint8_t)reply->mid};
	if (reply->type == MW_COAP_CON && mw_dedup_open(&c->dedup, reply->serial, &reply->to, reply->mid))
		mw_dedup_answer(&c->dedup, reply->serial, (struct mw_bytes){rst, sizeof(rst)});
	mw__coap_send_empty(c, &reply->to, MW_COAP_RST, reply->mid);
}

/* What the receiver decided about a notification that is complete now. */
static void settle(struct mw_coap *c, const struct mw_coap_reply *reply, enum mw_coap_verdict verdict)
{
	if (verdict == MW_COAP_REFUSE) {
		forget(c, &reply->token);
		reset(c, reply);
	} else if (verdict == MW_COAP_ACK_NOW) {
		mw_coap_ack(c, reply);
	} else if (verdict == MW_COAP_IGNORE) {
		mw_coap_drop(c, reply);
	}
}

/* The ACK waits until the whole is there and taken: what was acknowledged may not be lost. Until then the
 * device repeats its first block, which meets an open record and stays unanswered. */
static void on_fetched(void *ud, const struct mw_coap_result *result)
{
	struct fetch *f = ud;
	struct mw_coap *c = f->c;
	struct mw_coap_notification n = {.result = *result, .reply = f->reply};
	uint32_t id = mw_observe_find(&c->observe, &f->reply.token);
	bool is_whole = !result->err && result->code >> 5 == 2;
	if (is_whole && id != MW_OBSERVE_NONE && !c->closing) {
		n.cookie = mw_observe_at(&c->observe, id)->cookie;
		n.result.token = f->reply.token;
		n.result.observing = true;
		n.is_con = f->reply.type == MW_COAP_CON;
		c->stats.notifications++;
		settle(c, &f->reply, c->handlers.notification(c->handlers.ud, &n));
	} else {
		c->stats.notifications_lost++;
		MW_LOG(c->log, DEBUG, COAP, "rest of a long notification was not fetched: %s",
			result->err ? mw_err_text(result->err) : "error response");
		mw_coap_drop(c, &f->reply); /* the device repeats it, and it is tried again */
	}
	free(f);
}

/* A notification longer than a block: the rest is fetched from the device, and from nobody else. */
static void fetch_rest(struct mw_coap *c, const struct mw_coap_reply *reply, const struct mw_coap_msg *m,
	uint32_t id, uint32_t seq)
{
	struct mw_coap_send rq = {
		.code = MW_COAP_GET, .content_format = MW_COAP_NO_FORMAT, .accept = MW_COAP_NO_FORMAT, .observe = -1};
	uint64_t cookie = mw_observe_at(&c->observe, id)->cookie;
	bool is_known = c->handlers.observed && c->handlers.observed(c->handlers.ud, cookie, &rq);
	if (is_known && !mw_addr_eq(&rq.to, &reply->to)) {
		if (reply->type == MW_COAP_CON)
			mw_dedup_forget(&c->dedup, reply->serial);
		return; /* as a short one from a foreign address: as if never received */
	}
	rq.observe = -1;
	rq.token = NULL;
	mw_observe_seen(&c->observe, id, &m->token, seq, mw_mono_now(c->clock));
	struct fetch *f = is_known ? malloc(sizeof(*f)) : NULL;
	if (f) {
		*f = (struct fetch){c, *reply};
		if (mw__exchange_fetch(c, &rq, m, on_fetched, f) == 0)
			return;
		free(f);
	}
	c->stats.notifications_lost++;
	MW_LOG(c->log, DEBUG, COAP, "long notification dropped: its rest cannot be asked for");
	if (is_known)
		mw_coap_drop(c, reply); /* no memory or no place in the queue now: it may come again */
	else
		mw_coap_ack(c, reply);
}

static void hand_up(
	struct mw_coap *c, const struct mw_coap_msg *m, struct mw_coap_notification *n, uint32_t id, uint32_t seq)
{
	bool has_ended = m->code >> 5 != 2;
	struct mw_mono now = mw_mono_now(c->clock);
	mw__client_describe(&n->result, m);
	n->result.body = m->payload;
	n->result.observing = !has_ended;
	n->is_con = m->type == MW_COAP_CON;
	c->stats.notifications++;
	enum mw_coap_verdict verdict = c->handlers.notification(c->handlers.ud, n);
	if (verdict == MW_COAP_IGNORE) { /* not mw_coap_drop: the numbers of others' notifications still count */
		if (n->is_con && mw_dedup_open(&c->dedup, n->reply.serial, &n->reply.to, n->reply.mid))
			mw_dedup_forget(&c->dedup, n->reply.serial);
		return;
	}
	if (has_ended)
		forget(c, &m->token);
	else
		mw_observe_seen(&c->observe, id, &m->token, seq, now);
	settle(c, &n->reply, verdict);
}

void mw__notify(struct mw_coap *c, const struct mw_addr *from, const struct mw_coap_msg *m, uint32_t id)
{
	uint32_t seq = 0;
	struct mw_block b = {0};
	bool is_success = m->code >> 5 == 2;
	struct mw_coap_notification n = {.cookie = mw_observe_at(&c->observe, id)->cookie,
		.result = {.token = m->token, .from = *from},
		.reply = {.to = *from, .token = m->token, .mid = m->mid, .type = m->type}};
	const struct mw_coap_opt *observe = mw_coap_find(m, MW_OPT_OBSERVE);
	bool is_bad = is_success && (!observe || observe->len > 3 || mw_coap_block(m, MW_OPT_BLOCK2, &b) < 0);
	if (is_bad) { /* 2.xx without Observe is no notification */
		c->stats.unknown_tokens++;
		if (m->type == MW_COAP_CON)
			reset(c, &n.reply);
		return;
	}
	if (!open_record(c, m, &n.reply))
		return; /* out of memory: as if lost */
	mw_coap_uint(m, MW_OPT_OBSERVE, 0, &seq);
	if (is_success && !mw_observe_is_fresh(&c->observe, id, seq, mw_mono_now(c->clock))) {
		c->stats.stale_notifications++;
		mw_coap_ack(c, &n.reply);
		return;
	}
	if (is_success && b.more) {
		fetch_rest(c, &n.reply, m, id, seq);
		return;
	}
	hand_up(c, m, &n, id, seq);
}
