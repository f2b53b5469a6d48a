/** @file l_value.h  LwM2M values, paths and errors as Lua sees them: one place for the conversion rules.
 *
 * Integer and Time -> integer, Unsigned -> integer (above 2^63-1: nil, never a wrong number), Float -> float,
 * Boolean -> boolean, String, Opaque and Corelnk -> string, Objlnk -> { oid =, iid = }. */
#pragma once
#include "moonwire.h"
#include <lua.h>

/** Pushes one Lua value. May raise (memory). */
void mw_lua_push_value(lua_State *L, const struct mw_value *v);
/** Pushes { ["/3/0/9"] = value, ... }. May raise (memory). */
void mw_lua_push_nodes(lua_State *L, const struct mw_node *nodes, size_t n);
/** Pushes "/3303/0/5700". May raise (memory). */
void mw_lua_push_path(lua_State *L, const struct mw_path *p);
/** The path in argument @p arg; raises a Lua argument error that says what is wrong. */
struct mw_path mw_lua_check_path(lua_State *L, int arg);
/** Pushes nil, @p text, word of @p code; returns 3. May raise (memory). */
int mw_lua_fail(lua_State *L, int code, const char *text);
/** Pushes nil, text, word or CoAP code ("4.04") for a result that is a failure, and returns 3; 0 if it is
 * none. */
int mw_lua_push_failure(lua_State *L, const struct mw_result *res);
