/** @file bind.h  Opens one UDP socket as net/udp.c wants it, and says what is wrong when that fails. */
#pragma once
#include "base/err.h"
#include "base/log.h"
#include <stdbool.h>
#include <stdint.h>

struct mw_bound {
	int fd; /**< nonblocking, close-on-exec; the caller closes it */
	bool v6;
	bool wildcard; /**< bound to no address: the local address of each datagram comes as IP(V6)_PKTINFO */
	uint16_t port; /**< the kernel's choice if 0 was asked for */
};

/** Opens and binds. The socket tells losses by SO_RXQ_OVFL; an IPv6 one takes IPv6 only.
 *  @param host  numeric, "fe80::1%eth0" with its interface; no DNS
 *  @return 0, or MW_E_ARG (host), MW_E_IO */
int mw_bind_udp(
	struct mw_bound *out, const char *host, uint16_t port, struct mw_log *log, struct mw_errbuf *e);
