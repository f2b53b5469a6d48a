/** @file text.h  text/plain (0) and application/octet-stream (42): one value, no name.  LwM2M Core, "Plain
 * Text Format" and "Opaque Format". */
#pragma once
#include "codec/value.h"

/** @p base must name a resource or resource instance. Opaque is Base64. Spaces and line ends around numbers
 * pass.
 *  @return 0; MW_E_FORMAT (@p base names no resource), MW_E_LIMIT, MW_E_NOMEM */
int mw_text_decode(const struct mw_path *base, struct mw_bytes payload, const struct mw_types *types,
	struct mw_nodes *out, struct mw_errbuf *e);
/** @return 0; MW_E_TYPE: no value, NaN, infinite, or text that is not UTF-8 */
int mw_text_encode(const struct mw_value *v, struct mw_buf *out, struct mw_errbuf *e);

/** As mw_text_decode; the value is OPAQUE, or text where the definition says so. */
int mw_opaque_decode(const struct mw_path *base, struct mw_bytes payload, const struct mw_types *types,
	struct mw_nodes *out, struct mw_errbuf *e);
/** @return 0; MW_E_TYPE for every type but OPAQUE */
int mw_opaque_encode(const struct mw_value *v, struct mw_buf *out, struct mw_errbuf *e);
