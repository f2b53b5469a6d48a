#include "sim/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int mw_sim_udp_address(struct sockaddr_in *out, const char *host, uint16_t port, struct mw_errbuf *e)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		return mw_fail(
			e, MW_E_ARG, "\"%s\" is no IPv4 address; the simulator takes numbers like 127.0.0.1", host);
	*out = a;
	return 0;
}

int mw_sim_udp_open(const char *host, uint16_t port, struct mw_errbuf *e)
{
	struct sockaddr_in a;
	int rc = mw_sim_udp_address(&a, host ? host : "127.0.0.1", port, e);
	if (rc < 0)
		return rc;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return mw_fail(e, MW_E_IO, "cannot open a UDP socket: %s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0) {
		rc = mw_fail(
			e, MW_E_IO, "cannot bind UDP %s:%u: %s", host ? host : "127.0.0.1", port, strerror(errno));
		close(fd);
		return rc;
	}
	return fd;
}

uint16_t mw_sim_udp_port(int fd)
{
	struct sockaddr_in a = {0};
	socklen_t len = sizeof a;
	return getsockname(fd, (struct sockaddr *)&a, &len) == 0 ? ntohs(a.sin_port) : 0;
}
