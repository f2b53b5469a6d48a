#include "coap/core.h"

static bool has_addr(const void *ud, uint32_t id, const void *key)
{
	const struct mw_coap *c = ud;
	const struct mw_peer *p = mw_pool_at(&c->peers, id);
	return mw_addr_eq(&p->addr, key);
}

static uint64_t hash_of(const struct mw_coap *c, const struct mw_addr *addr)
{
	return mw_hash(&c->key, addr, sizeof(*addr));
}

struct mw_peer *mw__peer_find(const struct mw_coap *c, const struct mw_addr *addr)
{
	if (!c->stats.peers)
		return NULL;
	uint32_t id = mw_index_find(&c->peer_index, hash_of(c, addr), has_addr, c, addr);
	return id == MW_INDEX_NONE ? NULL : mw_pool_at(&c->peers, id);
}

static void on_expiry(struct mw_timer *t, void *ud)
{
	(void)ud;
	struct mw_peer *p = MW_CONTAINER_OF(t, struct mw_peer, expiry);
	struct mw_coap *c = p->c;
	bool is_busy = p->in_flight || !mw_list_is_empty(&p->queue) || !mw_list_is_empty(&p->separate);
	struct mw_mono end = {(is_busy ? mw_mono_now(c->clock).ms : p->used.ms) + MW_EXCHANGE_LIFETIME_MS};
	if (end.ms > mw_mono_now(c->clock).ms) {
		mw_wheel_add(c->wheel, t, end, on_expiry);
		return;
	}
	mw_index_remove(&c->peer_index, hash_of(c, &p->addr), p->id);
	mw_pool_free(&c->peers, p->id);
	c->stats.peers--;
}

struct mw_peer *mw__peer_get(struct mw_coap *c, const struct mw_addr *addr)
{
	struct mw_peer *p = mw__peer_find(c, addr);
	if (p)
		return p;
	uint32_t id = mw_pool_alloc(&c->peers);
	if (id == MW_POOL_NONE)
		return NULL;
	p = mw_pool_at(&c->peers, id);
	p->addr = *addr;
	p->id = id;
	p->c = c;
	mw_list_init(&p->queue);
	mw_list_init(&p->separate);
	/* Not to be guessed: an empty RST or ACK with the right id, from a forged address, would end our request.
	 */
	mw_random_pooled(&c->random, &p->next_mid, sizeof(p->next_mid));
	p->used = mw_mono_now(c->clock);
	if (mw_index_add(&c->peer_index, hash_of(c, addr), id) < 0) {
		mw_pool_free(&c->peers, id);
		return NULL;
	}
	c->stats.peers++;
	mw_wheel_add(c->wheel, &p->expiry, mw__coap_after(c, MW_EXCHANGE_LIFETIME_MS), on_expiry);
	return p;
}

uint16_t mw__peer_mid(struct mw_peer *p)
{
	p->used = mw_mono_now(p->c->clock);
	return p->next_mid++;
}

void mw__peers_deinit(struct mw_coap *c)
{
	for (uint32_t id = 0; id < c->peers.fresh; id++) {
		struct mw_peer *p = mw_pool_at(&c->peers, id);
		if (!mw_timer_is_armed(&p->expiry)) /* a free item: the timer of a live one always runs */
			continue;
		mw_wheel_remove(c->wheel, &p->expiry);
		mw__separate_free_all(p);
	}
	mw_pool_deinit(&c->peers);
	mw_index_deinit(&c->peer_index);
}
