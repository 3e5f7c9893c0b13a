# Run by cmake --install, see Install.cmake: the unit and the configuration.
# latchkey looks for its configuration in /etc; a prefix that is nobody's system has its own.
if(CMAKE_INSTALL_PREFIX MATCHES "^/(usr(/local)?)?/?$")
  set(configuration /etc/latchkey)
else()
  set(configuration ${CMAKE_INSTALL_PREFIX}/etc/latchkey)
endif()
set(programs ${CMAKE_INSTALL_PREFIX}/${latchkey_bin})
if(latchkey_units)
  configure_file(${latchkey_source}/deploy/latchkey.service.in ${latchkey_build}/latchkey.service @ONLY)
  file(INSTALL ${latchkey_build}/latchkey.service DESTINATION ${CMAKE_INSTALL_PREFIX}/${latchkey_units})
endif()
# What the owner has written there is never replaced.
if(NOT EXISTS "$ENV{DESTDIR}${configuration}/device.conf")
  file(INSTALL ${latchkey_source}/device/latchkey.conf.example DESTINATION ${configuration}
       RENAME device.conf PERMISSIONS OWNER_READ OWNER_WRITE)
endif()
