/** @file l_value.h  LwM2M values, paths and errors as Lua sees them: one place for the conversion rules.
 *
 * Integer and Time -> integer, Unsigned -> integer, Float -> float, Boolean -> boolean, String, Opaque and
 * Corelnk -> string, Objlnk -> { oid =, iid = }. An Unsigned above 2^63-1 has no Lua integer: that is an
 * error, not a wrap and not a hole. */
#pragma once
#include "moonwire.h"
#include <lua.h>

/** Pushes one Lua value. May raise (memory).
 *  @return false: the value has no Lua form (Unsigned above 2^63-1) or is none, and nil was pushed */
bool mw_lua_push_value(lua_State *L, const struct mw_value *v);
/** Pushes { ["/3/0/9"] = value, ... } without the nodes that have no Lua form. May raise (memory).
 *  @return the first node that was left out, or NULL */
const struct mw_node *mw_lua_push_nodes(lua_State *L, const struct mw_node *nodes, size_t n);
/** Pushes { ["/3/0/9"] = "value of /3/0/9 is above ...", ... }: a sentence for each node that
 * mw_lua_push_nodes leaves out. May raise (memory). */
void mw_lua_push_node_errors(lua_State *L, const struct mw_node *nodes, size_t n);
/** Pushes the values of @p res as mw_lua_push_nodes does, and returns 1; or nil, text, word or CoAP code
 * ("4.04"), and returns 3: a failure of the operation, or a value that has no Lua form ("ETYPE"). May raise
 * (memory). */
int mw_lua_push_result(lua_State *L, const struct mw_result *res);
/** Pushes "/3303/0/5700". May raise (memory). */
void mw_lua_push_path(lua_State *L, const struct mw_path *p);
/** The path in argument @p arg; raises a Lua argument error that says what is wrong. */
struct mw_path mw_lua_check_path(lua_State *L, int arg);
/** Pushes nil, @p text, word of @p code; returns 3. May raise (memory). */
int mw_lua_fail(lua_State *L, int code, const char *text);
/** Pushes nil, text, word or CoAP code ("4.04") for a result that is a failure, and returns 3; 0 if it is
 * none. */
int mw_lua_push_failure(lua_State *L, const struct mw_result *res);
