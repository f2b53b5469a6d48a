/* The whole public OMA object registry, where a copy of it is at hand: every file loads, and nothing is lost.
 * MW_OMA_REGISTRY names the folder. The counts are those of the copy of February 2024. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "model/ddf.h"

enum { DDF_FILES = 751, ITEMS = 7970, VERSIONS = 424, OBJECTS = 327, COPIES = 327 };

static const char *registry_folder(void)
{
	const char *path = getenv("MW_OMA_REGISTRY");
	return path && *path ? path : MW_SOURCE_DIR "/../shared/oma-registry";
}

static void skip_if_absent(void)
{
	struct stat st;
	if (stat(registry_folder(), &st) == 0 && S_ISDIR(st.st_mode))
		return;
	printf("SKIPPED: no OMA registry at %s; set MW_OMA_REGISTRY to a copy of it\n", registry_folder());
	fflush(stdout);
	skip();
}

static void on_problem(void *ud, const struct mw_ddf_problem *p)
{
	int *n = ud;
	++*n;
	printf("%s:%u: %s%s\n", p->file, p->line, p->code < 0 ? "" : "warning: ", p->text);
}

static struct mw_model *load(struct mw_ddf_stats *stats)
{
	struct mw_model *m = mw_model_new();
	struct mw_errbuf e = {0};
	int n_problems = 0;
	assert_non_null(m);
	if (mw_ddf_load_dir(m, registry_folder(), stats, on_problem, &n_problems, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(n_problems, 0);
	return m;
}

static void test_counts(void **state)
{
	(void)state;
	skip_if_absent();
	struct mw_ddf_stats stats = {0};
	struct mw_model *m = load(&stats);
	assert_int_equal(stats.files, DDF_FILES);
	assert_int_equal(stats.failed, 0);
	assert_int_equal(stats.warnings, 0);
	assert_int_equal(stats.items, ITEMS);
	assert_int_equal(stats.objects, VERSIONS);
	assert_int_equal(stats.duplicates, COPIES);
	assert_int_equal(stats.conflicts, 0);
	assert_int_equal(mw_model_count(m), VERSIONS);
	size_t n_ids = 0;
	for (size_t i = 0; i < mw_model_count(m); i++)
		n_ids += !i || mw_model_at(m, i)->oid != mw_model_at(m, i - 1)->oid;
	assert_int_equal(n_ids, OBJECTS);
	mw_model_free(m);
}

/* Whatever a file is like, what comes out of it is in order and complete. */
static void test_every_definition(void **state)
{
	(void)state;
	skip_if_absent();
	struct mw_ddf_stats stats = {0};
	struct mw_model *m = load(&stats);
	size_t n_constraints = 0, n_range_texts = 0;
	for (size_t i = 0; i < mw_model_count(m); i++) {
		const struct mw_object_def *o = mw_model_at(m, i);
		assert_ptr_equal(mw_model_object(m, o->oid, o->version), o);
		assert_true(*o->name && *o->urn && o->version.major);
		for (size_t k = 0; k < o->n_resources; k++) {
			const struct mw_resource_def *r = &o->resources[k];
			if (k)
				assert_true(r->rid > r[-1].rid);
			assert_ptr_equal(mw_object_resource(o, r->rid), r);
			if (!*r->name || (r->type == MW_TYPE_NONE && r->operations & (MW_OP_R | MW_OP_W)))
				fail_msg("/%u/%u (%u.%u) has no name or no type", o->oid, r->rid, o->version.major,
					o->version.minor);
			n_constraints += r->range.kind != MW_RANGE_NONE;
			n_range_texts += *r->range_text != 0;
		}
	}
	/* most range texts are of a kind that is understood */
	assert_true(n_range_texts > 600);
	assert_true(n_constraints * 100 >= n_range_texts * 90);
	mw_model_free(m);
}

static void test_known_definitions(void **state)
{
	(void)state;
	skip_if_absent();
	struct mw_ddf_stats stats = {0};
	struct mw_model *m = load(&stats);
	const struct mw_version latest = {0};
	const struct mw_object_def *o = mw_model_object(m, 3, latest);
	assert_string_equal(o->name, "Device");
	assert_true(o->mandatory && !o->multiple);
	assert_int_equal(o->version.minor, 2);
	assert_int_equal(mw_model_object(m, 3, (struct mw_version){1, 0})->version.minor, 0);
	const struct mw_resource_def *r = mw_object_resource(o, 9);
	assert_string_equal(r->name, "Battery Level");
	assert_int_equal(r->type, MW_TYPE_INTEGER);
	assert_int_equal(r->range.kind, MW_RANGE_INTEGER);
	assert_int_equal(r->range.spans[0].hi.i, 100);
	assert_int_equal(mw_object_resource(o, 4)->operations, MW_OP_E);
	/* read without a type: text */
	assert_int_equal(mw_object_resource(mw_model_object(m, 10482, latest), 5)->type, MW_TYPE_STRING);
	/* only for a bootstrap-server */
	assert_int_equal(mw_object_resource(mw_model_object(m, 0, latest), 0)->operations, 0);
	/* spaces around a name are gone, and a space of another kind inside one is not */
	o = mw_model_object(m, 3459, latest);
	assert_non_null(strstr(mw_object_resource(o, 4)->name, "\xc2\xa0"));
	mw_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_every_definition),
		cmocka_unit_test(test_known_definitions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
