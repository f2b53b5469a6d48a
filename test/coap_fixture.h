/** @file coap_fixture.h  One endpoint with a clock that the test turns and a queue of what it has sent.
 *  Shared by test_coap_*.c and the fuzz target of the endpoint. */
#pragma once
#include "coap/endpoint.h"

#include <stdlib.h>
#include <string.h>

enum { FX_QUEUE = 64 };
#ifndef FX_BODY
#define FX_BODY (1 << 18)
#endif

struct fx_datagram {
	struct mw_addr to;
	uint8_t data[2048];
	size_t len;
};

/** What the endpoint's owner was told last. */
struct fx_seen {
	int requests, notifications, results;
	struct mw_coap_reply reply, notify_reply;
	uint8_t code, result_code;
	int err;
	bool observing, is_con;
	uint64_t cookie;
	unsigned content_format;
	uint16_t location[3];
	struct mw_coap_token token;
	uint8_t body[FX_BODY];
	size_t body_len;
};

struct fx {
	struct mw_clock clock;
	int64_t now;
	struct mw_wheel wheel;
	struct mw_log log;
	struct mw_coap *c;
	struct fx_datagram sent[FX_QUEUE];
	size_t n_sent, n_read;
	struct fx_seen seen;
	enum mw_coap_verdict verdict;
	bool answers; /**< requests are answered at once, with `answer` */
	struct mw_coap_response answer;
	const char *observed_path; /**< for the rest of long notifications */
	int heard;
};

static inline struct mw_mono fx_mono(void *ud)
{
	return (struct mw_mono){((struct fx *)ud)->now};
}

static inline struct mw_wall fx_wall(void *ud)
{
	return (struct mw_wall){((struct fx *)ud)->now};
}

static inline int fx_send(void *ud, const struct mw_addr *to, const uint8_t *data, size_t len)
{
	struct fx *f = ud;
	if (f->n_sent == FX_QUEUE || len > sizeof(f->sent[0].data))
		return MW_E_LIMIT;
	struct fx_datagram *d = &f->sent[f->n_sent++];
	d->to = *to;
	d->len = len;
	memcpy(d->data, data, len);
	return 0;
}

static inline void fx_keep_body(struct fx *f, struct mw_bytes body)
{
	f->seen.body_len = body.len;
	if (body.len && body.len <= FX_BODY)
		memcpy(f->seen.body, body.data, body.len);
}

static inline void fx_on_request(void *ud, const struct mw_coap_request *rq)
{
	struct fx *f = ud;
	f->seen.requests++;
	f->seen.reply = rq->reply;
	f->seen.code = rq->msg->code;
	fx_keep_body(f, rq->body);
	if (f->answers)
		mw_coap_respond(f->c, &rq->reply, &f->answer);
}

static inline enum mw_coap_verdict fx_on_notification(void *ud, const struct mw_coap_notification *n)
{
	struct fx *f = ud;
	f->seen.notifications++;
	f->seen.notify_reply = n->reply;
	f->seen.cookie = n->cookie;
	f->seen.is_con = n->is_con;
	f->seen.result_code = n->result.code;
	f->seen.content_format = n->result.content_format;
	fx_keep_body(f, n->result.body);
	return f->verdict;
}

static inline struct mw_addr fx_addr(uint32_t n)
{
	struct mw_addr a = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10}, .port = 5683};
	a.ip[13] = (uint8_t)(n >> 16);
	a.ip[14] = (uint8_t)(n >> 8);
	a.ip[15] = (uint8_t)n;
	return a;
}

static inline bool fx_on_observed(void *ud, uint64_t cookie, struct mw_coap_send *rq)
{
	struct fx *f = ud;
	(void)cookie;
	rq->to = fx_addr(1); /* the only device that is observed */
	rq->text_path = f->observed_path;
	return f->observed_path != NULL;
}

static inline void fx_on_heard(void *ud, const struct mw_addr *from)
{
	(void)from;
	((struct fx *)ud)->heard++;
}

static inline void fx_on_result(void *ud, const struct mw_coap_result *r)
{
	struct fx *f = ud;
	f->seen.results++;
	f->seen.err = r->err;
	f->seen.result_code = r->code;
	f->seen.observing = r->observing;
	f->seen.content_format = r->content_format;
	f->seen.token = r->token;
	memcpy(f->seen.location, r->location, sizeof(r->location));
	fx_keep_body(f, r->body);
}

static inline void fx_open(struct fx *f, const struct mw_coap_config *config)
{
	const struct mw_coap_config defaults = {0};
	const struct mw_hash_key key = {{11, 22}};
	memset(f, 0, sizeof(*f));
	f->now = 1000000;
	f->clock = (struct mw_clock){fx_mono, fx_wall, f};
	f->verdict = MW_COAP_ACK_NOW;
	f->answer = (struct mw_coap_response){.code = MW_COAP_CHANGED, .content_format = MW_COAP_NO_FORMAT};
	mw_log_init(&f->log, NULL, NULL, MW_LOG_ERROR);
	mw_wheel_init(&f->wheel, fx_mono(f), NULL);
	struct mw_coap_transport t = {fx_send, f};
	struct mw_coap_handlers h = {.request = fx_on_request,
		.notification = fx_on_notification,
		.observed = fx_on_observed,
		.heard = fx_on_heard,
		.ud = f};
	f->c = mw_coap_new(config ? config : &defaults, &t, &h, &f->wheel, &f->clock, &f->log, &key);
	if (!f->c)
		abort();
}

static inline void fx_close(struct fx *f)
{
	mw_coap_free(f->c);
}

static inline void fx_pass_ms(struct fx *f, int64_t ms)
{
	for (int64_t end = f->now + ms; f->now < end;) {
		f->now = end - f->now < MW_WHEEL_TICK_MS ? end : f->now + MW_WHEEL_TICK_MS;
		while (mw_wheel_run(&f->wheel, fx_mono(f), 100) == 100)
			;
	}
}

/** The oldest datagram that was not read yet, or NULL. The queue starts again when all are read. */
static inline struct fx_datagram *fx_next(struct fx *f)
{
	if (f->n_read == f->n_sent) {
		f->n_read = f->n_sent = 0;
		return NULL;
	}
	return &f->sent[f->n_read++];
}

static inline size_t fx_drop_all(struct fx *f)
{
	size_t n = f->n_sent - f->n_read;
	f->n_read = f->n_sent = 0;
	return n;
}

/** A message to feed in; what is zero or NULL is left out, numbers that may be zero carry + 1. */
struct fx_msg {
	uint8_t type, code;
	uint16_t mid;
	const char *token, *etag, *location, *path, *query;
	uint32_t observe_1, format_1;
	const struct mw_block *block2, *block1;
	uint32_t size1;
	uint16_t odd_option; /**< an option number to add with one byte, above 60 */
	struct mw_bytes payload;
};

static inline struct mw_coap_token fx_token(const char *text)
{
	struct mw_coap_token t = {.len = (uint8_t)(text ? strlen(text) : 0)};
	if (t.len)
		memcpy(t.bytes, text, t.len);
	return t;
}

static inline size_t fx_build(
	const struct fx_msg *m, const struct mw_coap_token *token, uint8_t *out, size_t cap)
{
	struct mw_buf b;
	struct mw_coap_writer w;
	mw_buf_init(&b, out, cap);
	mw_coap_begin(&w, &b, m->type, m->code, m->mid, token);
	if (m->etag)
		mw_coap_put_opt(&w, MW_OPT_ETAG, m->etag, strlen(m->etag));
	if (m->observe_1)
		mw_coap_put_uint(&w, MW_OPT_OBSERVE, m->observe_1 - 1);
	for (const char *p = m->location; p && *p;) {
		size_t n = strcspn(p, "/");
		mw_coap_put_opt(&w, MW_OPT_LOCATION_PATH, p, n);
		p += n + (p[n] == '/');
	}
	if (m->path)
		mw_coap_put_opt(&w, MW_OPT_URI_PATH, m->path, strlen(m->path));
	if (m->format_1)
		mw_coap_put_uint(&w, MW_OPT_CONTENT_FORMAT, m->format_1 - 1);
	if (m->query)
		mw_coap_put_opt(&w, MW_OPT_URI_QUERY, m->query, strlen(m->query));
	if (m->block2)
		mw_coap_put_block(&w, MW_OPT_BLOCK2, m->block2);
	if (m->block1)
		mw_coap_put_block(&w, MW_OPT_BLOCK1, m->block1);
	if (m->size1)
		mw_coap_put_uint(&w, MW_OPT_SIZE1, m->size1);
	if (m->odd_option)
		mw_coap_put_opt(&w, m->odd_option, "x", 1);
	if (mw_coap_end(&w, m->payload) < 0)
		abort();
	return b.len;
}

static inline void fx_input_as(
	struct fx *f, uint32_t peer, const struct fx_msg *m, const struct mw_coap_token *token)
{
	uint8_t bytes[2048];
	struct mw_addr from = fx_addr(peer);
	mw_coap_input(f->c, &from, bytes, fx_build(m, token, bytes, sizeof(bytes)));
}

static inline void fx_input(struct fx *f, uint32_t peer, struct fx_msg m)
{
	struct mw_coap_token token = fx_token(m.token);
	fx_input_as(f, peer, &m, &token);
}

/** Parses the oldest unread datagram; false when there is none. The message is valid until the queue
 * restarts. */
static inline bool fx_read(struct fx *f, struct mw_coap_msg *m)
{
	struct fx_datagram *d = fx_next(f);
	return d && mw_coap_parse(m, d->data, d->len) == MW_COAP_PARSED;
}

static inline struct mw_coap_send fx_request(uint32_t peer, uint8_t code, const char *path)
{
	return (struct mw_coap_send){.to = fx_addr(peer),
		.code = code,
		.text_path = path,
		.content_format = MW_COAP_NO_FORMAT,
		.accept = MW_COAP_NO_FORMAT,
		.observe = -1};
}
