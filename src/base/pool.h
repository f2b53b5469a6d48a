/** @file pool.h  Fixed-size items in big chunks, named by a 32-bit index. Items never move, chunks are never
 * freed before the pool is. Who may hold an index across events adds a generation of his own to the item. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct mw_pool {
	size_t item_size;
	uint8_t **chunks; /**< each of MW_POOL_CHUNK items */
	uint32_t n_chunks, n_used, fresh, free_head;
};

#define MW_POOL_CHUNK 4096u
#define MW_POOL_NONE UINT32_MAX

/** @param item_size  at least 4; the first 4 bytes of a free item are the pool's */
void mw_pool_init(struct mw_pool *p, size_t item_size);
void mw_pool_deinit(struct mw_pool *p);
/** A zeroed item's index, or MW_POOL_NONE when out of memory. */
uint32_t mw_pool_alloc(struct mw_pool *p);
void mw_pool_free(struct mw_pool *p, uint32_t index);

/** The item; @p index must come from mw_pool_alloc. */
static inline void *mw_pool_at(const struct mw_pool *p, uint32_t index)
{
	return p->chunks[index / MW_POOL_CHUNK] + (index % MW_POOL_CHUNK) * p->item_size;
}
