/** @file links.h  What a device says it has: the registration payload, parsed once and shared by all devices
 * that send the same one. LwM2M Core, "Register"; RFC 6690. Lists are immutable; fleets have few different
 * ones, so a million devices share a handful. */
#pragma once
#include "base/hash.h"
#include "base/pool.h"
#include "moonwire.h"

struct mw_link {
	uint16_t oid, iid; /**< iid MW_ID_NONE = object without an instance */
};

/** Version of one object as the device wrote it (`;ver=`); objects without take the default of the enabler.
 */
struct mw_link_version {
	uint16_t oid;
	uint8_t major, minor;
};

enum { MW_LINKS_MAX_FORMATS = 12 };

struct mw_links {
	uint32_t pool_link;
	uint32_t index, refs;
	char *raw; /**< payload; with the earlier root link put in front if an Update left it out */
	size_t raw_len;
	struct mw_link *items; /**< ascending by (oid, iid), no duplicates */
	uint32_t n_items;
	uint32_t n_versions;
	struct mw_link_version *versions;       /**< each object once */
	char *prefix;                           /**< alternate path such as "/lwm2m"; NULL = "/" */
	uint16_t formats[MW_LINKS_MAX_FORMATS]; /**< `ct` of the root link */
	uint8_t n_formats;
	bool has_root;        /**< a link with rt="oma.lwm2m", or to "/" */
	struct mw_bytes root; /**< that link in `raw` */
	uint32_t n_skipped;   /**< links that could not be understood; a broken one never costs a registration */
};

struct mw_interned_links {
	struct mw_pool pool;
	struct mw_index by_raw;
	const struct mw_hash_key *key;
};

void mw_interned_links_init(struct mw_interned_links *t, const struct mw_hash_key *key);
void mw_interned_links_deinit(struct mw_interned_links *t);
/** The list for @p payload, parsed or shared; the caller owns one reference.
 *  @param before  list of the same device until now: its root link stands if the payload has none. May be
 * NULL
 *  @return 0; MW_E_FORMAT: no link to an object in it; MW_E_LIMIT: more than 4096 links or 64 KiB; MW_E_NOMEM
 */
int mw_links_intern(struct mw_interned_links *t, struct mw_bytes payload, const struct mw_links *before,
	struct mw_links **out);
struct mw_links *mw_links_ref(struct mw_links *l);
/** NULL is allowed. */
void mw_links_unref(struct mw_interned_links *t, struct mw_links *l);
/** True when the object (and, unless MW_ID_NONE, the instance) is in the list. */
bool mw_links_has(const struct mw_links *l, uint16_t oid, uint16_t iid);
bool mw_links_has_format(const struct mw_links *l, uint16_t format);
/** The version that the device gave for @p oid, or NULL. */
const struct mw_link_version *mw_links_version(const struct mw_links *l, uint16_t oid);
