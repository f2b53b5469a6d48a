#include "script/l_value.h"
#include "codec/value.h"

#include <lauxlib.h>

void mw_lua_push_value(lua_State *L, const struct mw_value *v)
{
	switch (v->type) {
	case MW_TYPE_INTEGER:
	case MW_TYPE_TIME:
		lua_pushinteger(L, v->i);
		return;
	case MW_TYPE_UNSIGNED:
		if (v->u <= INT64_MAX)
			lua_pushinteger(L, (lua_Integer)v->u);
		else
			lua_pushnil(L);
		return;
	case MW_TYPE_FLOAT:
		lua_pushnumber(L, v->f);
		return;
	case MW_TYPE_BOOLEAN:
		lua_pushboolean(L, v->b);
		return;
	case MW_TYPE_STRING:
	case MW_TYPE_OPAQUE:
	case MW_TYPE_CORELNK:
		lua_pushlstring(L, (const char *)v->s.data, v->s.len);
		return;
	case MW_TYPE_OBJLNK:
		lua_createtable(L, 0, 2);
		lua_pushinteger(L, v->link.oid);
		lua_setfield(L, -2, "oid");
		lua_pushinteger(L, v->link.iid);
		lua_setfield(L, -2, "iid");
		return;
	case MW_TYPE_NONE:
		break;
	}
	lua_pushnil(L);
}

void mw_lua_push_path(lua_State *L, const struct mw_path *p)
{
	char text[MW_PATH_TEXT_MAX];
	size_t len = mw_path_print(p, text);
	lua_pushlstring(L, text, len);
}

void mw_lua_push_nodes(lua_State *L, const struct mw_node *nodes, size_t n)
{
	lua_createtable(L, 0, n > 256 ? 256 : (int)n);
	for (size_t i = 0; i < n; i++) {
		mw_lua_push_path(L, &nodes[i].path);
		mw_lua_push_value(L, &nodes[i].value);
		lua_settable(L, -3);
	}
}

struct mw_path mw_lua_check_path(lua_State *L, int arg)
{
	size_t len;
	const char *text = luaL_checklstring(L, arg, &len);
	struct mw_path path;
	if (mw_path_parse(&path, text, len) < 0)
		luaL_argerror(L, arg, lua_pushfstring(L, "\"%s\" is no path like /3/0/9", text));
	return path;
}

int mw_lua_fail(lua_State *L, int code, const char *text)
{
	lua_pushnil(L);
	lua_pushstring(L, text);
	lua_pushstring(L, mw_err_word(code));
	return 3;
}

int mw_lua_push_failure(lua_State *L, const struct mw_result *res)
{
	if (res->err)
		return mw_lua_fail(L, res->err, res->text);
	if (res->code == 0 || res->code >> 5 == 2)
		return 0;
	lua_pushnil(L);
	lua_pushfstring(L, "the device answered %d.%s%d%s%s", res->code >> 5, (res->code & 31) < 10 ? "0" : "",
		res->code & 31, *res->text ? ": " : "", res->text);
	lua_pushfstring(L, "%d.%s%d", res->code >> 5, (res->code & 31) < 10 ? "0" : "", res->code & 31);
	return 3;
}
