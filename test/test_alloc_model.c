/* Every allocation of the model layer fails once, the Nth in run N: each time the answer must be MW_E_NOMEM
 * (or NULL), nothing may leak (AddressSanitizer looks), and what was in the registry must still be there.
 * expat's own allocations count, too: the parser hands it our malloc. Needs the linker's --wrap for malloc,
 * calloc, realloc and reallocarray, see test/CMakeLists.txt. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/ddf.h"

/* Weak, so that a build without --wrap still links, and says that it tested nothing. */
void *__real_malloc(size_t size) __attribute__((weak));
void *__real_calloc(size_t n, size_t size) __attribute__((weak));
void *__real_realloc(void *p, size_t size) __attribute__((weak));
void *__real_reallocarray(void *p, size_t n, size_t size) __attribute__((weak));
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

/* Allocations until one fails; 0 = none does. The linker gives these functions no argument to carry it in. */
static unsigned long countdown;

static bool must_fail(void)
{
	return countdown && --countdown == 0;
}

void *__wrap_malloc(size_t size)
{
	return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return must_fail() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return must_fail() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return must_fail() ? NULL : __real_reallocarray(p, n, size);
}

enum { RUNS_MAX = 20000 };

static void skip_if_not_wrapped(void)
{
	if (__real_malloc && __real_calloc && __real_realloc && __real_reallocarray)
		return;
	printf("SKIPPED: linked without --wrap=malloc and friends, nothing was tested\n");
	fflush(stdout);
	skip();
}

/* Enough of everything that each growing list grows more than once: 3 objects, one of 40 resources, long
 * texts. */
static char *document(void)
{
	enum { SIZE = 64 << 10 };
	char *xml = malloc(SIZE);
	assert_non_null(xml);
	size_t at = (size_t)snprintf(xml, SIZE,
		"<LWM2M xmlns:a=\"urn:b\"><Object x=\"1\"><Name>A</Name><ObjectID>1</ObjectID><Description1>");
	for (int i = 0; i < 200; i++)
		at += (size_t)snprintf(xml + at, SIZE - at, "text %d &amp; more, ", i);
	at += (size_t)snprintf(xml + at, SIZE - at, "</Description1><Resources>");
	for (int i = 0; i < 40; i++)
		at += (size_t)snprintf(xml + at, SIZE - at,
			"<Item ID=\"%d\"><Name>Resource %d</Name><Operations>RW</Operations><Type>Integer</Type>"
			"<RangeEnumeration>0..%d, 99</RangeEnumeration></Item>",
			100 - i, i, i + 1);
	snprintf(xml + at, SIZE - at,
		"</Resources></Object><Object><ObjectID>2</ObjectID></Object>"
		"<Object><ObjectID>3</ObjectID><Mandatory>Optonal</Mandatory></Object></LWM2M>");
	return xml;
}

static void test_parse(void **state)
{
	(void)state;
	skip_if_not_wrapped();
	char *xml = document();
	struct mw_bytes input = {(const uint8_t *)xml, strlen(xml)};
	static const char first[] = "<LWM2M><Object><ObjectID>2</ObjectID></Object></LWM2M>";
	unsigned long run = 1;
	for (; run < RUNS_MAX; run++) {
		struct mw_model *m = mw_model_new();
		struct mw_errbuf e = {0};
		assert_non_null(m);
		assert_int_equal(
			mw_ddf_parse(m, "first.xml", (struct mw_bytes){(const uint8_t *)first, sizeof(first) - 1}, &e),
			1);
		countdown = run;
		int rc = mw_ddf_parse(m, "t.xml", input, &e);
		bool was_reached = countdown == 0;
		countdown = 0;
		if (was_reached) {
			assert_int_equal(rc, MW_E_NOMEM);
			assert_non_null(strstr(e.text, "out of memory"));
			assert_int_equal(mw_model_count(m), 1);
			assert_string_equal(mw_model_at(m, 0)->source, "first.xml");
		} else {
			assert_int_equal(rc, 2);
			assert_int_equal(mw_model_count(m), 3);
			assert_int_equal(mw_model_at(m, 0)->n_resources, 40);
		}
		mw_model_free(m);
		if (!was_reached)
			break;
	}
	assert_in_range(run, 20, RUNS_MAX - 1);
	printf("%lu allocations, each failed once\n", run - 1);
	free(xml);
}

static void test_new(void **state)
{
	(void)state;
	skip_if_not_wrapped();
	countdown = 1;
	struct mw_model *m = mw_model_new();
	countdown = 0;
	assert_null(m);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void remove_all(const char *dir, const char *const *names)
{
	char path[128];
	for (; *names; names++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *names);
		assert_int_equal(remove(path), 0);
	}
	assert_int_equal(rmdir(dir), 0);
}

/* A file and a folder: no memory ends the load, as the next file would fare no better. */
static void test_load(void **state)
{
	(void)state;
	skip_if_not_wrapped();
	static const char *const names[] = {"1.xml", "bad.xml", "version_history/2.xml", "version_history", NULL};
	char dir[] = "/tmp/mw_test_alloc_XXXXXX", path[64];
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/version_history", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	write_file(dir, names[0], "<LWM2M><Object><ObjectID>1</ObjectID></Object></LWM2M>");
	write_file(dir, names[1], "<LWM2M>");
	write_file(dir, names[2], "<LWM2M><Object><ObjectID>2</ObjectID></Object></LWM2M>");
	snprintf(path, sizeof(path), "%s/1.xml", dir);
	bool was_reached = true;
	for (unsigned long run = 1; was_reached && run < RUNS_MAX; run++) {
		struct mw_model *m = mw_model_new();
		struct mw_errbuf e = {0};
		countdown = run;
		int rc = mw_ddf_load_dir(m, dir, NULL, NULL, NULL, &e);
		was_reached = countdown == 0;
		countdown = 0;
		assert_int_equal(rc, was_reached ? MW_E_NOMEM : 0);
		assert_int_equal(strstr(e.text, "out of memory") != NULL, was_reached);
		if (!was_reached)
			assert_int_equal(mw_model_count(m), 2);
		mw_model_free(m);
	}
	assert_false(was_reached);
	was_reached = true;
	for (unsigned long run = 1; was_reached && run < RUNS_MAX; run++) {
		struct mw_model *m = mw_model_new();
		countdown = run;
		int rc = mw_ddf_load_file(m, path, NULL);
		was_reached = countdown == 0;
		countdown = 0;
		assert_int_equal(rc, was_reached ? MW_E_NOMEM : 1);
		mw_model_free(m);
	}
	assert_false(was_reached);
	remove_all(dir, names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
