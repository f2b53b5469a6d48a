#include "codec_helper.h"
#include "codec/linkformat.h"

/* "target{name=value;flag}|", one for each link, and the count of skipped ones at the end. */
static void list(struct mw_bytes payload, char *out)
{
	struct mw_linkformat l;
	struct mw_linkformat_link link;
	struct mw_linkformat_attr attr;
	struct mw_buf b;
	mw_buf_init(&b, out, TEXT_CAP - 1);
	mw_linkformat_init(&l, payload);
	while (mw_linkformat_next(&l, &link)) {
		struct mw_bytes rest = link.attrs;
		mw_buf_put(&b, link.target.data, link.target.len);
		while (mw_linkformat_attr_next(&rest, &attr)) {
			char value[300] = "";
			mw_linkformat_unquote(&attr, value, sizeof(value));
			mw_buf_put_str(&b, ";");
			mw_buf_put(&b, attr.name.data, attr.name.len);
			mw_buf_put_str(&b, attr.has_value ? "=" : "");
			mw_buf_put_str(&b, value);
		}
		mw_buf_put_str(&b, "|");
	}
	mw_buf_printf(&b, "%zu", l.n_skipped);
	assert_false(b.overflow);
	out[b.len] = 0;
	assert_false(mw_linkformat_next(&l, &link));
}

static void lists(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"</1/0>,</1/1>,</2/0>,</3/0>,</5>", "/1/0|/1/1|/2/0|/3/0|/5|0"},
		{"</>;rt=\"oma.lwm2m\";ct=\"60 110 112\",</1>;ver=1.1,</1/0>",
			"/;rt=oma.lwm2m;ct=60 110 112|/1;ver=1.1|/1/0|0"},
		{"</lwm2m>;rt=\"oma.lwm2m\";ct=110,</lwm2m/1/0>", "/lwm2m;rt=oma.lwm2m;ct=110|/lwm2m/1/0|0"},
		{"</1>;ver=\"1.1\"", "/1;ver=1.1|0"},
		{"", "0"},
		{" </1/0> , </3/0>\r\n,\t</5> ", "/1/0|/3/0|/5|0"},
		{"</1/0/>,</16/0/0/>", "/1/0/|/16/0/0/|0"},
		{"</1/0>;pmin=10;pmax=60 ; gt = 42.2;con", "/1/0;pmin=10;pmax=60;gt=42.2;con|0"},
		{"</1>;a=\"x,</2>;y\\\"z\",</3>", "/1;a=x,</2>;y\"z|/3|0"},
		{"</1>;a=\"\",</3>", "/1;a=|/3|0"},
		{"</1>;a=,</3>", "/1;a=|/3|0"},
		{"</1>;;;b=1,</3>", "/1;b=1|/3|0"},
		{",,</1>,,</3>,", "/1|/3|0"},
		{"\xef\xbb\xbf</1>", "/1|0"},
		{"rubbish,</1/0>", "/1/0|1"},
		{"</1/0", "1"},
		{"</1/0,</3/0>", "/3/0|1"},
		{"<,</3/0>", "/3/0|1"},
		{"</1>x,</3>", "/3|1"},
		{"</1>;a=\"open,</3>,</5>", "/3|/5|1"},
		{"</1>;a=\"x\"y,</3>", "/3|1"},
		{"</1>;a=b\"c,</3>", "/3|1"},
		{"</1></2>,</3>", "/3|1"},
		{"</1>;a=\"\\", "1"},
		{"<>;x", ";x|0"},
		{"a,b,c", "1"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_bytes whole = {(const uint8_t *)cases[i].text, strlen(cases[i].text)};
		char text[TEXT_CAP];
		for (size_t len = 0; len <= whole.len; len++) {
			struct mw_bytes cut = prefix_of(whole, len);
			list(cut, text);
			bytes_free(cut);
		}
		if (strcmp(text, cases[i].expected))
			fail_msg("%s\n got  %s\n want %s", cases[i].text, text, cases[i].expected);
	}
	char text[TEXT_CAP];
	list((struct mw_bytes){0}, text);
	assert_string_equal(text, "0");
	list((struct mw_bytes){(const uint8_t *)"</1>;a\0b,</3>", 13}, text);
	assert_string_equal(text, "/3|1");
}

static void attributes(void **state)
{
	(void)state;
	static const char payload[] = "</>;rt=\"core.x  oma.lwm2m\";ct=\"60 110\";obs;ver=\"1\\.1\"";
	struct mw_linkformat l;
	struct mw_linkformat_link link;
	struct mw_linkformat_attr attr;
	struct mw_bytes rest, word;
	char text[8];
	mw_linkformat_init(&l, (struct mw_bytes){(const uint8_t *)payload, sizeof(payload) - 1});
	assert_true(mw_linkformat_next(&l, &link));
	assert_true(mw_linkformat_attr_find(&link, "rt", &attr));
	rest = attr.value;
	assert_true(mw_linkformat_word_next(&rest, &word) && word.len == 6);
	assert_true(mw_linkformat_word_next(&rest, &word) && word.len == 9);
	assert_memory_equal(word.data, "oma.lwm2m", 9);
	assert_false(mw_linkformat_word_next(&rest, &word));
	assert_true(mw_linkformat_attr_find(&link, "obs", &attr) && !attr.has_value);
	assert_int_equal(mw_linkformat_unquote(&attr, text, sizeof(text)), 0);
	assert_true(mw_linkformat_attr_find(&link, "ver", &attr) && attr.is_quoted);
	assert_int_equal(mw_linkformat_unquote(&attr, text, sizeof(text)), 3);
	assert_string_equal(text, "1.1");
	assert_int_equal(mw_linkformat_unquote(&attr, text, 4), 3);
	assert_int_equal(mw_linkformat_unquote(&attr, text, 3), MW_E_LIMIT);
	assert_int_equal(mw_linkformat_unquote(&attr, text, 0), MW_E_LIMIT);
	assert_false(mw_linkformat_attr_find(&link, "r", &attr));
	assert_false(mw_linkformat_attr_find(&link, "RT", &attr));
}

static void paths(void **state)
{
	(void)state;
	static const struct {
		const char *text, *path, *prefix;
	} cases[] = {{"</1/0/>", "/1/0", ""}, {"</lwm2m/1/0>", "/1/0", "/lwm2m"}, {"</lwm2m>", "/", "/lwm2m"},
		{"</>", "/", ""}, {"</99999>", NULL, ""}, {"<>", NULL, ""}, {"</1/x>", NULL, ""}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_linkformat l;
		struct mw_linkformat_link link;
		struct mw_path p;
		struct mw_bytes prefix;
		char text[MW_PATH_TEXT_MAX];
		mw_linkformat_init(&l, (struct mw_bytes){(const uint8_t *)cases[i].text, strlen(cases[i].text)});
		assert_true(mw_linkformat_next(&l, &link));
		int rc = mw_linkformat_path(&link, &p, &prefix);
		assert_int_equal(rc, cases[i].path ? 0 : MW_E_PATH);
		if (!cases[i].path)
			continue;
		mw_path_print(&p, text);
		assert_string_equal(text, cases[i].path);
		assert_int_equal(prefix.len, strlen(cases[i].prefix));
		assert_memory_equal(prefix.data, cases[i].prefix, prefix.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(attributes),
		cmocka_unit_test(paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
