#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_fail_fills_and_returns(void **state)
{
	(void)state;
	struct mw_errbuf e;
	char wide[600];
	assert_int_equal(mw_fail(&e, MW_E_PATH, "resource %u not in object %u", 1u, 2u), MW_E_PATH);
	assert_string_equal(e.text, "resource 1 not in object 2");
	memset(wide, 'x', sizeof(wide));
	wide[599] = 0;
	assert_int_equal(mw_fail(&e, MW_E_ARG, "%s", wide), MW_E_ARG);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_int_equal(mw_fail(NULL, MW_E_IO, "nobody listens"), MW_E_IO);
}

/* Each code has a word and a sentence of its own. */
static void test_words(void **state)
{
	(void)state;
	static const int codes[] = {
#define X(name, number, word, text) MW_E_##name,
		MW_ERR_LIST(X)
#undef X
	};
	enum { N = sizeof(codes) / sizeof(codes[0]) };
	for (size_t i = 0; i < N; i++) {
		assert_true(codes[i] < 0);
		assert_int_equal(mw_err_word(codes[i])[0], 'E');
		for (size_t k = 0; k < i; k++) {
			assert_true(codes[i] != codes[k]);
			assert_string_not_equal(mw_err_word(codes[i]), mw_err_word(codes[k]));
			assert_string_not_equal(mw_err_text(codes[i]), mw_err_text(codes[k]));
		}
	}
	assert_string_equal(mw_err_word(MW_E_NOTFOUND), "ENOTFOUND");
	assert_string_equal(mw_err_word(0), "OK");
	assert_string_equal(mw_err_word(17), "OK");
	assert_string_equal(mw_err_word(-1000), "EUNKNOWN");
	assert_string_equal(mw_err_text(-1000), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fail_fills_and_returns),
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
