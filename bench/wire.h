/** @file wire.h  storm.c's one socket: batches of datagrams to one server, from as many source addresses as
 * there are devices. The socket is bound to 0.0.0.0; IP_PKTINFO carries the device's address out and in. */
#pragma once
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	WIRE_BATCH = 128,
	WIRE_DATAGRAM_MAX = 512,
	WIRE_DEVICES_MAX = 254 * 65536, /**< 127.1.0.0 to 127.254.255.255 */
	WIRE_FIRST_ADDRESS = 0x7f010000 /**< 127.1.0.0: nothing else on the machine is likely to use it */
};
#define WIRE_NO_DEVICE UINT32_MAX

struct wire_slot {
	struct iovec iov;
	struct sockaddr_in peer;
	uint64_t control[CMSG_SPACE(sizeof(struct in_pktinfo)) / sizeof(uint64_t)];
	uint8_t data[WIRE_DATAGRAM_MAX];
};

struct wire {
	struct sockaddr_in server; /**< set it before wire_open */
	int fd;
	unsigned n_out;
	struct mmsghdr out_msgs[WIRE_BATCH], in_msgs[WIRE_BATCH];
	struct wire_slot out[WIRE_BATCH], in[WIRE_BATCH];
};

struct wire_in {
	uint32_t device; /**< WIRE_NO_DEVICE if it is for none, or not from the server */
	const uint8_t *data;
	size_t len;
};

static inline int wire_fail(const char *what)
{
	fprintf(stderr, "storm: %s: %s\n", what, strerror(errno));
	return -1;
}

static inline void wire_init_slots(struct wire *w)
{
	for (unsigned i = 0; i < WIRE_BATCH; i++) {
		struct wire_slot *o = &w->out[i], *in = &w->in[i];
		struct cmsghdr *c = (void *)o->control;
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
		o->peer = w->server;
		o->iov.iov_base = o->data;
		in->iov = (struct iovec){in->data, sizeof(in->data)};
		w->out_msgs[i].msg_hdr =
			(struct msghdr){&o->peer, sizeof(o->peer), &o->iov, 1, o->control, sizeof(o->control), 0};
		w->in_msgs[i].msg_hdr =
			(struct msghdr){&in->peer, sizeof(in->peer), &in->iov, 1, in->control, sizeof(in->control), 0};
	}
}

static inline int wire_open(struct wire *w, uint16_t port)
{
	int on = 1, buffer = 4096 * 1024;
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct timeval patience = {.tv_sec = 1};
	w->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return wire_fail("cannot open a UDP socket");
	setsockopt(w->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (setsockopt(w->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0)
		return wire_fail("IP_PKTINFO");
	if (bind(w->fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		return wire_fail("cannot bind the UDP port given by --port");
	wire_init_slots(w);
	return 0;
}

static inline void wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
}

static inline int wire_flush(struct wire *w)
{
	for (unsigned done = 0; done < w->n_out;) {
		int n = sendmmsg(w->fd, w->out_msgs + done, w->n_out - done, 0);
		if (n < 0 && errno != EINTR)
			return wire_fail("cannot send");
		done += n > 0 ? (unsigned)n : 0;
	}
	w->n_out = 0;
	return 0;
}

/** Where to write the next datagram, WIRE_DATAGRAM_MAX bytes; wire_put then queues it. NULL when sending
 * fails. */
static inline uint8_t *wire_begin(struct wire *w)
{
	if (w->n_out == WIRE_BATCH && wire_flush(w) < 0)
		return NULL;
	return w->out[w->n_out].data;
}

/** @param end  behind the last byte written at wire_begin's answer */
static inline void wire_put(struct wire *w, uint32_t device, const uint8_t *end)
{
	struct wire_slot *o = &w->out[w->n_out];
	struct in_pktinfo info = {.ipi_spec_dst = {htonl(WIRE_FIRST_ADDRESS + device)}};
	memcpy(CMSG_DATA((struct cmsghdr *)o->control), &info, sizeof(info));
	o->iov.iov_len = (size_t)(end - o->data);
	w->n_out++;
}

/** Sleeps until something can be read, at most @p ms. */
static inline int wire_wait(struct wire *w, int ms)
{
	struct pollfd p = {.fd = w->fd, .events = POLLIN};
	return poll(&p, 1, ms) < 0 && errno != EINTR ? wire_fail("poll") : 0;
}

/** Reads one batch; returns how many, 0 if there is nothing, -1 on failure. Read each with wire_datagram. */
static inline int wire_receive(struct wire *w)
{
	int n = recvmmsg(w->fd, w->in_msgs, WIRE_BATCH, MSG_DONTWAIT, NULL);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : wire_fail("cannot receive");
}

/** Once for each datagram of a batch: it makes the slot ready for the next. */
static inline struct wire_in wire_datagram(struct wire *w, int i)
{
	struct msghdr *h = &w->in_msgs[i].msg_hdr;
	struct wire_slot *slot = &w->in[i];
	struct wire_in in = {WIRE_NO_DEVICE, slot->data, w->in_msgs[i].msg_len};
	bool good = slot->peer.sin_port == w->server.sin_port &&
				slot->peer.sin_addr.s_addr == w->server.sin_addr.s_addr && !(h->msg_flags & MSG_TRUNC);
	struct cmsghdr *c = CMSG_FIRSTHDR(h); /* we asked for nothing else */
	if (good && c && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo info;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		in.device = ntohl(info.ipi_addr.s_addr) - WIRE_FIRST_ADDRESS;
	}
	h->msg_controllen = sizeof(slot->control);
	h->msg_namelen = sizeof(slot->peer);
	return in;
}
