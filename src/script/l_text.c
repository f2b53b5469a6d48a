/* find, match, gmatch and gsub for scripts: as string.*, but every step counts against the instruction
 * budget. Lengths were checked before, by lua/moonwire/script/sandbox.lua. */
#include "script/pattern.h"
#include "script/state.h"

#include <lauxlib.h>
#include <string.h>

enum { RESULT_MAX = 1024 * 1024, BYTES_PER_INSTRUCTION = 16 };

/* ---- one match ---- */

static void start(lua_State *L, struct mw_pattern *m, int subject, int pattern)
{
	size_t n_subject, n_pattern;
	*m = (struct mw_pattern){0};
	m->subject = luaL_checklstring(L, subject, &n_subject);
	m->subject_end = m->subject + n_subject;
	m->pattern = luaL_checklstring(L, pattern, &n_pattern);
	m->pattern_end = m->pattern + n_pattern;
}

static bool take_anchor(struct mw_pattern *m)
{
	if (m->pattern == m->pattern_end || *m->pattern != '^')
		return false;
	m->pattern++;
	return true;
}

/* Matches at @p at, within what is left of the budget. */
static const char *match_at(lua_State *L, struct mw_pattern *m, const char *at)
{
	const struct mw_script_limits *now = &mw_script_of(L)->now;
	int64_t budget = now->limit == INT64_MAX ? INT64_MAX : now->limit - now->spent;
	m->steps = budget;
	const char *end = mw_pattern_match(m, at);
	if (m->error)
		luaL_error(L, "%s", m->error);
	mw_script_charge(L, budget - m->steps + (m->out_of_steps ? 1 : 0));
	return end;
}

static void push_capture(
	lua_State *L, const struct mw_pattern *m, int i, const char *start_at, const char *end)
{
	if (i >= m->n_captures) { /* the whole match */
		lua_pushlstring(L, start_at, (size_t)(end - start_at));
	} else if (m->captures[i].len == MW_PATTERN_POSITION) {
		lua_pushinteger(L, m->captures[i].start - m->subject + 1);
	} else if (m->captures[i].len == MW_PATTERN_OPEN) {
		luaL_error(L, "unfinished capture");
	} else {
		lua_pushlstring(L, m->captures[i].start, (size_t)m->captures[i].len);
	}
}

/* All captures, or the whole match when there are none and @p whole. */
static int push_captures(
	lua_State *L, const struct mw_pattern *m, const char *start_at, const char *end, bool whole)
{
	int n = m->n_captures == 0 && whole ? 1 : m->n_captures;
	luaL_checkstack(L, n, "captures");
	for (int i = 0; i < n; i++)
		push_capture(L, m, i, start_at, end);
	return n;
}

/* Where to begin, counted from 0; beyond the end = no match possible. */
static size_t first_index(lua_Integer init, size_t len)
{
	if (init > 0)
		return (size_t)init - 1;
	if (init == 0 || init < -(lua_Integer)len)
		return 0;
	return len - (size_t)-init;
}

/* ---- find, match ---- */

static int find_plain(lua_State *L, const struct mw_pattern *m, const char *from)
{
	size_t n = (size_t)(m->pattern_end - m->pattern);
	mw_script_charge(L, (m->subject_end - from) / BYTES_PER_INSTRUCTION);
	const char *at = n ? memmem(from, (size_t)(m->subject_end - from), m->pattern, n) : from;
	if (!at) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushinteger(L, at - m->subject + 1);
	lua_pushinteger(L, at - m->subject + (lua_Integer)n);
	return 2;
}

static int search(lua_State *L, bool find)
{
	struct mw_pattern m;
	start(L, &m, 1, 2);
	size_t len = (size_t)(m.subject_end - m.subject);
	size_t first = first_index(luaL_optinteger(L, 3, 1), len);
	if (first > len) {
		lua_pushnil(L);
		return 1;
	}
	const char *at = m.subject + first;
	if (find && (lua_toboolean(L, 4) || mw_pattern_is_plain(m.pattern, (size_t)(m.pattern_end - m.pattern))))
		return find_plain(L, &m, at);
	bool anchored = take_anchor(&m);
	do {
		const char *end = match_at(L, &m, at);
		if (end && find) {
			lua_pushinteger(L, at - m.subject + 1);
			lua_pushinteger(L, end - m.subject);
			return 2 + push_captures(L, &m, at, end, false);
		}
		if (end)
			return push_captures(L, &m, at, end, true);
	} while (at++ < m.subject_end && !anchored);
	lua_pushnil(L);
	return 1;
}

static int l_find(lua_State *L)
{
	return search(L, true);
}

static int l_match(lua_State *L)
{
	return search(L, false);
}

/* ---- gmatch: upvalues subject, pattern, next index, end of the last match (both from 0; -1 = none) ---- */

static int gmatch_next(lua_State *L)
{
	struct mw_pattern m;
	start(L, &m, lua_upvalueindex(1), lua_upvalueindex(2));
	const char *at = m.subject + lua_tointeger(L, lua_upvalueindex(3));
	lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
	for (; at <= m.subject_end; at++) {
		const char *end = match_at(L, &m, at);
		if (!end || end - m.subject == last) /* not the same empty match twice */
			continue;
		lua_pushinteger(L, end - m.subject);
		lua_copy(L, -1, lua_upvalueindex(3));
		lua_replace(L, lua_upvalueindex(4));
		return push_captures(L, &m, at, end, true);
	}
	lua_pushinteger(L, m.subject_end - m.subject + 1);
	lua_replace(L, lua_upvalueindex(3));
	return 0;
}

static int l_gmatch(lua_State *L)
{
	size_t len;
	luaL_checkstring(L, 2);
	luaL_checklstring(L, 1, &len);
	size_t first = first_index(luaL_optinteger(L, 3, 1), len);
	lua_settop(L, 2);
	lua_pushinteger(L, (lua_Integer)(first > len ? len + 1 : first));
	lua_pushinteger(L, -1);
	lua_pushcclosure(L, gmatch_next, 4);
	return 1;
}

/* ---- gsub ---- */

static void add_template(lua_State *L, struct mw_pattern *m, luaL_Buffer *b, const char *at, const char *end)
{
	size_t len;
	const char *t = lua_tolstring(L, 3, &len);
	for (size_t i = 0; i < len; i++) {
		if (t[i] != '%') {
			luaL_addchar(b, t[i]);
			continue;
		}
		char c = ++i < len ? t[i] : '\0';
		if (c == '%') {
			luaL_addchar(b, '%');
		} else if (c == '0') {
			luaL_addlstring(b, at, (size_t)(end - at));
		} else if (c >= '1' && c <= '9' && (c - '1' < m->n_captures || c == '1')) {
			push_capture(L, m, c - '1', at, end);
			luaL_tolstring(L, -1, NULL); /* a position is a number */
			lua_remove(L, -2);
			luaL_addvalue(b);
		} else if (c >= '1' && c <= '9') {
			luaL_error(L, "invalid capture index %%%c in replacement string", c);
		} else {
			luaL_error(L, "invalid use of '%%' in replacement string");
		}
	}
}

static void add_replacement(
	lua_State *L, struct mw_pattern *m, luaL_Buffer *b, const char *at, const char *end)
{
	int type = lua_type(L, 3);
	if (type == LUA_TSTRING || type == LUA_TNUMBER) {
		add_template(L, m, b, at, end);
		return;
	}
	if (type == LUA_TTABLE) {
		push_capture(L, m, 0, at, end);
		lua_gettable(L, 3);
	} else {
		lua_pushvalue(L, 3);
		int n = push_captures(L, m, at, end, true);
		lua_call(L, n, 1);
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		luaL_addlstring(b, at, (size_t)(end - at));
	} else if (lua_isstring(L, -1)) {
		luaL_addvalue(b);
	} else {
		luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
	}
}

static int l_gsub(lua_State *L)
{
	struct mw_pattern m;
	luaL_Buffer b;
	start(L, &m, 1, 2);
	int type = lua_type(L, 3);
	luaL_argexpected(L,
		type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
		"string/function/table");
	if (type == LUA_TNUMBER) {
		lua_settop(L, 4);
		lua_pushvalue(L, 3);
		lua_tostring(L, -1);
		lua_replace(L, 3);
	}
	lua_Integer max = luaL_optinteger(L, 4, m.subject_end - m.subject + 1), n = 0;
	bool anchored = take_anchor(&m);
	const char *at = m.subject, *last = NULL;
	luaL_buffinit(L, &b);
	while (n < max) {
		const char *end = match_at(L, &m, at);
		if (end && end != last) {
			n++;
			add_replacement(L, &m, &b, at, end);
			at = last = end;
		} else if (at < m.subject_end) {
			luaL_addchar(&b, *at++);
		} else {
			break;
		}
		if (luaL_bufflen(&b) > RESULT_MAX)
			luaL_error(L, "gsub: the result has more than %d bytes", RESULT_MAX);
		if (anchored)
			break;
	}
	luaL_addlstring(&b, at, (size_t)(m.subject_end - at));
	luaL_pushresult(&b);
	lua_pushinteger(L, n);
	return 2;
}

void mw_l_text_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"find", l_find}, {"match", l_match}, {"gmatch", l_gmatch}, {"gsub", l_gsub}, {NULL, NULL}};
	luaL_setfuncs(L, functions, 0);
}
