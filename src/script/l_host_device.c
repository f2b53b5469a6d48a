/* host:device(endpoint), host:devices(), host:links(endpoint), host:is_observed(endpoint, path). */
#include "script/l_host_core.h"
#include "script/l_table.h"
#include "script/l_value.h"

static void push_device(lua_State *L, const struct mw_device_info *info)
{
	lua_createtable(L, 0, 14);
	mw_lua_set_bytes(L, "endpoint", info->endpoint);
	mw_lua_set_integer(L, "id", info->id);
	mw_lua_set_boolean(L, "registered", info->registered);
	if (!info->registered)
		return;
	mw_lua_set_text(L, "location", info->location);
	mw_lua_set_text(L, "address", info->address);
	mw_lua_set_text(L, "version", info->version);
	mw_lua_set_text(L, "binding", info->binding);
	mw_lua_set_boolean(L, "queue_mode", info->queue_mode);
	mw_lua_set_integer(L, "lifetime", info->lifetime_s);
	mw_lua_set_integer(L, "registered_ms", info->registered_ms);
	mw_lua_set_integer(L, "heard_ms", info->last_heard_ms);
	if (info->expires_ms)
		mw_lua_set_integer(L, "expires_ms", info->expires_ms);
	mw_lua_set_integer(L, "observations", info->n_observations);
	mw_lua_set_bytes(L, "links", info->links);
}

int mw_lua_host_find(lua_State *L, struct l_host *h, int arg, struct mw_device_ref *out)
{
	size_t len;
	const char *endpoint = luaL_checklstring(L, arg, &len);
	return mw_device_find(h->host, endpoint, len, out);
}

/* host:device(endpoint) -> table, or nil, message, code */
static int host_device(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	struct mw_device_ref dev;
	struct mw_device_info info = {0};
	int rc = mw_lua_host_find(L, h, 2, &dev);
	if (rc == 0)
		rc = mw_device_info(h->host, dev, &info);
	if (rc < 0)
		return mw_lua_host_fail(L, h, rc);
	push_device(L, &info);
	return 1;
}

/* Upvalues: the host, and how far it has walked. */
static int next_device(lua_State *L)
{
	struct l_host *h = lua_touserdata(L, lua_upvalueindex(1));
	struct mw_device_ref *at = lua_touserdata(L, lua_upvalueindex(2));
	struct mw_device_info info = {0};
	if (!h->host)
		return luaL_error(L, "the host is closed");
	while (mw_device_next(h->host, at)) {
		if (mw_device_info(h->host, *at, &info) < 0)
			continue;
		push_device(L, &info);
		return 1;
	}
	return 0;
}

/* for device in host:devices() do: all devices that were ever seen, one at a time */
static int host_devices(lua_State *L)
{
	mw_lua_host_check(L, 1);
	lua_pushvalue(L, 1);
	struct mw_device_ref *at = lua_newuserdatauv(L, sizeof(*at), 0);
	*at = (struct mw_device_ref){0};
	lua_pushcclosure(L, next_device, 2);
	return 1;
}

struct link {
	uint16_t oid, iid;
};

struct links {
	struct link *items; /* NULL: they are only counted */
	size_t n, cap;
};

static void add_link(void *ud, uint16_t oid, uint16_t iid)
{
	struct links *l = ud;
	if (l->items && l->n < l->cap)
		l->items[l->n] = (struct link){oid, iid};
	l->n++;
}

/* host:links(endpoint) -> array of { oid =, iid = }, iid nil for an object without instances; or nil,
 * message, code. Counted first: nothing that may raise runs within the walk. */
static int host_links(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	struct mw_device_ref dev;
	struct links links = {0};
	int rc = mw_lua_host_find(L, h, 2, &dev);
	if (rc == 0)
		rc = mw_device_links(h->host, dev, add_link, &links);
	if (rc < 0)
		return mw_lua_host_fail(L, h, rc);
	struct links found = {.cap = links.n};
	found.items = lua_newuserdatauv(L, links.n * sizeof(*found.items) + 1, 0);
	rc = mw_device_links(h->host, dev, add_link, &found);
	if (rc < 0)
		return mw_lua_host_fail(L, h, rc);
	lua_createtable(L, found.n < 4096 ? (int)found.n : 4096, 0);
	for (size_t i = 0; i < found.n && i < found.cap; i++) {
		lua_createtable(L, 0, 2);
		mw_lua_set_integer(L, "oid", found.items[i].oid);
		if (found.items[i].iid != MW_ID_NONE)
			mw_lua_set_integer(L, "iid", found.items[i].iid);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* host:is_observed(endpoint, path) -> boolean, or nil, message, code */
static int host_is_observed(lua_State *L)
{
	struct l_host *h = mw_lua_host_check(L, 1);
	struct mw_device_ref dev;
	struct mw_path path = mw_lua_check_path(L, 3);
	int rc = mw_lua_host_find(L, h, 2, &dev);
	if (rc < 0)
		return mw_lua_host_fail(L, h, rc);
	lua_pushboolean(L, mw_is_observed(h->host, dev, &path));
	return 1;
}

const luaL_Reg mw_lua_host_device_methods[] = {
	{"device", host_device},
	{"devices", host_devices},
	{"links", host_links},
	{"is_observed", host_is_observed},
	{NULL, NULL},
};
