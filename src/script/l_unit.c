/* What the Lua half of the reload needs from C: limits around a unit's code, places of declarations, the
 * exchange. */
#include "base/hash.h"
#include "host/host.h"
#include "script/raised.h"
#include "script/state.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

/* core.guard(slot, fn, ...) -> true, result | false, message. Never raises for what fn does. */
static int l_guard(lua_State *L)
{
	struct mw_script *s = mw_script_of(L);
	uint32_t slot_before = s->slot;
	uint32_t slot = (uint32_t)luaL_checkinteger(L, 1);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_pushcfunction(L, mw_script_traceback);
	lua_replace(L, 1); /* h fn ... */
	struct mw_script_limits before = mw_script_limits_new(s, s->load_budget);
	s->now.kept = s->alloc.max / 16; /* part of the reserve is for loading, the rest for what loads */
	mw_script_arm(s, L);
	s->slot = slot;
	int rc = lua_pcall(L, lua_gettop(L) - 2, 1, 1); /* h result */
	s->slot = slot_before;
	bool over = s->now.over;
	mw_script_limits_set(s, L, before);
	if (rc != LUA_OK && lua_type(L, -1) != LUA_TSTRING) {
		lua_pushstring(L, over ? "instruction budget used up (endless loop?)" : "error in error handling");
		lua_replace(L, -2);
	}
	lua_pushboolean(L, rc == LUA_OK);
	lua_insert(L, -2);
	return 2;
}

/* `return protocol { ... }` is a tail call, which leaves no trace of the caller, except for a C function: so
 * this one stands in front of the Lua function and tells it where it was called. */
static int call_located(lua_State *L)
{
	lua_Debug ar;
	int n = lua_gettop(L);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1); /* fn args */
	if (lua_getstack(L, 1, &ar) && lua_getinfo(L, "Sl", &ar) && ar.currentline > 0)
		lua_pushfstring(L, "%s:%d", *ar.source == '@' ? ar.source + 1 : ar.short_src, ar.currentline);
	else
		lua_pushliteral(L, "?");
	lua_insert(L, 2); /* fn where args */
	lua_call(L, n + 1, LUA_MULTRET);
	return lua_gettop(L);
}

static int l_located(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	lua_pushcclosure(L, call_located, 1);
	return 1;
}

static int l_charge(lua_State *L)
{
	mw_script_charge(L, luaL_checkinteger(L, 1));
	return 0;
}

static int l_check(lua_State *L)
{
	mw_script_check_budget(L);
	return lua_gettop(L);
}

static int l_hash(lua_State *L)
{
	size_t len;
	char text[20];
	static const struct mw_hash_key key = {{0x6d6f6f6e77697265, 0x7363726970747321}};
	const char *s = luaL_checklstring(L, 1, &len);
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)mw_hash(&key, s, len));
	lua_pushstring(L, text);
	return 1;
}

static int l_now(lua_State *L)
{
	lua_pushinteger(L, mw_script_wall_ms(mw_script_of(L)));
	return 1;
}

static int l_room(lua_State *L)
{
	lua_pushinteger(L, mw_script_room(L));
	return 1;
}

static int l_slot(lua_State *L)
{
	uint32_t slot = mw_script_slot_of(mw_script_of(L), luaL_checkstring(L, 1));
	if (slot == MW_SLOT_NONE)
		return luaL_error(L, "out of memory");
	lua_pushinteger(L, slot);
	return 1;
}

static int l_failed(lua_State *L)
{
	struct mw_script *s = mw_script_of(L);
	uint32_t slot = (uint32_t)luaL_checkinteger(L, 1);
	s->count.reload_failures++;
	mw_script_error(s, slot, luaL_checkstring(L, 2));
	return 0;
}

static int l_plan(lua_State *L)
{
	mw_plan_push(L, 1);
	return 1;
}

/* The slot in element @p i of the list at @p arg, whose table is left on top. */
static struct mw_script_slot *slot_at(lua_State *L, struct mw_script *s, int arg, lua_Integer i)
{
	lua_rawgeti(L, arg, i);      /* entry */
	lua_getfield(L, -1, "slot"); /* entry slot */
	uint32_t slot = (uint32_t)lua_tointeger(L, -1);
	lua_pop(L, 1); /* entry */
	return slot < s->n_slots ? &s->slots[slot] : NULL;
}

static void end_generation(struct mw_script *s, struct mw_script_slot *u)
{
	u->generation = 0;
	u->hash[0] = '\0';
	u->is_off = false;
	memset(u->n_stopped, 0, sizeof(u->n_stopped));
	mw_task_end(s, (uint32_t)(u - s->slots));
}

/* core.commit(plan, { { slot =, hash = }, ... }, { { slot = }, ... }). Everything that could raise comes
 * first. */
static int l_commit(lua_State *L)
{
	struct mw_script *s = mw_script_of(L);
	const struct mw_plan *plan = lua_touserdata(L, 1);
	luaL_checktype(L, 1, LUA_TUSERDATA);
	luaL_checktype(L, 2, LUA_TTABLE);
	luaL_checktype(L, 3, LUA_TTABLE);
	luaL_checkstack(L, 10, "commit");
	if (plan->has_when && !s->raised)
		s->raised = mw_raised_new();
	mw_raised_keep(s->raised, plan);
	mw_auto_walk(s, s->count.reloads ? s->plan : NULL, plan);
	lua_pushvalue(L, 1);
	s->plan = mw_plan_install(L);
	for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, 3); i <= n; i++) {
		struct mw_script_slot *u = slot_at(L, s, 3, i);
		if (u)
			end_generation(s, u);
		lua_pop(L, 1);
	}
	for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, 2); i <= n; i++) {
		struct mw_script_slot *u = slot_at(L, s, 2, i);
		lua_getfield(L, -1, "hash"); /* entry hash */
		if (u) {
			end_generation(s, u);
			u->generation = ++u->last_generation;
			u->loaded_ms = mw_script_wall_ms(s);
			u->last_error[0] = '\0';
			mw_strcopy(u->hash, sizeof(u->hash), lua_tostring(L, -1));
		}
		lua_pop(L, 2);
	}
	s->count.reloads++;
	return 0;
}

static const luaL_Reg functions[] = {{"guard", l_guard}, {"located", l_located}, {"charge", l_charge},
	{"check", l_check}, {"hash", l_hash}, {"now", l_now}, {"room", l_room}, {"slot", l_slot},
	{"failed", l_failed}, {"plan", l_plan}, {"commit", l_commit}, {NULL, NULL}};

void mw_l_unit_open(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
}
