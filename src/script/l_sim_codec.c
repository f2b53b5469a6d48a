/** @file l_sim_codec.c  The content formats for simulated devices: lists of values <-> payloads.
 *  A node in Lua is { oid, iid, rid, riid?, type = "Float", value = 21.5, time = seconds? }. */
#include "codec/format.h"
#include "script/l_sim.h"
#include "script/l_value.h"

#include <string.h>

#define NODES "moonwire.sim.nodes"

enum { OUT_START = 1 << 12, OUT_MAX = 16 << 20 };

static enum mw_type type_of_name(lua_State *L, const char *name)
{
	for (int t = MW_TYPE_NONE; t <= MW_TYPE_CORELNK; t++)
		if (strcmp(mw_type_name((enum mw_type)t), name) == 0)
			return (enum mw_type)t;
	luaL_error(
		L, "\"%s\" is no data type; those of object definitions are meant: String, Integer, ...", name);
	return MW_TYPE_NONE;
}

static struct mw_path check_path(lua_State *L, int arg)
{
	size_t len;
	const char *text = luaL_checklstring(L, arg, &len);
	struct mw_path p;
	if (mw_path_parse(&p, text, len) < 0)
		luaL_argerror(L, arg, "no path like /3303/0/5700");
	return p;
}

static uint16_t id_at(lua_State *L, int at, lua_Integer i)
{
	lua_rawgeti(L, at, i);
	lua_Integer id = lua_isnil(L, -1) ? MW_ID_NONE : luaL_checkinteger(L, -1);
	lua_pop(L, 1);
	if (id < 0 || id > MW_ID_NONE)
		luaL_error(L, "id %I is not in 0 to 65534", id);
	return (uint16_t)id;
}

/** Ids in the first four places of the table at @p at. */
static struct mw_path read_ids(lua_State *L, int at)
{
	uint16_t ids[4];
	size_t n = 0;
	while (n < 4 && (ids[n] = id_at(L, at, (lua_Integer)n + 1)) != MW_ID_NONE)
		n++;
	return mw_path_of(ids, n);
}

static uint64_t unsigned_at(lua_State *L)
{
	lua_Integer v = luaL_checkinteger(L, -1);
	if (v < 0)
		luaL_error(L, "%I is below 0 and no Unsigned", v);
	return (uint64_t)v;
}

/** Field of the object link on top of the stack; both ids 65535 = null link. */
static uint16_t link_id(lua_State *L, const char *key)
{
	lua_getfield(L, -1, key);
	lua_Integer id = luaL_checkinteger(L, -1);
	lua_pop(L, 1);
	if (id < 0 || id > MW_ID_NONE)
		luaL_error(L, "%s %I of an object link is not in 0 to 65535", key, id);
	return (uint16_t)id;
}

/** The value on top of the stack as @p type; strings borrow from Lua. */
static void read_value(lua_State *L, struct mw_value *v)
{
	switch (v->type) {
	case MW_TYPE_INTEGER:
	case MW_TYPE_TIME:
		v->i = luaL_checkinteger(L, -1);
		break;
	case MW_TYPE_UNSIGNED:
		v->u = unsigned_at(L);
		break;
	case MW_TYPE_FLOAT:
		v->f = luaL_checknumber(L, -1);
		break;
	case MW_TYPE_BOOLEAN:
		v->b = lua_toboolean(L, -1);
		break;
	case MW_TYPE_OBJLNK:
		luaL_checktype(L, -1, LUA_TTABLE);
		v->link.oid = link_id(L, "oid");
		v->link.iid = link_id(L, "iid");
		break;
	default:
		/* A number would be converted in place and not be kept by the node's table. */
		luaL_checktype(L, -1, LUA_TSTRING);
		v->s.data = (const uint8_t *)lua_tolstring(L, -1, &v->s.len);
	}
}

static void read_node(lua_State *L, int at, struct mw_node *node)
{
	*node = (struct mw_node){.path = read_ids(L, at)};
	lua_getfield(L, at, "type");
	node->value.type = type_of_name(L, luaL_checkstring(L, -1));
	lua_getfield(L, at, "value");
	read_value(L, &node->value);
	if (lua_getfield(L, at, "time") != LUA_TNIL) {
		node->has_time = true;
		node->time_s = luaL_checknumber(L, -1);
	}
	lua_pop(L, 3);
}

/** encode(format, path, nodes) -> bytes */
static int l_encode(lua_State *L)
{
	unsigned format = (unsigned)luaL_checkinteger(L, 1);
	struct mw_path base = check_path(L, 2);
	luaL_checktype(L, 3, LUA_TTABLE);
	lua_Integer n = luaL_len(L, 3);
	luaL_argcheck(L, n <= 1 << 20, 3, "too many values");
	lua_settop(L, 3);
	struct mw_node *nodes = lua_newuserdatauv(L, (size_t)n * sizeof *nodes + 1, 0); /* at 4 */
	for (lua_Integer i = 0; i < n; i++) {
		lua_rawgeti(L, 3, i + 1);
		luaL_argcheck(L, lua_istable(L, -1), 3, "each value is a table");
		read_node(L, 5, &nodes[i]);
		lua_pop(L, 1);
	}
	struct mw_errbuf e = {0};
	for (size_t cap = OUT_START;; cap *= 2) {
		struct mw_buf out;
		mw_buf_init(&out, lua_newuserdatauv(L, cap, 0), cap);
		int rc = mw_encode(format, &base, nodes, (size_t)n, &out, &e);
		if (rc == 0 && !out.overflow) {
			lua_pushlstring(L, (const char *)out.data, out.len);
			return 1;
		}
		if ((rc < 0 && rc != MW_E_LIMIT) || cap >= OUT_MAX)
			return mw_lua_sim_failure(L, rc < 0 ? rc : MW_E_LIMIT, e.text[0] ? e.text : NULL);
		lua_pop(L, 1);
	}
}

/** Types in a Lua table: key oid << 16 | rid, value = number of the type, + 16 when multiple. Raw access: no
 * raise. */
struct types {
	lua_State *L;
	int at;
};

static enum mw_type type_of(const void *ud, uint16_t oid, uint16_t rid, bool *multiple)
{
	const struct types *t = ud;
	lua_rawgeti(t->L, t->at, (lua_Integer)oid << 16 | rid);
	lua_Integer v = lua_tointeger(t->L, -1);
	lua_pop(t->L, 1);
	if (multiple)
		*multiple = v >= 16;
	return (enum mw_type)(v & 15);
}

/** False: the value has no Lua form. */
static bool push_node(lua_State *L, const struct mw_node *node)
{
	const uint16_t ids[] = {node->path.oid, node->path.iid, node->path.rid, node->path.riid};
	lua_createtable(L, 4, 3);
	for (int i = 0; i < node->path.depth && i < 4; i++) {
		lua_pushinteger(L, ids[i]);
		lua_rawseti(L, -2, i + 1);
	}
	lua_pushstring(L, mw_type_name(node->value.type));
	lua_setfield(L, -2, "type");
	bool good = mw_lua_push_value(L, &node->value) || node->value.type == MW_TYPE_NONE;
	lua_setfield(L, -2, "value");
	if (node->has_time) {
		lua_pushnumber(L, node->time_s);
		lua_setfield(L, -2, "time");
	}
	return good;
}

static int l_nodes_gc(lua_State *L)
{
	mw_nodes_deinit(luaL_checkudata(L, 1, NODES));
	return 0;
}

/** decode(format, path, payload, types, now_s) -> list of nodes */
static int l_decode(lua_State *L)
{
	unsigned format = (unsigned)luaL_checkinteger(L, 1);
	struct mw_path base = check_path(L, 2);
	struct mw_bytes payload;
	payload.data = (const uint8_t *)luaL_checklstring(L, 3, &payload.len);
	luaL_checktype(L, 4, LUA_TTABLE);
	double now_s = luaL_optnumber(L, 5, 0);
	lua_settop(L, 5);
	luaL_checkstack(L, 8, NULL);
	struct mw_nodes *nodes = lua_newuserdatauv(L, sizeof *nodes, 0);
	mw_nodes_init(nodes, 0);
	luaL_setmetatable(L, NODES);
	struct types t = {L, 4};
	struct mw_types types = {type_of, &t};
	struct mw_errbuf e = {0};
	int rc = mw_decode(format, &base, payload, &types, now_s, nodes, &e);
	if (rc < 0)
		return mw_lua_sim_failure(L, rc, e.text[0] ? e.text : NULL);
	lua_createtable(L, (int)nodes->len, 0);
	for (size_t i = 0; i < nodes->len; i++) {
		if (!push_node(L, &nodes->items[i]))
			return mw_lua_sim_failure(L, MW_E_TYPE, "a value above 2^63-1 has no Lua integer");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

void mw_lua_open_sim_codec(lua_State *L)
{
	luaL_newmetatable(L, NODES);
	lua_pushcfunction(L, l_nodes_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	lua_pushcfunction(L, l_encode);
	lua_setfield(L, -2, "encode");
	lua_pushcfunction(L, l_decode);
	lua_setfield(L, -2, "decode");
	lua_newtable(L); /* type name -> number, for the keys of decode's `types` */
	for (int i = MW_TYPE_NONE; i <= MW_TYPE_CORELNK; i++) {
		lua_pushinteger(L, i);
		lua_setfield(L, -2, mw_type_name((enum mw_type)i));
	}
	lua_setfield(L, -2, "type_numbers");
}
