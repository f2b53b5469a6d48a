#include "coap/dedup.h"
#include "base/err.h"
#include "coap/message.h"

#include <stdlib.h>
#include <string.h>

enum {
	EXCHANGE_LIFETIME_MS = 247000, /* RFC 7252 section 4.8.2 */
	NON_LIFETIME_MS = 145000,
	CLOCK_SHIFT = 6,
	MIN_RING = 64 << 10,
	EXPIRE_PER_ADD = 2 /* more than one, so that the ring shrinks again after a burst */
};
#define MAX_RING ((size_t)(UINT32_MAX - 8) * MW_DEDUP_UNIT)

static struct mw_dedup_record *at(const struct mw_dedup *d, uint64_t position)
{
	return (struct mw_dedup_record *)(void *)(d->ring + position % d->cap);
}

static struct mw_dedup_record *at_id(const struct mw_dedup *d, uint32_t id)
{
	return (struct mw_dedup_record *)(void *)(d->ring + (size_t)id * MW_DEDUP_UNIT);
}

static uint32_t id_of(const struct mw_dedup *d, const struct mw_dedup_record *r)
{
	return (uint32_t)((size_t)((const uint8_t *)r - d->ring) / MW_DEDUP_UNIT);
}

static size_t size_for(size_t data_len)
{
	if (data_len < MW_DEDUP_MIN_DATA)
		data_len = MW_DEDUP_MIN_DATA;
	return (sizeof(struct mw_dedup_record) + data_len + MW_DEDUP_UNIT - 1) / MW_DEDUP_UNIT * MW_DEDUP_UNIT;
}

static uint32_t time_of(struct mw_mono now)
{
	return (uint32_t)((uint64_t)now.ms >> CLOCK_SHIFT);
}

static bool is_expired(const struct mw_dedup_record *r, struct mw_mono now)
{
	uint32_t life = (r->type == MW_COAP_NON ? NON_LIFETIME_MS : EXCHANGE_LIFETIME_MS) >> CLOCK_SHIFT;
	return time_of(now) - r->time > life;
}

int mw_dedup_init(struct mw_dedup *d, size_t bytes, const struct mw_hash_key *key, uint64_t *evicted)
{
	bytes = bytes < MIN_RING ? MIN_RING : bytes > MAX_RING ? MAX_RING : bytes;
	*d = (struct mw_dedup){.cap = bytes / MW_DEDUP_UNIT * MW_DEDUP_UNIT, .key = key, .evicted = evicted};
	mw_index_init(&d->index);
	d->ring = malloc(d->cap); /* not touched: pages are taken as the ring fills for the first time */
	return d->ring ? 0 : MW_E_NOMEM;
}

void mw_dedup_deinit(struct mw_dedup *d)
{
	free(d->ring);
	d->ring = NULL;
	mw_index_deinit(&d->index);
}

uint64_t mw_dedup_hash(const struct mw_dedup *d, const struct mw_addr *from, uint16_t mid)
{
	uint8_t bytes[sizeof(*from) + sizeof(mid)];
	memcpy(bytes, from, sizeof(*from));
	memcpy(bytes + sizeof(*from), &mid, sizeof(mid));
	return mw_hash(d->key, bytes, sizeof(bytes));
}

struct wanted {
	const struct mw_addr *addr;
	uint16_t mid;
};

static bool is_wanted(const void *ud, uint32_t id, const void *key)
{
	const struct mw_dedup_record *r = at_id(ud, id);
	const struct wanted *w = key;
	return r->mid == w->mid && mw_addr_eq(&r->addr, w->addr);
}

static void forget(struct mw_dedup *d, struct mw_dedup_record *r)
{
	mw_index_remove(&d->index, (uint64_t)r->tag << 32, id_of(d, r));
	r->state = MW_DEDUP_DEAD;
}

struct mw_dedup_record *mw_dedup_find(
	struct mw_dedup *d, uint64_t hash, const struct mw_addr *from, uint16_t mid, struct mw_mono now)
{
	struct wanted w = {from, mid};
	uint32_t id = mw_index_find(&d->index, hash, is_wanted, d, &w);
	if (id == MW_INDEX_NONE)
		return NULL;
	struct mw_dedup_record *r = at_id(d, id);
	if (!is_expired(r, now))
		return r;
	forget(d, r);
	return NULL;
}

/* Forgets the oldest record, which must exist. */
static void drop_tail(struct mw_dedup *d, bool is_early)
{
	struct mw_dedup_record *r = at(d, d->tail);
	if (r->state != MW_DEDUP_DEAD) {
		forget(d, r);
		if (is_early)
			++*d->evicted;
	}
	d->tail += (uint64_t)r->units * MW_DEDUP_UNIT;
	if (d->tail == d->head)
		return;
	r = at(d, d->tail);
	if (r->state != MW_DEDUP_DEAD)
		mw_index_prefetch(&d->index, (uint64_t)r->tag << 32); /* it goes next, at one of the next calls */
}

static bool is_tail_expired(const struct mw_dedup *d, struct mw_mono now)
{
	const struct mw_dedup_record *r = at(d, d->tail);
	return r->state == MW_DEDUP_DEAD || is_expired(r, now);
}

static void expire(struct mw_dedup *d, struct mw_mono now)
{
	for (int i = 0; i < EXPIRE_PER_ADD && d->tail != d->head && is_tail_expired(d, now); i++)
		drop_tail(d, false);
	if (d->tail == d->head) { /* a quiet endpoint then uses the same few pages again and again */
		uint64_t lap = (d->head + d->cap - 1) / d->cap;
		d->head = d->tail = lap * d->cap;
	}
}

/* After this the @p size bytes behind the head are free. */
static void make_room(struct mw_dedup *d, size_t size, struct mw_mono now)
{
	while (d->cap - (size_t)(d->head - d->tail) < size)
		drop_tail(d, !is_tail_expired(d, now));
}

/* A record does not wrap: what is left of the lap is filled with a dead record of at least one unit. */
static struct mw_dedup_record *append(struct mw_dedup *d, size_t size, struct mw_mono now)
{
	size_t left = d->cap - (size_t)(d->head % d->cap);
	if (left < size) {
		make_room(d, left, now);
		while (left) { /* `units` is 16 bits wide */
			size_t part = left / MW_DEDUP_UNIT > UINT16_MAX ? (size_t)UINT16_MAX * MW_DEDUP_UNIT : left;
			struct mw_dedup_record *filler = at(d, d->head);
			filler->units = (uint16_t)(part / MW_DEDUP_UNIT);
			filler->state = MW_DEDUP_DEAD;
			d->head += part;
			left -= part;
		}
	}
	make_room(d, size, now);
	d->newest = d->head;
	d->head += size;
	struct mw_dedup_record *r = at(d, d->newest);
	r->units = (uint16_t)(size / MW_DEDUP_UNIT);
	return r;
}

int mw_dedup_add(struct mw_dedup *d, uint64_t hash, const struct mw_addr *from, uint16_t mid, uint8_t type,
	struct mw_mono now, uint64_t *serial)
{
	expire(d, now);
	struct mw_dedup_record *r = append(d, size_for(0), now);
	r->state = MW_DEDUP_DEAD;
	r->type = type;
	r->mid = mid;
	r->len = 0;
	r->addr = *from;
	r->tag = (uint32_t)(hash >> 32);
	r->time = time_of(now);
	if (mw_index_add(&d->index, hash, id_of(d, r)) < 0)
		return MW_E_NOMEM;
	r->state = MW_DEDUP_PENDING;
	mw_dedup_set_note(r, MW_DEDUP_NO_NOTE);
	*serial = d->newest;
	return 0;
}

struct mw_dedup_record *mw_dedup_open(
	struct mw_dedup *d, uint64_t serial, const struct mw_addr *from, uint16_t mid)
{
	if (serial < d->tail || serial >= d->head || serial % MW_DEDUP_UNIT ||
		serial % d->cap + size_for(0) > d->cap)
		return NULL;
	struct mw_dedup_record *r = at(d, serial);
	bool is_open = r->state == MW_DEDUP_PENDING || r->state == MW_DEDUP_ACKED;
	return is_open && r->mid == mid && mw_addr_eq(&r->addr, from) ? r : NULL;
}

static bool grow_newest(struct mw_dedup *d, struct mw_dedup_record *r, size_t size, struct mw_mono now)
{
	size_t old = (size_t)r->units * MW_DEDUP_UNIT;
	if (r != at(d, d->newest) || d->newest % d->cap + size > d->cap)
		return false;
	make_room(d, size - old, now);
	d->head += size - old;
	r->units = (uint16_t)(size / MW_DEDUP_UNIT);
	return true;
}

void mw_dedup_answer(struct mw_dedup *d, uint64_t serial, struct mw_bytes reply)
{
	struct mw_dedup_record *r = at(d, serial);
	size_t size = size_for(reply.len);
	struct mw_mono now = {(int64_t)((uint64_t)r->time << CLOCK_SHIFT)}; /* only to count evictions */
	if (reply.len > UINT16_MAX || size > d->cap / 4) {
		forget(d, r);
		return;
	}
	if (size > (size_t)r->units * MW_DEDUP_UNIT && !grow_newest(d, r, size, now)) {
		struct mw_dedup_record copy = *r; /* answered late: the record moves to the head */
		forget(d, r);
		r = append(d, size, now);
		copy.units = r->units;
		*r = copy;
		r->state = MW_DEDUP_DEAD;
		if (mw_index_add(&d->index, (uint64_t)r->tag << 32, id_of(d, r)) < 0)
			return;
	}
	r->state = MW_DEDUP_ANSWERED;
	r->len = (uint16_t)reply.len;
	if (reply.len)
		memcpy(r->data, reply.data, reply.len);
}

void mw_dedup_forget(struct mw_dedup *d, uint64_t serial)
{
	forget(d, at(d, serial));
}

uint32_t mw_dedup_note(const struct mw_dedup_record *r)
{
	uint32_t note;
	memcpy(&note, r->data, sizeof(note));
	return note;
}

void mw_dedup_set_note(struct mw_dedup_record *r, uint32_t note)
{
	memcpy(r->data, &note, sizeof(note));
}
