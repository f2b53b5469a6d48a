#include "codec_fuzz.h"
#include "codec/linkformat.h"

static bool lies_in(struct mw_bytes part, struct mw_bytes whole)
{
	return !part.len || (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

/* What was understood is written down again, link by link, and must then be understood completely. */
static size_t read_links(struct mw_bytes in, struct mw_buf *out, size_t *n_skipped)
{
	struct mw_linkformat l;
	struct mw_linkformat_link link;
	struct mw_linkformat_attr attr;
	size_t n = 0;
	char text[64];
	mw_linkformat_init(&l, in);
	for (; mw_linkformat_next(&l, &link); n++) {
		struct mw_bytes rest = link.attrs, word, words;
		struct mw_path path;
		FUZZ_CHECK(lies_in(link.target, in) && lies_in(link.attrs, in));
		(void)mw_linkformat_path(&link, &path, NULL);
		mw_buf_put_str(out, n ? ",<" : "<");
		mw_buf_put(out, link.target.data, link.target.len);
		mw_buf_put_str(out, ">");
		while (mw_linkformat_attr_next(&rest, &attr)) {
			FUZZ_CHECK(lies_in(attr.name, link.attrs) && lies_in(attr.value, link.attrs));
			int len = mw_linkformat_unquote(&attr, text, sizeof(text));
			FUZZ_CHECK(len == MW_E_LIMIT || ((size_t)len <= attr.value.len && text[len] == 0));
			for (words = attr.value; mw_linkformat_word_next(&words, &word);)
				FUZZ_CHECK(lies_in(word, attr.value));
			mw_buf_put_str(out, ";");
			mw_buf_put(out, attr.name.data, attr.name.len);
			mw_buf_put_str(out, attr.has_value ? "=" : "");
			mw_buf_put_str(out, attr.is_quoted ? "\"" : "");
			mw_buf_put(out, attr.value.data, attr.value.len);
			mw_buf_put_str(out, attr.is_quoted ? "\"" : "");
		}
	}
	*n_skipped = l.n_skipped;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_buf once, twice;
	size_t n_skipped;
	mw_buf_init_heap(&once, 1 << 22);
	mw_buf_init_heap(&twice, 1 << 22);
	size_t n = read_links((struct mw_bytes){data, size}, &once, &n_skipped);
	FUZZ_CHECK(read_links(mw_buf_bytes(&once), &twice, &n_skipped) == n);
	FUZZ_CHECK(n_skipped == 0);
	FUZZ_CHECK(fuzz_same_bytes(mw_buf_bytes(&once), mw_buf_bytes(&twice)));
	mw_buf_deinit(&once);
	mw_buf_deinit(&twice);
	return 0;
}
