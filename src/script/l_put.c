/* Measurements, events and alarms into the feed: for the dispatcher, and as methods of a device for scripts.
 *
 * A put that fails because the store is full or memory is short is remembered for the event under way: its
 * ACK must not leave (the device will send again). */
#include "codec/value.h"
#include "host/host.h"
#include "script/numeric.h"
#include "script/raised.h"
#include "script/state.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#define NON_NUMERIC "c8y_Lwm2mNonNumericValue"

static void count(
	struct mw_script *s, struct mw_device_ref dev, int rc, const struct mw_path *path, const char *what)
{
	char text[MW_PATH_TEXT_MAX];
	if (rc >= 0) {
		s->n_puts++;
		return;
	}
	s->count.put_failures++;
	if (rc != MW_E_NOTFOUND) /* a device that is gone needs no ACK */
		s->put_error = rc;
	if ((s->count.put_failures & (s->count.put_failures - 1)) == 0) {
		mw_path_print(path, text);
		struct mw_bytes ep = mw_script_endpoint(s, dev);
		MW_LOG(mw_script_log(s), WARN, SCRIPT, "ep=%.*s cannot put %s of %s: %s (%llu failures so far)",
			(int)ep.len, (const char *)ep.data, what, text, mw_err_text(rc),
			(unsigned long long)s->count.put_failures);
	}
}

static struct mw_bytes bytes_of(const char *text)
{
	return (struct mw_bytes){(const uint8_t *)text, strlen(text)};
}

/* The value stays out of log and alarm: it may be private. */
static void put_non_numeric(struct mw_script *s, struct mw_device_ref dev, int64_t time_ms,
	const struct mw_rule *rule, const struct mw_node *node)
{
	char path[MW_PATH_TEXT_MAX], text[200];
	mw_path_print(&node->path, path);
	snprintf(text, sizeof(text), "%s has a value that is no number (%s), but series %.*s wants one", path,
		mw_type_name(node->value.type),
		(int)(rule->measurement.series.len > 80 ? 80 : rule->measurement.series.len),
		(const char *)rule->measurement.series.data);
	s->count.non_numeric++;
	if ((s->count.non_numeric & (s->count.non_numeric - 1)) == 0) {
		struct mw_bytes ep = mw_script_endpoint(s, dev);
		MW_LOG(mw_script_log(s), WARN, SCRIPT, "ep=%.*s unit=%s %s (%llu so far)", (int)ep.len,
			(const char *)ep.data, mw_script_slot_name(s, rule->slot), text,
			(unsigned long long)s->count.non_numeric);
	}
	mw_script_put_alarm(s, dev, time_ms, bytes_of(NON_NUMERIC), MW_SEVERITY_WARNING, MW_ALARM_ACTIVE,
		bytes_of(text), &node->path);
}

void mw_script_put_number(struct mw_script *s, struct mw_device_ref dev, int64_t time_ms,
	const struct mw_rule *rule, const struct mw_node *node)
{
	struct mw_value number;
	const struct mw_rule_measurement *m = &rule->measurement;
	if (mw_numeric(&node->value, &number) < 0) {
		put_non_numeric(s, dev, time_ms, rule, node);
		return;
	}
	int rc = mw_put_measurement(s->host, dev, time_ms, m->type, m->series, &number, m->unit, &node->path);
	count(s, dev, rc, &node->path, "a measurement");
}

void mw_script_put_event(struct mw_script *s, struct mw_device_ref dev, int64_t time_ms, struct mw_bytes type,
	struct mw_bytes text, const struct mw_path *path)
{
	count(s, dev, mw_put_event(s->host, dev, time_ms, type, text, path), path, "an event");
}

/* Rules with `when` must know what anybody does with an alarm of their type. */
static void note_alarm(
	struct mw_script *s, struct mw_device_ref dev, struct mw_bytes type, enum mw_alarm_status status, int rc)
{
	if (rc >= 0 && s->raised)
		mw_raised_put(s->raised, dev, mw_raised_type(type), status == MW_ALARM_CLEARED);
}

void mw_script_put_alarm(struct mw_script *s, struct mw_device_ref dev, int64_t time_ms, struct mw_bytes type,
	enum mw_severity severity, enum mw_alarm_status status, struct mw_bytes text, const struct mw_path *path)
{
	int rc = mw_put_alarm(s->host, dev, time_ms, type, severity, status, text, path);
	note_alarm(s, dev, type, status, rc);
	count(s, dev, rc, path, "an alarm");
}

/* ---- for scripts: dev:measurement { type =, series =, value =, unit = }, dev:event { type =, text = },
 *      dev:alarm { type =, severity =, text =, status = }; each may have path = and time = (Unix seconds)
 * ---- */

static struct mw_bytes text_of(lua_State *L, const char *key, bool needed)
{
	struct mw_bytes out = {(const uint8_t *)"", 0};
	int type = lua_getfield(L, 2, key); /* the argument table keeps the string alive */
	if (type == LUA_TSTRING)
		out.data = (const uint8_t *)lua_tolstring(L, -1, &out.len);
	else if (type != LUA_TNIL || needed)
		luaL_error(L, "%s must be a string, not %s", key, luaL_typename(L, -1));
	lua_pop(L, 1);
	return out;
}

static struct mw_path path_of(lua_State *L)
{
	struct mw_path path = {MW_ID_NONE, MW_ID_NONE, MW_ID_NONE, MW_ID_NONE, 0};
	struct mw_bytes text = text_of(L, "path", false);
	if (text.len && mw_path_parse(&path, (const char *)text.data, text.len) < 0)
		luaL_error(L, "path must look like /3303/0/5700");
	return path;
}

static int64_t time_of(lua_State *L)
{
	int is_number = 1;
	int type = lua_getfield(L, 2, "time");
	lua_Number s = type == LUA_TNIL ? 0 : lua_tonumberx(L, -1, &is_number);
	lua_pop(L, 1);
	if (!is_number || !(s >= 0 && s < 1e11))
		luaL_error(L, "time must be Unix seconds");
	return (int64_t)(s * 1000);
}

static int index_of(lua_State *L, const char *key, const char *fallback, const char *const names[])
{
	if (lua_getfield(L, 2, key) == LUA_TNIL && fallback)
		lua_pushstring(L, fallback);
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
	for (int i = 0; names[i]; i++) {
		if (strcmp(names[i], text) == 0)
			return i;
	}
	return luaL_error(L, "%s \"%s\" is none of %s, %s, %s ...", key, text, names[0], names[1], names[2]);
}

/* true, or nil and an error */
static int result(lua_State *L, struct mw_device_ref dev, int rc)
{
	struct mw_script *s = mw_script_of(L);
	if (rc < 0) {
		count(s, dev, rc, &(struct mw_path){0}, "what a script gave");
		return mw_l_push_error(L, mw_err_word(rc), mw_err_text(rc));
	}
	s->n_puts++;
	lua_pushboolean(L, 1);
	return 1;
}

static struct mw_host *host_of(lua_State *L)
{
	struct mw_host *host = mw_script_of(L)->host;
	luaL_checktype(L, 2, LUA_TTABLE);
	if (!host)
		luaL_error(L, "there is no host");
	return host;
}

static int l_measurement(lua_State *L)
{
	struct mw_device_ref dev = mw_l_device_check(L, 1);
	struct mw_host *host = host_of(L);
	struct mw_bytes type = text_of(L, "type", true), series = text_of(L, "series", true);
	struct mw_bytes unit = text_of(L, "unit", false);
	struct mw_value number = {.type = MW_TYPE_FLOAT};
	lua_getfield(L, 2, "value");
	if (lua_isinteger(L, -1))
		number = (struct mw_value){.type = MW_TYPE_INTEGER, .i = lua_tointeger(L, -1)};
	else if (lua_type(L, -1) == LUA_TNUMBER)
		number.f = lua_tonumber(L, -1);
	else
		luaL_error(L, "value must be a number, not %s", luaL_typename(L, -1));
	struct mw_path path = path_of(L);
	if (mw_numeric(&number, &number) < 0)
		return mw_l_push_error(L, "ETYPE", "infinite or not a number");
	return result(L, dev, mw_put_measurement(host, dev, time_of(L), type, series, &number, unit, &path));
}

static int l_event(lua_State *L)
{
	struct mw_device_ref dev = mw_l_device_check(L, 1);
	struct mw_host *host = host_of(L);
	struct mw_bytes type = text_of(L, "type", true), text = text_of(L, "text", true);
	struct mw_path path = path_of(L);
	return result(L, dev, mw_put_event(host, dev, time_of(L), type, text, &path));
}

static int l_alarm(lua_State *L)
{
	static const char *const severities[] = {"WARNING", "MINOR", "MAJOR", "CRITICAL", NULL};
	static const char *const states[] = {"ACTIVE", "ACKNOWLEDGED", "CLEARED", NULL};
	struct mw_device_ref dev = mw_l_device_check(L, 1);
	struct mw_host *host = host_of(L);
	struct mw_bytes type = text_of(L, "type", true), text = text_of(L, "text", true);
	enum mw_severity severity =
		(enum mw_severity)(index_of(L, "severity", NULL, severities) + MW_SEVERITY_WARNING);
	enum mw_alarm_status status =
		(enum mw_alarm_status)(index_of(L, "status", "ACTIVE", states) + MW_ALARM_ACTIVE);
	struct mw_path path = path_of(L);
	int rc = mw_put_alarm(host, dev, time_of(L), type, severity, status, text, &path);
	note_alarm(mw_script_of(L), dev, type, status, rc);
	return result(L, dev, rc);
}

void mw_l_put_open(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{"measurement", l_measurement}, {"event", l_event}, {"alarm", l_alarm}, {NULL, NULL}};
	luaL_setfuncs(L, methods, 0);
}
