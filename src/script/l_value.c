#include "script/l_value.h"
#include "codec/value.h"

#include <lauxlib.h>

bool mw_lua_push_value(lua_State *L, const struct mw_value *v)
{
	switch (v->type) {
	case MW_TYPE_INTEGER:
	case MW_TYPE_TIME:
		lua_pushinteger(L, v->i);
		return true;
	case MW_TYPE_UNSIGNED:
		if (v->u > INT64_MAX)
			break;
		lua_pushinteger(L, (lua_Integer)v->u);
		return true;
	case MW_TYPE_FLOAT:
		lua_pushnumber(L, v->f);
		return true;
	case MW_TYPE_BOOLEAN:
		lua_pushboolean(L, v->b);
		return true;
	case MW_TYPE_STRING:
	case MW_TYPE_OPAQUE:
	case MW_TYPE_CORELNK:
		lua_pushlstring(L, v->s.data ? (const char *)v->s.data : "", v->s.len);
		return true;
	case MW_TYPE_OBJLNK:
		lua_createtable(L, 0, 2);
		lua_pushinteger(L, v->link.oid);
		lua_setfield(L, -2, "oid");
		lua_pushinteger(L, v->link.iid);
		lua_setfield(L, -2, "iid");
		return true;
	case MW_TYPE_NONE:
		break;
	}
	lua_pushnil(L);
	return false;
}

void mw_lua_push_path(lua_State *L, const struct mw_path *p)
{
	char text[MW_PATH_TEXT_MAX];
	size_t len = mw_path_print(p, text);
	lua_pushlstring(L, text, len);
}

static bool has_no_lua_form(const struct mw_value *v)
{
	return v->type == MW_TYPE_UNSIGNED && v->u > INT64_MAX;
}

static const char *push_why_not(lua_State *L, const struct mw_node *node)
{
	char path[MW_PATH_TEXT_MAX];
	mw_path_print(&node->path, path);
	return lua_pushfstring(L, "value of %s is above 2^63-1 and has no Lua integer", path);
}

const struct mw_node *mw_lua_push_nodes(lua_State *L, const struct mw_node *nodes, size_t n)
{
	const struct mw_node *left_out = NULL;
	lua_createtable(L, 0, n > 256 ? 256 : (int)n);
	for (size_t i = 0; i < n; i++) {
		mw_lua_push_path(L, &nodes[i].path); /* table path */
		mw_lua_push_value(L, &nodes[i].value);
		if (!left_out && has_no_lua_form(&nodes[i].value))
			left_out = &nodes[i];
		lua_settable(L, -3); /* nil: nothing is set */
	}
	return left_out;
}

void mw_lua_push_node_errors(lua_State *L, const struct mw_node *nodes, size_t n)
{
	lua_newtable(L);
	for (size_t i = 0; i < n; i++) {
		if (!has_no_lua_form(&nodes[i].value))
			continue;
		mw_lua_push_path(L, &nodes[i].path);
		push_why_not(L, &nodes[i]);
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

int mw_lua_push_result(lua_State *L, const struct mw_result *res)
{
	int n = mw_lua_push_failure(L, res);
	if (n)
		return n;
	const struct mw_node *left_out = mw_lua_push_nodes(L, res->nodes, res->n_nodes);
	if (!left_out)
		return 1;
	lua_pop(L, 1); /* exactly the results may be left: they become arguments of a call */
	lua_pushnil(L);
	push_why_not(L, left_out);
	lua_pushstring(L, mw_err_word(MW_E_TYPE));
	return 3;
}
