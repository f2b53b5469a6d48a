#include "coap/observe.h"
#include "coap_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define BYTES(text) ((struct mw_bytes){(const uint8_t *)(text), sizeof(text) - 1})

static int setup(void **state)
{
	struct fx *f = malloc(sizeof(*f));
	fx_open(f, NULL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fx *f = *state;
	fx_close(f);
	free(f);
	return 0;
}

static const struct mw_coap_stats *stats(struct fx *f)
{
	return mw_coap_stats(f->c);
}

static void expect_empty(struct fx *f, uint8_t type, uint16_t mid)
{
	struct mw_coap_msg m;
	assert_true(fx_read(f, &m));
	assert_int_equal(m.type, type);
	assert_int_equal(m.code, MW_COAP_EMPTY);
	assert_int_equal(m.mid, mid);
}

static void expect_silence(struct fx *f)
{
	assert_null(fx_next(f));
}

/* Observes /3303/0/5700 at @p peer; gives the token. */
static struct mw_coap_token observe(struct fx *f, uint32_t peer, uint64_t cookie, uint32_t seq)
{
	struct mw_coap_msg rq;
	struct mw_coap_send s = fx_request(peer, MW_COAP_GET, "/3303/0/5700");
	s.observe = 0;
	s.cookie = cookie;
	int before = f->seen.results;
	assert_true(mw_coap_request(f->c, &s, fx_on_result, f) > 0);
	assert_true(fx_read(f, &rq));
	const struct mw_coap_opt *o = mw_coap_find(&rq, MW_OPT_OBSERVE);
	assert_true(o && o->len == 0);
	fx_input_as(f, peer,
		&(struct fx_msg){.type = MW_COAP_ACK,
			.code = MW_COAP_CONTENT,
			.mid = rq.mid,
			.observe_1 = seq + 1,
			.payload = BYTES("1")},
		&rq.token);
	assert_int_equal(f->seen.results, before + 1);
	assert_true(f->seen.observing);
	assert_int_equal(stats(f)->observations, 1);
	return rq.token;
}

static void notify(
	struct fx *f, uint32_t peer, const struct mw_coap_token *token, uint8_t type, uint16_t mid, uint32_t seq)
{
	fx_input_as(f, peer,
		&(struct fx_msg){.type = type,
			.code = MW_COAP_CONTENT,
			.mid = mid,
			.observe_1 = seq + 1,
			.format_1 = 113,
			.payload = BYTES("[]")},
		token);
}

static void test_freshness_rule(void **state)
{
	(void)state;
	static const struct mw_hash_key key = {{5, 6}};
	static const struct {
		uint32_t last, next;
		int64_t after_ms;
		bool is_fresh;
	} rows[] = {
		{1, 2, 0, true},
		{2, 1, 0, false},
		{1, 1, 0, false},
		{0, 0x7fffff, 0, true},
		{0, 0x800000, 0, false},
		{0xffffff, 0, 0, true},
		{0xffffff, 5, 0, true},
		{0x900000, 0x100000, 0, false},
		{0x900001, 0x100000, 0, true},
		{2, 1, 127000, false},
		{2, 1, 128200, true},
		{2, 2, 128200, true},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mw_observe o;
		struct mw_coap_token t = fx_token("x");
		struct mw_mono now = {50000};
		mw_observe_init(&o, 10, &key);
		assert_int_equal(mw_observe_put(&o, &t, 1), 0);
		uint32_t id = mw_observe_find(&o, &t);
		assert_true(mw_observe_is_fresh(&o, id, 0xabcdef, now)); /* any first one */
		mw_observe_seen(&o, id, &t, rows[i].last, now);
		now.ms += rows[i].after_ms;
		if (mw_observe_is_fresh(&o, id, rows[i].next, now) != rows[i].is_fresh)
			fail_msg("row %zu", i);
		mw_observe_deinit(&o);
	}
}

static void test_table(void **state)
{
	(void)state;
	static const struct mw_hash_key key = {{5, 6}};
	struct mw_observe o;
	mw_observe_init(&o, 1000, &key);
	for (uint32_t i = 0; i < 1000; i++) {
		struct mw_coap_token t = {.len = 4, .bytes = {(uint8_t)i, (uint8_t)(i >> 8), 1, 2}};
		assert_int_equal(mw_observe_put(&o, &t, i), 0);
		assert_int_equal(mw_observe_put(&o, &t, i), 0); /* replaces */
	}
	struct mw_coap_token more = fx_token("more");
	assert_int_equal(mw_observe_put(&o, &more, 1), MW_E_LIMIT);
	for (uint32_t i = 0; i < 1000; i++) {
		struct mw_coap_token t = {.len = 4, .bytes = {(uint8_t)i, (uint8_t)(i >> 8), 1, 2}};
		uint32_t id = mw_observe_find(&o, &t);
		assert_int_equal(mw_observe_at(&o, id)->cookie, i);
		t.len = 3;
		assert_int_equal(mw_observe_find(&o, &t), MW_OBSERVE_NONE);
		t.len = 4;
		assert_int_equal(mw_observe_remove(&o, &t), 0);
		assert_int_equal(mw_observe_remove(&o, &t), MW_E_NOTFOUND);
	}
	mw_observe_deinit(&o);
}

static void test_notifications_in_order_and_not(void **state)
{
	struct fx *f = *state;
	struct mw_coap_token t = observe(f, 1, 4711, 10);
	notify(f, 1, &t, MW_COAP_CON, 100, 11);
	expect_empty(f, MW_COAP_ACK, 100);
	assert_int_equal(f->seen.notifications, 1);
	assert_int_equal(f->seen.cookie, 4711);
	assert_true(f->seen.is_con);
	assert_int_equal(f->seen.content_format, 112);
	assert_memory_equal(f->seen.body, "[]", 2);
	notify(f, 1, &t, MW_COAP_NON, 101, 12);
	expect_silence(f);
	assert_int_equal(f->seen.notifications, 2);
	notify(f, 1, &t, MW_COAP_CON, 102, 11); /* overtaken: acknowledged, not handed up */
	expect_empty(f, MW_COAP_ACK, 102);
	notify(f, 1, &t, MW_COAP_NON, 103, 12);
	assert_int_equal(f->seen.notifications, 2);
	assert_int_equal(stats(f)->stale_notifications, 2);
	fx_pass_ms(f, 128200);
	notify(f, 1, &t, MW_COAP_NON, 104, 3);
	assert_int_equal(f->seen.notifications, 3);
	notify(f, 1, &t, MW_COAP_CON, 100 - 1, 4);
	notify(f, 1, &t, MW_COAP_CON, 100 - 1, 4); /* a copy */
	expect_empty(f, MW_COAP_ACK, 99);
	expect_empty(f, MW_COAP_ACK, 99);
	assert_int_equal(f->seen.notifications, 4);
}

static void test_ack_later(void **state)
{
	struct fx *f = *state;
	struct mw_coap_token t = observe(f, 1, 1, 1);
	f->verdict = MW_COAP_ACK_LATER;
	notify(f, 1, &t, MW_COAP_CON, 50, 2);
	struct mw_coap_reply first = f->seen.notify_reply;
	notify(f, 1, &t, MW_COAP_CON, 51, 3);
	notify(f, 1, &t, MW_COAP_CON, 50, 2);
	fx_pass_ms(f, 3000);
	expect_silence(f); /* pending: copies are not answered, and no timer does it */
	assert_int_equal(f->seen.notifications, 2);
	assert_int_equal(mw_coap_ack(f->c, &first), 0);
	expect_empty(f, MW_COAP_ACK, 50);
	assert_int_equal(mw_coap_ack(f->c, &first), MW_E_NOTFOUND);
	notify(f, 1, &t, MW_COAP_CON, 50, 2);
	expect_empty(f, MW_COAP_ACK, 50);
	assert_int_equal(mw_coap_ack(f->c, &f->seen.notify_reply), 0);
	expect_empty(f, MW_COAP_ACK, 51);
	notify(f, 1, &t, MW_COAP_NON, 52, 4);
	assert_int_equal(mw_coap_ack(f->c, &f->seen.notify_reply), 0);
	expect_silence(f);
	assert_int_equal(f->seen.notifications, 3);
}

static void test_drop_lets_it_come_again(void **state)
{
	struct fx *f = *state;
	struct mw_coap_token t = observe(f, 1, 1, 1);
	f->verdict = MW_COAP_ACK_LATER;
	notify(f, 1, &t, MW_COAP_CON, 50, 2);
	mw_coap_drop(f->c, &f->seen.notify_reply); /* the disk was full */
	expect_silence(f);
	notify(f, 1, &t, MW_COAP_CON, 50, 2); /* the device repeats it: same message id, same number */
	assert_int_equal(f->seen.notifications, 2);
	assert_int_equal(mw_coap_ack(f->c, &f->seen.notify_reply), 0);
	expect_empty(f, MW_COAP_ACK, 50);
	notify(f, 1, &t, MW_COAP_CON, 50, 2); /* a copy again */
	expect_empty(f, MW_COAP_ACK, 50);
	assert_int_equal(f->seen.notifications, 2);
	f->verdict = MW_COAP_IGNORE;
	notify(f, 1, &t, MW_COAP_CON, 51, 3);
	notify(f, 1, &t, MW_COAP_CON, 51, 3);
	assert_int_equal(f->seen.notifications, 4);
	expect_silence(f);
}

static void test_refuse_and_ignore(void **state)
{
	struct fx *f = *state;
	struct mw_coap_token t = observe(f, 1, 1, 1);
	f->verdict = MW_COAP_IGNORE;
	notify(
		f, 9, &t, MW_COAP_CON, 60, 200); /* token is right, address is foreign: for the receiver to judge */
	expect_silence(f);
	f->verdict = MW_COAP_ACK_NOW;
	notify(f, 1, &t, MW_COAP_CON, 61, 2); /* the ignored number did not count */
	expect_empty(f, MW_COAP_ACK, 61);
	assert_int_equal(f->seen.notifications, 2);
	f->verdict = MW_COAP_REFUSE;
	notify(f, 1, &t, MW_COAP_CON, 62, 3);
	expect_empty(f, MW_COAP_RST, 62);
	notify(f, 1, &t, MW_COAP_CON, 62, 3);
	expect_empty(f, MW_COAP_RST, 62);
	notify(f, 1, &t, MW_COAP_NON, 63, 4);
	expect_empty(f, MW_COAP_RST, 63);
	assert_int_equal(f->seen.notifications, 3);
	assert_int_equal(stats(f)->observations, 0);
}

static void test_unknown_tokens_are_reset(void **state)
{
	struct fx *f = *state;
	struct mw_coap_token t = fx_token("nobody"), none = {0};
	notify(f, 1, &t, MW_COAP_CON, 1, 1);
	expect_empty(f, MW_COAP_RST, 1);
	notify(f, 1, &t, MW_COAP_NON, 2, 1);
	expect_empty(f, MW_COAP_RST, 2);
	notify(f, 1, &none, MW_COAP_CON, 3, 1);
	expect_empty(f, MW_COAP_RST, 3);
	assert_int_equal(stats(f)->unknown_tokens, 3);
	assert_int_equal(f->seen.notifications, 0);
}

static void test_error_ends_it(void **state)
{
	struct fx *f = *state;
	struct mw_coap_token t = observe(f, 1, 1, 1);
	fx_input_as(f, 1, &(struct fx_msg){.type = MW_COAP_CON, .code = MW_COAP_NOT_FOUND, .mid = 5}, &t);
	expect_empty(f, MW_COAP_ACK, 5);
	assert_int_equal(f->seen.notifications, 1);
	assert_int_equal(f->seen.result_code, MW_COAP_NOT_FOUND);
	assert_int_equal(stats(f)->observations, 0);
	notify(f, 1, &t, MW_COAP_CON, 6, 9);
	expect_empty(f, MW_COAP_RST, 6);
}

static void test_success_without_observe_is_no_notification(void **state)
{
	struct fx *f = *state;
	struct mw_coap_token t = observe(f, 1, 1, 1);
	fx_input_as(f, 1, &(struct fx_msg){.type = MW_COAP_CON, .code = MW_COAP_CONTENT, .mid = 5}, &t);
	expect_empty(f, MW_COAP_RST, 5);
	assert_int_equal(f->seen.notifications, 0);
}

static void test_plain_answer_makes_no_observation(void **state)
{
	struct fx *f = *state;
	static const uint8_t codes[] = {MW_COAP_CONTENT, MW_COAP_NOT_ALLOWED};
	for (size_t i = 0; i < 2; i++) {
		struct mw_coap_msg rq;
		struct mw_coap_send s = fx_request(1, MW_COAP_GET, "/3/0");
		s.observe = 0;
		mw_coap_request(f->c, &s, fx_on_result, f);
		assert_true(fx_read(f, &rq));
		fx_input_as(f, 1, &(struct fx_msg){.type = MW_COAP_ACK, .code = codes[i], .mid = rq.mid}, &rq.token);
		assert_int_equal(f->seen.results, (int)i + 1);
		assert_false(f->seen.observing);
		assert_int_equal(stats(f)->observations, 0);
	}
}

static void test_restored(void **state)
{
	struct fx *f = *state;
	struct mw_coap_token t = fx_token("restored");
	assert_int_equal(mw_coap_observe_restore(f->c, &t, 99), 0);
	notify(f, 1, &t, MW_COAP_CON, 7, 0xfffff0); /* any first number */
	expect_empty(f, MW_COAP_ACK, 7);
	assert_int_equal(f->seen.cookie, 99);
	notify(f, 1, &t, MW_COAP_NON, 8, 0xfffff0);
	assert_int_equal(f->seen.notifications, 1);
	assert_int_equal(mw_coap_observe_forget(f->c, &t), 0);
	assert_int_equal(mw_coap_observe_forget(f->c, &t), MW_E_NOTFOUND);
	notify(f, 1, &t, MW_COAP_NON, 9, 0xfffff1);
	expect_empty(f, MW_COAP_RST, 9);
}

static void test_deregistration(void **state)
{
	struct fx *f = *state;
	struct mw_coap_token t = observe(f, 1, 1, 1);
	struct mw_coap_send s = fx_request(1, MW_COAP_GET, "/3303/0/5700");
	struct mw_coap_msg rq;
	s.observe = 1;
	s.token = &t;
	assert_true(mw_coap_request(f->c, &s, fx_on_result, f) > 0);
	assert_true(fx_read(f, &rq));
	assert_memory_equal(rq.token.bytes, t.bytes, 8);
	notify(f, 1, &t, MW_COAP_CON, 20, 2); /* crosses: still a notification, not the answer */
	expect_empty(f, MW_COAP_ACK, 20);
	assert_int_equal(f->seen.notifications, 1);
	assert_int_equal(f->seen.results, 1);
	fx_input_as(f, 1, &(struct fx_msg){.type = MW_COAP_ACK, .code = MW_COAP_CONTENT, .mid = rq.mid}, &t);
	assert_int_equal(f->seen.results, 2);
	assert_false(f->seen.observing);
	assert_int_equal(stats(f)->observations, 0);
}

static void test_first_notification_overtakes_the_answer(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq;
	struct mw_coap_send s = fx_request(1, MW_COAP_GET, "/3/0");
	s.observe = 0;
	s.cookie = 8;
	mw_coap_request(f->c, &s, fx_on_result, f);
	assert_true(fx_read(f, &rq));
	notify(f, 1, &rq.token, MW_COAP_CON, 30, 6);
	expect_empty(f, MW_COAP_ACK, 30);
	assert_int_equal(f->seen.results, 1);
	assert_true(f->seen.observing);
	notify(f, 1, &rq.token, MW_COAP_NON, 31, 7);
	assert_int_equal(f->seen.notifications, 1);
}

/* ---- notifications longer than a block ---- */

static void long_first_block(
	struct fx *f, const struct mw_coap_token *t, uint8_t type, uint16_t mid, uint32_t seq)
{
	uint8_t block[64];
	memset(block, 'A', sizeof(block));
	fx_input_as(f, 1,
		&(struct fx_msg){.type = type,
			.code = MW_COAP_CONTENT,
			.mid = mid,
			.observe_1 = seq + 1,
			.format_1 = 43,
			.etag = "e1",
			.block2 = &(struct mw_block){0, true, 2},
			.payload = {block, sizeof(block)}},
		t);
}

static void test_long_notification(void **state)
{
	struct fx *f = *state;
	struct mw_coap_token t = observe(f, 1, 77, 1);
	struct mw_coap_msg rq;
	struct mw_block b;
	f->observed_path = "/3303/0/5700";
	long_first_block(f, &t, MW_COAP_CON, 40, 2);
	assert_int_equal(f->seen.notifications, 0);
	assert_true(fx_read(f, &rq));
	assert_int_equal(rq.code, MW_COAP_GET);
	assert_null(mw_coap_find(&rq, MW_OPT_OBSERVE));
	assert_false(mw_coap_token_eq(&rq.token, &t));
	assert_int_equal(mw_coap_block(&rq, MW_OPT_BLOCK2, &b), 1);
	assert_int_equal(b.num, 1);
	assert_int_equal(b.szx, 2);
	long_first_block(f, &t, MW_COAP_CON, 40, 2);
	expect_silence(f); /* a copy does not start it again, and nothing is acknowledged that is not whole */
	f->verdict = MW_COAP_ACK_LATER;
	fx_input_as(f, 1,
		&(struct fx_msg){.type = MW_COAP_ACK,
			.code = MW_COAP_CONTENT,
			.mid = rq.mid,
			.etag = "e1",
			.block2 = &(struct mw_block){1, false, 2},
			.payload = BYTES("tail")},
		&rq.token);
	assert_int_equal(f->seen.notifications, 1);
	assert_int_equal(f->seen.cookie, 77);
	assert_true(f->seen.is_con);
	expect_silence(f);
	assert_int_equal(mw_coap_ack(f->c, &f->seen.notify_reply), 0); /* now it is stored */
	expect_empty(f, MW_COAP_ACK, 40);
	long_first_block(f, &t, MW_COAP_CON, 40, 2);
	expect_empty(f, MW_COAP_ACK, 40);
	assert_int_equal(f->seen.content_format, 42);
	assert_int_equal(f->seen.body_len, 68);
	assert_memory_equal(f->seen.body + 60, "AAAAtail", 8);
	assert_int_equal(stats(f)->block_bytes, 0);
	assert_int_equal(f->seen.results, 1); /* of the registration only */
}

static void test_long_notification_from_elsewhere(void **state)
{
	struct fx *f = *state;
	struct mw_coap_token t = observe(f, 1, 77, 1);
	f->observed_path = "/3303/0/5700";
	long_first_block(f, &t, MW_COAP_CON, 40, 1000);
	fx_drop_all(f); /* the device's own: it is being fetched */
	struct fx_msg m = {.type = MW_COAP_CON,
		.code = MW_COAP_CONTENT,
		.mid = 41,
		.observe_1 = 5001,
		.block2 = &(struct mw_block){0, true, 2}};
	fx_input_as(f, 9, &m, &t);
	expect_silence(f); /* nothing is fetched from a stranger, and its number does not count */
	notify(f, 1, &t, MW_COAP_NON, 42, 1001);
	assert_int_equal(f->seen.notifications, 1);
}

static void test_long_notification_that_cannot_be_completed(void **state)
{
	struct fx *f = *state;
	struct mw_coap_token t = observe(f, 1, 77, 1);
	long_first_block(f, &t, MW_COAP_NON, 40, 2); /* nobody knows the path */
	expect_silence(f);
	assert_int_equal(stats(f)->notifications_lost, 1);
	f->observed_path = "/3303/0/5700";
	long_first_block(f, &t, MW_COAP_NON, 41, 3);
	fx_pass_ms(f, 100000); /* the device is gone */
	assert_int_equal(stats(f)->notifications_lost, 2);
	assert_int_equal(stats(f)->block_bytes, 0);
	assert_int_equal(f->seen.notifications, 0);
	fx_drop_all(f);
	long_first_block(f, &t, MW_COAP_CON, 43, 4);
	fx_pass_ms(f, 100000);
	fx_drop_all(f);
	long_first_block(f, &t, MW_COAP_CON, 43, 4); /* the device repeats it: it is fetched once more */
	struct mw_coap_msg again;
	assert_true(fx_read(f, &again));
	assert_int_equal(again.code, MW_COAP_GET);
	assert_int_equal(stats(f)->notifications_lost, 3);
	fx_drop_all(f);
	long_first_block(f, &t, MW_COAP_NON, 42, 5); /* open when the endpoint is freed: no leak */
}

static void test_observation_limit(void **state)
{
	(void)state;
	struct fx *f = malloc(sizeof(*f));
	fx_open(f, &(struct mw_coap_config){.max_observations = 1});
	observe(f, 1, 1, 1);
	struct mw_coap_token t = fx_token("second");
	assert_int_equal(mw_coap_observe_restore(f->c, &t, 5), MW_E_LIMIT);
	fx_close(f);
	free(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_freshness_rule),
		cmocka_unit_test(test_table),
		TEST(test_notifications_in_order_and_not),
		TEST(test_ack_later),
		TEST(test_drop_lets_it_come_again),
		TEST(test_refuse_and_ignore),
		TEST(test_unknown_tokens_are_reset),
		TEST(test_error_ends_it),
		TEST(test_success_without_observe_is_no_notification),
		TEST(test_plain_answer_makes_no_observation),
		TEST(test_restored),
		TEST(test_deregistration),
		TEST(test_first_notification_overtakes_the_answer),
		TEST(test_long_notification),
		TEST(test_long_notification_from_elsewhere),
		TEST(test_long_notification_that_cannot_be_completed),
		cmocka_unit_test(test_observation_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
