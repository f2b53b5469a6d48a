/** @file model.h  Registry of object definitions, several versions of an object side by side.
 *
 * Filled once (ddf.h), then only read. A reload builds a new registry and swaps the pointer; definitions
 * borrowed from the old one die with it. Reading is safe from several threads as long as nobody adds. */
#pragma once
#include "codec/value.h"
#include "model/object.h"

struct mw_model;

enum { MW_MODEL_OBJECTS_MAX = 16384 };

/** Empty registry; NULL when out of memory. */
struct mw_model *mw_model_new(void);
void mw_model_free(struct mw_model *m);

/** Makes room, so that the next @p n calls of mw_model_add() cannot fail for memory or number.
 *  MW_E_NOMEM; MW_E_LIMIT beyond MW_MODEL_OBJECTS_MAX. */
int mw_model_reserve(struct mw_model *m, size_t n);
/** Adds @p def (from mw_draft_finish) and takes it over on success only.
 *  MW_E_EXISTS: this version of the object is there, the first one stays; MW_E_NOMEM, MW_E_LIMIT. */
int mw_model_add(struct mw_model *m, struct mw_object_def *def);

/** The definition to use for an object that a device has in version @p want: this very version, else in the
 * same major the highest minor below it, else the lowest above it, else the latest of all. {0, 0} asks for
 * the latest. NULL when no version of @p oid is known. O(log n), no allocation. */
const struct mw_object_def *mw_model_object(const struct mw_model *m, uint16_t oid, struct mw_version want);
/** Exactly this version, or NULL. */
const struct mw_object_def *mw_model_exact(const struct mw_model *m, uint16_t oid, struct mw_version version);

/** All definitions in order of id, then version: indexes 0 to mw_model_count() - 1. */
size_t mw_model_count(const struct mw_model *m);
const struct mw_object_def *mw_model_at(const struct mw_model *m, size_t index);

/** Version of object @p oid on a device of LwM2M version @p lwm2m that lists the object without `ver`: what
 * that release of the standard contains (LwM2M Core, "Object Versioning"), 1.0 for all other objects.
 * Releases after 1.2 count as 1.2. Patch levels are not on the wire, so the last one is meant. */
struct mw_version mw_model_default_version(struct mw_version lwm2m, uint16_t oid);

/** What codecs ask, answered by the latest versions. Borrows @p m; @p m may be NULL (all types unknown). */
struct mw_types mw_model_types(const struct mw_model *m);

/** The same for one device: `version_of` tells which version of an object it has, {0, 0} = not known, take
 * the latest. Fill in, keep it in place while the types are in use; it may live on the stack of one decode
 * call. */
struct mw_model_view {
	const struct mw_model *model;
	struct mw_version (*version_of)(const void *ud, uint16_t oid); /**< NULL = latest of all */
	const void *ud;
};

struct mw_types mw_model_view_types(const struct mw_model_view *view);
