/** @file budget.h  Bytes held for block-wise bodies: per peer address and in all. Internal to src/coap. */
#pragma once
#include "base/hash.h"
#include "base/pool.h"
#include "net/addr.h"

struct mw_budget {
	struct mw_pool pool;
	struct mw_index index;
	const struct mw_hash_key *key;
	size_t peer_max, total_max;
	size_t *total; /**< bytes held now; the owner's statistics */
};

void mw_budget_init(
	struct mw_budget *b, size_t peer_max, size_t total_max, const struct mw_hash_key *key, size_t *total);
void mw_budget_deinit(struct mw_budget *b);
/** 0, MW_E_LIMIT or MW_E_NOMEM; nothing is taken on failure. */
int mw_budget_take(struct mw_budget *b, const struct mw_addr *peer, size_t bytes);
void mw_budget_give(struct mw_budget *b, const struct mw_addr *peer, size_t bytes);
