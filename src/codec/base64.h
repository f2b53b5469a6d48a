/** @file base64.h  Base64 (RFC 4648, sections 4 and 5): text/plain and JSON carry Opaque values in it. */
#pragma once
#include "base/buf.h"

/** Bytes that @p text_len characters decode to at most. */
#define MW_BASE64_MAX(text_len) ((text_len) / 4 * 3 + 3)

/** Decodes both alphabets, with or without padding; spaces and line ends between characters are skipped.
 *  @param out  at least MW_BASE64_MAX(text.len) bytes
 *  @return length, or MW_E_FORMAT */
int64_t mw_base64_decode(struct mw_bytes text, uint8_t *out);
/** Appends standard Base64 with padding, or (@p url) the URL alphabet without. */
void mw_base64_encode(struct mw_bytes data, bool url, struct mw_buf *out);
