# What the shared library of Windows exports, as a module-definition file: the public symbols of src/bide.map, and
# those that Windows has alone, from the header that declares them.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set(BIDE_WINDOWS_HEADER "${CMAKE_CURRENT_SOURCE_DIR}/include/bide/os/windows.h")
file(STRINGS "${BIDE_MAP}" BIDE_MAP_LINES)
file(STRINGS "${BIDE_WINDOWS_HEADER}" BIDE_HEADER_LINES REGEX "^BIDE_API ")
set(BIDE_EXPORTS "")
set(BIDE_SECTION "")
foreach(line IN LISTS BIDE_MAP_LINES BIDE_HEADER_LINES)
  if(line MATCHES "/\\* ([a-z]+)\\.h")
    set(BIDE_SECTION "${CMAKE_MATCH_1}")
  elseif(line MATCHES "^(BIDE_API.* )? *(bide_[a-z0-9_]+)(\\(|;|$)")
    set(name "${CMAKE_MATCH_2}")
    # What is not there without tasks; some of it is in bide/debug.h.
    if(BIDE_TASKS OR NOT (BIDE_SECTION MATCHES "^(task|group|promise|local)$"
                          OR name MATCHES "^bide_(overflow|scheduler|stack|task|worker)_"))
      string(APPEND BIDE_EXPORTS "    ${name}\n")
    endif()
  endif()
endforeach()
file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/bide.def" CONTENT "EXPORTS\n@BIDE_EXPORTS@" @ONLY)
target_sources(bide_shared PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/bide.def")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${BIDE_MAP}" "${BIDE_WINDOWS_HEADER}")
# One name a version, as sonames are elsewhere; functions are called faster if they are known to be imported.
set_target_properties(bide_shared PROPERTIES RUNTIME_OUTPUT_NAME "bide-${BIDE_SOVERSION}")
target_compile_definitions(bide_shared INTERFACE BIDE_SHARED)
# Of the compiler's own library it needs a few functions alone: no program has to bring that along.
if(MINGW)
  target_link_options(bide_shared PRIVATE -static-libgcc)
endif()
