/* host:scripts() and host:reload(). */
#include "host/host.h"
#include "script/l_host_core.h"
#include "script/l_table.h"
#include "script/l_value.h"

#include <stdlib.h>

static void add_unit(void *ud, const struct mw_script_unit *u)
{
	lua_State *L = ud;
	lua_createtable(L, 0, 6);
	mw_lua_set_text(L, "name", u->name);
	mw_lua_set_text(L, "hash", u->hash);
	mw_lua_set_text(L, "last_error", u->last_error);
	mw_lua_set_integer(L, "generation", u->generation);
	mw_lua_set_integer(L, "loaded_ms", u->loaded_ms);
	mw_lua_set_integer(L, "errors", (int64_t)u->n_errors);
	lua_rawseti(L, -2, luaL_len(L, -2) + 1);
}

/* host:scripts() -> array of { name, generation, hash, loaded_ms, last_error, errors } */
static int host_scripts(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	lua_newtable(L);
	if (h->script)
		mw_script_units(h->script, add_unit, L);
	return 1;
}

/* One reload under way: where its report goes. */
struct reload {
	struct l_host *owner;
	int ref;
};

struct line {
	const struct reload *reload;
	const char *file, *reason;
	int number;
	bool ok;
};

static int call_report(lua_State *L)
{
	const struct line *l = lua_touserdata(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, l->reload->ref);
	if (l->file)
		lua_pushstring(L, l->file);
	else
		lua_pushnil(L);
	lua_pushinteger(L, l->number);
	lua_pushstring(L, l->reason);
	lua_pushboolean(L, l->ok);
	lua_call(L, 4, 0);
	return 0;
}

static void on_report(void *ud, const char *file, int line, const char *reason, bool ok)
{
	struct reload *r = ud;
	struct l_host *h = r->owner;
	struct line l = {.reload = r, .file = file, .reason = reason, .number = line, .ok = ok};
	mw_lua_host_protect(h, call_report, &l);
	if (!file) { /* the last line */
		if (h->L)
			luaL_unref(h->L, LUA_REGISTRYINDEX, r->ref);
		free(r);
	}
}

/* host:reload(unit or nil, fn(file, line, reason, ok)) loads what changed, all or nothing; the report ends
 * with a call whose file is nil. -> true, or nil, message, code */
static int host_reload(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	const char *unit = luaL_optstring(L, 2, NULL);
	luaL_checktype(L, 3, LUA_TFUNCTION);
	if (!h->script)
		return mw_lua_fail(L, MW_E_STATE, "this host has no scripts: give core.host a scripts folder");
	lua_pushvalue(L, 3);
	int ref = luaL_ref(L, LUA_REGISTRYINDEX);
	struct reload *r = malloc(sizeof(*r));
	if (!r) {
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		return mw_lua_fail(L, MW_E_NOMEM, "out of memory");
	}
	*r = (struct reload){h, ref};
	lua_State *before = mw_lua_host_enter(h, L); /* without a watch it is reported from within */
	int rc = mw_script_reload(h->script, unit, false, on_report, r);
	mw_lua_host_leave(h, before);
	if (rc < 0 && rc != MW_E_SCRIPT) { /* that one has been reported */
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		free(r);
		return mw_lua_fail(L, rc, mw_err_text(rc));
	}
	lua_pushboolean(L, 1);
	return 1;
}

const luaL_Reg mw_lua_host_script_methods[] = {
	{"scripts", host_scripts}, {"reload", host_reload}, {NULL, NULL}};
