#include "codec_fuzz.h"
#include "codec/tlv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)mw_tlv_names_instance((struct mw_bytes){data, size});
	return fuzz_round_trip(MW_FORMAT_TLV, data, size, NULL);
}
