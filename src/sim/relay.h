/** @file relay.h  The wire between libcoap and the server, where a spec can cut, cross or tap it.
 *
 * libcoap talks to `inner`, the server sees `outer`. What passes here can be lost, doubled or watched, and
 * raw bytes leave from the device's own port. libcoap 4.3.1 answers a retransmitted request by running it
 * again, so the relay also keeps RFC 7252, section 4.2: a repeated message gets the same answer, its request
 * is not run twice. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

enum mw_sim_fault {
	MW_SIM_DROP_IN,      /**< datagrams from the server */
	MW_SIM_DROP_OUT,     /**< datagrams to the server */
	MW_SIM_DROP_REQUEST, /**< only requests from the server */
	MW_SIM_TWICE_OUT,    /**< datagrams to the server are sent twice */
	MW_SIM_N_FAULTS,
};

/** @param what  "in", "out", or with a reason why it was not passed on: "in dropped", "in repeated", ... */
typedef void mw_sim_tap_cb(void *ud, const char *what, struct mw_bytes datagram);

/** A request that was seen, with the answer that went out (NULL until then). */
struct mw_sim_seen {
	bool is_used;
	uint16_t mid;
	uint8_t *reply;
	size_t reply_len;
};

enum { MW_SIM_SEEN = 16 };

struct mw_sim_relay {
	int outer, inner;                 /**< -1 when closed */
	bool is_asleep;                   /**< radio off: nothing comes in */
	bool is_forgetful;                /**< repeated requests are handed to libcoap again */
	unsigned faults[MW_SIM_N_FAULTS]; /**< how many of the next datagrams suffer it */
	struct mw_sim_seen seen[MW_SIM_SEEN];
	unsigned seen_at;
	mw_sim_tap_cb *tap; /**< may be NULL */
	/** A Reset came from the server. libcoap reports it only for what it still retransmits, so not for a NON.
	 */
	void (*reset)(void *ud, uint16_t mid);
	void *ud;
};

/** Opens both sockets. @param bind_host NULL = 127.0.0.1; @param bind_port 0 = any
 *  @return 0; MW_E_ARG, MW_E_IO. On failure there is nothing to close. */
int mw_sim_relay_open(struct mw_sim_relay *r, const char *host, uint16_t port, const char *bind_host,
	uint16_t bind_port, struct mw_errbuf *e);
void mw_sim_relay_close(struct mw_sim_relay *r);
/** Tells where libcoap's socket is. */
int mw_sim_relay_join(struct mw_sim_relay *r, uint16_t port, struct mw_errbuf *e);
/** Moves what waits on one side to the other; returns the number of datagrams looked at. */
int mw_sim_relay_pump_in(struct mw_sim_relay *r);
int mw_sim_relay_pump_out(struct mw_sim_relay *r);
/** Sends bytes as they are from the device's port. 0 or MW_E_IO. */
int mw_sim_relay_raw(struct mw_sim_relay *r, struct mw_bytes datagram);
