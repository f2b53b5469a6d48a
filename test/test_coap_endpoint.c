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

static struct mw_coap_msg expect(struct fx *f, uint8_t type, uint8_t code)
{
	struct mw_coap_msg m;
	assert_true(fx_read(f, &m));
	assert_int_equal(m.type, type);
	assert_int_equal(m.code, code);
	return m;
}

static void expect_empty(struct fx *f, uint8_t type, uint16_t mid)
{
	struct mw_coap_msg m = expect(f, type, MW_COAP_EMPTY);
	assert_int_equal(m.mid, mid);
}

static void expect_silence(struct fx *f)
{
	assert_null(fx_next(f));
}

static const struct fx_msg update = {
	.type = MW_COAP_CON, .code = MW_COAP_POST, .mid = 77, .token = "tk", .path = "rd", .query = "lt=60"};

/* ---- requests from peers ---- */

static void test_piggybacked_answer_and_its_replay(void **state)
{
	struct fx *f = *state;
	f->answers = true;
	fx_input(f, 1, update);
	struct fx_datagram first = *fx_next(f);
	assert_int_equal(first.len, 6);
	assert_memory_equal(first.data, "\x62\x44\x00\x4dtk", 6);
	fx_pass_ms(f, 246000);
	fx_input(f, 1, update);
	struct fx_datagram *again = fx_next(f);
	assert_non_null(again);
	assert_int_equal(again->len, first.len);
	assert_memory_equal(again->data, first.data, first.len);
	assert_int_equal(f->seen.requests, 1);
	assert_int_equal(stats(f)->duplicates, 1);
	assert_int_equal(stats(f)->replayed, 1);
	fx_pass_ms(f, 2000); /* past EXCHANGE_LIFETIME the id may be a new message */
	fx_input(f, 1, update);
	assert_int_equal(f->seen.requests, 2);
	fx_input(f, 2, update); /* the same id from another peer is another message */
	assert_int_equal(f->seen.requests, 3);
	assert_int_equal(stats(f)->peers, 0); /* peers that only ask cost nothing */
	assert_int_equal(f->heard, 4);
}

static void test_late_answer_is_separate(void **state)
{
	struct fx *f = *state;
	fx_input(f, 1, update);
	expect_silence(f);
	fx_pass_ms(f, 480);
	fx_input(f, 1, update);
	expect_silence(f); /* pending: a duplicate gets nothing */
	fx_pass_ms(f, 40);
	expect_empty(f, MW_COAP_ACK, 77);
	fx_input(f, 1, update);
	expect_empty(f, MW_COAP_ACK, 77);
	assert_int_equal(mw_coap_respond(f->c, &f->seen.reply, &f->answer), 0);
	assert_int_equal(mw_coap_respond(f->c, &f->seen.reply, &f->answer), MW_E_NOTFOUND);
	struct mw_coap_msg m = expect(f, MW_COAP_CON, MW_COAP_CHANGED);
	assert_memory_equal(m.token.bytes, "tk", 2);
	fx_input(f, 1, update);
	expect_empty(f, MW_COAP_ACK, 77);
	fx_pass_ms(f, 3100);
	struct mw_coap_msg again = expect(f, MW_COAP_CON, MW_COAP_CHANGED);
	assert_int_equal(again.mid, m.mid);
	fx_input(f, 1, (struct fx_msg){.type = MW_COAP_ACK, .mid = m.mid});
	fx_pass_ms(f, 100000);
	expect_silence(f);
	assert_int_equal(f->seen.requests, 1);
}

static void test_separate_answer_gives_up(void **state)
{
	struct fx *f = *state;
	fx_input(f, 1, update);
	fx_pass_ms(f, 600);
	mw_coap_respond(f->c, &f->seen.reply, &f->answer);
	fx_drop_all(f);
	fx_pass_ms(f, 100000);
	assert_int_equal(fx_drop_all(f), 4);
	assert_int_equal(stats(f)->timeouts, 1);
	fx_pass_ms(f, 500000);
	assert_int_equal(stats(f)->peers, 0);
}

static void test_limit_of_separate_answers(void **state)
{
	(void)state;
	struct fx *f = malloc(sizeof(*f));
	fx_open(f, &(struct mw_coap_config){.max_exchanges = 1});
	struct mw_coap_reply replies[2];
	for (uint32_t peer = 0; peer < 2; peer++) {
		fx_input(f, peer, update);
		replies[peer] = f->seen.reply;
	}
	fx_pass_ms(f, 600);
	assert_int_equal(mw_coap_respond(f->c, &replies[0], &f->answer), 0);
	assert_int_equal(mw_coap_respond(f->c, &replies[1], &f->answer), MW_E_LIMIT);
	fx_drop_all(f);
	fx_pass_ms(f, 200000); /* the first one is given up */
	assert_int_equal(mw_coap_respond(f->c, &replies[1], &f->answer), 0);
	fx_close(f);
	free(f);
}

static void test_answer_before_the_ack_timer_is_piggybacked(void **state)
{
	struct fx *f = *state;
	fx_input(f, 1, update);
	fx_pass_ms(f, 300);
	assert_int_equal(mw_coap_respond(f->c, &f->seen.reply, &f->answer), 0);
	assert_int_equal(expect(f, MW_COAP_ACK, MW_COAP_CHANGED).mid, 77);
	fx_pass_ms(f, 100000);
	expect_silence(f);
}

static void test_non_request(void **state)
{
	struct fx *f = *state;
	struct fx_msg m = update;
	m.type = MW_COAP_NON;
	f->answers = true;
	fx_input(f, 1, m);
	expect(f, MW_COAP_NON, MW_COAP_CHANGED);
	fx_input(f, 1, m);
	expect_silence(f);
	assert_int_equal(f->seen.requests, 1);
	fx_pass_ms(f, 146000);
	fx_input(f, 1, m);
	assert_int_equal(f->seen.requests, 2);
	f->answers = false;
	m.mid++;
	fx_drop_all(f);
	fx_input(f, 1, m);
	fx_pass_ms(f, 5000);
	expect_silence(f); /* no empty ACK for a NON */
	assert_int_equal(mw_coap_respond(f->c, &f->seen.reply, &f->answer), 0);
	expect(f, MW_COAP_NON, MW_COAP_CHANGED);
}

static void test_options_of_an_answer(void **state)
{
	struct fx *f = *state;
	f->answers = true;
	f->answer = (struct mw_coap_response){
		.code = MW_COAP_CREATED, .content_format = 40, .location = {"rd", "5a3f"}, .payload = BYTES("</1>")};
	fx_input(f, 1, update);
	struct mw_coap_msg m = expect(f, MW_COAP_ACK, MW_COAP_CREATED);
	assert_int_equal(m.n_options, 3);
	assert_memory_equal(m.options[1].value, "5a3f", 4);
	assert_int_equal(m.payload.len, 4);
	f->answer = (struct mw_coap_response){
		.code = MW_COAP_UNAVAILABLE, .content_format = MW_COAP_NO_FORMAT, .max_age_s = 30};
	struct fx_msg next = update;
	next.mid++;
	fx_input(f, 1, next);
	m = expect(f, MW_COAP_ACK, MW_COAP_UNAVAILABLE);
	uint32_t age = 0;
	mw_coap_uint(&m, MW_OPT_MAX_AGE, 0, &age);
	assert_int_equal(age, 30);
	char long_segment[300];
	memset(long_segment, 'a', 299);
	long_segment[299] = 0;
	f->answer.location[0] = long_segment;
	f->answers = false;
	next.mid++;
	fx_input(f, 1, next);
	assert_int_equal(mw_coap_respond(f->c, &f->seen.reply, &f->answer), MW_E_LIMIT);
	f->answer.location[0] = NULL;
	assert_int_equal(mw_coap_respond(f->c, &f->seen.reply, &f->answer), 0); /* it stayed open */
}

static void test_bad_options_in_requests(void **state)
{
	struct fx *f = *state;
	struct fx_msg m = update;
	m.odd_option = 65;
	f->answers = true;
	fx_input(f, 1, m);
	expect(f, MW_COAP_ACK, MW_COAP_BAD_OPTION);
	fx_input(f, 1, m);
	expect(f, MW_COAP_ACK, MW_COAP_BAD_OPTION);
	m.type = MW_COAP_NON;
	m.mid++;
	fx_input(f, 1, m);
	expect_empty(f, MW_COAP_RST, m.mid);
	m.type = MW_COAP_CON;
	m.mid++;
	m.odd_option = 66; /* elective: ignored */
	fx_input(f, 1, m);
	expect(f, MW_COAP_ACK, MW_COAP_CHANGED);
	static const struct {
		const char *bytes;
		size_t len;
		uint8_t code;
	} rows[] = {
		{"\x40\x01\x01\x01\xd1\x0a\x07", 7, MW_COAP_BAD_REQUEST},             /* Block2 with szx 7 */
		{"\x40\x01\x01\x02\xd4\x0a\x00\x00\x00\x00", 10, MW_COAP_BAD_OPTION}, /* Block2 of 4 bytes */
		{"\x40\x01\x01\x03\xd1\x04\x00\x01\x00", 9, MW_COAP_BAD_OPTION},      /* Accept twice */
		{"\x40\x01\x01\x04\x11\x00", 6, MW_COAP_BAD_OPTION},                  /* If-Match */
		{"\x40\x01\x01\x05\xe0\xfe\xf2\xe0\x00\x00", 10, MW_COAP_BAD_REQUEST},
	};
	struct mw_addr from = fx_addr(1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		mw_coap_input(f->c, &from, (const uint8_t *)rows[i].bytes, rows[i].len);
		expect(f, MW_COAP_ACK, rows[i].code);
	}
	uint8_t many[4 + 60] = {0x40, 1, 9, 9, 0xb0};
	mw_coap_input(f->c, &from, many, sizeof(many));
	expect(f, MW_COAP_ACK, MW_COAP_BAD_OPTION);
	assert_int_equal(f->seen.requests, 1);
}

static void test_malformed(void **state)
{
	struct fx *f = *state;
	static const struct {
		const char *bytes;
		size_t len;
		bool is_reset;
	} rows[] = {
		{"\x40\x01\x00", 3, false},
		{"\x80\x01\x00\x01", 4, false},
		{"\x49\x01\x00\x01", 4, true},
		{"\x59\x01\x00\x01", 4, false}, /* NON: dropped */
		{"\x40\x01\x00\x01\xff", 5, true},
		{"\x60\x45\x00\x01\xff", 5, false},
		{"\x40\x00\x00\x01", 4, true},
		{"\x40\x00\x00\x01\x00", 5, true},
		{"\x40\x20\x00\x01", 4, true},
		{"\x50\xe1\x00\x01", 4, false}, /* reserved classes */
		{"\x60\x01\x00\x01", 4, false},
		{"\x70\x45\x00\x01", 4, false},
		{"\x50\x00\x00\x01", 4, false},
	};
	struct mw_addr from = fx_addr(1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		mw_coap_input(f->c, &from, (const uint8_t *)rows[i].bytes, rows[i].len);
		if (rows[i].is_reset)
			expect_empty(f, MW_COAP_RST, 1);
		expect_silence(f);
	}
	assert_int_equal(f->seen.requests, 0);
	assert_int_equal(stats(f)->malformed, 10);
}

/* ---- our requests ---- */

static struct mw_coap_msg start_get(struct fx *f, uint32_t peer, int64_t *id)
{
	struct mw_coap_send rq = fx_request(peer, MW_COAP_GET, "/3/0/1");
	int64_t got = mw_coap_request(f->c, &rq, fx_on_result, f);
	assert_true(got > 0);
	if (id)
		*id = got;
	return expect(f, MW_COAP_CON, MW_COAP_GET);
}

static void answer_as(struct fx *f, uint32_t peer, const struct mw_coap_msg *rq, struct fx_msg m)
{
	if (m.type == MW_COAP_ACK)
		m.mid = rq->mid;
	fx_input_as(f, peer, &m, &rq->token);
}

static void test_request_encoding(void **state)
{
	struct fx *f = *state;
	const uint16_t path[] = {3303, 0, 5700};
	const char *const query[] = {"pmin=10", "pmax=60", NULL};
	struct mw_coap_token token = fx_token("abc");
	struct mw_coap_send rq = {.to = fx_addr(4),
		.code = MW_COAP_PUT,
		.prefix = "/lwm2m",
		.path = path,
		.path_len = 3,
		.query = query,
		.content_format = 112,
		.accept = 110,
		.payload = BYTES("data"),
		.observe = -1,
		.token = &token};
	assert_true(mw_coap_request(f->c, &rq, fx_on_result, f) > 0);
	struct fx_datagram *d = fx_next(f);
	assert_non_null(d);
	assert_int_equal(d->data[0], 0x43);
	assert_memory_equal(d->data + 4,
		"abc\xb5lwm2m\x04"
		"3303\x01"
		"0\x04"
		"5700\x11\x70\x37pmin=10\x07pmax=60\x21\x6e\xff"
		"data",
		d->len - 4);
	assert_int_equal(d->len, 50);
}

static void test_piggybacked_response(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = start_get(f, 1, NULL);
	assert_int_equal(rq.token.len, 8);
	assert_int_equal(f->seen.results, 0);
	answer_as(f, 1, &rq,
		(struct fx_msg){
			.type = MW_COAP_ACK, .code = MW_COAP_CONTENT, .format_1 = 1, .payload = BYTES("21.5")});
	assert_int_equal(f->seen.results, 1);
	assert_int_equal(f->seen.err, 0);
	assert_int_equal(f->seen.result_code, MW_COAP_CONTENT);
	assert_int_equal(f->seen.content_format, 0);
	assert_memory_equal(f->seen.body, "21.5", 4);
	fx_pass_ms(f, 200000);
	expect_silence(f);
	assert_int_equal(stats(f)->exchanges, 0);
	assert_int_equal(stats(f)->peers, 1); /* its message ids are remembered */
	fx_pass_ms(f, 60000);
	assert_int_equal(stats(f)->peers, 0);
}

static void test_location_of_a_created(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = start_get(f, 1, NULL);
	answer_as(f, 1, &rq,
		(struct fx_msg){.type = MW_COAP_ACK, .code = MW_COAP_CREATED, .location = "lwm2m/3303/65534"});
	assert_int_equal(f->seen.location[0], 3303);
	assert_int_equal(f->seen.location[1], 65534);
	assert_int_equal(f->seen.location[2], 65535);
}

static void test_retransmission_times(void **state)
{
	struct fx *f = *state;
	for (uint32_t peer = 1; peer < 20; peer++) {
		struct mw_coap_msg rq = start_get(f, peer, NULL);
		int64_t sent_at = f->now, waits[5];
		fx_drop_all(f);
		f->seen.results = 0;
		for (int i = 0; i < 5; i++) {
			int64_t at = f->now;
			while (!f->n_sent && !f->seen.results)
				fx_pass_ms(f, 16);
			waits[i] = f->now - at;
			struct mw_coap_msg again;
			if (i < 4) {
				assert_true(fx_read(f, &again));
				assert_int_equal(again.mid, rq.mid);
				assert_memory_equal(again.token.bytes, rq.token.bytes, 8);
				expect_silence(f);
			}
		}
		assert_in_range(waits[0], 2000, 3032);
		for (int i = 1; i < 5; i++)
			assert_in_range(waits[i], 2 * waits[i - 1] - 64, 2 * waits[i - 1] + 64);
		assert_in_range(f->now - sent_at, 62000, 93200);
		assert_int_equal(f->seen.results, 1);
		assert_int_equal(f->seen.err, MW_E_TIMEOUT);
	}
}

static void test_own_ack_timeout_and_deadline(void **state)
{
	struct fx *f = *state;
	struct mw_coap_send rq = fx_request(1, MW_COAP_GET, "/1");
	rq.ack_timeout_ms = 10000;
	rq.timeout_ms = 12000;
	mw_coap_request(f->c, &rq, fx_on_result, f);
	mw_coap_request(f->c, &rq, fx_on_result, f);
	assert_int_equal(fx_drop_all(f), 1);
	fx_pass_ms(f, 9900);
	expect_silence(f);
	fx_pass_ms(f, 2100);
	assert_int_equal(f->seen.results, 2); /* the waiting one as well: its time runs while it waits */
	assert_int_equal(f->seen.err, MW_E_TIMEOUT);
}

static void test_nstart(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg first = start_get(f, 1, NULL);
	struct mw_coap_send rq = fx_request(1, MW_COAP_GET, "/2");
	assert_true(mw_coap_request(f->c, &rq, fx_on_result, f) > 0);
	expect_silence(f);
	start_get(f, 2, NULL); /* another peer does not wait */
	answer_as(f, 1, &first, (struct fx_msg){.type = MW_COAP_ACK, .code = MW_COAP_CONTENT});
	assert_int_equal(f->seen.results, 1);
	struct mw_coap_msg second = expect(f, MW_COAP_CON, MW_COAP_GET);
	assert_int_equal(second.mid, (uint16_t)(first.mid + 1));
	assert_memory_equal(second.options[0].value, "2", 1);
}

static void test_queue_limits(void **state)
{
	(void)state;
	struct fx *f = malloc(sizeof(*f));
	fx_open(f, &(struct mw_coap_config){.max_peer_queue = 3, .max_exchanges = 6});
	struct mw_coap_send a = fx_request(1, MW_COAP_GET, "/1"), b = fx_request(2, MW_COAP_GET, "/1");
	for (int i = 0; i < 4; i++)
		assert_true(mw_coap_request(f->c, &a, fx_on_result, f) > 0);
	assert_int_equal(mw_coap_request(f->c, &a, fx_on_result, f), MW_E_LIMIT);
	for (int i = 0; i < 2; i++)
		assert_true(mw_coap_request(f->c, &b, fx_on_result, f) > 0);
	assert_int_equal(mw_coap_request(f->c, &b, fx_on_result, f), MW_E_LIMIT);
	assert_int_equal(f->seen.results, 0);
	fx_close(f);
	assert_int_equal(f->seen.results, 6);
	assert_int_equal(f->seen.err, MW_E_CANCELED);
	free(f);
}

static void test_separate_response(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = start_get(f, 1, NULL);
	fx_input(f, 1, (struct fx_msg){.type = MW_COAP_ACK, .mid = rq.mid});
	fx_pass_ms(f, 90000);
	expect_silence(f); /* the empty ACK stops retransmission */
	struct fx_msg con = {.type = MW_COAP_CON, .code = MW_COAP_CONTENT, .mid = 900, .payload = BYTES("x")};
	answer_as(f, 1, &rq, con);
	expect_empty(f, MW_COAP_ACK, 900);
	assert_int_equal(f->seen.results, 1);
	answer_as(f, 1, &rq, con); /* our ACK was lost */
	expect_empty(f, MW_COAP_ACK, 900);
	assert_int_equal(f->seen.results, 1);
	con.mid++;
	answer_as(f, 1, &rq, con); /* a token that we no longer know */
	expect_empty(f, MW_COAP_RST, 901);
	con.type = MW_COAP_NON;
	con.mid++;
	answer_as(f, 1, &rq, con);
	expect_silence(f);

	rq = start_get(f, 1, NULL); /* NON, and before the ACK */
	answer_as(f, 1, &rq, (struct fx_msg){.type = MW_COAP_NON, .code = MW_COAP_NOT_FOUND, .mid = 5});
	assert_int_equal(f->seen.results, 2);
	assert_int_equal(f->seen.result_code, MW_COAP_NOT_FOUND);
	fx_input(f, 1, (struct fx_msg){.type = MW_COAP_ACK, .mid = rq.mid});
	expect_silence(f);
}

static void test_separate_response_never_comes(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = start_get(f, 1, NULL);
	fx_input(f, 1, (struct fx_msg){.type = MW_COAP_ACK, .mid = rq.mid});
	fx_pass_ms(f, 92900);
	assert_int_equal(f->seen.results, 0);
	fx_pass_ms(f, 200);
	assert_int_equal(f->seen.err, MW_E_TIMEOUT);
}

static void test_what_does_not_match(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = start_get(f, 1, NULL);
	struct fx_msg ack = {.type = MW_COAP_ACK, .code = MW_COAP_CONTENT};
	answer_as(f, 2, &rq, ack); /* right token and id, foreign address */
	ack.type = MW_COAP_NON;
	answer_as(f, 2, &rq, ack);
	fx_input(f, 2, (struct fx_msg){.type = MW_COAP_RST, .mid = rq.mid});
	fx_input(f, 1, (struct fx_msg){.type = MW_COAP_RST, .mid = (uint16_t)(rq.mid + 1)});
	struct mw_coap_token other = fx_token("other");
	fx_input_as(f, 1, &(struct fx_msg){.type = MW_COAP_ACK, .code = MW_COAP_CONTENT, .mid = rq.mid}, &other);
	fx_input_as(f, 1,
		&(struct fx_msg){.type = MW_COAP_ACK, .code = MW_COAP_CONTENT, .mid = (uint16_t)(rq.mid + 1)},
		&rq.token);
	assert_int_equal(f->seen.results, 0);
	expect_silence(f);
	fx_input(f, 1, (struct fx_msg){.type = MW_COAP_RST, .mid = rq.mid});
	assert_int_equal(f->seen.results, 1);
	assert_int_equal(f->seen.err, MW_E_RESET);
}

static void test_critical_option_in_a_response(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = start_get(f, 1, NULL);
	answer_as(
		f, 1, &rq, (struct fx_msg){.type = MW_COAP_CON, .code = MW_COAP_CONTENT, .mid = 3, .odd_option = 65});
	expect_empty(f, MW_COAP_RST, 3);
	assert_int_equal(f->seen.err, MW_E_FORMAT);
}

static void test_cancel(void **state)
{
	struct fx *f = *state;
	int64_t first, second;
	start_get(f, 1, &first);
	struct mw_coap_send rq = fx_request(1, MW_COAP_GET, "/2");
	second = mw_coap_request(f->c, &rq, fx_on_result, f);
	assert_int_equal(mw_coap_cancel(f->c, second), 0);
	assert_int_equal(f->seen.results, 1);
	assert_int_equal(f->seen.err, MW_E_CANCELED);
	assert_int_equal(mw_coap_cancel(f->c, second), MW_E_NOTFOUND);
	int64_t third = mw_coap_request(f->c, &rq, fx_on_result, f);
	assert_true(third != second);
	assert_int_equal(mw_coap_cancel(f->c, second), MW_E_NOTFOUND); /* the place was taken again */
	expect_silence(f);
	assert_int_equal(mw_coap_cancel(f->c, first), 0);
	expect(f, MW_COAP_CON, MW_COAP_GET);
	assert_int_equal(mw_coap_cancel(f->c, third), 0);
	assert_int_equal(mw_coap_cancel(f->c, 0), MW_E_NOTFOUND);
	assert_int_equal(mw_coap_cancel(f->c, -5), MW_E_NOTFOUND);
	assert_int_equal(mw_coap_cancel(f->c, INT64_MAX), MW_E_NOTFOUND);
	fx_pass_ms(f, 100000);
	expect_silence(f);
	assert_int_equal(stats(f)->exchanges, 0);
}

static void test_bad_arguments(void **state)
{
	struct fx *f = *state;
	char segment[300];
	memset(segment, 'a', sizeof(segment) - 1);
	segment[0] = '/';
	segment[sizeof(segment) - 1] = 0;
	struct mw_coap_send rq = fx_request(1, MW_COAP_GET, segment);
	assert_int_equal(mw_coap_request(f->c, &rq, fx_on_result, f), MW_E_ARG);
	rq = fx_request(1, MW_COAP_CONTENT, "/1");
	assert_int_equal(mw_coap_request(f->c, &rq, fx_on_result, f), MW_E_ARG);
	rq = fx_request(1, MW_COAP_GET, "/1");
	rq.observe = 1;
	assert_int_equal(mw_coap_request(f->c, &rq, fx_on_result, f), MW_E_ARG);
	assert_int_equal(f->seen.results, 0);
	expect_silence(f);
	assert_int_equal(stats(f)->exchanges, 0);
}

static void ask_again(void *ud, const struct mw_coap_result *r)
{
	struct fx *f = ud;
	fx_on_result(ud, r);
	struct mw_coap_send rq = fx_request(1, MW_COAP_GET, "/again");
	if (f->seen.results == 1)
		mw_coap_request(f->c, &rq, ask_again, f);
}

static void test_request_inside_a_callback(void **state)
{
	struct fx *f = *state;
	struct mw_coap_send rq = fx_request(1, MW_COAP_GET, "/1");
	int64_t id = mw_coap_request(f->c, &rq, ask_again, f);
	mw_coap_request(f->c, &rq, fx_on_result, f);
	fx_drop_all(f);
	mw_coap_cancel(f->c, id);
	struct mw_coap_msg m = expect(f, MW_COAP_CON, MW_COAP_GET);
	assert_memory_equal(m.options[0].value, "1", 1); /* who waited longer goes first */
	expect_silence(f);
	assert_int_equal(stats(f)->exchanges, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_piggybacked_answer_and_its_replay),
		TEST(test_late_answer_is_separate),
		TEST(test_separate_answer_gives_up),
		cmocka_unit_test(test_limit_of_separate_answers),
		TEST(test_answer_before_the_ack_timer_is_piggybacked),
		TEST(test_non_request),
		TEST(test_options_of_an_answer),
		TEST(test_bad_options_in_requests),
		TEST(test_malformed),
		TEST(test_request_encoding),
		TEST(test_piggybacked_response),
		TEST(test_location_of_a_created),
		TEST(test_retransmission_times),
		TEST(test_own_ack_timeout_and_deadline),
		TEST(test_nstart),
		cmocka_unit_test(test_queue_limits),
		TEST(test_separate_response),
		TEST(test_separate_response_never_comes),
		TEST(test_what_does_not_match),
		TEST(test_critical_option_in_a_response),
		TEST(test_cancel),
		TEST(test_bad_arguments),
		TEST(test_request_inside_a_callback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
