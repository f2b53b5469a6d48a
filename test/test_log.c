#include "base/err.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

struct sink {
	int n;
	enum mw_log_level level;
	enum mw_log_group group;
	char text[2048];
};

static void on_line(
	void *ud, enum mw_log_level level, enum mw_log_group group, const char *file, int line, const char *text)
{
	struct sink *s = ud;
	s->n++;
	s->level = level;
	s->group = group;
	assert_true(strlen(text) < sizeof(s->text));
	strcpy(s->text, text);
	assert_non_null(strstr(file, "test_log.c"));
	assert_true(line > 0);
}

static void test_levels_per_group(void **state)
{
	(void)state;
	struct sink s = {.n = 0};
	struct mw_log log;
	mw_log_init(&log, on_line, &s, MW_LOG_WARN);
	MW_LOG(&log, ERROR, STORE, "a");
	MW_LOG(&log, WARN, REG, "b %d", 7);
	assert_string_equal(s.text, "b 7");
	assert_int_equal(s.level, MW_LOG_WARN);
	assert_int_equal(s.group, MW_LOG_REG);
	MW_LOG(&log, INFO, REG, "c");
	assert_int_equal(s.n, 2);
	assert_int_equal(mw_log_set(&log, "reg", "debug"), 0);
	MW_LOG(&log, DEBUG, REG, "d");
	MW_LOG(&log, TRACE, REG, "e");
	MW_LOG(&log, INFO, COAP, "f");
	assert_int_equal(s.n, 3);
	assert_int_equal(mw_log_set(&log, "ALL", "Error"), 0);
	MW_LOG(&log, WARN, REG, "g");
	assert_int_equal(s.n, 3);
	assert_int_equal(mw_log_set(&log, "nothing", "debug"), MW_E_NOTFOUND);
	assert_int_equal(mw_log_set(&log, "reg", "loud"), MW_E_NOTFOUND);
	assert_false(MW_LOG_ON(&log, WARN, REG));
}

static int count(int *n)
{
	return ++*n;
}

static void test_silent_lines_are_not_formatted(void **state)
{
	(void)state;
	int n = 0;
	struct mw_log log;
	mw_log_init(&log, NULL, NULL, MW_LOG_TRACE);
	MW_LOG(&log, ERROR, NET, "%d", count(&n));
	struct sink s = {.n = 0};
	mw_log_init(&log, on_line, &s, MW_LOG_INFO);
	MW_LOG(&log, DEBUG, NET, "%d", count(&n));
	assert_int_equal(n, 0);
	MW_LOG(&log, INFO, NET, "%d", count(&n));
	assert_int_equal(n, 1);
}

static void test_control_bytes_are_masked(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"ep=a\nERROR forged", "ep=a?ERROR forged"},
		{"\x1b[2J", "?[2J"},
		{"tab\there\r", "tab?here?"},
		{"del\x7f", "del?"},
		{"csi \xc2\x9b"
		 "2J",
			"csi ??2J"},
		{"caf\xc3\xa9 \xc2\xb0 \xe2\x82\xac", "caf\xc3\xa9 \xc2\xb0 \xe2\x82\xac"},
		{"\xe2\x82\x9b", "\xe2\x82\x9b"}, /* 9b within another character */
		{"cut \xc2", "cut \xc2"},
		{"", ""},
	};
	struct sink s = {.n = 0};
	struct mw_log log;
	mw_log_init(&log, on_line, &s, MW_LOG_TRACE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		MW_LOG(&log, INFO, REG, "%s", rows[i].in);
		assert_string_equal(s.text, rows[i].out);
	}
}

static void test_long_lines_are_cut(void **state)
{
	(void)state;
	char wide[1500];
	struct sink s = {.n = 0};
	struct mw_log log;
	memset(wide, 'x', sizeof(wide));
	wide[sizeof(wide) - 1] = 0;
	mw_log_init(&log, on_line, &s, MW_LOG_TRACE);
	MW_LOG(&log, INFO, REG, "%s", wide);
	assert_int_equal(strlen(s.text), 1023);
}

static void test_names(void **state)
{
	(void)state;
	struct mw_log log;
	mw_log_init(&log, NULL, NULL, MW_LOG_ERROR);
	for (int i = 0; i < MW_LOG_N_GROUPS; i++) /* every group can be set by the name that it is printed with */
		assert_int_equal(mw_log_set(&log, mw_log_group_name((enum mw_log_group)i), "trace"), 0);
	for (int i = 0; i <= MW_LOG_TRACE; i++) {
		assert_int_equal(mw_log_set(&log, "all", mw_log_level_name((enum mw_log_level)i)), 0);
		assert_int_equal(log.level[MW_LOG_HOST], i);
	}
}

static void test_gate(void **state)
{
	(void)state;
	struct mw_log_gate gate = {0};
	uint64_t held_back = 99;
	for (int i = 0; i < MW_LOG_GATE_PER_SECOND; i++) {
		assert_true(mw_log_gate_pass(&gate, 1000, &held_back));
		assert_int_equal(held_back, 0);
	}
	for (int i = 0; i < 3; i++)
		assert_false(mw_log_gate_pass(&gate, 1999, &held_back));
	assert_true(mw_log_gate_pass(&gate, 2000, &held_back));
	assert_int_equal(held_back, 3);
	assert_true(mw_log_gate_pass(&gate, 2000, &held_back));
	assert_int_equal(held_back, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels_per_group),
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_silent_lines_are_not_formatted),
		cmocka_unit_test(test_control_bytes_are_masked),
		cmocka_unit_test(test_long_lines_are_cut),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
