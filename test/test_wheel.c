#include "base/list.h"
#include "base/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { DAY_MS = 86400000, N_TIMERS = 300 };

struct item {
	struct mw_timer timer;
	int64_t due_ms, fired_ms;
	int fired;
	int64_t again_ms; /* the callback arms it again, so long after now */
	int again;
	struct item *victim; /* removed by the callback */
};

struct fixture {
	struct mw_wheel wheel;
	int64_t now;
	int fired;
};

static void on_fire(struct mw_timer *t, void *ud)
{
	struct fixture *f = ud;
	struct item *it = MW_CONTAINER_OF(t, struct item, timer);
	assert_false(mw_timer_is_armed(t));
	it->fired++;
	it->fired_ms = f->now;
	f->fired++;
	if (it->victim)
		mw_wheel_remove(&f->wheel, &it->victim->timer);
	if (it->again-- > 0) {
		it->due_ms = f->now + it->again_ms;
		mw_wheel_add(&f->wheel, t, (struct mw_mono){it->due_ms}, on_fire);
	}
}

static void start(struct fixture *f, int64_t now)
{
	*f = (struct fixture){.now = now};
	mw_wheel_init(&f->wheel, (struct mw_mono){now}, f);
}

static void arm(struct fixture *f, struct item *it, int64_t at)
{
	it->due_ms = at;
	mw_wheel_add(&f->wheel, &it->timer, (struct mw_mono){at}, on_fire);
}

static size_t run_at(struct fixture *f, int64_t now)
{
	f->now = now;
	return mw_wheel_run(&f->wheel, (struct mw_mono){now}, SIZE_MAX);
}

static int64_t next_ms(const struct fixture *f)
{
	return mw_wheel_next_ms(&f->wheel, (struct mw_mono){f->now});
}

/* Each delay from several starting points, also such that a digit of the tick is about to turn over. */
static void test_on_time(void **state)
{
	(void)state;
	static const int64_t starts[] = {0, 5, 1000, 16 * 63, 16 * 64 - 1, 16 * 4095 + 3, 16LL * ((1 << 18) - 1),
		16LL * ((1 << 24) - 2), 16LL * ((1LL << 30) - 1), 16LL * ((1LL << 30) - 3) + 9,
		16LL * ((1LL << 36) - 1)};
	static const int64_t delays[] = {1, 15, 16, 17, 31, 48, 16 * 63, 16 * 64, 16 * 64 + 1, 16 * 65, 16 * 4095,
		16 * 4096, 16 * 4097, 93000, 16LL << 18, 16LL << 24, DAY_MS, 198LL * DAY_MS, 199LL * DAY_MS,
		400LL * DAY_MS, 50000LL * DAY_MS};
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		for (size_t k = 0; k < sizeof(delays) / sizeof(delays[0]); k++) {
			struct fixture f;
			struct item it = {.fired = 0};
			start(&f, starts[i]);
			arm(&f, &it, starts[i] + delays[k]);
			run_at(&f, it.due_ms - 1);
			if (it.fired)
				fail_msg("start %zu delay %zu: early", i, k);
			run_at(&f, it.due_ms + MW_WHEEL_TICK_MS - 1);
			if (it.fired != 1)
				fail_msg("start %zu delay %zu: late", i, k);
			assert_int_equal(next_ms(&f), -1);
		}
	}
}

/* Only the wheel's own advice is followed: everything must still fire, once, and on time. */
static void test_next_ms_is_never_late(void **state)
{
	(void)state;
	static const int64_t delays[] = {
		0, 1, 16, 100, 1024, 1025, 65536, 70000, 1 << 22, 93000, DAY_MS, 40LL * DAY_MS, 300LL * DAY_MS};
	enum { N = sizeof(delays) / sizeof(delays[0]) };
	struct item items[N];
	struct fixture f;
	memset(items, 0, sizeof(items));
	start(&f, 777);
	for (size_t i = 0; i < N; i++)
		arm(&f, &items[i], 777 + delays[i]);
	int steps = 0;
	for (int64_t wait; (wait = next_ms(&f)) >= 0; steps++) {
		assert_true(steps < 1000);
		run_at(&f, f.now + wait);
	}
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(items[i].fired, 1);
		assert_true(items[i].fired_ms >= items[i].due_ms);
		assert_true(items[i].fired_ms < items[i].due_ms + MW_WHEEL_TICK_MS);
	}
}

static void test_past_and_extreme_times(void **state)
{
	(void)state;
	struct fixture f;
	struct item past = {.fired = 0}, negative = {.fired = 0}, never = {.fired = 0};
	start(&f, 100000);
	arm(&f, &past, 1);
	arm(&f, &negative, -5);
	arm(&f, &never, INT64_MAX);
	assert_int_equal(next_ms(&f), 0);
	assert_int_equal(run_at(&f, 100000), 2);
	assert_int_equal(past.fired + negative.fired, 2);
	run_at(&f, 100000 + 10000LL * 365 * DAY_MS);
	assert_int_equal(never.fired, 0);
	run_at(&f, 5); /* a clock that steps back does no harm */
	assert_true(mw_timer_is_armed(&never.timer));
	mw_wheel_remove(&f.wheel, &never.timer);
	mw_wheel_remove(&f.wheel, &never.timer);
	assert_int_equal(run_at(&f, 200000), 0);
}

/* After 198 days of uptime the lowest 30 bits of the tick turn over: nothing fires early, and nothing spins.
 */
static void test_turn_of_a_long_lap(void **state)
{
	(void)state;
	struct fixture f;
	struct item it = {.fired = 0};
	int64_t edge = 16LL * (1LL << 30);
	start(&f, edge - 20);
	arm(&f, &it, edge + 93000);
	for (int64_t now = edge - 20; now < edge + 93000; now += 500) {
		run_at(&f, now);
		assert_int_equal(it.fired, 0);
	}
	run_at(&f, edge + 93016);
	assert_int_equal(it.fired, 1);
}

static void test_rearm_inside_callback(void **state)
{
	(void)state;
	struct fixture f;
	struct item it = {.again = 9, .again_ms = 1000}, busy = {.again = 1 << 30, .again_ms = -50},
				other = {.fired = 0};
	start(&f, 0);
	arm(&f, &it, 1000);
	for (int64_t now = 0; now <= 11000; now++)
		run_at(&f, now);
	assert_int_equal(it.fired, 10);
	/* One that always wants to run at once ends neither the run nor the turn of the others. */
	arm(&f, &busy, f.now);
	arm(&f, &other, f.now);
	run_at(&f, f.now + 160);
	assert_int_equal(other.fired, 1);
	assert_in_range(busy.fired, 1, 12);
	int before = busy.fired;
	run_at(&f, f.now + 16);
	assert_int_equal(busy.fired, before + 1);
}

static void test_remove_inside_callback(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		struct fixture f;
		struct item a = {.fired = 0}, b = {.fired = 0}, later = {.fired = 0};
		start(&f, 0);
		a.victim = &b; /* whichever comes first removes the other, which is due in the same tick */
		b.victim = &a;
		arm(&f, order ? &a : &b, 50);
		arm(&f, order ? &b : &a, 50);
		arm(&f, &later, 64);
		assert_int_equal(run_at(&f, 100), 2);
		assert_int_equal(a.fired + b.fired, 1);
		assert_int_equal(later.fired, 1);
	}
}

static void test_rearm_moves(void **state)
{
	(void)state;
	struct fixture f;
	struct item it = {.fired = 0};
	start(&f, 0);
	arm(&f, &it, 100);
	arm(&f, &it, 100000); /* later */
	run_at(&f, 50000);
	assert_int_equal(it.fired, 0);
	arm(&f, &it, 50100); /* earlier */
	run_at(&f, 50116);
	assert_int_equal(it.fired, 1);
	run_at(&f, 200000);
	assert_int_equal(it.fired, 1);
}

static void test_batches(void **state)
{
	(void)state;
	static struct item items[1000];
	struct fixture f;
	memset(items, 0, sizeof(items));
	start(&f, 0);
	for (int i = 0; i < 1000; i++)
		arm(&f, &items[i], 100 + i % 40);
	f.now = 1000;
	int calls = 0;
	for (size_t n; (n = mw_wheel_run(&f.wheel, (struct mw_mono){1000}, 64)) == 64; calls++)
		assert_int_equal(next_ms(&f), 0); /* there may be more */
	assert_int_equal(calls, 15);
	assert_int_equal(f.fired, 1000);
	assert_int_equal(next_ms(&f), -1);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(items[i].fired, 1);
}

/* ---- against a list that is simply searched ---- */

struct random {
	uint64_t x;
};

static uint32_t draw(struct random *r, uint32_t n)
{
	r->x ^= r->x << 13;
	r->x ^= r->x >> 7;
	r->x ^= r->x << 17;
	return (uint32_t)(r->x >> 33) % n;
}

static int64_t random_delay(struct random *r)
{
	static const uint32_t spans[] = {20, 300, 3000, 70000, 2000000, 40000000};
	return (int64_t)draw(r, spans[draw(r, 6)]) - 8;
}

static void check_against_list(
	struct fixture *f, const struct item *items, const bool *armed, int64_t last_now)
{
	for (int i = 0; i < N_TIMERS; i++) {
		const struct item *it = &items[i];
		bool is_due = armed[i] && it->due_ms <= f->now - MW_WHEEL_TICK_MS;
		if (is_due && mw_timer_is_armed(&it->timer))
			fail_msg("timer %d of %lld is late at %lld", i, (long long)it->due_ms, (long long)f->now);
		if (armed[i] && !mw_timer_is_armed(&it->timer)) {
			assert_int_equal(it->fired, 1);
			assert_true(it->fired_ms >= it->due_ms && it->fired_ms > last_now - 1);
		}
		if (!armed[i])
			assert_false(mw_timer_is_armed(&it->timer));
	}
}

static void test_random_against_list(void **state)
{
	(void)state;
	static struct item items[N_TIMERS];
	static bool armed[N_TIMERS]; /* as the list sees it */
	struct random r = {0x123456789abcdefu};
	struct fixture f;
	memset(items, 0, sizeof(items));
	memset(armed, 0, sizeof(armed));
	start(&f, 16LL * (1LL << 30) - 30000000); /* goes over the edge of five levels */
	int64_t end = f.now + 200000000, fired = 0;
	while (f.now < end) {
		for (int k = (int)draw(&r, 4); k > 0; k--) {
			uint32_t i = draw(&r, N_TIMERS);
			if (draw(&r, 5) == 0) {
				mw_wheel_remove(&f.wheel, &items[i].timer);
				armed[i] = false;
			} else {
				items[i].fired = 0;
				arm(&f, &items[i], f.now + random_delay(&r));
				armed[i] = true;
			}
		}
		int64_t last = f.now, wait = next_ms(&f);
		int64_t first = INT64_MAX;
		for (int i = 0; i < N_TIMERS; i++)
			if (armed[i] && items[i].due_ms < first)
				first = items[i].due_ms;
		if (first != INT64_MAX) /* asked to sleep no longer than until the first one's tick */
			assert_true(wait >= 0 && f.now + wait < (first > f.now ? first : f.now) + MW_WHEEL_TICK_MS);
		int64_t pause = draw(&r, 3) ? (int64_t)draw(&r, 60) : (int64_t)draw(&r, 90000);
		fired += (int64_t)run_at(&f, f.now + (draw(&r, 2) && wait >= 0 ? wait : pause));
		check_against_list(&f, items, armed, last);
		for (int i = 0; i < N_TIMERS; i++)
			if (armed[i] && !mw_timer_is_armed(&items[i].timer))
				armed[i] = false;
	}
	assert_true(fired > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_on_time),
		cmocka_unit_test(test_next_ms_is_never_late),
		cmocka_unit_test(test_past_and_extreme_times),
		cmocka_unit_test(test_turn_of_a_long_lap),
		cmocka_unit_test(test_rearm_inside_callback),
		cmocka_unit_test(test_remove_inside_callback),
		cmocka_unit_test(test_rearm_moves),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_random_against_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
