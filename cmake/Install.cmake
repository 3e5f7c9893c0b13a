# cmake --install BUILD --prefix /usr [--component device]: the device's programs, man pages, unit and an example
# configuration. The relay's programs are the component `relay`; liblatchkey's are in device/lib.
include(GNUInstallDirs)
set(LATCHKEY_UNIT_DIR lib/systemd/system CACHE STRING "Where systemd's units go, below the prefix; empty: nowhere")

install(TARGETS latchkey latchkey-tool latchkey-worker RUNTIME COMPONENT device)
if(TARGET latchkey-mdns)
  install(TARGETS latchkey-mdns RUNTIME COMPONENT device)
endif()
if(TARGET latchkey-relay)
  include(InstallRelay)
endif()

# latchkey_manual_pages(COMPONENT PAGE...)
function(latchkey_manual_pages component)
  foreach(page ${ARGN})
    get_filename_component(section ${page} LAST_EXT)
    string(SUBSTRING ${section} 1 -1 section)
    install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT ${component})
  endforeach()
endfunction()
file(GLOB device_pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/latchkey*.[158])
file(GLOB relay_pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*relay*.[58])
if(relay_pages)
  list(REMOVE_ITEM device_pages ${relay_pages})
endif()
latchkey_manual_pages(device ${device_pages})
if(TARGET latchkey-relay)
  latchkey_manual_pages(relay ${relay_pages})
endif()

file(GLOB texts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/device/texts/*.conf)
install(FILES ${texts} DESTINATION ${CMAKE_INSTALL_DATADIR}/latchkey/texts COMPONENT device)
install(FILES ${CMAKE_SOURCE_DIR}/device/latchkey.conf.example ${CMAKE_SOURCE_DIR}/docs/embed-example.html
        DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT device)
# The rest depends on the prefix that is only known then: the unit's paths, and where the configuration goes.
install(CODE "
  set(latchkey_source \"${CMAKE_SOURCE_DIR}\")
  set(latchkey_build \"${CMAKE_BINARY_DIR}\")
  set(latchkey_bin \"${CMAKE_INSTALL_BINDIR}\")
  set(latchkey_units \"${LATCHKEY_UNIT_DIR}\")" COMPONENT device)
install(SCRIPT ${CMAKE_SOURCE_DIR}/cmake/InstallDevice.cmake COMPONENT device)
