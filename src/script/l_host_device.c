/* host:device(endpoint) and host:devices(). */
#include "script/l_host_core.h"

static void set_text(lua_State *L, const char *key, const char *text)
{
	if (!*text)
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, int64_t v)
{
	lua_pushinteger(L, v);
	lua_setfield(L, -2, key);
}

static void push_device(lua_State *L, const struct mw_device_info *info)
{
	lua_createtable(L, 0, 14);
	lua_pushlstring(L, (const char *)info->endpoint.data, info->endpoint.len);
	lua_setfield(L, -2, "endpoint");
	set_integer(L, "id", info->id);
	lua_pushboolean(L, info->registered);
	lua_setfield(L, -2, "registered");
	if (!info->registered)
		return;
	set_text(L, "location", info->location);
	set_text(L, "address", info->address);
	set_text(L, "version", info->version);
	set_text(L, "binding", info->binding);
	lua_pushboolean(L, info->queue_mode);
	lua_setfield(L, -2, "queue_mode");
	set_integer(L, "lifetime", info->lifetime_s);
	set_integer(L, "registered_ms", info->registered_ms);
	set_integer(L, "heard_ms", info->last_heard_ms);
	if (info->expires_ms)
		set_integer(L, "expires_ms", info->expires_ms);
	set_integer(L, "observations", info->n_observations);
	lua_pushlstring(L, (const char *)info->links.data, info->links.len);
	lua_setfield(L, -2, "links");
}

/* host:device(endpoint) -> table, or nil, message, code */
static int host_device(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	struct mw_device_ref dev;
	struct mw_device_info info;
	size_t len;
	const char *endpoint = luaL_checklstring(L, 2, &len);
	int rc = mw_device_find(h->host, endpoint, len, &dev);
	if (rc == 0)
		rc = mw_device_info(h->host, dev, &info);
	if (rc < 0)
		return mw_lua_host_fail(L, h, rc);
	push_device(L, &info);
	return 1;
}

/* host:devices() -> array of tables, all devices that were ever seen */
static int host_devices(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	struct mw_device_ref at = {0};
	struct mw_device_info info;
	lua_newtable(L);
	for (lua_Integer i = 1; mw_device_next(h->host, &at); i++) {
		if (mw_device_info(h->host, at, &info) < 0)
			continue;
		push_device(L, &info);
		lua_rawseti(L, -2, i);
	}
	return 1;
}

const luaL_Reg mw_lua_host_device_methods[] = {
	{"device", host_device}, {"devices", host_devices}, {NULL, NULL}};
