#include "codec_fuzz.h"

/* Bytes that are no text are written as Base64, which reads back as such only where the definition says
 * Opaque. */
static bool is_raw(const struct mw_node *node)
{
	return node->value.type == MW_TYPE_OPAQUE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_round_trip(MW_FORMAT_TEXT, data, size, is_raw);
	struct mw_nodes nodes;
	mw_nodes_init(&nodes, 0);
	struct mw_path base = MW_PATH(3, 0, 6);
	FUZZ_CHECK(mw_decode(MW_FORMAT_OPAQUE, &base, (struct mw_bytes){data, size}, NULL, 0, &nodes, NULL) == 0);
	FUZZ_CHECK(nodes.items[0].value.s.len == size);
	mw_nodes_deinit(&nodes);
	return 0;
}
