/** @file l_sim_udp.c  Bare UDP sockets, poll(2) and a monotonic clock for specs that drive devices and peers.
 */
#include "base/clock.h"
#include "script/l_sim.h"
#include "sim/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UDP "moonwire.sim.udp"

static int check_udp(lua_State *L)
{
	int fd = *(int *)luaL_checkudata(L, 1, UDP);
	if (fd < 0)
		luaL_error(L, "the socket is closed");
	return fd;
}

/** udp(host?, port?) */
static int l_udp(lua_State *L)
{
	const char *host = luaL_optstring(L, 1, NULL);
	lua_Integer port = luaL_optinteger(L, 2, 0);
	luaL_argcheck(L, port >= 0 && port <= UINT16_MAX, 2, "a port is 0 to 65535");
	int *fd = lua_newuserdatauv(L, sizeof *fd, 0);
	*fd = -1;
	luaL_setmetatable(L, UDP);
	struct mw_errbuf e = {0};
	*fd = mw_sim_udp_open(host, (uint16_t)port, &e);
	return *fd < 0 ? mw_lua_sim_failure(L, *fd, e.text) : 1;
}

/** send(host, port, bytes) */
static int l_udp_send(lua_State *L)
{
	int fd = check_udp(L);
	const char *host = luaL_checkstring(L, 2);
	lua_Integer port = luaL_checkinteger(L, 3);
	luaL_argcheck(L, port > 0 && port <= UINT16_MAX, 3, "a port is 1 to 65535");
	size_t len;
	const char *data = luaL_checklstring(L, 4, &len);
	struct sockaddr_in to;
	struct mw_errbuf e = {0};
	int rc = mw_sim_udp_address(&to, host, (uint16_t)port, &e);
	if (rc < 0)
		return mw_lua_sim_failure(L, rc, e.text);
	if (sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof to) < 0)
		return mw_lua_sim_failure(L, MW_E_IO, strerror(errno));
	lua_pushboolean(L, 1);
	return 1;
}

/** recv() -> bytes, host, port; nil when nothing waits */
static int l_udp_recv(lua_State *L)
{
	int fd = check_udp(L);
	struct sockaddr_in from = {0};
	socklen_t from_len = sizeof from;
	char buf[65536], host[INET_ADDRSTRLEN];
	ssize_t len = recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&from, &from_len);
	if (len < 0)
		return mw_lua_sim_failure(L, MW_E_IO, strerror(errno));
	lua_pushlstring(L, buf, (size_t)len);
	lua_pushstring(L, inet_ntop(AF_INET, &from.sin_addr, host, sizeof host));
	lua_pushinteger(L, ntohs(from.sin_port));
	return 3;
}

static int l_udp_fd(lua_State *L)
{
	lua_pushinteger(L, check_udp(L));
	return 1;
}

static int l_udp_port(lua_State *L)
{
	lua_pushinteger(L, mw_sim_udp_port(check_udp(L)));
	return 1;
}

static int l_udp_close(lua_State *L)
{
	int *fd = luaL_checkudata(L, 1, UDP);
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return 0;
}

/** poll(fds, timeout_ms) -> number of descriptors with something to read */
static int l_poll(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_Integer timeout = luaL_optinteger(L, 2, -1);
	luaL_argcheck(L, timeout <= INT_MAX, 2, "too long");
	lua_Integer n = luaL_len(L, 1);
	luaL_argcheck(L, n <= 1 << 20, 1, "too many descriptors");
	struct pollfd *p = lua_newuserdatauv(L, (size_t)n * sizeof *p + 1, 0);
	for (lua_Integer i = 0; i < n; i++) {
		lua_rawgeti(L, 1, i + 1);
		p[i] = (struct pollfd){.fd = (int)luaL_checkinteger(L, -1), .events = POLLIN};
		lua_pop(L, 1);
	}
	int ready = poll(p, (nfds_t)n, timeout < 0 ? -1 : (int)timeout);
	if (ready < 0 && errno != EINTR)
		return mw_lua_sim_failure(L, MW_E_IO, strerror(errno));
	lua_pushinteger(L, ready < 0 ? 0 : ready);
	return 1;
}

/** now_ms() -> monotonic milliseconds, for deadlines of a caller that waits in poll() */
static int l_now_ms(lua_State *L)
{
	struct mw_clock clock = mw_clock_system();
	lua_pushinteger(L, mw_mono_now(&clock).ms);
	return 1;
}

static const luaL_Reg udp_methods[] = {{"send", l_udp_send}, {"recv", l_udp_recv}, {"fd", l_udp_fd},
	{"port", l_udp_port}, {"close", l_udp_close}, {"__gc", l_udp_close}, {"__close", l_udp_close},
	{NULL, NULL}};

static const luaL_Reg functions[] = {{"udp", l_udp}, {"poll", l_poll}, {"now_ms", l_now_ms}, {NULL, NULL}};

void mw_lua_open_sim_udp(lua_State *L)
{
	mw_lua_sim_class(L, UDP, udp_methods);
	luaL_setfuncs(L, functions, 0);
}
