-- The library for Lua programs: require "moonwire". It installs no command; that comes with `cmake --install`.
-- From the top of the source tree: luarocks --lua-version 5.4 make rockspec/moonwire-scm-0.rockspec
rockspec_format = "3.0"
package = "moonwire"
version = "scm-0"
source = {
  url = "git+file://.", -- `luarocks make` uses the tree that it is called in
}
description = {
  summary = "A LwM2M server as a Lua library",
  detailed = [[
Devices register by CoAP over UDP, are observed and read, and their values arrive as events.
Registrations and measurements are durable in one SQLite file.]],
  license = "Apache-2.0",
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.4, < 5.5" }
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "RelWithDebInfo",
    MW_BUILD_TESTS = "OFF",
    LUA_INCDIR = "$(LUA_INCDIR)",
    MW_ROCK_LIBDIR = "$(LIBDIR)",
    MW_ROCK_LUADIR = "$(LUADIR)",
  },
  copy_directories = { "ddf", "docs", "examples", "scripts" },
}
