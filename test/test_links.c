#include "base/err.h"
#include "lwm2m/links.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct mw_hash_key seed = {{7, 8}};

static int setup(void **state)
{
	struct mw_interned_links *t = malloc(sizeof(*t));
	mw_interned_links_init(t, &seed);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct mw_interned_links *t = *state;
	assert_int_equal(t->pool.n_used, 0); /* every test gives back what it took */
	assert_int_equal(t->by_raw.count, 0);
	mw_interned_links_deinit(t);
	free(t);
	return 0;
}

static struct mw_bytes bytes(const char *text)
{
	return (struct mw_bytes){(const uint8_t *)text, strlen(text)};
}

static struct mw_links *intern(struct mw_interned_links *t, const char *text, const struct mw_links *before)
{
	struct mw_links *l = NULL;
	assert_int_equal(mw_links_intern(t, bytes(text), before, &l), 0);
	return l;
}

/* "1/0 3/0 5 1:1.1 prefix=/x ct=60,110 skipped=1": all that was understood. */
static void describe(const struct mw_links *l, char *out, size_t cap)
{
	size_t n = 0;
	out[0] = 0;
	for (uint32_t i = 0; i < l->n_items; i++) {
		n += (size_t)snprintf(out + n, cap - n, "%s%u", n ? " " : "", l->items[i].oid);
		if (l->items[i].iid != MW_ID_NONE)
			n += (size_t)snprintf(out + n, cap - n, "/%u", l->items[i].iid);
	}
	for (uint32_t i = 0; i < l->n_versions; i++)
		n += (size_t)snprintf(
			out + n, cap - n, " %u:%u.%u", l->versions[i].oid, l->versions[i].major, l->versions[i].minor);
	if (l->prefix)
		n += (size_t)snprintf(out + n, cap - n, " prefix=%s", l->prefix);
	for (unsigned i = 0; i < l->n_formats; i++)
		n += (size_t)snprintf(out + n, cap - n, "%s%u", i ? "," : " ct=", l->formats[i]);
	if (l->n_skipped)
		snprintf(out + n, cap - n, " skipped=%u", l->n_skipped);
}

static void test_parsing(void **state)
{
	struct mw_interned_links *t = *state;
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"</1/0>,</1/1>,</2/0>,</3/0>,</5>", "1/0 1/1 2/0 3/0 5"},
		{"</5>,</3/0>,</1/0>,</3/0>", "1/0 3/0 5"},
		/* the object's own link says nothing beyond its instances */
		{"</3>;ver=1.1,</3/0>", "3/0 3:1.1"},
		{"</3/0>,</3>;ver=1.1", "3/0 3:1.1"},
		{"</44/0>;ver=2.2", "44/0 44:2.2"},
		{"</3>;ver=\"1.1\",</3/0>", "3/0 3:1.1"},
		{"</3>;ver=1.1,</3/0>;ver=1.2", "3/0 3:1.1"},
		{"</3>;ver=1", "3 3:1.0"},
		{"</3>;ver=255.0", "3 3:255.0"},
		{"</3>;ver=256.0", "3"},
		{"</3>;ver=1.1.1,</4>;ver=,</5>;ver,</6>;ver=x,</7>;ver=1.", "3 4 5 6 7"},
		/* root links */
		{"</>;rt=\"oma.lwm2m\";ct=110,</3/0>", "3/0 ct=110"},
		{"</>;rt=\"oma.lwm2m\";ct=\"60 110 112\",</3/0>", "3/0 ct=60,110,112"},
		{"</>;ct=11543;rt=oma.lwm2m,</3/0>", "3/0 ct=11543"},
		{"</>;ct=11543,</3/0>", "3/0 ct=11543"},
		{"</>;ct=\"60 x 70000 65535 -1 112\",</3/0>", "3/0 ct=60,112"},
		{"</>;ct=\"1 2 3 4 5 6 7 8 9 10 11 12 13\",</3/0>", "3/0 ct=1,2,3,4,5,6,7,8,9,10,11,12"},
		{"</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/1/0>,</lwm2m/3/0>", "1/0 3/0 prefix=/lwm2m"},
		{"</lwm2m/>;rt=\"oma.lwm2m\",</lwm2m/3/0>", "3/0 prefix=/lwm2m"},
		{"</lwm2m>;rt=\"oma.lwm2m\",</3/0>", "3/0 prefix=/lwm2m"}, /* as Wakaama lists them */
		{"</a/b>;rt=\"x oma.lwm2m y\",</a/b/3/0>", "3/0 prefix=/a/b"},
		{"</x>;rt=\"oma.lwm2m.gw\",</3/0>", "3/0"},
		{"</>;ct=1,</y>;rt=\"oma.lwm2m\";ct=2,</z>;rt=\"oma.lwm2m\";ct=3,</3/0>", "3/0 prefix=/y ct=2"},
		{"</y>;rt=\"oma.lwm2m\";ct=2,</>;ct=1,</3/0>", "3/0 prefix=/y ct=2"},
		{"</y>,</3/0>", "3/0"},                        /* some other resource */
		{"</3/0>;rt=\"oma.lwm2m\",</4/0>", "3/0 4/0"}, /* an object is no root */
		{"</4/0>,</3/0>;rt=\"oma.lwm2m\"", "3/0 4/0"},
		/* objects that hold keys */
		{"</0/0>,</0/1>,</1/0>,</21/0>,</23/0>,</3/0>", "1/0 3/0"},
		/* lenient */
		{" </1/0> , </3/0/> ,\t</5> ", "1/0 3/0 5"},
		{"</16/0/0/>,</3/0>", "3/0 16/0"},
		{"<1/0>,<3/0>", "1/0 3/0"},
		{"</3/0>;obs;foo=bar;title=\"a,b;c>\\\"d\",</4/0>", "3/0 4/0"},
		{"</65534/65534>", "65534/65534"},
		/* a broken link costs itself, not the others */
		{"</3/0>,</65535>,</4/0>", "3/0 4/0 skipped=1"},
		{"</3/0>,</4/70000>,</5>", "3/0 5 skipped=1"},
		{"</3/0>,</03/0>,</5>", "3/0 5 skipped=1"},
		{"</3/0>,rubbish,</5>", "3/0 5 skipped=1"},
		{"</3/0>,</4/0;x,</5>", "3/0 5 skipped=1"},
		{"</3/0>,</4/0>;t=\"open,</5>", "3/0 5 skipped=1"},
		{"</1/2/3/4/5>,</5>", "5 skipped=1"},
		{"<>,</5>", "5 skipped=1"},
		{"\xef\xbb\xbf</5>", "5"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[512];
		struct mw_links *l = NULL;
		int rc = mw_links_intern(t, bytes(rows[i].in), NULL, &l);
		if (rc < 0)
			fail_msg("%s: %d", rows[i].in, rc);
		describe(l, out, sizeof(out));
		if (strcmp(out, rows[i].out) != 0)
			fail_msg("%s\ngives %s\n  not %s", rows[i].in, out, rows[i].out);
		mw_links_unref(t, l);
	}
}

static void test_no_objects(void **state)
{
	struct mw_interned_links *t = *state;
	static const char *const rows[] = {
		"", " ", ",", "</>;rt=\"oma.lwm2m\"", "</0/0>,</21>", "nothing", "</x>", "{\"a\":1}"};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mw_links *l = NULL;
		assert_int_equal(mw_links_intern(t, bytes(rows[i]), NULL, &l), MW_E_FORMAT);
		assert_null(l);
		assert_int_equal(t->pool.n_used, 0);
	}
}

static void test_sharing(void **state)
{
	struct mw_interned_links *t = *state;
	struct mw_links *a = intern(t, "</1/0>,</3/0>", NULL), *b = intern(t, "</1/0>,</3/0>", NULL);
	struct mw_links *c = intern(t, "</1/0>,</3/1>", NULL);
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_int_equal(a->refs, 2);
	assert_int_equal(t->pool.n_used, 2);
	assert_ptr_equal(mw_links_ref(a), a);
	assert_int_equal(a->refs, 3);
	mw_links_unref(t, a);
	mw_links_unref(t, a);
	assert_int_equal(b->refs, 1);
	assert_true(mw_links_has(b, 3, 0));
	mw_links_unref(t, b);
	assert_int_equal(t->pool.n_used, 1);
	struct mw_links *again = intern(t, "</1/0>,</3/0>", NULL);
	assert_true(mw_links_has(again, 3, 0));
	mw_links_unref(t, again);
	mw_links_unref(t, c);
	mw_links_unref(t, NULL);
}

static void test_root_stays_over_an_update(void **state)
{
	struct mw_interned_links *t = *state;
	char out[256];
	struct mw_links *before = intern(t, "</m>;rt=\"oma.lwm2m\";ct=\"60 112\",</m/1/0>", NULL);
	struct mw_links *a = intern(t, "</m/1/0>,</m/3/0>", before);
	describe(a, out, sizeof(out));
	assert_string_equal(out, "1/0 3/0 prefix=/m ct=60,112");
	assert_string_equal(a->raw, "</m>;rt=\"oma.lwm2m\";ct=\"60 112\",</m/1/0>,</m/3/0>");
	assert_int_equal(before->refs, 1);
	/* the same Update once more: the same list, and nothing grows */
	struct mw_links *b = intern(t, "</m/1/0>,</m/3/0>", a);
	assert_ptr_equal(a, b);
	assert_int_equal(t->pool.n_used, 2);
	/* what is stored reads back as the same list */
	struct mw_links *c = intern(t, a->raw, NULL);
	assert_ptr_equal(c, a);
	/* a new root link stands for itself */
	struct mw_links *d = intern(t, "</>;rt=\"oma.lwm2m\",</5>", a);
	describe(d, out, sizeof(out));
	assert_string_equal(out, "5");
	/* no root before, none now */
	struct mw_links *e = intern(t, "</6>", NULL), *f = intern(t, "</7>", e);
	assert_string_equal(f->raw, "</7>");
	struct mw_links *all[] = {before, a, b, c, d, e, f};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		mw_links_unref(t, all[i]);
}

static char *many_links(unsigned n)
{
	char *text = malloc((size_t)n * 16 + 1), *p = text;
	for (unsigned i = 0; i < n; i++)
		p += sprintf(p, "%s</%u/%u>", i ? "," : "", 1000 + i / 100, i % 100);
	*p = 0;
	return text;
}

static void test_limits(void **state)
{
	struct mw_interned_links *t = *state;
	struct mw_links *l;
	char *text = many_links(4096);
	l = intern(t, text, NULL);
	assert_int_equal(l->n_items, 4096);
	assert_true(mw_links_has(l, 1040, 95));
	mw_links_unref(t, l);
	free(text);
	text = many_links(4097);
	assert_int_equal(mw_links_intern(t, bytes(text), NULL, &l), MW_E_LIMIT);
	free(text);
	text = malloc(65537 + 1);
	memset(text, ' ', 65537);
	memcpy(text, "</5>", 4);
	text[65536] = 0;
	mw_links_unref(t, intern(t, text, NULL));
	/* with the root link in front it would be too long to be read back after a restart */
	struct mw_links *before = intern(t, "</>;ct=60,</5>", NULL);
	assert_int_equal(mw_links_intern(t, bytes(text), before, &l), MW_E_LIMIT);
	mw_links_unref(t, before);
	text[65536] = ' ';
	text[65537] = 0;
	assert_int_equal(mw_links_intern(t, bytes(text), NULL, &l), MW_E_LIMIT);
	free(text);
}

static void test_look_ups(void **state)
{
	struct mw_interned_links *t = *state;
	struct mw_links *l =
		intern(t, "</>;rt=\"oma.lwm2m\";ct=\"60 112\",</3>;ver=1.2,</3/0>,</3/7>,</5>,</9/1>", NULL);
	assert_true(mw_links_has(l, 3, 0));
	assert_true(mw_links_has(l, 3, 7));
	assert_false(mw_links_has(l, 3, 1));
	assert_true(mw_links_has(l, 3, MW_ID_NONE));
	assert_true(mw_links_has(l, 5, MW_ID_NONE));
	assert_false(mw_links_has(l, 5, 0));
	assert_false(mw_links_has(l, 4, MW_ID_NONE));
	assert_false(mw_links_has(l, 10, MW_ID_NONE));
	assert_true(mw_links_has_format(l, 112));
	assert_false(mw_links_has_format(l, 110));
	assert_int_equal(mw_links_version(l, 3)->minor, 2);
	assert_null(mw_links_version(l, 5));
	mw_links_unref(t, l);
}

/* A payload with bytes of every kind neither breaks anything nor is kept after its refusal. */
static void test_random_bytes(void **state)
{
	struct mw_interned_links *t = *state;
	static const char parts[][12] = {"<", ">", "/", "3", "0", ",", ";", "ver=1.1", "rt=\"", "oma.lwm2m", "\"",
		"ct=", "60 112", "</3/0>", "</", "\\", " ", "x"};
	uint64_t x = 987654321;
	struct mw_links *before = intern(t, "</>;ct=60,</5>", NULL);
	for (int round = 0; round < 30000; round++) {
		char text[300] = "";
		for (int i = 0; i < 12; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			strcat(text, parts[(x >> 33) % (sizeof(parts) / sizeof(parts[0]))]);
		}
		struct mw_links *l = NULL;
		int rc = mw_links_intern(t, bytes(text), round % 2 ? before : NULL, &l);
		assert_true(rc == 0 ? l->n_items > 0 : rc == MW_E_FORMAT && !l);
		for (uint32_t i = 1; rc == 0 && i < l->n_items; i++)
			assert_true(l->items[i - 1].oid < l->items[i].oid ||
						(l->items[i - 1].oid == l->items[i].oid && l->items[i - 1].iid < l->items[i].iid));
		mw_links_unref(t, l);
		assert_int_equal(t->pool.n_used, 1);
	}
	mw_links_unref(t, before);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_parsing),
		CASE(test_no_objects),
		CASE(test_sharing),
		CASE(test_root_stays_over_an_update),
		CASE(test_limits),
		CASE(test_look_ups),
		CASE(test_random_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
