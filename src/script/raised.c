/* Conditions that hold are kept exactly, by device, and take memory only while there are some. "Cleared" is a
 * table of fixed size in which each alarm has one place, so it forgets what others displace. */
#include "script/raised.h"
#include "script/devmap.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES = 1 << 16 }; /* 1 MiB */

struct place {
	uint32_t index, generation;
	uint64_t type;
};

struct holding {
	uint64_t type;
	uint16_t oid, iid, rid, riid;
};

struct device {
	uint32_t generation;
	uint32_t n, cap;
	struct holding *holdings;
};

struct mw_raised {
	struct mw_devmap devices; /* with at least one holding */
	struct place cleared[PLACES];
};

struct mw_raised *mw_raised_new(void)
{
	struct mw_raised *r = malloc(sizeof(*r));
	if (r) {
		r->devices = (struct mw_devmap){0};
		mw_raised_doubt(r);
	}
	return r;
}

static void free_device(struct device *d)
{
	free(d->holdings);
	free(d);
}

void mw_raised_free(struct mw_raised *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->devices.cap; i++) {
		if (r->devices.slots[i].item)
			free_device(r->devices.slots[i].item);
	}
	mw_devmap_deinit(&r->devices);
	free(r);
}

/* FNV-1a: types come from the operator's own units, so nobody aims at a collision. */
uint64_t mw_raised_type(struct mw_bytes type)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < type.len; i++)
		h = (h ^ type.data[i]) * 0x100000001b3u;
	return h;
}

/* ---- conditions that hold ---- */

static void drop_device(struct mw_raised *r, uint32_t index, struct device *d)
{
	mw_devmap_remove(&r->devices, index);
	free_device(d);
}

static struct device *find_device(struct mw_raised *r, struct mw_device_ref dev)
{
	struct device *d = mw_devmap_get(&r->devices, dev.index);
	if (!d || d->generation == dev.generation)
		return d;
	drop_device(r, dev.index, d); /* another device had this index before */
	return NULL;
}

static struct holding *find(const struct device *d, uint64_t type, const struct mw_path *p)
{
	for (uint32_t i = 0; i < d->n; i++) {
		struct holding *h = &d->holdings[i];
		if (h->type == type && h->oid == p->oid && h->iid == p->iid && h->rid == p->rid && h->riid == p->riid)
			return h;
	}
	return NULL;
}

static void add(struct mw_raised *r, struct mw_device_ref dev, uint64_t type, const struct mw_path *p)
{
	struct device *d = find_device(r, dev);
	if (d && (d->n == MW_RAISED_MAX || find(d, type, p)))
		return;
	if (!d) {
		d = calloc(1, sizeof(*d));
		if (!d || mw_devmap_set(&r->devices, dev.index, d) < 0) {
			free(d);
			return;
		}
		d->generation = dev.generation;
	}
	if (d->n == d->cap) {
		uint32_t cap = d->cap ? d->cap * 2 : 2;
		struct holding *holdings = realloc(d->holdings, cap * sizeof(*holdings));
		if (!holdings) {
			if (d->n == 0)
				drop_device(r, dev.index, d);
			return;
		}
		d->holdings = holdings;
		d->cap = cap;
	}
	d->holdings[d->n++] = (struct holding){type, p->oid, p->iid, p->rid, p->riid};
}

bool mw_raised_set(
	struct mw_raised *r, struct mw_device_ref dev, uint64_t type, const struct mw_path *path, bool holds)
{
	if (r && holds)
		add(r, dev, type, path);
	if (!r || r->devices.count == 0) /* the usual case: all is well everywhere */
		return false;
	struct device *d = find_device(r, dev);
	struct holding *mine = d ? find(d, type, path) : NULL;
	bool others = false;
	for (uint32_t i = 0; d && i < d->n && !others; i++)
		others = d->holdings[i].type == type && &d->holdings[i] != mine;
	if (mine && !holds) {
		*mine = d->holdings[--d->n];
		if (d->n == 0)
			drop_device(r, dev.index, d);
	}
	return others;
}

/* ---- alarms known to be cleared ---- */

static uint32_t place_of(const struct place *p)
{
	uint64_t h = p->type * 0x9e3779b97f4a7c15u + (uint64_t)p->index * 0xd6e8feb86659fd93u;
	return (uint32_t)((h ^ (h >> 32)) * 0x9e3779b97f4a7c15u >> 48) % PLACES;
}

bool mw_raised_is_cleared(const struct mw_raised *r, struct mw_device_ref dev, uint64_t type)
{
	struct place p = {dev.index, dev.generation, type};
	return r && memcmp(&r->cleared[place_of(&p)], &p, sizeof(p)) == 0;
}

void mw_raised_put(struct mw_raised *r, struct mw_device_ref dev, uint64_t type, bool cleared)
{
	struct place p = {dev.index, dev.generation, type};
	if (!r)
		return;
	struct place *at = &r->cleared[place_of(&p)];
	if (cleared)
		*at = p;
	else if (memcmp(at, &p, sizeof(p)) == 0)
		memset(at, 0xff, sizeof(*at));
}

void mw_raised_doubt(struct mw_raised *r)
{
	if (r)
		memset(r->cleared, 0xff, sizeof(r->cleared)); /* index UINT32_MAX is no device */
}

/* ---- what is kept of the conditions ---- */

typedef bool keep_fn(void *ud, const struct holding *h);

static void keep(struct device *d, keep_fn *is_kept, void *ud)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < d->n; i++) {
		if (is_kept(ud, &d->holdings[i]))
			d->holdings[n++] = d->holdings[i];
	}
	d->n = n;
}

static bool is_mapped(void *ud, const struct holding *h)
{
	const struct mw_rule *rule = mw_plan_rule(ud, h->oid, h->rid);
	return rule && rule->alarm.when && rule->alarm.key == h->type;
}

/* Removing moves slots: each one is looked at again until it is free or has something to keep. One that wraps
 * around the end may be seen twice, which does no harm. */
void mw_raised_keep(struct mw_raised *r, const struct mw_plan *plan)
{
	struct mw_plan p = *plan;
	mw_raised_doubt(r);
	for (size_t i = 0; r && i < r->devices.cap;) {
		struct device *d = r->devices.slots[i].item;
		if (d)
			keep(d, is_mapped, &p);
		if (d && d->n == 0)
			drop_device(r, r->devices.slots[i].index, d);
		else
			i++;
	}
}

struct instances {
	bool (*is_there)(void *ud, uint16_t oid, uint16_t iid);
	void *ud;
};

static bool is_there(void *ud, const struct holding *h)
{
	const struct instances *in = ud;
	return in->is_there && in->is_there(in->ud, h->oid, h->iid);
}

void mw_raised_keep_instances(
	struct mw_raised *r, struct mw_device_ref dev, bool (*fn)(void *ud, uint16_t oid, uint16_t iid), void *ud)
{
	struct device *d = r ? find_device(r, dev) : NULL;
	struct instances in = {fn, ud};
	if (!d)
		return;
	keep(d, is_there, &in);
	if (d->n == 0)
		drop_device(r, dev.index, d);
}
