# The library bide-countdown: coroutines without input and output, and the countdown on them. It does not need
# the library bide, only its headers, and cJSON; where that is missing the component is left out.
#
# Sets BIDE_HAS_COUNTDOWN.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set(BIDE_HAS_COUNTDOWN OFF)
if(NOT BIDE_COUNTDOWN)
  return()
endif()
if(WIN32)
  message(STATUS "Bide: bide-countdown is not built for Windows so far")
  return()
endif()
find_path(BIDE_CJSON_INCLUDE cjson/cJSON.h)
find_library(BIDE_CJSON_LIBRARY cjson)
mark_as_advanced(BIDE_CJSON_INCLUDE BIDE_CJSON_LIBRARY)
if(NOT BIDE_CJSON_INCLUDE OR NOT BIDE_CJSON_LIBRARY)
  message(STATUS "Bide: no cJSON here (libcjson-dev), so no library bide-countdown and no program of that name")
  return()
endif()
set(BIDE_HAS_COUNTDOWN ON)

set(BIDE_SANSIO src/sansio/step.c src/sansio/input.c src/sansio/read.c src/sansio/line.c src/sansio/write.c)
set(BIDE_COUNTDOWN_SOURCES
    src/countdown/model.c src/countdown/text.c src/countdown/json.c src/countdown/request.c
    src/countdown/answer.c src/countdown/ticker.c src/countdown/server.c src/countdown/client.c)

add_library(bide_countdown_objects OBJECT ${BIDE_SANSIO} ${BIDE_COUNTDOWN_SOURCES})
target_include_directories(bide_countdown_objects PRIVATE include src)
target_include_directories(bide_countdown_objects SYSTEM PRIVATE "${BIDE_CJSON_INCLUDE}")
set_target_properties(bide_countdown_objects PROPERTIES
  POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
bide_compile_options(bide_countdown_objects)

add_library(bide_countdown_static STATIC $<TARGET_OBJECTS:bide_countdown_objects>)
add_library(bide_countdown_shared SHARED $<TARGET_OBJECTS:bide_countdown_objects>)
set(BIDE_COUNTDOWN_MAP "${CMAKE_CURRENT_SOURCE_DIR}/src/countdown.map")
set_target_properties(bide_countdown_shared PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION ${BIDE_SOVERSION} LINK_DEPENDS "${BIDE_COUNTDOWN_MAP}")
target_link_options(bide_countdown_shared PRIVATE "LINKER:--version-script=${BIDE_COUNTDOWN_MAP}")

foreach(kind IN ITEMS static shared)
  set_target_properties(bide_countdown_${kind} PROPERTIES
    OUTPUT_NAME bide-countdown EXPORT_NAME countdown_${kind} LINKER_LANGUAGE C)
  target_include_directories(bide_countdown_${kind} INTERFACE
    "$<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  add_library(bide::countdown_${kind} ALIAS bide_countdown_${kind})
endforeach()
# By its name once installed: the linker of another machine finds its own.
target_link_libraries(bide_countdown_static PRIVATE
  "$<BUILD_INTERFACE:${BIDE_CJSON_LIBRARY}>" "$<INSTALL_INTERFACE:cjson>")
target_link_libraries(bide_countdown_shared PRIVATE "${BIDE_CJSON_LIBRARY}")
add_library(bide::countdown ALIAS bide_countdown_${BIDE_DEFAULT})
if(NOT BIDE_TOP_LEVEL AND NOT BIDE_INSTALL)
  set_target_properties(bide_countdown_static bide_countdown_shared PROPERTIES EXCLUDE_FROM_ALL ON)
endif()
