#include "coap/dedup.h"
#include "coap_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct mw_hash_key key = {{1, 2}};

struct ring {
	struct mw_dedup d;
	uint64_t evicted;
	struct mw_mono now;
};

static void open_ring(struct ring *r)
{
	r->evicted = 0;
	r->now.ms = 5000;
	assert_int_equal(mw_dedup_init(&r->d, 1, &key, &r->evicted), 0);
}

static uint64_t add(struct ring *r, uint32_t peer, uint16_t mid, uint8_t type)
{
	struct mw_addr a = fx_addr(peer);
	uint64_t serial = 0, hash = mw_dedup_hash(&r->d, &a, mid);
	assert_null(mw_dedup_find(&r->d, hash, &a, mid, r->now));
	assert_int_equal(mw_dedup_add(&r->d, hash, &a, mid, type, r->now, &serial), 0);
	return serial;
}

static struct mw_dedup_record *find(struct ring *r, uint32_t peer, uint16_t mid)
{
	struct mw_addr a = fx_addr(peer);
	return mw_dedup_find(&r->d, mw_dedup_hash(&r->d, &a, mid), &a, mid, r->now);
}

static struct mw_dedup_record *find_open(struct ring *r, uint64_t serial, uint32_t peer, uint16_t mid)
{
	struct mw_addr a = fx_addr(peer);
	return mw_dedup_open(&r->d, serial, &a, mid);
}

static void answer(struct ring *r, uint64_t serial, size_t len, uint8_t fill)
{
	uint8_t bytes[2000];
	memset(bytes, fill, sizeof(bytes));
	mw_dedup_answer(&r->d, serial, (struct mw_bytes){bytes, len});
}

static void test_states(void **state)
{
	(void)state;
	struct ring r;
	open_ring(&r);
	uint64_t a = add(&r, 1, 7, MW_COAP_CON), b = add(&r, 1, 8, MW_COAP_CON);
	assert_int_equal(find(&r, 1, 7)->state, MW_DEDUP_PENDING);
	assert_null(find(&r, 2, 7));
	assert_null(find_open(&r, a, 1, 8)); /* serial of another message */
	assert_null(find_open(&r, a + 1, 1, 7));
	assert_null(find_open(&r, a + 1000, 1, 7));
	answer(&r, b, 12, 'b'); /* in place: it is the newest */
	answer(&r, a, 40, 'a'); /* late: it moves */
	assert_null(find_open(&r, a, 1, 7));
	assert_null(find_open(&r, b, 1, 8));
	struct mw_dedup_record *rec = find(&r, 1, 7);
	assert_int_equal(rec->state, MW_DEDUP_ANSWERED);
	assert_int_equal(rec->len, 40);
	assert_int_equal(rec->data[39], 'a');
	assert_int_equal(find(&r, 1, 8)->data[11], 'b');
	assert_int_equal(find(&r, 1, 8)->len, 12);
	mw_dedup_deinit(&r.d);
}

static void test_lifetimes(void **state)
{
	(void)state;
	struct ring r;
	open_ring(&r);
	answer(&r, add(&r, 1, 1, MW_COAP_CON), 4, 1);
	answer(&r, add(&r, 1, 2, MW_COAP_NON), 0, 0);
	r.now.ms += 144900;
	assert_non_null(find(&r, 1, 2));
	r.now.ms += 300;
	assert_null(find(&r, 1, 2));
	assert_non_null(find(&r, 1, 1));
	r.now.ms = 5000 + 246900;
	assert_non_null(find(&r, 1, 1));
	r.now.ms = 5000 + 247200;
	assert_null(find(&r, 1, 1));
	assert_int_equal(r.evicted, 0);
	mw_dedup_deinit(&r.d);
}

static void test_full_ring_forgets_the_oldest(void **state)
{
	(void)state;
	struct ring r;
	open_ring(&r);
	uint64_t first = add(&r, 0, 0, MW_COAP_CON);
	const uint32_t n = 5000; /* several laps of 64 KiB */
	for (uint32_t i = 1; i < n; i++)
		answer(&r, add(&r, i, (uint16_t)i, MW_COAP_CON), i % 100, (uint8_t)i);
	assert_null(find_open(&r, first, 0, 0));
	assert_null(find(&r, 0, 0));
	uint32_t kept = 0;
	bool is_gap = false;
	for (uint32_t i = n - 1; i > 0; i--) {
		struct mw_dedup_record *rec = find(&r, i, (uint16_t)i);
		assert_false(rec && is_gap); /* what is kept is the newest */
		if (!rec) {
			is_gap = true;
			continue;
		}
		kept++;
		assert_int_equal(rec->len, i % 100);
		if (rec->len)
			assert_int_equal(rec->data[rec->len - 1], (uint8_t)i);
	}
	assert_int_equal(r.evicted, n - kept);
	assert_in_range(kept, 500, 1000);
	assert_int_equal(r.d.index.count, kept);
	mw_dedup_deinit(&r.d);
}

static void test_random_against_a_model(void **state)
{
	(void)state;
	struct ring r;
	enum { N = 400, STEPS = 60000 };
	static struct {
		uint64_t serial;
		bool is_answered;
		size_t len;
		int64_t at;
	} model[N];
	memset(model, 0, sizeof(model));
	uint32_t seed = 12345;
	open_ring(&r);
	for (int step = 0; step < STEPS; step++) {
		seed = seed * 1664525u + 1013904223u;
		uint32_t i = (seed >> 8) % N;
		r.now.ms += seed >> 24;
		struct mw_dedup_record *rec = find(&r, i, (uint16_t)i);
		if (!rec) {
			model[i].serial = add(&r, i, (uint16_t)i, MW_COAP_CON);
			model[i].is_answered = false;
			model[i].at = r.now.ms;
			continue;
		}
		assert_true(r.now.ms - model[i].at <= 247000 + 128);
		assert_int_equal(rec->state, model[i].is_answered ? MW_DEDUP_ANSWERED : MW_DEDUP_PENDING);
		if (model[i].is_answered) {
			assert_int_equal(rec->len, model[i].len);
			assert_true(!rec->len || rec->data[rec->len - 1] == (uint8_t)i);
			assert_null(find_open(&r, model[i].serial, i, (uint16_t)i));
		} else {
			assert_ptr_equal(find_open(&r, model[i].serial, i, (uint16_t)i), rec);
			model[i].len = (seed >> 4) % 700;
			model[i].is_answered = true;
			answer(&r, model[i].serial, model[i].len, (uint8_t)i);
		}
	}
	mw_dedup_deinit(&r.d);
}

static void test_oversized_reply_is_forgotten(void **state)
{
	(void)state;
	struct ring r;
	static uint8_t big[20000];
	open_ring(&r);
	uint64_t s = add(&r, 1, 1, MW_COAP_CON);
	mw_dedup_answer(&r.d, s, (struct mw_bytes){big, sizeof(big)});
	assert_null(find(&r, 1, 1));
	mw_dedup_deinit(&r.d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_lifetimes),
		cmocka_unit_test(test_full_ring_forgets_the_oldest),
		cmocka_unit_test(test_random_against_a_model),
		cmocka_unit_test(test_oversized_reply_is_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
