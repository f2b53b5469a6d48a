/* UDP over real loopback sockets; the answers of the kernel that loopback never gives are injected below. */
#include "net/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Stand between udp.c and the kernel. The functions have libc's names, so their state must be static. */
/* The `local` of a socket whose peers were not heard yet. */
static int local_of_socket(struct mw_udp *u, unsigned sock)
{
	const struct mw_udp_local desc = {.sock = sock};
	return mw_udp_local_find(u, &desc);
}

static struct {
	int send_errno;       /* what sendmmsg answers instead of sending; 0 = nothing */
	unsigned send_good;   /* after that many datagrams */
	unsigned send_most;   /* at most so many a call; 0 = no limit */
	const uint32_t *ovfl; /* SO_RXQ_OVFL value for each datagram received */
} inject;

int sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
	if (inject.send_errno && inject.send_good == 0) {
		errno = inject.send_errno;
		return -1;
	}
	if (inject.send_errno && n > inject.send_good)
		n = inject.send_good;
	if (inject.send_most && n > inject.send_most)
		n = inject.send_most;
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(msgs[i].msg_hdr.msg_iovlen, 1); /* not behind the end of the ring */
	int rc = (int)syscall(SYS_sendmmsg, fd, msgs, n, flags);
	if (inject.send_errno && rc > 0)
		inject.send_good -= (unsigned)rc;
	return rc;
}

int recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags, struct timespec *timeout)
{
	int rc = (int)syscall(SYS_recvmmsg, fd, msgs, n, flags, timeout);
	for (int i = 0; inject.ovfl && i < rc; i++) {
		struct msghdr *m = &msgs[i].msg_hdr;
		m->msg_controllen = CMSG_SPACE(sizeof(uint32_t));
		struct cmsghdr *c = CMSG_FIRSTHDR(m);
		*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SO_RXQ_OVFL};
		c->cmsg_len = CMSG_LEN(sizeof(uint32_t));
		memcpy(CMSG_DATA(c), inject.ovfl++, sizeof(uint32_t));
	}
	return rc;
}

enum mode { MODE_COUNT, MODE_ECHO, MODE_FREE };

struct fixture {
	uv_loop_t loop;
	uv_timer_t guard;
	struct mw_log log;
	char logged[1024];
	int n_warnings;
	struct mw_udp *u;
	enum mode mode;
	size_t seen, largest;
	struct mw_addr from; /* of the last datagram */
	uint8_t first[4096]; /* first byte of each datagram */
};

static void on_log(
	void *ud, enum mw_log_level level, enum mw_log_group group, const char *file, int line, const char *text)
{
	struct fixture *f = ud;
	(void)group, (void)file, (void)line;
	f->n_warnings += level <= MW_LOG_WARN;
	snprintf(f->logged, sizeof(f->logged), "%s", text);
}

static void on_batch(void *ud, const struct mw_datagram *batch, size_t n)
{
	struct fixture *f = ud;
	if (n > f->largest)
		f->largest = n;
	for (size_t i = 0; i < n; i++) {
		f->from = batch[i].from;
		f->first[f->seen++ % sizeof(f->first)] = batch[i].len ? batch[i].data[0] : 0;
		if (f->mode == MODE_ECHO)
			assert_int_equal(mw_udp_send(f->u, &batch[i].from, batch[i].data, batch[i].len), 0);
	}
	if (f->mode == MODE_FREE) {
		mw_udp_free(f->u);
		f->u = NULL;
	}
}

static void on_guard(uv_timer_t *t)
{
	(void)t;
	fail_msg("nothing happened for 10 s");
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	memset(&inject, 0, sizeof(inject));
	mw_log_init(&f->log, on_log, f, MW_LOG_TRACE);
	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->guard);
	f->u = mw_udp_new(&f->loop, &f->log, on_batch, f);
	assert_non_null(f->u);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	memset(&inject, 0, sizeof(inject));
	mw_udp_free(f->u);
	uv_close((uv_handle_t *)&f->guard, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	int rc = uv_loop_close(&f->loop); /* fails when a handle was left */
	free(f);
	return rc;
}

static void run_until_seen(struct fixture *f, size_t n)
{
	uv_timer_start(&f->guard, on_guard, 10000, 0);
	while (f->seen < n)
		uv_run(&f->loop, UV_RUN_ONCE);
	uv_timer_stop(&f->guard);
	assert_int_equal(f->seen, n);
}

static struct sockaddr_in v4(const char *ip, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	assert_int_equal(inet_pton(AF_INET, ip, &a.sin_addr), 1);
	return a;
}

static struct sockaddr_in6 v6(const char *ip, uint16_t port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	assert_int_equal(inet_pton(AF_INET6, ip, &a.sin6_addr), 1);
	return a;
}

/* A plain socket of the other side, on 127.0.0.1 or ::1. */
static int client(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), big = 4 << 20;
	assert_true(fd >= 0);
	struct sockaddr_in a = v4("127.0.0.1", 0);
	struct sockaddr_in6 a6 = v6("::1", 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	if (family == AF_INET)
		assert_int_equal(bind(fd, (void *)&a, sizeof(a)), 0);
	else
		assert_int_equal(bind(fd, (void *)&a6, sizeof(a6)), 0);
	return fd;
}

static struct mw_addr address_of(int fd, uint16_t local)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct mw_addr a;
	assert_int_equal(getsockname(fd, (void *)&ss, &len), 0);
	assert_int_equal(mw_addr_from_sockaddr(&a, (void *)&ss, local), 0);
	return a;
}

static void send_to(int fd, const char *ip, uint16_t port, const void *data, size_t len)
{
	struct sockaddr_in a = v4(ip, port);
	assert_int_equal(sendto(fd, data, len, 0, (void *)&a, sizeof(a)), len);
}

/* Waits for one datagram; prints where it came from into @p from (MW_ADDR_TEXT_MAX bytes). */
static size_t receive_from(int fd, void *data, size_t cap, char *from)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 10000), 1);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ssize_t n = recvfrom(fd, data, cap, 0, (void *)&ss, &len);
	assert_true(n >= 0);
	struct mw_addr a;
	assert_int_equal(mw_addr_from_sockaddr(&a, (void *)&ss, 0), 0);
	mw_addr_print(&a, from);
	return (size_t)n;
}

static uint16_t listen_on(struct fixture *f, const char *host)
{
	struct mw_errbuf e = {0};
	uint16_t port = 0;
	if (mw_udp_listen(f->u, host, 0, &port, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_not_equal(port, 0);
	return port;
}

static bool have_v6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 a = v6("::1", 0);
	bool ok = fd >= 0 && bind(fd, (void *)&a, sizeof(a)) == 0;
	if (fd >= 0)
		close(fd);
	if (!ok)
		print_message("SKIPPED: this machine has no ::1\n");
	return ok;
}

/* Listening */

static void test_failed_listen_leaves_no_socket(void **state)
{
	struct fixture *f = *state;
	struct mw_errbuf e = {0};
	uint16_t port = listen_on(f, "127.0.0.1");
	assert_int_equal(mw_udp_listen(f->u, "127.0.0.1", port, NULL, &e), MW_E_IO);
	assert_non_null(strstr(e.text, "in use"));
	assert_int_equal(mw_udp_listen(f->u, "nonsense", port, NULL, &e), MW_E_ARG);
	assert_int_equal(local_of_socket(f->u, 0), 0);
	assert_int_equal(local_of_socket(f->u, 1), MW_E_NOTFOUND);
	assert_int_equal(mw_udp_socket_of(f->u, 1), MW_E_NOTFOUND);
}

static void test_socket_limit(void **state)
{
	struct fixture *f = *state;
	struct mw_errbuf e = {0};
	int rc, n = 0;
	while ((rc = mw_udp_listen(f->u, "127.0.0.1", 0, NULL, &e)) >= 0) {
		assert_int_equal(rc, n);
		assert_int_equal(mw_udp_socket_of(f->u, (uint16_t)local_of_socket(f->u, (unsigned)n)), n);
		n++;
	}
	assert_int_equal(rc, MW_E_LIMIT);
	assert_int_equal(n, 16);
	assert_non_null(strstr(e.text, "16 sockets"));
}

/* Echo */

static void test_echo_v4(void **state)
{
	struct fixture *f = *state;
	f->mode = MODE_ECHO;
	uint16_t port = listen_on(f, "127.0.0.1");
	int fd = client(AF_INET);
	char data[8], from[MW_ADDR_TEXT_MAX], want[MW_ADDR_TEXT_MAX];
	send_to(fd, "127.0.0.1", port, "hello", 5);
	run_until_seen(f, 1);
	assert_int_equal(receive_from(fd, data, sizeof(data), from), 5);
	assert_memory_equal(data, "hello", 5);
	snprintf(want, sizeof(want), "127.0.0.1:%u", port);
	assert_string_equal(from, want);
	struct mw_addr expect = address_of(fd, (uint16_t)local_of_socket(f->u, 0));
	assert_true(mw_addr_eq(&f->from, &expect)); /* a bound socket has one local address only, the default */
	const struct mw_udp_stats *st = mw_udp_stats(f->u);
	assert_int_equal(st->received, 1);
	assert_int_equal(st->received_bytes, 5);
	assert_int_equal(st->sent, 1);
	assert_int_equal(st->sent_bytes, 5);
	close(fd);
}

static void test_echo_v6(void **state)
{
	struct fixture *f = *state;
	if (!have_v6())
		return;
	static const char *const hosts[] = {"::1", "::"};
	f->mode = MODE_ECHO;
	int fd = client(AF_INET6);
	for (size_t i = 0; i < 2; i++) {
		struct sockaddr_in6 to = v6("::1", listen_on(f, hosts[i]));
		char data[8], from[MW_ADDR_TEXT_MAX], want[MW_ADDR_TEXT_MAX];
		assert_int_equal(sendto(fd, "hello", 5, 0, (void *)&to, sizeof(to)), 5);
		run_until_seen(f, i + 1);
		assert_int_equal(receive_from(fd, data, sizeof(data), from), 5);
		snprintf(want, sizeof(want), "[::1]:%u", ntohs(to.sin6_port));
		assert_string_equal(from, want);
		assert_int_equal(mw_udp_socket_of(f->u, f->from.local), i);
	}
	close(fd);
}

static void test_empty_datagram(void **state)
{
	struct fixture *f = *state;
	f->mode = MODE_ECHO;
	uint16_t port = listen_on(f, "127.0.0.1");
	int fd = client(AF_INET);
	char data[8], from[MW_ADDR_TEXT_MAX];
	send_to(fd, "127.0.0.1", port, "", 0);
	run_until_seen(f, 1);
	assert_int_equal(receive_from(fd, data, sizeof(data), from), 0);
	close(fd);
}

/* Local addresses on a wildcard socket */

static void test_answer_from_address_used(void **state)
{
	struct fixture *f = *state;
	static const char *const ips[] = {"127.0.0.1", "127.0.0.2", "127.77.1.9", "127.0.0.2", "127.0.0.1"};
	uint16_t local[5];
	f->mode = MODE_ECHO;
	uint16_t port = listen_on(f, "0.0.0.0");
	int fd = client(AF_INET);
	char data[8], from[MW_ADDR_TEXT_MAX], want[MW_ADDR_TEXT_MAX];
	for (size_t i = 0; i < 5; i++) {
		send_to(fd, ips[i], port, "x", 1);
		run_until_seen(f, i + 1);
		receive_from(fd, data, sizeof(data), from);
		snprintf(want, sizeof(want), "%s:%u", ips[i], port);
		assert_string_equal(from, want);
		local[i] = f->from.local;
		assert_int_equal(mw_udp_socket_of(f->u, local[i]), 0);
	}
	assert_int_equal(local[1], local[3]);
	assert_int_equal(local[0], local[4]);
	assert_int_not_equal(local[0], local[1]);
	assert_int_not_equal(local[1], local[2]);
	/* A request of ours, later, leaves from there too; one to a peer never heard leaves from the default. */
	struct mw_addr peer = address_of(fd, local[2]);
	assert_int_equal(mw_udp_send(f->u, &peer, "y", 1), 0);
	mw_udp_flush(f->u);
	receive_from(fd, data, sizeof(data), from);
	snprintf(want, sizeof(want), "127.77.1.9:%u", port);
	assert_string_equal(from, want);
	peer.local = (uint16_t)local_of_socket(f->u, 0);
	assert_int_equal(mw_udp_send(f->u, &peer, "z", 1), 0);
	mw_udp_flush(f->u);
	receive_from(fd, data, sizeof(data), from);
	snprintf(want, sizeof(want), "127.0.0.1:%u", port);
	assert_string_equal(from, want);
	close(fd);
}

static void test_same_ip_on_two_sockets(void **state)
{
	struct fixture *f = *state;
	f->mode = MODE_ECHO;
	uint16_t port[2] = {listen_on(f, "0.0.0.0"), listen_on(f, "0.0.0.0")};
	int fd = client(AF_INET);
	for (size_t i = 0; i < 4; i++) {
		char data[8], from[MW_ADDR_TEXT_MAX], want[MW_ADDR_TEXT_MAX];
		send_to(fd, "127.0.0.2", port[i % 2], "x", 1);
		run_until_seen(f, i + 1);
		receive_from(fd, data, sizeof(data), from);
		snprintf(want, sizeof(want), "127.0.0.2:%u", port[i % 2]);
		assert_string_equal(from, want);
		assert_int_equal(mw_udp_socket_of(f->u, f->from.local), i % 2);
	}
	close(fd);
}

static void test_table_of_local_addresses_is_bounded(void **state)
{
	struct fixture *f = *state;
	f->mode = MODE_ECHO;
	uint16_t port = listen_on(f, "0.0.0.0");
	int fd = client(AF_INET), own_address = 0, before = f->n_warnings;
	for (unsigned i = 0; i < 1100; i++) {
		char ip[32], data[8], from[MW_ADDR_TEXT_MAX], want[MW_ADDR_TEXT_MAX];
		snprintf(ip, sizeof(ip), "127.9.%u.%u", i / 250, i % 250 + 1);
		send_to(fd, ip, port, "x", 1);
		run_until_seen(f, i + 1);
		receive_from(fd, data, sizeof(data), from);
		snprintf(want, sizeof(want), "%s:%u", ip, port);
		own_address += strcmp(from, want) == 0;
		if (i >= 1024)
			assert_int_equal(f->from.local, local_of_socket(f->u, 0));
	}
	assert_int_equal(own_address, 1024);
	assert_int_equal(f->n_warnings, before + 1);
	close(fd);
}

/* Batches */

static void test_batches(void **state)
{
	struct fixture *f = *state;
	f->mode = MODE_ECHO;
	uint16_t port = listen_on(f, "127.0.0.1");
	int fd = client(AF_INET);
	uint8_t data[8];
	char from[MW_ADDR_TEXT_MAX];
	for (unsigned i = 0; i < 200; i++)
		send_to(fd, "127.0.0.1", port, &(uint8_t){(uint8_t)i}, 1);
	run_until_seen(f, 200);
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(f->first[i], i);
		receive_from(fd, data, sizeof(data), from);
		assert_int_equal(data[0], i);
	}
	const struct mw_udp_stats *st = mw_udp_stats(f->u);
	assert_int_equal(f->largest, MW_UDP_BATCH);
	assert_int_equal(st->sent, 200);
	assert_in_range(st->recv_calls, 4, 8);
	assert_in_range(st->send_calls, 4, 8);
	close(fd);
}

static void test_wakeup_is_bounded(void **state)
{
	struct fixture *f = *state;
	uint16_t port = listen_on(f, "127.0.0.1");
	int fd = client(AF_INET);
	for (unsigned i = 0; i < 1500; i++)
		send_to(fd, "127.0.0.1", port, "x", 1);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_in_range(f->seen, 1, 16 * MW_UDP_BATCH);
	run_until_seen(f, 1500);
	close(fd);
}

static void test_truncation(void **state)
{
	struct fixture *f = *state;
	uint16_t port = listen_on(f, "127.0.0.1");
	int fd = client(AF_INET);
	static const uint8_t big[MW_UDP_MAX + 1];
	send_to(fd, "127.0.0.1", port, big, MW_UDP_MAX + 1);
	send_to(fd, "127.0.0.1", port, big, MW_UDP_MAX);
	send_to(fd, "127.0.0.1", port, "y", 1);
	run_until_seen(f, 2);
	assert_int_equal(mw_udp_stats(f->u)->truncated, 1);
	assert_int_equal(mw_udp_stats(f->u)->received, 2);
	assert_int_equal(mw_udp_stats(f->u)->received_bytes, MW_UDP_MAX + 1);
	assert_int_equal(f->first[1], 'y');
	close(fd);
}

static void test_kernel_drops(void **state)
{
	struct fixture *f = *state;
	uint16_t port = listen_on(f, "127.0.0.1");
	int fd = client(AF_INET);
	static const uint8_t big[MW_UDP_MAX];
	enum { FLOOD = 20000 };
	for (unsigned i = 0; i < FLOOD; i++)
		send_to(fd, "127.0.0.1", port, big, sizeof(big));
	/* What was queued before the loss does not know of it; the next datagram brings the count. */
	for (unsigned i = 0; i < 100; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_in_range(f->seen, 1, FLOOD - 1);
	send_to(fd, "127.0.0.1", port, "x", 1);
	run_until_seen(f, f->seen + 1);
	const struct mw_udp_stats *st = mw_udp_stats(f->u);
	assert_int_equal(st->received + st->kernel_drops, FLOOD + 1);
	close(fd);
}

static void test_drop_counter_wraps(void **state)
{
	struct fixture *f = *state;
	static const uint32_t values[] = {0x7fffffff, 0xfffffffe, 5, 3, 6, 6};
	uint16_t port = listen_on(f, "127.0.0.1");
	int fd = client(AF_INET);
	inject.ovfl = values;
	for (unsigned i = 0; i < 6; i++)
		send_to(fd, "127.0.0.1", port, "x", 1);
	run_until_seen(f, 6);
	assert_true(mw_udp_stats(f->u)->kernel_drops == 0x100000000ull + 6);
	close(fd);
}

/* Sending */

static void test_send_arguments(void **state)
{
	struct fixture *f = *state;
	static const uint8_t big[MW_UDP_MAX + 1];
	listen_on(f, "127.0.0.1");
	int fd = client(AF_INET);
	struct mw_addr to = address_of(fd, 0);
	char from[MW_ADDR_TEXT_MAX];
	uint8_t data[MW_UDP_MAX];
	assert_int_equal(mw_udp_send(f->u, &to, big, MW_UDP_MAX + 1), MW_E_ARG);
	assert_int_equal(mw_udp_send(f->u, &to, big, MW_UDP_MAX), 0);
	static const uint16_t unknown[] = {1, 15, 16, 17, 1039, 1040, 65535};
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		to.local = unknown[i];
		assert_int_equal(mw_udp_send(f->u, &to, "x", 1), MW_E_ARG);
		assert_int_equal(mw_udp_socket_of(f->u, to.local), MW_E_NOTFOUND);
	}
	to.local = 0;
	to.ip[0] = 0x20; /* an IPv6 peer through an IPv4 socket */
	assert_int_equal(mw_udp_send(f->u, &to, "x", 1), MW_E_ARG);
	mw_udp_flush(f->u);
	assert_int_equal(receive_from(fd, data, sizeof(data), from), MW_UDP_MAX);
	assert_int_equal(mw_udp_stats(f->u)->sent, 1);
	close(fd);
}

static void test_bad_peer_does_not_hold_the_rest(void **state)
{
	struct fixture *f = *state;
	listen_on(f, "127.0.0.1");
	int fd = client(AF_INET), before = f->n_warnings;
	struct mw_addr good = address_of(fd, 0), bad = good;
	bad.port = 0; /* EINVAL by the kernel */
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(mw_udp_send(f->u, i % 3 ? &good : &bad, &(uint8_t){(uint8_t)i}, 1), 0);
	mw_udp_flush(f->u);
	for (unsigned i = 0; i < 9; i++) {
		uint8_t data[4];
		char from[MW_ADDR_TEXT_MAX];
		if (i % 3 == 0)
			continue;
		receive_from(fd, data, sizeof(data), from);
		assert_int_equal(data[0], i);
	}
	assert_int_equal(mw_udp_stats(f->u)->sent, 6);
	assert_int_equal(mw_udp_stats(f->u)->send_failed, 3);
	assert_int_equal(f->n_warnings, before + 1); /* three failures of one kind, one line */
	assert_non_null(strstr(f->logged, "127.0.0.1:0"));
	close(fd);
}

static void test_full_kernel_buffer(void **state)
{
	struct fixture *f = *state;
	listen_on(f, "127.0.0.1");
	int fd = client(AF_INET);
	struct mw_addr to = address_of(fd, 0);
	inject.send_errno = EAGAIN;
	inject.send_good = 10;
	unsigned accepted = 0;
	while (mw_udp_send(f->u, &to, &(uint16_t){(uint16_t)accepted}, 2) == 0)
		accepted++;
	/* The queue of 1024 ran full, 10 left, 10 more went in; the one beyond is refused and counted. */
	assert_int_equal(accepted, 1034);
	assert_int_equal(mw_udp_send(f->u, &to, "zz", 2), MW_E_LIMIT);
	assert_int_equal(mw_udp_stats(f->u)->send_dropped, 2);
	assert_int_equal(mw_udp_stats(f->u)->sent, 10);
	uint64_t calls = mw_udp_stats(f->u)->send_calls;
	mw_udp_flush(f->u); /* waits for the kernel to say writable: no call now */
	assert_int_equal(mw_udp_stats(f->u)->send_calls, calls);
	inject.send_errno = 0;
	inject.send_most = 100;
	uv_timer_start(&f->guard, on_guard, 10000, 0);
	while (mw_udp_stats(f->u)->sent < accepted)
		uv_run(&f->loop, UV_RUN_ONCE);
	uv_timer_stop(&f->guard);
	for (unsigned i = 0; i < accepted; i++) {
		uint16_t data = 0;
		char from[MW_ADDR_TEXT_MAX];
		receive_from(fd, &data, sizeof(data), from);
		assert_int_equal(data, i);
	}
	assert_int_equal(mw_udp_send(f->u, &to, "ok", 2), 0);
	mw_udp_flush(f->u);
	assert_int_equal(mw_udp_stats(f->u)->sent, accepted + 1);
	/* Nothing left to write: the loop does not spin on a writable socket. */
	calls = mw_udp_stats(f->u)->send_calls;
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(mw_udp_stats(f->u)->send_calls, calls);
	close(fd);
}

static void test_kernel_out_of_memory(void **state)
{
	struct fixture *f = *state;
	listen_on(f, "127.0.0.1");
	int fd = client(AF_INET);
	struct mw_addr to = address_of(fd, 0);
	inject.send_errno = ENOBUFS;
	inject.send_good = 3;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(mw_udp_send(f->u, &to, "x", 1), 0);
	mw_udp_flush(f->u);
	assert_int_equal(mw_udp_stats(f->u)->sent, 3);
	assert_int_equal(mw_udp_stats(f->u)->send_dropped, 2);
	assert_int_equal(mw_udp_stats(f->u)->send_failed, 0);
	close(fd);
}

static void on_timer_send(uv_timer_t *t)
{
	struct fixture *f = t->loop->data;
	assert_int_equal(mw_udp_send(f->u, t->data, "t", 1), 0);
}

/* A datagram to ourselves: if it did not leave before the loop went to sleep, nothing would wake it. */
static void test_leaves_before_the_loop_sleeps(void **state)
{
	struct fixture *f = *state;
	struct mw_addr self;
	struct sockaddr_in a = v4("127.0.0.1", listen_on(f, "127.0.0.1"));
	mw_addr_from_sockaddr(&self, (void *)&a, 0);
	uv_timer_t timer;
	uv_timer_init(&f->loop, &timer);
	f->loop.data = f;
	timer.data = &self;
	uv_timer_start(&timer, on_timer_send, 0, 0);
	run_until_seen(f, 1);
	assert_int_equal(f->first[0], 't');
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&f->loop, UV_RUN_NOWAIT);
}

struct second {
	struct fixture *f;
	struct mw_addr to;
};

static void on_readable_send(uv_poll_t *h, int status, int events)
{
	struct second *x = h->data;
	(void)status, (void)events;
	assert_int_equal(mw_udp_send(x->f->u, &x->to, "p", 1), 0);
	uv_poll_stop(h);
}

/* Queued while other descriptors are served: it leaves in the same iteration, without waiting for the next.
 */
static void test_leaves_after_other_handles(void **state)
{
	struct fixture *f = *state;
	listen_on(f, "127.0.0.1");
	int fd = client(AF_INET), pipe_fd[2];
	struct second x = {f, address_of(fd, 0)};
	uv_poll_t poll_handle;
	assert_int_equal(pipe(pipe_fd), 0);
	assert_int_equal(write(pipe_fd[1], "x", 1), 1);
	uv_poll_init(&f->loop, &poll_handle, pipe_fd[0]);
	poll_handle.data = &x;
	uv_poll_start(&poll_handle, UV_READABLE, on_readable_send);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(mw_udp_stats(f->u)->sent, 1);
	uv_close((uv_handle_t *)&poll_handle, NULL);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	close(fd);
}

/* The end */

static void test_free_inside_callback(void **state)
{
	struct fixture *f = *state;
	f->mode = MODE_FREE;
	uint16_t port = listen_on(f, "127.0.0.1");
	listen_on(f, "127.0.0.1");
	int fd = client(AF_INET);
	for (unsigned i = 0; i < 2 * MW_UDP_BATCH; i++)
		send_to(fd, "127.0.0.1", port, "x", 1);
	run_until_seen(f, MW_UDP_BATCH);
	assert_null(f->u);
	close(fd);
}

static void test_free_sends_what_is_queued(void **state)
{
	struct fixture *f = *state;
	listen_on(f, "127.0.0.1");
	int fd = client(AF_INET);
	struct mw_addr to = address_of(fd, 0);
	char data[4], from[MW_ADDR_TEXT_MAX];
	assert_int_equal(mw_udp_send(f->u, &to, "bye", 3), 0);
	mw_udp_free(f->u);
	f->u = NULL;
	assert_int_equal(receive_from(fd, data, sizeof(data), from), 3);
	close(fd);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_failed_listen_leaves_no_socket),
		T(test_socket_limit),
		T(test_echo_v4),
		T(test_echo_v6),
		T(test_empty_datagram),
		T(test_answer_from_address_used),
		T(test_same_ip_on_two_sockets),
		T(test_table_of_local_addresses_is_bounded),
		T(test_batches),
		T(test_wakeup_is_bounded),
		T(test_truncation),
		T(test_kernel_drops),
		T(test_drop_counter_wraps),
		T(test_send_arguments),
		T(test_bad_peer_does_not_hold_the_rest),
		T(test_full_kernel_buffer),
		T(test_kernel_out_of_memory),
		T(test_leaves_before_the_loop_sleeps),
		T(test_leaves_after_other_handles),
		T(test_free_inside_callback),
		T(test_free_sends_what_is_queued),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
