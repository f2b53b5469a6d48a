#include "coap_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#define BYTES(text) ((struct mw_bytes){(const uint8_t *)(text), sizeof(text) - 1})

static uint8_t pattern[1 << 17];

static int setup(void **state)
{
	struct fx *f = malloc(sizeof(*f));
	fx_open(f, NULL);
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 31 + i / 256);
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

/* As setup, with limits; the test closes it. */
static struct fx *open_with(const struct mw_coap_config *config)
{
	struct fx *f = malloc(sizeof(*f));
	fx_open(f, config);
	return f;
}

static void close_own(struct fx *f)
{
	fx_close(f);
	free(f);
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

static void expect_block(const struct mw_coap_msg *m, uint16_t option, uint32_t num, bool more, uint8_t szx)
{
	struct mw_block b;
	assert_int_equal(mw_coap_block(m, option, &b), 1);
	assert_int_equal(b.num, num);
	assert_int_equal(b.more, more);
	assert_int_equal(b.szx, szx);
}

static struct mw_bytes slice(size_t offset, size_t len)
{
	return (struct mw_bytes){pattern + offset, len};
}

/* ---- bodies of requests from peers ---- */

static uint16_t next_mid = 1;

static void put_block(struct fx *f, uint32_t peer, uint32_t num, bool more, uint8_t szx, size_t len)
{
	size_t offset = (size_t)num << (szx + 4);
	fx_input(f, peer,
		(struct fx_msg){.type = MW_COAP_CON,
			.code = MW_COAP_POST,
			.mid = next_mid++,
			.token = num & 1 ? "a" : "b", /* the token may change from block to block */
			.path = "rd",
			.block1 = &(struct mw_block){num, more, szx},
			.payload = slice(offset, len)});
}

static void test_block1_is_reassembled(void **state)
{
	struct fx *f = *state;
	f->answers = true;
	f->answer = (struct mw_coap_response){
		.code = MW_COAP_CREATED, .content_format = MW_COAP_NO_FORMAT, .location = {"rd", "1"}};
	for (uint32_t i = 0; i < 4; i++) {
		put_block(f, 1, i, true, 2, 64);
		struct mw_coap_msg m = expect(f, MW_COAP_ACK, MW_COAP_CONTINUE);
		expect_block(&m, MW_OPT_BLOCK1, i, true, 2);
	}
	assert_int_equal(f->seen.requests, 0);
	assert_true(stats(f)->block_bytes >= 256);
	put_block(f, 1, 4, false, 2, 10);
	struct mw_coap_msg m = expect(f, MW_COAP_ACK, MW_COAP_CREATED);
	expect_block(&m, MW_OPT_BLOCK1, 4, false, 2);
	assert_int_equal(f->seen.requests, 1);
	assert_int_equal(f->seen.body_len, 266);
	assert_memory_equal(f->seen.body, pattern, 266);
	assert_int_equal(stats(f)->block_bytes, 0);
	next_mid--;
	put_block(f, 1, 4, false, 2, 10); /* a copy of the last one */
	m = expect(f, MW_COAP_ACK, MW_COAP_CREATED);
	assert_int_equal(f->seen.requests, 1);
}

static void test_block1_in_one_block(void **state)
{
	struct fx *f = *state;
	f->answers = true;
	put_block(f, 1, 0, false, 6, 5);
	struct mw_coap_msg m = expect(f, MW_COAP_ACK, MW_COAP_CHANGED);
	expect_block(&m, MW_OPT_BLOCK1, 0, false, 6);
	assert_int_equal(f->seen.body_len, 5);
}

static void test_block1_late_answer_keeps_the_option(void **state)
{
	struct fx *f = *state;
	put_block(f, 1, 0, true, 2, 64);
	put_block(f, 1, 1, false, 2, 1);
	fx_drop_all(f);
	fx_pass_ms(f, 600);
	fx_drop_all(f);
	assert_int_equal(mw_coap_respond(f->c, &f->seen.reply, &f->answer), 0);
	struct mw_coap_msg m = expect(f, MW_COAP_CON, MW_COAP_CHANGED);
	expect_block(&m, MW_OPT_BLOCK1, 1, false, 2);
}

static void test_block1_gaps(void **state)
{
	struct fx *f = *state;
	put_block(f, 1, 3, true, 2, 64); /* nothing is under way */
	expect(f, MW_COAP_ACK, MW_COAP_INCOMPLETE);
	put_block(f, 1, 0, true, 2, 64);
	expect(f, MW_COAP_ACK, MW_COAP_CONTINUE);
	put_block(f, 2, 1, true, 2, 64); /* another peer's transfer */
	expect(f, MW_COAP_ACK, MW_COAP_INCOMPLETE);
	put_block(f, 1, 2, true, 2, 64);
	expect(f, MW_COAP_ACK, MW_COAP_INCOMPLETE);
	put_block(f, 1, 1, true, 2, 64); /* the gap ended it */
	expect(f, MW_COAP_ACK, MW_COAP_INCOMPLETE);
	put_block(f, 1, 0, true, 2, 63); /* shorter than it says */
	expect(f, MW_COAP_ACK, MW_COAP_BAD_REQUEST);
	put_block(f, 1, 0, true, 2, 65);
	expect(f, MW_COAP_ACK, MW_COAP_BAD_REQUEST);
	assert_int_equal(stats(f)->blocks_refused, 6);
	assert_int_equal(stats(f)->block_bytes, 0);
	f->answers = true;
	put_block(f, 1, 0, true, 2, 64);
	put_block(f, 1, 1, true, 2, 64);
	put_block(f, 1, 1, true, 2, 64); /* the same block under a new message id */
	put_block(f, 1, 0, true, 2, 64); /* from the start again */
	put_block(f, 1, 1, false, 2, 3);
	assert_int_equal(fx_drop_all(f), 5);
	assert_int_equal(f->seen.requests, 1);
	assert_int_equal(f->seen.body_len, 67);
}

static void test_block1_timeout(void **state)
{
	struct fx *f = *state;
	put_block(f, 1, 0, true, 2, 64);
	fx_pass_ms(f, 92000);
	put_block(f, 1, 1, true, 2, 64);
	fx_pass_ms(f, 92000);
	assert_true(stats(f)->block_bytes > 0);
	fx_pass_ms(f, 2000);
	assert_int_equal(stats(f)->block_bytes, 0);
	fx_drop_all(f);
	put_block(f, 1, 2, false, 2, 64);
	expect(f, MW_COAP_ACK, MW_COAP_INCOMPLETE);
}

static void test_block1_smaller_size_is_asked_for(void **state)
{
	(void)state;
	struct fx *f = open_with(&(struct mw_coap_config){.block_szx = 2});
	f->answers = true;
	put_block(f, 1, 0, true, 4, 256);
	struct mw_coap_msg m = expect(f, MW_COAP_ACK, MW_COAP_CONTINUE);
	expect_block(&m, MW_OPT_BLOCK1, 0, true, 2);
	put_block(f, 1, 4, true, 2, 64); /* 256 bytes are there: number 4 of 64 bytes */
	expect(f, MW_COAP_ACK, MW_COAP_CONTINUE);
	put_block(f, 1, 5, false, 2, 1);
	expect(f, MW_COAP_ACK, MW_COAP_CHANGED);
	assert_int_equal(f->seen.body_len, 321);
	assert_memory_equal(f->seen.body, pattern, 321);
	close_own(f);
}

static void test_block1_budgets(void **state)
{
	(void)state;
	struct fx *f = open_with(
		&(struct mw_coap_config){.block_body_max = 2048, .block_peer_max = 4096, .block_total_max = 8192});
	put_block(f, 1, 0, true, 6, 1024);
	expect(f, MW_COAP_ACK, MW_COAP_CONTINUE);
	put_block(f, 1, 1, true, 6, 1024);
	expect(f, MW_COAP_ACK, MW_COAP_CONTINUE);
	put_block(f, 1, 2, false, 6, 1); /* one body */
	struct mw_coap_msg m = expect(f, MW_COAP_ACK, MW_COAP_TOO_LARGE);
	uint32_t size = 0;
	mw_coap_uint(&m, MW_OPT_SIZE1, 0, &size);
	assert_int_equal(size, 2048);
	assert_int_equal(stats(f)->block_bytes, 0);
	fx_input(f, 1,
		(struct fx_msg){.type = MW_COAP_CON,
			.code = MW_COAP_POST,
			.mid = next_mid++,
			.path = "rd",
			.block1 = &(struct mw_block){0, true, 2},
			.size1 = 5000,
			.payload = slice(0, 64)});
	expect(f, MW_COAP_ACK, MW_COAP_TOO_LARGE);
	int accepted = 0;
	const char *const paths[] = {"a", "b", "c", "d", "e", "f", "g"};
	for (uint32_t peer = 1; peer <= 4; peer++)
		for (size_t i = 0; i < 7; i++) { /* of one peer 3 fit, of all 6 */
			fx_input(f, peer,
				(struct fx_msg){.type = MW_COAP_CON,
					.code = MW_COAP_POST,
					.mid = next_mid++,
					.path = paths[i],
					.block1 = &(struct mw_block){0, true, 6},
					.payload = slice(0, 1024)});
			assert_true(fx_read(f, &m));
			accepted += m.code == MW_COAP_CONTINUE;
			assert_int_equal(accepted, (peer > 2 ? 2 : peer - 1) * 3 + (peer > 2 ? 0 : i < 3 ? i + 1 : 3));
		}
	fx_pass_ms(f, 94000);
	assert_int_equal(stats(f)->block_bytes, 0);
	close_own(f);
}

/* ---- long answers of ours ---- */

static void get_block(struct fx *f, uint16_t mid, uint32_t num, uint8_t szx, const char *query)
{
	fx_input(f, 1,
		(struct fx_msg){.type = MW_COAP_CON,
			.code = MW_COAP_GET,
			.mid = mid,
			.token = "t",
			.path = "bspack",
			.query = query,
			.block2 = szx > 6 ? NULL : &(struct mw_block){num, false, szx}});
}

static void test_block2_is_served(void **state)
{
	struct fx *f = *state;
	f->answers = true;
	f->answer = (struct mw_coap_response){
		.code = MW_COAP_CONTENT, .content_format = 11543, .payload = slice(0, 2500)};
	get_block(f, 1, 0, 7, "ep=a");
	struct mw_coap_msg m = expect(f, MW_COAP_ACK, MW_COAP_CONTENT);
	expect_block(&m, MW_OPT_BLOCK2, 0, true, 6);
	assert_int_equal(m.payload.len, 1024);
	uint8_t etag[4];
	assert_int_equal(mw_coap_find(&m, MW_OPT_ETAG)->len, 4);
	memcpy(etag, mw_coap_find(&m, MW_OPT_ETAG)->value, 4);
	get_block(f, 2, 4, 5, "ep=a"); /* going on in smaller ones: 2048 = 4 * 512 */
	m = expect(f, MW_COAP_ACK, MW_COAP_CONTENT);
	expect_block(&m, MW_OPT_BLOCK2, 4, false, 5);
	assert_int_equal(m.payload.len, 452);
	assert_memory_equal(m.payload.data, pattern + 2048, 452);
	assert_memory_equal(mw_coap_find(&m, MW_OPT_ETAG)->value, etag, 4);
	uint32_t format;
	mw_coap_uint(&m, MW_OPT_CONTENT_FORMAT, 0, &format);
	assert_int_equal(format, 11543);
	assert_int_equal(f->seen.requests, 1);
	get_block(f, 3, 99, 6, "ep=a");
	expect(f, MW_COAP_ACK, MW_COAP_BAD_REQUEST);
	get_block(f, 4, 1, 6, "ep=b"); /* another resource: asked anew */
	m = expect(f, MW_COAP_ACK, MW_COAP_CONTENT);
	expect_block(&m, MW_OPT_BLOCK2, 1, true, 6);
	assert_int_equal(f->seen.requests, 2);
	fx_pass_ms(f, 94000);
	assert_int_equal(stats(f)->block_bytes, 0);
	get_block(f, 5, 2, 6, "ep=a"); /* kept no longer: the same answer, cut where asked */
	m = expect(f, MW_COAP_ACK, MW_COAP_CONTENT);
	expect_block(&m, MW_OPT_BLOCK2, 2, false, 6);
	assert_memory_equal(m.payload.data, pattern + 2048, 452);
}

static void test_block2_of_a_late_answer(void **state)
{
	struct fx *f = *state;
	get_block(f, 1, 0, 2, NULL);
	fx_pass_ms(f, 600);
	fx_drop_all(f);
	struct mw_coap_response r = {
		.code = MW_COAP_CONTENT, .content_format = MW_COAP_NO_FORMAT, .payload = slice(0, 100)};
	assert_int_equal(mw_coap_respond(f->c, &f->seen.reply, &r), 0);
	struct mw_coap_msg m = expect(f, MW_COAP_CON, MW_COAP_CONTENT);
	expect_block(&m, MW_OPT_BLOCK2, 0, true, 2);
	get_block(f, 2, 1, 2, NULL);
	m = expect(f, MW_COAP_ACK, MW_COAP_CONTENT);
	assert_int_equal(m.payload.len, 36);
	assert_int_equal(f->seen.requests, 1);
}

static void test_block2_budget(void **state)
{
	(void)state;
	struct fx *f = open_with(&(struct mw_coap_config){.block_peer_max = 4000});
	struct mw_coap_response r = {
		.code = MW_COAP_CONTENT, .content_format = MW_COAP_NO_FORMAT, .payload = slice(0, 5000)};
	get_block(f, 1, 0, 7, NULL);
	assert_int_equal(mw_coap_respond(f->c, &f->seen.reply, &r), MW_E_LIMIT);
	assert_int_equal(stats(f)->block_bytes, 0);
	r.code = MW_COAP_UNAVAILABLE; /* a diagnostic text is cut, not split */
	assert_int_equal(mw_coap_respond(f->c, &f->seen.reply, &r), 0);
	struct mw_coap_msg m = expect(f, MW_COAP_ACK, MW_COAP_UNAVAILABLE);
	assert_int_equal(m.payload.len, 1024);
	close_own(f);
}

/* ---- our long requests and the answers to them ---- */

static struct mw_coap_msg send_body(struct fx *f, uint8_t code, size_t len)
{
	struct mw_coap_send rq = fx_request(1, code, "/5/0/0");
	rq.content_format = 42;
	rq.payload = slice(0, len);
	assert_true(mw_coap_request(f->c, &rq, fx_on_result, f) > 0);
	return expect(f, MW_COAP_CON, code);
}

static void answer(struct fx *f, const struct mw_coap_msg *rq, struct fx_msg m)
{
	m.mid = m.type == MW_COAP_ACK ? rq->mid : m.mid;
	fx_input_as(f, 1, &m, &rq->token);
}

static void test_upload(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = send_body(f, MW_COAP_PUT, 2100);
	uint32_t size1;
	mw_coap_uint(&rq, MW_OPT_SIZE1, 0, &size1);
	assert_int_equal(size1, 2100);
	for (uint32_t i = 0; i < 2; i++) {
		expect_block(&rq, MW_OPT_BLOCK1, i, true, 6);
		assert_memory_equal(rq.payload.data, pattern + i * 1024, 1024);
		answer(f, &rq,
			(struct fx_msg){
				.type = MW_COAP_ACK, .code = MW_COAP_CONTINUE, .block1 = &(struct mw_block){i, true, 6}});
		rq = expect(f, MW_COAP_CON, MW_COAP_PUT);
	}
	expect_block(&rq, MW_OPT_BLOCK1, 2, false, 6);
	assert_int_equal(rq.payload.len, 52);
	assert_int_equal(f->seen.results, 0);
	answer(f, &rq,
		(struct fx_msg){
			.type = MW_COAP_ACK, .code = MW_COAP_CHANGED, .block1 = &(struct mw_block){2, false, 6}});
	assert_int_equal(f->seen.results, 1);
	assert_int_equal(f->seen.result_code, MW_COAP_CHANGED);
}

static void test_upload_in_the_size_that_the_peer_wants(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = send_body(f, MW_COAP_PUT, 2000);
	answer(f, &rq,
		(struct fx_msg){
			.type = MW_COAP_ACK, .code = MW_COAP_CONTINUE, .block1 = &(struct mw_block){0, true, 4}});
	rq = expect(f, MW_COAP_CON, MW_COAP_PUT);
	expect_block(&rq, MW_OPT_BLOCK1, 4, true, 4); /* the first 1024 bytes were taken */
	assert_memory_equal(rq.payload.data, pattern + 1024, 256);
	answer(f, &rq,
		(struct fx_msg){
			.type = MW_COAP_ACK, .code = MW_COAP_TOO_LARGE, .block1 = &(struct mw_block){4, true, 2}});
	rq = expect(f, MW_COAP_CON, MW_COAP_PUT);
	expect_block(&rq, MW_OPT_BLOCK1, 0, true, 2); /* refused with a hint: again from the start */
	answer(f, &rq, (struct fx_msg){.type = MW_COAP_ACK, .code = MW_COAP_TOO_LARGE});
	assert_int_equal(f->seen.result_code, MW_COAP_TOO_LARGE);

	rq = send_body(f, MW_COAP_PUT, 500); /* fits one block of ours, not one of the peer's */
	assert_null(mw_coap_find(&rq, MW_OPT_BLOCK1));
	answer(f, &rq,
		(struct fx_msg){
			.type = MW_COAP_ACK, .code = MW_COAP_TOO_LARGE, .block1 = &(struct mw_block){0, false, 3}});
	rq = expect(f, MW_COAP_CON, MW_COAP_PUT);
	expect_block(&rq, MW_OPT_BLOCK1, 0, true, 3);
}

static void test_upload_restarts_once(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = send_body(f, MW_COAP_PUT, 3000);
	for (int round = 0; round < 2; round++) {
		expect_block(&rq, MW_OPT_BLOCK1, 0, true, 6);
		answer(f, &rq,
			(struct fx_msg){
				.type = MW_COAP_ACK, .code = MW_COAP_CONTINUE, .block1 = &(struct mw_block){0, true, 6}});
		rq = expect(f, MW_COAP_CON, MW_COAP_PUT);
		answer(f, &rq, (struct fx_msg){.type = MW_COAP_ACK, .code = MW_COAP_INCOMPLETE});
		if (round == 0)
			rq = expect(f, MW_COAP_CON, MW_COAP_PUT);
	}
	assert_int_equal(f->seen.results, 1);
	assert_int_equal(f->seen.result_code, MW_COAP_INCOMPLETE);
}

static void test_upload_protocol_errors(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = send_body(f, MW_COAP_PUT, 2000);
	answer(f, &rq,
		(struct fx_msg){
			.type = MW_COAP_ACK, .code = MW_COAP_CONTINUE, .block1 = &(struct mw_block){1, true, 6}});
	assert_int_equal(f->seen.err, MW_E_FORMAT);
	rq = send_body(f, MW_COAP_PUT, 10);
	answer(f, &rq, (struct fx_msg){.type = MW_COAP_ACK, .code = MW_COAP_CONTINUE});
	assert_int_equal(f->seen.results, 2);
	assert_int_equal(f->seen.err, MW_E_FORMAT);
	rq = send_body(f, MW_COAP_PUT, 2000); /* refused early: that is the answer */
	answer(f, &rq, (struct fx_msg){.type = MW_COAP_ACK, .code = MW_COAP_FORBIDDEN});
	assert_int_equal(f->seen.results, 3);
	assert_int_equal(f->seen.result_code, MW_COAP_FORBIDDEN);
}

static struct fx_msg part(uint32_t num, bool more, uint8_t szx, const char *etag, size_t len)
{
	static struct mw_block b; /* named by the message until it is encoded */
	b = (struct mw_block){num, more, szx};
	return (struct fx_msg){.type = MW_COAP_ACK,
		.code = MW_COAP_CONTENT,
		.etag = etag,
		.format_1 = num ? 0 : 61,
		.block2 = &b,
		.payload = slice((size_t)num << (szx + 4), len)};
}

static struct mw_coap_msg start_get(struct fx *f, int observe)
{
	struct mw_coap_send rq = fx_request(1, MW_COAP_GET, "/3");
	rq.accept = 110;
	rq.observe = observe;
	rq.cookie = 5;
	assert_true(mw_coap_request(f->c, &rq, fx_on_result, f) > 0);
	return expect(f, MW_COAP_CON, MW_COAP_GET);
}

static void test_download(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = start_get(f, -1);
	assert_null(mw_coap_find(&rq, MW_OPT_BLOCK2));
	struct mw_coap_token token = rq.token;
	answer(f, &rq, part(0, true, 5, "v1", 512));
	for (uint32_t i = 1; i < 4; i++) {
		rq = expect(f, MW_COAP_CON, MW_COAP_GET);
		expect_block(&rq, MW_OPT_BLOCK2, i, false, 5);
		assert_non_null(mw_coap_find(&rq, MW_OPT_ACCEPT));
		answer(f, &rq, part(i, i < 3, 5, "v1", i < 3 ? 512 : 100));
	}
	assert_int_equal(f->seen.results, 1);
	assert_int_equal(f->seen.err, 0);
	assert_int_equal(f->seen.content_format, 60);
	assert_int_equal(f->seen.body_len, 3 * 512 + 100);
	assert_memory_equal(f->seen.body, pattern, f->seen.body_len);
	assert_memory_equal(f->seen.token.bytes, token.bytes, 8);
	assert_int_equal(stats(f)->block_bytes, 0);
}

static void test_download_with_changed_etag(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = start_get(f, -1);
	answer(f, &rq, part(0, true, 2, "v1", 64));
	rq = expect(f, MW_COAP_CON, MW_COAP_GET);
	answer(f, &rq, part(1, true, 2, "v2", 64));
	rq = expect(f, MW_COAP_CON, MW_COAP_GET);
	expect_block(&rq, MW_OPT_BLOCK2, 0, false, 2);
	answer(f, &rq, part(0, true, 2, "v2", 64));
	rq = expect(f, MW_COAP_CON, MW_COAP_GET);
	expect_block(&rq, MW_OPT_BLOCK2, 1, false, 2);
	assert_int_equal(f->seen.results, 0);

	answer(f, &rq, part(1, false, 2, "v2", 6));
	assert_int_equal(f->seen.err, 0);
	assert_int_equal(f->seen.body_len, 70);

	rq = start_get(f, -1); /* changes again and again: given up */
	answer(f, &rq, part(0, true, 2, "v1", 64));
	rq = expect(f, MW_COAP_CON, MW_COAP_GET);
	answer(f, &rq, part(1, true, 2, "v2", 64));
	rq = expect(f, MW_COAP_CON, MW_COAP_GET);
	answer(f, &rq, part(0, true, 2, "v3", 64));
	rq = expect(f, MW_COAP_CON, MW_COAP_GET);
	answer(f, &rq, part(1, true, 2, NULL, 64));
	assert_int_equal(f->seen.results, 2);
	assert_int_equal(f->seen.err, MW_E_FORMAT);
	assert_int_equal(stats(f)->block_bytes, 0);
}

static void test_download_protocol_errors(void **state)
{
	struct fx *f = *state;
	static const struct {
		uint32_t num;
		bool more;
		size_t len;
	} second[] = {{2, true, 64}, {0, true, 64}, {1, true, 63}, {1, false, 65}, {1, true, 0}};
	for (size_t i = 0; i < sizeof(second) / sizeof(second[0]); i++) {
		struct mw_coap_msg rq = start_get(f, -1);
		answer(f, &rq, part(0, true, 2, NULL, 64));
		rq = expect(f, MW_COAP_CON, MW_COAP_GET);
		answer(f, &rq, part(second[i].num, second[i].more, 2, NULL, second[i].len));
		assert_int_equal(f->seen.results, (int)i + 1);
		assert_int_equal(f->seen.err, MW_E_FORMAT);
	}
	struct mw_coap_msg rq = start_get(f, -1); /* an error half-way is the answer */
	answer(f, &rq, part(0, true, 2, NULL, 64));
	rq = expect(f, MW_COAP_CON, MW_COAP_GET);
	answer(f, &rq, (struct fx_msg){.type = MW_COAP_ACK, .code = MW_COAP_NOT_FOUND});
	assert_int_equal(f->seen.err, 0);
	assert_int_equal(f->seen.result_code, MW_COAP_NOT_FOUND);
	assert_int_equal(f->seen.body_len, 0);
}

static void test_late_copy_of_a_block_is_ignored(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = start_get(f, -1);
	struct fx_msg m = part(0, true, 2, NULL, 64);
	m.type = MW_COAP_NON;
	m.mid = 70;
	answer(f, &rq, m);
	rq = expect(f, MW_COAP_CON, MW_COAP_GET);
	answer(f, &rq, m);
	assert_int_equal(f->seen.results, 0);
	answer(f, &rq, part(1, false, 2, NULL, 1));
	assert_int_equal(f->seen.err, 0);
	assert_int_equal(f->seen.body_len, 65);
}

static void test_download_limit(void **state)
{
	(void)state;
	struct fx *f = open_with(&(struct mw_coap_config){.block_body_max = 100, .block_szx = 2});
	struct mw_coap_msg rq = start_get(f, -1);
	expect_block(&rq, MW_OPT_BLOCK2, 0, false, 2); /* asked for from the start */
	answer(f, &rq, part(0, true, 2, NULL, 64));
	rq = expect(f, MW_COAP_CON, MW_COAP_GET);
	answer(f, &rq, part(1, true, 2, NULL, 64));
	assert_int_equal(f->seen.err, MW_E_LIMIT);
	assert_int_equal(stats(f)->block_bytes, 0);
	close_own(f);
}

static void test_observed_download(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = start_get(f, 0);
	struct mw_coap_token token = rq.token;
	struct fx_msg m = part(0, true, 2, "v1", 64);
	m.observe_1 = 9;
	answer(f, &rq, m);
	rq = expect(f, MW_COAP_CON, MW_COAP_GET);
	assert_null(mw_coap_find(&rq, MW_OPT_OBSERVE));
	assert_memory_not_equal(rq.token.bytes, token.bytes, 8);
	answer(f, &rq, part(1, false, 2, "v1", 5));
	assert_int_equal(f->seen.body_len, 69);
	assert_true(f->seen.observing);
	assert_memory_equal(f->seen.token.bytes, token.bytes, 8);
	rq = start_get(f, 0); /* fails half-way: then there is no observation either */
	m = part(0, true, 2, "v1", 64);
	m.observe_1 = 9;
	answer(f, &rq, m);
	assert_int_equal(stats(f)->observations, 2);
	fx_pass_ms(f, 100000);
	assert_int_equal(f->seen.err, MW_E_TIMEOUT);
	assert_false(f->seen.observing);
	assert_int_equal(stats(f)->observations, 1);
}

static void test_fetch_repeats_its_body(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = send_body(f, MW_COAP_FETCH, 30);
	answer(f, &rq, part(0, true, 2, NULL, 64));
	rq = expect(f, MW_COAP_CON, MW_COAP_FETCH);
	expect_block(&rq, MW_OPT_BLOCK2, 1, false, 2);
	assert_int_equal(rq.payload.len, 30);
	assert_non_null(mw_coap_find(&rq, MW_OPT_CONTENT_FORMAT));
	answer(f, &rq, part(1, false, 2, NULL, 1));
	assert_int_equal(f->seen.body_len, 65);
}

static void test_upload_then_download(void **state)
{
	struct fx *f = *state;
	struct mw_coap_msg rq = send_body(f, MW_COAP_FETCH, 1500);
	answer(f, &rq,
		(struct fx_msg){
			.type = MW_COAP_ACK, .code = MW_COAP_CONTINUE, .block1 = &(struct mw_block){0, true, 6}});
	rq = expect(f, MW_COAP_CON, MW_COAP_FETCH);
	struct fx_msg m = part(0, true, 2, NULL, 64);
	m.block1 = &(struct mw_block){1, false, 6};
	answer(f, &rq, m);
	rq = expect(f, MW_COAP_CON, MW_COAP_FETCH);
	expect_block(&rq, MW_OPT_BLOCK2, 1, false, 2);
	assert_null(mw_coap_find(&rq, MW_OPT_BLOCK1));
	assert_int_equal(rq.payload.len, 0);
	answer(f, &rq, part(1, false, 2, NULL, 20));
	assert_int_equal(f->seen.err, 0);
	assert_int_equal(f->seen.body_len, 84);
}

/* ---- two endpoints and a bad network between them ---- */

enum { N_JOBS = 60, N_WIRE = 512, N_LATE = 128 };

struct wire_datagram {
	int64_t at; /* 0 = free */
	bool to_server;
	size_t len;
	uint8_t data[2048];
};

struct net {
	struct fx client, server;
	struct wire_datagram wire[N_WIRE];
	uint32_t seed;
	int asked[N_JOBS], answered[N_JOBS], done[N_JOBS];
	struct {
		int64_t at;
		int job;
		struct mw_coap_reply reply;
	} late[N_LATE];
};

struct job {
	struct net *net;
	int number;
};

static uint32_t rnd(struct net *n, uint32_t below)
{
	n->seed = n->seed * 1664525u + 1013904223u;
	return (n->seed >> 8) % below;
}

static size_t up_len(int job)
{
	return job % 3 == 0 ? 0 : (size_t)(job * 631 % 9000);
}

static size_t down_len(int job)
{
	return job % 4 == 1 ? 0 : (size_t)(job * 977 % 12000);
}

static void respond_to(struct net *n, int job, const struct mw_coap_reply *reply)
{
	struct mw_coap_response r = {
		.code = MW_COAP_CONTENT, .content_format = 42, .payload = slice((size_t)job, down_len(job))};
	assert_int_equal(mw_coap_respond(n->server.c, reply, &r), 0);
	n->answered[job]++;
}

static void on_server_request(void *ud, const struct mw_coap_request *rq)
{
	struct net *n = ud;
	const struct mw_coap_opt *o = mw_coap_find(rq->msg, MW_OPT_URI_PATH);
	assert_non_null(o);
	int job = o->value[0] * 10 + o->value[1] - '0' * 11;
	assert_in_range(job, 0, N_JOBS - 1);
	n->asked[job]++;
	assert_int_equal(rq->body.len, up_len(job));
	if (rq->body.len)
		assert_memory_equal(rq->body.data, pattern + job, rq->body.len);
	if (rnd(n, 2)) {
		respond_to(n, job, &rq->reply);
		return;
	}
	for (size_t i = 0; i < N_LATE; i++)
		if (!n->late[i].at) {
			n->late[i].at = n->server.now + 1 + rnd(n, 1500);
			n->late[i].job = job;
			n->late[i].reply = rq->reply;
			return;
		}
	fail_msg("too many late answers");
}

static void on_job_done(void *ud, const struct mw_coap_result *r)
{
	struct job *j = ud;
	j->net->done[j->number]++;
	assert_int_equal(r->err, 0);
	assert_int_equal(r->code, MW_COAP_CONTENT);
	assert_int_equal(r->body.len, down_len(j->number));
	if (r->body.len)
		assert_memory_equal(r->body.data, pattern + j->number, r->body.len);
}

static void put_on_wire(struct net *n, const struct fx_datagram *d, bool to_server)
{
	for (uint32_t copies = rnd(n, 100) < 15 ? 2 : 1; copies; copies--) {
		if (rnd(n, 100) < 10)
			continue;
		size_t i = 0;
		while (i < N_WIRE && n->wire[i].at)
			i++;
		assert_true(i < N_WIRE);
		n->wire[i].at = n->client.now + 1 + rnd(n, 400);
		n->wire[i].to_server = to_server;
		n->wire[i].len = d->len;
		memcpy(n->wire[i].data, d->data, d->len);
	}
}

static void step(struct net *n)
{
	struct mw_addr client = fx_addr(1), server = fx_addr(2);
	struct fx_datagram *d;
	while ((d = fx_next(&n->client)))
		put_on_wire(n, d, true);
	while ((d = fx_next(&n->server)))
		put_on_wire(n, d, false);
	fx_pass_ms(&n->client, 16);
	fx_pass_ms(&n->server, 16);
	for (size_t i = 0; i < N_WIRE; i++) {
		struct wire_datagram *w = &n->wire[i];
		if (!w->at || w->at > n->client.now)
			continue;
		mw_coap_input(
			w->to_server ? n->server.c : n->client.c, w->to_server ? &client : &server, w->data, w->len);
		w->at = 0;
	}
	for (size_t i = 0; i < N_LATE; i++)
		if (n->late[i].at && n->late[i].at <= n->server.now) {
			n->late[i].at = 0;
			respond_to(n, n->late[i].job, &n->late[i].reply);
		}
}

static void run_network(uint32_t seed)
{
	struct net *n = calloc(1, sizeof(*n));
	struct job jobs[N_JOBS];
	const struct mw_coap_config config = {
		.ack_timeout_ms = 300, .max_retransmit = 8, .block_szx = 3 + seed % 4};
	const struct mw_hash_key key = {{3, 4}};
	fx_open(&n->client, &config);
	fx_open(&n->server, NULL);
	fx_close(&n->server); /* the fixture's handlers are not the ones wanted here */
	const struct mw_coap_transport t = {fx_send, &n->server};
	const struct mw_coap_handlers h = {.request = on_server_request, .ud = n};
	const struct mw_coap_config server_config = {.ack_timeout_ms = 300, .max_retransmit = 8, .block_szx = 4};
	n->server.c =
		mw_coap_new(&server_config, &t, &h, &n->server.wheel, &n->server.clock, &n->server.log, &key);
	n->seed = seed;
	for (int i = 0; i < N_JOBS; i++) {
		char path[16];
		snprintf(path, sizeof(path), "/%02d", i);
		jobs[i] = (struct job){n, i};
		struct mw_coap_send rq = fx_request(2,
			i % 3 == 0   ? MW_COAP_GET
			: i % 3 == 1 ? MW_COAP_POST
						 : MW_COAP_FETCH,
			path);
		rq.payload = slice((size_t)i, up_len(i));
		assert_true(mw_coap_request(n->client.c, &rq, on_job_done, &jobs[i]) > 0);
	}
	for (int i = 0; i < 2000000 && mw_coap_stats(n->client.c)->exchanges; i++)
		step(n);
	for (int i = 0; i < N_JOBS; i++) {
		assert_int_equal(n->asked[i], 1);
		assert_int_equal(n->done[i], 1);
	}
	assert_true(mw_coap_stats(n->client.c)->retransmissions > 50);
	assert_true(mw_coap_stats(n->server.c)->replayed > 50);
	assert_int_equal(mw_coap_stats(n->client.c)->block_bytes, 0);
	fx_close(&n->client);
	fx_close(&n->server);
	free(n);
}

static void test_bad_network(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 8; seed++)
		run_network(seed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_block1_is_reassembled),
		TEST(test_block1_in_one_block),
		TEST(test_block1_late_answer_keeps_the_option),
		TEST(test_block1_gaps),
		TEST(test_block1_timeout),
		cmocka_unit_test(test_block1_smaller_size_is_asked_for),
		cmocka_unit_test(test_block1_budgets),
		TEST(test_block2_is_served),
		TEST(test_block2_of_a_late_answer),
		cmocka_unit_test(test_block2_budget),
		TEST(test_upload),
		TEST(test_upload_in_the_size_that_the_peer_wants),
		TEST(test_upload_restarts_once),
		TEST(test_upload_protocol_errors),
		TEST(test_download),
		TEST(test_download_with_changed_etag),
		TEST(test_download_protocol_errors),
		TEST(test_late_copy_of_a_block_is_ignored),
		cmocka_unit_test(test_download_limit),
		TEST(test_observed_download),
		TEST(test_fetch_repeats_its_body),
		TEST(test_upload_then_download),
		cmocka_unit_test(test_bad_network),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
