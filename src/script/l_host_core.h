/** @file l_host_core.h  Shared by the l_host*.c files only: the userdata behind a host in Lua. */
#pragma once
#include "moonwire.h"
#include "script/script.h"

#include <lauxlib.h>
#include <lua.h>

#define MW_LUA_HOST "moonwire.host"

struct l_host {
	struct mw_host *host;
	struct mw_script *script; /* NULL = no scripts */
	lua_State *L;             /* the Lua thread inside step, run or close; NULL outside */
	lua_State *reload_L;      /* the one inside reload */
	int log_ref, listeners_ref, error_ref;
	int listener;
};

/** The userdata at @p arg; raises when it is no host or a closed one. */
struct l_host *mw_lua_host_check(lua_State *L, int arg);
/** Runs @p body(ud) protected, on the Lua thread that drives the host; an error is remembered for the step.
 * Does nothing when no Lua thread is inside. */
void mw_lua_host_protect(struct l_host *h, lua_CFunction body, void *ud);
/** nil, text of the host's last failure, word of @p code; returns 3. */
int mw_lua_host_fail(lua_State *L, const struct l_host *h, int code);

/** l_host_config.c: the table at @p table becomes a configuration whose strings the table keeps alive. Raises
 * on wrong types. */
void mw_lua_host_config(lua_State *L, int table, struct mw_config *c, struct mw_script_config *scripts);

/** Methods that each file adds to the class; they end with { NULL, NULL }. */
extern const luaL_Reg mw_lua_host_event_methods[], mw_lua_host_op_methods[], mw_lua_host_device_methods[],
	mw_lua_host_script_methods[];
