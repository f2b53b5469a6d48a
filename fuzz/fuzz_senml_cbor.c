#include "codec_fuzz.h"
#include "codec/senml_cbor.h"

static void list_of_paths(const uint8_t *data, size_t size)
{
	struct mw_nodes first, second;
	struct mw_buf out;
	struct mw_path paths[100];
	mw_nodes_init(&first, 100);
	mw_nodes_init(&second, 100);
	mw_buf_init_heap(&out, 1 << 16);
	if (mw_senml_cbor_decode_paths((struct mw_bytes){data, size}, &first, NULL) == 0) {
		for (size_t i = 0; i < first.len; i++)
			paths[i] = first.items[i].path;
		FUZZ_CHECK(mw_senml_cbor_encode_paths(paths, first.len, &out) == 0);
		FUZZ_CHECK(mw_senml_cbor_decode_paths(mw_buf_bytes(&out), &second, NULL) == 0);
		FUZZ_CHECK(first.len == second.len);
		for (size_t i = 0; i < first.len; i++)
			FUZZ_CHECK(mw_path_eq(&first.items[i].path, &second.items[i].path));
	}
	mw_buf_deinit(&out);
	mw_nodes_deinit(&first);
	mw_nodes_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size)
		list_of_paths(data + 1, size - 1);
	return fuzz_round_trip(MW_FORMAT_SENML_CBOR, data, size, NULL);
}
