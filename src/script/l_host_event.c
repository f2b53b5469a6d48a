/* host:on and host:off. */
#include "script/l_host_core.h"
#include "script/l_value.h"

#include <string.h>

struct event_call {
	struct l_host *owner;
	const struct mw_event *event;
};

static const char *event_name(enum mw_event_kind kind)
{
	switch (kind) {
	case MW_EVENT_REGISTERED:
		return "device.registered";
	case MW_EVENT_UPDATED:
		return "device.updated";
	case MW_EVENT_DEREGISTERED:
		return "device.deregistered";
	case MW_EVENT_EXPIRED:
		return "device.expired";
	case MW_EVENT_VALUES:
		return "value.received";
	case MW_EVENT_FEED:
		return "feed.committed";
	}
	return "?";
}

static void push_event(lua_State *L, struct mw_host *host, const struct mw_event *ev)
{
	static const char *const sources[] = {"read", "observe", "notify", "send"};
	struct mw_device_info info;
	lua_createtable(L, 0, 6);
	lua_pushstring(L, event_name(ev->kind));
	lua_setfield(L, -2, "name");
	lua_pushinteger(L, ev->received_ms);
	lua_setfield(L, -2, "received_ms");
	if (ev->kind == MW_EVENT_FEED) {
		lua_pushinteger(L, ev->last_seq);
		lua_setfield(L, -2, "last_seq");
		return;
	}
	if (mw_device_info(host, ev->dev, &info) == 0) {
		lua_pushlstring(L, (const char *)info.endpoint.data, info.endpoint.len);
		lua_setfield(L, -2, "endpoint");
	}
	if (ev->kind == MW_EVENT_UPDATED) {
		lua_pushboolean(L, ev->objects_changed);
		lua_setfield(L, -2, "objects_changed");
	}
	if (ev->kind == MW_EVENT_VALUES) {
		mw_lua_push_path(L, &ev->path);
		lua_setfield(L, -2, "path");
		lua_pushstring(L, sources[ev->source]);
		lua_setfield(L, -2, "source");
		mw_lua_push_nodes(L, ev->nodes, ev->n_nodes);
		lua_setfield(L, -2, "values");
	}
}

/* Listeners are { [id] = { name =, fn = } }; a copy of the ids is walked, since a listener may remove itself.
 */
static int call_listeners(lua_State *L)
{
	struct event_call *c = lua_touserdata(L, 1);
	const char *name = event_name(c->event->kind);
	bool built = false;
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->owner->listeners_ref); /* list */
	lua_Integer n = luaL_len(L, -1);
	lua_pushnil(L); /* list event */
	for (lua_Integer i = 1; i <= n; i++) {
		if (lua_rawgeti(L, 2, i) != LUA_TTABLE) { /* list event entry */
			lua_pop(L, 1);
			continue;
		}
		lua_getfield(L, -1, "name");
		const char *wanted = lua_tostring(L, -1);
		if (strcmp(wanted, name) == 0 || strcmp(wanted, "*") == 0) {
			if (!built) {
				push_event(L, c->owner->host, c->event);
				lua_replace(L, 3);
				built = true;
			}
			lua_getfield(L, -2, "fn");
			lua_pushvalue(L, 3);
			lua_call(L, 1, 0);
		}
		lua_settop(L, 3);
	}
	return 0;
}

static int on_event(void *ud, struct mw_host *host, const struct mw_event *event)
{
	(void)host;
	struct event_call c = {ud, event};
	mw_lua_host_protect(c.owner, call_listeners, &c);
	return 0;
}

static int host_on(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	luaL_checkstring(L, 2);
	luaL_checktype(L, 3, LUA_TFUNCTION);
	if (h->listener == 0) {
		h->listener = mw_host_on_event(h->host, on_event, h);
		if (h->listener < 0) {
			h->listener = 0;
			return mw_lua_host_fail(L, h, MW_E_NOMEM);
		}
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, h->listeners_ref);
	lua_Integer id = luaL_len(L, -1) + 1;
	lua_createtable(L, 0, 2);
	lua_pushvalue(L, 2);
	lua_setfield(L, -2, "name");
	lua_pushvalue(L, 3);
	lua_setfield(L, -2, "fn");
	lua_rawseti(L, -2, id);
	lua_pushinteger(L, id);
	return 1;
}

static int host_off(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	lua_Integer id = luaL_checkinteger(L, 2);
	lua_rawgeti(L, LUA_REGISTRYINDEX, h->listeners_ref);
	if (lua_rawgeti(L, -1, id) == LUA_TTABLE) {
		lua_pushboolean(L, 0);
		lua_rawseti(L, -3, id); /* false, not nil: the list has no holes */
	}
	return 0;
}

const luaL_Reg mw_lua_host_event_methods[] = {{"on", host_on}, {"off", host_off}, {NULL, NULL}};
