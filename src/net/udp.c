#include "net/udp.h"
#include "base/hash.h"
#include "base/random.h"
#include "net/bind.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAX_SOCKETS = 16,
	MAX_LOCALS = 1024,       /* local addresses learned on wildcard sockets; beyond, the kernel chooses */
	QUEUE = 1024,            /* datagrams waiting to be sent, a socket; a power of two */
	BATCHES_PER_WAKEUP = 16, /* then other handles of the loop get their turn */
};

union peer {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	uint64_t align;
};

/* Room for what we ask the kernel to tell with a datagram: where it was sent to, and how many were lost. */
union recv_control {
	size_t align; /* as struct cmsghdr, whose flexible end may not stand in an array */
	uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint32_t))];
};

union send_control {
	size_t align;
	uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct send_queue {
	struct mmsghdr msgs[QUEUE];
	struct iovec iov[QUEUE];
	union peer to[QUEUE];
	union send_control control[QUEUE];
	uint8_t data[QUEUE][MW_UDP_MAX];
};

struct sock {
	struct mw_udp *u;
	uv_poll_t poll;
	int fd;
	uint32_t index;
	bool v6, wildcard;
	bool blocked;         /* the kernel's send buffer is full: we wait for UV_WRITABLE */
	uint16_t last_local;  /* most datagrams come to the address that the one before came to */
	uint32_t drops;       /* last SO_RXQ_OVFL value; it wraps */
	uint32_t head, count; /* of the queue */
	uint64_t warned[3];   /* errno values that were logged already, as bits */
	struct send_queue *q;
};

struct recv_batch {
	struct mmsghdr msgs[MW_UDP_BATCH];
	struct iovec iov[MW_UDP_BATCH];
	union peer from[MW_UDP_BATCH];
	union recv_control control[MW_UDP_BATCH];
	struct mw_datagram out[MW_UDP_BATCH];
	uint8_t data[MW_UDP_BATCH][MW_UDP_MAX];
};

struct mw_udp {
	uv_loop_t *loop;
	struct mw_log *log;
	mw_udp_recv_cb *cb;
	void *ud;
	uv_prepare_t before_poll; /* both send what timers and other handles queued */
	uv_check_t after_poll;
	unsigned open_handles;
	bool closing;
	struct mw_udp_stats stats;
	uint32_t n_socks;
	struct sock *socks[MAX_SOCKETS];
	/* Rows 0..MAX_SOCKETS-1 are the sockets themselves, so that a socket's index is its default `local`. */
	uint32_t n_locals;
	struct mw_udp_local locals[MAX_SOCKETS + MAX_LOCALS]; /* hashed as they are: no padding in them */
	struct mw_index by_ip;
	struct mw_hash_key key;
	struct recv_batch in;
};

/* True the first time for each errno of a socket: a peer must not be able to fill the log. */
static bool first_time(struct sock *s, int err)
{
	if (err < 0 || err >= 192)
		return true;
	uint64_t bit = 1ull << (err % 64), *word = &s->warned[err / 64];
	bool first = !(*word & bit);
	*word |= bit;
	return first;
}

/* Local addresses */

static bool local_eq(const void *ud, uint32_t id, const void *key)
{
	const struct mw_udp *u = ud;
	return memcmp(&u->locals[id], key, sizeof(struct mw_udp_local)) == 0;
}

static uint16_t local_index(struct sock *s, const struct mw_udp_local *key)
{
	struct mw_udp *u = s->u;
	if (local_eq(u, s->last_local, key))
		return s->last_local;
	uint64_t hash = mw_hash(&u->key, key, sizeof(*key));
	uint32_t id = mw_index_find(&u->by_ip, hash, local_eq, u, key);
	if (id == MW_INDEX_NONE) {
		if (u->n_locals == MAX_SOCKETS + MAX_LOCALS || mw_index_add(&u->by_ip, hash, u->n_locals) < 0)
			return (uint16_t)s->index;
		id = u->n_locals++;
		u->locals[id] = *key;
		if (u->n_locals == MAX_SOCKETS + MAX_LOCALS)
			MW_LOG(u->log, WARN, NET,
				"%d local addresses are in use; answers to peers of further ones leave from an address that "
				"the kernel chooses",
				MAX_LOCALS);
	}
	s->last_local = (uint16_t)id;
	return s->last_local;
}

/* The address that a datagram was sent to. A multicast address cannot be answered from: the default then. */
static uint16_t local_from_pktinfo(struct sock *s, struct cmsghdr *c)
{
	struct mw_udp_local key = {.sock = s->index};
	if (s->v6) {
		struct in6_pktinfo info;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr) || IN6_IS_ADDR_UNSPECIFIED(&info.ipi6_addr))
			return (uint16_t)s->index;
		memcpy(key.ip, &info.ipi6_addr, 16);
		if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
			key.scope = (uint32_t)info.ipi6_ifindex;
	} else {
		/* ipi_spec_dst, not ipi_addr: for a broadcast it is the address to answer from. */
		struct in_pktinfo info;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		if (info.ipi_spec_dst.s_addr == INADDR_ANY)
			return (uint16_t)s->index;
		memset(key.ip + 10, 0xff, 2);
		memcpy(key.ip + 12, &info.ipi_spec_dst, 4);
	}
	return local_index(s, &key);
}

/* Sending */

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct sock *s, int events)
{
	int err = uv_poll_start(&s->poll, events, on_poll);
	s->blocked = events & UV_WRITABLE;
	if (err && first_time(s, -err))
		MW_LOG(s->u->log, ERROR, NET, "socket %u cannot be polled: %s", s->index, uv_strerror(err));
}

/* The datagram at the head cannot be sent: without it the rest goes on. */
static void drop_head(struct sock *s, int err)
{
	struct mw_udp *u = s->u;
	if (err == ENOBUFS || err == ENOMEM)
		u->stats.send_dropped++;
	else
		u->stats.send_failed++;
	if (first_time(s, err) && MW_LOG_ON(u->log, WARN, NET)) {
		char text[MW_ADDR_TEXT_MAX];
		struct mw_addr to;
		mw_addr_from_sockaddr(&to, &s->q->to[s->head].sa, 0);
		MW_LOG(u->log, WARN, NET, "cannot send to %s: %s (further ones are counted, not logged)",
			mw_addr_print(&to, text), strerror(err));
	}
	s->head = (s->head + 1) % QUEUE;
	s->count--;
}

static void flush_socket(struct sock *s)
{
	struct mw_udp_stats *st = &s->u->stats;
	while (s->count) {
		uint32_t run = s->count < QUEUE - s->head ? s->count : QUEUE - s->head;
		int n = sendmmsg(s->fd, s->q->msgs + s->head, run, MSG_DONTWAIT);
		st->send_calls++;
		if (n < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN || errno == EWOULDBLOCK) {
				if (!s->blocked)
					watch(s, UV_READABLE | UV_WRITABLE);
				return;
			}
			drop_head(s, errno);
			continue;
		}
		for (uint32_t i = s->head; i < s->head + (uint32_t)n; i++)
			st->sent_bytes += s->q->msgs[i].msg_len;
		st->sent += (uint32_t)n;
		s->head = (s->head + (uint32_t)n) % QUEUE;
		s->count -= (uint32_t)n;
	}
	s->head = 0; /* the first slots are still in the processor's cache */
	if (s->blocked)
		watch(s, UV_READABLE);
}

void mw_udp_flush(struct mw_udp *u)
{
	for (uint32_t i = 0; i < u->n_socks; i++)
		if (u->socks[i]->count && !u->socks[i]->blocked)
			flush_socket(u->socks[i]);
}

/* Only a wildcard socket needs to be told the source; a bound one has no other. */
static void set_source(struct sock *s, uint32_t slot, uint16_t index)
{
	const struct mw_udp_local *local = &s->u->locals[index];
	struct msghdr *m = &s->q->msgs[slot].msg_hdr;
	struct cmsghdr *c = m->msg_control;
	if (index < MAX_SOCKETS) {
		m->msg_controllen = 0;
	} else if (s->v6) {
		struct in6_pktinfo info = {.ipi6_ifindex = local->scope};
		memcpy(&info.ipi6_addr, local->ip, 16);
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		m->msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		/* No interface: the routing table knows better than the interface that the request came in by. */
		struct in_pktinfo info = {0};
		memcpy(&info.ipi_spec_dst, local->ip + 12, 4);
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		m->msg_controllen = CMSG_SPACE(sizeof(info));
	}
}

int mw_udp_send(struct mw_udp *u, const struct mw_addr *to, const void *data, size_t len)
{
	int index = mw_udp_socket_of(u, to->local);
	if (index < 0 || len > MW_UDP_MAX || u->closing)
		return MW_E_ARG;
	struct sock *s = u->socks[index];
	if (s->v6 == mw_addr_is_v4(to))
		return MW_E_ARG;
	if (s->count == QUEUE && !s->blocked)
		flush_socket(s);
	if (s->count == QUEUE) {
		u->stats.send_dropped++;
		return MW_E_LIMIT;
	}
	uint32_t slot = (s->head + s->count++) % QUEUE;
	s->q->msgs[slot].msg_hdr.msg_namelen = mw_addr_to_sockaddr(to, s->v6, (void *)&s->q->to[slot]);
	s->q->iov[slot].iov_len = len;
	if (len)
		memcpy(s->q->data[slot], data, len);
	if (s->wildcard)
		set_source(s, slot, to->local);
	return 0;
}

/* Receiving */

static void prepare_slot(struct recv_batch *in, unsigned i)
{
	in->msgs[i].msg_hdr.msg_namelen = sizeof(in->from[i]);
	in->msgs[i].msg_hdr.msg_controllen = sizeof(in->control[i]);
}

/* The counter is the socket's total at the time when the datagram was queued. It may step back a little, as
 * each processor counts for itself, and wraps: only a step forward counts. */
static void count_drops(struct sock *s, struct cmsghdr *c)
{
	uint32_t total;
	memcpy(&total, CMSG_DATA(c), sizeof(total));
	uint32_t step = total - s->drops;
	if (step == 0 || step > UINT32_MAX / 2)
		return;
	s->drops = total;
	s->u->stats.kernel_drops += step;
}

static uint16_t read_control(struct sock *s, struct msghdr *m)
{
	uint16_t local = (uint16_t)s->index;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
			count_drops(s, c);
		else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) ||
				 (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO))
			local = local_from_pktinfo(s, c);
	}
	return local;
}

/* Turns what recvmmsg wrote into `in.out`; returns how many datagrams are good. */
static size_t collect(struct sock *s, unsigned n)
{
	struct mw_udp *u = s->u;
	size_t good = 0;
	for (unsigned i = 0; i < n; i++) {
		struct mmsghdr *m = &u->in.msgs[i];
		struct mw_datagram *d = &u->in.out[good];
		uint16_t local = read_control(s, &m->msg_hdr);
		if (m->msg_hdr.msg_flags & MSG_TRUNC) {
			u->stats.truncated++;
		} else if (mw_addr_from_sockaddr(&d->from, &u->in.from[i].sa, local) == 0) {
			d->data = u->in.data[i];
			d->len = m->msg_len;
			u->stats.received_bytes += m->msg_len;
			good++;
		}
		prepare_slot(&u->in, i);
	}
	u->stats.received += good;
	return good;
}

static void receive(struct sock *s)
{
	struct mw_udp *u = s->u;
	for (int i = 0; i < BATCHES_PER_WAKEUP && !u->closing; i++) {
		int n = recvmmsg(s->fd, u->in.msgs, MW_UDP_BATCH, MSG_DONTWAIT, NULL);
		u->stats.recv_calls++;
		if (n <= 0) {
			if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && first_time(s, errno))
				MW_LOG(u->log, WARN, NET, "reading from socket %u failed: %s", s->index, strerror(errno));
			return;
		}
		size_t good = collect(s, (unsigned)n);
		if (good)
			u->cb(u->ud, u->in.out, good);
		if (u->closing)
			return;
		mw_udp_flush(u);
		if (n < MW_UDP_BATCH)
			return; /* drained; saves the call that would only say so */
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct sock *s = poll->data;
	if (status < 0) {
		/* libuv stopped watching because of an error kept by the socket; reading it clears it. */
		int err = 0;
		socklen_t len = sizeof(err);
		getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (first_time(s, err))
			MW_LOG(s->u->log, WARN, NET, "socket %u reports: %s", s->index, strerror(err));
		watch(s, s->blocked ? UV_READABLE | UV_WRITABLE : UV_READABLE);
		return;
	}
	if (events & UV_WRITABLE)
		flush_socket(s);
	if (events & UV_READABLE)
		receive(s);
}

static void on_prepare(uv_prepare_t *h)
{
	mw_udp_flush(h->data);
}

static void on_check(uv_check_t *h)
{
	mw_udp_flush(h->data);
}

/* Opening and closing */

/* Writes all of the queue's headers that never change. */
static void init_queue(struct sock *s)
{
	struct send_queue *q = s->q;
	for (unsigned i = 0; i < QUEUE; i++) {
		q->iov[i].iov_base = q->data[i];
		q->msgs[i].msg_hdr = (struct msghdr){.msg_name = &q->to[i], .msg_iov = &q->iov[i], .msg_iovlen = 1};
		if (!s->wildcard)
			continue;
		q->msgs[i].msg_hdr.msg_control = &q->control[i];
		struct cmsghdr *c = (void *)&q->control[i];
		c->cmsg_level = s->v6 ? IPPROTO_IPV6 : IPPROTO_IP;
		c->cmsg_type = s->v6 ? IPV6_PKTINFO : IP_PKTINFO;
		c->cmsg_len = s->v6 ? CMSG_LEN(sizeof(struct in6_pktinfo)) : CMSG_LEN(sizeof(struct in_pktinfo));
	}
}

int mw_udp_listen(
	struct mw_udp *u, const char *host, uint16_t port, uint16_t *bound_port, struct mw_errbuf *e)
{
	if (u->n_socks == MAX_SOCKETS)
		return mw_fail(e, MW_E_LIMIT,
			"cannot listen on UDP %s port %u: %d sockets are open, no more are possible", host, port,
			MAX_SOCKETS);
	struct mw_bound bound;
	int rc = mw_bind_udp(&bound, host, port, u->log, e);
	if (rc < 0)
		return rc;
	struct sock *s = calloc(1, sizeof(*s));
	struct send_queue *q = calloc(1, sizeof(*q));
	if (!s || !q) {
		rc = mw_fail(e, MW_E_NOMEM, "cannot listen on UDP %s port %u: out of memory", host, port);
		goto fail;
	}
	*s = (struct sock){.u = u, .q = q, .fd = bound.fd, .v6 = bound.v6, .wildcard = bound.wildcard};
	s->index = u->n_socks;
	s->last_local = (uint16_t)s->index;
	init_queue(s);
	rc = uv_poll_init(u->loop, &s->poll, s->fd);
	if (rc < 0) {
		rc = mw_fail(e, MW_E_IO, "cannot poll UDP %s port %u: %s", host, port, uv_strerror(rc));
		goto fail;
	}
	s->poll.data = s;
	u->open_handles++;
	u->socks[u->n_socks++] = s;
	watch(s, UV_READABLE);
	if (bound_port)
		*bound_port = bound.port;
	return (int)s->index;
fail:
	free(q);
	free(s);
	close(bound.fd);
	return rc;
}

struct mw_udp *mw_udp_new(uv_loop_t *loop, struct mw_log *log, mw_udp_recv_cb *cb, void *ud)
{
	struct mw_udp *u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->loop = loop;
	u->log = log;
	u->cb = cb;
	u->ud = ud;
	u->n_locals = MAX_SOCKETS;
	mw_random(&u->key, sizeof(u->key));
	mw_index_init(&u->by_ip);
	for (uint32_t i = 0; i < MAX_SOCKETS; i++)
		u->locals[i].sock = i;
	for (unsigned i = 0; i < MW_UDP_BATCH; i++) {
		u->in.iov[i] = (struct iovec){.iov_base = u->in.data[i], .iov_len = MW_UDP_MAX};
		u->in.msgs[i].msg_hdr = (struct msghdr){.msg_name = &u->in.from[i],
			.msg_iov = &u->in.iov[i],
			.msg_iovlen = 1,
			.msg_control = &u->in.control[i]};
		prepare_slot(&u->in, i);
	}
	uv_prepare_init(loop, &u->before_poll);
	uv_check_init(loop, &u->after_poll);
	u->before_poll.data = u->after_poll.data = u;
	uv_prepare_start(&u->before_poll, on_prepare);
	uv_check_start(&u->after_poll, on_check);
	/* The sockets keep the loop alive, not these. */
	uv_unref((uv_handle_t *)&u->before_poll);
	uv_unref((uv_handle_t *)&u->after_poll);
	u->open_handles = 2;
	return u;
}

int mw_udp_local_describe(const struct mw_udp *u, uint16_t local, struct mw_udp_local *out)
{
	if (mw_udp_socket_of(u, local) < 0)
		return MW_E_NOTFOUND;
	*out = u->locals[local];
	return 0;
}

int mw_udp_local_find(struct mw_udp *u, const struct mw_udp_local *desc)
{
	static const uint8_t none[16];
	if (desc->sock >= u->n_socks)
		return MW_E_NOTFOUND;
	if (!u->socks[desc->sock]->wildcard || !memcmp(desc->ip, none, sizeof(none)))
		return (int)desc->sock;
	return local_index(u->socks[desc->sock], desc);
}

int mw_udp_socket_of(const struct mw_udp *u, uint16_t local)
{
	if (local >= u->n_locals || u->locals[local].sock >= u->n_socks)
		return MW_E_NOTFOUND;
	return (int)u->locals[local].sock;
}

const struct mw_udp_stats *mw_udp_stats(const struct mw_udp *u)
{
	return &u->stats;
}

static void handle_gone(struct mw_udp *u)
{
	if (--u->open_handles)
		return;
	for (uint32_t i = 0; i < u->n_socks; i++) {
		free(u->socks[i]->q);
		free(u->socks[i]);
	}
	mw_index_deinit(&u->by_ip);
	free(u);
}

static void on_sock_closed(uv_handle_t *h)
{
	handle_gone(((struct sock *)h->data)->u);
}

static void on_closed(uv_handle_t *h)
{
	handle_gone(h->data);
}

void mw_udp_free(struct mw_udp *u)
{
	if (!u || u->closing)
		return;
	mw_udp_flush(u);
	u->closing = true;
	for (uint32_t i = 0; i < u->n_socks; i++) {
		uv_close((uv_handle_t *)&u->socks[i]->poll, on_sock_closed);
		close(u->socks[i]->fd);
	}
	uv_close((uv_handle_t *)&u->before_poll, on_closed);
	uv_close((uv_handle_t *)&u->after_poll, on_closed);
}
