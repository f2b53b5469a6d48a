#include "script/raised.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 1 << 16 }; /* 1 MiB; each key has one place */

struct place {
	uint32_t index, generation;
	uint16_t oid, iid, rid, riid;
};

struct mw_raised {
	struct place places[SLOTS];
};

struct mw_raised *mw_raised_new(void)
{
	struct mw_raised *r = malloc(sizeof(*r));
	if (r)
		mw_raised_forget(r);
	return r;
}

void mw_raised_free(struct mw_raised *r)
{
	free(r);
}

static struct place place_of(struct mw_device_ref dev, const struct mw_path *p)
{
	return (struct place){dev.index, dev.generation, p->oid, p->iid, p->rid, p->riid};
}

/* Spread by multiplication: a peer does not choose its index, so nobody can aim at one slot. */
static uint32_t slot_of(const struct place *p)
{
	uint64_t ids = (uint64_t)p->oid << 48 | (uint64_t)p->iid << 32 | (uint64_t)p->rid << 16 | p->riid;
	uint64_t h = (ids ^ (ids >> 29)) * 0x9e3779b97f4a7c15u + (uint64_t)p->index * 0xd6e8feb86659fd93u;
	return (uint32_t)((h ^ (h >> 32)) * 0x9e3779b97f4a7c15u >> 48) % SLOTS;
}

bool mw_raised_is_cleared(const struct mw_raised *r, struct mw_device_ref dev, const struct mw_path *path)
{
	struct place p = place_of(dev, path);
	return r && memcmp(&r->places[slot_of(&p)], &p, sizeof(p)) == 0;
}

void mw_raised_set(struct mw_raised *r, struct mw_device_ref dev, const struct mw_path *path, bool cleared)
{
	struct place p = place_of(dev, path);
	if (!r)
		return;
	struct place *at = &r->places[slot_of(&p)];
	if (cleared)
		*at = p;
	else if (memcmp(at, &p, sizeof(p)) == 0)
		memset(at, 0xff, sizeof(*at));
}

void mw_raised_forget(struct mw_raised *r)
{
	if (r)
		memset(r->places, 0xff, sizeof(r->places)); /* index UINT32_MAX is no device */
}
