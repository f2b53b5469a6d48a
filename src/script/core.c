/* `require "moonwire.core"`: what the Lua library gets from C. Sets no signals, owns no loop, writes no
 * globals. */
#include "model/ddf.h"
#include "script/l_host.h"
#include "script/l_reader.h"
#include "script/l_sim.h"
#include "script/l_value.h"
#include "script/script.h"

#include <lauxlib.h>
#include <lualib.h>

int luaopen_moonwire_core(lua_State *L);

/* ---- checks of an operator's files, without a host ---- */

struct problems {
	lua_State *L;
	lua_Integer n;
};

/* A table is only ever appended to from here, at the top of the stack. */
static void add_problem(struct problems *p, const char *file, unsigned line, const char *reason, bool fatal)
{
	lua_State *L = p->L;
	lua_createtable(L, 0, 4);
	lua_pushstring(L, file);
	lua_setfield(L, -2, "file");
	if (line) {
		lua_pushinteger(L, line);
		lua_setfield(L, -2, "line");
	}
	lua_pushstring(L, reason);
	lua_setfield(L, -2, "reason");
	lua_pushboolean(L, fatal);
	lua_setfield(L, -2, "fatal");
	lua_rawseti(L, -2, ++p->n);
}

static void on_ddf_problem(void *ud, const struct mw_ddf_problem *p)
{
	add_problem(ud, p->file, p->line, p->text, p->code < 0);
}

/* core.check_ddf(folder) -> { files =, objects =, items =, problems = { { file, line, reason, fatal } } } */
static int check_ddf(lua_State *L)
{
	const char *folder = luaL_checkstring(L, 1);
	struct mw_ddf_stats stats = {0};
	struct mw_errbuf why = {""};
	struct problems problems = {.L = L};
	struct mw_model *model = mw_model_new();
	if (!model)
		return luaL_error(L, "out of memory");
	lua_createtable(L, 0, 4);
	lua_newtable(L);
	int rc = mw_ddf_load_dir(model, folder, &stats, on_ddf_problem, &problems, &why);
	mw_model_free(model);
	if (rc < 0)
		return mw_lua_fail(L, rc, why.text);
	lua_setfield(L, -2, "problems");
	lua_pushinteger(L, (lua_Integer)stats.files);
	lua_setfield(L, -2, "files");
	lua_pushinteger(L, (lua_Integer)stats.objects);
	lua_setfield(L, -2, "objects");
	lua_pushinteger(L, (lua_Integer)stats.items);
	lua_setfield(L, -2, "items");
	return 1;
}

struct report {
	lua_State *L;
	int callback; /* stack index */
	bool failed;  /* the callback raised: its message is on the top of the stack, nothing more is called */
};

static void on_script(void *ud, const char *file, int line, const char *reason, bool ok)
{
	struct report *r = ud;
	lua_State *L = r->L;
	if (r->failed || !lua_checkstack(L, 6))
		return;
	lua_pushvalue(L, r->callback);
	if (file)
		lua_pushstring(L, file);
	else
		lua_pushnil(L);
	lua_pushinteger(L, line);
	lua_pushstring(L, reason);
	lua_pushboolean(L, ok);
	r->failed = lua_pcall(L, 4, 0, 0) != LUA_OK;
}

/* core.check_scripts(lua_dir, folder, fn(file, line, reason, ok)) -> number of files with problems, or nil,
 * message */
static int check_scripts(lua_State *L)
{
	struct mw_errbuf why = {""};
	const char *lua_dir = luaL_checkstring(L, 1), *folder = luaL_checkstring(L, 2);
	luaL_checktype(L, 3, LUA_TFUNCTION);
	struct report r = {.L = L, .callback = 3};
	int rc = mw_script_check(lua_dir, folder, on_script, &r, &why);
	if (r.failed)
		return lua_error(L);
	if (rc < 0)
		return mw_lua_fail(L, rc, why.text);
	lua_pushinteger(L, rc);
	return 1;
}

int luaopen_moonwire_core(lua_State *L)
{
	lua_newtable(L);
	lua_pushstring(L, MW_VERSION);
	lua_setfield(L, -2, "version");
	mw_lua_open_host(L);
	lua_setfield(L, -2, "host");
	mw_lua_open_reader(L);
	lua_setfield(L, -2, "reader");
	mw_lua_open_sim(L);
	lua_setfield(L, -2, "sim");
	lua_pushcfunction(L, check_ddf);
	lua_setfield(L, -2, "check_ddf");
	lua_pushcfunction(L, check_scripts);
	lua_setfield(L, -2, "check_scripts");
	return 1;
}
