/* Open addressing with linear probing; removing closes the gap, so that there are no marks to clean up. */
#include "script/devmap.h"
#include "moonwire.h"

#include <stdlib.h>

enum { CAP_MIN = 16 };

/* A peer does not choose its index, so spreading needs no secret. */
static size_t home(const struct mw_devmap *m, uint32_t index)
{
	return (size_t)(((uint64_t)index * 0x9e3779b97f4a7c15u) >> 32) & (m->cap - 1);
}

static struct mw_devmap_slot *slot_of(const struct mw_devmap *m, uint32_t index)
{
	size_t i = home(m, index);
	while (m->slots[i].item && m->slots[i].index != index)
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

void *mw_devmap_get(const struct mw_devmap *m, uint32_t index)
{
	return m->count ? slot_of(m, index)->item : NULL;
}

static int grow(struct mw_devmap *m)
{
	struct mw_devmap bigger = {.cap = m->cap ? m->cap * 2 : CAP_MIN, .count = m->count};
	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		return MW_E_NOMEM;
	for (size_t i = 0; i < m->cap; i++) {
		if (m->slots[i].item)
			*slot_of(&bigger, m->slots[i].index) = m->slots[i];
	}
	free(m->slots);
	*m = bigger;
	return 0;
}

int mw_devmap_set(struct mw_devmap *m, uint32_t index, void *item)
{
	if ((m->count + 1) * 4 > m->cap * 3 && grow(m) < 0)
		return MW_E_NOMEM;
	struct mw_devmap_slot *slot = slot_of(m, index);
	m->count += !slot->item;
	*slot = (struct mw_devmap_slot){item, index};
	return 0;
}

/* Moves back what was pushed away from its home by the one that goes. */
static void close_gap(struct mw_devmap *m, size_t gap)
{
	size_t mask = m->cap - 1;
	for (size_t i = (gap + 1) & mask; m->slots[i].item; i = (i + 1) & mask) {
		if (((i - home(m, m->slots[i].index)) & mask) < ((i - gap) & mask))
			continue; /* its home lies behind the gap */
		m->slots[gap] = m->slots[i];
		gap = i;
	}
	m->slots[gap] = (struct mw_devmap_slot){0};
}

void mw_devmap_remove(struct mw_devmap *m, uint32_t index)
{
	struct mw_devmap_slot *slot = m->count ? slot_of(m, index) : NULL;
	if (!slot || !slot->item)
		return;
	close_gap(m, (size_t)(slot - m->slots));
	if (--m->count == 0)
		mw_devmap_deinit(m);
}

void mw_devmap_deinit(struct mw_devmap *m)
{
	free(m->slots);
	*m = (struct mw_devmap){0};
}
