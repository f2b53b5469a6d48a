#include "net/bind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECV_BUFFER = 4096 * 1024, SEND_BUFFER = 1024 * 1024 };

union peer {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static int parse_host(const char *host, uint16_t port, union peer *out, struct mw_errbuf *e)
{
	*out = (union peer){.in = {.sin_family = AF_INET, .sin_port = htons(port)}};
	if (inet_pton(AF_INET, host, &out->in.sin_addr) == 1)
		return 0;
	char ip[INET6_ADDRSTRLEN] = "";
	size_t len = strcspn(host, "%");
	if (len < sizeof(ip))
		memcpy(ip, host, len);
	*out = (union peer){.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
	if (inet_pton(AF_INET6, ip, &out->in6.sin6_addr) != 1)
		return mw_fail(e, MW_E_ARG,
			"cannot listen on \"%s\": not a numeric IP address; write it like \"0.0.0.0\", \"192.0.2.1\", "
			"\"::\" or \"fe80::1%%eth0\"",
			host);
	if (IN6_IS_ADDR_V4MAPPED(&out->in6.sin6_addr))
		return mw_fail(
			e, MW_E_ARG, "cannot listen on \"%s\": write the IPv4 address alone, like \"192.0.2.1\"", host);
	if (host[len] == '%') {
		out->in6.sin6_scope_id = if_nametoindex(host + len + 1);
		if (!out->in6.sin6_scope_id)
			return mw_fail(e, MW_E_ARG,
				"cannot listen on \"%s\": there is no interface \"%s\"; `ip link` lists them", host,
				host + len + 1);
	} else if (IN6_IS_ADDR_LINKLOCAL(&out->in6.sin6_addr)) {
		return mw_fail(e, MW_E_ARG,
			"cannot listen on \"%s\": a link-local address needs its interface, as in \"%s%%eth0\"", host,
			host);
	}
	return 0;
}

static int bind_failed(int err, const char *host, uint16_t port, struct mw_errbuf *e)
{
	switch (err) {
	case EADDRINUSE:
		return mw_fail(e, MW_E_IO,
			"cannot listen on UDP %s port %u: the port is in use (`ss -lunp` shows by which program); stop "
			"that one or choose another port, 0 takes any free one",
			host, port);
	case EADDRNOTAVAIL:
		return mw_fail(e, MW_E_IO,
			"cannot listen on UDP %s port %u: no interface of this machine has that address (`ip addr` lists "
			"them); 0.0.0.0 or :: takes all of them",
			host, port);
	case EACCES:
		return mw_fail(e, MW_E_IO,
			"cannot listen on UDP %s port %u: not permitted; ports below 1024 need root or "
			"CAP_NET_BIND_SERVICE, or choose a higher port",
			host, port);
	case EAFNOSUPPORT:
		return mw_fail(e, MW_E_IO,
			"cannot listen on UDP %s port %u: this machine has no IPv6; listen on an IPv4 address", host,
			port);
	default:
		return mw_fail(e, MW_E_IO, "cannot listen on UDP %s port %u: %s", host, port, strerror(err));
	}
}

/* The kernel cuts a buffer size to its own maximum without a word, so we look at what came of it. */
static void size_buffers(struct mw_log *log, int fd, const char *host)
{
	int want = RECV_BUFFER, send = SEND_BUFFER, got = 0;
	socklen_t len = sizeof(got);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send, sizeof(send));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
	getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len);
	got /= 2; /* the kernel doubles it for its own book-keeping, and tells the double */
	if (got < want)
		MW_LOG(log, WARN, NET,
			"UDP %s: receive buffer is %d KiB instead of %d; datagrams get lost earlier in bursts "
			"(`sysctl net.core.rmem_max=%d` allows more)",
			host, got / 1024, want / 1024, want);
	else
		MW_LOG(log, INFO, NET, "UDP %s: receive buffer is %d KiB", host, got / 1024);
}

static bool is_wildcard(const union peer *at)
{
	if (at->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&at->in6.sin6_addr);
	return at->in.sin_addr.s_addr == INADDR_ANY;
}

int mw_bind_udp(
	struct mw_bound *out, const char *host, uint16_t port, struct mw_log *log, struct mw_errbuf *e)
{
	union peer at;
	int rc = parse_host(host, port, &at, e);
	if (rc < 0)
		return rc;
	const int on = 1;
	bool v6 = at.sa.sa_family == AF_INET6, wildcard = is_wildcard(&at);
	socklen_t len = v6 ? sizeof(at.in6) : sizeof(at.in);
	int fd = socket(at.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
	if (fd < 0)
		return bind_failed(errno, host, port, e);
	/* All before bind: a datagram that is queued earlier would come without its local address. */
	if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		goto fail;
	if (wildcard && !v6 && setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0)
		goto fail;
	if (wildcard && v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0)
		goto fail;
	setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	size_buffers(log, fd, host);
	if (bind(fd, &at.sa, len) < 0 || getsockname(fd, &at.sa, &len) < 0)
		goto fail;
	*out = (struct mw_bound){fd, v6, wildcard, ntohs(v6 ? at.in6.sin6_port : at.in.sin_port)};
	return 0;
fail:
	rc = bind_failed(errno, host, port, e);
	close(fd);
	return rc;
}
