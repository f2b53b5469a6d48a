/** @file cbor_value.h  application/cbor (60): one item that is one value, no name.  LwM2M Core, "CBOR". */
#pragma once
#include "codec/cbor.h"

/** @p base must name a resource or resource instance. Time may be tagged 1 (seconds) or 0 (date); other tags
 * are passed over.
 *  @return 0; MW_E_FORMAT with the byte position, MW_E_LIMIT, MW_E_NOMEM */
int mw_cbor_value_decode(const struct mw_path *base, struct mw_bytes payload, const struct mw_types *types,
	struct mw_nodes *out, struct mw_errbuf *e);
/** Writes @p v as one item. Time goes without a tag, which every client understands; Objlnk is text "o:i".
 *  @return 0; MW_E_TYPE: no value, or text that is not UTF-8 */
int mw_cbor_value_encode(const struct mw_value *v, struct mw_buf *out, struct mw_errbuf *e);
/** The value that starts with @p item, which mw_cbor_next just gave; tags are understood as above.
 *  MW_E_FORMAT: null, an array or a map */
int mw_cbor_value_read(struct mw_cbor *c, const struct mw_cbor_item *item, struct mw_value *out);
