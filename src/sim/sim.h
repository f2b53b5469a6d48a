/** @file sim.h  The CoAP half of one simulated device: client of /rd and server of its objects on one UDP
 * port.
 *
 * Built on libcoap's client stack, so that it checks our server with code that we did not write. What
 * requests mean (LwM2M) is the business of the caller; this file carries messages. Block-wise transfer is
 * libcoap's.
 *
 * No callback is ever called but from mw_sim_step, mw_sim_request, mw_sim_notify and mw_sim_raw. A callback
 * may call every function but mw_sim_step and mw_sim_close. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "codec/format.h"
#include "sim/relay.h"
#include <stdbool.h>
#include <stdint.h>

struct mw_sim;

struct mw_sim_option {
	uint16_t number;
	struct mw_bytes value;
};

enum { MW_SIM_OPTIONS_MAX = 48, MW_SIM_PAYLOAD_MAX = 16 << 20, MW_SIM_CON = 0, MW_SIM_NON = 1 };

/** A request or response that arrived. Everything is borrowed and valid during the callback. */
struct mw_sim_message {
	unsigned type, code; /**< type: 0 CON, 1 NON, 2 ACK; code: class << 5 | detail */
	uint16_t mid;
	struct mw_bytes token, payload; /**< a request's body is complete also when it came in blocks */
	size_t n_options;
	struct mw_sim_option options[MW_SIM_OPTIONS_MAX];
};

enum mw_sim_mode {
	MW_SIM_PIGGYBACK, /**< in the ACK */
	MW_SIM_SEPARATE,  /**< empty ACK now, a CON of its own in the next step */
	MW_SIM_SILENT,    /**< empty ACK and nothing else */
};

/** An answer or notification. */
struct mw_sim_reply {
	enum mw_sim_mode mode;
	unsigned code;
	unsigned format; /**< Content-Format, MW_FORMAT_NONE = option absent */
	bool has_observe;
	uint32_t observe;      /**< low 24 bits are sent */
	char location[64];     /**< Location-Path, segments divided by '/'; "" = none */
	struct mw_buf payload; /**< heap; in a request callback it is there to be filled */
};

struct mw_sim_events {
	/** @param reply  prepared with 5.00 and no payload; the callback fills it */
	void (*request)(void *ud, const struct mw_sim_message *req, struct mw_sim_reply *reply);
	/** Once per mw_sim_request that succeeded, unless the device is closed before.
	 *  @param res  NULL when @p err is < 0: MW_E_TIMEOUT, MW_E_RESET, MW_E_IO */
	void (*response)(void *ud, uint64_t id, const struct mw_sim_message *res, int err);
	/** A notification is unwanted (MW_E_RESET; the token is empty, @p mid tells) or was not acknowledged
	 *  (MW_E_TIMEOUT). */
	void (*refused)(void *ud, struct mw_bytes token, uint16_t mid, int err);
	mw_sim_tap_cb *tap; /**< every datagram; may be NULL */
	void *ud;
};

struct mw_sim_config {
	const char *host; /**< dotted IPv4 address of the server */
	uint16_t port;
	const char *bind_host;   /**< NULL = 127.0.0.1 */
	uint16_t bind_port;      /**< 0 = any */
	unsigned ack_timeout_ms; /**< 0 = 2000 to 3000, random; otherwise exact, from 1000 on */
	unsigned max_retransmit; /**< UINT_MAX = 4, otherwise 1 or more */
	bool is_forgetful;       /**< run repeated requests again, as badly made devices do */
};

/** @param config, events  copied. @return 0; MW_E_ARG, MW_E_IO, MW_E_NOMEM */
int mw_sim_open(struct mw_sim **out, const struct mw_sim_config *config, const struct mw_sim_events *events,
	struct mw_errbuf *e);
/** NULL is allowed. Nothing is sent, no callback comes. */
void mw_sim_close(struct mw_sim *s);

/** Descriptor that is readable when mw_sim_step has work, timers included. Changes never. */
int mw_sim_fd(const struct mw_sim *s);
/** 0 = step at once, -1 = wait for the descriptor. */
int mw_sim_timeout_ms(const struct mw_sim *s);
/** Does what is due without waiting; returns the number of datagrams that passed. */
int mw_sim_step(struct mw_sim *s);

/** Sends a request.
 *  @param type  MW_SIM_CON or MW_SIM_NON
 *  @param options  any order; those with the same number keep theirs
 *  @return id > 0 that the response callback gets; MW_E_LIMIT (32 under way), MW_E_NOMEM, MW_E_IO */
int64_t mw_sim_request(struct mw_sim *s, unsigned type, unsigned method, const struct mw_sim_option *options,
	size_t n_options, struct mw_bytes payload);
/** Sends a response that nobody waits for in a request callback: a notification or a late answer.
 *  @param path  of the request, "3303/0/5700": libcoap needs it when the payload goes out in blocks
 *  @return message id >= 0; MW_E_NOMEM, MW_E_IO */
int mw_sim_notify(struct mw_sim *s, unsigned type, struct mw_bytes token, const char *path,
	const struct mw_sim_reply *reply);
/** Sends bytes as they are from the device's port. 0 or MW_E_IO. */
int mw_sim_raw(struct mw_sim *s, struct mw_bytes datagram);
/** The next @p n datagrams of that kind suffer @p fault. */
void mw_sim_fault(struct mw_sim *s, enum mw_sim_fault fault, unsigned n);
/** Radio off or on: asleep, whatever the server sends is lost. */
void mw_sim_set_asleep(struct mw_sim *s, bool is_asleep);
/** Goes on from a new local port, as after a NAT rebinding. 0, MW_E_IO (the old port stays). */
int mw_sim_rebind(struct mw_sim *s, struct mw_errbuf *e);
/** Local port that the server sees. */
uint16_t mw_sim_port(const struct mw_sim *s);
