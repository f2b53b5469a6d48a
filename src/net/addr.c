#include "net/addr.h"
#include "base/err.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool mw_addr_is_v4(const struct mw_addr *a)
{
	return memcmp(a->ip, v4_prefix, sizeof(v4_prefix)) == 0;
}

int mw_addr_from_sockaddr(struct mw_addr *out, const struct sockaddr *sa, uint16_t local)
{
	/* Only a link-local address needs its interface; kept elsewhere, it would make two peers of one. */
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;
		memcpy(out->ip, v4_prefix, sizeof(v4_prefix));
		memcpy(out->ip + sizeof(v4_prefix), &in->sin_addr, 4);
		out->scope = 0;
		out->port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;
		memcpy(out->ip, &in6->sin6_addr, sizeof(out->ip));
		out->scope = IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) ? in6->sin6_scope_id : 0;
		out->port = ntohs(in6->sin6_port);
	} else {
		return MW_E_ARG;
	}
	out->local = local;
	return 0;
}

socklen_t mw_addr_to_sockaddr(const struct mw_addr *a, bool v6_socket, struct sockaddr_storage *out)
{
	if (!v6_socket && mw_addr_is_v4(a)) {
		struct sockaddr_in *in = (void *)out;
		*in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(a->port)};
		memcpy(&in->sin_addr, a->ip + sizeof(v4_prefix), 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (void *)out;
	*in6 = (struct sockaddr_in6){
		.sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope};
	memcpy(&in6->sin6_addr, a->ip, sizeof(a->ip));
	return sizeof(*in6);
}

const char *mw_addr_print(const struct mw_addr *a, char *out)
{
	char ip[INET6_ADDRSTRLEN];
	if (mw_addr_is_v4(a)) {
		inet_ntop(AF_INET, a->ip + sizeof(v4_prefix), ip, sizeof(ip));
		snprintf(out, MW_ADDR_TEXT_MAX, "%s:%u", ip, a->port);
		return out;
	}
	inet_ntop(AF_INET6, a->ip, ip, sizeof(ip));
	if (a->scope)
		snprintf(out, MW_ADDR_TEXT_MAX, "[%s%%%u]:%u", ip, a->scope, a->port);
	else
		snprintf(out, MW_ADDR_TEXT_MAX, "[%s]:%u", ip, a->port);
	return out;
}
