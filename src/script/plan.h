/** @file plan.h  What the loaded units declare, as tables that C walks without entering Lua.
 *
 * A plan is built from one Lua table, never changes, and is exchanged as a whole when units are committed. It
 * lies in one Lua userdata; its strings and functions are Lua's own, kept alive by the userdata's user value.
 */
#pragma once
#include "moonwire.h"
#include <lua.h>

enum mw_hook_kind {
	MW_HOOK_REGISTERED,
	MW_HOOK_UPDATED,
	MW_HOOK_DEREGISTERED,
	MW_HOOK_EXPIRED,
	MW_HOOK_VALUE,
	MW_HOOK_N
};

struct mw_rule_measurement {
	struct mw_bytes type, series, unit; /**< type.data NULL = none */
};

struct mw_rule_event {
	struct mw_bytes type, text;
};

struct mw_rule_alarm {
	struct mw_bytes type, text;
	uint64_t key; /**< of the type, see mw_raised_type */
	enum mw_severity severity;
	enum mw_alarm_status status;
	int when; /**< function of the plan, 0 = every value raises */
};

/** What happens to the values of one resource. */
struct mw_rule {
	uint32_t key; /**< oid << 16 | rid */
	uint32_t slot;
	struct mw_rule_measurement measurement;
	struct mw_rule_event event;
	struct mw_rule_alarm alarm;
	struct mw_bytes attributes; /**< of the observation, "pmin=10&pmax=300"; empty = none */
	bool observe;
	bool ignore_empty;
};

struct mw_hook {
	uint32_t slot;
	enum mw_hook_kind kind;
	int fn; /**< function of the plan */
};

struct mw_plan {
	const struct mw_rule *rules; /**< ascending by key, no duplicates */
	size_t n_rules, n_observes;
	const struct mw_hook *hooks[MW_HOOK_N];
	size_t n_hooks[MW_HOOK_N];
	bool has_when;
};

/** NULL when no unit declares the resource. */
const struct mw_rule *mw_plan_rule(const struct mw_plan *p, uint16_t oid, uint16_t rid);
/** The first rule of the object, or of the next higher one; the end of the array if there is none. */
const struct mw_rule *mw_plan_first(const struct mw_plan *p, uint16_t oid);
/** Turns the table at @p arg into a plan userdata on top of the stack. Raises on what is malformed, as only
 * our own Lua code gets here. Format: see lua/moonwire/script/protocol.lua and hooks.lua, "plan". */
struct mw_plan *mw_plan_push(lua_State *L, int arg);
/** Makes the plan on top of the stack the one in use and pops it. Neither raises nor allocates. */
struct mw_plan *mw_plan_install(lua_State *L);
/** The functions of the plan in use: pushes function @p fn. */
void mw_plan_push_function(lua_State *L, int fn);
/** At open: an empty plan in use. */
struct mw_plan *mw_plan_open(lua_State *L);
