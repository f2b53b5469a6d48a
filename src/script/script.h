/** @file script.h  Lua in a host: the operator's units, what they may do, and how they are exchanged while it
 * runs.
 *
 * One lua_State holds the trusted library (lua/moonwire/script) and the units, each in an environment of its
 * own. C enters Lua through mw_script_enter and through nothing else. Loop thread only; nothing here may be
 * called from inside a script. Design of the reload: lua/moonwire/script/reload.lua. */
#pragma once
#include "moonwire.h"
#include <lua.h>

/** Runs @p body in protected mode: the only road from C into Lua.
 *  @p body gets @p ud as its one (light userdata) argument and may raise freely; it must not hold a malloc'ed
 * block or a half-updated core structure across a raising call. Each entry has the instruction budget of the
 *  configuration.
 *  @param unit  whose log tag and error count this is; NULL = our own
 *  @return 0, MW_E_NOMEM, MW_E_SCRIPT (message and traceback logged), or MW_E_STATE (a script is running:
 * entries do not nest). Never raises; the Lua stack is unchanged. */
int mw_script_enter(struct mw_script *s, const char *unit, lua_CFunction body, void *ud);
