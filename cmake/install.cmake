# A rock has folders of its own, see rockspec/. LuaRocks copies the files of the remaining folders itself.
if(MW_ROCK_LUADIR)
  install(TARGETS moonwire_core LIBRARY DESTINATION ${MW_ROCK_LIBDIR}/moonwire)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/lua/ DESTINATION ${MW_ROCK_LUADIR} FILES_MATCHING PATTERN "*.lua")
  return()
endif()

# `cmake --install build`: command, library, header, Lua library, default scripts and definitions, man page.
if(TARGET moonwire_app)
  install(TARGETS moonwire_app RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(TARGETS moonwire ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_SOURCE_DIR}/src/moonwire.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS moonwire_core LIBRARY DESTINATION ${CMAKE_INSTALL_DATADIR}/moonwire/lua/moonwire)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/lua/ DESTINATION ${CMAKE_INSTALL_DATADIR}/moonwire/lua
  FILES_MATCHING PATTERN "*.lua")
install(DIRECTORY ${CMAKE_SOURCE_DIR}/scripts ${CMAKE_SOURCE_DIR}/ddf
  DESTINATION ${CMAKE_INSTALL_DATADIR}/moonwire)
if(EXISTS ${CMAKE_SOURCE_DIR}/docs/moonwire.1)
  install(FILES ${CMAKE_SOURCE_DIR}/docs/moonwire.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
