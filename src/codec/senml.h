/** @file senml.h  What SenML records mean, whatever they are written in: base fields that stick, names,
 * times. RFC 8428, section 4; LwM2M Core, "SenML JSON". */
#pragma once
#include "codec/value.h"

/** One record as the parser found it. Strings are borrowed until the whole pack is resolved. */
struct mw_senml_record {
	bool has_bn, has_bt, has_bv, has_n, has_t, has_value;
	struct mw_bytes bn, n;
	double bt, t;
	struct mw_value bv, value;
	size_t at; /**< byte position, for errors */
};

/** State over the records of one pack. Fill in the first block; zero the rest. */
struct mw_senml {
	const struct mw_path *base; /**< NULL = a list of paths: records without value, any depth */
	const struct mw_types *types;
	double now_s;
	struct mw_nodes *out;
	struct mw_errbuf *e;

	struct mw_bytes bn;
	bool has_bt;
	double bt;
	struct mw_value bv;
};

/** Takes over the base fields of @p r and adds its node, if it has a value (or, for lists of paths, a name).
 *  @return 0; MW_E_FORMAT: not a name under the base; MW_E_LIMIT, MW_E_NOMEM */
int mw_senml_resolve(struct mw_senml *s, const struct mw_senml_record *r);

/** How a pack is written: what its first record puts in front of all names and times. */
struct mw_senml_plan {
	struct mw_path prefix; /**< depth 0 = no base name */
	bool is_whole;         /**< the base name is the whole name of every record */
	bool has_bt;
	double bt;
};

/** @return 0; MW_E_PATH: a node is no resource under @p base */
int mw_senml_plan(struct mw_senml_plan *plan, const struct mw_path *base, const struct mw_node *nodes,
	size_t n, struct mw_errbuf *e);
/** The base name, "" if there is none. @p out holds MW_PATH_TEXT_MAX + 1 bytes; returns the length. */
size_t mw_senml_base_name(const struct mw_senml_plan *plan, char *out);
/** The name of @p path behind the base name; returns the length. */
size_t mw_senml_name(const struct mw_senml_plan *plan, const struct mw_path *path, char *out);
