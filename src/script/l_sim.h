/** @file l_sim.h  Lua binding of the simulator: the module table that `moonwire.core` offers as `sim`. */
#pragma once
#include <lauxlib.h>
#include <lua.h>

/** Pushes the module table: open, udp, poll, now_ms, encode, decode. No globals. Raises on memory errors
 * only. */
int mw_lua_open_sim(lua_State *L);

/* Private to the binding. The first two add their functions to the table on top of the stack. */
void mw_lua_open_sim_codec(lua_State *L);
void mw_lua_open_sim_udp(lua_State *L);
/** Makes the metatable @p name, which is its own __index. */
void mw_lua_sim_class(lua_State *L, const char *name, const luaL_Reg *methods);
/** Pushes nil, message, word; @p text NULL = the sentence of @p rc. Returns 3. */
int mw_lua_sim_failure(lua_State *L, int rc, const char *text);
