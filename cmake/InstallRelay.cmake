# cmake --install BUILD --prefix /usr --component relay: the relay's program, a unit for each of its roles with the
# users and folders that they need, and the installer that configures them.
install(TARGETS latchkey-relay RUNTIME COMPONENT relay)
install(FILES ${CMAKE_SOURCE_DIR}/deploy/relay.conf.example
        DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT relay)

# The units depend on the prefix that is only known then.
install(CODE "
  set(latchkey_source \"${CMAKE_SOURCE_DIR}\")
  set(latchkey_build \"${CMAKE_BINARY_DIR}\")
  set(latchkey_bin \"${CMAKE_INSTALL_BINDIR}\")
  set(latchkey_units \"${LATCHKEY_UNIT_DIR}\")" COMPONENT relay)
install(SCRIPT ${CMAKE_SOURCE_DIR}/cmake/RelayUnits.cmake COMPONENT relay)

install(DIRECTORY ${CMAKE_SOURCE_DIR}/deploy/installer DESTINATION ${CMAKE_INSTALL_DATADIR}/latchkey
        COMPONENT relay FILES_MATCHING PATTERN *.py)
install(PROGRAMS ${CMAKE_SOURCE_DIR}/deploy/install-relay DESTINATION ${CMAKE_INSTALL_SBINDIR}
        RENAME latchkey-install-relay COMPONENT relay)
