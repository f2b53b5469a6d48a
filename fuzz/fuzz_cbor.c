#include "codec_fuzz.h"
#include "codec/cbor.h"

/* Skipping an item must end where reading it and all its contents ends. */
static void skip_all(const uint8_t *data, size_t size)
{
	struct mw_cbor c;
	struct mw_cbor_item item;
	mw_cbor_init(&c, (struct mw_bytes){data, size}, NULL, NULL);
	while (c.at < c.len) {
		size_t before = c.at;
		if (mw_cbor_next(&c, &item) < 0 || mw_cbor_skip(&c, &item) < 0)
			break;
		FUZZ_CHECK(c.at > before && c.at <= c.len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	skip_all(data, size);
	return fuzz_round_trip(MW_FORMAT_CBOR, data, size, NULL);
}
