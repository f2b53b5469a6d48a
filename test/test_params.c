#include "lwm2m/params.h"
#include "lwm2m/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* A message with each of @p text's parts, cut at spaces, as one Uri-Query. */
static struct mw_coap_msg message(const char *text)
{
	struct mw_coap_msg m = {.type = MW_COAP_CON, .code = MW_COAP_POST};
	m.options[m.n_options++] = (struct mw_coap_opt){MW_OPT_URI_PATH, 2, (const uint8_t *)"rd"};
	while (*text) {
		size_t len = strcspn(text, " ");
		m.options[m.n_options++] =
			(struct mw_coap_opt){MW_OPT_URI_QUERY, (uint16_t)len, (const uint8_t *)text};
		text += len + (text[len] == ' ');
	}
	return m;
}

static void test_all_of_them_in_any_order(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"ep=urn:dev:os:1 lt=300 lwm2m=1.1 b=UT Q sms=49123 x=1 y",
		"y=z Q= b=TU lwm2m=1.1 ep=urn:dev:os:1 sms=49123 lt=00300",
	};
	for (size_t i = 0; i < 2; i++) {
		struct mw_params p;
		struct mw_errbuf why;
		struct mw_coap_msg m = message(rows[i]);
		assert_int_equal(mw_params_parse(&p, &m, &why), 0);
		assert_true(
			p.has_endpoint && p.has_lifetime && p.has_version && p.has_binding && p.has_sms && p.queue_flag);
		assert_int_equal(p.endpoint.len, 12);
		assert_memory_equal(p.endpoint.data, "urn:dev:os:1", 12);
		assert_int_equal(p.lifetime_s, 300);
		assert_int_equal(p.version, MW_LWM2M_1_1);
		assert_int_equal(p.binding, MW_BINDING_U | MW_BINDING_T);
		assert_false(p.binding_queue);
		assert_int_equal(p.sms.len, 5);
		assert_string_equal(p.extra, i ? "y=z" : "x=1&y");
	}
}

static void test_codes(void **state)
{
	(void)state;
	enum { OK = 0, BAD = MW_COAP_BAD_REQUEST, OLD = MW_COAP_PRECONDITION_FAILED };
	static const struct {
		const char *text;
		int code;
	} rows[] = {
		{"", OK},
		{"ep=a", OK},
		{"ep=\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", OK},
		{"ep=a=b&c", OK},
		{"ep", BAD},
		{"ep=", BAD},
		{"ep=a\nb", BAD},
		{"ep=\x7f", BAD},
		{"ep=\xc2\x9b", BAD}, /* a control character in two bytes */
		{"ep=\xc0\xaf", BAD}, /* overlong */
		{"ep=\xe0\x80\xaf", BAD},
		{"ep=\xed\xa0\x80", BAD},     /* surrogate */
		{"ep=\xf4\x90\x80\x80", BAD}, /* beyond U+10FFFF */
		{"ep=\xff", BAD},
		{"ep=abc\xe2\x82", BAD}, /* cut */
		{"ep=a ep=a", BAD},
		{"EP=a ep=b", OK}, /* case matters: EP is an unknown one */
		{"lt=0", OK},
		{"lt=4294967295", OK},
		{"lt=4294967296", BAD},
		{"lt=99999999999", BAD},
		{"lt=-1", BAD},
		{"lt=+1", BAD},
		{"lt=1.5", BAD},
		{"lt= ", BAD},
		{"lt", BAD},
		{"lt=1 lt=2", BAD},
		{"lwm2m=1.0", OK},
		{"lwm2m=1.1", OK},
		{"lwm2m=1.2", OK},
		{"lwm2m=1.3", OLD},
		{"lwm2m=2.0", OLD},
		{"lwm2m=0.9", OLD},
		{"lwm2m=1.10", OLD},
		{"lwm2m=10.1", OLD},
		{"lwm2m=01.1", BAD},
		{"lwm2m=1.01", BAD},
		{"lwm2m=1", BAD},
		{"lwm2m=1.", BAD},
		{"lwm2m=.1", BAD},
		{"lwm2m=1.1.1", BAD},
		{"lwm2m=1,1", BAD},
		{"lwm2m=1.1b", BAD},
		{"lwm2m=", BAD},
		{"lwm2m", BAD},
		{"lwm2m=1.1 lwm2m=1.1", BAD},
		{"b=U", OK},
		{"b=UQ", OK},
		{"b=USQ", OK},
		{"b=UTSNMH", OK},
		{"b=Q", BAD},
		{"b=", BAD},
		{"b=UU", BAD},
		{"b=UQQ", BAD},
		{"b=X", BAD},
		{"b=u", BAD},
		{"Q", OK},
		{"Q Q", BAD},
		{"sms", OK},
		{"sms=a\tb", BAD},
		{"pid=6:1234abcd pid=6:00ff", OK},
		{"a=\xff", BAD},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mw_params p;
		struct mw_errbuf why = {0};
		struct mw_coap_msg m = message(rows[i].text);
		int code = mw_params_parse(&p, &m, &why);
		if (code != rows[i].code)
			fail_msg("\"%s\" gives %d.%02d", rows[i].text, code >> 5, code & 31);
		assert_int_equal(code != 0, why.text[0] != 0); /* a refusal has its reason */
	}
}

static void test_lengths(void **state)
{
	(void)state;
	char text[1600];
	struct mw_params p;
	struct mw_errbuf why;
	memset(text, 'x', sizeof(text));
	memcpy(text, "ep=", 3);
	text[3 + MW_ENDPOINT_MAX] = 0;
	struct mw_coap_msg m = message(text);
	assert_int_equal(mw_params_parse(&p, &m, &why), 0);
	text[3 + MW_ENDPOINT_MAX] = 'x';
	text[4 + MW_ENDPOINT_MAX] = 0;
	m = message(text);
	assert_int_equal(mw_params_parse(&p, &m, &why), MW_COAP_BAD_REQUEST);
	memset(text, 'x', sizeof(text));
	memcpy(text, "sms=", 4);
	text[4 + MW_PARAM_SMS_MAX] = 0;
	m = message(text);
	assert_int_equal(mw_params_parse(&p, &m, &why), 0);
	text[4 + MW_PARAM_SMS_MAX] = 'x';
	text[5 + MW_PARAM_SMS_MAX] = 0;
	m = message(text);
	assert_int_equal(mw_params_parse(&p, &m, &why), MW_COAP_BAD_REQUEST);
	memset(text, 'k', sizeof(text)); /* unknown ones: four of 240 bytes fit, five do not */
	for (int n = 4; n <= 5; n++) {
		for (int i = 1; i < n; i++)
			text[i * 241 - 1] = ' ';
		text[n * 241 - 1] = 0;
		m = message(text);
		assert_int_equal(mw_params_parse(&p, &m, &why), n == 4 ? 0 : MW_COAP_BAD_REQUEST);
		assert_true(strlen(p.extra) < MW_PARAMS_EXTRA_MAX);
		text[n * 241 - 1] = 'k';
	}
}

static void test_empty_query_options(void **state)
{
	(void)state;
	struct mw_params p;
	struct mw_errbuf why;
	struct mw_coap_msg m = message("ep=a");
	m.options[m.n_options++] = (struct mw_coap_opt){MW_OPT_URI_QUERY, 0, NULL};
	m.options[m.n_options++] = (struct mw_coap_opt){MW_OPT_URI_QUERY, 1, (const uint8_t *)"="};
	assert_int_equal(mw_params_parse(&p, &m, &why), 0);
	assert_true(p.has_endpoint);
	assert_string_equal(p.extra, "=");
}

static void test_bindings_by_version(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ok[3];
	} rows[] = {
		{"", {true, true, true}},
		{"b=U", {true, true, true}},
		{"b=USQ", {true, true, true}},
		{"b=UT", {false, true, true}},
		{"b=N", {false, true, true}},
		{"b=UM", {false, false, true}},
		{"b=H", {false, false, true}},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (uint8_t v = 0; v < 3; v++) {
			struct mw_params p;
			struct mw_errbuf why;
			struct mw_coap_msg m = message(rows[i].text);
			assert_int_equal(mw_params_parse(&p, &m, &why), 0);
			int code = mw_params_check_binding(&p, (uint8_t)(MW_LWM2M_1_0 + v), &why);
			if (code != (rows[i].ok[v] ? 0 : MW_COAP_BAD_REQUEST))
				fail_msg("\"%s\" in 1.%u", rows[i].text, v);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_them_in_any_order),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_empty_query_options),
		cmocka_unit_test(test_bindings_by_version),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
