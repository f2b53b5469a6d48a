/** @file endpoint.h  The CoAP endpoint: messages become exchanges (RFC 7252), block-wise bodies (RFC 7959)
 * and observations (RFC 7641). Server and client at once, on the same addresses, as LwM2M needs it.
 *
 * It owns: deduplication, retransmission, NSTART, tokens, message ids, block transfers, observations' tokens
 * and order. It does not own: sockets (a `struct mw_coap_transport` sends), time (the wheel), what requests
 * mean (callbacks). State exists per exchange, transfer and observation, never per known peer: an idle device
 * costs nothing here, and no step walks over peers.
 *
 * Loop thread only. Callbacks may call back into the endpoint; failures inside a send are delivered by a
 * later mw_wheel_run, never under the call that a user made. */
#pragma once
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "base/wheel.h"
#include "coap/message.h"
#include "net/addr.h"

struct mw_coap;
struct mw_coap_send;

/** Where datagrams go. @return 0 or an error; an error counts as a lost datagram (retransmission deals with
 * it). */
struct mw_coap_transport {
	int (*send)(void *ud, const struct mw_addr *to, const uint8_t *data, size_t len);
	void *ud;
};

/** Protocol times and limits; zero-initialised fields take the default in brackets. */
struct mw_coap_config {
	uint32_t ack_timeout_ms;      /**< [2000] RFC 7252 section 4.8; a request may bring its own */
	uint32_t max_retransmit;      /**< [4] */
	uint32_t separate_after_ms;   /**< [500] a CON request not answered by then gets an empty ACK */
	uint32_t response_timeout_ms; /**< [93000] wait for a separate response after the empty ACK */
	size_t dedup_bytes;     /**< [16 MiB] ring of stored answers; oldest are forgotten first, and counted */
	uint8_t block_szx;      /**< [6] preferred block size, 16 << szx; zero means the default */
	size_t block_body_max;  /**< [1 MiB] one incoming body */
	size_t block_peer_max;  /**< [2 MiB] all bodies of one peer address */
	size_t block_total_max; /**< [64 MiB] all bodies */
	uint32_t block_timeout_ms; /**< [93000] an unfinished transfer is dropped after this silence */
	size_t max_exchanges;      /**< [200000] requests of ours waiting or in flight, all peers */
	size_t max_peer_queue;     /**< [64] requests of ours waiting for one peer (NSTART = 1) */
	size_t max_observations;   /**< [16 million] */
};

/** Names one received message that still wants its answer. Plain data: keep it by value as long as wanted;
 * answering one that is too old or already answered returns MW_E_NOTFOUND and does nothing. */
struct mw_coap_reply {
	struct mw_addr to;
	struct mw_coap_token token;
	uint16_t mid;
	uint8_t type;    /**< of the request: CON or NON */
	uint64_t serial; /**< position in the dedup ring */
};

/** A request from a peer, complete (Block1 reassembled). Everything is borrowed for the call. */
struct mw_coap_request {
	const struct mw_coap_msg *msg; /**< options as received; its payload is the last block only */
	struct mw_bytes body;
	struct mw_coap_reply reply;
};

/** What we answer. Borrowed for the call; bodies longer than a block are kept and served by Block2. */
struct mw_coap_response {
	uint8_t code;
	unsigned content_format; /**< MW_COAP_NO_FORMAT = no option */
	const char *location[4]; /**< Location-Path segments, NULL-terminated if fewer */
	uint32_t max_age_s;      /**< only with 5.03; 0 = no option */
	struct mw_bytes payload; /**< for errors: diagnostic text */
};
#define MW_COAP_NO_FORMAT 0xffffu

/** A response to a request of ours, or a notification; complete (Block2 reassembled). Borrowed for the call.
 */
struct mw_coap_result {
	int err; /**< 0; or MW_E_TIMEOUT, MW_E_RESET, MW_E_CANCELED, MW_E_FORMAT, MW_E_LIMIT, and then `code` is 0
			  */
	uint8_t code;            /**< CoAP code, e.g. MW_COAP_CONTENT or MW_COAP_NOT_FOUND */
	unsigned content_format; /**< MW_COAP_NO_FORMAT when absent */
	struct mw_bytes body;
	bool observing;             /**< an observation exists now (first answer to a request with observe set) */
	struct mw_coap_token token; /**< the request's token: the name of the observation if `observing` */
	struct mw_addr from;
	uint16_t location[3]; /**< numeric Location-Path ids of a 2.01 (oid, iid), 65535 where absent */
	/** NULL, or the answer is a confirmable message of its own: who sets this keeps its ACK back until
	 *  mw_coap_ack, so that nothing is acknowledged before it is stored. */
	bool *ack_later;
	struct mw_coap_reply reply; /**< with `ack_later`: for mw_coap_ack; copy it */
};
typedef void mw_coap_result_cb(void *ud, const struct mw_coap_result *result);

/** What a notification's receiver decides. */
enum mw_coap_verdict {
	MW_COAP_ACK_NOW,   /**< acknowledge at once */
	MW_COAP_ACK_LATER, /**< the receiver calls mw_coap_ack when it is durable */
	MW_COAP_REFUSE,    /**< reset: the device ends the observation */
	MW_COAP_IGNORE,    /**< no answer at all (e.g. from a foreign address) */
};

struct mw_coap_notification {
	uint64_t cookie; /**< as given to mw_coap_request or mw_coap_observe_restore */
	struct mw_coap_result
		result; /**< `code` other than 2.xx: the device has ended the observation, it is forgotten */
	struct mw_coap_reply reply; /**< for mw_coap_ack; copy it */
	bool is_con;
};

struct mw_coap_handlers {
	/** A request that is no duplicate. Answer by mw_coap_respond, at once or later. */
	void (*request)(void *ud, const struct mw_coap_request *rq);
	/** A notification that is fresh in the sense of RFC 7641 section 3.4. One of several blocks comes when it
	 * is complete, and is not acknowledged before. */
	enum mw_coap_verdict (*notification)(void *ud, const struct mw_coap_notification *n);
	/** Asked when a notification is longer than a block: what was observed under @p cookie? Fills `to` (where
	 * the device is known to be: a notification from elsewhere is ignored), code, path or text_path, prefix,
	 * query, accept, and content_format and payload of a FETCH; the rest is set by the endpoint. What the
	 * pointers name must last until the next callback. May be NULL; then, or on false, such a notification is
	 * acknowledged, counted and dropped. */
	bool (*observed)(void *ud, uint64_t cookie, struct mw_coap_send *rq);
	/** Any valid datagram came from @p from (for queue mode's awake window); may be NULL. */
	void (*heard)(void *ud, const struct mw_addr *from);
	/** One message in or out, for traces; may be NULL. */
	void (*trace)(void *ud, bool outgoing, const struct mw_addr *peer, struct mw_bytes datagram);
	void *ud;
};

/** @param wheel, log, key  borrowed, outlive the endpoint. NULL when out of memory. */
struct mw_coap *mw_coap_new(const struct mw_coap_config *config, const struct mw_coap_transport *transport,
	const struct mw_coap_handlers *handlers, struct mw_wheel *wheel, const struct mw_clock *clock,
	struct mw_log *log, const struct mw_hash_key *key);
/** Open requests end with MW_E_CANCELED before this returns. */
void mw_coap_free(struct mw_coap *c);

/** One datagram from the network. Never fails: bad input is counted and answered as the RFC says. */
void mw_coap_input(struct mw_coap *c, const struct mw_addr *from, const uint8_t *data, size_t len);
/** Prefetches what mw_coap_input will touch; optional, for batches. */
void mw_coap_prefetch(struct mw_coap *c, const struct mw_addr *from, const uint8_t *data, size_t len);

/** Answers a request. Piggybacked on the ACK if that is still possible, otherwise separate (CON to a CON).
 *  @return 0; MW_E_NOTFOUND (see struct mw_coap_reply), MW_E_NOMEM, MW_E_LIMIT (options do not fit, no
 *  budget to keep a long body, or max_exchanges separate answers unacknowledged); the last two leave it open
 */
int mw_coap_respond(
	struct mw_coap *c, const struct mw_coap_reply *reply, const struct mw_coap_response *resp);
/** Acknowledges a CON notification after MW_COAP_ACK_LATER; for a NON it does nothing. */
int mw_coap_ack(struct mw_coap *c, const struct mw_coap_reply *reply);
/** After MW_COAP_ACK_LATER, when it could not be made durable: nothing is sent, and the notification counts
 * as never received, so that the device's repetition of it is taken up again. */
void mw_coap_drop(struct mw_coap *c, const struct mw_coap_reply *reply);

/** A request of ours. Strings and bytes are copied. */
struct mw_coap_send {
	struct mw_addr to;
	uint8_t code;
	const char *prefix;   /**< alternate path, e.g. "/lwm2m"; NULL or "/" = none */
	const uint16_t *path; /**< numeric Uri-Path segments */
	size_t path_len;
	const char *text_path;           /**< used instead of `path` if set: "/a/b" */
	const char *const *query;        /**< Uri-Query options, NULL-terminated; may be NULL */
	unsigned content_format, accept; /**< MW_COAP_NO_FORMAT = no option */
	struct mw_bytes payload;
	int observe;     /**< -1 = no option, 0 = register, 1 = deregister (then `token` is needed) */
	uint64_t cookie; /**< observe 0: handed to the notification callback */
	const struct mw_coap_token *token; /**< NULL = a fresh random one of 8 bytes */
	uint32_t ack_timeout_ms;           /**< 0 = the endpoint's */
	uint32_t timeout_ms;               /**< whole exchange with waiting and blocks; 0 = only protocol times */
};

/** Starts a CON request; it waits while another to the same address is in flight (NSTART = 1).
 *  @param cb  called exactly once if this succeeded, never before it returns; never if it failed
 *  @return id > 0 for mw_coap_cancel; MW_E_NOMEM, MW_E_LIMIT (queue of this peer or of all is full,
 *  or the endpoint is being freed), MW_E_ARG (also: the options do not fit) */
int64_t mw_coap_request(struct mw_coap *c, const struct mw_coap_send *rq, mw_coap_result_cb *cb, void *ud);
/** Ends a request: its callback comes with MW_E_CANCELED before this returns. MW_E_NOTFOUND if it has ended.
 */
int mw_coap_cancel(struct mw_coap *c, int64_t id);

/** Brings an observation back after a restart: the next notification with @p token goes to the callback. */
int mw_coap_observe_restore(struct mw_coap *c, const struct mw_coap_token *token, uint64_t cookie);
/** Forgets an observation: the next notification with @p token is reset, which tells the device. */
int mw_coap_observe_forget(struct mw_coap *c, const struct mw_coap_token *token);

struct mw_coap_stats {
	uint64_t received, sent, malformed, duplicates, replayed, resets_sent, acks_sent;
	uint64_t requests_received, requests_sent, retransmissions, timeouts;
	uint64_t notifications, stale_notifications, unknown_tokens, bad_options;
	uint64_t dedup_evicted; /**< answers forgotten before EXCHANGE_LIFETIME because the ring was full */
	uint64_t blocks_refused;
	uint64_t notifications_lost; /**< longer than a block, and the rest could not be fetched */
	size_t exchanges, observations, peers, block_bytes; /**< now */
};
const struct mw_coap_stats *mw_coap_stats(const struct mw_coap *c);
