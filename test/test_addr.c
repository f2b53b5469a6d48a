/* Peer addresses: to and from the kernel's form, in text, and comparable byte by byte. */
#include "net/addr.h"
#include "base/err.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

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

static void test_addr_table(void **state)
{
	(void)state;
	static const struct {
		const char *ip;
		uint32_t scope;
		const char *text;
		bool is_v4;
		uint32_t kept_scope;
	} cases[] = {
		{"192.0.2.1", 0, "192.0.2.1:5683", true, 0},
		{"255.255.255.255", 0, "255.255.255.255:5683", true, 0},
		{"2001:db8::1", 0, "[2001:db8::1]:5683", false, 0},
		{"2001:db8::1", 7, "[2001:db8::1]:5683", false, 0},
		{"fe80::1", 7, "[fe80::1%7]:5683", false, 7},
		{"::ffff:192.0.2.1", 0, "192.0.2.1:5683", true, 0},
		{"::", 0, "[::]:5683", false, 0},
		{"fe80:1111:2222:3333:4444:5555:6666:7777", 4294967295u,
			"[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:5683", false, 4294967295u},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mw_addr a, b;
		struct sockaddr_storage ss;
		char text[MW_ADDR_TEXT_MAX];
		memset(&a, 0xa5, sizeof(a)); /* no byte may be left as it was: addresses are compared with memcmp */
		memset(&b, 0x5a, sizeof(b));
		if (strchr(cases[i].ip, ':')) {
			struct sockaddr_in6 in6 = v6(cases[i].ip, 5683);
			in6.sin6_scope_id = cases[i].scope;
			in6.sin6_flowinfo = 99;
			assert_int_equal(mw_addr_from_sockaddr(&a, (void *)&in6, 3), 0);
		} else {
			struct sockaddr_in in = v4(cases[i].ip, 5683);
			assert_int_equal(mw_addr_from_sockaddr(&a, (void *)&in, 3), 0);
		}
		assert_string_equal(mw_addr_print(&a, text), cases[i].text);
		assert_int_equal(mw_addr_is_v4(&a), cases[i].is_v4);
		assert_int_equal(a.scope, cases[i].kept_scope);
		for (int v6_socket = 0; v6_socket < 2; v6_socket++) {
			socklen_t len = mw_addr_to_sockaddr(&a, v6_socket, &ss);
			bool as_v4 = cases[i].is_v4 && !v6_socket;
			assert_int_equal(len, as_v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
			assert_int_equal(ss.ss_family, as_v4 ? AF_INET : AF_INET6);
			assert_int_equal(mw_addr_from_sockaddr(&b, (void *)&ss, 3), 0);
			assert_true(mw_addr_eq(&a, &b));
		}
		b.local++;
		assert_false(mw_addr_eq(&a, &b));
	}
	assert_int_equal(sizeof(struct mw_addr), 24);
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct mw_addr a;
	assert_int_equal(mw_addr_from_sockaddr(&a, (void *)&un, 0), MW_E_ARG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_addr_table)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
