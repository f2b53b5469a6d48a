#include "script/plan.h"
#include "script/raised.h"

#include <lauxlib.h>
#include <stdalign.h>
#include <string.h>

/* The registry's entry for the plan in use is made at open, so that exchanging it later needs no memory. */
#define IN_USE "moonwire.plan"

static const char *const hook_names[MW_HOOK_N] = {
	"device.registered", "device.updated", "device.deregistered", "device.expired", "value.received"};

/* ---- look-up ---- */

const struct mw_rule *mw_plan_first(const struct mw_plan *p, uint16_t oid)
{
	size_t lo = 0, hi = p->n_rules;
	uint32_t key = (uint32_t)oid << 16;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (p->rules[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return p->rules + lo;
}

const struct mw_rule *mw_plan_rule(const struct mw_plan *p, uint16_t oid, uint16_t rid)
{
	uint32_t key = (uint32_t)oid << 16 | rid;
	size_t lo = 0, hi = p->n_rules;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (p->rules[mid].key == key)
			return &p->rules[mid];
		if (p->rules[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* ---- building: `kept` is the stack index of the user value ---- */

static lua_Integer integer_field(lua_State *L, const char *key, lua_Integer max)
{
	int is_integer;
	lua_getfield(L, -1, key);
	lua_Integer v = lua_tointegerx(L, -1, &is_integer);
	lua_pop(L, 1);
	if (!is_integer || v < 0 || v > max)
		luaL_error(L, "plan: %s must be an integer from 0 to %I", key, (LUAI_UACINT)max);
	return v;
}

static bool flag_field(lua_State *L, const char *key)
{
	lua_getfield(L, -1, key);
	bool v = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return v;
}

/* The string stays where it is; a key of the user value keeps it alive. */
static struct mw_bytes string_field(lua_State *L, const char *key, int kept)
{
	struct mw_bytes out = {NULL, 0};
	int type = lua_getfield(L, -1, key); /* str */
	if (type == LUA_TSTRING) {
		out.data = (const uint8_t *)lua_tolstring(L, -1, &out.len);
		lua_pushvalue(L, -1);  /* str str */
		lua_pushboolean(L, 1); /* str str true */
		lua_rawset(L, kept);   /* str */
	} else if (type != LUA_TNIL) {
		luaL_error(L, "plan: %s must be a string", key);
	}
	lua_pop(L, 1);
	return out;
}

static int function_field(lua_State *L, const char *key, int kept)
{
	if (lua_getfield(L, -1, key) == LUA_TNIL) {
		lua_pop(L, 1);
		return 0;
	}
	luaL_checktype(L, -1, LUA_TFUNCTION);
	lua_Unsigned n = lua_rawlen(L, kept) + 1;
	lua_rawseti(L, kept, (lua_Integer)n);
	return (int)n;
}

static bool table_field(lua_State *L, const char *key)
{
	if (lua_getfield(L, -1, key) == LUA_TTABLE)
		return true;
	lua_pop(L, 1);
	return false;
}

static void read_alarm(lua_State *L, struct mw_rule_alarm *a, int kept)
{
	a->type = string_field(L, "type", kept);
	a->text = string_field(L, "text", kept);
	a->key = mw_raised_type(a->type);
	a->severity = (enum mw_severity)integer_field(L, "severity", MW_SEVERITY_CRITICAL);
	a->status = (enum mw_alarm_status)integer_field(L, "status", MW_ALARM_CLEARED);
	a->when = function_field(L, "when", kept);
}

static void read_rule(lua_State *L, struct mw_rule *r, int kept)
{
	luaL_checktype(L, -1, LUA_TTABLE);
	r->key = (uint32_t)integer_field(L, "oid", 65534) << 16 | (uint32_t)integer_field(L, "rid", 65534);
	r->slot = (uint32_t)integer_field(L, "slot", UINT32_MAX);
	r->observe = flag_field(L, "observe");
	r->ignore_empty = flag_field(L, "ignore_empty");
	r->attributes = string_field(L, "attributes", kept);
	if (table_field(L, "measurement")) {
		r->measurement.type = string_field(L, "type", kept);
		r->measurement.series = string_field(L, "series", kept);
		r->measurement.unit = string_field(L, "unit", kept);
		lua_pop(L, 1);
	}
	if (table_field(L, "event")) {
		r->event.type = string_field(L, "type", kept);
		r->event.text = string_field(L, "text", kept);
		lua_pop(L, 1);
	}
	if (table_field(L, "alarm")) {
		read_alarm(L, &r->alarm, kept);
		lua_pop(L, 1);
	}
}

static size_t list_length(lua_State *L, int arg, const char *key)
{
	size_t n = 0;
	lua_getfield(L, arg, key);
	if (lua_istable(L, -1))
		n = (size_t)lua_rawlen(L, -1);
	lua_pop(L, 1);
	return n;
}

static size_t count_hooks(lua_State *L, int arg, size_t n[MW_HOOK_N])
{
	size_t sum = 0;
	lua_getfield(L, arg, "hooks");
	luaL_checktype(L, -1, LUA_TTABLE);
	int hooks = lua_gettop(L);
	for (int i = 0; i < MW_HOOK_N; i++)
		sum += n[i] = list_length(L, hooks, hook_names[i]);
	lua_pop(L, 1);
	return sum;
}

static void read_rules(lua_State *L, int arg, struct mw_plan *p, struct mw_rule *rules, int kept)
{
	lua_getfield(L, arg, "rules");
	for (size_t i = 0; i < p->n_rules; i++) {
		lua_rawgeti(L, -1, (lua_Integer)i + 1);
		read_rule(L, &rules[i], kept);
		lua_pop(L, 1);
		if (i > 0 && rules[i - 1].key >= rules[i].key)
			luaL_error(L, "plan: rules must be sorted");
		p->n_observes += rules[i].observe;
		p->has_when |= rules[i].alarm.when != 0;
	}
	lua_pop(L, 1);
}

static void read_hooks(lua_State *L, int arg, struct mw_plan *p, struct mw_hook *hooks, int kept)
{
	lua_getfield(L, arg, "hooks");
	for (int kind = 0; kind < MW_HOOK_N; kind++) {
		p->hooks[kind] = hooks;
		lua_getfield(L, -1, hook_names[kind]);
		for (size_t i = 0; i < p->n_hooks[kind]; i++, hooks++) {
			lua_rawgeti(L, -1, (lua_Integer)i + 1);
			hooks->kind = (enum mw_hook_kind)kind;
			hooks->slot = (uint32_t)integer_field(L, "slot", UINT32_MAX);
			hooks->fn = function_field(L, "fn", kept);
			lua_pop(L, 1);
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

/* Rules and hooks lie behind the plan, each of them aligned. */
static size_t rounded(size_t n)
{
	size_t a = alignof(max_align_t);
	return (n + a - 1) / a * a;
}

struct mw_plan *mw_plan_push(lua_State *L, int arg)
{
	luaL_checktype(L, arg, LUA_TTABLE);
	luaL_checkstack(L, 12, "plan");
	size_t n_hooks[MW_HOOK_N];
	size_t n_rules = list_length(L, arg, "rules");
	size_t sum = count_hooks(L, arg, n_hooks);
	size_t rules_at = rounded(sizeof(struct mw_plan));
	size_t hooks_at = rules_at + rounded(n_rules * sizeof(struct mw_rule));
	size_t size = hooks_at + sum * sizeof(struct mw_hook);
	char *memory = lua_newuserdatauv(L, size, 1); /* ud */
	memset(memory, 0, size);
	struct mw_plan *p = (void *)memory;
	struct mw_rule *rules = (void *)(memory + rules_at);
	p->rules = rules;
	p->n_rules = n_rules;
	memcpy(p->n_hooks, n_hooks, sizeof(n_hooks));
	luaL_setmetatable(L, IN_USE);
	lua_newtable(L); /* ud kept */
	int kept = lua_gettop(L);
	read_rules(L, arg, p, rules, kept);
	read_hooks(L, arg, p, (void *)(memory + hooks_at), kept);
	lua_setiuservalue(L, -2, 1); /* ud */
	return p;
}

/* ---- the one in use ---- */

/* Two registry entries, [plan] and [plan's functions], so that a hook's function is two look-ups away. */
static const char plan_key = 1, functions_key = 2; /* only their addresses are used */

struct mw_plan *mw_plan_install(lua_State *L)
{
	struct mw_plan *p = lua_touserdata(L, -1);
	lua_getiuservalue(L, -1, 1);                       /* ud kept */
	lua_rawsetp(L, LUA_REGISTRYINDEX, &functions_key); /* ud */
	lua_rawsetp(L, LUA_REGISTRYINDEX, &plan_key);      /* */
	return p;
}

void mw_plan_push_function(lua_State *L, int fn)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &functions_key); /* kept */
	lua_rawgeti(L, -1, fn);                            /* kept fn */
	lua_replace(L, -2);                                /* fn */
}

struct mw_plan *mw_plan_open(lua_State *L)
{
	luaL_newmetatable(L, IN_USE);
	lua_pop(L, 1);
	lua_createtable(L, 0, 2); /* { rules = {}, hooks = {} } */
	lua_newtable(L);
	lua_setfield(L, -2, "rules");
	lua_newtable(L);
	lua_setfield(L, -2, "hooks");
	mw_plan_push(L, lua_gettop(L));
	struct mw_plan *p = mw_plan_install(L);
	lua_pop(L, 1);
	return p;
}
