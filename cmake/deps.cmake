# Every dependency by pkg-config, gathered in one interface target.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
if(LUA_INCDIR)
  # A rock: LuaRocks says where the headers are, and the interpreter that loads the module has the functions.
  add_library(mw_lua INTERFACE)
  target_include_directories(mw_lua SYSTEM INTERFACE ${LUA_INCDIR})
else()
  pkg_search_module(LUA REQUIRED IMPORTED_TARGET lua5.4 lua-5.4 lua54 lua>=5.4)
  add_library(mw_lua ALIAS PkgConfig::LUA)
endif()
# Plain CoAP needs no DTLS from libcoap; whichever flavour a distribution has will do.
pkg_search_module(COAP REQUIRED IMPORTED_TARGET libcoap-3-notls libcoap-3-openssl libcoap-3)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(EXPAT REQUIRED IMPORTED_TARGET expat)
pkg_check_modules(CBOR REQUIRED IMPORTED_TARGET libcbor)

add_library(mw_deps INTERFACE)
target_link_libraries(mw_deps INTERFACE mw_lua PkgConfig::COAP PkgConfig::UV PkgConfig::SQLITE
  PkgConfig::EXPAT PkgConfig::CBOR Threads::Threads m)
