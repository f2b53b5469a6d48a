# `cmake --install build`: command, library, header, Lua library, default scripts and definitions, man page.
if(TARGET moonwire_app)
  install(TARGETS moonwire_app RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(TARGETS moonwire ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_SOURCE_DIR}/src/moonwire.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS moonwire_core LIBRARY DESTINATION ${CMAKE_INSTALL_DATADIR}/moonwire/lua/moonwire)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/lua/ DESTINATION ${CMAKE_INSTALL_DATADIR}/moonwire/lua)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/scripts ${CMAKE_SOURCE_DIR}/ddf
  DESTINATION ${CMAKE_INSTALL_DATADIR}/moonwire)
if(EXISTS ${CMAKE_SOURCE_DIR}/docs/moonwire.1)
  install(FILES ${CMAKE_SOURCE_DIR}/docs/moonwire.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
