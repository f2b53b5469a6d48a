/* The registry: order, versions side by side, choice of a version, types for codecs, and building by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "model/draft.h"
#include "model/model.h"

static struct mw_version ver(unsigned major, unsigned minor)
{
	return (struct mw_version){(uint16_t)major, (uint16_t)minor};
}

static struct mw_bytes bytes(const char *s)
{
	return (struct mw_bytes){(const uint8_t *)s, strlen(s)};
}

/* An object whose resource 1 is of @p type, so that a test sees which version answered. */
static struct mw_object_def *make(uint16_t oid, struct mw_version version, enum mw_type type)
{
	struct mw_object_draft d;
	mw_draft_init(&d);
	d.oid = oid;
	d.version = version;
	struct mw_resource_draft r = {.rid = 1, .type = type, .operations = MW_OP_R};
	assert_int_equal(mw_draft_text(&d, &r.name, bytes("Value")), 0);
	assert_int_equal(mw_draft_add(&d, &r), 0);
	struct mw_object_def *def = mw_draft_finish(&d);
	assert_non_null(def);
	mw_draft_deinit(&d);
	return def;
}

static void add(struct mw_model *m, uint16_t oid, unsigned major, unsigned minor, enum mw_type type)
{
	assert_int_equal(mw_model_add(m, make(oid, ver(major, minor), type)), 0);
}

static void test_version_parse(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int rc;
		unsigned major, minor;
	} cases[] = {
		{"1.0", 0, 1, 0},
		{"2.13", 0, 2, 13},
		{" 1.1\n", 0, 1, 1},
		{"3", 0, 3, 0},
		{"65534.65534", 0, 65534, 65534},
		{"", MW_E_FORMAT, 0, 0},
		{"0.1", MW_E_FORMAT, 0, 0},
		{"1.", MW_E_FORMAT, 0, 0},
		{".1", MW_E_FORMAT, 0, 0},
		{"1.2.3", MW_E_FORMAT, 0, 0},
		{"v1", MW_E_FORMAT, 0, 0},
		{"1.65535", MW_E_FORMAT, 0, 0},
		{"99999999999.0", MW_E_FORMAT, 0, 0},
		{"-1.0", MW_E_FORMAT, 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mw_version v = {0};
		assert_int_equal(mw_version_parse(&v, cases[i].text, strlen(cases[i].text)), cases[i].rc);
		assert_int_equal(v.major, cases[i].major);
		assert_int_equal(v.minor, cases[i].minor);
	}
}

static void test_order_and_iteration(void **state)
{
	(void)state;
	struct mw_model *m = mw_model_new();
	assert_non_null(m);
	assert_int_equal(mw_model_count(m), 0);
	assert_null(mw_model_at(m, 0));
	assert_null(mw_model_object(m, 3, ver(0, 0)));
	/* 306 objects in scrambled order: 307 is a prime, so that every id comes up once */
	for (unsigned i = 1; i < 307; i++)
		add(m, (uint16_t)(i * 100 % 307), 1, 0, MW_TYPE_STRING);
	assert_int_equal(mw_model_count(m), 306);
	for (unsigned i = 0; i < 306; i++)
		assert_int_equal(mw_model_at(m, i)->oid, i + 1);
	assert_null(mw_model_at(m, 306));
	mw_model_free(m);
}

static void test_choice(void **state)
{
	(void)state;
	struct mw_model *m = mw_model_new();
	add(m, 3, 1, 2, MW_TYPE_STRING);
	add(m, 3, 1, 0, MW_TYPE_STRING);
	add(m, 3, 2, 1, MW_TYPE_STRING);
	add(m, 3, 1, 4, MW_TYPE_STRING);
	add(m, 2, 9, 9, MW_TYPE_STRING);
	add(m, 4, 1, 0, MW_TYPE_STRING);
	add(m, 6, 1, 5, MW_TYPE_STRING);
	add(m, 6, 1, 3, MW_TYPE_STRING);
	add(m, 6, 2, 0, MW_TYPE_STRING);
	static const struct {
		unsigned oid, want_major, want_minor, got_major, got_minor;
	} cases[] = {
		{3, 1, 0, 1, 0}, /* exact */
		{3, 1, 2, 1, 2},
		{3, 2, 1, 2, 1},
		{3, 1, 1, 1, 0}, /* highest below */
		{3, 1, 3, 1, 2},
		{3, 1, 99, 1, 4},
		{3, 2, 7, 2, 1},
		{3, 2, 0, 2, 1}, /* none below: lowest above */
		{6, 1, 1, 1, 3},
		{3, 3, 0, 2, 1}, /* unknown major: latest */
		{3, 0, 0, 2, 1}, /* not told: latest */
		{2, 1, 0, 9, 9},
		{2, 9, 9, 9, 9},
		{4, 0, 0, 1, 0},
		{4, 2, 0, 1, 0},
		{5, 1, 0, 0, 0}, /* unknown object, although others are around it */
		{1, 0, 0, 0, 0},
		{65534, 1, 0, 0, 0},
		{0, 1, 0, 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct mw_object_def *def =
			mw_model_object(m, (uint16_t)cases[i].oid, ver(cases[i].want_major, cases[i].want_minor));
		if (!cases[i].got_major) {
			assert_null(def);
			continue;
		}
		assert_non_null(def);
		assert_int_equal(def->oid, cases[i].oid);
		assert_int_equal(def->version.major, cases[i].got_major);
		assert_int_equal(def->version.minor, cases[i].got_minor);
	}
	assert_non_null(mw_model_exact(m, 3, ver(1, 4)));
	assert_null(mw_model_exact(m, 3, ver(1, 3)));
	assert_null(mw_model_exact(m, 3, ver(0, 0)));
	mw_model_free(m);
}

static void test_duplicate_keeps_first(void **state)
{
	(void)state;
	struct mw_model *m = mw_model_new();
	add(m, 3, 1, 0, MW_TYPE_STRING);
	struct mw_object_def *second = make(3, ver(1, 0), MW_TYPE_FLOAT);
	assert_int_equal(mw_model_add(m, second), MW_E_EXISTS);
	assert_false(mw_object_eq(mw_model_at(m, 0), second));
	free(second); /* still ours */
	assert_int_equal(mw_model_count(m), 1);
	assert_int_equal(mw_object_resource(mw_model_object(m, 3, ver(1, 0)), 1)->type, MW_TYPE_STRING);
	mw_model_free(m);
}

static void test_limit(void **state)
{
	(void)state;
	struct mw_model *m = mw_model_new();
	assert_int_equal(mw_model_reserve(m, MW_MODEL_OBJECTS_MAX + 1), MW_E_LIMIT);
	assert_int_equal(mw_model_reserve(m, SIZE_MAX), MW_E_LIMIT);
	for (unsigned i = 0; i < MW_MODEL_OBJECTS_MAX; i++)
		add(m, (uint16_t)i, 1, 0, MW_TYPE_STRING);
	struct mw_object_def *one_more = make(MW_MODEL_OBJECTS_MAX, ver(1, 0), MW_TYPE_STRING);
	assert_int_equal(mw_model_add(m, one_more), MW_E_LIMIT);
	free(one_more);
	assert_int_equal(mw_model_count(m), MW_MODEL_OBJECTS_MAX);
	mw_model_free(m);
}

static void test_draft(void **state)
{
	(void)state;
	static const uint16_t rids[] = {5700, 0, 65534, 12, 11, 5701};
	static const char *const ranges[] = {"x", "0..3, 91", "", "0..3, 93", "many", "0..3, 95"};
	static const uint16_t sorted[] = {0, 11, 12, 5700, 5701, 65534};
	enum { N = sizeof(rids) / sizeof(rids[0]) };
	struct mw_object_draft d;
	mw_draft_init(&d);
	d.oid = 3303;
	assert_int_equal(mw_draft_text(&d, &d.name, bytes("Temperature")), 0);
	for (size_t i = 0; i < N; i++) {
		struct mw_resource_draft r = {
			.rid = rids[i], .type = MW_TYPE_INTEGER, .operations = MW_OP_R | MW_OP_W};
		assert_int_equal(mw_draft_text(&d, &r.range_text, bytes(ranges[i])), 0);
		assert_int_equal(mw_draft_add(&d, &r), 0);
	}
	struct mw_object_def *def = mw_draft_finish(&d);
	mw_draft_deinit(&d); /* the object owns copies of all */
	assert_string_equal(def->name, "Temperature");
	assert_string_equal(def->urn, "");
	assert_int_equal(def->version.major, 1);
	assert_int_equal(def->n_resources, N);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(def->resources[i].rid, sorted[i]);
		const struct mw_resource_def *r = mw_object_resource(def, rids[i]);
		assert_non_null(r);
		assert_int_equal(r->rid, rids[i]);
		assert_string_equal(r->name, "");
		assert_int_equal(r->range.n_spans, i % 2 ? 2 : 0);
		if (i % 2) {
			assert_int_equal(r->range.spans[0].hi.i, 3);
			assert_int_equal(r->range.spans[1].lo.i, 90 + (int)i);
		}
	}
	assert_null(mw_object_resource(def, 1));
	assert_null(mw_object_resource(def, 5702));
	assert_null(mw_object_resource(NULL, 0));
	free(def);
}

static void test_empty_draft(void **state)
{
	(void)state;
	struct mw_object_draft d;
	mw_draft_init(&d);
	struct mw_object_def *def = mw_draft_finish(&d);
	mw_draft_deinit(&d);
	assert_string_equal(def->name, "");
	assert_string_equal(def->source, "");
	assert_int_equal(def->n_resources, 0);
	assert_null(mw_object_resource(def, 0));
	free(def);
}

static void test_default_versions(void **state)
{
	(void)state;
	static const struct {
		unsigned major, minor, oid, want_major, want_minor;
	} cases[] = {
		{1, 0, 0, 1, 0}, {1, 0, 3, 1, 0}, {1, 0, 4, 1, 0}, {1, 0, 3303, 1, 0}, /* all 1.0 */
		{1, 1, 0, 1, 1}, {1, 1, 1, 1, 1}, {1, 1, 2, 1, 0}, {1, 1, 3, 1, 1}, {1, 1, 4, 1, 2}, {1, 1, 5, 1, 0},
		{1, 1, 6, 1, 0}, {1, 1, 7, 1, 0}, {1, 1, 21, 1, 0}, {1, 1, 3303, 1, 0}, {1, 2, 0, 1, 2},
		{1, 2, 1, 1, 2}, {1, 2, 2, 1, 1}, {1, 2, 3, 1, 2}, {1, 2, 4, 1, 3}, {1, 2, 5, 1, 1}, {1, 2, 6, 1, 0},
		{1, 2, 7, 1, 0}, {1, 2, 21, 2, 0}, {1, 2, 23, 1, 0}, {1, 2, 27, 1, 0}, {1, 3, 3, 1, 2},
		{2, 0, 3, 1, 2}, /* releases to come */
		{0, 0, 3, 1, 0}, /* not told */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mw_version v =
			mw_model_default_version(ver(cases[i].major, cases[i].minor), (uint16_t)cases[i].oid);
		if (v.major != cases[i].want_major || v.minor != cases[i].want_minor)
			fail_msg("LwM2M %u.%u object %u: got %u.%u", cases[i].major, cases[i].minor, cases[i].oid,
				v.major, v.minor);
	}
}

static struct mw_version version_of(const void *ud, uint16_t oid)
{
	const struct mw_version *v = ud;
	return oid == 3 ? *v : ver(0, 0);
}

static void test_types(void **state)
{
	(void)state;
	struct mw_model *m = mw_model_new();
	add(m, 3, 1, 0, MW_TYPE_INTEGER);
	add(m, 3, 2, 0, MW_TYPE_FLOAT);
	struct mw_object_draft d;
	mw_draft_init(&d);
	d.oid = 4;
	assert_int_equal(
		mw_draft_add(&d, &(struct mw_resource_draft){.rid = 2, .type = MW_TYPE_OPAQUE, .multiple = true}), 0);
	assert_int_equal(mw_model_add(m, mw_draft_finish(&d)), 0);
	mw_draft_deinit(&d);

	bool multiple = true;
	struct mw_types latest = mw_model_types(m);
	assert_int_equal(latest.type_of(latest.ud, 3, 1, &multiple), MW_TYPE_FLOAT);
	assert_false(multiple);
	assert_int_equal(latest.type_of(latest.ud, 4, 2, &multiple), MW_TYPE_OPAQUE);
	assert_true(multiple);
	assert_int_equal(latest.type_of(latest.ud, 3, 2, &multiple), MW_TYPE_NONE);
	assert_false(multiple);
	assert_int_equal(latest.type_of(latest.ud, 99, 1, NULL), MW_TYPE_NONE);

	struct mw_version device = ver(1, 1);
	struct mw_model_view view = {.model = m, .version_of = version_of, .ud = &device};
	struct mw_types types = mw_model_view_types(&view);
	assert_int_equal(types.type_of(types.ud, 3, 1, NULL), MW_TYPE_INTEGER);
	assert_int_equal(types.type_of(types.ud, 4, 2, &multiple), MW_TYPE_OPAQUE);
	assert_true(multiple);
	device = ver(2, 0);
	assert_int_equal(types.type_of(types.ud, 3, 1, NULL), MW_TYPE_FLOAT);
	view.version_of = NULL;
	assert_int_equal(types.type_of(types.ud, 3, 1, NULL), MW_TYPE_FLOAT);

	types = mw_model_types(NULL);
	assert_int_equal(types.type_of(types.ud, 3, 1, &multiple), MW_TYPE_NONE);
	view.model = NULL;
	types = mw_model_view_types(&view);
	multiple = true;
	assert_int_equal(types.type_of(types.ud, 3, 1, &multiple), MW_TYPE_NONE);
	assert_false(multiple);
	mw_model_free(m);
	mw_model_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_parse),
		cmocka_unit_test(test_order_and_iteration),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_duplicate_keeps_first),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_draft),
		cmocka_unit_test(test_empty_draft),
		cmocka_unit_test(test_default_versions),
		cmocka_unit_test(test_types),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
