#include "base/hash.h"
#include "base/err.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define ROTL(x, n) ((x) << (n) | (x) >> (64 - (n)))

struct sip {
	uint64_t a, b, c, d;
};

static inline void sip_round(struct sip *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = ROTL(s->b, 13) ^ s->a;
	s->d = ROTL(s->d, 16) ^ s->c;
	s->a = ROTL(s->a, 32);
	s->c += s->b;
	s->a += s->d;
	s->b = ROTL(s->b, 17) ^ s->c;
	s->d = ROTL(s->d, 21) ^ s->a;
	s->c = ROTL(s->c, 32);
}

uint64_t mw_hash(const struct mw_hash_key *key, const void *data, size_t len)
{
	struct sip s = {key->k[0] ^ 0x736f6d6570736575u, key->k[1] ^ 0x646f72616e646f6du,
		key->k[0] ^ 0x6c7967656e657261u, key->k[1] ^ 0x7465646279746573u};
	const uint8_t *p = data;
	size_t left = len;
	uint64_t word;
	for (; left >= 8; left -= 8, p += 8) {
		memcpy(&word, p, 8);
		word = le64toh(word);
		s.d ^= word;
		sip_round(&s);
		s.a ^= word;
	}
	word = (uint64_t)len << 56;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)p[i] << (8 * i);
	s.d ^= word;
	sip_round(&s);
	s.a ^= word;
	s.c ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.a ^ s.b ^ s.c ^ s.d;
}

enum { SLOT_FREE = 0, SLOT_GONE = 1, ID_OFFSET = 2, MOVES_PER_CALL = 16, FIRST_SLOTS = 64 };

static uint64_t slot_of(uint64_t hash, uint32_t id)
{
	return (hash & 0xffffffff00000000u) | (id + (uint32_t)ID_OFFSET);
}

static bool is_entry(uint64_t slot)
{
	return (uint32_t)slot >= ID_OFFSET;
}

static uint32_t id_of(uint64_t slot)
{
	return (uint32_t)slot - ID_OFFSET;
}

/* The slot keeps the upper half of the hash, so the place must follow from that half alone: a move has no
 * key. */
static size_t place_of(const struct mw_index_table *t, uint64_t hash)
{
	return (size_t)(hash >> 32) * 0x9e3779b1u >> 7 & t->mask;
}

void mw_index_init(struct mw_index *ix)
{
	*ix = (struct mw_index){0};
}

void mw_index_deinit(struct mw_index *ix)
{
	free(ix->now.slots);
	free(ix->old.slots);
	*ix = (struct mw_index){0};
}

static uint32_t table_find(
	const struct mw_index_table *t, uint64_t hash, mw_index_eq_fn *eq, const void *ud, const void *key)
{
	if (!t->slots)
		return MW_INDEX_NONE;
	for (size_t at = place_of(t, hash);; at = (at + 1) & t->mask) {
		uint64_t slot = t->slots[at];
		if (slot == SLOT_FREE)
			return MW_INDEX_NONE;
		if (is_entry(slot) && slot >> 32 == hash >> 32 && eq(ud, id_of(slot), key))
			return id_of(slot);
	}
}

static void table_put(struct mw_index_table *t, uint64_t slot)
{
	size_t at = place_of(t, slot);
	while (is_entry(t->slots[at]))
		at = (at + 1) & t->mask;
	if (t->slots[at] == SLOT_FREE)
		t->used++;
	t->slots[at] = slot;
}

static bool table_remove(struct mw_index_table *t, uint64_t slot)
{
	if (!t->slots)
		return false;
	for (size_t at = place_of(t, slot); t->slots[at] != SLOT_FREE; at = (at + 1) & t->mask) {
		if (t->slots[at] != slot)
			continue;
		if (t->slots[(at + 1) & t->mask] == SLOT_FREE) { /* end of its chain: no mark needed */
			t->slots[at] = SLOT_FREE;
			t->used--;
		} else {
			t->slots[at] = SLOT_GONE;
		}
		return true;
	}
	return false;
}

static void move_some(struct mw_index *ix)
{
	if (!ix->old.slots)
		return;
	for (int i = 0; i < MOVES_PER_CALL && ix->move_at <= ix->old.mask; i++) {
		uint64_t *slot = &ix->old.slots[ix->move_at++];
		if (!is_entry(*slot))
			continue;
		table_put(&ix->now, *slot);
		*slot = SLOT_GONE; /* chains that pass over it must still be followed */
	}
	if (ix->move_at > ix->old.mask) {
		free(ix->old.slots);
		ix->old = (struct mw_index_table){0};
	}
}

/* A table full of removed slots is rebuilt at the same size; one full of entries doubles. */
static int start_move(struct mw_index *ix)
{
	while (
		ix->old.slots) /* the last move has not ended yet: cannot happen with 16 moves a call, but be sure */
		move_some(ix);
	size_t n = ix->now.slots ? ix->now.mask + 1 : FIRST_SLOTS;
	while (n < ix->count * 2 + 2)
		n *= 2;
	uint64_t *slots = calloc(n, sizeof(*slots));
	if (!slots)
		return MW_E_NOMEM;
	ix->old = ix->now;
	ix->move_at = 0;
	ix->now = (struct mw_index_table){.slots = slots, .mask = n - 1};
	return 0;
}

int mw_index_add(struct mw_index *ix, uint64_t hash, uint32_t id)
{
	move_some(ix);
	size_t n = ix->now.slots ? ix->now.mask + 1 : 0;
	if ((ix->now.used + 1) * 4 > n * 3) {
		int rc = start_move(ix);
		if (rc < 0)
			return rc;
	}
	table_put(&ix->now, slot_of(hash, id));
	ix->count++;
	return 0;
}

uint32_t mw_index_find(
	const struct mw_index *ix, uint64_t hash, mw_index_eq_fn *eq, const void *ud, const void *key)
{
	uint32_t id = table_find(&ix->now, hash, eq, ud, key);
	return id != MW_INDEX_NONE ? id : table_find(&ix->old, hash, eq, ud, key);
}

bool mw_index_remove(struct mw_index *ix, uint64_t hash, uint32_t id)
{
	uint64_t slot = slot_of(hash, id);
	bool found = table_remove(&ix->now, slot) || table_remove(&ix->old, slot);
	if (found)
		ix->count--;
	move_some(ix);
	return found;
}

void mw_index_prefetch(const struct mw_index *ix, uint64_t hash)
{
	if (ix->now.slots)
		__builtin_prefetch(&ix->now.slots[place_of(&ix->now, hash)]);
}

uint32_t mw_index_peek(const struct mw_index *ix, uint64_t hash)
{
	if (!ix->now.slots)
		return MW_INDEX_NONE;
	for (size_t at = place_of(&ix->now, hash), n = 0; n < 4; at = (at + 1) & ix->now.mask, n++) {
		uint64_t slot = ix->now.slots[at];
		if (is_entry(slot) && slot >> 32 == hash >> 32)
			return id_of(slot);
	}
	return MW_INDEX_NONE;
}
