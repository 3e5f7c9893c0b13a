# Run by cpack when the components are installed and not packed yet: what Debian's policy asks of each package.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC) # of SOURCE_DATE_EPOCH, if that is set

file(READ ${CPACK_LATCHKEY_SOURCE}/LICENSE licence)
string(REGEX MATCH "Copyright[^\n]*" holders "${licence}")
string(REGEX REPLACE "^Copyright *(\\([cC]\\))? *" "" holders "${holders}")
string(REGEX REPLACE "^.*\n(Permission is hereby)" "\\1" terms "${licence}")
string(STRIP "${terms}" terms)
string(REPLACE "\n\n" "\n.\n" terms "${terms}")
string(REPLACE "\n" "\n " terms "${terms}")

# latchkey_compress(FILE): FILE.gz without a name and a time in it.
function(latchkey_compress file)
  execute_process(COMMAND gzip -9nf ${file} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

foreach(component ${CPACK_COMPONENTS_ALL})
  string(TOUPPER ${component} upper)
  set(package ${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
  set(root ${CPACK_TEMPORARY_DIRECTORY}/${component})
  set(documents ${root}/usr/share/doc/${package})
  if(EXISTS ${root}/usr/share/doc/latchkey)
    file(RENAME ${root}/usr/share/doc/latchkey ${documents})
  endif()
  file(WRITE ${documents}/copyright
       "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: latchkey

Files: *
Copyright: ${holders}
License: Expat
 ${terms}
")
  file(WRITE ${documents}/changelog
       "latchkey (${CPACK_PACKAGE_VERSION}) stable; urgency=medium

  * See NEWS.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
  file(COPY_FILE ${CPACK_LATCHKEY_SOURCE}/NEWS.md ${documents}/NEWS)
  file(GLOB pages ${root}/usr/share/man/man*/*.[1-9])
  foreach(file ${documents}/changelog ${documents}/NEWS ${pages})
    latchkey_compress(${file})
  endforeach()
  # cpack strips programs and shared libraries only.
  file(GLOB archives ${root}/usr/lib/*/*.a)
  if(archives)
    execute_process(COMMAND strip --strip-debug --enable-deterministic-archives ${archives}
                    COMMAND_ERROR_IS_FATAL ANY)
  endif()
  file(GLOB_RECURSE files ${root}/usr/share/*)
  file(CHMOD ${files} FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endforeach()
