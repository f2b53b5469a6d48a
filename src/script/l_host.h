/** @file l_host.h  `core.host`: a host as a Lua object, for embedding programs and for the command line. */
#pragma once
#include "moonwire.h"
#include <lua.h>

/** Pushes the function core.host(config). May raise (memory). */
void mw_lua_open_host(lua_State *L);
/** The host behind argument @p arg; raises when it is none or closed. */
struct mw_host *mw_lua_check_host(lua_State *L, int arg);
/** Runs mw_host_run with callbacks going to @p L; what core's host:run() does. */
int mw_lua_host_run(lua_State *L, int arg);
