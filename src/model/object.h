/** @file object.h  Definition of one object in one version, and of its resources. Immutable once built.
 *
 * A definition is one block of memory: structures first, then all of its strings. draft.h builds them. */
#pragma once
#include "codec/value.h"
#include "model/range.h"
#include "model/version.h"

/** Bits of mw_resource_def.operations. None of them = only a bootstrap-server may touch it. */
enum mw_operation { MW_OP_R = 1, MW_OP_W = 2, MW_OP_E = 4 };

/** Strings are never NULL, and empty where the definition says nothing. They live as long as the object. */
struct mw_resource_def {
	uint16_t rid;
	uint8_t operations; /**< MW_OP_* bits */
	bool multiple;
	bool mandatory;
	enum mw_type type; /**< NONE for a plain Execute */
	const char *name;
	const char *range_text; /**< RangeEnumeration as written */
	struct mw_range range;  /**< the same, where it could be understood */
	const char *units;      /**< opaque text: SenML names in the best case, "%" or "/100" in others */
	const char *description;
};

struct mw_object_def {
	uint16_t oid;
	struct mw_version version;
	struct mw_version lwm2m; /**< what the file claims; known to be wrong even in official definitions */
	bool multiple;
	bool mandatory;
	const char *name;
	const char *urn;
	const char *description;
	const char *description2;
	const char *source;                      /**< file that it came from */
	const struct mw_resource_def *resources; /**< ascending `rid`, each at most once */
	size_t n_resources;
};

/** The resource, or NULL when the object has none with this id or @p def is NULL. O(log n), no allocation. */
const struct mw_resource_def *mw_object_resource(const struct mw_object_def *def, uint16_t rid);
/** True when both say the same; `source` does not count. */
bool mw_object_eq(const struct mw_object_def *a, const struct mw_object_def *b);
