/* A device as scripts see it: a name for it (index and generation), never a pointer.
 *
 * read, observe, cancel and write_attributes wait for the device, so they work in hooks only. They return a
 * value or true, or nil and an error whose `code` is the device's CoAP code ("4.04") or a word of ours
 * ("ETIMEOUT"). */
#include "codec/value.h"
#include "host/host.h"
#include "script/l_value.h"
#include "script/state.h"

#include <lauxlib.h>
#include <stdio.h>

#define DEVICE_TYPE "moonwire.device"
#define ERROR_TYPE "moonwire.error"

enum { ATTRIBUTES_MAX = 256 };

void mw_l_device_push(lua_State *L, struct mw_device_ref dev)
{
	struct mw_device_ref *h = lua_newuserdatauv(L, sizeof(*h), 0);
	*h = dev;
	luaL_setmetatable(L, DEVICE_TYPE);
}

struct mw_device_ref mw_l_device_check(lua_State *L, int arg)
{
	return *(struct mw_device_ref *)luaL_checkudata(L, arg, DEVICE_TYPE);
}

/* ---- errors and results ---- */

int mw_l_push_error(lua_State *L, const char *code, const char *text)
{
	lua_pushnil(L);
	lua_createtable(L, 0, 2);
	lua_pushstring(L, code);
	lua_setfield(L, -2, "code");
	lua_pushstring(L, text);
	lua_setfield(L, -2, "text");
	luaL_setmetatable(L, ERROR_TYPE);
	return 2;
}

static int error_tostring(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_getfield(L, 1, "code");
	lua_getfield(L, 1, "text");
	const char *code = lua_tostring(L, -2), *text = lua_tostring(L, -1);
	lua_pushfstring(L, text && *text ? "%s %s" : "%s", code ? code : "?", text);
	return 1;
}

static int host_failure(lua_State *L, struct mw_host *host, int64_t code)
{
	return mw_l_push_error(L, mw_err_word((int)code), host ? mw_host_error(host) : mw_err_text((int)code));
}

bool mw_l_result_ok(const struct mw_result *res)
{
	return res->err == 0 && (res->code == 0 || res->code >> 5 == 2);
}

static int result_failure(lua_State *L, const struct mw_result *res)
{
	char code[16];
	if (res->err)
		return mw_l_push_error(L, mw_err_word(res->err), *res->text ? res->text : mw_err_text(res->err));
	snprintf(code, sizeof(code), "%d.%02d", res->code >> 5, res->code & 31);
	return mw_l_push_error(L, code, res->text);
}

/* The table in field @p id of the table on top; made when missing. Replaces nothing, pushes the inner one. */
static void push_inner(lua_State *L, uint16_t id)
{
	if (lua_rawgeti(L, -1, id) == LUA_TTABLE) /* t inner */
		return;
	lua_pop(L, 1);
	lua_newtable(L);        /* t inner */
	lua_pushvalue(L, -1);   /* t inner inner */
	lua_rawseti(L, -3, id); /* t inner */
}

static bool is_too_big(const struct mw_value *v)
{
	return v->type == MW_TYPE_UNSIGNED && v->u > INT64_MAX;
}

/* Nodes as tables by id, one level for each id that the request left open. The root table is on top. */
static void add_node(lua_State *L, unsigned depth, const struct mw_node *n)
{
	const uint16_t ids[] = {n->path.oid, n->path.iid, n->path.rid, n->path.riid};
	int top = lua_gettop(L);
	for (unsigned at = depth; at + 1 < n->path.depth && at < 3; at++)
		push_inner(L, ids[at]);
	mw_lua_push_value(L, &n->value);
	lua_rawseti(L, -2, ids[n->path.depth - 1]);
	lua_settop(L, top);
}

int mw_l_push_result(lua_State *L, const struct mw_path *path, const struct mw_result *res)
{
	if (!mw_l_result_ok(res))
		return result_failure(L, res);
	for (size_t i = 0; i < res->n_nodes; i++) {
		if (is_too_big(&res->nodes[i].value))
			return mw_l_push_error(L, "ETYPE", "an unsigned value above 2^63-1 has no Lua integer");
	}
	if (res->n_nodes == 1 && res->nodes[0].path.depth == path->depth) {
		mw_lua_push_value(L, &res->nodes[0].value);
		return 1;
	}
	lua_newtable(L);
	for (size_t i = 0; i < res->n_nodes; i++) {
		if (res->nodes[i].path.depth > path->depth)
			add_node(L, path->depth, &res->nodes[i]);
	}
	return 1;
}

/* ---- operations: everything that may raise comes before mw_task_wait ---- */

static int started(lua_State *L, struct mw_wait *w, int64_t id)
{
	struct mw_script *s = mw_script_of(L);
	if (id < 0) {
		mw_task_unwait(w);
		return host_failure(L, s->host, id);
	}
	w->op = id;
	return lua_yield(L, 0); /* resumed with the results */
}

static int device_read(lua_State *L)
{
	struct mw_device_ref dev = mw_l_device_check(L, 1);
	struct mw_path path = mw_lua_check_path(L, 2);
	struct mw_wait *w = mw_task_wait(L, "dev:read");
	w->path = path;
	w->as_read = true;
	return started(L, w, mw_read(mw_script_of(L)->host, dev, &path, mw_task_on_result, w));
}

static int device_observe(lua_State *L)
{
	struct mw_device_ref dev = mw_l_device_check(L, 1);
	struct mw_path path = mw_lua_check_path(L, 2);
	struct mw_wait *w = mw_task_wait(L, "dev:observe");
	w->path = path;
	w->as_read = true;
	return started(L, w, mw_observe(mw_script_of(L)->host, dev, &path, mw_task_on_result, w));
}

static int device_cancel(lua_State *L)
{
	static const char *const ways[] = {"reset", "request", NULL};
	struct mw_device_ref dev = mw_l_device_check(L, 1);
	struct mw_path path = mw_lua_check_path(L, 2);
	enum mw_cancel_way way = luaL_checkoption(L, 3, "request", ways) ? MW_CANCEL_REQUEST : MW_CANCEL_RESET;
	struct mw_wait *w = mw_task_wait(L, "dev:cancel");
	w->path = path;
	return started(L, w, mw_cancel_observe(mw_script_of(L)->host, dev, &path, way, mw_task_on_result, w));
}

static int device_write_attributes(lua_State *L)
{
	size_t len;
	struct mw_device_ref dev = mw_l_device_check(L, 1);
	struct mw_path path = mw_lua_check_path(L, 2);
	const char *attributes = luaL_checklstring(L, 3, &len);
	luaL_argcheck(L, len > 0 && len <= ATTRIBUTES_MAX, 3, "attributes look like \"pmin=10&pmax=300\"");
	struct mw_wait *w = mw_task_wait(L, "dev:write_attributes");
	w->path = path;
	return started(
		L, w, mw_write_attributes(mw_script_of(L)->host, dev, &path, attributes, mw_task_on_result, w));
}

/* ---- what is known of it ---- */

/* 0, or the number of results that say why not. */
static int get_info(lua_State *L, struct mw_device_info *info)
{
	struct mw_script *s = mw_script_of(L);
	struct mw_device_ref dev = mw_l_device_check(L, 1);
	if (!s->host)
		return mw_l_push_error(L, "ESTATE", "there is no host");
	int rc = mw_device_info(s->host, dev, info);
	return rc < 0 ? mw_l_push_error(L, mw_err_word(rc), "device is gone") : 0;
}

static int device_endpoint(lua_State *L)
{
	struct mw_device_info info;
	int n = get_info(L, &info);
	if (n == 0) {
		lua_pushlstring(L, (const char *)info.endpoint.data, info.endpoint.len);
		n = 1;
	}
	return n;
}

static int device_registered(lua_State *L)
{
	struct mw_device_info info;
	bool registered = get_info(L, &info) == 0 && info.registered;
	lua_pushboolean(L, registered);
	return 1;
}

static int device_lifetime(lua_State *L)
{
	struct mw_device_info info;
	int n = get_info(L, &info);
	if (n == 0) {
		lua_pushinteger(L, info.lifetime_s);
		n = 1;
	}
	return n;
}

static int device_version(lua_State *L)
{
	struct mw_device_info info;
	int n = get_info(L, &info);
	if (n == 0) {
		lua_pushstring(L, info.version);
		n = 1;
	}
	return n;
}

static int device_address(lua_State *L)
{
	struct mw_device_info info;
	int n = get_info(L, &info);
	if (n == 0) {
		lua_pushstring(L, info.address);
		n = 1;
	}
	return n;
}

/* The host's callback must not be torn through by a Lua error: ids are gathered first. */
struct links {
	size_t n, cap;
	uint16_t (*ids)[2];
};

static void gather(void *ud, uint16_t oid, uint16_t iid)
{
	struct links *l = ud;
	if (l->n < l->cap) {
		l->ids[l->n][0] = oid;
		l->ids[l->n][1] = iid;
	}
	l->n++;
}

/* dev:objects() -> { [3303] = { 0, 1 }, [5] = {} } */
static int device_objects(lua_State *L)
{
	struct mw_script *s = mw_script_of(L);
	struct mw_device_ref dev = mw_l_device_check(L, 1);
	struct links l = {0};
	if (!s->host)
		return mw_l_push_error(L, "ESTATE", "there is no host");
	int rc = mw_device_links(s->host, dev, gather, &l);
	if (rc < 0)
		return host_failure(L, s->host, rc);
	l.cap = l.n;
	l.ids = lua_newuserdatauv(L, l.cap * sizeof(*l.ids) + 1, 0);
	l.n = 0;
	mw_device_links(s->host, dev, gather, &l);
	lua_newtable(L);
	for (size_t i = 0; i < l.n && i < l.cap; i++) {
		push_inner(L, l.ids[i][0]);
		if (l.ids[i][1] != MW_ID_NONE) {
			lua_pushinteger(L, l.ids[i][1]);
			lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
		}
		lua_pop(L, 1);
	}
	return 1;
}

static int device_eq(lua_State *L)
{
	struct mw_device_ref a = mw_l_device_check(L, 1), b = mw_l_device_check(L, 2);
	lua_pushboolean(L, a.index == b.index && a.generation == b.generation);
	return 1;
}

static int device_tostring(lua_State *L)
{
	struct mw_device_info info;
	if (get_info(L, &info) == 0)
		lua_pushfstring(
			L, "device %s", lua_pushlstring(L, (const char *)info.endpoint.data, info.endpoint.len));
	else
		lua_pushstring(L, "device (gone)");
	return 1;
}

static const luaL_Reg methods[] = {{"read", device_read}, {"observe", device_observe},
	{"cancel", device_cancel}, {"write_attributes", device_write_attributes}, {"endpoint", device_endpoint},
	{"registered", device_registered}, {"lifetime", device_lifetime}, {"version", device_version},
	{"address", device_address}, {"objects", device_objects}, {NULL, NULL}};

/* Metatables are made here, never on first use, and are closed to scripts. */
void mw_l_device_open(lua_State *L)
{
	luaL_newmetatable(L, DEVICE_TYPE);
	luaL_newlib(L, methods);
	mw_l_put_open(L);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, device_eq);
	lua_setfield(L, -2, "__eq");
	lua_pushcfunction(L, device_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pushliteral(L, "locked");
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
	luaL_newmetatable(L, ERROR_TYPE);
	lua_pushcfunction(L, error_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pushliteral(L, "locked");
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}
