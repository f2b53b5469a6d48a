/* Devices, operators and the disk do what they like, in any order, for a long time: each operation ends
 * exactly once, what is in the tables always agrees, and at the end nothing is left. */
#include "lwm2m_fixture.h"

enum { N_DEVICES = 6, N_PATHS = 5, STEPS = 40000 };

struct storm {
	struct lx *f;
	uint64_t x;
	int started, ended;
	int64_t recent[16];                  /* ids of operations, ended or not */
	struct mw_coap_msg asked[N_DEVICES]; /* what a device was asked last */
	bool has_asked[N_DEVICES];
	struct mw_coap_token tokens[32];
	unsigned n_tokens;
};

static unsigned draw(struct storm *s, unsigned n)
{
	s->x ^= s->x << 13;
	s->x ^= s->x >> 7;
	s->x ^= s->x << 17;
	return (unsigned)(s->x >> 33) % n;
}

static int64_t start(struct storm *s);

static void on_end(
	void *ud, struct mw_device_ref dev, const struct mw_path *path, const struct mw_result *res)
{
	struct storm *s = ud;
	(void)dev;
	s->ended++;
	assert_true(path->depth > 0 && res->text);
	if (draw(s, 4) == 0) /* scripts start the next thing right here */
		start(s);
	if (draw(s, 8) == 0)
		mw_op_abort(s->f->l, s->recent[draw(s, 16)]);
}

static struct mw_device *some_device(struct storm *s, unsigned n)
{
	const char name[2] = {(char)('a' + n), 0};
	return lx_find(s->f, name);
}

static int64_t start(struct storm *s)
{
	static const char *const paths[N_PATHS] = {"/3303/0/5700", "/3303/0/5701", "/3/0/9", "/3/0", "/0/0"};
	struct mw_path path = lx_path(paths[draw(s, N_PATHS)]);
	struct mw_device *d = some_device(s, draw(s, N_DEVICES));
	struct mw_errbuf why = {0};
	struct mw_lwm2m *l = s->f->l;
	int64_t id = MW_E_NOTFOUND;
	unsigned what = draw(s, 8);
	if (!d)
		return id;
	s->started++; /* before: a callback might be wrong enough to come inside */
	if (what < 3)
		id = mw_op_observe(l, d, &path, on_end, s, &why);
	else if (what < 5)
		id = mw_op_read(l, d, &path, on_end, s, &why);
	else if (what < 7)
		id = mw_op_cancel_observe(
			l, d, &path, what == 5 ? MW_CANCEL_RESET : MW_CANCEL_REQUEST, on_end, s, &why);
	else
		id = mw_op_write_attributes(l, d, &path, "pmin=1", on_end, s, &why);
	assert_true(id > 0 || (id < 0 && why.text[0]));
	if (id < 0)
		s->started--;
	else
		s->recent[draw(s, 16)] = id;
	return id;
}

static void speak_to_server(struct storm *s)
{
	static const char *const updates[] = {NULL, "lt=30", "lt=0", "lt=900", "Q", "b=UT", "lt=x"};
	static const char *const lists[] = {LX_LINKS, "</5/0>", "</>;rt=\"oma.lwm2m\";ct=112,</3/0>", "rubbish"};
	char text[64];
	unsigned n = draw(s, N_DEVICES);
	uint32_t from = draw(s, 10) ? n : n + 50;
	struct mw_device *d = some_device(s, n);
	unsigned what = draw(s, 8);
	if (draw(s, 40) == 0 || !d || !mw_device_is_registered(d)) {
		snprintf(text, sizeof(text), "ep=%c&lwm2m=1.%u&lt=%u", 'a' + n, draw(s, 4), draw(s, 3) * 40);
		lx_register_query(s->f, n, text, lists[draw(s, 4)]);
	} else if (what == 1 && draw(s, 3) == 0) {
		lx_input(s->f, from, (struct lx_msg){.code = MW_COAP_DELETE, .path = lx_location(d, text)});
	} else if (what < 4) {
		lx_input(s->f, from,
			(struct lx_msg){.code = MW_COAP_POST,
				.path = lx_location(d, text),
				.query = updates[draw(s, 7)],
				.payload = draw(s, 3) ? NULL : lists[draw(s, 4)]});
	} else if (s->n_tokens) {
		lx_input(s->f, from,
			(struct lx_msg){.type = (uint8_t)draw(s, 2),
				.code = draw(s, 12) ? MW_COAP_CONTENT : MW_COAP_NOT_FOUND,
				.token = &s->tokens[draw(s, s->n_tokens)],
				.observe_1 = draw(s, 5) ? draw(s, 1000) + 1 : 0,
				.format_1 = draw(s, 4) ? 1 : MW_FORMAT_TLV + 1,
				.payload = "22.5"});
	}
}

/* Reads what was sent: requests to devices are remembered, the rest is let go. */
static void receive(struct storm *s)
{
	struct lx *f = s->f;
	while (f->n_read < f->n_sent) {
		const struct lx_datagram *d = &f->sent[f->n_read++];
		struct mw_coap_msg m;
		assert_int_equal(mw_coap_parse(&m, d->data, d->len), MW_COAP_PARSED);
		unsigned n = d->to.ip[15];
		if (!mw_coap_is_request(m.code) || n >= N_DEVICES)
			continue;
		s->asked[n] = m;
		s->has_asked[n] = true;
		if (mw_coap_find(&m, MW_OPT_OBSERVE)) {
			s->tokens[s->n_tokens < 32 ? s->n_tokens++ : draw(s, 32)] = m.token;
		}
	}
	f->n_read = f->n_sent = 0;
}

static void answer(struct storm *s)
{
	static const uint8_t codes[] = {MW_COAP_CONTENT, MW_COAP_CONTENT, MW_COAP_CONTENT, MW_COAP_NOT_ACCEPTABLE,
		MW_COAP_NOT_FOUND, MW_COAP_UNSUPPORTED_FORMAT};
	unsigned n = draw(s, N_DEVICES);
	if (!s->has_asked[n])
		return;
	s->has_asked[n] = draw(s, 5) == 0; /* or it answers again */
	if (draw(s, 10) == 0) {
		lx_input(s->f, n,
			(struct lx_msg){
				.type = MW_COAP_RST, .mid = s->asked[n].mid, .token = &(struct mw_coap_token){.len = 0}});
		return;
	}
	uint8_t code = codes[draw(s, 6)];
	lx_answer(s->f, n, &s->asked[n],
		(struct lx_msg){.code = code,
			.observe_1 = code == MW_COAP_CONTENT && draw(s, 4) ? draw(s, 1000) + 1 : 0,
			.format_1 = 1,
			.payload = "21.5"});
}

static void check_tables(const struct storm *s)
{
	struct mw_lwm2m *l = s->f->l;
	struct mw_device_ref at = {0};
	struct mw_device *d;
	uint32_t observations = 0, ops = 0, registered = 0;
	while ((d = mw_devices_next(&l->devices, &at))) {
		uint32_t n = 0;
		for (uint32_t i = d->first_observation; i != MW_POOL_NONE; n++)
			i = ((struct mw_observation *)mw_pool_at(&l->observations, i))->next;
		assert_int_equal(n, d->n_observations);
		for (uint32_t i = d->first_op; i != MW_POOL_NONE; ops++)
			i = ((struct mw_op *)mw_pool_at(&l->ops, i))->next;
		observations += n;
		registered += mw_device_is_registered(d);
		assert_int_equal(mw_device_is_registered(d), d->links != NULL);
		if (!mw_device_is_registered(d))
			assert_true(!n && !d->announced && !mw_timer_is_armed(&d->timer) && d->first_op == MW_POOL_NONE);
		else
			assert_true(mw_timer_is_armed(&d->timer) == (d->lifetime_s != 0));
		assert_true(!d->announced || d->reported);
	}
	assert_int_equal(observations, l->observations.n_used);
	assert_int_equal(ops, l->ops.n_used);
	assert_int_equal(registered, l->devices.by_location.count);
	assert_int_equal(s->started - s->ended, ops);
	assert_true(l->devices.lists.pool.n_used <= registered);
}

static void test_storm(void **state)
{
	struct lx *f = *state;
	static struct storm s; /* callbacks of the teardown would still look at it if something failed */
	s = (struct storm){.f = f, .x = 20260601};
	for (int step = 0; step < STEPS; step++) {
		unsigned what = draw(&s, 16);
		f->n_rows = f->n_events = 0;
		f->put_fails = draw(&s, 40) ? 0 : MW_E_FULL;
		f->commit_fails = draw(&s, 40) ? 0 : MW_E_NOMEM;
		f->rows_of_values = (int)draw(&s, 3) - (draw(&s, 30) == 0);
		if (what < 5)
			speak_to_server(&s);
		else if (what < 8)
			answer(&s);
		else if (what < 11)
			start(&s);
		else if (what == 11)
			mw_op_abort(f->l, s.recent[draw(&s, 16)]);
		else if (f->n_commits && (what < 14 || f->n_commits > 40))
			lx_end_commits(f, draw(&s, (unsigned)f->n_commits) + 1, draw(&s, 10) ? 0 : MW_E_IO);
		else
			lx_pass_ms(f, draw(&s, 60) ? draw(&s, 500) : draw(&s, 200000));
		receive(&s);
		check_tables(&s);
	}
	assert_true(s.started > STEPS / 16); /* or it was a calm */
	assert_true(
		f->l->stats.registrations > 100 && f->l->stats.expirations > 10 && f->l->stats.deregistrations > 10);
	assert_true(mw_coap_stats(f->l->coap)->notifications > 100);
	struct mw_lwm2m_config config = f->l->config;
	mw_lwm2m_free(f->l);
	assert_int_equal(s.started, s.ended);
	f->n_commits = 0;
	lx_start(f, &config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_storm, lx_setup, lx_teardown)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
