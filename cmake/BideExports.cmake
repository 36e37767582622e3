# What the shared library of Windows exports: the public symbols of src/bide.map, in a module-definition file,
# and those that Windows has alone, from the header that declares them.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
file(STRINGS "${BIDE_MAP}" BIDE_EXPORTS REGEX "^ *bide_[a-z0-9_]+;$")
list(TRANSFORM BIDE_EXPORTS REPLACE "[ ;]" "")
if(NOT BIDE_TASKS)
  file(STRINGS "${CMAKE_CURRENT_SOURCE_DIR}/include/bide/task.h" BIDE_TASK_LINES REGEX "bide_[a-z0-9_]+\\(")
  message(STATUS "Bide: without tasks, whose functions are not exported")
endif()
list(JOIN BIDE_EXPORTS "\n" BIDE_EXPORTS)
file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/bide.def" CONTENT "EXPORTS\n@BIDE_EXPORTS@\n" @ONLY)
target_sources(bide_shared PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/bide.def")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${BIDE_MAP}")
# One name a version, as sonames are elsewhere; functions are called faster if they are known to be imported.
set_target_properties(bide_shared PROPERTIES RUNTIME_OUTPUT_NAME "bide-${BIDE_SOVERSION}")
target_compile_definitions(bide_shared INTERFACE BIDE_SHARED)
