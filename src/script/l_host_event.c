/* host:on and host:off.
 *
 * Listeners are an array of { id, kind of event (0 = all), function }. While an event is told no entry moves:
 * one that is taken away becomes false, and the array is closed up after the outermost event. */
#include "script/l_host_core.h"
#include "script/l_table.h"
#include "script/l_value.h"

#include <limits.h>
#include <string.h>

enum { ENTRY_ID = 1, ENTRY_KIND, ENTRY_FUNCTION };

enum { ANY = 0 };
static const char *const names[] = {
	[ANY] = "*",
	[MW_EVENT_REGISTERED] = "device.registered",
	[MW_EVENT_UPDATED] = "device.updated",
	[MW_EVENT_DEREGISTERED] = "device.deregistered",
	[MW_EVENT_EXPIRED] = "device.expired",
	[MW_EVENT_VALUES] = "value.received",
	[MW_EVENT_FEED] = "feed.committed",
};
enum { N_NAMES = sizeof(names) / sizeof(*names), NAME_MAX_LEN = 64 };

/* ---- names ---- */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;
	return ab < c ? ab : c;
}

/* How many letters must be changed, added or taken away. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LEN + 1], n = strlen(b);
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t changed = diagonal + (a[i] != b[j]);
			diagonal = row[j + 1];
			row[j + 1] = min3(changed, row[j] + 1, diagonal + 1);
		}
	}
	return row[n];
}

static int wrong_name(lua_State *L, int arg, const char *name, size_t len)
{
	size_t best = SIZE_MAX;
	int nearest = 0;
	for (int i = 1; len <= NAME_MAX_LEN && i < N_NAMES; i++) {
		size_t d = distance(name, names[i]);
		if (d < best) {
			best = d;
			nearest = i;
		}
	}
	if (nearest)
		lua_pushfstring(L, "there is no event \"%s\"; the nearest one is \"%s\"", name, names[nearest]);
	else
		lua_pushliteral(L, "there is no event of such a long name");
	return luaL_argerror(L, arg, lua_tostring(L, -1));
}

static int check_kind(lua_State *L, int arg)
{
	size_t len;
	const char *name = luaL_checklstring(L, arg, &len);
	for (int i = 0; i < N_NAMES; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return i;
	return wrong_name(L, arg, name, len);
}

/* ---- telling ---- */

struct event_call {
	struct l_host *owner;
	const struct mw_event *event;
	int rows; /* feed items that listeners say they put */
};

static void push_values(lua_State *L, const struct mw_event *ev)
{
	static const char *const sources[] = {"read", "observe", "notify", "send"};
	mw_lua_push_path(L, &ev->path);
	lua_setfield(L, -2, "path");
	mw_lua_set_text(L, "source", sources[ev->source]);
	const struct mw_node *left_out = mw_lua_push_nodes(L, ev->nodes, ev->n_nodes);
	lua_setfield(L, -2, "values");
	if (!left_out)
		return;
	mw_lua_push_node_errors(L, ev->nodes, ev->n_nodes);
	lua_setfield(L, -2, "errors");
}

static void push_event(lua_State *L, struct mw_host *host, const struct mw_event *ev)
{
	struct mw_device_info info;
	lua_createtable(L, 0, 6);
	mw_lua_set_text(L, "name", names[ev->kind]);
	mw_lua_set_integer(L, "received_ms", ev->received_ms);
	if (ev->kind == MW_EVENT_FEED) {
		mw_lua_set_integer(L, "last_seq", ev->last_seq);
		return;
	}
	if (mw_device_info(host, ev->dev, &info) == 0)
		mw_lua_set_bytes(L, "endpoint", info.endpoint);
	if (ev->kind == MW_EVENT_UPDATED)
		mw_lua_set_boolean(L, "objects_changed", ev->objects_changed);
	if (ev->kind == MW_EVENT_VALUES)
		push_values(L, ev);
}

/* Pushes the function of entry @p i if it is still there and wants @p kind. Never raises. */
static bool push_listener(lua_State *L, int list, lua_Integer i, enum mw_event_kind kind)
{
	if (lua_rawgeti(L, list, i) != LUA_TTABLE) {
		lua_pop(L, 1);
		return false;
	}
	lua_rawgeti(L, -1, ENTRY_KIND); /* entry kind */
	lua_Integer wanted = lua_tointeger(L, -1);
	if (wanted != ANY && wanted != (lua_Integer)kind) {
		lua_pop(L, 2);
		return false;
	}
	lua_rawgeti(L, -2, ENTRY_FUNCTION); /* entry kind fn */
	lua_replace(L, -3);
	lua_pop(L, 1);
	return true;
}

static bool is_wanted(lua_State *L, int list, lua_Integer n, enum mw_event_kind kind)
{
	for (lua_Integer i = 1; i <= n; i++) {
		if (push_listener(L, list, i, kind)) {
			lua_pop(L, 1);
			return true;
		}
	}
	return false;
}

static void add_rows(struct event_call *c, lua_Integer rows)
{
	if (rows > 0)
		c->rows = rows < INT_MAX - c->rows ? c->rows + (int)rows : INT_MAX;
}

static void close_up(lua_State *L, struct l_host *h, int list)
{
	lua_Integer kept = 0;
	for (lua_Integer i = 1; i <= h->n_listeners; i++) {
		if (lua_rawgeti(L, list, i) == LUA_TTABLE)
			lua_rawseti(L, list, ++kept);
		else
			lua_pop(L, 1);
	}
	for (lua_Integer i = kept + 1; i <= h->n_listeners; i++) {
		lua_pushnil(L);
		lua_rawseti(L, list, i);
	}
	h->n_listeners = kept;
	h->has_gaps = false;
}

static int call_listeners(lua_State *L)
{
	struct event_call *c = lua_touserdata(L, 1);
	struct l_host *h = c->owner;
	enum mw_event_kind kind = c->event->kind;
	lua_Integer n = h->n_listeners; /* those that are added meanwhile hear the next event first */
	mw_lua_host_slot(L, h, SLOT_LISTENERS);
	if (!is_wanted(L, 2, n, kind))
		return 0;
	push_event(L, h->host, c->event); /* c list event; from here on nothing raises */
	h->delivering++;
	for (lua_Integer i = 1; i <= n; i++) {
		if (!push_listener(L, 2, i, kind))
			continue;
		lua_pushvalue(L, 3);
		if (mw_lua_host_pcall(L, h, 1, 1))
			add_rows(c, lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0);
		lua_settop(L, 3);
	}
	if (--h->delivering == 0 && h->has_gaps)
		close_up(L, h, 2);
	return 0;
}

static int on_event(void *ud, struct mw_host *host, const struct mw_event *event)
{
	(void)host;
	struct event_call c = {.owner = ud, .event = event};
	if (c.owner->n_listeners)
		mw_lua_host_protect(c.owner, call_listeners, &c);
	return c.rows;
}

/* ---- methods ---- */

/* host:on(name, fn(event)) -> id, or nil, message, code */
static int host_on(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	int kind = check_kind(L, 2);
	luaL_checktype(L, 3, LUA_TFUNCTION);
	if (h->listener == 0) {
		int rc = mw_host_on_event(h->host, on_event, h);
		if (rc < 0)
			return mw_lua_host_fail(L, h, rc);
		h->listener = rc;
	}
	mw_lua_host_slot(L, h, SLOT_LISTENERS);
	lua_createtable(L, ENTRY_FUNCTION, 0); /* list entry */
	lua_pushinteger(L, h->last_listener + 1);
	lua_rawseti(L, -2, ENTRY_ID);
	lua_pushinteger(L, kind);
	lua_rawseti(L, -2, ENTRY_KIND);
	lua_pushvalue(L, 3);
	lua_rawseti(L, -2, ENTRY_FUNCTION);
	lua_rawseti(L, -2, h->n_listeners + 1);
	h->n_listeners++;
	lua_pushinteger(L, ++h->last_listener);
	return 1;
}

/* host:off(id) -> whether there was such a listener */
static int host_off(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	lua_Integer id = luaL_checkinteger(L, 2);
	lua_settop(L, 2);
	mw_lua_host_slot(L, h, SLOT_LISTENERS); /* h id list */
	for (lua_Integer i = 1; i <= h->n_listeners; i++, lua_settop(L, 3)) {
		if (lua_rawgeti(L, 3, i) != LUA_TTABLE)
			continue;
		lua_rawgeti(L, 4, ENTRY_ID);
		if (lua_tointeger(L, -1) != id)
			continue;
		lua_pushboolean(L, 0);
		lua_rawseti(L, 3, i);
		if (h->delivering)
			h->has_gaps = true;
		else
			close_up(L, h, 3);
		lua_pushboolean(L, 1);
		return 1;
	}
	lua_pushboolean(L, 0);
	return 1;
}

const luaL_Reg mw_lua_host_event_methods[] = {{"on", host_on}, {"off", host_off}, {NULL, NULL}};
