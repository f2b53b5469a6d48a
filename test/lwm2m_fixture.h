/** @file lwm2m_fixture.h  A LwM2M server without sockets and disk: datagrams go into a queue, what should be
 * stored is written down, commits end when the test says so, and the test turns the clock. Shared by the
 * tests of src/lwm2m. */
#pragma once
#include "base/err.h"
#include "codec/format.h"
#include "lwm2m/observation.h"
#include "lwm2m/op.h"
#include "lwm2m/registration.h"
#include "lwm2m/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { LX_QUEUE = 256, LX_ROWS = 512, LX_TEXT = 512 };

struct lx_datagram {
	struct mw_addr to;
	uint8_t data[2048];
	size_t len;
};

/** One call of the durable interface, and what the device was like then. */
struct lx_row {
	char what[24]; /**< "put device", "delete registration", "commit", ... */
	int64_t device;
	uint64_t location, token;
	uint32_t lifetime_s;
	uint16_t format;
	struct mw_addr addr;
	struct mw_path path;
};

struct lx_commit {
	mw_durable_cb *cb;
	void *ud;
	uint8_t ticket[96];
};

struct lx_event {
	enum mw_event_kind kind;
	struct mw_device_ref dev;
	bool objects_changed;
	enum mw_source source;
	struct mw_path path;
	size_t n_nodes;
};

struct lx_result {
	int err;
	uint8_t code;
	size_t n_nodes;
	char value[64], text[512];
	struct mw_path path;
	struct mw_device_ref dev;
};

struct lx {
	struct mw_clock clock;
	int64_t now;
	struct mw_wheel wheel;
	struct mw_log log;
	struct mw_hash_key key;
	struct mw_lwm2m *l;
	struct lx_datagram sent[LX_QUEUE];
	size_t n_sent, n_read;
	struct lx_row rows[LX_ROWS];
	size_t n_rows;
	struct lx_commit commits[64];
	size_t n_commits;
	int put_fails, commit_fails; /**< returned by puts, by commit */
	struct lx_event events[LX_QUEUE];
	size_t n_events;
	int rows_of_values; /**< what the listener returns for values */
	void (*on_values)(struct lx *f);
	struct lx_result results[LX_QUEUE];
	size_t n_results;
	void (*on_result)(struct lx *f);
	uint16_t mid;
	char text[LX_TEXT];
};

static inline struct mw_mono lx_mono(void *ud)
{
	return (struct mw_mono){((struct lx *)ud)->now};
}

static inline struct mw_wall lx_wall(void *ud)
{
	return (struct mw_wall){((struct lx *)ud)->now + INT64_C(1700000000000)};
}

static inline int lx_send(void *ud, const struct mw_addr *to, const uint8_t *data, size_t len)
{
	struct lx *f = ud;
	assert_true(f->n_sent < LX_QUEUE && len <= sizeof(f->sent[0].data));
	struct lx_datagram *d = &f->sent[f->n_sent++];
	d->to = *to;
	d->len = len;
	memcpy(d->data, data, len);
	return 0;
}

/* ---- the disk ---- */

static inline struct lx_row *lx_note(struct lx *f, const char *what)
{
	assert_true(f->n_rows < LX_ROWS);
	struct lx_row *r = &f->rows[f->n_rows++];
	*r = (struct lx_row){.device = 0};
	snprintf(r->what, sizeof(r->what), "%s", what);
	return r;
}

static inline int lx_put_device(void *ud, const struct mw_device *d)
{
	struct lx *f = ud;
	if (!f->put_fails)
		lx_note(f, "put device")->device = d->id;
	return f->put_fails;
}

static inline int lx_put_registration(void *ud, const struct mw_device *d)
{
	struct lx *f = ud;
	if (f->put_fails)
		return f->put_fails;
	struct lx_row *r = lx_note(f, "put registration");
	r->device = d->id;
	r->location = d->location;
	r->lifetime_s = d->lifetime_s;
	r->addr = d->addr;
	assert_true(d->location && d->links && d->links->raw_len);
	return 0;
}

static inline int lx_delete_registration(void *ud, const struct mw_device *d)
{
	struct lx *f = ud;
	if (!f->put_fails)
		lx_note(f, "delete registration")->device = d->id;
	return f->put_fails;
}

static inline int lx_put_observation(void *ud, const struct mw_device *d, const struct mw_observation *o)
{
	struct lx *f = ud;
	if (f->put_fails)
		return f->put_fails;
	struct lx_row *r = lx_note(f, "put observation");
	r->device = d->id;
	r->token = o->token;
	r->path = o->path;
	r->format = o->format;
	return 0;
}

static inline int lx_delete_observation(void *ud, const struct mw_observation *o)
{
	struct lx *f = ud;
	if (!f->put_fails)
		lx_note(f, "delete observation")->token = o->token;
	return f->put_fails;
}

static inline int lx_delete_observations_of(void *ud, const struct mw_device *d)
{
	struct lx *f = ud;
	if (!f->put_fails)
		lx_note(f, "delete observations")->device = d->id;
	return f->put_fails;
}

static inline int lx_commit(void *ud, mw_durable_cb *cb, void *cb_ud, const void *ticket, size_t len)
{
	struct lx *f = ud;
	if (f->commit_fails)
		return f->commit_fails;
	assert_true(len <= sizeof(f->commits[0].ticket) && f->n_commits < 64);
	lx_note(f, "commit");
	struct lx_commit *c = &f->commits[f->n_commits++];
	*c = (struct lx_commit){.cb = cb, .ud = cb_ud};
	memcpy(c->ticket, ticket, len);
	return 0;
}

/** Ends the @p n oldest commits with @p status. */
static inline void lx_end_commits(struct lx *f, size_t n, int status)
{
	for (; n; n--) {
		assert_true(f->n_commits > 0);
		struct lx_commit c = f->commits[0];
		memmove(f->commits, f->commits + 1, --f->n_commits * sizeof(c));
		c.cb(c.ud, c.ticket, status);
	}
}

static inline void lx_end_all_commits(struct lx *f, int status)
{
	lx_end_commits(f, f->n_commits, status);
}

/** How often @p what was asked for since the last lx_forget. */
static inline size_t lx_count(const struct lx *f, const char *what)
{
	size_t n = 0;
	for (size_t i = 0; i < f->n_rows; i++)
		n += !strcmp(f->rows[i].what, what);
	return n;
}

/** The last call of @p what. */
static inline const struct lx_row *lx_row(const struct lx *f, const char *what)
{
	for (size_t i = f->n_rows; i-- > 0;)
		if (!strcmp(f->rows[i].what, what))
			return &f->rows[i];
	fail_msg("no \"%s\"", what);
	return NULL;
}

/* ---- listeners ---- */

static inline int lx_on_event(void *ud, const struct mw_event *ev)
{
	struct lx *f = ud;
	assert_true(f->n_events < LX_QUEUE);
	f->events[f->n_events++] = (struct lx_event){.kind = ev->kind,
		.dev = ev->dev,
		.objects_changed = ev->objects_changed,
		.source = ev->source,
		.path = ev->path,
		.n_nodes = ev->n_nodes};
	if (ev->kind == MW_EVENT_VALUES && f->on_values)
		f->on_values(f);
	return ev->kind == MW_EVENT_VALUES ? f->rows_of_values : 0;
}

static inline void lx_on_result(
	void *ud, struct mw_device_ref dev, const struct mw_path *path, const struct mw_result *res)
{
	struct lx *f = ud;
	assert_true(f->n_results < LX_QUEUE);
	struct lx_result *r = &f->results[f->n_results++];
	*r = (struct lx_result){
		.err = res->err, .code = res->code, .n_nodes = res->n_nodes, .path = *path, .dev = dev};
	snprintf(r->text, sizeof(r->text), "%s", res->text);
	if (res->n_nodes) {
		struct mw_buf b;
		mw_buf_init(&b, r->value, sizeof(r->value) - 1);
		mw_value_print(&res->nodes[0].value, &b);
	}
	if (f->on_result)
		f->on_result(f);
}

/* ---- life ---- */

static inline void lx_start(struct lx *f, const struct mw_lwm2m_config *config)
{
	struct mw_coap_transport transport = {lx_send, f};
	struct mw_durable durable = {lx_put_device, lx_put_registration, lx_delete_registration,
		lx_put_observation, lx_delete_observation, lx_delete_observations_of, lx_commit, f};
	mw_wheel_init(&f->wheel, lx_mono(f), NULL);
	f->l = mw_lwm2m_new(
		config, &transport, &durable, lx_on_event, f, &f->wheel, &f->clock, &f->log, &f->key, NULL);
	assert_non_null(f->l);
	f->wheel.ud = f->l;
}

static inline struct mw_lwm2m_config lx_config(void)
{
	return (struct mw_lwm2m_config){.lifetime_grace_s = 93,
		.default_lifetime_s = 86400,
		.max_devices = 1000,
		.max_observations_per_device = 8};
}

static inline int lx_setup(void **state)
{
	struct lx *f = calloc(1, sizeof(*f));
	struct mw_lwm2m_config config = lx_config();
	f->now = 1000000;
	f->clock = (struct mw_clock){lx_mono, lx_wall, f};
	f->key = (struct mw_hash_key){{11, 22}};
	f->mid = 100;
	mw_log_init(&f->log, NULL, NULL, MW_LOG_ERROR);
	lx_start(f, &config);
	*state = f;
	return 0;
}

static inline int lx_teardown(void **state)
{
	struct lx *f = *state;
	mw_lwm2m_free(f->l);
	free(f);
	return 0;
}

/** Another server over the same, empty "disk": nothing but what the test restores is known. */
static inline void lx_restart(struct lx *f)
{
	struct mw_lwm2m_config config = f->l->config;
	mw_lwm2m_free(f->l);
	f->n_commits = f->n_rows = f->n_sent = f->n_read = f->n_events = f->n_results = 0;
	lx_start(f, &config);
}

static inline void lx_forget(struct lx *f)
{
	f->n_rows = f->n_sent = f->n_read = f->n_events = f->n_results = 0;
}

static inline void lx_pass_ms(struct lx *f, int64_t ms)
{
	int64_t end = f->now + ms;
	while (f->now < end) {
		int64_t wait = mw_wheel_next_ms(&f->wheel, lx_mono(f));
		int64_t step = wait < 0 || wait > end - f->now ? end - f->now : wait ? wait : 1;
		f->now += step;
		while (mw_wheel_run(&f->wheel, lx_mono(f), 100) == 100)
			;
	}
}

/* ---- datagrams ---- */

static inline struct mw_addr lx_addr(uint32_t n)
{
	struct mw_addr a = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10}, .port = 5683};
	a.ip[14] = (uint8_t)(n >> 8);
	a.ip[15] = (uint8_t)n;
	return a;
}

/** A message from a device; what is zero or NULL is left out, numbers that may be zero carry + 1. */
struct lx_msg {
	uint8_t type, code;
	uint16_t mid;                      /**< 0: the next one */
	const struct mw_coap_token *token; /**< NULL: "tk" */
	const char *path, *query;          /**< cut at '/' and at '&' */
	uint32_t observe_1, format_1;
	const struct mw_block *block1, *block2;
	const char *payload;
	size_t payload_len; /**< 0: strlen */
};

static inline void lx_put_parts(struct mw_coap_writer *w, uint16_t option, const char *text, char separator)
{
	const char set[2] = {separator, 0};
	while (text && *text) {
		size_t n = strcspn(text, set);
		mw_coap_put_opt(w, option, text, n);
		text += n + (text[n] != 0);
	}
}

/** @return its message id */
static inline uint16_t lx_input(struct lx *f, uint32_t peer, struct lx_msg m)
{
	static const struct mw_coap_token tk = {2, "tk"};
	uint8_t bytes[2048];
	struct mw_buf b;
	struct mw_coap_writer w;
	uint16_t mid = m.mid ? m.mid : ++f->mid;
	mw_buf_init(&b, bytes, sizeof(bytes));
	mw_coap_begin(&w, &b, m.type, m.code, mid, m.token ? m.token : &tk);
	if (m.observe_1)
		mw_coap_put_uint(&w, MW_OPT_OBSERVE, m.observe_1 - 1);
	lx_put_parts(&w, MW_OPT_URI_PATH, m.path, '/');
	if (m.format_1)
		mw_coap_put_uint(&w, MW_OPT_CONTENT_FORMAT, m.format_1 - 1);
	lx_put_parts(&w, MW_OPT_URI_QUERY, m.query, '&');
	if (m.block2)
		mw_coap_put_block(&w, MW_OPT_BLOCK2, m.block2);
	if (m.block1)
		mw_coap_put_block(&w, MW_OPT_BLOCK1, m.block1);
	size_t len = m.payload && !m.payload_len ? strlen(m.payload) : m.payload_len;
	assert_int_equal(mw_coap_end(&w, (struct mw_bytes){(const uint8_t *)m.payload, len}), 0);
	struct mw_datagram d = {lx_addr(peer), bytes, b.len};
	mw_lwm2m_input_batch(f->l, &d, 1);
	return mid;
}

static inline void lx_describe_options(const struct mw_coap_msg *m, char *out, size_t cap)
{
	static const struct {
		uint16_t number;
		const char *name;
		char kind;
	} known[] = {{MW_OPT_OBSERVE, "observe", 'u'}, {MW_OPT_LOCATION_PATH, "location", '/'},
		{MW_OPT_URI_PATH, "path", '/'}, {MW_OPT_CONTENT_FORMAT, "format", 'u'},
		{MW_OPT_MAX_AGE, "max-age", 'u'}, {MW_OPT_URI_QUERY, "query", '&'}, {MW_OPT_ACCEPT, "accept", 'u'},
		{MW_OPT_BLOCK1, "block1", 'u'}, {MW_OPT_BLOCK2, "block2", 'u'}};
	uint16_t last = 0;
	size_t n = strlen(out);
	for (size_t i = 0; i < m->n_options; last = m->options[i++].number) {
		const struct mw_coap_opt *o = &m->options[i];
		const char *name = "unknown";
		char kind = '?';
		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			if (known[k].number == o->number)
				name = known[k].name, kind = known[k].kind;
		if (o->number != last)
			n += (size_t)snprintf(out + n, cap - n, " %s=", name);
		else if (kind == '&')
			n += (size_t)snprintf(out + n, cap - n, "&");
		uint32_t v = 0;
		for (size_t k = 0; k < o->len && kind == 'u'; k++)
			v = v << 8 | o->value[k];
		if (kind == 'u')
			n += (size_t)snprintf(out + n, cap - n, "%u", v);
		else
			n += (size_t)snprintf(
				out + n, cap - n, "%s%.*s", kind == '/' ? "/" : "", (int)o->len, (const char *)o->value);
	}
}

/** Takes the oldest unread datagram and gives it as "ACK 2.01 #101 location=/rd/..."; "" when there is none.
 * @p m may be NULL; it is valid until the queue starts again. */
static inline const char *lx_next(struct lx *f, struct mw_coap_msg *m)
{
	static const char *const types[] = {"CON", "NON", "ACK", "RST"};
	struct mw_coap_msg own;
	char code[5];
	m = m ? m : &own;
	f->text[0] = 0;
	if (f->n_read == f->n_sent) {
		f->n_read = f->n_sent = 0;
		return f->text;
	}
	const struct lx_datagram *d = &f->sent[f->n_read++];
	assert_int_equal(mw_coap_parse(m, d->data, d->len), MW_COAP_PARSED);
	if (mw_coap_is_request(m->code)) /* ids of ours are random */
		snprintf(f->text, sizeof(f->text), "%s %s", types[m->type], mw_coap_code_print(m->code, code));
	else
		snprintf(
			f->text, sizeof(f->text), "%s %s #%u", types[m->type], mw_coap_code_print(m->code, code), m->mid);
	lx_describe_options(m, f->text, sizeof(f->text));
	return f->text;
}

/** The next datagram must look so; "%u" in @p format is a message id. */
#define lx_expect(f, m, ...)                                                                                 \
	do {                                                                                                     \
		char wanted_[LX_TEXT];                                                                               \
		snprintf(wanted_, sizeof(wanted_), __VA_ARGS__);                                                     \
		assert_string_equal(lx_next(f, m), wanted_);                                                         \
	} while (0)
#define lx_expect_silence(f) assert_string_equal(lx_next(f, NULL), "")

/** The device's answer to @p rq, with its ACK. */
static inline void lx_answer(struct lx *f, uint32_t peer, const struct mw_coap_msg *rq, struct lx_msg m)
{
	struct mw_coap_token token = rq->token;
	m.type = MW_COAP_ACK;
	m.mid = rq->mid;
	m.token = &token;
	lx_input(f, peer, m);
}

/* ---- registration ---- */

#define LX_LINKS "</1/0>,</3/0>,</3303/0>"

static inline uint16_t lx_register_query(struct lx *f, uint32_t peer, const char *query, const char *links)
{
	return lx_input(f, peer,
		(struct lx_msg){
			.code = MW_COAP_POST, .path = "rd", .query = query, .format_1 = 41, .payload = links});
}

static inline struct mw_device *lx_find(struct lx *f, const char *endpoint)
{
	return mw_devices_find(&f->l->devices, endpoint, strlen(endpoint));
}

/** Registers with the query "ep=...", whatever else, commits and checks the answer. What was noted is
 * forgotten. */
static inline struct mw_device *lx_register(struct lx *f, uint32_t peer, const char *query, const char *links)
{
	char endpoint[64] = "", location[MW_LOCATION_TEXT_MAX];
	assert_int_equal(sscanf(query, "ep=%63[^&]", endpoint), 1);
	uint16_t mid = lx_register_query(f, peer, query, links ? links : LX_LINKS);
	lx_expect_silence(f);
	lx_end_all_commits(f, 0);
	struct mw_device *d = lx_find(f, endpoint);
	assert_true(d && mw_device_is_registered(d));
	mw_location_print(d->location, location);
	lx_expect(f, NULL, "ACK 2.01 #%u location=/rd/%s", mid, location);
	lx_forget(f);
	return d;
}

/** "rd/<location>" of a device, in @p out (20 bytes). */
static inline const char *lx_location(const struct mw_device *d, char *out)
{
	memcpy(out, "rd/", 3);
	mw_location_print(d->location, out + 3);
	return out;
}

static inline struct mw_path lx_path(const char *text)
{
	struct mw_path path;
	assert_int_equal(mw_path_parse(&path, text, strlen(text)), 0);
	return path;
}

/** An observation as it comes back from the store. */
static inline struct mw_observation *lx_observed(
	struct lx *f, struct mw_device *d, const char *path, uint64_t token)
{
	struct mw_path p = lx_path(path);
	assert_int_equal(mw_observation_restore(f->l, d, &p, token, MW_FORMAT_TEXT), 0);
	return mw_observation_find(f->l, d, &p);
}

/* ---- operations ---- */

#define LX_VALUE "/3303/0/5700"

static inline int64_t lx_read(struct lx *f, struct mw_device *d, const char *path)
{
	struct mw_path p = lx_path(path);
	struct mw_errbuf why = {0};
	int64_t id = mw_op_read(f->l, d, &p, lx_on_result, f, &why);
	assert_int_equal(id < 0, why.text[0] != 0); /* a failure says why */
	return id;
}

static inline int64_t lx_observe(struct lx *f, struct mw_device *d, const char *path)
{
	struct mw_path p = lx_path(path);
	struct mw_errbuf why = {0};
	int64_t id = mw_op_observe(f->l, d, &p, lx_on_result, f, &why);
	assert_int_equal(id < 0, why.text[0] != 0);
	return id;
}

static inline int64_t lx_cancel(struct lx *f, struct mw_device *d, const char *path, enum mw_cancel_way way)
{
	struct mw_path p = lx_path(path);
	struct mw_errbuf why = {0};
	int64_t id = mw_op_cancel_observe(f->l, d, &p, way, lx_on_result, f, &why);
	assert_int_equal(id < 0, why.text[0] != 0);
	return id;
}

static inline const struct lx_result *lx_last_result(const struct lx *f)
{
	assert_true(f->n_results > 0);
	return &f->results[f->n_results - 1];
}

/** De-registers, expires or registers anew: the three ways in which a registration ends. */
enum lx_end { LX_DEREGISTER, LX_EXPIRE, LX_REGISTER_AGAIN, LX_N_ENDS };

static inline void lx_end_registration(struct lx *f, uint32_t peer, struct mw_device *d, enum lx_end how)
{
	char text[80];
	if (how == LX_DEREGISTER) {
		lx_input(f, peer, (struct lx_msg){.code = MW_COAP_DELETE, .path = lx_location(d, text)});
	} else if (how == LX_EXPIRE) {
		d->expires_ms = f->now; /* its timer looks here */
		d->timer.cb(&d->timer, f->l);
	} else {
		snprintf(text, sizeof(text), "ep=%s&lwm2m=1.1", d->endpoint);
		lx_register_query(f, peer, text, LX_LINKS);
	}
}
