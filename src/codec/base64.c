#include "codec/base64.h"
#include "base/err.h"

static int digit_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int64_t mw_base64_decode(struct mw_bytes text, uint8_t *out)
{
	uint32_t bits = 0;
	size_t n_digits = 0, n_padding = 0, len = 0;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (is_space(c))
			continue;
		if (c == '=') {
			n_padding++;
			continue;
		}
		int digit = digit_of(c);
		if (digit < 0 || n_padding)
			return MW_E_FORMAT;
		bits = bits << 6 | (uint32_t)digit;
		if (++n_digits % 4 != 1) {
			unsigned spare = 6 - 2 * (unsigned)((n_digits - 1) % 4);
			out[len++] = (uint8_t)(bits >> spare);
		}
	}
	/* One lone character holds no byte. Bits left over are not checked: lenient senders leave rubbish there.
	 */
	if (n_digits % 4 == 1 || n_padding > 2 || (n_padding && (n_digits + n_padding) % 4))
		return MW_E_FORMAT;
	return (int64_t)len;
}

void mw_base64_encode(struct mw_bytes data, bool url, struct mw_buf *out)
{
	static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char for_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *alphabet = url ? for_url : standard;
	for (size_t i = 0; i < data.len; i += 3) {
		size_t n = data.len - i < 3 ? data.len - i : 3;
		uint32_t bits = 0;
		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < n ? data.data[i + k] : 0u);
		for (size_t k = 0; k <= n; k++)
			mw_buf_put_u8(out, (uint8_t)alphabet[bits >> (18 - 6 * k) & 63]);
		for (size_t k = n; k < 3 && !url; k++)
			mw_buf_put_u8(out, '=');
	}
}
