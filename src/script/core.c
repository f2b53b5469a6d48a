/* `require "moonwire.core"`: what the Lua library gets from C. Sets no signals, owns no loop, writes no
 * globals. */
#include "model/ddf.h"
#include "script/l_host.h"
#include "script/l_reader.h"
#include "script/l_sim.h"
#include "script/l_table.h"
#include "script/l_value.h"
#include "script/script.h"

#include <lauxlib.h>
#include <lualib.h>

int luaopen_moonwire_core(lua_State *L);

/* ---- checks of an operator's files, without a host ---- */

/* Problems are told from within the frames of a parser: every one is pushed protected, and a raise (out of
 * memory) is only remembered. */
struct problems {
	lua_State *L;
	int table; /* stack index of the array */
	lua_Integer n;
	bool failed;
};

struct problem_call {
	const struct mw_ddf_problem *problem;
	lua_Integer at;
};

/* (array, light userdata) */
static int append_problem(lua_State *L)
{
	const struct problem_call *c = lua_touserdata(L, 2);
	const struct mw_ddf_problem *p = c->problem;
	lua_createtable(L, 0, 4);
	mw_lua_set_text(L, "file", p->file);
	if (p->line)
		mw_lua_set_integer(L, "line", p->line);
	mw_lua_set_text(L, "reason", p->text);
	mw_lua_set_boolean(L, "fatal", p->code < 0);
	lua_rawseti(L, 1, c->at);
	return 0;
}

static void on_ddf_problem(void *ud, const struct mw_ddf_problem *p)
{
	struct problems *all = ud;
	struct problem_call call = {p, all->n + 1};
	lua_State *L = all->L;
	if (all->failed)
		return;
	lua_pushcfunction(L, append_problem);
	lua_pushvalue(L, all->table);
	lua_pushlightuserdata(L, &call);
	if (lua_pcall(L, 2, 0, 0) == LUA_OK) {
		all->n++;
	} else { /* message */
		lua_pop(L, 1);
		all->failed = true;
	}
}

/* core.check_ddf(folder) -> { files =, failed =, objects =, items =, problems = { { file, line, reason, fatal
 * } } } */
static int check_ddf(lua_State *L)
{
	const char *folder = luaL_checkstring(L, 1);
	struct mw_ddf_stats stats = {0};
	struct mw_errbuf why = {0};
	luaL_checkstack(L, 8, NULL);
	lua_createtable(L, 0, 4);
	lua_newtable(L);
	struct problems problems = {.L = L, .table = lua_gettop(L)};
	struct mw_model *model = mw_model_new();
	if (!model)
		return mw_lua_fail(L, MW_E_NOMEM, "out of memory");
	int rc = mw_ddf_load_dir(model, folder, &stats, on_ddf_problem, &problems, &why);
	mw_model_free(model);
	if (rc < 0)
		return mw_lua_fail(L, rc, why.text);
	if (problems.failed)
		return mw_lua_fail(L, MW_E_NOMEM, "not enough memory for the list of problems");
	lua_setfield(L, -2, "problems");
	mw_lua_set_integer(L, "files", (int64_t)stats.files);
	mw_lua_set_integer(L, "failed", (int64_t)stats.failed);
	mw_lua_set_integer(L, "objects", (int64_t)stats.objects);
	mw_lua_set_integer(L, "items", (int64_t)stats.items);
	return 1;
}

struct report {
	lua_State *L;
	int callback; /* stack index */
	bool failed;  /* the callback raised: its message is on the top of the stack, nothing more is called */
};

struct script_line {
	const char *file, *reason;
	int line;
	bool ok;
};

/* (callback, light userdata) */
static int call_report(lua_State *L)
{
	const struct script_line *l = lua_touserdata(L, 2);
	lua_pushvalue(L, 1);
	lua_pushstring(L, l->file); /* nil for NULL */
	lua_pushinteger(L, l->line);
	lua_pushstring(L, l->reason);
	lua_pushboolean(L, l->ok);
	lua_call(L, 4, 0);
	return 0;
}

static void on_script(void *ud, const char *file, int line, const char *reason, bool ok)
{
	struct report *r = ud;
	lua_State *L = r->L;
	struct script_line l = {file, reason, line, ok};
	if (r->failed || !lua_checkstack(L, 6))
		return;
	lua_pushcfunction(L, call_report);
	lua_pushvalue(L, r->callback);
	lua_pushlightuserdata(L, &l);
	r->failed = lua_pcall(L, 2, 0, 0) != LUA_OK;
}

/* core.check_scripts(lua_dir, folder, fn(file, line, reason, ok)) -> number of files with problems, or nil,
 * message */
static int check_scripts(lua_State *L)
{
	struct mw_errbuf why = {0};
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
