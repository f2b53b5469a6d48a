#include "base/err.h"
#include "lwm2m/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct mw_hash_key seed = {{1, 2}};

enum { MAX = 1000 };

static int setup(void **state)
{
	struct mw_devices *t = malloc(sizeof(*t));
	mw_devices_init(t, &seed, MAX);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct mw_devices *t = *state;
	mw_devices_deinit(t);
	free(t);
	return 0;
}

static struct mw_device *add(struct mw_devices *t, const char *name)
{
	return mw_devices_add(t, name, strlen(name), 0);
}

static void test_location_text(void **state)
{
	(void)state;
	static const struct {
		uint64_t location;
		const char *text;
	} rows[] = {
		{1, "0000000000001"},
		{31, "000000000000v"},
		{32, "0000000000010"},
		{UINT64_MAX, "fvvvvvvvvvvvv"},
		{UINT64_C(0x8000000000000000), "8000000000000"},
	};
	char text[MW_LOCATION_TEXT_MAX];
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		mw_location_print(rows[i].location, text);
		assert_string_equal(text, rows[i].text);
		assert_true(mw_location_parse((const uint8_t *)text, 13) == rows[i].location);
	}
	uint64_t x = 4711;
	for (int i = 0; i < 10000; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		mw_location_print(x, text);
		assert_true(mw_location_parse((const uint8_t *)text, strlen(text)) == x);
	}
}

static void test_texts_that_are_no_location(void **state)
{
	(void)state;
	static const char *const rows[] = {"", "1", "000000000001", "00000000000001", "000000000000w",
		"000000000000A", "000000000000 ", "g000000000000", "vvvvvvvvvvvvv", "0000000000000", "000000000000/",
		"000000000000:", "00000000000\xc3\xa4"};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_true(mw_location_parse((const uint8_t *)rows[i], strlen(rows[i])) == 0);
	assert_true(mw_location_parse(NULL, 0) == 0);
	assert_true(mw_location_parse((const uint8_t *)"00000000000\0001", 13) == 0);
}

static void test_find(void **state)
{
	struct mw_devices *t = *state;
	char name[32];
	for (int i = 0; i < MAX; i++) {
		sprintf(name, "dev-%d", i);
		struct mw_device *d = add(t, name);
		assert_int_equal(mw_devices_set_location(t, d, (uint64_t)i * 0x9e3779b97f4a7c15u + 1), 0);
		assert_int_equal(d->id, i + 1);
		assert_false(d->links);
	}
	assert_null(add(t, "one too many"));
	for (int i = 0; i < MAX; i++) {
		sprintf(name, "dev-%d", i);
		struct mw_device *d = mw_devices_find(t, name, strlen(name));
		assert_string_equal(d->endpoint, name);
		assert_ptr_equal(mw_devices_at_location(t, d->location), d);
	}
	assert_null(mw_devices_find(t, "dev", 3));
	assert_null(mw_devices_find(t, "dev-10000", 9));
	assert_null(mw_devices_at_location(t, 0));
	assert_null(mw_devices_at_location(t, 2));
}

static void test_names_are_bytes(void **state)
{
	struct mw_devices *t = *state;
	struct mw_device *a = mw_devices_add(t, "ab", 1, 0), *b = mw_devices_add(t, "ab", 2, 0);
	assert_ptr_equal(mw_devices_find(t, "a", 1), a);
	assert_ptr_equal(mw_devices_find(t, "ab", 2), b);
	assert_string_equal(a->endpoint, "a");
	assert_null(mw_devices_add(t, "x", 70000, 0));
}

static void test_location_moves(void **state)
{
	struct mw_devices *t = *state;
	struct mw_device *d = add(t, "d");
	assert_false(mw_device_is_registered(d));
	assert_int_equal(mw_devices_set_location(t, d, 0), 0);
	/* these two agree in all that the index keeps of a hash */
	assert_int_equal(mw_devices_set_location(t, d, UINT64_C(0x500000001)), 0);
	assert_int_equal(mw_devices_set_location(t, d, UINT64_C(0x500000002)), 0);
	assert_null(mw_devices_at_location(t, UINT64_C(0x500000001)));
	assert_ptr_equal(mw_devices_at_location(t, UINT64_C(0x500000002)), d);
	assert_true(mw_device_is_registered(d));
	assert_int_equal(mw_devices_set_location(t, d, 0), 0);
	assert_null(mw_devices_at_location(t, UINT64_C(0x500000002)));
	assert_int_equal(t->by_location.count, 0);
}

static void test_stale_refs(void **state)
{
	struct mw_devices *t = *state;
	struct mw_device *d = add(t, "first");
	struct mw_device_ref ref = mw_device_ref_of(d);
	assert_ptr_equal(mw_devices_get(t, ref), d);
	assert_null(mw_devices_get(t, (struct mw_device_ref){ref.index, ref.generation + 1}));
	assert_null(mw_devices_get(t, (struct mw_device_ref){ref.index, 0}));
	assert_null(mw_devices_get(t, (struct mw_device_ref){ref.index + 1, ref.generation}));
	assert_null(mw_devices_get(t, (struct mw_device_ref){UINT32_MAX, UINT32_MAX}));
	mw_devices_remove(t, d);
	assert_null(mw_devices_get(t, ref));
	assert_null(mw_devices_find(t, "first", 5));
	struct mw_device *e = add(t, "second"); /* in the same place */
	assert_int_equal(e->index, ref.index);
	assert_null(mw_devices_get(t, ref));
	assert_true(e->generation && e->generation != ref.generation);
}

static void test_durable_numbers(void **state)
{
	struct mw_devices *t = *state;
	assert_int_equal(mw_devices_add(t, "a", 1, 500)->id, 500);
	assert_int_equal(mw_devices_add(t, "b", 1, 20)->id, 20);
	assert_int_equal(add(t, "c")->id, 501);
	assert_true(mw_devices_add(t, "d", 1, (int64_t)UINT32_MAX)->generation != 0);
	assert_true(mw_devices_add(t, "e", 1, (int64_t)UINT32_MAX - 1)->generation != 0);
}

static void test_walk(void **state)
{
	struct mw_devices *t = *state;
	struct mw_device *all[50];
	char name[16];
	for (int i = 0; i < 50; i++) {
		sprintf(name, "%d", i);
		all[i] = add(t, name);
	}
	for (int i = 0; i < 50; i += 3)
		mw_devices_remove(t, all[i]);
	int n = 0;
	struct mw_device_ref at = {0};
	for (struct mw_device *d; (d = mw_devices_next(t, &at)); n++) {
		assert_non_null(d->endpoint);
		if (n == 5) /* may be removed while walking */
			mw_devices_remove(t, d);
	}
	assert_int_equal(n, 33);
	struct mw_devices none;
	mw_devices_init(&none, &seed, 1);
	at = (struct mw_device_ref){0};
	assert_null(mw_devices_next(&none, &at));
	mw_devices_deinit(&none);
}

static void test_max_counts_living_ones(void **state)
{
	(void)state;
	struct mw_devices t;
	mw_devices_init(&t, &seed, 2);
	struct mw_device *a = add(&t, "a");
	assert_non_null(add(&t, "b"));
	assert_null(add(&t, "c"));
	mw_devices_remove(&t, a);
	assert_non_null(add(&t, "c"));
	mw_devices_deinit(&t);
}

static void test_extra(void **state)
{
	struct mw_devices *t = *state;
	struct mw_device *d = add(t, "d");
	assert_int_equal(mw_device_set_extra(d, "", ""), 0);
	assert_null(d->extra);
	assert_int_equal(mw_device_set_extra(d, "49123", ""), 0);
	assert_string_equal(d->extra->sms, "49123");
	assert_string_equal(d->extra->params, "");
	assert_int_equal(mw_device_set_extra(d, "", "x=1"), 0);
	assert_string_equal(d->extra->sms, "");
	assert_string_equal(d->extra->params, "x=1");
	assert_int_equal(mw_device_set_extra(d, "", ""), 0);
	assert_null(d->extra);
	assert_int_equal(mw_device_set_extra(d, "1", "2"), 0); /* freed with the device */
}

static void test_names_of_versions_and_bindings(void **state)
{
	(void)state;
	char out[8];
	assert_string_equal(mw_version_name(MW_LWM2M_1_0), "1.0");
	assert_string_equal(mw_version_name(MW_LWM2M_1_2), "1.2");
	assert_string_equal(mw_version_name(13), "");
	assert_string_equal(mw_binding_print(MW_BINDING_U, false, out), "U");
	assert_string_equal(mw_binding_print(MW_BINDING_U, true, out), "UQ");
	assert_string_equal(mw_binding_print(63, true, out), "UTSNMHQ"); /* all that can be: fits */
	assert_string_equal(mw_binding_print(0, false, out), "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_location_text),
		cmocka_unit_test(test_texts_that_are_no_location),
		CASE(test_find),
		CASE(test_names_are_bytes),
		CASE(test_location_moves),
		CASE(test_stale_refs),
		CASE(test_durable_numbers),
		CASE(test_walk),
		cmocka_unit_test(test_max_counts_living_ones),
		CASE(test_extra),
		cmocka_unit_test(test_names_of_versions_and_bindings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
