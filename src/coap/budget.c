#include "coap/budget.h"
#include "base/err.h"

struct account {
	struct mw_addr peer;
	size_t bytes;
};

void mw_budget_init(
	struct mw_budget *b, size_t peer_max, size_t total_max, const struct mw_hash_key *key, size_t *total)
{
	*b = (struct mw_budget){.key = key, .peer_max = peer_max, .total_max = total_max, .total = total};
	mw_pool_init(&b->pool, sizeof(struct account));
	mw_index_init(&b->index);
}

void mw_budget_deinit(struct mw_budget *b)
{
	mw_pool_deinit(&b->pool);
	mw_index_deinit(&b->index);
}

static bool is_peer(const void *ud, uint32_t id, const void *key)
{
	const struct mw_budget *b = ud;
	const struct account *a = mw_pool_at(&b->pool, id);
	return mw_addr_eq(&a->peer, key);
}

static uint32_t open_account(struct mw_budget *b, uint64_t hash, const struct mw_addr *peer)
{
	uint32_t id = mw_pool_alloc(&b->pool);
	if (id == MW_POOL_NONE)
		return MW_POOL_NONE;
	if (mw_index_add(&b->index, hash, id) < 0) {
		mw_pool_free(&b->pool, id);
		return MW_POOL_NONE;
	}
	((struct account *)mw_pool_at(&b->pool, id))->peer = *peer;
	return id;
}

int mw_budget_take(struct mw_budget *b, const struct mw_addr *peer, size_t bytes)
{
	if (!bytes)
		return 0;
	if (bytes > b->peer_max || bytes > b->total_max || *b->total > b->total_max - bytes)
		return MW_E_LIMIT;
	uint64_t hash = mw_hash(b->key, peer, sizeof(*peer));
	uint32_t id = mw_index_find(&b->index, hash, is_peer, b, peer);
	if (id == MW_INDEX_NONE)
		id = open_account(b, hash, peer);
	if (id == MW_POOL_NONE)
		return MW_E_NOMEM;
	struct account *a = mw_pool_at(&b->pool, id);
	if (a->bytes > b->peer_max - bytes)
		return MW_E_LIMIT;
	a->bytes += bytes;
	*b->total += bytes;
	return 0;
}

void mw_budget_give(struct mw_budget *b, const struct mw_addr *peer, size_t bytes)
{
	if (!bytes)
		return;
	uint64_t hash = mw_hash(b->key, peer, sizeof(*peer));
	uint32_t id = mw_index_find(&b->index, hash, is_peer, b, peer);
	if (id == MW_INDEX_NONE)
		return;
	struct account *a = mw_pool_at(&b->pool, id);
	bytes = bytes < a->bytes ? bytes : a->bytes;
	a->bytes -= bytes;
	*b->total -= bytes;
	if (a->bytes)
		return;
	mw_index_remove(&b->index, hash, id);
	mw_pool_free(&b->pool, id);
}
