/** @file observe.h  The observations that peers keep for us: token -> cookie, last sequence number, last time
 *  (RFC 7641). 32 bytes each and a place in the index. Internal to src/coap. */
#pragma once
#include "base/clock.h"
#include "base/hash.h"
#include "base/pool.h"
#include "coap/message.h"
#include <string.h>

struct mw_observe_record {
	uint32_t pool_word; /**< the pool's while the item is free */
	uint32_t time;      /**< of the last notification, in 64 ms */
	uint64_t cookie;
	uint32_t seq;
	struct mw_coap_token token;
	bool has_seq; /**< false after a restore: any first number is accepted */
};

struct mw_observe {
	struct mw_pool pool;
	struct mw_index index;
	const struct mw_hash_key *key;
	size_t max;
};

#define MW_OBSERVE_NONE MW_POOL_NONE

void mw_observe_init(struct mw_observe *o, size_t max, const struct mw_hash_key *key);
void mw_observe_deinit(struct mw_observe *o);
/** Id of the observation with that token, or MW_OBSERVE_NONE. */
uint32_t mw_observe_find(const struct mw_observe *o, const struct mw_coap_token *token);
/** Creates it, or gives an existing one the new cookie and an open sequence. 0, MW_E_NOMEM or MW_E_LIMIT. */
int mw_observe_put(struct mw_observe *o, const struct mw_coap_token *token, uint64_t cookie);
/** MW_E_NOTFOUND when there is none. */
int mw_observe_remove(struct mw_observe *o, const struct mw_coap_token *token);
/** True when a notification with @p seq is newer than the last one (RFC 7641 section 3.4). */
bool mw_observe_is_fresh(const struct mw_observe *o, uint32_t id, uint32_t seq, struct mw_mono now);
/** Notes a notification that was taken; nothing if @p id is no longer the observation of @p token. */
void mw_observe_seen(
	struct mw_observe *o, uint32_t id, const struct mw_coap_token *token, uint32_t seq, struct mw_mono now);
/** The last notification was not kept after all: whatever comes next counts as newer. */
void mw_observe_unsee(struct mw_observe *o, const struct mw_coap_token *token);
struct mw_observe_record *mw_observe_at(const struct mw_observe *o, uint32_t id);
static inline bool mw_coap_token_eq(const struct mw_coap_token *a, const struct mw_coap_token *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}
