/** @file core.h  What the files of src/coap share; nobody outside includes it.
 *
 * endpoint.c takes datagrams apart and decides who gets them; respond.c answers requests; block_in.c and
 * block_out.c are RFC 7959 for requests from peers; exchange.c, request.c and block_client.c are our own
 * requests; peer.c and separate.c keep what must outlive one exchange. */
#pragma once
#include "base/list.h"
#include "base/pool.h"
#include "coap/budget.h"
#include "coap/dedup.h"
#include "coap/endpoint.h"
#include "coap/observe.h"

enum { MW_COAP_SCRATCH = 4096, MW_ETAG_MAX = 8, MW_EXCHANGE_LIFETIME_MS = 247000 };

struct mw_exchange;

/** A peer that we have sent something with a message id of ours to within EXCHANGE_LIFETIME. */
struct mw_peer {
	struct mw_addr addr;
	uint32_t id;
	uint16_t next_mid;
	struct mw_coap *c;
	struct mw_list queue; /**< struct mw_exchange.link, oldest first */
	size_t n_queued;
	struct mw_exchange *in_flight; /**< NSTART = 1 */
	struct mw_list separate;       /**< struct mw_separate.link, responses that wait for their ACK */
	struct mw_mono used;
	struct mw_timer expiry;
};

/** Sending of a body by Block1. */
struct mw_upload {
	size_t offset; /**< of the block in flight */
	uint8_t szx;
	bool active, restarted;
};

/** Receiving of a body by Block2. */
struct mw_download {
	struct mw_buf body;
	uint8_t etag[MW_ETAG_MAX], etag_len;
	uint8_t szx;
	bool follow;    /**< the message in flight asks for a further block, or for the first one again */
	bool active;    /**< `body` has begun */
	bool restarted; /**< once is allowed */
	uint8_t code;
	unsigned content_format;
	uint16_t location[3];
};

enum mw_exchange_state { MW_EXCHANGE_QUEUED, MW_EXCHANGE_SENT, MW_EXCHANGE_ACKED };

/** A request of ours. */
struct mw_exchange {
	uint32_t pool_word; /**< the pool's while the item is free */
	uint32_t serial;    /**< 0 while the item is free; upper half of the public id */
	uint32_t index;
	struct mw_coap *c;
	struct mw_peer *peer;
	struct mw_list link;
	struct mw_timer timer, deadline;
	mw_coap_result_cb *cb;
	void *ud;
	struct mw_coap_token token,
		wire_token; /**< further blocks of an observed resource have a token of their own */
	uint64_t cookie;
	uint32_t ack_timeout_ms, wait_ms;
	uint16_t mid;
	uint16_t content_format, accept;
	uint8_t state, retries, code;
	int8_t observe;
	bool has_observation; /**< created by this exchange: it dies with it if the exchange fails */
	uint8_t *copied;      /**< segments of the path, of the query, then the payload; one block */
	size_t path_len, query_len;
	struct mw_bytes payload;
	struct mw_upload up;
	struct mw_download down;
};

/** A block-wise request body that is arriving, or a response body that is being fetched. */
struct mw_transfer {
	uint32_t pool_word;
	uint32_t index;
	struct mw_addr peer;
	uint64_t key; /**< keyed hash of method and resource: see mw__request_key */
	struct mw_coap *c;
	struct mw_timer timer;
	struct mw_buf body;
	size_t charged;
	uint8_t code; /**< of the response, outgoing only */
	unsigned content_format;
	uint32_t etag;
};

struct mw_transfers {
	struct mw_pool pool;
	struct mw_index index;
};

/** What an answer must know of its request beyond struct mw_coap_reply. */
struct mw_request_info {
	uint64_t key;
	struct mw_block block1, block2;
	bool has_block1, has_block2;
};

/** The request that is being handled right now; one that is still open afterwards gets a struct mw_late. */
struct mw_current {
	const struct mw_coap_msg *msg;
	uint64_t serial;
	struct mw_request_info info; /**< `key` is computed when it is needed */
};

/** A separate answer whose ACK has not left yet. */
struct mw_confirmable {
	struct mw_coap_reply reply;
	bool ack_later; /**< its receiver has taken over the ACK */
};

struct mw_coap {
	struct mw_coap_config config;
	struct mw_coap_transport transport;
	struct mw_coap_handlers handlers;
	struct mw_wheel *wheel;
	const struct mw_clock *clock;
	struct mw_log *log;
	struct mw_hash_key key;
	struct mw_coap_stats stats;
	struct mw_random_pool random;
	struct mw_dedup dedup;
	struct mw_observe observe;
	struct mw_budget budget;
	struct mw_pool peers, exchanges, late;
	struct mw_index peer_index;
	struct mw_transfers in, out;
	const struct mw_current *current;
	struct mw_confirmable *answer; /**< the confirmable answer that is being handled right now, or NULL */
	uint32_t next_serial;
	size_t n_separate; /**< responses that wait for their ACK, all peers; at most max_exchanges */
	uint16_t next_mid; /**< of NON responses to peers that have no struct mw_peer */
	bool closing;
	uint8_t scratch[MW_COAP_SCRATCH];
};

/* endpoint.c */
void mw__coap_send(struct mw_coap *c, const struct mw_addr *to, const uint8_t *data, size_t len);
/** An empty ACK or RST. */
void mw__coap_send_empty(struct mw_coap *c, const struct mw_addr *to, uint8_t type, uint16_t mid);
static inline struct mw_mono mw__coap_after(const struct mw_coap *c, uint32_t ms)
{
	return (struct mw_mono){mw_mono_now(c->clock).ms + ms};
}
static inline size_t mw__block_size(uint8_t szx)
{
	return (size_t)16 << szx;
}
/** Names what a block belongs to: method, options without those that differ from block to block, FETCH's
 * payload. */
uint64_t mw__request_key(const struct mw_coap *c, const struct mw_coap_msg *m);
/** Hands a complete request to the owner. */
void mw__coap_deliver(struct mw_coap *c, const struct mw_coap_request *rq);

/* respond.c */
void mw__respond_init(struct mw_coap *c);
/** Options that only the endpoint itself adds to a response. */
struct mw_response_extra {
	const struct mw_block *block1, *block2;
	uint32_t etag; /**< 0 = none */
	uint32_t size1;
};
int mw__respond(struct mw_coap *c, const struct mw_coap_reply *reply, const struct mw_coap_response *resp,
	const struct mw_response_extra *extra);
void mw__respond_code(struct mw_coap *c, const struct mw_coap_reply *reply, uint8_t code, const char *text);
/** Keeps what a later answer needs, and arms the timer for the empty ACK. */
void mw__respond_later(struct mw_coap *c, const struct mw_coap_reply *reply);
void mw__respond_deinit(struct mw_coap *c);

/* block_in.c */
void mw__block_in(struct mw_coap *c, const struct mw_coap_request *rq);
struct mw_transfer *mw__transfer_find(
	const struct mw_transfers *t, const struct mw_coap *c, const struct mw_addr *peer, uint64_t key);
/** A new transfer with its timer running, replacing one of the same name; NULL when out of memory or budget.
 */
struct mw_transfer *mw__transfer_new(struct mw_transfers *t, struct mw_coap *c, const struct mw_addr *peer,
	uint64_t key, size_t limit, mw_timer_cb *expired);
int mw__transfer_append(struct mw_transfer *x, struct mw_bytes more);
void mw__transfer_free(struct mw_transfers *t, struct mw_transfer *x);
void mw__transfers_deinit(struct mw_transfers *t, struct mw_coap *c);

/* block_out.c */
/** Answers with the block that was asked for and keeps the body while there are more. */
int mw__block_out_start(struct mw_coap *c, const struct mw_coap_reply *reply,
	const struct mw_coap_response *resp, const struct mw_request_info *info);
/** Answers a request for a further block; false when nothing is kept for it. */
bool mw__block_out_serve(struct mw_coap *c, const struct mw_coap_request *rq, const struct mw_block *wanted);

/* peer.c */
struct mw_peer *mw__peer_find(const struct mw_coap *c, const struct mw_addr *addr);
/** Found or made; NULL when out of memory. */
struct mw_peer *mw__peer_get(struct mw_coap *c, const struct mw_addr *addr);
uint16_t mw__peer_mid(struct mw_peer *p);
void mw__peers_deinit(struct mw_coap *c);

/* separate.c */
/** Sends a CON response and repeats it until it is acknowledged. 0, MW_E_NOMEM or MW_E_LIMIT. */
int mw__separate_send(struct mw_peer *p, uint16_t mid, const uint8_t *data, size_t len);
/** An ACK or RST came for @p mid; false if it is of no separate response. */
bool mw__separate_end(struct mw_peer *p, uint16_t mid);
void mw__separate_free_all(struct mw_peer *p);

/* exchange.c */
/** Sends the next message of an exchange under a new message id. */
void mw__exchange_send(struct mw_exchange *x);
/** Ends it: the callback comes, then the peer's next request starts. */
void mw__exchange_end(struct mw_exchange *x, struct mw_coap_result *result);
void mw__exchange_fail(struct mw_exchange *x, int err);
void mw__exchange_acked(struct mw_exchange *x);
/** ACK_TIMEOUT times a random factor of 1 to 1.5 (RFC 7252 section 4.2). */
uint32_t mw__exchange_first_wait(struct mw_coap *c, uint32_t ack_timeout_ms);
/** A request that fetches what is behind the first block @p m of a notification. 0 or an error. */
int mw__exchange_fetch(struct mw_coap *c, const struct mw_coap_send *rq, const struct mw_coap_msg *m,
	mw_coap_result_cb *cb, void *ud);
void mw__exchanges_deinit(struct mw_coap *c);

/* request.c */
/** Copies strings and bytes of @p rq into @p x. 0, MW_E_NOMEM or MW_E_ARG. */
int mw__request_copy(struct mw_exchange *x, const struct mw_coap_send *rq);
/** The message of the exchange's present step into the scratch buffer. Length, or MW_E_LIMIT. */
int mw__request_encode(struct mw_exchange *x);

/* block_client.c */
/** A response to the message in flight; ends the exchange or sends its next message. */
void mw__client_response(struct mw_exchange *x, const struct mw_coap_msg *m);
/** Takes the first block of a body; false when it is malformed or over the limits. */
bool mw__client_first_block(struct mw_exchange *x, const struct mw_coap_msg *m);
/** Fills what @p m says of the result, apart from body and token. */
void mw__client_describe(struct mw_coap_result *result, const struct mw_coap_msg *m);
void mw__client_release(struct mw_exchange *x);

/* notify.c */
/** A response whose token is that of observation @p id. */
void mw__notify(struct mw_coap *c, const struct mw_addr *from, const struct mw_coap_msg *m, uint32_t id);
