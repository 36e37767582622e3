# What `cmake --install` puts where: headers, the libraries, the CMake package, the .pc files, the manual pages,
# the script for gdb, and bide-countdown, if it is built.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
include(CMakePackageConfigHelpers)

set(BIDE_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/bide")

install(TARGETS bide_static bide_shared EXPORT bideTargets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
# Headers without their library would only be found to disappoint.
set(BIDE_COUNTDOWN_HEADERS sansio.h sansio_run.h countdown.h)
set(BIDE_HEADERS_LEFT_OUT)
if(BIDE_HAS_COUNTDOWN)
  install(TARGETS bide_countdown_static bide_countdown_shared EXPORT bideTargets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
else()
  foreach(header IN LISTS BIDE_COUNTDOWN_HEADERS)
    list(APPEND BIDE_HEADERS_LEFT_OUT PATTERN "${header}" EXCLUDE)
  endforeach()
endif()
# Headers of a system's own are there on that system alone.
set(BIDE_FOREIGN_HEADERS "")
if(NOT WIN32)
  list(APPEND BIDE_FOREIGN_HEADERS PATTERN "os/windows.h" EXCLUDE)
endif()
if(NOT "kqueue" IN_LIST BIDE_BACKENDS)
  list(APPEND BIDE_FOREIGN_HEADERS PATTERN "os/kqueue.h" EXCLUDE)
endif()
install(DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h" ${BIDE_HEADERS_LEFT_OUT} ${BIDE_FOREIGN_HEADERS})
install(FILES "${CMAKE_CURRENT_SOURCE_DIR}/LICENSE-MIT" "${CMAKE_CURRENT_SOURCE_DIR}/LICENSE-APACHE"
  DESTINATION "${CMAKE_INSTALL_DOCDIR}")

install(EXPORT bideTargets NAMESPACE bide:: DESTINATION "${BIDE_CMAKE_DIR}")
configure_package_config_file(cmake/bideConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/bideConfig.cmake"
  INSTALL_DESTINATION "${BIDE_CMAKE_DIR}" NO_SET_AND_CHECK_MACRO)
# While the major version is 0 a new minor version may change the interface.
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/bideConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/bideConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/bideConfigVersion.cmake" DESTINATION "${BIDE_CMAKE_DIR}")

# In bide.pc a relative folder is under the prefix, which keeps the file right where --prefix moves it; an
# absolute one stands for itself.
foreach(kind IN ITEMS LIBDIR INCLUDEDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${kind}}")
    set(BIDE_PC_${kind} "${CMAKE_INSTALL_${kind}}")
  else()
    set(BIDE_PC_${kind} "\${prefix}/${CMAKE_INSTALL_${kind}}")
  endif()
endforeach()
# The prefix is certain only when installing, as `cmake --install --prefix` may change it: it stays a variable
# in the first step and is filled in by the second.
set(BIDE_PC_PREFIX "@BIDE_PC_PREFIX@")
set(BIDE_PC_FILES bide)
if(BIDE_HAS_COUNTDOWN)
  list(APPEND BIDE_PC_FILES bide-countdown)
endif()
foreach(file IN LISTS BIDE_PC_FILES)
  configure_file(cmake/${file}.pc.in "${CMAKE_CURRENT_BINARY_DIR}/${file}.pc.in" @ONLY)
  install(CODE "
    set(BIDE_PC_PREFIX \"\${CMAKE_INSTALL_PREFIX}\")
    configure_file(\"${CMAKE_CURRENT_BINARY_DIR}/${file}.pc.in\" \"${CMAKE_CURRENT_BINARY_DIR}/${file}.pc\" @ONLY)")
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/${file}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endforeach()

# gdb loads it by itself with the library, if the prefix is the one that gdb was built for or told of. It looks for
# the whole name of the library, below a folder of its own; of which the prefix is certain only when installing.
if(BIDE_TASKS)
  install(CODE "
    get_filename_component(libraries \"${CMAKE_INSTALL_LIBDIR}\" ABSOLUTE BASE_DIR \"\${CMAKE_INSTALL_PREFIX}\")
    get_filename_component(data \"${CMAKE_INSTALL_DATADIR}\" ABSOLUTE BASE_DIR \"\${CMAKE_INSTALL_PREFIX}\")
    string(REGEX REPLACE \"^([A-Za-z]):\" \"/\\\\1\" libraries \"\${libraries}\")
    file(INSTALL DESTINATION \"\${data}/gdb/auto-load\${libraries}\" TYPE FILE
      RENAME \"$<TARGET_FILE_NAME:bide_shared>-gdb.py\"
      FILES \"${CMAKE_CURRENT_SOURCE_DIR}/scripts/gdb/bide.py\")")
endif()

include(cmake/BideMan.cmake)
