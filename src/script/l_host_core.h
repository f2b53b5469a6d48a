/** @file l_host_core.h  Shared by the l_host*.c files only: the userdata behind a host in Lua. */
#pragma once
#include "moonwire.h"
#include "script/script.h"

#include <lauxlib.h>
#include <lua.h>

#define MW_LUA_HOST "moonwire.host"

/* What a host keeps alive in Lua is in one table of the registry under the address of its userdata. The table
 * is made with these places, so that filling one needs no memory: that may happen within frames of the loop.
 */
enum mw_lua_host_slot { SLOT_LISTENERS = 1, SLOT_LOG, SLOT_ERROR, N_SLOTS = SLOT_ERROR };

struct l_host {
	struct mw_host *host;
	struct mw_script *script; /* NULL = no scripts */
	lua_State *L;             /* the Lua thread that is inside a function of the host; NULL outside */
	bool has_error;           /* SLOT_ERROR holds the first error of a callback since it was last told */
	bool has_log;
	int listener; /* of the host, 0 = none */
	lua_Integer n_listeners, last_listener;
	unsigned delivering; /* events under way: listeners are not moved */
	bool has_gaps;       /* listeners left meanwhile */
};

/** The userdata at @p arg; raises when it is no host or a closed one. */
struct l_host *mw_lua_host_check(lua_State *L, int arg);
/** Around every function of the host that may log or call back. Nothing in between may raise.
 *  @return for mw_lua_host_leave */
lua_State *mw_lua_host_enter(struct l_host *h, lua_State *L);
void mw_lua_host_leave(struct l_host *h, lua_State *before);
/** Runs @p body(ud) protected, on the Lua thread that is inside the host; an error is remembered for the
 * step. Does nothing when no Lua thread is inside. Never raises. */
void mw_lua_host_protect(struct l_host *h, lua_CFunction body, void *ud);
/** lua_pcall for a callback: an error is remembered for the step, and popped. Never raises. */
bool mw_lua_host_pcall(lua_State *L, struct l_host *h, int n_args, int n_results);
/** Pushes what slot @p slot holds. Never raises. */
void mw_lua_host_slot(lua_State *L, const struct l_host *h, enum mw_lua_host_slot slot);
/** The device that the string at @p arg names; MW_E_NOTFOUND. Raises when it is no string. */
int mw_lua_host_find(lua_State *L, struct l_host *h, int arg, struct mw_device_ref *out);
/** nil, text of the host's last failure, word of @p code; returns 3. */
int mw_lua_host_fail(lua_State *L, const struct l_host *h, int code);

/** l_host_config.c: the table at @p table becomes a configuration whose strings the table keeps alive. Raises
 * on wrong types. */
void mw_lua_host_config(lua_State *L, int table, struct mw_config *c, struct mw_script_config *scripts);

/** Methods that each file adds to the class; they end with { NULL, NULL }. */
extern const luaL_Reg mw_lua_host_event_methods[], mw_lua_host_op_methods[], mw_lua_host_device_methods[],
	mw_lua_host_put_methods[], mw_lua_host_script_methods[];
