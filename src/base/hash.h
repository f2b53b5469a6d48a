/** @file hash.h  Keyed hash (SipHash-1-3) and an index from keys to 32-bit ids.
 *
 * The index stores no keys: it holds (hash, id) pairs and asks the owner whether an id has the wanted key.
 * Growing is spread over the following calls, so that no single packet pays for moving a million entries. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mw_hash_key {
	uint64_t k[2]; /**< random per host, so that peers cannot choose colliding names */
};

uint64_t mw_hash(const struct mw_hash_key *key, const void *data, size_t len);

struct mw_index_table {
	uint64_t *slots; /**< hash in the upper half, id + 2 in the lower; 0 = free, 1 = moved or removed */
	size_t mask;     /**< number of slots - 1 */
	size_t used;     /**< slots that are not free */
};

struct mw_index {
	struct mw_index_table now, old; /**< `old.slots` is NULL unless a move is under way */
	size_t move_at;                 /**< next slot of `old` to move */
	size_t count;
};

/** True when item @p id has the key that the caller looks for (carried in @p key). */
typedef bool mw_index_eq_fn(const void *ud, uint32_t id, const void *key);

#define MW_INDEX_NONE UINT32_MAX

void mw_index_init(struct mw_index *ix);
void mw_index_deinit(struct mw_index *ix);
/** The id of the entry with @p hash for which @p eq holds, or MW_INDEX_NONE. */
uint32_t mw_index_find(
	const struct mw_index *ix, uint64_t hash, mw_index_eq_fn *eq, const void *ud, const void *key);
/** Adds; the caller has made sure that the key is not there. @p id <= UINT32_MAX - 3. 0 or MW_E_NOMEM. */
int mw_index_add(struct mw_index *ix, uint64_t hash, uint32_t id);
/** Removes the entry (hash, id); false when there is none. */
bool mw_index_remove(struct mw_index *ix, uint64_t hash, uint32_t id);
/** The first entry whose hash looks the same, unchecked, or MW_INDEX_NONE: good for a prefetch of the item.
 */
uint32_t mw_index_peek(const struct mw_index *ix, uint64_t hash);
/** Brings the first slot of @p hash into the cache; for batches of look-ups. */
void mw_index_prefetch(const struct mw_index *ix, uint64_t hash);
