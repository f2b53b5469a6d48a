/** @file udp.h  UDP on libuv's loop in batches: recvmmsg in, sendmmsg out, one socket per listen address.
 *
 * We read and write the descriptor ourselves (uv_poll tells when): libuv's own UDP handle makes one system
 * call and one allocation a datagram. Loop thread only. */
#pragma once
#include "base/err.h"
#include "base/log.h"
#include "net/datagram.h"
#include <uv.h>

struct mw_udp;

/** Called with every batch read; answers sent inside are collected and leave together when it returns. */
typedef void mw_udp_recv_cb(void *ud, const struct mw_datagram *batch, size_t n);

/** What happened since the start; all of it is shown to the operator. */
struct mw_udp_stats {
	uint64_t received, received_bytes, sent, sent_bytes;
	uint64_t recv_calls, send_calls;
	uint64_t kernel_drops; /**< SO_RXQ_OVFL: datagrams that found the receive buffer full */
	uint64_t truncated;    /**< longer than MW_UDP_MAX, dropped */
	uint64_t send_failed;  /**< refused by the kernel other than by a full buffer */
	uint64_t send_dropped; /**< our own queue was full while the kernel's buffer was, or it had no memory */
};

enum { MW_UDP_MAX = 2048, MW_UDP_BATCH = 64 };

/** @param loop borrowed; @param log borrowed. NULL when out of memory. */
struct mw_udp *mw_udp_new(uv_loop_t *loop, struct mw_log *log, mw_udp_recv_cb *cb, void *ud);
/** Opens one more socket. @p host is a numeric IPv4 or IPv6 address ("0.0.0.0", "::", "127.0.0.1"): no DNS
 * here.
 *  "::" takes IPv6 only, so that "0.0.0.0" can stand beside it.
 *  @param port  0 lets the kernel choose; @param bound_port  may be NULL
 *  @return index of the socket, or MW_E_ARG, MW_E_IO (text says why and what would be right), MW_E_LIMIT */
int mw_udp_listen(
	struct mw_udp *u, const char *host, uint16_t port, uint16_t *bound_port, struct mw_errbuf *e);
/** Queues one datagram; it leaves when the current receive batch ends, or within this loop iteration.
 *  @return 0, or MW_E_LIMIT when the queue is full (counted), MW_E_ARG when `to->local` is unknown or of the
 *          other IP version, or @p len too big */
int mw_udp_send(struct mw_udp *u, const struct mw_addr *to, const void *data, size_t len);
/** Sends what is queued now, without waiting for the end of the iteration. */
void mw_udp_flush(struct mw_udp *u);
/** What `local` stands for, in a form that outlives this process: peers of a restored registration must
 * compare equal to the address that their next datagram shows. */
struct mw_udp_local {
	uint8_t ip[16]; /**< all zero = whatever the socket is bound to */
	uint32_t scope; /**< interface, for link-local addresses only */
	uint32_t sock;  /**< index of the socket, in order of mw_udp_listen */
};
/** MW_E_NOTFOUND when @p local was never given. */
int mw_udp_local_describe(const struct mw_udp *u, uint16_t local, struct mw_udp_local *out);
/** The `local` index for @p desc; the socket's own one when the table is full. MW_E_NOTFOUND: no such socket.
 */
int mw_udp_local_find(struct mw_udp *u, const struct mw_udp_local *desc);
/** Index of the socket that @p local belongs to, or MW_E_NOTFOUND. */
int mw_udp_socket_of(const struct mw_udp *u, uint16_t local);
const struct mw_udp_stats *mw_udp_stats(const struct mw_udp *u);
/** Stops and closes the sockets, frees @p u from the loop's close callback; the loop must run once more. */
void mw_udp_free(struct mw_udp *u);
