/** @file tlv.h  application/vnd.oma.lwm2m+tlv (11542).  LwM2M Core, "TLV". */
#pragma once
#include "codec/value.h"

/** Decodes the answer for @p base: an object (instances, or bare resources, which are taken for instance 0),
 * an instance (with or without its wrapper), a resource or a resource instance (also inside their wrappers).
 * An id that contradicts @p base is MW_E_FORMAT. Duplicates are kept in order; the last one counts. A
 * multiple resource without instances gives no node.
 *  @return 0; MW_E_FORMAT with the byte position, MW_E_UNSUPPORTED (root), MW_E_LIMIT, MW_E_NOMEM */
int mw_tlv_decode(const struct mw_path *base, struct mw_bytes payload, const struct mw_types *types,
	struct mw_nodes *out, struct mw_errbuf *e);

/** False when a Create leaves the choice of the instance to its receiver, who decodes with /object/chosen
 * then. */
bool mw_tlv_names_instance(struct mw_bytes payload);

/** Nodes of one instance, and those of one multiple resource, must follow each other. Numbers take the fewest
 * bytes that keep them exact. Under an object, nodes with iid MW_ID_NONE are written without an instance.
 *  @return 0; MW_E_TYPE, MW_E_PATH (node not under @p base), MW_E_UNSUPPORTED (root), MW_E_LIMIT (over
 * 16777215) */
int mw_tlv_encode(const struct mw_path *base, const struct mw_node *nodes, size_t n, struct mw_buf *out,
	struct mw_errbuf *e);
