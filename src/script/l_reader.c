/* `local r = core.reader "moonwire.db"`; r:devices(), r:feed { ... }, r:alarms { ... } give arrays of tables.
 */
#include "script/l_reader.h"
#include "script/l_table.h"
#include "script/l_value.h"
#include "store/reader.h"

#include <lauxlib.h>
#include <string.h>

#define READER_TYPE "moonwire.reader"

static struct mw_reader *check(lua_State *L)
{
	struct mw_reader **r = luaL_checkudata(L, 1, READER_TYPE);
	if (!*r)
		luaL_argerror(L, 1, "the reader is closed");
	return *r;
}

/* A raise (out of memory) must not tear through SQLite's frames: every row is appended protected, and the
 * query only remembers that it failed. */
struct collect {
	lua_State *L;
	void (*push)(lua_State *L, const void *row, const void *other); /* pushes one table; may raise */
	lua_Integer n;
	bool failed;
};

struct row_call {
	const struct collect *collect;
	const void *row, *other;
};

/* (array, light userdata) */
static int append(lua_State *L)
{
	const struct row_call *c = lua_touserdata(L, 2);
	c->collect->push(L, c->row, c->other);
	lua_rawseti(L, 1, c->collect->n + 1);
	return 0;
}

static bool add(struct collect *c, const void *row, const void *other)
{
	struct row_call call = {c, row, other};
	lua_State *L = c->L; /* array */
	lua_pushcfunction(L, append);
	lua_pushvalue(L, -2);
	lua_pushlightuserdata(L, &call);
	if (lua_pcall(L, 2, 0, 0) != LUA_OK) { /* array message */
		lua_pop(L, 1);
		c->failed = true;
		return false;
	}
	c->n++;
	return true;
}

static void push_device(lua_State *L, const void *row, const void *other)
{
	const struct mw_device_row *d = row;
	const struct mw_registration_row *r = other;
	lua_createtable(L, 0, 12);
	mw_lua_set_bytes(L, "endpoint", d->endpoint);
	mw_lua_set_integer(L, "id", d->id);
	mw_lua_set_integer(L, "created_ms", d->created_ms);
	mw_lua_set_boolean(L, "registered", r != NULL);
	if (!r)
		return;
	mw_lua_set_bytes(L, "address", r->peer_text);
	mw_lua_set_integer(L, "lifetime", r->lifetime_s);
	mw_lua_set_bytes(L, "version", r->version);
	mw_lua_set_bytes(L, "binding", r->binding);
	mw_lua_set_boolean(L, "queue_mode", r->queue_mode);
	mw_lua_set_bytes(L, "sms", r->sms);
	mw_lua_set_bytes(L, "params", r->params);
	mw_lua_set_bytes(L, "links", r->links);
	mw_lua_set_integer(L, "registered_ms", r->registered_ms);
	mw_lua_set_integer(L, "updated_ms", r->updated_ms);
}

static void push_feed(lua_State *L, const void *row, const void *other)
{
	const struct mw_feed_row *f = row;
	(void)other;
	lua_createtable(L, 0, 12);
	mw_lua_set_integer(L, "seq", f->seq);
	mw_lua_set_text(L, "kind", mw_feed_kind_name(f->kind));
	mw_lua_set_bytes(L, "endpoint", f->endpoint);
	mw_lua_set_integer(L, "time_ms", f->time_ms);
	mw_lua_set_bytes(L, "type", f->type);
	mw_lua_set_bytes(L, "series", f->series);
	mw_lua_set_bytes(L, "unit", f->unit);
	mw_lua_set_bytes(L, "text", f->text);
	if (f->value.type != MW_TYPE_NONE) {
		mw_lua_push_value(L, &f->value);
		lua_setfield(L, -2, "value");
	}
	if (f->path.depth) {
		mw_lua_push_path(L, &f->path);
		lua_setfield(L, -2, "path");
	}
	if (f->kind == MW_FEED_ALARM) {
		mw_lua_set_text(L, "severity", mw_severity_name(f->severity));
		mw_lua_set_text(L, "status", mw_alarm_status_name(f->status));
		mw_lua_set_integer(L, "count", f->count);
		mw_lua_set_integer(L, "first_ms", f->first_ms);
	}
}

static bool on_device(void *ud, const struct mw_device_row *d, const struct mw_registration_row *r)
{
	return add(ud, d, r);
}

static bool on_feed(void *ud, const struct mw_feed_row *row)
{
	return add(ud, row, NULL);
}

static int finish(lua_State *L, const struct collect *c, int rc, const struct mw_errbuf *e)
{
	if (rc < 0)
		return mw_lua_fail(L, rc, e->text);
	if (c->failed)
		return mw_lua_fail(L, MW_E_NOMEM, "not enough memory for the rows: ask for fewer");
	return 1;
}

static struct mw_bytes opt_bytes(lua_State *L, int table, const char *key)
{
	struct mw_bytes b = {0};
	if (!lua_istable(L, table))
		return b;
	int type = lua_getfield(L, table, key);
	if (type != LUA_TNIL && type != LUA_TSTRING)
		luaL_error(L, "%s must be a string", key);
	b.data = (const uint8_t *)lua_tolstring(L, -1, &b.len);
	lua_pop(L, 1); /* the table keeps it alive */
	return b;
}

static int64_t opt_integer(lua_State *L, int table, const char *key)
{
	if (!lua_istable(L, table))
		return 0;
	int type = lua_getfield(L, table, key);
	int64_t v = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
	if (type != LUA_TNIL && !lua_isinteger(L, -1))
		luaL_error(L, "%s must be a whole number", key);
	lua_pop(L, 1);
	return v;
}

/* r:devices { endpoint =, after = id, limit = } */
static int reader_devices(lua_State *L)
{
	struct mw_errbuf e = {0};
	struct mw_reader *r = check(L);
	struct mw_device_query q = {
		.endpoint = opt_bytes(L, 2, "endpoint"),
		.after_id = opt_integer(L, 2, "after"),
		.limit = opt_integer(L, 2, "limit"),
	};
	lua_newtable(L);
	struct collect c = {.L = L, .push = push_device};
	return finish(L, &c, mw_reader_device_page(r, &q, on_device, &c, &e), &e);
}

/* r:feed { after = seq, newest = true, kind = "measurement", endpoint =, type =, from_ms =, to_ms =, limit =
 * } */
static int reader_feed(lua_State *L)
{
	static const char *const kinds[] = {"", "measurement", "event", "alarm", "inventory", "lifecycle", NULL};
	struct mw_errbuf e = {0};
	struct mw_reader *r = check(L);
	struct mw_feed_query q = {
		.after_seq = opt_integer(L, 2, "after"),
		.endpoint = opt_bytes(L, 2, "endpoint"),
		.type = opt_bytes(L, 2, "type"),
		.from_ms = opt_integer(L, 2, "from_ms"),
		.to_ms = opt_integer(L, 2, "to_ms"),
		.limit = opt_integer(L, 2, "limit"),
	};
	if (lua_istable(L, 2)) {
		lua_getfield(L, 2, "newest");
		q.newest_first = lua_toboolean(L, -1);
		lua_getfield(L, 2, "kind");
		q.kind = (enum mw_feed_kind)luaL_checkoption(L, -1, "", kinds);
		lua_pop(L, 2);
	}
	lua_newtable(L);
	struct collect c = {.L = L, .push = push_feed};
	return finish(L, &c, mw_reader_feed(r, &q, on_feed, &c, &e), &e);
}

/* r:alarms { endpoint =, cleared = true, limit = } */
static int reader_alarms(lua_State *L)
{
	struct mw_errbuf e = {0};
	struct mw_reader *r = check(L);
	struct mw_bytes endpoint = opt_bytes(L, 2, "endpoint");
	int64_t limit = opt_integer(L, 2, "limit");
	bool cleared = false;
	if (lua_istable(L, 2)) {
		lua_getfield(L, 2, "cleared");
		cleared = lua_toboolean(L, -1);
		lua_pop(L, 1);
	}
	lua_newtable(L);
	struct collect c = {.L = L, .push = push_feed};
	return finish(L, &c, mw_reader_alarms(r, endpoint, cleared, limit, on_feed, &c, &e), &e);
}

static int reader_close(lua_State *L)
{
	struct mw_reader **r = luaL_checkudata(L, 1, READER_TYPE);
	if (*r)
		mw_reader_close(*r);
	*r = NULL;
	return 0;
}

/* core.reader(path) -> reader, or nil, message, code */
static int new_reader(lua_State *L)
{
	struct mw_errbuf e = {0};
	const char *path = luaL_checkstring(L, 1);
	struct mw_reader **r = lua_newuserdatauv(L, sizeof(struct mw_reader *), 0);
	*r = NULL;
	luaL_setmetatable(L, READER_TYPE);
	*r = mw_reader_open(path, &e);
	return *r ? 1 : mw_lua_fail(L, e.code < 0 ? e.code : MW_E_IO, e.text);
}

void mw_lua_open_reader(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{"devices", reader_devices},
		{"feed", reader_feed},
		{"alarms", reader_alarms},
		{"close", reader_close},
		{"__close", reader_close},
		{"__gc", reader_close},
		{NULL, NULL},
	};
	luaL_newmetatable(L, READER_TYPE);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	lua_pushcfunction(L, new_reader);
}
