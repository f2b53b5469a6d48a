#include "lwm2m_fixture.h"

enum { DEV = 1, OTHER = 2 };

/* 21.5 as a float resource 5700, and as SenML CBOR [{0: "/3303/0/5700", 2: 21.5}]. */
#define TLV_VALUE "\xe4\x16\x44\x41\xac\0\0"
#define CBOR_VALUE "\x81\xa2\x00\x6c/3303/0/5700\x02\xfb\x40\x35\x80\0\0\0\0\0"

static const struct lx_msg text_value = {
	.code = MW_COAP_CONTENT, .format_1 = MW_FORMAT_TEXT + 1, .payload = "21.5"};
static const struct lx_msg tlv_value = {.code = MW_COAP_CONTENT,
	.format_1 = MW_FORMAT_TLV + 1,
	.payload = TLV_VALUE,
	.payload_len = sizeof(TLV_VALUE) - 1};
static const struct lx_msg cbor_value = {.code = MW_COAP_CONTENT,
	.format_1 = MW_FORMAT_SENML_CBOR + 1,
	.payload = CBOR_VALUE,
	.payload_len = sizeof(CBOR_VALUE) - 1};

static struct mw_device *device(struct lx *f)
{
	return lx_register(f, DEV, "ep=a&lwm2m=1.1&lt=100000", NULL);
}

static void refuse(struct lx *f, const struct mw_coap_msg *rq, uint8_t code)
{
	lx_answer(f, DEV, rq, (struct lx_msg){.code = code});
}

static void test_read(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	assert_true(lx_read(f, d, LX_VALUE) > 0);
	lx_expect(f, &m, "CON 0.01 path=/3303/0/5700 accept=112");
	assert_int_equal(f->n_results, 0);
	f->now += 5000;
	lx_answer(f, DEV, &m, cbor_value);
	assert_int_equal(f->n_results, 1);
	const struct lx_result *r = lx_last_result(f);
	assert_int_equal(r->err, 0);
	assert_int_equal(r->code, MW_COAP_CONTENT);
	assert_int_equal(r->n_nodes, 1);
	assert_string_equal(r->value, "21.5");
	assert_int_equal(f->n_events, 1);
	assert_int_equal(f->events[0].kind, MW_EVENT_VALUES);
	assert_int_equal(f->events[0].source, MW_SOURCE_READ);
	assert_int_equal(f->events[0].n_nodes, 1);
	assert_int_equal(d->heard_ms, f->now);
	lx_pass_ms(f, 300000);
	lx_expect_silence(f);
	assert_int_equal(f->n_rows, 0); /* reading stores nothing */
	assert_int_equal(f->l->ops.n_used, 0);
}

static void test_what_is_asked_for_first(void **state)
{
	struct lx *f = *state;
	static const struct {
		const char *query, *links, *request;
	} rows[] = {
		{"ep=a&lwm2m=1.0", "</3/0>", "CON 0.01 path=/3/0/9 accept=11542"},
		{"ep=b&lwm2m=1.1", "</3/0>", "CON 0.01 path=/3/0/9 accept=112"},
		{"ep=c&lwm2m=1.2", "</3/0>", "CON 0.01 path=/3/0/9 accept=112"},
		{"ep=d&lwm2m=1.1", "</>;rt=\"oma.lwm2m\";ct=110,</3/0>", "CON 0.01 path=/3/0/9 accept=11542"},
		{"ep=e&lwm2m=1.0", "</>;rt=\"oma.lwm2m\";ct=\"110 112\",</3/0>", "CON 0.01 path=/3/0/9 accept=112"},
		{"ep=f&lwm2m=1.1", "</m>;rt=\"oma.lwm2m\",</m/3/0>", "CON 0.01 path=/m/3/0/9 accept=112"},
		{"ep=g&lwm2m=1.0", "</a/b>;rt=\"oma.lwm2m\",</3/0>", "CON 0.01 path=/a/b/3/0/9 accept=11542"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mw_device *d = lx_register(f, (uint32_t)(10 + i), rows[i].query, rows[i].links);
		assert_true(lx_read(f, d, "/3/0/9") > 0);
		lx_expect(f, NULL, "%s", rows[i].request);
	}
}

static void test_format_negotiation(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	lx_read(f, d, LX_VALUE);
	lx_expect(f, &m, "CON 0.01 path=/3303/0/5700 accept=112");
	refuse(f, &m, MW_COAP_NOT_ACCEPTABLE);
	lx_expect(f, &m, "CON 0.01 path=/3303/0/5700 accept=11542");
	assert_int_equal(f->n_results, 0);
	lx_answer(f, DEV, &m, tlv_value);
	assert_int_equal(lx_last_result(f)->code, MW_COAP_CONTENT);
	assert_int_equal(d->format, MW_FORMAT_TLV);
	/* what worked is asked for first from now on; then everything in turn, 4.15 being as good as 4.06 */
	static const char *const order[] = {" accept=11542", " accept=112", " accept=11542", ""};
	lx_read(f, d, LX_VALUE);
	for (size_t i = 0; i < 4; i++) {
		lx_expect(f, &m, "CON 0.01 path=/3303/0/5700%s", order[i]);
		assert_int_equal(f->n_results, 1);
		refuse(f, &m, i % 2 ? MW_COAP_NOT_ACCEPTABLE : MW_COAP_UNSUPPORTED_FORMAT);
	}
	assert_int_equal(f->n_results, 2);
	assert_int_equal(lx_last_result(f)->err, 0);
	assert_int_equal(lx_last_result(f)->code, MW_COAP_NOT_ACCEPTABLE);
	lx_expect_silence(f);
	/* per device, and until it registers anew */
	struct mw_device *other = lx_register(f, OTHER, "ep=b&lwm2m=1.1", NULL);
	lx_read(f, other, LX_VALUE);
	lx_expect(f, NULL, "CON 0.01 path=/3303/0/5700 accept=112");
	d = device(f);
	lx_read(f, d, LX_VALUE);
	lx_expect(f, NULL, "CON 0.01 path=/3303/0/5700 accept=112");
}

/* A device that takes no Accept at all answers as it likes; nothing is concluded from that for other paths.
 */
static void test_format_that_the_device_chose(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	lx_read(f, d, LX_VALUE);
	for (int i = 0; i < 2; i++) {
		lx_next(f, &m);
		refuse(f, &m, MW_COAP_NOT_ACCEPTABLE);
	}
	lx_expect(f, &m, "CON 0.01 path=/3303/0/5700");
	lx_answer(f, DEV, &m, text_value);
	assert_string_equal(lx_last_result(f)->value, "21.5");
	assert_int_equal(d->format, MW_FORMAT_NONE);
}

static void test_refused_here(void **state)
{
	struct lx *f = *state;
	static const struct {
		const char *path;
		int rc_1_0, rc_1_1;
	} rows[] = {
		{"/", MW_E_PATH, MW_E_PATH},
		{"/0", MW_E_PATH, MW_E_PATH},
		{"/0/0/1", MW_E_PATH, MW_E_PATH},
		{"/21", MW_E_PATH, MW_E_PATH},
		{"/21/0", MW_E_PATH, MW_E_PATH},
		{"/3/0/7/1", MW_E_PATH, 1},
		{"/3/0/7", 1, 1},
		{"/3", 1, 1},
	};
	struct mw_device *old = lx_register(f, DEV, "ep=old&lwm2m=1.0", NULL);
	struct mw_device *new = lx_register(f, OTHER, "ep=new&lwm2m=1.1", NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t a = lx_read(f, old, rows[i].path), b = lx_read(f, new, rows[i].path);
		if ((a > 0 ? 1 : a) != rows[i].rc_1_0 || (b > 0 ? 1 : b) != rows[i].rc_1_1)
			fail_msg("%s: %d %d", rows[i].path, (int)a, (int)b);
		a = a < 0 ? lx_observe(f, old, rows[i].path) : 0;
		if (a && a != rows[i].rc_1_0)
			fail_msg("observe %s: %d", rows[i].path, (int)a);
	}
	assert_int_equal(f->n_results, 0);
	assert_int_equal(f->n_rows, 0);
}

static void test_unregistered(void **state)
{
	struct lx *f = *state;
	char path[20];
	lx_register_query(f, DEV, "ep=a&lwm2m=1.1", LX_LINKS);
	struct mw_device *d = lx_find(f, "a");
	assert_int_equal(lx_read(f, d, LX_VALUE), MW_E_STATE); /* its 2.01 has not left yet */
	lx_end_all_commits(f, 0);
	assert_true(lx_read(f, d, LX_VALUE) > 0);
	lx_input(f, DEV, (struct lx_msg){.code = MW_COAP_DELETE, .path = lx_location(d, path)});
	assert_int_equal(lx_read(f, d, LX_VALUE), MW_E_STATE);
	assert_int_equal(lx_observe(f, d, LX_VALUE), MW_E_STATE);
	lx_end_all_commits(f, 0);
	assert_int_equal(lx_read(f, d, LX_VALUE), MW_E_STATE);
}

static void test_errors_of_the_device(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	lx_read(f, d, LX_VALUE);
	lx_next(f, &m);
	lx_answer(f, DEV, &m, (struct lx_msg){.code = MW_COAP_NOT_FOUND, .payload = "no such thing"});
	assert_int_equal(lx_last_result(f)->err, 0);
	assert_int_equal(lx_last_result(f)->code, MW_COAP_NOT_FOUND);
	assert_string_equal(lx_last_result(f)->text, "no such thing");
	lx_read(f, d, LX_VALUE);
	lx_next(f, &m);
	lx_input(f, DEV,
		(struct lx_msg){.type = MW_COAP_RST, .mid = m.mid, .token = &(struct mw_coap_token){.len = 0}});
	assert_int_equal(lx_last_result(f)->err, MW_E_RESET);
	assert_int_equal(lx_last_result(f)->code, 0);
	lx_read(f, d, LX_VALUE);
	lx_pass_ms(f, 100000);
	assert_int_equal(lx_last_result(f)->err, MW_E_TIMEOUT);
	assert_int_equal(f->n_results, 3);
	assert_int_equal(f->n_events, 0);
	assert_true(mw_device_is_registered(d)); /* silence ends no registration */
}

static void test_unreadable_payload(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	static const struct lx_msg rows[] = {
		{.code = MW_COAP_CONTENT, .format_1 = MW_FORMAT_TLV + 1, .payload = "\xe4\x16"},
		{.code = MW_COAP_CONTENT, .format_1 = MW_FORMAT_SENML_CBOR + 1, .payload = "\x81\xa2"},
		{.code = MW_COAP_CONTENT, .format_1 = 9999, .payload = "?"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		lx_read(f, d, LX_VALUE);
		lx_next(f, &m);
		lx_answer(f, DEV, &m, rows[i]);
		assert_int_equal(f->n_results, i + 1);
		assert_true(lx_last_result(f)->err < 0);
		assert_int_equal(lx_last_result(f)->code, MW_COAP_CONTENT);
		assert_int_equal(lx_last_result(f)->n_nodes, 0);
		assert_true(lx_last_result(f)->text[0] != 0);
	}
	assert_int_equal(f->n_events, 0);
	assert_int_equal(f->l->stats.undecodable, 3);
	assert_int_equal(d->format, MW_FORMAT_NONE);
}

static void test_separate_response_is_acknowledged_when_stored(void **state)
{
	struct lx *f = *state;
	for (int status = 0; status > -2; status--) {
		struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.0", NULL);
		struct mw_coap_msg m;
		assert_true(lx_read(f, d, LX_VALUE) > 0);
		lx_expect(f, &m, "CON 0.01 path=/3303/0/5700 accept=11542");
		f->rows_of_values = 1;
		struct mw_coap_token token = m.token;
		struct lx_msg answer = {
			.type = MW_COAP_CON, .code = MW_COAP_CONTENT, .token = &token, .format_1 = 1, .payload = "21.5"};
		uint16_t mid = lx_input(f, DEV, answer);
		assert_int_equal(f->n_results, 1);
		lx_expect_silence(f); /* the value is here, but not on the disk */
		lx_end_all_commits(f, status == 0 ? 0 : MW_E_FULL);
		if (status == 0)
			lx_expect(f, NULL, "ACK 0.00 #%u", mid);
		lx_expect_silence(f);
		f->rows_of_values = 0;
	}
}

static void test_separate_response(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	lx_read(f, d, LX_VALUE);
	lx_next(f, &m);
	struct mw_coap_token token = m.token;
	lx_input(f, DEV,
		(struct lx_msg){.type = MW_COAP_ACK, .mid = m.mid, .token = &(struct mw_coap_token){.len = 0}});
	lx_pass_ms(f, 60000);
	lx_expect_silence(f);
	struct lx_msg answer = text_value;
	answer.token = &token;
	uint16_t mid = lx_input(f, DEV, answer);
	lx_expect(f, NULL, "ACK 0.00 #%u", mid);
	assert_int_equal(f->n_results, 1);
	assert_string_equal(lx_last_result(f)->value, "21.5");
}

static void test_one_at_a_time(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	lx_read(f, d, "/3303/0/5700");
	lx_read(f, d, "/3303/0/5701");
	lx_expect(f, &m, "CON 0.01 path=/3303/0/5700 accept=112");
	lx_expect_silence(f);
	struct mw_coap_msg rq = m;
	lx_answer(f, DEV, &rq, text_value);
	lx_expect(f, &m, "CON 0.01 path=/3303/0/5701 accept=112");
	assert_int_equal(f->n_results, 1);
}

static void test_full_queue(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	int64_t id;
	size_t n = 0;
	while ((id = lx_read(f, d, LX_VALUE)) > 0)
		n++;
	assert_int_equal(id, MW_E_LIMIT);
	assert_int_equal(n, 65);
	assert_int_equal(f->n_results, 0);
	assert_int_equal(f->l->ops.n_used, 65);
}

/* ---- abort ---- */

static void test_abort(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	int64_t first = lx_read(f, d, "/3/0/1"), second = lx_read(f, d, "/3/0/2"),
			third = lx_read(f, d, "/3/0/3");
	assert_int_equal(mw_op_abort(f->l, second), 0); /* waits */
	assert_int_equal(f->n_results, 1);
	assert_int_equal(lx_last_result(f)->err, MW_E_CANCELED);
	assert_int_equal(lx_last_result(f)->path.rid, 2);
	assert_int_equal(mw_op_abort(f->l, first), 0); /* is in flight */
	assert_int_equal(f->n_results, 2);
	assert_int_equal(mw_op_abort(f->l, first), MW_E_NOTFOUND);
	lx_next(f, NULL);
	lx_expect(f, &m, "CON 0.01 path=/3/0/3 accept=112");
	lx_answer(f, DEV, &m, text_value);
	assert_int_equal(mw_op_abort(f->l, third), MW_E_NOTFOUND);
	assert_int_equal(f->n_results, 3);
	assert_int_equal(f->l->ops.n_used, 0);
}

static void test_abort_of_nothing(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	int64_t id = lx_read(f, d, LX_VALUE), more = lx_read(f, d, LX_VALUE);
	mw_op_abort(f->l, id);
	mw_op_abort(f->l, more);
	const int64_t rows[] = {
		0, -1, 1, 2, 5000, INT64_MAX, INT64_MIN, id, more, id + 1, more + (INT64_C(1) << 32)};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(mw_op_abort(f->l, rows[i]), MW_E_NOTFOUND);
	assert_int_equal(f->n_results, 2);
}

static void abort_everything(struct lx *f)
{
	for (int64_t serial = 1; serial < 20; serial++)
		for (int64_t index = 0; index < 20; index++)
			mw_op_abort(f->l, serial << 32 | index);
}

/* The listener of the values ends the very operation that brought them: it has its result, once. */
static void test_listener_aborts_the_operation(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	f->on_values = abort_everything;
	lx_read(f, d, "/3303/0/5700");
	lx_read(f, d, "/3303/0/5701");
	lx_next(f, &m);
	lx_answer(f, DEV, &m, text_value);
	assert_int_equal(f->n_results, 2);
	assert_int_equal(f->results[0].err, MW_E_CANCELED); /* the one that waited */
	assert_int_equal(f->results[1].err, 0);
	assert_string_equal(f->results[1].value, "21.5");
}

static void try_again(struct lx *f)
{
	assert_int_equal(lx_read(f, lx_find(f, "a"), LX_VALUE), MW_E_STATE);
	abort_everything(f);
}

static void test_registration_ends_under_operations(void **state)
{
	struct lx *f = *state;
	for (enum lx_end how = 0; how < LX_N_ENDS; how++) {
		struct mw_device *d = device(f);
		lx_read(f, d, "/3/0/1");
		lx_read(f, d, "/3/0/2");
		lx_observe(f, d, "/3/0/3");
		f->on_result = try_again; /* must neither succeed nor go on for ever */
		lx_end_registration(f, DEV, d, how);
		f->on_result = NULL;
		assert_int_equal(f->n_results, 3);
		unsigned seen = 0;
		for (size_t i = 0; i < 3; i++) {
			assert_int_equal(f->results[i].err, MW_E_CANCELED);
			seen |= 1u << f->results[i].path.rid;
		}
		assert_int_equal(seen, 0xe); /* each once */
		assert_int_equal(f->l->ops.n_used, 0);
		lx_end_all_commits(f, 0);
		lx_pass_ms(f, 60000);
		assert_int_equal(f->n_results, 3);
		lx_forget(f);
	}
}

static void test_server_ends_under_operations(void **state)
{
	struct lx *f = *state;
	struct mw_lwm2m_config config = f->l->config;
	struct mw_device *d = device(f);
	lx_read(f, d, "/3/0/1");
	lx_read(f, d, "/3/0/2");
	lx_observe(f, d, "/3/0/3");
	f->on_result = try_again;
	mw_lwm2m_free(f->l);
	f->on_result = NULL;
	assert_int_equal(f->n_results, 3);
	f->n_commits = 0; /* the host drops them */
	lx_start(f, &config);
}

/* ---- Write-Attributes ---- */

static void test_write_attributes(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_errbuf why;
	struct mw_path path = lx_path("/3303/0/5700");
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1", "</m>;rt=\"oma.lwm2m\",</m/3303/0>");
	int64_t id = mw_op_write_attributes(f->l, d, &path, "pmin=10&pmax=300&gt", lx_on_result, f, &why);
	assert_true(id > 0);
	lx_expect(f, &m, "CON 0.03 path=/m/3303/0/5700 query=pmin=10&pmax=300&gt");
	assert_int_equal(m.payload.len, 0);
	lx_answer(f, DEV, &m, (struct lx_msg){.code = MW_COAP_CHANGED});
	assert_int_equal(lx_last_result(f)->code, MW_COAP_CHANGED);
	assert_int_equal(f->n_rows, 0);
	char wide[400];
	memset(wide, 'x', sizeof(wide));
	wide[399] = 0;
	const char *const bad[] = {
		"", "&", "pmin=1&&pmax=2", "pmin=1&", wide, "a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(mw_op_write_attributes(f->l, d, &path, bad[i], lx_on_result, f, &why), MW_E_ARG);
	assert_int_equal(f->n_results, 1);
	lx_expect_silence(f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, lx_setup, lx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_read),
		CASE(test_what_is_asked_for_first),
		CASE(test_format_negotiation),
		CASE(test_format_that_the_device_chose),
		CASE(test_refused_here),
		CASE(test_unregistered),
		CASE(test_errors_of_the_device),
		CASE(test_unreadable_payload),
		CASE(test_separate_response),
		CASE(test_separate_response_is_acknowledged_when_stored),
		CASE(test_one_at_a_time),
		CASE(test_full_queue),
		CASE(test_abort),
		CASE(test_abort_of_nothing),
		CASE(test_listener_aborts_the_operation),
		CASE(test_registration_ends_under_operations),
		CASE(test_server_ends_under_operations),
		CASE(test_write_attributes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
