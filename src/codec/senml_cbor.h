/** @file senml_cbor.h  application/senml+cbor (112).  RFC 8428 with LwM2M's "vlo"; LwM2M Core, "SenML CBOR".
 *
 *  Names are absolute ("/3/0/0"); leading segments that are not numbers (a client's alternate path, a
 * gateway's prefix) are passed over, and names without a leading slash are also tried below the request's
 * path. */
#pragma once
#include "codec/value.h"

/** @param now_s  Unix seconds that times below 2^28 are relative to; 0 leaves them as they are
 *  @return 0; MW_E_FORMAT with the byte position, MW_E_UNSUPPORTED (a later SenML), MW_E_LIMIT, MW_E_NOMEM */
int mw_senml_cbor_decode(const struct mw_path *base, struct mw_bytes payload, const struct mw_types *types,
	double now_s, struct mw_nodes *out, struct mw_errbuf *e);
/** Times are written absolute: as base time when all nodes have one, else each with its own.
 *  @return 0; MW_E_TYPE, MW_E_PATH (node not under @p base) */
int mw_senml_cbor_encode(const struct mw_path *base, const struct mw_node *nodes, size_t n,
	struct mw_buf *out, struct mw_errbuf *e);

/** The list of names that a composite request carries: nodes of any depth with a value of type NONE. */
int mw_senml_cbor_decode_paths(struct mw_bytes payload, struct mw_nodes *out, struct mw_errbuf *e);
int mw_senml_cbor_encode_paths(const struct mw_path *paths, size_t n, struct mw_buf *out);
