#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* SipHash-1-3. Rows with key 00..0f hash the bytes 00, 01, 02, ...; the others are what CPython 3.11 gives
 * for bytes objects under PYTHONHASHSEED=0 (key 0). */
static void test_known_answers(void **state)
{
	(void)state;
	static const struct {
		size_t len;
		uint64_t hash;
	} rows[] = {
		{0, 0xabac0158050fc4dc},
		{1, 0xc9f49bf37d57ca93},
		{7, 0xd3927d989bb11140},
		{8, 0x369095118d299a8e},
		{9, 0x25a48eb36c063de4},
		{15, 0xd320d86d2a519956},
		{16, 0xcc4fdd1a7d908b66},
		{31, 0x2370dd1f8c21d1bc},
		{63, 0x9d199062b7bbb3a8},
	};
	static const struct mw_hash_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}}, zero;
	uint8_t bytes[64];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (mw_hash(&key, bytes, rows[i].len) != rows[i].hash)
			fail_msg("length %zu", rows[i].len);
	assert_true(mw_hash(&zero, "a", 1) == 0x407448d2b89b1813);
	assert_true(mw_hash(&zero, "hello, world", 12) == 0xd792fbf81ec197f9);
	assert_true(mw_hash(&zero, bytes, 63) == 0x385d3e39e5f37359);
	assert_true(mw_hash(&zero, NULL, 0) == mw_hash(&zero, "", 0));
	assert_true(mw_hash(&zero, bytes + 1, 13) ==
				mw_hash(&zero, (uint8_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, 13));
}

/* ---- the index ---- */

enum { N_IDS = 20000 };

struct keys {
	uint64_t of[N_IDS]; /* 0 = not in the index */
	size_t asked;       /* calls of eq: how much work a look-up was */
};

static bool has_key(const void *ud, uint32_t id, const void *key)
{
	struct keys *k = (struct keys *)(uintptr_t)ud;
	k->asked++;
	return k->of[id] == *(const uint64_t *)key;
}

static uint64_t hash_of(uint64_t key)
{
	static const struct mw_hash_key seed = {{3, 4}};
	return mw_hash(&seed, &key, sizeof(key));
}

static uint32_t find(const struct mw_index *ix, struct keys *k, uint64_t key)
{
	return mw_index_find(ix, hash_of(key), has_key, k, &key);
}

struct fixture {
	struct mw_index ix;
	struct keys k;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	mw_index_init(&f->ix);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	mw_index_deinit(&f->ix);
	free(f);
	return 0;
}

static void add(struct fixture *f, uint32_t id, uint64_t key)
{
	assert_int_equal(mw_index_add(&f->ix, hash_of(key), id), 0);
	f->k.of[id] = key;
}

static void take(struct fixture *f, uint32_t id)
{
	assert_true(mw_index_remove(&f->ix, hash_of(f->k.of[id]), id));
	f->k.of[id] = 0;
}

static void test_empty(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(find(&f->ix, &f->k, 1), MW_INDEX_NONE);
	assert_false(mw_index_remove(&f->ix, hash_of(1), 0));
	mw_index_prefetch(&f->ix, hash_of(1));
}

/* After every single step of growth all that is in must be found: entries are in two tables then. */
static void test_growth_in_steps(void **state)
{
	struct fixture *f = *state;
	bool was_moving = false;
	for (uint32_t id = 0; id < 3000; id++) {
		add(f, id, id + 1);
		was_moving |= f->ix.old.slots != NULL;
		uint32_t from = f->ix.old.slots && id % 7 == 0 ? 0 : id > 40 ? id - 40 : 0;
		for (uint32_t i = from; i <= id; i++)
			if (find(&f->ix, &f->k, i + 1) != i)
				fail_msg("id %u lost after adding %u", i, id);
		assert_int_equal(find(&f->ix, &f->k, id + 2), MW_INDEX_NONE);
	}
	assert_true(was_moving);
	assert_int_equal(f->ix.count, 3000);
}

static void test_removal_while_moving(void **state)
{
	struct fixture *f = *state;
	uint32_t n = 0;
	while (!f->ix.old.slots || n < 1500) {
		add(f, n, n + 1);
		n++;
	}
	for (uint32_t i = 0; i < n; i += 2) /* the first of these still meet the move */
		take(f, i);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(find(&f->ix, &f->k, i + 1), i % 2 ? i : MW_INDEX_NONE);
	assert_false(mw_index_remove(&f->ix, hash_of(1), 0));
	assert_false(mw_index_remove(&f->ix, hash_of(2), 0)); /* right hash, wrong id */
	assert_int_equal(f->ix.count, n / 2);
}

/* A queue: each entry is removed soon, so marks of removed ones pile up, but the table must neither grow nor
 * get slow. */
static void test_tombstones(void **state)
{
	struct fixture *f = *state;
	enum { LIVE = 100 };
	for (uint64_t i = 0; i < 300000; i++) {
		uint32_t id = (uint32_t)(i % LIVE);
		if (i >= LIVE)
			take(f, id);
		add(f, id, i + 1);
		assert_true(f->ix.now.used * 4 <= (f->ix.now.mask + 1) * 3); /* or a look-up would never end */
	}
	assert_int_equal(f->ix.count, LIVE);
	assert_true(f->ix.now.mask < 1024);
	f->k.asked = 0;
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(find(&f->ix, &f->k, 1000000 + i), MW_INDEX_NONE);
	assert_true(f->k.asked < 100); /* 32 bits of the hash are compared first */
}

/* Two entries whose hashes agree in what the index keeps are told apart by eq and by id. */
static void test_equal_hashes(void **state)
{
	struct fixture *f = *state;
	uint64_t hash = 0x1234567800000000, key;
	for (uint32_t id = 0; id < 50; id++) {
		f->k.of[id] = id + 1;
		assert_int_equal(mw_index_add(&f->ix, hash + id, id), 0);
	}
	for (uint32_t id = 0; id < 50; id += 3)
		assert_true(mw_index_remove(&f->ix, hash, id));
	for (uint32_t id = 0; id < 50; id++) {
		key = id + 1;
		assert_int_equal(mw_index_find(&f->ix, hash, has_key, &f->k, &key), id % 3 ? id : MW_INDEX_NONE);
	}
}

static void test_random_against_map(void **state)
{
	struct fixture *f = *state;
	uint64_t x = 88172645463325252u, n = 0, next_key = 1;
	for (int step = 0; step < 600000; step++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		uint32_t id = (uint32_t)(x >> 20) % N_IDS;
		/* now more are added than removed, now the other way round */
		bool wants = (x >> 50) % 100 < (step / 60000 % 2 ? 35u : 65u);
		if (wants && !f->k.of[id])
			add(f, id, next_key++), n++;
		else if (!wants && f->k.of[id])
			take(f, id), n--;
		else if (f->k.of[id])
			assert_int_equal(find(&f->ix, &f->k, f->k.of[id]), id);
		assert_int_equal(f->ix.count, n);
	}
	for (uint32_t id = 0; id < N_IDS; id++)
		if (f->k.of[id])
			assert_int_equal(find(&f->ix, &f->k, f->k.of[id]), id);
	for (uint32_t id = 0; id < N_IDS; id++)
		if (f->k.of[id])
			take(f, id);
	assert_int_equal(f->ix.count, 0);
	for (uint64_t key = 1; key < next_key; key += 97)
		assert_int_equal(find(&f->ix, &f->k, key), MW_INDEX_NONE);
}

static void test_highest_id(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(mw_index_add(&f->ix, UINT64_MAX, UINT32_MAX - 3), 0);
	assert_true(mw_index_remove(&f->ix, UINT64_MAX, UINT32_MAX - 3));
	assert_int_equal(f->ix.count, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers),
		CASE(test_empty),
		CASE(test_growth_in_steps),
		CASE(test_removal_while_moving),
		CASE(test_tombstones),
		CASE(test_equal_hashes),
		CASE(test_random_against_map),
		CASE(test_highest_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
