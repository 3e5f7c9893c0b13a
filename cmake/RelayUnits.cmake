# Run by cmake --install, see InstallRelay.cmake: the units of the relay's roles, their users and folders.
set(systemd ${latchkey_source}/deploy/systemd)
set(units ${latchkey_build}/units)
set(PROGRAMS ${CMAKE_INSTALL_PREFIX}/${latchkey_bin})

# latchkey_role_unit(ROLE MEMORY OOM DESCRIPTION [SOCKET] [SECRET] [COMMANDS]): SOCKET: systemd opens its ports.
# SECRET: it gets the secret as a credential, the file is not its own. COMMANDS: it may start other programs.
function(latchkey_role_unit ROLE MEMORY OOM DESCRIPTION)
  cmake_parse_arguments(arg "SOCKET;SECRET;COMMANDS" "" "" ${ARGN})
  set(DEPENDENCIES "Wants=network-online.target\nAfter=network-online.target")
  if(arg_SOCKET)
    set(DEPENDENCIES "Requires=latchkey-${ROLE}.socket\nAfter=latchkey-${ROLE}.socket network.target")
  endif()
  set(CREDENTIALS "")
  if(arg_SECRET)
    set(CREDENTIALS "LoadCredential=secret:/var/lib/latchkey/secret\n")
  endif()
  set(EXECUTABLES "NoExecPaths=/\nExecPaths=${PROGRAMS}/latchkey-relay /usr/lib /lib -/lib64")
  if(arg_COMMANDS)
    set(EXECUTABLES "# It starts [alert] command, so programs can be executed.")
    set(CREDENTIALS "# For a dashboard on a unix socket.\nRuntimeDirectory=latchkey-${ROLE}\nRuntimeDirectoryMode=0750\n")
  endif()
  configure_file(${systemd}/latchkey-role.service.in ${units}/latchkey-${ROLE}.service @ONLY)
endfunction()
latchkey_role_unit(dns 192M -300 "authoritative DNS" SOCKET)
latchkey_role_unit(front 384M 0 "ACME server for devices" SOCKET SECRET)
latchkey_role_unit(issuer 256M -100 "certificates from the CA" SECRET)
latchkey_role_unit(admin 128M 300 "dashboard and alerts" COMMANDS)
configure_file(${systemd}/latchkey-relay-backup.service.in ${units}/latchkey-relay-backup.service @ONLY)

if(latchkey_units)
  file(GLOB written ${units}/*.service)
  file(INSTALL ${written} ${systemd}/latchkey-relay.target ${systemd}/latchkey-relay-backup.timer
               ${systemd}/latchkey-front.socket ${systemd}/latchkey-dns.socket
       DESTINATION ${CMAKE_INSTALL_PREFIX}/${latchkey_units})
  file(INSTALL ${systemd}/sysusers.conf DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/sysusers.d
       RENAME latchkey-relay.conf)
  file(INSTALL ${systemd}/tmpfiles.conf DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/tmpfiles.d
       RENAME latchkey-relay.conf)
endif()
