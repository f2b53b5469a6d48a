/* DDF parser: whatever the bytes, no memory error, and what gets into the registry is in order. */
#include "model/ddf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x)                                                                                           \
	do {                                                                                                     \
		if (!(x))                                                                                            \
			abort();                                                                                         \
	} while (0)

static void on_problem(void *ud, const struct mw_ddf_problem *p)
{
	size_t *n = ud;
	++*n;
	for (const char *c = p->text; *c; c++)
		REQUIRE((unsigned char)*c >= ' ');
}

static size_t touch(const char *s)
{
	return strlen(s);
}

static void check_object(const struct mw_model *m, const struct mw_object_def *o)
{
	REQUIRE(mw_model_object(m, o->oid, o->version) == o);
	REQUIRE(o->oid < MW_ID_NONE && o->version.major && o->n_resources <= MW_DDF_ITEMS_MAX);
	REQUIRE(touch(o->name) <= MW_DDF_NAME_MAX && touch(o->urn) <= MW_DDF_NAME_MAX);
	REQUIRE(touch(o->description) <= MW_DDF_TEXT_MAX && touch(o->description2) <= MW_DDF_TEXT_MAX);
	for (size_t i = 0; i < o->n_resources; i++) {
		const struct mw_resource_def *r = &o->resources[i];
		REQUIRE(!i || r[-1].rid < r->rid);
		REQUIRE(mw_object_resource(o, r->rid) == r);
		REQUIRE(touch(r->name) <= MW_DDF_NAME_MAX && touch(r->units) <= MW_DDF_NAME_MAX);
		REQUIRE(touch(r->range_text) <= MW_DDF_RANGE_MAX && touch(r->description) <= MW_DDF_TEXT_MAX);
		REQUIRE((r->range.kind == MW_RANGE_NONE) == (r->range.n_spans == 0));
		struct mw_value zero = {.type = r->type};
		(void)mw_range_holds(&r->range, &zero);
	}
	REQUIRE(mw_object_eq(o, o));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_model *m = mw_model_new();
	struct mw_ddf_stats stats = {0};
	struct mw_errbuf e;
	size_t n_problems = 0;
	if (!m)
		return 0;
	struct mw_bytes xml = {data, size};
	int rc = mw_ddf_parse_counted(m, "fuzz.xml", xml, &stats, on_problem, &n_problems, &e);
	REQUIRE(rc < 0 ? mw_model_count(m) == 0 && e.text[0] && n_problems : (size_t)rc == mw_model_count(m));
	for (size_t i = 0; i < mw_model_count(m); i++)
		check_object(m, mw_model_at(m, i));
	if (rc >= 0)
		REQUIRE(mw_ddf_parse(m, "again.xml", xml, &e) == 0);
	mw_model_free(m);
	return 0;
}
