/** @file l_sim.c  Simulated devices in Lua: one userdata for a device's CoAP side, one for bare UDP sockets,
 * poll(2). What the messages mean is in lua/moonwire/sim.lua. */
#include "script/l_sim.h"
#include "sim/sim.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>

#define CONN "moonwire.sim.conn"

/** Userdata of a device. Its user value is the table given to open(), which holds the callbacks. */
struct conn {
	struct mw_sim *sim; /**< NULL = closed */
	lua_State *L;       /**< who called us; callbacks run there, with the userdata at stack index 1 */
	int depth;          /**< calls into sim that have not returned */
	bool is_stepping, close_wanted;
	char error[512]; /**< first error of a callback since the last step, "" = none */
};

/** Parameters of one callback, for its protected body. */
struct call {
	const struct mw_sim_message *m;
	struct mw_sim_reply *reply;
	uint64_t id;
	int err;
	struct mw_bytes bytes;
	uint16_t mid;
	const char *what;
};

/* ---- callbacks: libcoap frames lie below, so everything that may raise runs in lua_pcall ---- */

static int on_error(lua_State *L)
{
	const char *text = luaL_tolstring(L, 1, NULL);
	luaL_traceback(L, L, text, 1);
	return 1;
}

static void protect(struct conn *c, lua_CFunction body, struct call *call)
{
	lua_State *L = c->L;
	if (!L || !lua_checkstack(L, 8))
		return;
	int top = lua_gettop(L);
	lua_pushcfunction(L, on_error);
	lua_pushcfunction(L, body);
	lua_pushlightuserdata(L, call);
	lua_pushvalue(L, 1); /* the userdata; see struct conn */
	if (lua_pcall(L, 2, 0, top + 1) != LUA_OK && !c->error[0]) {
		const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
		snprintf(c->error, sizeof c->error, "%s", text);
	}
	lua_settop(L, top);
}

/** Pushes the callback @p name of the userdata at index 2; false when there is none. */
static bool push_callback(lua_State *L, const char *name)
{
	lua_getiuservalue(L, 2, 1);
	lua_getfield(L, -1, name);
	lua_remove(L, -2);
	return lua_isfunction(L, -1);
}

static void push_bytes(lua_State *L, struct mw_bytes b)
{
	lua_pushlstring(L, b.data ? (const char *)b.data : "", b.len);
}

static void push_message(lua_State *L, const struct mw_sim_message *m)
{
	lua_createtable(L, 0, 6);
	lua_pushinteger(L, m->type);
	lua_setfield(L, -2, "type");
	lua_pushinteger(L, m->code);
	lua_setfield(L, -2, "code");
	lua_pushinteger(L, m->mid);
	lua_setfield(L, -2, "mid");
	push_bytes(L, m->token);
	lua_setfield(L, -2, "token");
	push_bytes(L, m->payload);
	lua_setfield(L, -2, "payload");
	lua_createtable(L, (int)m->n_options, 0);
	for (size_t i = 0; i < m->n_options; i++) {
		lua_createtable(L, 2, 0);
		lua_pushinteger(L, m->options[i].number);
		lua_rawseti(L, -2, 1);
		push_bytes(L, m->options[i].value);
		lua_rawseti(L, -2, 2);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "options");
}

/** Integer field of the table at @p at, or @p fallback when it is absent. */
static lua_Integer int_field(lua_State *L, int at, const char *name, lua_Integer fallback)
{
	int is_int;
	lua_Integer v = fallback;
	if (lua_getfield(L, at, name) != LUA_TNIL) {
		v = lua_tointegerx(L, -1, &is_int);
		if (!is_int)
			luaL_error(L, "field '%s' must be an integer, is a %s", name, luaL_typename(L, -1));
	}
	lua_pop(L, 1);
	return v;
}

/** Reads {code=, format=, observe=, location=, payload=, mode=} at @p at. */
static void read_reply(lua_State *L, int at, struct mw_sim_reply *r)
{
	static const char *const modes[] = {"piggyback", "separate", "silent", NULL};
	r->code = (unsigned)int_field(L, at, "code", 0x45) & 0xff;
	r->format = (unsigned)int_field(L, at, "format", MW_FORMAT_NONE) & 0xffff;
	lua_Integer observe = int_field(L, at, "observe", -1);
	r->has_observe = observe >= 0;
	r->observe = (uint32_t)(observe & 0xffffff);
	lua_getfield(L, at, "mode");
	r->mode = (enum mw_sim_mode)luaL_checkoption(L, -1, "piggyback", modes);
	lua_getfield(L, at, "location");
	snprintf(r->location, sizeof r->location, "%s", luaL_optstring(L, -1, ""));
	lua_getfield(L, at, "payload");
	size_t len;
	const char *data = luaL_optlstring(L, -1, "", &len);
	mw_buf_put(&r->payload, data, len);
	lua_pop(L, 3);
}

static int body_request(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);
	if (!push_callback(L, "on_request"))
		return 0;
	push_message(L, call->m);
	lua_call(L, 1, 1);
	luaL_checktype(L, -1, LUA_TTABLE);
	read_reply(L, lua_gettop(L), call->reply);
	return 0;
}

static int body_response(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);
	if (!push_callback(L, "on_response"))
		return 0;
	lua_pushinteger(L, (lua_Integer)call->id);
	if (call->m)
		push_message(L, call->m);
	else
		lua_pushnil(L);
	if (call->err < 0)
		lua_pushstring(L, mw_err_word(call->err));
	else
		lua_pushnil(L);
	lua_call(L, 3, 0);
	return 0;
}

static int body_refused(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);
	if (!push_callback(L, "on_refused"))
		return 0;
	push_bytes(L, call->bytes);
	lua_pushinteger(L, call->mid);
	lua_pushstring(L, mw_err_word(call->err));
	lua_call(L, 3, 0);
	return 0;
}

static int body_tap(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);
	if (!push_callback(L, "on_datagram"))
		return 0;
	lua_pushstring(L, call->what);
	push_bytes(L, call->bytes);
	lua_call(L, 2, 0);
	return 0;
}

static void cb_request(void *ud, const struct mw_sim_message *req, struct mw_sim_reply *reply)
{
	protect(ud, body_request, &(struct call){.m = req, .reply = reply});
}

static void cb_response(void *ud, uint64_t id, const struct mw_sim_message *res, int err)
{
	protect(ud, body_response, &(struct call){.id = id, .m = res, .err = err});
}

static void cb_refused(void *ud, struct mw_bytes token, uint16_t mid, int err)
{
	protect(ud, body_refused, &(struct call){.bytes = token, .mid = mid, .err = err});
}

static void cb_tap(void *ud, const char *what, struct mw_bytes datagram)
{
	protect(ud, body_tap, &(struct call){.what = what, .bytes = datagram});
}

/* ---- the device ---- */

/** The open device at index 1; raises when it is closed. */
static struct conn *check_conn(lua_State *L)
{
	struct conn *c = luaL_checkudata(L, 1, CONN);
	if (!c->sim || c->close_wanted)
		luaL_error(L, "the simulated device is closed");
	return c;
}

/** Between enter and leave nothing may raise. */
static lua_State *enter(struct conn *c, lua_State *L)
{
	lua_State *before = c->L;
	c->L = L;
	c->depth++;
	return before;
}

static void conn_close(struct conn *c)
{
	mw_sim_close(c->sim);
	c->sim = NULL;
}

static void leave(struct conn *c, lua_State *before)
{
	c->L = before;
	if (--c->depth == 0 && c->close_wanted)
		conn_close(c);
}

/** nil, message, word */
int mw_lua_sim_failure(lua_State *L, int rc, const char *text)
{
	lua_pushnil(L);
	lua_pushstring(L, text ? text : mw_err_text(rc));
	lua_pushstring(L, mw_err_word(rc));
	return 3;
}

static int l_open(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	struct mw_sim_config config = {.max_retransmit = (unsigned)int_field(L, 1, "max_retransmit", UINT_MAX),
		.port = (uint16_t)int_field(L, 1, "port", 5683),
		.bind_port = (uint16_t)int_field(L, 1, "bind_port", 0),
		.ack_timeout_ms = (unsigned)int_field(L, 1, "ack_timeout_ms", 0)};
	lua_getfield(L, 1, "host");
	config.host = luaL_optstring(L, -1, "127.0.0.1");
	lua_getfield(L, 1, "bind");
	config.bind_host = luaL_optstring(L, -1, NULL);
	lua_getfield(L, 1, "forgetful");
	config.is_forgetful = lua_toboolean(L, -1);
	struct mw_sim_events events = {.request = cb_request, .response = cb_response, .refused = cb_refused};
	if (lua_getfield(L, 1, "on_datagram") == LUA_TFUNCTION)
		events.tap = cb_tap;
	struct conn *c = lua_newuserdatauv(L, sizeof *c, 1);
	*c = (struct conn){0};
	luaL_setmetatable(L, CONN);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	events.ud = c;
	struct mw_errbuf e = {0};
	int rc = mw_sim_open(&c->sim, &config, &events, &e);
	return rc < 0 ? mw_lua_sim_failure(L, rc, e.text) : 1;
}

static int l_close(lua_State *L)
{
	struct conn *c = luaL_checkudata(L, 1, CONN);
	if (c->depth)
		c->close_wanted = true; /* libcoap is still on the C stack */
	else
		conn_close(c);
	return 0;
}

static int l_fd(lua_State *L)
{
	lua_pushinteger(L, mw_sim_fd(check_conn(L)->sim));
	return 1;
}

static int l_timeout_ms(lua_State *L)
{
	lua_pushinteger(L, mw_sim_timeout_ms(check_conn(L)->sim));
	return 1;
}

static int l_port(lua_State *L)
{
	lua_pushinteger(L, mw_sim_port(check_conn(L)->sim));
	return 1;
}

/** step() -> number of datagrams, error text of a callback or nil */
static int l_step(lua_State *L)
{
	struct conn *c = check_conn(L);
	if (c->depth)
		return luaL_error(L, "step() may not be called from a callback of the device");
	lua_State *before = enter(c, L);
	int n = mw_sim_step(c->sim);
	leave(c, before);
	lua_pushinteger(L, n);
	if (!c->error[0])
		return 1;
	lua_pushstring(L, c->error);
	c->error[0] = 0;
	return 2;
}

/** Reads {{number, bytes}, ...} at @p at; values borrow from strings in the table. */
static size_t read_options(lua_State *L, int at, struct mw_sim_option *out)
{
	luaL_checktype(L, at, LUA_TTABLE);
	lua_Integer n = luaL_len(L, at);
	luaL_argcheck(L, n <= MW_SIM_OPTIONS_MAX, at, "too many options");
	for (lua_Integer i = 0; i < n; i++) {
		lua_rawgeti(L, at, i + 1);
		luaL_argcheck(L, lua_istable(L, -1), at, "each option is {number, bytes}");
		lua_rawgeti(L, -1, 1);
		lua_rawgeti(L, -2, 2);
		/* lua_type, not lua_tolstring: a number would be converted in a temporary that nobody holds */
		luaL_argcheck(
			L, lua_isinteger(L, -2) && lua_type(L, -1) == LUA_TSTRING, at, "each option is {number, bytes}");
		out[i].number = (uint16_t)lua_tointeger(L, -2);
		out[i].value.data = (const uint8_t *)lua_tolstring(L, -1, &out[i].value.len);
		lua_pop(L, 3);
	}
	return (size_t)n;
}

/** request(code, options, payload?, is_non?) -> id */
static int l_request(lua_State *L)
{
	struct conn *c = check_conn(L);
	struct mw_sim_option options[MW_SIM_OPTIONS_MAX];
	unsigned code = (unsigned)luaL_checkinteger(L, 2) & 0xff;
	size_t n = read_options(L, 3, options);
	struct mw_bytes payload;
	payload.data = (const uint8_t *)luaL_optlstring(L, 4, "", &payload.len);
	unsigned type = lua_toboolean(L, 5) ? MW_SIM_NON : MW_SIM_CON;
	lua_State *before = enter(c, L);
	int64_t id = mw_sim_request(c->sim, type, code, options, n, payload);
	leave(c, before);
	if (id < 0)
		return mw_lua_sim_failure(L, (int)id, NULL);
	lua_pushinteger(L, id);
	return 1;
}

/** notify{token=, path=, con=, code=, format=, observe=, payload=} -> message id */
static int l_notify(lua_State *L)
{
	struct conn *c = check_conn(L);
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	struct mw_bytes token;
	lua_getfield(L, 2, "token");
	luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 2, "token must be a string");
	token.data = (const uint8_t *)lua_tolstring(L, -1, &token.len);
	luaL_argcheck(L, token.len <= 8, 2, "a token has at most 8 bytes");
	lua_getfield(L, 2, "path");
	const char *path = luaL_checkstring(L, -1);
	lua_getfield(L, 2, "con");
	unsigned type = lua_toboolean(L, -1) ? MW_SIM_CON : MW_SIM_NON;
	lua_getfield(L, 2, "payload");
	size_t len;
	(void)luaL_optlstring(L, -1, "", &len);
	/* Room first, as read_reply may raise and would leave heap memory behind. */
	struct mw_sim_reply reply = {0};
	mw_buf_init(&reply.payload, lua_newuserdatauv(L, len + 1, 0), len + 1);
	read_reply(L, 2, &reply);
	lua_State *before = enter(c, L);
	int rc = mw_sim_notify(c->sim, type, token, path, &reply);
	leave(c, before);
	if (rc < 0)
		return mw_lua_sim_failure(L, rc, NULL);
	lua_pushinteger(L, rc);
	return 1;
}

static int l_raw(lua_State *L)
{
	struct conn *c = check_conn(L);
	struct mw_bytes d;
	d.data = (const uint8_t *)luaL_checklstring(L, 2, &d.len);
	lua_State *before = enter(c, L);
	int rc = mw_sim_raw(c->sim, d);
	leave(c, before);
	if (rc < 0)
		return mw_lua_sim_failure(L, rc, NULL);
	lua_pushboolean(L, 1);
	return 1;
}

static int l_fault(lua_State *L)
{
	static const char *const kinds[] = {"drop_in", "drop_out", "drop_request", "twice_out", NULL};
	struct conn *c = check_conn(L);
	int kind = luaL_checkoption(L, 2, NULL, kinds);
	lua_Integer n = luaL_optinteger(L, 3, 1);
	luaL_argcheck(L, n >= 0 && n <= INT_MAX, 3, "out of range");
	mw_sim_fault(c->sim, (enum mw_sim_fault)kind, (unsigned)n);
	return 0;
}

static int l_set_asleep(lua_State *L)
{
	struct conn *c = check_conn(L);
	mw_sim_set_asleep(c->sim, lua_toboolean(L, 2));
	return 0;
}

static int l_rebind(lua_State *L)
{
	struct mw_errbuf e = {0};
	struct conn *c = check_conn(L);
	int rc = mw_sim_rebind(c->sim, &e);
	if (rc < 0)
		return mw_lua_sim_failure(L, rc, e.text);
	return l_port(L);
}

static const luaL_Reg conn_methods[] = {{"close", l_close}, {"fd", l_fd}, {"timeout_ms", l_timeout_ms},
	{"port", l_port}, {"step", l_step}, {"request", l_request}, {"notify", l_notify}, {"raw", l_raw},
	{"fault", l_fault}, {"set_asleep", l_set_asleep}, {"rebind", l_rebind}, {"__gc", l_close},
	{"__close", l_close}, {NULL, NULL}};

void mw_lua_sim_class(lua_State *L, const char *name, const luaL_Reg *methods)
{
	luaL_newmetatable(L, name);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}

int mw_lua_open_sim(lua_State *L)
{
	mw_lua_sim_class(L, CONN, conn_methods);
	lua_newtable(L);
	lua_pushcfunction(L, l_open);
	lua_setfield(L, -2, "open");
	mw_lua_open_sim_udp(L);
	mw_lua_open_sim_codec(L);
	return 1;
}
