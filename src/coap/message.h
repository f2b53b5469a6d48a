/** @file message.h  One CoAP message: bytes to struct and back (RFC 7252 section 3), options by libcoap's
 * codec. Pure. libcoap's headers are seen by message.c only; the numbers here are CoAP's. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

enum mw_coap_type { MW_COAP_CON, MW_COAP_NON, MW_COAP_ACK, MW_COAP_RST };

#define MW_COAP_CODE(cls, detail) ((cls) << 5 | (detail))
enum mw_coap_code {
	MW_COAP_EMPTY = 0,
	MW_COAP_GET = 1,
	MW_COAP_POST,
	MW_COAP_PUT,
	MW_COAP_DELETE,
	MW_COAP_FETCH,
	MW_COAP_PATCH,
	MW_COAP_IPATCH,
	MW_COAP_CREATED = MW_COAP_CODE(2, 1),
	MW_COAP_DELETED = MW_COAP_CODE(2, 2),
	MW_COAP_VALID = MW_COAP_CODE(2, 3),
	MW_COAP_CHANGED = MW_COAP_CODE(2, 4),
	MW_COAP_CONTENT = MW_COAP_CODE(2, 5),
	MW_COAP_CONTINUE = MW_COAP_CODE(2, 31),
	MW_COAP_BAD_REQUEST = MW_COAP_CODE(4, 0),
	MW_COAP_UNAUTHORIZED = MW_COAP_CODE(4, 1),
	MW_COAP_BAD_OPTION = MW_COAP_CODE(4, 2),
	MW_COAP_FORBIDDEN = MW_COAP_CODE(4, 3),
	MW_COAP_NOT_FOUND = MW_COAP_CODE(4, 4),
	MW_COAP_NOT_ALLOWED = MW_COAP_CODE(4, 5),
	MW_COAP_NOT_ACCEPTABLE = MW_COAP_CODE(4, 6),
	MW_COAP_INCOMPLETE = MW_COAP_CODE(4, 8),
	MW_COAP_CONFLICT = MW_COAP_CODE(4, 9),
	MW_COAP_PRECONDITION_FAILED = MW_COAP_CODE(4, 12),
	MW_COAP_TOO_LARGE = MW_COAP_CODE(4, 13),
	MW_COAP_UNSUPPORTED_FORMAT = MW_COAP_CODE(4, 15),
	MW_COAP_INTERNAL_ERROR = MW_COAP_CODE(5, 0),
	MW_COAP_NOT_IMPLEMENTED = MW_COAP_CODE(5, 1),
	MW_COAP_UNAVAILABLE = MW_COAP_CODE(5, 3),
	MW_COAP_NO_PROXY = MW_COAP_CODE(5, 5),
};

enum mw_coap_option {
	MW_OPT_IF_MATCH = 1,
	MW_OPT_URI_HOST = 3,
	MW_OPT_ETAG = 4,
	MW_OPT_IF_NONE_MATCH = 5,
	MW_OPT_OBSERVE = 6,
	MW_OPT_URI_PORT = 7,
	MW_OPT_LOCATION_PATH = 8,
	MW_OPT_URI_PATH = 11,
	MW_OPT_CONTENT_FORMAT = 12,
	MW_OPT_MAX_AGE = 14,
	MW_OPT_URI_QUERY = 15,
	MW_OPT_ACCEPT = 17,
	MW_OPT_LOCATION_QUERY = 20,
	MW_OPT_BLOCK2 = 23,
	MW_OPT_BLOCK1 = 27,
	MW_OPT_SIZE2 = 28,
	MW_OPT_PROXY_URI = 35,
	MW_OPT_PROXY_SCHEME = 39,
	MW_OPT_SIZE1 = 60,
	MW_OPT_REQUEST_TAG = 292,
};

/** Block1 or Block2 value (RFC 7959 section 2.2). */
struct mw_block {
	uint32_t num;
	bool more;
	uint8_t szx; /**< size = 16 << szx, 0..6 */
};

struct mw_coap_opt {
	uint16_t number;
	uint16_t len;
	const uint8_t *value; /**< borrowed from the datagram */
};

enum { MW_COAP_MAX_OPTIONS = 48, MW_COAP_TOKEN_MAX = 8 };

struct mw_coap_token {
	uint8_t len;
	uint8_t bytes[MW_COAP_TOKEN_MAX];
};

/** A parsed message; everything borrowed from the datagram. */
struct mw_coap_msg {
	uint8_t type, code;
	uint16_t mid;
	struct mw_coap_token token;
	size_t n_options;
	struct mw_coap_opt options[MW_COAP_MAX_OPTIONS]; /**< ascending by number */
	struct mw_bytes payload;
};

/** Why a datagram could not be parsed, since the answer differs (RFC 7252 sections 3 and 4.2). */
enum mw_coap_parse {
	MW_COAP_PARSED = 0,
	MW_COAP_SILENT = 1,     /**< not CoAP version 1, too short: drop and count, no answer */
	MW_COAP_BAD_FORMAT = 2, /**< header read (type, code, mid valid): CON is reset, others dropped */
	MW_COAP_BAD_OPTIONS = 3 /**< header and token read: a request gets 4.02 (too many) or 4.00 */
};

enum mw_coap_parse mw_coap_parse(struct mw_coap_msg *m, const uint8_t *data, size_t len);

/** First option of that number, or NULL. */
const struct mw_coap_opt *mw_coap_find(const struct mw_coap_msg *m, uint16_t number);
/** Value of a uint option, @p absent when missing. MW_E_FORMAT when longer than 4 bytes (@p out untouched).
 */
int mw_coap_uint(const struct mw_coap_msg *m, uint16_t number, uint32_t absent, uint32_t *out);
/** 1 = present and good, 0 = absent, MW_E_FORMAT = malformed (longer than 3 bytes, szx 7). */
int mw_coap_block(const struct mw_coap_msg *m, uint16_t number, struct mw_block *out);
static inline bool mw_coap_is_request(uint8_t code)
{
	return code >= 1 && code < 32;
}
static inline bool mw_coap_is_response(uint8_t code)
{
	return code >= 64 && code < 192;
}
/** "2.05" into @p out (5 bytes with NUL); returns @p out. */
const char *mw_coap_code_print(uint8_t code, char *out);

/** Writer; options must be added in ascending order (asserted in debug builds, MW_E_ARG from end otherwise).
 */
struct mw_coap_writer {
	struct mw_buf *buf;
	uint16_t last_option;
	bool failed;
};

void mw_coap_begin(struct mw_coap_writer *w, struct mw_buf *buf, uint8_t type, uint8_t code, uint16_t mid,
	const struct mw_coap_token *token);
void mw_coap_put_opt(struct mw_coap_writer *w, uint16_t number, const void *value, size_t len);
/** Shortest form: 0 is zero bytes long. */
void mw_coap_put_uint(struct mw_coap_writer *w, uint16_t number, uint32_t value);
void mw_coap_put_block(struct mw_coap_writer *w, uint16_t number, const struct mw_block *block);
/** An empty payload writes no marker. Returns 0, or MW_E_LIMIT / MW_E_ARG if anything on the way failed. */
int mw_coap_end(struct mw_coap_writer *w, struct mw_bytes payload);
