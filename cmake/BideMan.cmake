# The manual pages, section 3, made of the public headers by docs/man.awk; left out where there is no awk.
#
# SPDX-License-Identifier: MIT OR Apache-2.0

find_program(BIDE_AWK NAMES awk gawk mawk)
mark_as_advanced(BIDE_AWK)
if(NOT BIDE_AWK)
  message(STATUS "Bide: no awk here, so no manual pages are made")
  return()
endif()

# The day is that of SOURCE_DATE_EPOCH if it is set: packages can be built again with the same bytes.
string(TIMESTAMP day "%Y-%m-%d" UTC)
set(folder "${CMAKE_CURRENT_BINARY_DIR}/man3")
set(script "${CMAKE_CURRENT_SOURCE_DIR}/docs/man.awk")
file(GLOB headers CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/include/bide/*.h")
if(NOT BIDE_HAS_COUNTDOWN)
  foreach(header IN LISTS BIDE_COUNTDOWN_HEADERS)
    list(REMOVE_ITEM headers "${CMAKE_CURRENT_SOURCE_DIR}/include/bide/${header}")
  endforeach()
endif()
if("kqueue" IN_LIST BIDE_BACKENDS)
  list(APPEND headers "${CMAKE_CURRENT_SOURCE_DIR}/include/bide/os/kqueue.h")
endif()
list(PREPEND headers "${CMAKE_CURRENT_SOURCE_DIR}/include/bide.h")
add_custom_command(OUTPUT "${folder}.made"
  COMMAND "${CMAKE_COMMAND}" -E rm -rf "${folder}"
  COMMAND "${CMAKE_COMMAND}" -E make_directory "${folder}"
  COMMAND "${BIDE_AWK}" -v "out=${folder}" -v "version=${PROJECT_VERSION}" -v "date=${day}" -f "${script}"
          ${headers}
  COMMAND "${CMAKE_COMMAND}" -E touch "${folder}.made"
  DEPENDS "${script}" ${headers}
  COMMENT "Making the manual pages"
  VERBATIM)
add_custom_target(bide_man ALL DEPENDS "${folder}.made")
install(DIRECTORY "${folder}/" DESTINATION "${CMAKE_INSTALL_MANDIR}/man3")
