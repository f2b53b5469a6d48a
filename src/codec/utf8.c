#include "codec/utf8.h"

#include <stdint.h>

/* Length of the sequence that starts with @p lead, and the bounds of its second byte, which alone carry the
 * rules against overlong forms, surrogates and too large code points (RFC 3629, section 4). 0: no lead byte.
 */
static size_t sequence_len(uint8_t lead, uint8_t *low, uint8_t *high)
{
	*low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	*high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

bool mw_utf8_valid(const void *data, size_t len)
{
	const uint8_t *s = data;
	for (size_t i = 0; i < len;) {
		uint8_t low, high;
		size_t n = sequence_len(s[i], &low, &high);
		if (!n || n > len - i || (n > 1 && (s[i + 1] < low || s[i + 1] > high)))
			return false;
		for (size_t k = 2; k < n; k++)
			if ((s[i + k] & 0xc0) != 0x80)
				return false;
		i += n;
	}
	return true;
}
