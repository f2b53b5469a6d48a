/* limit: a UDP echo server that does nothing else. What it echoes on one core is what the machine can do, so
 * it is the number that the LwM2M server is compared with. Loopback only.
 *
 *   limit [--port N] [--seconds S]     N = 0: the kernel chooses; S: it ends by itself, default 600
 *
 * Prints the bound port as its first line, ends on SIGTERM and SIGINT. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, DATAGRAM_MAX = 2048, CHECK_EVERY = 256 };

struct echo {
	int fd;
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in from[BATCH];
	uint8_t data[BATCH][DATAGRAM_MAX];
};

static int fail(const char *what)
{
	fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
	return -1;
}

static int open_socket(struct echo *e, uint16_t port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(a);
	int buffer = 4096 * 1024;
	/* recvmmsg sleeps in the kernel; the time-out lets it see signals and the end when nobody sends. */
	struct timeval idle = {.tv_usec = 100 * 1000};
	e->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (e->fd < 0)
		return fail("socket");
	setsockopt(e->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	setsockopt(e->fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
	if (bind(e->fd, (struct sockaddr *)&a, len) < 0 || getsockname(e->fd, (struct sockaddr *)&a, &len) < 0)
		return fail("cannot bind the port; is it in use?");
	printf("%u\n", ntohs(a.sin_port));
	fflush(stdout);
	return 0;
}

static void init_batch(struct echo *e)
{
	for (int i = 0; i < BATCH; i++) {
		e->iov[i] = (struct iovec){e->data[i], DATAGRAM_MAX};
		e->msgs[i].msg_hdr = (struct msghdr){.msg_name = &e->from[i],
			.msg_namelen = sizeof(e->from[i]),
			.msg_iov = &e->iov[i],
			.msg_iovlen = 1};
	}
}

/* One batch in, the same batch out; returns the number of datagrams, or -1. */
static int echo_batch(struct echo *e)
{
	int n = recvmmsg(e->fd, e->msgs, BATCH, MSG_WAITFORONE, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : fail("recvmmsg");
	for (int i = 0; i < n; i++)
		e->iov[i].iov_len = e->msgs[i].msg_len;
	for (int sent = 0; sent < n;) {
		int k = sendmmsg(e->fd, e->msgs + sent, (unsigned)(n - sent), 0);
		sent += k > 0 ? k : 1; /* one that cannot be sent is left out */
	}
	for (int i = 0; i < n; i++) {
		e->iov[i].iov_len = DATAGRAM_MAX;
		e->msgs[i].msg_hdr.msg_namelen = sizeof(e->from[i]);
	}
	return n;
}

static int serve(struct echo *e, const sigset_t *stop, long seconds)
{
	uint64_t total = 0;
	time_t end = time(NULL) + seconds;
	for (unsigned round = 1;; round++) {
		int n = echo_batch(e);
		if (n < 0)
			return EXIT_FAILURE;
		total += (unsigned)n;
		if (n && round % CHECK_EVERY)
			continue;
		if (sigtimedwait(stop, NULL, &(struct timespec){0}) > 0 || time(NULL) >= end)
			break;
	}
	fprintf(stderr, "limit: echoed %llu datagrams\n", (unsigned long long)total);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	long port = 0, seconds = 600;
	for (int i = 1; i < argc; i += 2) {
		char *end = NULL;
		long v = i + 1 < argc ? strtol(argv[i + 1], &end, 10) : -1;
		bool number = end && !*end && v >= 0;
		if (number && !strcmp(argv[i], "--port") && v <= 65535) {
			port = v;
		} else if (number && !strcmp(argv[i], "--seconds") && v <= 86400) {
			seconds = v;
		} else {
			fprintf(stderr, "usage: limit [--port 0..65535] [--seconds 0..86400]\n");
			return 2;
		}
	}
	sigset_t stop;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	struct echo *e = calloc(1, sizeof(*e));
	if (!e)
		return EXIT_FAILURE;
	int rc = EXIT_FAILURE;
	if (open_socket(e, (uint16_t)port) == 0) {
		init_batch(e);
		rc = serve(e, &stop, seconds);
	}
	if (e->fd >= 0)
		close(e->fd);
	free(e);
	return rc;
}
