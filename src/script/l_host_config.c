/* The table given to core.host, as struct mw_config. */
#include "script/l_host_core.h"

#include <string.h>

static const char *opt_string(lua_State *L, int table, const char *key)
{
	int type = lua_getfield(L, table, key);
	if (type != LUA_TNIL && type != LUA_TSTRING)
		luaL_error(L, "%s must be a string, not %s", key, luaL_typename(L, -1));
	const char *s = lua_tostring(L, -1);
	lua_pop(L, 1); /* the configuration table keeps it alive */
	return s;
}

/* In struct mw_config 0 is the default of every number, so that an operator's 0 would silently become, for
 * example, 93 seconds: it is refused. */
static uint32_t opt_u32(lua_State *L, int table, const char *key)
{
	int type = lua_getfield(L, table, key);
	lua_Integer v = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1; /* "5" and 5.0 are no integers */
	lua_pop(L, 1);
	if (type == LUA_TNIL)
		return 0;
	if (v == 0)
		luaL_error(L, "%s must not be 0: leave it out for its default, or give 1 or more", key);
	if (v < 0 || v > UINT32_MAX)
		luaL_error(L, "%s must be a whole number from 1 to 4294967295", key);
	return (uint32_t)v;
}

static void read_listen(lua_State *L, int table, struct mw_config *c)
{
	if (lua_getfield(L, table, "listen") == LUA_TSTRING) {
		c->listen[0] = lua_tostring(L, -1);
	} else if (lua_istable(L, -1)) {
		lua_Integer n = luaL_len(L, -1);
		if (n > MW_LISTEN_MAX)
			luaL_error(L, "listen has %d addresses; %d are allowed", (int)n, MW_LISTEN_MAX);
		for (lua_Integer i = 0; i < n; i++) {
			if (lua_rawgeti(L, -1, i + 1) != LUA_TSTRING)
				luaL_error(L, "listen[%d] must be a string like \"127.0.0.1:5783\"", (int)i + 1);
			c->listen[i] = lua_tostring(L, -1);
			lua_pop(L, 1);
		}
	} else if (!lua_isnil(L, -1)) {
		luaL_error(L, "listen must be a string or a list of strings");
	}
	lua_pop(L, 1);
}

static enum mw_log_level read_level(lua_State *L, int table)
{
	const char *name = opt_string(L, table, "log_level");
	if (!name)
		return MW_LOG_INFO;
	for (int i = 0; i <= MW_LOG_TRACE; i++)
		if (strcmp(name, mw_log_level_name((enum mw_log_level)i)) == 0)
			return (enum mw_log_level)i;
	luaL_error(L, "log_level must be error, warn, info, debug or trace, not \"%s\"", name);
	return MW_LOG_INFO;
}

static void read_scripts(lua_State *L, int table, struct mw_script_config *s)
{
	*s = (struct mw_script_config){
		.lua_dir = opt_string(L, table, "lua_dir"), .scripts_dir = opt_string(L, table, "scripts")};
	lua_getfield(L, table, "lenient");
	s->lenient = lua_toboolean(L, -1);
	lua_getfield(L, table, "watch");
	s->watch = lua_isnil(L, -1) || lua_toboolean(L, -1);
	lua_pop(L, 2);
}

void mw_lua_host_config(lua_State *L, int table, struct mw_config *c, struct mw_script_config *scripts)
{
	*c = (struct mw_config){
		.store = opt_string(L, table, "store"),
		.ddf = opt_string(L, table, "ddf"),
		.log_level = read_level(L, table),
		.lifetime_grace_s = opt_u32(L, table, "lifetime_grace"),
		.default_lifetime_s = opt_u32(L, table, "default_lifetime"),
		.max_devices = opt_u32(L, table, "max_devices"),
		.max_observations_per_device = opt_u32(L, table, "max_observations_per_device"),
		.ack_timeout_ms = opt_u32(L, table, "ack_timeout_ms"),
		.dedup_bytes = opt_u32(L, table, "dedup_bytes"),
		.commit_ms = opt_u32(L, table, "commit_ms"),
		.commit_rows = opt_u32(L, table, "commit_rows"),
	};
	read_listen(L, table, c);
	read_scripts(L, table, scripts);
}
