#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

void mw_pool_init(struct mw_pool *p, size_t item_size)
{
	*p = (struct mw_pool){.item_size = item_size, .free_head = MW_POOL_NONE};
}

void mw_pool_deinit(struct mw_pool *p)
{
	for (uint32_t i = 0; i < p->n_chunks; i++)
		free(p->chunks[i]);
	free(p->chunks);
	mw_pool_init(p, p->item_size);
}

enum { CACHE_LINE = 64 };

static int add_chunk(struct mw_pool *p)
{
	if (p->n_chunks >= UINT32_MAX / MW_POOL_CHUNK - 1)
		return -1;
	uint8_t **chunks = realloc(p->chunks, (p->n_chunks + 1) * sizeof(*chunks));
	if (!chunks)
		return -1;
	p->chunks = chunks;
	chunks[p->n_chunks] =
		aligned_alloc(CACHE_LINE, MW_POOL_CHUNK * p->item_size); /* 4096 items: a multiple of it */
	if (!chunks[p->n_chunks])
		return -1;
	p->n_chunks++;
	return 0;
}

uint32_t mw_pool_alloc(struct mw_pool *p)
{
	uint32_t index = p->free_head;
	if (index != MW_POOL_NONE) {
		memcpy(&p->free_head, mw_pool_at(p, index), sizeof(p->free_head));
	} else {
		if (p->fresh == p->n_chunks * MW_POOL_CHUNK && add_chunk(p) < 0)
			return MW_POOL_NONE;
		index = p->fresh++;
	}
	memset(mw_pool_at(p, index), 0, p->item_size);
	p->n_used++;
	return index;
}

void mw_pool_free(struct mw_pool *p, uint32_t index)
{
	memcpy(mw_pool_at(p, index), &p->free_head, sizeof(p->free_head));
	p->free_head = index;
	p->n_used--;
}
