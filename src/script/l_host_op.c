/* Operations: host:read(endpoint, path, fn) and its like. fn gets { [path] = value }, or nil, message, code.
 */
#include "script/l_host_core.h"
#include "script/l_value.h"

#include <stdlib.h>

/* One operation whose callback is a Lua function. */
struct l_call {
	struct l_host *owner;
	int ref;
};

struct result_call {
	struct l_call *call;
	const struct mw_result *res;
};

static int call_back(lua_State *L)
{
	struct result_call *c = lua_touserdata(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->call->ref);
	lua_call(L, mw_lua_push_result(L, c->res), 0);
	return 0;
}

static void on_result(
	void *ud, struct mw_device_ref dev, const struct mw_path *path, const struct mw_result *res)
{
	(void)dev;
	(void)path;
	struct l_call *call = ud;
	struct l_host *h = call->owner;
	struct result_call c = {call, res};
	mw_lua_host_protect(h, call_back, &c);
	if (h->L)
		luaL_unref(h->L, LUA_REGISTRYINDEX, call->ref);
	free(call);
}

static int push_started(lua_State *L, struct l_host *h, struct l_call *call, int64_t id)
{
	if (id < 0) {
		luaL_unref(L, LUA_REGISTRYINDEX, call->ref);
		free(call);
		return mw_lua_host_fail(L, h, (int)id);
	}
	lua_pushinteger(L, id);
	return 1;
}

/* The callback is at @p arg. The reference is taken first: luaL_ref may raise, and then nothing is held. */
static struct l_call *new_call(lua_State *L, struct l_host *h, int arg)
{
	luaL_checktype(L, arg, LUA_TFUNCTION);
	lua_pushvalue(L, arg);
	int ref = luaL_ref(L, LUA_REGISTRYINDEX);
	struct l_call *call = malloc(sizeof(*call));
	if (!call) {
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		luaL_error(L, "out of memory");
		return NULL;
	}
	*call = (struct l_call){h, ref};
	return call;
}

/* mw_read and mw_observe: (host, endpoint, path, fn) */
typedef int64_t start_fn(
	struct mw_host *host, struct mw_device_ref dev, const struct mw_path *path, mw_result_cb *cb, void *ud);

static int start(lua_State *L, start_fn *op)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	struct mw_device_ref dev;
	struct mw_path path = mw_lua_check_path(L, 3);
	int rc = mw_lua_host_find(L, h, 2, &dev);
	if (rc < 0)
		return mw_lua_host_fail(L, h, rc);
	struct l_call *call = new_call(L, h, 4);
	lua_State *before = mw_lua_host_enter(h, L);
	int64_t id = op(h->host, dev, &path, on_result, call);
	mw_lua_host_leave(h, before);
	return push_started(L, h, call, id);
}

static int host_read(lua_State *L)
{
	return start(L, mw_read);
}

static int host_observe(lua_State *L)
{
	return start(L, mw_observe);
}

static int host_cancel_observe(lua_State *L)
{
	static const char *const ways[] = {"reset", "request", NULL};
	struct l_host *h = mw_lua_host_check(L, 1);
	struct mw_device_ref dev;
	struct mw_path path = mw_lua_check_path(L, 3);
	enum mw_cancel_way way = luaL_checkoption(L, 4, "request", ways) ? MW_CANCEL_REQUEST : MW_CANCEL_RESET;
	int rc = mw_lua_host_find(L, h, 2, &dev);
	if (rc < 0)
		return mw_lua_host_fail(L, h, rc);
	struct l_call *call = new_call(L, h, 5);
	lua_State *before = mw_lua_host_enter(h, L);
	int64_t id = mw_cancel_observe(h->host, dev, &path, way, on_result, call);
	mw_lua_host_leave(h, before);
	return push_started(L, h, call, id);
}

static int host_write_attributes(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	struct mw_device_ref dev;
	struct mw_path path = mw_lua_check_path(L, 3);
	const char *attributes = luaL_checkstring(L, 4);
	int rc = mw_lua_host_find(L, h, 2, &dev);
	if (rc < 0)
		return mw_lua_host_fail(L, h, rc);
	struct l_call *call = new_call(L, h, 5);
	lua_State *before = mw_lua_host_enter(h, L);
	int64_t id = mw_write_attributes(h->host, dev, &path, attributes, on_result, call);
	mw_lua_host_leave(h, before);
	return push_started(L, h, call, id);
}

static int host_cancel(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	int64_t id = luaL_checkinteger(L, 2);
	lua_State *before = mw_lua_host_enter(h, L);
	int rc = mw_op_cancel(h->host, id);
	mw_lua_host_leave(h, before);
	if (rc < 0)
		return mw_lua_host_fail(L, h, rc);
	lua_pushboolean(L, 1);
	return 1;
}

const luaL_Reg mw_lua_host_op_methods[] = {
	{"read", host_read},
	{"observe", host_observe},
	{"cancel_observe", host_cancel_observe},
	{"write_attributes", host_write_attributes},
	{"cancel", host_cancel},
	{NULL, NULL},
};
