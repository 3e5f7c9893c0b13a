# Debian packages, by deploy/build-packages (or cpack in a build with CMAKE_INSTALL_PREFIX=/usr): a component is a
# package. What Debian's policy asks beyond the installed files (changelog, copyright, compressed manual pages) is
# added by PackageFiles.cmake to each package's folder before it is packed.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME latchkey)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
# Who builds packages for others says so, as Debian's own tools have it.
set(LATCHKEY_MAINTAINER "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
if("$ENV{DEBEMAIL}" STREQUAL "")
  cmake_host_system_information(RESULT host QUERY FQDN)
  set(LATCHKEY_MAINTAINER "local build <root@${host}>")
endif()
set(CPACK_PACKAGE_CONTACT "${LATCHKEY_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/cmake/PackageFiles.cmake)
set(CPACK_LATCHKEY_SOURCE ${CMAKE_SOURCE_DIR})

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_BINARY_DIR}/lib)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

# latchkey_package(COMPONENT NAME SECTION SUMMARY DESCRIPTION [DEPENDS...]): maintainer scripts and the like
# are those of deploy/debian/NAME/, if any.
macro(latchkey_package component name section summary description)
  string(TOUPPER ${component} upper)
  list(APPEND CPACK_COMPONENTS_ALL ${component})
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section})
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${summary}\n${description}")
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${ARGN}")
  file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/deploy/debian/${name}/*)
  set(CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_EXTRA ${scripts})
endmacro()

set(CPACK_COMPONENTS_ALL "")
if(TARGET latchkey-relay)
  latchkey_package(relay latchkey-relay net "ACME relay and DNS server for devices on private networks"
    "The relay owns a DNS zone, answers names that carry a device's private
address, and proves to a public CA for the device that its name is under
control. Devices speak ACME (RFC 8555) to it, and keep their keys.
After installation run latchkey-install-relay, which configures it."
    "systemd, ca-certificates")
  set(CPACK_DEBIAN_RELAY_PACKAGE_RECOMMENDS "python3")
endif()
latchkey_package(device latchkey-agent net "HTTPS for this device that browsers trust"
  "The agent makes a key, gets a certificate for a name made from it through a
latchkey relay, serves HTTPS on the private network, and falls back to a
certificate of its own with a QR code while there is none."
  "ca-certificates")
set(CPACK_DEBIAN_DEVICE_PACKAGE_SUGGESTS "avahi-daemon")
if(TARGET latchkey_shared_library)
  set(about "liblatchkey is the device's side of latchkey for firmware with a main loop
of its own: life cycle, orders and a fallback certificate behind one header.")
  latchkey_package(library liblatchkey0 libs "device's side of latchkey, shared library" "${about}")
  latchkey_package(library-curl liblatchkey-curl0 libs "device's side of latchkey, transport by curl"
    "${about}\nThis is its HTTP transport by libcurl.")
  latchkey_package(development liblatchkey-dev libdevel "device's side of latchkey, for development" "${about}
This package has the headers, the static libraries and the manual page."
    "liblatchkey0 (= ${PROJECT_VERSION}), liblatchkey-curl0 (= ${PROJECT_VERSION}), libssl-dev, libjansson-dev")
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS "libcurl4-openssl-dev")
endif()
include(CPack)
