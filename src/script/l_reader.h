/** @file l_reader.h  `core.reader`: looking into a store, beside a running host or without one. */
#pragma once
#include <lua.h>

/** Pushes the function core.reader(path). May raise (memory). */
void mw_lua_open_reader(lua_State *L);
