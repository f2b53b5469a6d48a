/** @file devmap.h  From devices to whatever the script keeps of a few of them. Takes no memory while it is
 * empty.
 *
 * The key is a device's index alone: what it maps to knows the generation that it belongs to. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct mw_devmap_slot {
	void *item; /**< NULL = free */
	uint32_t index;
};

struct mw_devmap {
	struct mw_devmap_slot *slots; /**< NULL while empty */
	size_t cap, count;            /**< for walking: all of `slots`, as long as nothing is set or removed */
};

/** NULL when there is none. */
void *mw_devmap_get(const struct mw_devmap *m, uint32_t index);
/** Adds or replaces. @param item  not NULL; borrowed. 0 or MW_E_NOMEM */
int mw_devmap_set(struct mw_devmap *m, uint32_t index, void *item);
/** Does nothing when there is none. */
void mw_devmap_remove(struct mw_devmap *m, uint32_t index);
/** The items are the caller's to free before. */
void mw_devmap_deinit(struct mw_devmap *m);
