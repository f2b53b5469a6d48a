/* A host as a Lua object: `local host = core.host { listen = { "127.0.0.1:0" }, store = "x.db" }`.
 *
 * Callbacks run inside step and run, on the Lua thread that called them. An error in a callback does not tear
 * through the host: it is remembered, and the step that it happened in returns nil, message, "ESCRIPT". */
#include "script/l_host.h"
#include "script/l_host_core.h"
#include "script/l_value.h"

struct l_host *mw_lua_host_check(lua_State *L, int arg)
{
	struct l_host *h = luaL_checkudata(L, arg, MW_LUA_HOST);
	if (!h->host)
		luaL_argerror(L, arg, "the host is closed");
	return h;
}

struct mw_host *mw_lua_check_host(lua_State *L, int arg)
{
	return mw_lua_host_check(L, arg)->host;
}

int mw_lua_host_fail(lua_State *L, const struct l_host *h, int code)
{
	return mw_lua_fail(L, code, mw_host_error(h->host));
}

/* ---- calling Lua ---- */

lua_State *mw_lua_host_enter(struct l_host *h, lua_State *L)
{
	lua_State *before = h->L;
	h->L = L;
	return before;
}

void mw_lua_host_leave(struct l_host *h, lua_State *before)
{
	h->L = before;
}

void mw_lua_host_slot(lua_State *L, const struct l_host *h, enum mw_lua_host_slot slot)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, h);
	lua_rawgeti(L, -1, slot);
	lua_remove(L, -2);
}

/* Gives what is on top of the stack to @p slot. */
static void fill_slot(lua_State *L, const struct l_host *h, enum mw_lua_host_slot slot)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, h);
	lua_insert(L, -2);
	lua_rawseti(L, -2, slot); /* the place is there already: no memory is asked for */
	lua_pop(L, 1);
}

static int traceback(lua_State *L)
{
	luaL_tolstring(L, 1, NULL);
	luaL_traceback(L, L, lua_tostring(L, -1), 1);
	return 1;
}

bool mw_lua_host_pcall(lua_State *L, struct l_host *h, int n_args, int n_results)
{
	int at = lua_gettop(L) - n_args;
	lua_pushcfunction(L, traceback);
	lua_insert(L, at);
	int rc = lua_pcall(L, n_args, n_results, at);
	lua_remove(L, at); /* results or [msg] */
	if (rc == LUA_OK)
		return true;
	if (h->has_error) {
		lua_pop(L, 1);
		return false;
	}
	fill_slot(L, h, SLOT_ERROR);
	h->has_error = true;
	return false;
}

void mw_lua_host_protect(struct l_host *h, lua_CFunction body, void *ud)
{
	lua_State *L = h->L;
	if (!L || !lua_checkstack(L, 8))
		return;
	lua_pushcfunction(L, body);
	lua_pushlightuserdata(L, ud);
	mw_lua_host_pcall(L, h, 1, 0);
}

static int pop_error(lua_State *L, struct l_host *h)
{
	if (!h->has_error)
		return 0;
	lua_pushnil(L);
	mw_lua_host_slot(L, h, SLOT_ERROR);
	lua_pushnil(L);
	fill_slot(L, h, SLOT_ERROR);
	h->has_error = false;
	lua_pushstring(L, "ESCRIPT");
	return 3;
}

/* ---- driving ---- */

static int host_fd(lua_State *L)
{
	lua_pushinteger(L, mw_host_fd(mw_lua_host_check(L, 1)->host));
	return 1;
}

static int host_timeout_ms(lua_State *L)
{
	lua_pushinteger(L, mw_host_timeout_ms(mw_lua_host_check(L, 1)->host));
	return 1;
}

static int drive(lua_State *L, int arg, int (*how)(struct mw_host *))
{
	struct l_host *h = mw_lua_host_check(L, arg);
	if (h->L)
		return luaL_error(L, "a callback must not run the host that called it");
	lua_State *before = mw_lua_host_enter(h, L);
	how(h->host);
	mw_lua_host_leave(h, before);
	int n = pop_error(L, h);
	if (n)
		return n;
	lua_pushboolean(L, 1);
	return 1;
}

static int host_step(lua_State *L)
{
	return drive(L, 1, mw_host_step);
}

int mw_lua_host_run(lua_State *L, int arg)
{
	return drive(L, arg, mw_host_run);
}

static int host_run(lua_State *L)
{
	return mw_lua_host_run(L, 1);
}

static int host_stop(lua_State *L)
{
	mw_host_stop(mw_lua_host_check(L, 1)->host);
	return 0;
}

static int host_listen_addresses(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	char text[80];
	lua_newtable(L);
	for (unsigned i = 0; mw_host_listen_address(h->host, i, text, sizeof(text)) == 0; i++) {
		lua_pushstring(L, text);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

static void add_counter(void *ud, const char *name, uint64_t value)
{
	lua_State *L = ud;
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, name);
}

static int host_stats(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	lua_newtable(L);
	mw_host_stats(h->host, add_counter, L);
	if (h->script)
		mw_script_stats(h->script, add_counter, L);
	return 1;
}

static int host_log_level(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	const char *group = luaL_checkstring(L, 2), *level = luaL_checkstring(L, 3);
	lua_State *before = mw_lua_host_enter(h, L);
	int rc = mw_host_log_level(h->host, group, level);
	mw_lua_host_leave(h, before);
	if (rc < 0)
		return mw_lua_host_fail(L, h, rc);
	lua_pushboolean(L, 1);
	return 1;
}

/* ---- life ---- */

static int host_close(lua_State *L)
{
	struct l_host *h = luaL_checkudata(L, 1, MW_LUA_HOST);
	if (h->host && h->L)
		return luaL_error(L, "a callback must not close the host that called it");
	if (h->host) {
		lua_State *before = mw_lua_host_enter(h, L); /* open operations are called back with ECANCELED */
		mw_script_close(h->script);
		mw_host_close(h->host);
		h->host = NULL;
		h->script = NULL;
		mw_lua_host_leave(h, before);
	}
	h->has_log = h->has_error = false;
	lua_pushnil(L); /* also what a host that did not open has kept alive */
	lua_rawsetp(L, LUA_REGISTRYINDEX, h);
	return 0;
}

struct log_call {
	struct l_host *owner;
	enum mw_log_level level;
	enum mw_log_group group;
	const char *text;
};

static int call_log(lua_State *L)
{
	struct log_call *c = lua_touserdata(L, 1);
	mw_lua_host_slot(L, c->owner, SLOT_LOG);
	lua_pushstring(L, mw_log_level_name(c->level));
	lua_pushstring(L, mw_log_group_name(c->group));
	lua_pushstring(L, c->text);
	lua_call(L, 3, 0);
	return 0;
}

static void on_log(
	void *ud, enum mw_log_level level, enum mw_log_group group, const char *file, int line, const char *text)
{
	(void)file;
	(void)line;
	struct log_call c = {ud, level, group, text};
	if (c.owner->has_log)
		mw_lua_host_protect(c.owner, call_log, &c);
}

/* The table of the slots; true when the configuration, at 1, has a log function. */
static bool make_slots(lua_State *L, const struct l_host *h)
{
	lua_createtable(L, N_SLOTS, 0);
	lua_newtable(L);
	lua_rawseti(L, -2, SLOT_LISTENERS);
	bool has_log = lua_getfield(L, 1, "log") == LUA_TFUNCTION;
	lua_rawseti(L, -2, SLOT_LOG);
	lua_pushboolean(L, 0);
	lua_rawseti(L, -2, SLOT_ERROR);
	lua_rawsetp(L, LUA_REGISTRYINDEX, h);
	return has_log;
}

static int open_host(lua_State *L, struct l_host *h, const struct mw_config *c,
	const struct mw_script_config *sc, struct mw_errbuf *why)
{
	int rc = 0;
	lua_State *before = mw_lua_host_enter(h, L);
	h->host = mw_host_open(c, why);
	if (!h->host)
		rc = why->code < 0 ? why->code : MW_E_IO;
	if (rc == 0 && sc->scripts_dir && !(h->script = mw_script_open(h->host, sc, why)))
		rc = why->code < 0 ? why->code : MW_E_SCRIPT;
	mw_lua_host_leave(h, before);
	return rc;
}

/* core.host(config) -> host, or nil, message, code. Keys: those of struct mw_config by name (lifetimes in
 * seconds as lifetime_grace, default_lifetime), and log = function(level, group, text), scripts = folder,
 * lua_dir, lenient, watch. */
static int new_host(lua_State *L)
{
	struct mw_config c;
	struct mw_script_config sc;
	struct mw_errbuf why = {0};
	luaL_checktype(L, 1, LUA_TTABLE);
	mw_lua_host_config(L, 1, &c, &sc);
	struct l_host *h = lua_newuserdatauv(L, sizeof(*h), 0);
	*h = (struct l_host){0};
	luaL_setmetatable(L, MW_LUA_HOST);
	h->has_log = make_slots(L, h);
	c.log = on_log;
	c.log_ud = h;
	int rc = open_host(L, h, &c, &sc, &why);
	if (rc < 0) {
		lua_pushcfunction(L, host_close);
		lua_pushvalue(L, -2);
		lua_call(L, 1, 0);
		return mw_lua_fail(L, rc, why.text);
	}
	return 1;
}

void mw_lua_open_host(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{"fd", host_fd},
		{"timeout_ms", host_timeout_ms},
		{"step", host_step},
		{"run", host_run},
		{"stop", host_stop},
		{"listen_addresses", host_listen_addresses},
		{"stats", host_stats},
		{"log_level", host_log_level},
		{"close", host_close},
		{"__close", host_close},
		{"__gc", host_close},
		{NULL, NULL},
	};
	luaL_newmetatable(L, MW_LUA_HOST);
	luaL_setfuncs(L, methods, 0);
	luaL_setfuncs(L, mw_lua_host_event_methods, 0);
	luaL_setfuncs(L, mw_lua_host_op_methods, 0);
	luaL_setfuncs(L, mw_lua_host_device_methods, 0);
	luaL_setfuncs(L, mw_lua_host_put_methods, 0);
	luaL_setfuncs(L, mw_lua_host_script_methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	lua_pushcfunction(L, new_host);
}
