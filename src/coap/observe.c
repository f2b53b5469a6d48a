#include "coap/observe.h"
#include "base/err.h"

enum { CLOCK_SHIFT = 6, REORDER_MS = 128000, HALF_RANGE = 1 << 23 };

void mw_observe_init(struct mw_observe *o, size_t max, const struct mw_hash_key *key)
{
	*o = (struct mw_observe){.key = key, .max = max};
	mw_pool_init(&o->pool, sizeof(struct mw_observe_record));
	mw_index_init(&o->index);
}

void mw_observe_deinit(struct mw_observe *o)
{
	mw_pool_deinit(&o->pool);
	mw_index_deinit(&o->index);
}

struct mw_observe_record *mw_observe_at(const struct mw_observe *o, uint32_t id)
{
	return mw_pool_at(&o->pool, id);
}

static uint64_t hash_of(const struct mw_observe *o, const struct mw_coap_token *token)
{
	return mw_hash(o->key, token->bytes, token->len);
}

static bool has_token(const void *ud, uint32_t id, const void *key)
{
	return mw_coap_token_eq(&mw_observe_at(ud, id)->token, key);
}

uint32_t mw_observe_find(const struct mw_observe *o, const struct mw_coap_token *token)
{
	return mw_index_find(&o->index, hash_of(o, token), has_token, o, token);
}

int mw_observe_put(struct mw_observe *o, const struct mw_coap_token *token, uint64_t cookie)
{
	uint64_t hash = hash_of(o, token);
	uint32_t id = mw_index_find(&o->index, hash, has_token, o, token);
	if (id == MW_OBSERVE_NONE) {
		if (o->pool.n_used >= o->max)
			return MW_E_LIMIT;
		id = mw_pool_alloc(&o->pool);
		if (id == MW_POOL_NONE)
			return MW_E_NOMEM;
		if (mw_index_add(&o->index, hash, id) < 0) {
			mw_pool_free(&o->pool, id);
			return MW_E_NOMEM;
		}
	}
	struct mw_observe_record *ob = mw_observe_at(o, id);
	ob->token = *token;
	ob->cookie = cookie;
	ob->has_seq = false;
	return 0;
}

int mw_observe_remove(struct mw_observe *o, const struct mw_coap_token *token)
{
	uint32_t id = mw_observe_find(o, token);
	if (id == MW_OBSERVE_NONE)
		return MW_E_NOTFOUND;
	mw_index_remove(&o->index, hash_of(o, token), id);
	mw_observe_at(o, id)->token.len = UINT8_MAX; /* no message has such a token: see mw_observe_seen */
	mw_pool_free(&o->pool, id);
	return 0;
}

static uint32_t time_of(struct mw_mono now)
{
	return (uint32_t)((uint64_t)now.ms >> CLOCK_SHIFT);
}

bool mw_observe_is_fresh(const struct mw_observe *o, uint32_t id, uint32_t seq, struct mw_mono now)
{
	const struct mw_observe_record *ob = mw_observe_at(o, id);
	if (!ob->has_seq)
		return true;
	uint32_t old = ob->seq;
	return (old < seq && seq - old < HALF_RANGE) || (old > seq && old - seq > HALF_RANGE) ||
		   time_of(now) - ob->time > REORDER_MS >> CLOCK_SHIFT;
}

void mw_observe_seen(
	struct mw_observe *o, uint32_t id, const struct mw_coap_token *token, uint32_t seq, struct mw_mono now)
{
	struct mw_observe_record *ob = mw_observe_at(o, id);
	if (!mw_coap_token_eq(&ob->token, token))
		return;
	ob->seq = seq;
	ob->time = time_of(now);
	ob->has_seq = true;
}

void mw_observe_unsee(struct mw_observe *o, const struct mw_coap_token *token)
{
	uint32_t id = mw_observe_find(o, token);
	if (id != MW_OBSERVE_NONE)
		mw_observe_at(o, id)->has_seq = false;
}
