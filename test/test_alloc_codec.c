/* Lets the n-th allocation of a decode or encode fail, for every n, until it succeeds: memory failure must
 * come back as an error, and the list must stay usable. Needs the linker options
 * -Wl,--wrap=malloc,--wrap=realloc,--wrap=calloc; without them the tests are skipped. */
#include "codec_helper.h"

void *__real_malloc(size_t size) __attribute__((weak));
void *__real_calloc(size_t n, size_t size) __attribute__((weak));
void *__real_realloc(void *p, size_t size) __attribute__((weak));
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

/* Allocations until the one that fails; negative = none fails. */
static int countdown = -1;

static bool fails_now(void)
{
	return countdown >= 0 && countdown-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails_now() ? NULL : __real_realloc(p, size);
}

static void need_wrapping(void)
{
	if (!__real_malloc || !__real_calloc || !__real_realloc)
		skip();
}

static const struct {
	unsigned format;
	const char *base, *hex;
	int n_least; /* allocations that the decode makes at least */
} cases[] = {
	{MW_FORMAT_TEXT, "/9/0/2", "\"5\"", 1},
	{MW_FORMAT_TEXT, "/9/0/6", "\"AQID\"", 2},
	{MW_FORMAT_OPAQUE, "/9/0/6", "010203", 1},
	{MW_FORMAT_CBOR, "/9/0/1", "7f 6161 626263 ff", 2},
	{MW_FORMAT_CBOR, "/9/0/2", "05", 1},
	{MW_FORMAT_TLV, "/3/0",
		"8806 27 410001 410102 410203 410304 410405 410506 410607 410708 410809 41090a 410a0b 410b0c 410c0d",
		2},
	{MW_FORMAT_SENML_CBOR, "/3/0",
		"9f bf 21 7f 63 \"/3/\" 62 \"0/\" ff 00 61 \"9\" 02 05 ff bf 00 7f 61 \"1\" 61 \"4\" ff 03 7f 61 "
		"\"a\" ff ff ff",
		2},
};

static void every_failing_allocation_is_reported(void **state)
{
	(void)state;
	need_wrapping();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_path base = path_of(cases[i].base);
		struct mw_bytes payload = bytes_of(cases[i].hex);
		int rc = MW_E_NOMEM, n = 0;
		for (; rc == MW_E_NOMEM; n++) {
			struct mw_nodes nodes;
			struct mw_errbuf e = {0};
			char text[TEXT_CAP];
			mw_nodes_init(&nodes, 0);
			countdown = n;
			rc = mw_decode(cases[i].format, &base, payload, definitions(), 0, &nodes, &e);
			countdown = -1;
			if (rc < 0)
				assert_true(e.text[0] != 0);
			dump(&nodes, text);
			mw_nodes_clear(&nodes);
			assert_int_equal(mw_decode(cases[i].format, &base, payload, definitions(), 0, &nodes, &e), 0);
			mw_nodes_deinit(&nodes);
		}
		assert_int_equal(rc, 0);
		assert_true(n > cases[i].n_least);
		bytes_free(payload);
	}
}

static void encoding_into_memory_that_is_not_there(void **state)
{
	(void)state;
	need_wrapping();
	static const unsigned formats[] = {
		MW_FORMAT_TEXT, MW_FORMAT_OPAQUE, MW_FORMAT_CBOR, MW_FORMAT_TLV, MW_FORMAT_SENML_CBOR};
	static const uint8_t bytes[300];
	struct mw_node node = {
		.path = MW_PATH(9, 0, 6), .value = {.type = MW_TYPE_OPAQUE, .s = {bytes, sizeof(bytes)}}};
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		int rc = MW_E_LIMIT, n = 0;
		for (; rc == MW_E_LIMIT; n++) {
			struct mw_buf out;
			mw_buf_init_heap(&out, 10000);
			countdown = n;
			rc = mw_encode(formats[i], &node.path, &node, 1, &out, NULL);
			countdown = -1;
			assert_true(rc == 0 || out.len == 0);
			mw_buf_deinit(&out);
		}
		assert_int_equal(rc, 0);
		assert_true(n > 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_failing_allocation_is_reported),
		cmocka_unit_test(encoding_into_memory_that_is_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
