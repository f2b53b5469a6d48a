/** @file udp.h  Plain IPv4 datagram sockets of the simulator: non-blocking, for loopback. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include <netinet/in.h>
#include <stdint.h>

/** Opens a non-blocking socket bound to @p host (NULL = "127.0.0.1") and @p port (0 = any free one).
 *  @return the descriptor; MW_E_ARG (host is no IPv4 address), MW_E_IO */
int mw_sim_udp_open(const char *host, uint16_t port, struct mw_errbuf *e);
/** Fills @p out; MW_E_ARG when @p host is no dotted IPv4 address. "localhost" is taken as 127.0.0.1. */
int mw_sim_udp_address(struct sockaddr_in *out, const char *host, uint16_t port, struct mw_errbuf *e);
/** Local port of the socket, 0 on failure. */
uint16_t mw_sim_udp_port(int fd);
