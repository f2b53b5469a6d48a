/* host:put_measurement, host:put_event, host:put_alarm: items of the feed. Each takes one table with named
 * fields and gives true, or nil, message, code. An unknown field is a mistake of the caller. */
#include "script/l_host_core.h"
#include "script/l_value.h"

#include <math.h>
#include <string.h>

static void check_keys(lua_State *L, const char *const keys[])
{
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_pushnil(L);
	while (lua_next(L, 2)) { /* key value */
		lua_pop(L, 1);
		const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
		int i = 0;
		while (keys[i] && strcmp(keys[i], key) != 0)
			i++;
		if (!keys[i])
			luaL_error(L, "unknown field \"%s\"", key);
	}
}

static struct mw_bytes text_of(lua_State *L, const char *key, bool required)
{
	struct mw_bytes b = {0};
	int type = lua_getfield(L, 2, key);
	if (type != LUA_TSTRING && (required || type != LUA_TNIL))
		luaL_error(L, "%s must be a string, not %s", key, luaL_typename(L, -1));
	b.data = (const uint8_t *)lua_tolstring(L, -1, &b.len);
	if (required && b.len == 0)
		luaL_error(L, "%s must not be empty", key);
	lua_pop(L, 1); /* the table keeps it alive */
	return b;
}

static struct mw_path path_of(lua_State *L)
{
	struct mw_path path = {MW_ID_NONE, MW_ID_NONE, MW_ID_NONE, MW_ID_NONE, 0};
	struct mw_bytes text = text_of(L, "path", false);
	if (text.len && mw_path_parse(&path, (const char *)text.data, text.len) < 0)
		luaL_error(L, "path must look like /3303/0/5700, not \"%s\"", (const char *)text.data);
	return path;
}

static int64_t time_of(lua_State *L)
{
	int type = lua_getfield(L, 2, "time_ms");
	lua_Integer ms = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : type == LUA_TNIL ? 0 : -1;
	lua_pop(L, 1);
	if (ms < 0)
		luaL_error(L, "time_ms must be whole milliseconds since 1970");
	return ms;
}

/* The value is finite or the caller's mistake: the feed has no way to say infinite. */
static struct mw_value number_of(lua_State *L)
{
	struct mw_value v = {.type = MW_TYPE_INTEGER};
	int type = lua_getfield(L, 2, "value");
	if (lua_isinteger(L, -1)) {
		v.i = lua_tointeger(L, -1);
	} else {
		v.type = MW_TYPE_FLOAT;
		v.f = type == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
	}
	if (v.type == MW_TYPE_FLOAT && !isfinite(v.f))
		luaL_error(L, "value must be a finite number, not %s", luaL_tolstring(L, -1, NULL));
	lua_pop(L, 1);
	return v;
}

/* Place of a word in @p words, from 1; @p fallback when there is none. */
static int word_of(lua_State *L, const char *key, int fallback, const char *const words[])
{
	int type = lua_getfield(L, 2, key);
	if (type == LUA_TNIL && fallback >= 0) {
		lua_pop(L, 1);
		return fallback;
	}
	for (int i = 0; type == LUA_TSTRING && words[i]; i++) {
		if (strcmp(words[i], lua_tostring(L, -1)) == 0) {
			lua_pop(L, 1);
			return i + 1;
		}
	}
	lua_pushfstring(L, "%s must be %s", key, words[0]);
	for (int i = 1; words[i]; i++) {
		lua_pushfstring(L, words[i + 1] ? ", %s" : " or %s", words[i]);
		lua_concat(L, 2);
	}
	return luaL_error(L, "%s", lua_tostring(L, -1));
}

static int finish(lua_State *L, struct l_host *h, int rc)
{
	if (rc < 0)
		return mw_lua_host_fail(L, h, rc);
	lua_pushboolean(L, 1);
	return 1;
}

static int find(lua_State *L, struct l_host *h, struct mw_device_ref *dev)
{
	struct mw_bytes endpoint = text_of(L, "endpoint", true);
	return mw_device_find(h->host, (const char *)endpoint.data, endpoint.len, dev);
}

static int host_put_measurement(lua_State *L)
{
	static const char *const keys[] = {
		"endpoint", "type", "series", "value", "unit", "time_ms", "path", NULL};
	struct l_host *h = mw_lua_host_check(L, 1);
	struct mw_device_ref dev;
	check_keys(L, keys);
	struct mw_bytes type = text_of(L, "type", true), series = text_of(L, "series", true);
	struct mw_bytes unit = text_of(L, "unit", false);
	struct mw_value number = number_of(L);
	struct mw_path path = path_of(L);
	int64_t time_ms = time_of(L);
	int rc = find(L, h, &dev);
	lua_State *before = mw_lua_host_enter(h, L);
	if (rc == 0)
		rc = mw_put_measurement(h->host, dev, time_ms, type, series, &number, unit, &path);
	mw_lua_host_leave(h, before);
	return finish(L, h, rc);
}

static int host_put_event(lua_State *L)
{
	static const char *const keys[] = {"endpoint", "type", "text", "time_ms", "path", NULL};
	struct l_host *h = mw_lua_host_check(L, 1);
	struct mw_device_ref dev;
	check_keys(L, keys);
	struct mw_bytes type = text_of(L, "type", true), text = text_of(L, "text", true);
	struct mw_path path = path_of(L);
	int64_t time_ms = time_of(L);
	int rc = find(L, h, &dev);
	lua_State *before = mw_lua_host_enter(h, L);
	if (rc == 0)
		rc = mw_put_event(h->host, dev, time_ms, type, text, &path);
	mw_lua_host_leave(h, before);
	return finish(L, h, rc);
}

static int host_put_alarm(lua_State *L)
{
	static const char *const keys[] = {
		"endpoint", "type", "severity", "status", "text", "time_ms", "path", NULL};
	static const char *const severities[] = {"WARNING", "MINOR", "MAJOR", "CRITICAL", NULL};
	static const char *const states[] = {"ACTIVE", "ACKNOWLEDGED", "CLEARED", NULL};
	struct l_host *h = mw_lua_host_check(L, 1);
	struct mw_device_ref dev;
	check_keys(L, keys);
	struct mw_bytes type = text_of(L, "type", true), text = text_of(L, "text", true);
	enum mw_alarm_status status = (enum mw_alarm_status)word_of(L, "status", MW_ALARM_ACTIVE, states);
	enum mw_severity severity = (enum mw_severity)word_of(
		L, "severity", status == MW_ALARM_CLEARED ? MW_SEVERITY_NONE : -1, severities);
	struct mw_path path = path_of(L);
	int64_t time_ms = time_of(L);
	int rc = find(L, h, &dev);
	lua_State *before = mw_lua_host_enter(h, L);
	if (rc == 0)
		rc = mw_put_alarm(h->host, dev, time_ms, type, severity, status, text, &path);
	mw_lua_host_leave(h, before);
	return finish(L, h, rc);
}

const luaL_Reg mw_lua_host_put_methods[] = {
	{"put_measurement", host_put_measurement},
	{"put_event", host_put_event},
	{"put_alarm", host_put_alarm},
	{NULL, NULL},
};
