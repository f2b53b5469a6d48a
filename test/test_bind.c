/* Opening UDP sockets: what the caller gets, and what a failure teaches. */
#include "net/bind.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct sockaddr_in6 v6(const char *ip, uint16_t port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	assert_int_equal(inet_pton(AF_INET6, ip, &a.sin6_addr), 1);
	return a;
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

static void test_listen_errors(void **state)
{
	(void)state;
	struct mw_log log;
	struct mw_bound bound;
	mw_log_init(&log, NULL, NULL, MW_LOG_ERROR);
	static const struct {
		const char *host;
		int rc;
		const char *teaches;
	} cases[] = {
		{"localhost", MW_E_ARG, "not a numeric IP address"},
		{"", MW_E_ARG, "not a numeric IP address"},
		{"127.1", MW_E_ARG, "not a numeric IP address"},
		{"127.0.0.1:5683", MW_E_ARG, "not a numeric IP address"},
		{"[::1]", MW_E_ARG, "not a numeric IP address"},
		{"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", MW_E_ARG, "not a numeric"},
		{"::ffff:192.0.2.1", MW_E_ARG, "write the IPv4 address alone"},
		{"fe80::1", MW_E_ARG, "fe80::1%eth0"},
		{"fe80::1%nosuchdev", MW_E_ARG, "no interface \"nosuchdev\""},
		{"203.0.113.77", MW_E_IO, "no interface of this machine has that address"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_errbuf e = {0};
		assert_int_equal(mw_bind_udp(&bound, cases[i].host, 0, &log, &e), cases[i].rc);
		if (!strstr(e.text, cases[i].teaches) || !strstr(e.text, cases[i].host))
			fail_msg("\"%s\" lacks \"%s\" or the host", e.text, cases[i].teaches);
	}
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);
	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void test_what_a_socket_is(void **state)
{
	(void)state;
	static const struct {
		const char *host;
		bool v6, wildcard;
	} cases[] = {
		{"127.0.0.1", false, false}, {"0.0.0.0", false, true}, {"::1", true, false}, {"::", true, true}};
	struct mw_log log;
	mw_log_init(&log, NULL, NULL, MW_LOG_ERROR);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_errbuf e = {0};
		struct mw_bound b;
		if (cases[i].v6 && !have_v6())
			return;
		if (mw_bind_udp(&b, cases[i].host, 0, &log, &e) < 0)
			fail_msg("%s", e.text);
		assert_int_equal(b.v6, cases[i].v6);
		assert_int_equal(b.wildcard, cases[i].wildcard);
		assert_int_not_equal(b.port, 0);
		assert_true(fcntl(b.fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(b.fd, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(option(b.fd, SOL_SOCKET, SO_RXQ_OVFL), 1);
		if (b.v6) {
			assert_int_equal(option(b.fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
			assert_int_equal(option(b.fd, IPPROTO_IPV6, IPV6_RECVPKTINFO), b.wildcard);
		} else {
			assert_int_equal(option(b.fd, IPPROTO_IP, IP_PKTINFO), b.wildcard);
		}
		close(b.fd);
	}
}

static void on_log(
	void *ud, enum mw_log_level level, enum mw_log_group group, const char *file, int line, const char *text)
{
	(void)level, (void)group, (void)file, (void)line;
	snprintf(ud, 512, "%s", text);
}

static void test_buffer_size_is_told(void **state)
{
	(void)state;
	char text[512] = "";
	struct mw_log log;
	struct mw_bound b;
	mw_log_init(&log, on_log, text, MW_LOG_INFO);
	assert_int_equal(mw_bind_udp(&b, "127.0.0.1", 0, &log, NULL), 0);
	char want[64];
	snprintf(want, sizeof(want), "buffer is %d KiB", option(b.fd, SOL_SOCKET, SO_RCVBUF) / 2048);
	assert_non_null(strstr(text, want));
	close(b.fd);
}

static void test_port_in_use(void **state)
{
	(void)state;
	struct mw_log log;
	struct mw_errbuf e = {0};
	struct mw_bound b, second;
	char port_text[16];
	mw_log_init(&log, NULL, NULL, MW_LOG_ERROR);
	assert_int_equal(mw_bind_udp(&b, "127.0.0.1", 0, &log, &e), 0);
	assert_int_equal(mw_bind_udp(&second, "127.0.0.1", b.port, &log, &e), MW_E_IO);
	snprintf(port_text, sizeof(port_text), "port %u", b.port);
	assert_non_null(strstr(e.text, "in use"));
	assert_non_null(strstr(e.text, port_text));
	close(b.fd);
}

static void test_both_wildcards_on_one_port(void **state)
{
	(void)state;
	struct mw_log log;
	struct mw_errbuf e = {0};
	struct mw_bound b, second;
	if (!have_v6())
		return;
	mw_log_init(&log, NULL, NULL, MW_LOG_ERROR);
	assert_int_equal(mw_bind_udp(&b, "0.0.0.0", 0, &log, &e), 0);
	if (mw_bind_udp(&second, "::", b.port, &log, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(second.port, b.port);
	close(b.fd);
	close(second.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listen_errors),
		cmocka_unit_test(test_what_a_socket_is),
		cmocka_unit_test(test_buffer_size_is_told),
		cmocka_unit_test(test_port_in_use),
		cmocka_unit_test(test_both_wildcards_on_one_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
