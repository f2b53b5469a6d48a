/** @file l_table.h  Setting one key of the table on top of the stack. All may raise (memory). What is empty
 * is left out: a key that is not there reads as nil. */
#pragma once
#include "moonwire.h"
#include <lua.h>

static inline void mw_lua_set_text(lua_State *L, const char *key, const char *text)
{
	if (!text || !*text)
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, key);
}

static inline void mw_lua_set_bytes(lua_State *L, const char *key, struct mw_bytes b)
{
	if (!b.len)
		return;
	lua_pushlstring(L, (const char *)b.data, b.len);
	lua_setfield(L, -2, key);
}

static inline void mw_lua_set_integer(lua_State *L, const char *key, int64_t v)
{
	lua_pushinteger(L, v);
	lua_setfield(L, -2, key);
}

static inline void mw_lua_set_boolean(lua_State *L, const char *key, bool v)
{
	lua_pushboolean(L, v);
	lua_setfield(L, -2, key);
}
