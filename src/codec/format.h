/** @file format.h  Content-Format numbers, and the one entry to decoding and encoding that picks the codec.
 */
#pragma once
#include "codec/value.h"

enum mw_format {
	MW_FORMAT_TEXT = 0,
	MW_FORMAT_LINK = 40,
	MW_FORMAT_OPAQUE = 42,
	MW_FORMAT_CBOR = 60,
	MW_FORMAT_SENML_JSON = 110,
	MW_FORMAT_SENML_CBOR = 112,
	MW_FORMAT_OLD_TEXT = 1541,
	MW_FORMAT_OLD_TLV = 1542,
	MW_FORMAT_OLD_JSON = 1543,
	MW_FORMAT_TLV = 11542,
	MW_FORMAT_JSON = 11543,
	MW_FORMAT_LWM2M_CBOR = 11544,
	MW_FORMAT_NONE = 0xffff, /**< option absent */
};

/** "tlv", "senml+cbor", ...; static memory, "unknown" otherwise. */
const char *mw_format_name(unsigned format);

/** Decodes a payload that answers a request (or notification) for @p base.
 *  A value that does not fit the type of its definition keeps the type that the encoding suggests (TLV:
 * OPAQUE, text: STRING); STRING and CORELNK are always UTF-8, what is not becomes OPAQUE. Names outside @p
 * base are MW_E_FORMAT.
 *  @param format  MW_FORMAT_NONE: text for a resource, TLV otherwise (as real clients mean it)
 *  @param now_s   Unix seconds that relative SenML times refer to
 *  @param out     nodes are added; strings borrow from @p payload. On failure what was added stays valid
 *  @return 0; MW_E_FORMAT (with the byte position in @p e), MW_E_TYPE, MW_E_LIMIT, MW_E_UNSUPPORTED,
 * MW_E_NOMEM */
int mw_decode(unsigned format, const struct mw_path *base, struct mw_bytes payload,
	const struct mw_types *types, double now_s, struct mw_nodes *out, struct mw_errbuf *e);

/** Encodes @p n nodes that lie at or under @p base. TEXT, OPAQUE and CBOR take exactly one node. In TLV the
 * nodes of one instance, and those of one multiple resource, must follow each other; nodes whose iid is
 * MW_ID_NONE, under an object, make a Create that leaves the choice of the instance to the client.
 *  @return 0; MW_E_TYPE (value has no form in this format, text is not UTF-8), MW_E_PATH (node is not under
 * @p base), MW_E_UNSUPPORTED, MW_E_LIMIT (@p out is full). On failure the length of @p out is as before */
int mw_encode(unsigned format, const struct mw_path *base, const struct mw_node *nodes, size_t n,
	struct mw_buf *out, struct mw_errbuf *e);
