# The target `sbom` writes latchkey.spdx.json, the bill of materials of the programs of this build.
set(shipped latchkey latchkey-worker)
foreach(optional latchkey-mdns latchkey-relay)
  if(TARGET ${optional})
    list(APPEND shipped ${optional})
  endif()
endforeach()
set(shipped_files)
foreach(program ${shipped})
  list(APPEND shipped_files $<TARGET_FILE:${program}>)
endforeach()
add_custom_target(sbom
  COMMAND ${CMAKE_SOURCE_DIR}/deploy/sbom --version ${PROJECT_VERSION}
          --output ${CMAKE_BINARY_DIR}/latchkey.spdx.json ${shipped_files}
  DEPENDS ${shipped}
  VERBATIM)
