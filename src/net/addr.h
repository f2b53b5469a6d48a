/** @file addr.h  A peer's address as this host sees it, in 24 bytes that can be hashed and compared as they
 * are. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/** No padding; every byte takes part in comparison. `local` names the socket and the local IP address that
 * the peer used (an index into the table of net/udp.c), so that answers and requests leave from where the
 * device knows us. */
struct mw_addr {
	uint8_t ip[16]; /**< IPv4 as v4-mapped ::ffff:a.b.c.d */
	uint32_t scope; /**< IPv6 link-local interface, else 0 */
	uint16_t port;  /**< host byte order */
	uint16_t local;
};

enum { MW_ADDR_TEXT_MAX = 72 };

static inline bool mw_addr_eq(const struct mw_addr *a, const struct mw_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool mw_addr_is_v4(const struct mw_addr *a);
/** From a sockaddr_in or sockaddr_in6; `local` becomes @p local. MW_E_ARG for another family. */
int mw_addr_from_sockaddr(struct mw_addr *out, const struct sockaddr *sa, uint16_t local);
/** @param v6_socket  write a v4-mapped sockaddr_in6 even for IPv4
 *  @return length of the sockaddr written */
socklen_t mw_addr_to_sockaddr(const struct mw_addr *a, bool v6_socket, struct sockaddr_storage *out);
/** "192.0.2.1:5683" or "[2001:db8::1]:5683"; at most MW_ADDR_TEXT_MAX bytes with NUL; returns @p out. */
const char *mw_addr_print(const struct mw_addr *a, char *out);
