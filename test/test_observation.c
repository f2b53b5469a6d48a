#include "lwm2m_fixture.h"

enum { DEV = 1, OTHER = 2 };

static struct mw_device *device(struct lx *f)
{
	return lx_register(f, DEV, "ep=a&lwm2m=1.1&lt=100000", NULL);
}

static void answer_value(struct lx *f, const struct mw_coap_msg *rq, uint32_t observe_1)
{
	lx_answer(f, DEV, rq,
		(struct lx_msg){.code = MW_COAP_CONTENT, .format_1 = 1, .observe_1 = observe_1, .payload = "21.5"});
}

/* An observation that stands; its token. */
static struct mw_coap_token observed(struct lx *f, struct mw_device *d, const char *path)
{
	struct mw_coap_msg m;
	assert_true(lx_observe(f, d, path) > 0);
	lx_end_all_commits(f, 0);
	lx_next(f, &m);
	struct mw_coap_token token = m.token;
	answer_value(f, &m, 2);
	assert_int_equal(lx_last_result(f)->err, 0);
	lx_forget(f);
	return token;
}

static uint16_t notify(
	struct lx *f, uint32_t peer, const struct mw_coap_token *token, uint8_t type, uint32_t seq)
{
	return lx_input(f, peer,
		(struct lx_msg){.type = type,
			.code = MW_COAP_CONTENT,
			.token = token,
			.format_1 = 1,
			.observe_1 = seq + 1,
			.payload = "22.5"});
}

static uint64_t number_of(const struct mw_coap_token *token)
{
	uint64_t v = 0;
	assert_int_equal(token->len, 8);
	for (int i = 0; i < 8; i++)
		v = v << 8 | token->bytes[i];
	return v;
}

/* ---- Observe ---- */

static void test_observe(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	assert_true(lx_observe(f, d, LX_VALUE) > 0);
	assert_int_equal(f->n_rows, 2);
	assert_string_equal(f->rows[0].what, "put observation");
	assert_string_equal(f->rows[1].what, "commit");
	lx_pass_ms(f, 10000);
	lx_expect_silence(f); /* the request waits for the row */
	lx_end_all_commits(f, 0);
	lx_expect(f, &m, "CON 0.01 observe=0 path=/3303/0/5700 accept=112");
	assert_true(number_of(&m.token) == f->rows[0].token);
	assert_int_equal(f->n_results, 0);
	answer_value(f, &m, 8);
	assert_int_equal(f->n_results, 1);
	assert_int_equal(lx_last_result(f)->err, 0);
	assert_int_equal(lx_last_result(f)->code, MW_COAP_CONTENT);
	assert_string_equal(lx_last_result(f)->value, "21.5");
	assert_int_equal(f->n_events, 1);
	assert_int_equal(f->events[0].kind, MW_EVENT_VALUES);
	assert_int_equal(f->events[0].source, MW_SOURCE_OBSERVE);
	assert_int_equal(d->n_observations, 1);
	assert_int_equal(lx_count(f, "delete observation"), 0);
	assert_int_equal(f->l->ops.n_used, 0);
}

static void test_observing_twice_reads(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	observed(f, d, LX_VALUE);
	assert_true(lx_observe(f, d, LX_VALUE) > 0);
	lx_expect(f, NULL, "CON 0.01 path=/3303/0/5700 accept=112");
	assert_int_equal(f->n_rows, 0);
	assert_int_equal(d->n_observations, 1);
}

static void test_not_established(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	lx_observe(f, d, LX_VALUE);
	lx_end_all_commits(f, 0);
	lx_next(f, &m);
	answer_value(f, &m, 0);
	assert_int_equal(lx_last_result(f)->err, MW_E_UNSUPPORTED);
	assert_string_equal(lx_last_result(f)->value, "21.5"); /* the value is one all the same */
	assert_int_equal(f->n_events, 1);
	assert_int_equal(d->n_observations, 0);
	assert_true(lx_row(f, "delete observation")->token == lx_row(f, "put observation")->token);
	uint16_t mid = notify(f, DEV, &m.token, MW_COAP_CON, 3);
	lx_expect(f, NULL, "RST 0.00 #%u", mid);
}

static void test_refused_by_the_device(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	lx_observe(f, d, LX_VALUE);
	lx_end_all_commits(f, 0);
	lx_next(f, &m);
	lx_answer(f, DEV, &m, (struct lx_msg){.code = MW_COAP_NOT_ALLOWED, .payload = "no"});
	assert_int_equal(lx_last_result(f)->err, 0);
	assert_int_equal(lx_last_result(f)->code, MW_COAP_NOT_ALLOWED);
	assert_string_equal(lx_last_result(f)->text, "no");
	assert_int_equal(d->n_observations, 0);
	assert_int_equal(lx_count(f, "delete observation"), 1);
	lx_observe(f, d, LX_VALUE);
	lx_end_all_commits(f, 0);
	lx_pass_ms(f, 100000);
	assert_int_equal(lx_last_result(f)->err, MW_E_TIMEOUT);
	assert_int_equal(d->n_observations, 0);
	assert_int_equal(lx_count(f, "delete observation"), 2);
}

static void test_format_negotiation(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	lx_observe(f, d, LX_VALUE);
	lx_end_all_commits(f, 0);
	lx_expect(f, &m, "CON 0.01 observe=0 path=/3303/0/5700 accept=112");
	uint64_t token = number_of(&m.token);
	lx_answer(f, DEV, &m, (struct lx_msg){.code = MW_COAP_NOT_ACCEPTABLE});
	assert_int_equal(f->n_results, 0);
	lx_expect(f, &m, "CON 0.01 observe=0 path=/3303/0/5700 accept=11542");
	assert_true(number_of(&m.token) == token);
	assert_int_equal(lx_row(f, "put observation")->format, MW_FORMAT_TLV);
	answer_value(f, &m, 3);
	assert_int_equal(f->n_results, 1);
	assert_int_equal(d->n_observations, 1);
	/* the cancel asks the same question */
	lx_cancel(f, d, LX_VALUE, MW_CANCEL_REQUEST);
	lx_expect(f, NULL, "CON 0.01 observe=1 path=/3303/0/5700 accept=11542");
}

static void test_store_fails(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	f->put_fails = MW_E_FULL;
	assert_int_equal(lx_observe(f, d, LX_VALUE), MW_E_FULL);
	f->put_fails = 0;
	f->commit_fails = MW_E_NOMEM;
	assert_int_equal(lx_observe(f, d, LX_VALUE), MW_E_NOMEM);
	f->commit_fails = 0;
	assert_int_equal(f->n_results, 0);
	assert_true(lx_observe(f, d, LX_VALUE) > 0);
	lx_end_all_commits(f, MW_E_FULL);
	assert_int_equal(f->n_results, 1);
	assert_int_equal(lx_last_result(f)->err, MW_E_FULL);
	lx_expect_silence(f);
	assert_int_equal(d->n_observations, 0);
	assert_int_equal(f->l->observations.n_used + f->l->ops.n_used, 0);
}

static void test_limit(void **state)
{
	struct lx *f = *state;
	struct mw_device *other = lx_register(f, OTHER, "ep=b&lwm2m=1.1", NULL);
	struct mw_device *d = device(f);
	char path[32];
	for (int i = 0; i < 8; i++) {
		sprintf(path, "/3303/%d/5700", i);
		assert_true(lx_observe(f, d, path) > 0);
	}
	assert_int_equal(lx_observe(f, d, "/3303/8/5700"), MW_E_LIMIT);
	assert_int_equal(d->n_observations, 8);
	assert_int_equal(f->l->ops.n_used, 8);
	assert_true(lx_observe(f, other, LX_VALUE) > 0); /* each device has its own */
}

/* ---- notifications ---- */

static void test_notification_without_rows(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	struct mw_coap_token token = observed(f, d, LX_VALUE);
	f->now += 1000;
	uint16_t mid = notify(f, DEV, &token, MW_COAP_CON, 3);
	lx_expect(f, NULL, "ACK 0.00 #%u", mid);
	assert_int_equal(f->n_events, 1);
	assert_int_equal(f->events[0].source, MW_SOURCE_NOTIFY);
	assert_int_equal(f->events[0].path.rid, 5700);
	assert_int_equal(f->events[0].n_nodes, 1);
	assert_int_equal(f->n_commits, 0);
	assert_int_equal(d->heard_ms, f->now);
	notify(f, DEV, &token, MW_COAP_NON, 4);
	lx_expect_silence(f);
	assert_int_equal(f->n_events, 2);
}

static void test_ack_waits_for_the_commit(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	struct mw_coap_token token = observed(f, d, LX_VALUE);
	f->rows_of_values = 2;
	uint16_t first = notify(f, DEV, &token, MW_COAP_CON, 3), second = notify(f, DEV, &token, MW_COAP_CON, 4);
	lx_pass_ms(f, 3000);
	lx_expect_silence(f);
	assert_int_equal(f->n_commits, 2);
	lx_end_commits(f, 1, 0);
	lx_expect(f, NULL, "ACK 0.00 #%u", first);
	lx_expect_silence(f);
	lx_end_commits(f, 1, 0);
	lx_expect(f, NULL, "ACK 0.00 #%u", second);
	notify(f, DEV, &token, MW_COAP_NON, 5); /* stored with the next commit; nobody waits for it */
	assert_int_equal(f->n_commits, 0);
	assert_int_equal(f->n_events, 3);
}

static void test_no_ack_when_the_store_fails(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	struct mw_coap_token token = observed(f, d, LX_VALUE);
	for (int when = 0; when < 3;
		 when++) { /* a listener cannot put, the commit does not start, the commit fails */
		f->rows_of_values = when == 0 ? MW_E_FULL : 1;
		f->commit_fails = when == 1 ? MW_E_FULL : 0;
		notify(f, DEV, &token, MW_COAP_CON, (uint32_t)(10 + when));
		lx_end_all_commits(f, MW_E_IO);
		lx_pass_ms(f, 10000);
		lx_expect_silence(f);
	}
	assert_int_equal(f->n_events, 3);
	f->commit_fails = 0;
	uint16_t mid = notify(f, DEV, &token, MW_COAP_CON, 20); /* the observation lives on */
	lx_end_all_commits(f, 0);
	lx_expect(f, NULL, "ACK 0.00 #%u", mid);
}

static void test_foreign_address(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	char path[20];
	struct mw_coap_token token = observed(f, d, LX_VALUE);
	notify(f, OTHER, &token, MW_COAP_CON, 3);
	notify(f, OTHER, &token, MW_COAP_NON, 4);
	lx_expect_silence(f); /* a reset would end the observation of a device that has only moved */
	assert_int_equal(f->n_events, 0);
	assert_int_equal(f->l->stats.foreign_notifications, 2);
	lx_input(f, OTHER, (struct lx_msg){.code = MW_COAP_POST, .path = lx_location(d, path)});
	lx_end_all_commits(f, 0);
	lx_forget(f);
	uint16_t mid = notify(f, OTHER, &token, MW_COAP_CON, 5);
	lx_expect(f, NULL, "ACK 0.00 #%u", mid);
	assert_int_equal(f->n_events, 1);
	notify(f, DEV, &token, MW_COAP_CON, 6); /* now this one is foreign */
	lx_expect_silence(f);
}

static void test_error_ends_it(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	struct mw_coap_token token = observed(f, d, LX_VALUE);
	uint16_t mid =
		lx_input(f, DEV, (struct lx_msg){.type = MW_COAP_CON, .code = MW_COAP_NOT_FOUND, .token = &token});
	lx_expect(f, NULL, "ACK 0.00 #%u", mid);
	assert_true(lx_row(f, "delete observation")->token == number_of(&token));
	assert_int_equal(d->n_observations, 0);
	assert_int_equal(f->n_events, 0);
	mid = notify(f, DEV, &token, MW_COAP_CON, 9);
	lx_expect(f, NULL, "RST 0.00 #%u", mid);
	assert_int_equal(f->l->observations.n_used, 0);
}

static void test_unreadable_notification(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	struct mw_coap_token token = observed(f, d, LX_VALUE);
	f->rows_of_values = 1;
	uint16_t mid = lx_input(f, DEV,
		(struct lx_msg){.code = MW_COAP_CONTENT,
			.token = &token,
			.observe_1 = 6,
			.format_1 = MW_FORMAT_TLV + 1,
			.payload = "\xe4"});
	lx_expect(f, NULL, "ACK 0.00 #%u", mid);
	assert_int_equal(f->n_events, 0);
	assert_int_equal(f->l->stats.undecodable, 1);
	assert_int_equal(d->n_observations, 1);
}

static void test_long_notification(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	char text[30];
	struct mw_device *d = lx_register(f, DEV, "ep=a&lwm2m=1.1", "</m>;rt=\"oma.lwm2m\",</m/3/0>");
	struct mw_coap_token token = observed(f, d, "/3/0/9");
	memset(text, 'x', sizeof(text));
	struct mw_block first = {0, true, 0}, second = {1, false, 0};
	uint16_t mid = lx_input(f, DEV,
		(struct lx_msg){.code = MW_COAP_CONTENT,
			.token = &token,
			.observe_1 = 9,
			.format_1 = 1,
			.block2 = &first,
			.payload = text,
			.payload_len = 16});
	lx_expect(f, &m, "CON 0.01 path=/m/3/0/9 accept=112 block2=16");
	lx_expect_silence(f); /* no ACK before the whole is there */
	assert_int_equal(f->n_events, 0);
	lx_answer(f, DEV, &m,
		(struct lx_msg){
			.code = MW_COAP_CONTENT, .format_1 = 1, .block2 = &second, .payload = text, .payload_len = 8});
	assert_int_equal(f->n_events, 1);
	assert_int_equal(f->events[0].n_nodes, 1);
	lx_expect(f, NULL, "ACK 0.00 #%u", mid);
}

/* ---- the ends ---- */

static void test_cancel_by_reset(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	struct mw_coap_token token = observed(f, d, LX_VALUE);
	assert_true(lx_cancel(f, d, LX_VALUE, MW_CANCEL_RESET) > 0);
	assert_int_equal(f->n_results, 0); /* never inside the call */
	lx_pass_ms(f, 20);
	assert_int_equal(f->n_results, 1);
	assert_int_equal(lx_last_result(f)->err, 0);
	assert_int_equal(lx_last_result(f)->code, 0);
	assert_int_equal(lx_count(f, "delete observation"), 1);
	lx_expect_silence(f);
	uint16_t mid = notify(f, DEV, &token, MW_COAP_CON, 3);
	lx_expect(f, NULL, "RST 0.00 #%u", mid);
	mid = notify(f, DEV, &token, MW_COAP_NON, 4);
	lx_expect(f, NULL, "RST 0.00 #%u", mid);
	assert_int_equal(f->n_events, 0);
	assert_int_equal(lx_cancel(f, d, LX_VALUE, MW_CANCEL_RESET), MW_E_NOTFOUND);
}

static void test_cancel_by_request(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	struct mw_coap_token token = observed(f, d, LX_VALUE);
	assert_true(lx_cancel(f, d, LX_VALUE, MW_CANCEL_REQUEST) > 0);
	lx_expect(f, &m, "CON 0.01 observe=1 path=/3303/0/5700 accept=112");
	assert_true(number_of(&m.token) == number_of(&token));
	assert_int_equal(lx_count(f, "delete observation"), 1);
	struct mw_coap_msg rq = m;
	uint16_t mid = notify(f, DEV, &token, MW_COAP_CON, 3); /* crosses it: not the answer */
	lx_expect(f, NULL, "RST 0.00 #%u", mid);
	assert_int_equal(f->n_results, 0);
	answer_value(f, &rq, 0);
	assert_int_equal(f->n_results, 1);
	assert_int_equal(lx_last_result(f)->code, MW_COAP_CONTENT);
	assert_int_equal(f->n_events, 0);
	mid = notify(f, DEV, &token, MW_COAP_CON, 4);
	lx_expect(f, NULL, "RST 0.00 #%u", mid);
	assert_int_equal(mw_coap_stats(f->l->coap)->observations, 0);
	assert_int_equal(f->l->observations.n_used, 0);
}

static void test_cancel_unanswered(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	observed(f, d, LX_VALUE);
	lx_cancel(f, d, LX_VALUE, MW_CANCEL_REQUEST);
	lx_pass_ms(f, 100000);
	assert_int_equal(f->n_results, 1);
	assert_int_equal(lx_last_result(f)->err, MW_E_TIMEOUT);
	assert_int_equal(mw_coap_stats(f->l->coap)->observations, 0);
}

/* The queue to the device is full: nothing has been cancelled then. */
static void test_cancel_that_cannot_be_sent(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	struct mw_coap_token token = observed(f, d, LX_VALUE);
	while (lx_read(f, d, "/3/0/9") > 0)
		;
	assert_int_equal(lx_cancel(f, d, LX_VALUE, MW_CANCEL_REQUEST), MW_E_LIMIT);
	assert_int_equal(d->n_observations, 1);
	lx_forget(f);
	uint16_t mid = notify(f, DEV, &token, MW_COAP_CON, 3);
	lx_expect(f, NULL, "ACK 0.00 #%u", mid);
	assert_int_equal(f->n_events, 1);
}

static void test_cancel_before_it_stands(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	lx_observe(f, d, LX_VALUE);
	lx_cancel(f, d, LX_VALUE, MW_CANCEL_RESET); /* before the commit */
	lx_end_all_commits(f, 0);
	lx_pass_ms(f, 20);
	lx_expect_silence(f);
	assert_int_equal(f->n_results, 2);
	assert_int_equal(f->results[0].err, MW_E_CANCELED);
	assert_int_equal(f->results[1].err, 0);
	lx_forget(f);
	lx_observe(f, d, LX_VALUE);
	lx_end_all_commits(f, 0);
	lx_next(f, &m);
	lx_cancel(f, d, LX_VALUE, MW_CANCEL_RESET); /* while the request is under way */
	answer_value(f, &m, 4);
	lx_pass_ms(f, 20);
	assert_int_equal(f->n_results, 2);
	assert_int_equal(f->results[0].err + f->results[1].err, MW_E_CANCELED); /* one each */
	uint16_t mid = notify(f, DEV, &m.token, MW_COAP_CON, 5);
	lx_expect(f, NULL, "RST 0.00 #%u", mid);
	assert_int_equal(f->l->observations.n_used + f->l->ops.n_used, 0);
}

static void test_abort_at_each_stage(void **state)
{
	struct lx *f = *state;
	struct mw_coap_msg m;
	struct mw_device *d = device(f);
	int64_t id = lx_observe(f, d, LX_VALUE);
	assert_int_equal(mw_op_abort(f->l, id), 0); /* before the commit */
	assert_int_equal(f->n_results, 1);
	assert_int_equal(lx_last_result(f)->err, MW_E_CANCELED);
	assert_int_equal(d->n_observations, 0);
	assert_int_equal(lx_count(f, "delete observation"), 1);
	assert_true(lx_observe(f, d, LX_VALUE) > 0); /* a whole new one, no read */
	assert_int_equal(lx_count(f, "put observation"), 2);
	lx_end_commits(f, 1, 0);
	lx_expect_silence(f);
	lx_end_commits(f, 1, 0);
	lx_expect(f, &m, "CON 0.01 observe=0 path=/3303/0/5700 accept=112");
	answer_value(f, &m, 4);
	assert_int_equal(f->n_results, 2);
	assert_int_equal(d->n_observations, 1);
	id = lx_observe(f, d, "/3/0/9");
	lx_end_all_commits(f, 0);
	lx_next(f, &m);
	assert_int_equal(mw_op_abort(f->l, id), 0); /* in flight */
	assert_int_equal(f->n_results, 3);
	assert_int_equal(d->n_observations, 1);
	answer_value(f, &m, 4); /* late */
	assert_int_equal(f->n_results, 3);
	lx_forget(f);
	uint16_t mid = notify(f, DEV, &m.token, MW_COAP_CON, 5);
	lx_expect(f, NULL, "RST 0.00 #%u", mid);
	lx_cancel(f, d, LX_VALUE, MW_CANCEL_REQUEST);
	id = lx_cancel(f, d, LX_VALUE, MW_CANCEL_RESET);
	assert_int_equal(id, MW_E_NOTFOUND);
}

static void test_abort_of_a_cancel(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	for (int way = 0; way < 2; way++) {
		struct mw_coap_token token = observed(f, d, LX_VALUE);
		int64_t id = lx_cancel(f, d, LX_VALUE, way ? MW_CANCEL_RESET : MW_CANCEL_REQUEST);
		assert_int_equal(mw_op_abort(f->l, id), 0);
		lx_pass_ms(f, 1000);
		assert_int_equal(f->n_results, 1);
		assert_int_equal(lx_last_result(f)->err, MW_E_CANCELED);
		lx_forget(f);
		uint16_t mid = notify(f, DEV, &token, MW_COAP_CON, 3); /* cancelled it is all the same */
		lx_expect(f, NULL, "RST 0.00 #%u", mid);
	}
	assert_int_equal(f->l->observations.n_used + f->l->ops.n_used, 0);
}

static void test_registration_ends_at_each_stage(void **state)
{
	struct lx *f = *state;
	for (int stage = 0; stage < 5; stage++) {
		for (enum lx_end how = 0; how < LX_N_ENDS; how++) {
			struct mw_coap_msg m = {.mid = 0};
			struct mw_device *d = device(f);
			struct mw_coap_token token = {.len = 0};
			if (stage < 2) /* the row is on its way; the request is */
				lx_observe(f, d, LX_VALUE);
			else
				token = observed(f, d, LX_VALUE);
			if (stage == 1) {
				lx_end_all_commits(f, 0);
				lx_next(f, &m);
			}
			if (stage > 2)
				lx_cancel(f, d, LX_VALUE, stage == 3 ? MW_CANCEL_RESET : MW_CANCEL_REQUEST);
			lx_end_registration(f, DEV, d, how);
			assert_int_equal(f->n_results, stage != 2);
			if (stage != 2)
				assert_int_equal(lx_last_result(f)->err, MW_E_CANCELED);
			if (stage == 2)
				assert_int_equal(lx_count(f, "delete observations"), 1);
			else /* its row goes one by one */
				assert_int_equal(lx_count(f, "delete observation"), 1);
			assert_int_equal(d->n_observations, 0);
			assert_int_equal(f->l->observations.n_used + f->l->ops.n_used, 0);
			assert_int_equal(mw_coap_stats(f->l->coap)->observations, 0);
			lx_end_all_commits(f, 0);
			if (stage == 1)
				answer_value(f, &m, 3); /* late */
			lx_pass_ms(f, 1000);
			assert_int_equal(f->n_results, stage != 2);
			lx_forget(f);
			if (token.len) {
				uint16_t mid = notify(f, DEV, &token, MW_COAP_CON, 3);
				lx_expect(f, NULL, "RST 0.00 #%u", mid);
				lx_forget(f);
			}
		}
	}
}

static void end_observation(struct lx *f)
{
	lx_cancel(f, lx_find(f, "a"), LX_VALUE, MW_CANCEL_RESET);
}

static void test_listener_ends_the_observation(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	struct mw_coap_token token = observed(f, d, LX_VALUE);
	f->on_values = end_observation;
	f->rows_of_values = 1;
	uint16_t mid = notify(f, DEV, &token, MW_COAP_CON, 3);
	lx_end_all_commits(f, 0);
	lx_expect(f, NULL, "ACK 0.00 #%u", mid); /* what it brought is stored */
	f->on_values = NULL;
	mid = notify(f, DEV, &token, MW_COAP_CON, 4);
	lx_expect(f, NULL, "RST 0.00 #%u", mid);
}

/* ---- restart ---- */

static void test_notification_after_restart(void **state)
{
	struct lx *f = *state;
	struct mw_device *d = device(f);
	struct mw_coap_token token = observed(f, d, LX_VALUE);
	uint64_t location = d->location;
	lx_restart(f);
	d = mw_devices_add(&f->l->devices, "a", 1, 1);
	d->addr = lx_addr(DEV);
	d->version = MW_LWM2M_1_1;
	assert_int_equal(
		mw_registration_restore(f->l, d, location, (struct mw_bytes){(const uint8_t *)LX_LINKS, 22}), 0);
	lx_observed(f, d, LX_VALUE, number_of(&token));
	f->rows_of_values = 1;
	uint16_t mid = notify(f, DEV, &token, MW_COAP_CON, 1); /* any first number is good */
	lx_expect_silence(f);
	lx_end_all_commits(f, 0);
	lx_expect(f, NULL, "ACK 0.00 #%u", mid);
	assert_int_equal(f->n_events, 1);
	assert_int_equal(f->events[0].source, MW_SOURCE_NOTIFY);
	assert_int_equal(f->events[0].path.rid, 5700);
	assert_true(lx_cancel(f, d, LX_VALUE, MW_CANCEL_REQUEST) > 0);
	struct mw_coap_msg m;
	lx_expect(f, &m, "CON 0.01 observe=1 path=/3303/0/5700 accept=0"); /* as the store said */
	assert_true(number_of(&m.token) == number_of(&token));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, lx_setup, lx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_observe),
		CASE(test_observing_twice_reads),
		CASE(test_not_established),
		CASE(test_refused_by_the_device),
		CASE(test_format_negotiation),
		CASE(test_store_fails),
		CASE(test_limit),
		CASE(test_notification_without_rows),
		CASE(test_ack_waits_for_the_commit),
		CASE(test_no_ack_when_the_store_fails),
		CASE(test_foreign_address),
		CASE(test_error_ends_it),
		CASE(test_unreadable_notification),
		CASE(test_long_notification),
		CASE(test_cancel_by_reset),
		CASE(test_cancel_by_request),
		CASE(test_cancel_unanswered),
		CASE(test_cancel_that_cannot_be_sent),
		CASE(test_cancel_before_it_stands),
		CASE(test_abort_at_each_stage),
		CASE(test_abort_of_a_cancel),
		CASE(test_registration_ends_at_each_stage),
		CASE(test_listener_ends_the_observation),
		CASE(test_notification_after_restart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
