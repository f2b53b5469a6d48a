#include "coap/core.h"

#include <stdlib.h>
#include <string.h>

static void apply_defaults(struct mw_coap_config *f)
{
#define DEFAULT(field, value)                                                                                \
	if (!f->field)                                                                                           \
	f->field = (value)
	DEFAULT(ack_timeout_ms, 2000);
	DEFAULT(max_retransmit, 4);
	DEFAULT(separate_after_ms, 500);
	DEFAULT(response_timeout_ms, 93000);
	DEFAULT(dedup_bytes, (size_t)16 << 20);
	DEFAULT(block_szx, 6);
	DEFAULT(block_body_max, (size_t)1 << 20);
	DEFAULT(block_peer_max, (size_t)2 << 20);
	DEFAULT(block_total_max, (size_t)64 << 20);
	DEFAULT(block_timeout_ms, 93000);
	DEFAULT(max_exchanges, 200000);
	DEFAULT(max_peer_queue, 64);
	DEFAULT(max_observations, 16000000);
#undef DEFAULT
	if (f->block_szx > 6)
		f->block_szx = 6;
}

struct mw_coap *mw_coap_new(const struct mw_coap_config *config, const struct mw_coap_transport *transport,
	const struct mw_coap_handlers *handlers, struct mw_wheel *wheel, const struct mw_clock *clock,
	struct mw_log *log, const struct mw_hash_key *key)
{
	struct mw_coap *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->config = *config;
	apply_defaults(&c->config);
	c->transport = *transport;
	c->handlers = *handlers;
	c->wheel = wheel;
	c->clock = clock;
	c->log = log;
	c->key = *key;
	mw_random_pooled(&c->random, &c->next_mid, sizeof(c->next_mid));
	mw_observe_init(&c->observe, c->config.max_observations, &c->key);
	mw_budget_init(
		&c->budget, c->config.block_peer_max, c->config.block_total_max, &c->key, &c->stats.block_bytes);
	mw_pool_init(&c->peers, sizeof(struct mw_peer));
	mw_pool_init(&c->exchanges, sizeof(struct mw_exchange));
	mw__respond_init(c);
	mw_pool_init(&c->in.pool, sizeof(struct mw_transfer));
	mw_pool_init(&c->out.pool, sizeof(struct mw_transfer));
	if (mw_dedup_init(&c->dedup, c->config.dedup_bytes, &c->key, &c->stats.dedup_evicted) < 0) {
		mw_coap_free(c);
		return NULL;
	}
	return c;
}

void mw_coap_free(struct mw_coap *c)
{
	if (!c)
		return;
	c->closing = true;
	mw__exchanges_deinit(c);
	mw__respond_deinit(c);
	mw__peers_deinit(c);
	mw__transfers_deinit(&c->in, c);
	mw__transfers_deinit(&c->out, c);
	mw_observe_deinit(&c->observe);
	mw_budget_deinit(&c->budget);
	mw_dedup_deinit(&c->dedup);
	free(c);
}

void mw__coap_send(struct mw_coap *c, const struct mw_addr *to, const uint8_t *data, size_t len)
{
	c->stats.sent++;
	if (c->handlers.trace)
		c->handlers.trace(c->handlers.ud, true, to, (struct mw_bytes){data, len});
	c->transport.send(c->transport.ud, to, data, len); /* an error is a lost datagram */
}

void mw__coap_send_empty(struct mw_coap *c, const struct mw_addr *to, uint8_t type, uint16_t mid)
{
	const uint8_t message[4] = {(uint8_t)(1 << 6 | type << 4), 0, (uint8_t)(mid >> 8), (uint8_t)mid};
	if (type == MW_COAP_RST)
		c->stats.resets_sent++;
	else
		c->stats.acks_sent++;
	mw__coap_send(c, to, message, sizeof(message));
}

/* Bytes of any length folded into one keyed hash, 256 at a time. */
struct folder {
	const struct mw_hash_key *key;
	uint8_t bytes[256];
	size_t len;
};

static void fold(struct folder *f, const void *data, size_t len)
{
	const uint8_t *p = data;
	while (len) {
		if (f->len == sizeof(f->bytes)) {
			uint64_t h = mw_hash(f->key, f->bytes, f->len);
			memcpy(f->bytes, &h, sizeof(h));
			f->len = sizeof(h);
		}
		size_t n = sizeof(f->bytes) - f->len < len ? sizeof(f->bytes) - f->len : len;
		memcpy(f->bytes + f->len, p, n);
		f->len += n;
		p += n;
		len -= n;
	}
}

uint64_t mw__request_key(const struct mw_coap *c, const struct mw_coap_msg *m)
{
	struct folder f = {.key = &c->key, .len = 0};
	fold(&f, &m->code, sizeof(m->code));
	for (size_t i = 0; i < m->n_options; i++) {
		const struct mw_coap_opt *o = &m->options[i];
		if (o->number == MW_OPT_BLOCK1 || o->number == MW_OPT_BLOCK2 || o->number == MW_OPT_SIZE1 ||
			o->number == MW_OPT_SIZE2 || o->number == MW_OPT_OBSERVE)
			continue;
		fold(&f, &o->number, sizeof(o->number));
		fold(&f, &o->len, sizeof(o->len));
		fold(&f, o->value, o->len);
	}
	if (m->code == MW_COAP_FETCH && !mw_coap_find(m, MW_OPT_BLOCK1))
		fold(&f, m->payload.data, m->payload.len);
	return mw_hash(&c->key, f.bytes, f.len);
}

/* What a critical option may look like; all others are not understood here and must be refused. */
static bool is_understood(const struct mw_coap_opt *o, bool is_repeated)
{
	switch (o->number) {
	case MW_OPT_URI_PATH:
	case MW_OPT_URI_QUERY:
		return o->len <= 255;
	case MW_OPT_URI_HOST:
		return !is_repeated && o->len >= 1 && o->len <= 255;
	case MW_OPT_URI_PORT:
	case MW_OPT_ACCEPT:
		return !is_repeated && o->len <= 2;
	case MW_OPT_BLOCK1:
	case MW_OPT_BLOCK2:
		return !is_repeated && o->len <= 3;
	default:
		return false;
	}
}

static const struct mw_coap_opt *find_bad_option(const struct mw_coap_msg *m)
{
	uint16_t last = 0;
	for (size_t i = 0; i < m->n_options; i++) {
		const struct mw_coap_opt *o = &m->options[i];
		if (o->number & 1 && !is_understood(o, o->number == last))
			return o;
		last = o->number;
	}
	return NULL;
}

static void read_blocks(const struct mw_coap_msg *m, struct mw_request_info *info, bool *is_bad)
{
	if (!m->n_options || m->options[m->n_options - 1].number < MW_OPT_BLOCK2)
		return;
	int has2 = mw_coap_block(m, MW_OPT_BLOCK2, &info->block2);
	int has1 = mw_coap_block(m, MW_OPT_BLOCK1, &info->block1);
	info->has_block2 = has2 > 0;
	info->has_block1 = has1 > 0;
	*is_bad = has1 < 0 || has2 < 0;
}

static void replay(struct mw_coap *c, const struct mw_addr *from, const struct mw_dedup_record *r)
{
	c->stats.duplicates++;
	if (r->state == MW_DEDUP_ACKED) {
		c->stats.replayed++;
		mw__coap_send_empty(c, from, MW_COAP_ACK, r->mid);
	} else if (r->state == MW_DEDUP_ANSWERED && r->len) {
		c->stats.replayed++;
		mw__coap_send(c, from, r->data, r->len);
	}
}

void mw__coap_deliver(struct mw_coap *c, const struct mw_coap_request *rq)
{
	c->stats.requests_received++;
	c->handlers.request(c->handlers.ud, rq);
	mw__respond_later(c, &rq->reply);
}

static void refuse_options(
	struct mw_coap *c, const struct mw_coap_reply *reply, uint8_t code, const char *text)
{
	c->stats.bad_options++;
	if (reply->type == MW_COAP_CON) {
		mw__respond_code(c, reply, code, text);
		return;
	}
	/* RFC 7252 section 5.4.1: a NON is rejected, not answered. */
	if (mw_dedup_open(&c->dedup, reply->serial, &reply->to, reply->mid))
		mw_dedup_answer(&c->dedup, reply->serial, (struct mw_bytes){NULL, 0});
	mw__coap_send_empty(c, &reply->to, MW_COAP_RST, reply->mid);
}

static void dispatch_request(struct mw_coap *c, const struct mw_coap_request *rq, struct mw_current *current,
	enum mw_coap_parse parsed)
{
	const struct mw_coap_msg *m = rq->msg;
	bool is_bad_block = false;
	if (parsed == MW_COAP_BAD_OPTIONS) {
		bool is_many = m->n_options == MW_COAP_MAX_OPTIONS;
		refuse_options(c, &rq->reply, is_many ? MW_COAP_BAD_OPTION : MW_COAP_BAD_REQUEST,
			is_many ? "too many options" : "option number above 65535");
		return;
	}
	if (mw_coap_find(m, MW_OPT_PROXY_URI) || mw_coap_find(m, MW_OPT_PROXY_SCHEME)) {
		refuse_options(c, &rq->reply, MW_COAP_NO_PROXY, "no proxy here"); /* RFC 7252 section 5.10.2 */
		return;
	}
	if (find_bad_option(m)) {
		refuse_options(c, &rq->reply, MW_COAP_BAD_OPTION, "critical option not understood");
		return;
	}
	if (m->code > MW_COAP_IPATCH) { /* section 5.8 */
		mw__respond_code(c, &rq->reply, MW_COAP_NOT_ALLOWED, "method not known");
		return;
	}
	read_blocks(m, &current->info, &is_bad_block);
	if (is_bad_block)
		refuse_options(c, &rq->reply, MW_COAP_BAD_REQUEST, "block option is malformed");
	else if (current->info.has_block1)
		mw__block_in(c, rq);
	else if (!current->info.has_block2 || !current->info.block2.num ||
			 !mw__block_out_serve(c, rq, &current->info.block2))
		mw__coap_deliver(c, rq);
}

static void take_request(
	struct mw_coap *c, const struct mw_addr *from, const struct mw_coap_msg *m, enum mw_coap_parse parsed)
{
	if (m->type != MW_COAP_CON && m->type != MW_COAP_NON) {
		c->stats.malformed++;
		return;
	}
	struct mw_mono now = mw_mono_now(c->clock);
	uint64_t hash = mw_dedup_hash(&c->dedup, from, m->mid);
	const struct mw_dedup_record *r = mw_dedup_find(&c->dedup, hash, from, m->mid, now);
	if (r) {
		replay(c, from, r);
		return;
	}
	struct mw_coap_request rq = {.msg = m,
		.body = m->payload,
		.reply = {.to = *from, .token = m->token, .mid = m->mid, .type = m->type}};
	if (mw_dedup_add(&c->dedup, hash, from, m->mid, m->type, now, &rq.reply.serial) < 0)
		return; /* out of memory: as if lost */
	struct mw_current current = {.msg = m, .serial = rq.reply.serial};
	const struct mw_current *outer = c->current;
	c->current = &current;
	dispatch_request(c, &rq, &current, parsed);
	c->current = outer;
}

/* The exchange that @p m answers, by address, token, and message id if it came with the ACK. A notification
 * that crosses the end of its own observation is not the answer to that. */
static struct mw_exchange *exchange_for(
	const struct mw_coap *c, const struct mw_peer *p, const struct mw_coap_msg *m)
{
	struct mw_exchange *x = p ? p->in_flight : NULL;
	if (!x || !mw_coap_token_eq(&x->wire_token, &m->token))
		return NULL;
	if (m->type == MW_COAP_ACK)
		return m->mid == x->mid ? x : NULL;
	bool is_notification = x->observe == 1 && mw_coap_find(m, MW_OPT_OBSERVE) &&
						   mw_observe_find(&c->observe, &m->token) != MW_OBSERVE_NONE;
	return is_notification ? NULL : x;
}

/* An open record for a CON response: its copies stay unanswered until it is acknowledged, and get the ACK
 * after. */
static bool open_answer(
	struct mw_coap *c, const struct mw_addr *from, const struct mw_coap_msg *m, struct mw_confirmable *answer)
{
	*answer = (struct mw_confirmable){.reply = {.to = *from, .mid = m->mid, .type = m->type}};
	uint64_t hash = mw_dedup_hash(&c->dedup, from, m->mid);
	return mw_dedup_add(
			   &c->dedup, hash, from, m->mid, m->type, mw_mono_now(c->clock), &answer->reply.serial) == 0;
}

static void take_unmatched(struct mw_coap *c, const struct mw_addr *from, const struct mw_coap_msg *m)
{
	if (m->type == MW_COAP_ACK) {
		c->stats.unknown_tokens++;
		return;
	}
	uint32_t id = mw_observe_find(&c->observe, &m->token);
	if (id != MW_OBSERVE_NONE) {
		mw__notify(c, from, m, id);
		return;
	}
	c->stats.unknown_tokens++;
	/* A reset NON notification ends an observation that we do not know of (RFC 7641 section 3.6). */
	if (m->type == MW_COAP_CON || mw_coap_find(m, MW_OPT_OBSERVE))
		mw__coap_send_empty(c, from, MW_COAP_RST, m->mid);
}

static void take_response(
	struct mw_coap *c, const struct mw_addr *from, const struct mw_coap_msg *m, enum mw_coap_parse parsed)
{
	if (m->type == MW_COAP_CON) {
		uint64_t hash = mw_dedup_hash(&c->dedup, from, m->mid);
		const struct mw_dedup_record *r = mw_dedup_find(&c->dedup, hash, from, m->mid, mw_mono_now(c->clock));
		if (r) {
			replay(c, from, r);
			return;
		}
	}
	struct mw_exchange *x = exchange_for(c, mw__peer_find(c, from), m);
	if (parsed != MW_COAP_PARSED || find_bad_option(m)) { /* rejected: RFC 7252 section 5.4.1 */
		c->stats.bad_options++;
		if (m->type == MW_COAP_CON)
			mw__coap_send_empty(c, from, MW_COAP_RST, m->mid);
		if (x)
			mw__exchange_fail(x, MW_E_FORMAT);
		return;
	}
	if (!x) {
		take_unmatched(c, from, m);
		return;
	}
	if (m->type != MW_COAP_CON) {
		mw__client_response(x, m);
		return;
	}
	struct mw_confirmable answer;
	if (!open_answer(c, from, m, &answer))
		return; /* out of memory: as if lost */
	c->answer = &answer;
	mw__client_response(x, m);
	c->answer = NULL;
	if (!answer.ack_later)
		mw_coap_ack(c, &answer.reply);
}

static void take_empty(struct mw_coap *c, const struct mw_addr *from, const struct mw_coap_msg *m)
{
	if (m->type == MW_COAP_CON) /* "CoAP ping" */
		mw__coap_send_empty(c, from, MW_COAP_RST, m->mid);
	if (m->type != MW_COAP_ACK && m->type != MW_COAP_RST)
		return;
	struct mw_peer *p = mw__peer_find(c, from);
	if (!p || mw__separate_end(p, m->mid) || !p->in_flight || p->in_flight->mid != m->mid)
		return;
	if (m->type == MW_COAP_ACK)
		mw__exchange_acked(p->in_flight);
	else
		mw__exchange_fail(p->in_flight, MW_E_RESET);
}

/* Codes of classes 1, 6 and 7 are reserved; a reserved code is a format error (RFC 7252 section 4.2). */
static bool is_reserved(uint8_t code)
{
	return code != MW_COAP_EMPTY && !mw_coap_is_request(code) && !mw_coap_is_response(code);
}

void mw_coap_input(struct mw_coap *c, const struct mw_addr *from, const uint8_t *data, size_t len)
{
	struct mw_coap_msg m;
	c->stats.received++;
	if (c->handlers.trace)
		c->handlers.trace(c->handlers.ud, false, from, (struct mw_bytes){data, len});
	enum mw_coap_parse parsed = mw_coap_parse(&m, data, len);
	if (parsed != MW_COAP_SILENT && is_reserved(m.code))
		parsed = MW_COAP_BAD_FORMAT;
	if (parsed != MW_COAP_PARSED)
		c->stats.malformed++;
	if (parsed == MW_COAP_SILENT)
		return;
	if (parsed == MW_COAP_BAD_FORMAT) {
		if (m.type == MW_COAP_CON)
			mw__coap_send_empty(c, from, MW_COAP_RST, m.mid);
		return;
	}
	if (c->handlers.heard && parsed == MW_COAP_PARSED)
		c->handlers.heard(c->handlers.ud, from);
	if (m.code == MW_COAP_EMPTY)
		take_empty(c, from, &m);
	else if (mw_coap_is_request(m.code))
		take_request(c, from, &m, parsed);
	else if (m.type != MW_COAP_RST)
		take_response(c, from, &m, parsed);
}

void mw_coap_prefetch(struct mw_coap *c, const struct mw_addr *from, const uint8_t *data, size_t len)
{
	if (len >= 4)
		mw_index_prefetch(
			&c->dedup.index, mw_dedup_hash(&c->dedup, from, (uint16_t)(data[2] << 8 | data[3])));
}

int mw_coap_observe_restore(struct mw_coap *c, const struct mw_coap_token *token, uint64_t cookie)
{
	if (token->len > MW_COAP_TOKEN_MAX)
		return MW_E_ARG;
	int rc = mw_observe_put(&c->observe, token, cookie);
	c->stats.observations = c->observe.pool.n_used;
	return rc;
}

int mw_coap_observe_forget(struct mw_coap *c, const struct mw_coap_token *token)
{
	int rc = mw_observe_remove(&c->observe, token);
	c->stats.observations = c->observe.pool.n_used;
	return rc;
}

const struct mw_coap_stats *mw_coap_stats(const struct mw_coap *c)
{
	return &c->stats;
}
