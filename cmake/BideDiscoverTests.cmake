# bide_discover_tests(<program> PROPERTIES <name> <value>…) asks the program, once it is built, for its tests
# (--list) and makes each one a CTest entry <program>/<suite>/<test>. CTest reads the entries when it starts.
#
# The same file is the script that does the asking:
#   cmake -D PROGRAM=<path> -D NAME=<program> -D ENTRIES=<file> -D PROPERTIES=<text> -P BideDiscoverTests.cmake
#
# SPDX-License-Identifier: MIT OR Apache-2.0

if(CMAKE_SCRIPT_MODE_FILE)
  execute_process(COMMAND ${EMULATOR} "${PROGRAM}" --list TIMEOUT 120
    OUTPUT_VARIABLE tests RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${PROGRAM} --list failed: ${status}")
  endif()
  string(REGEX REPLACE "\n" ";" tests "${tests}")
  set(text "")
  set(words "")
  foreach(word IN LISTS EMULATOR)
    string(APPEND words " [==[${word}]==]")
  endforeach()
  foreach(test IN LISTS tests)
    if(test)
      string(APPEND text "add_test([==[${NAME}/${test}]==] ${words} [==[${PROGRAM}]==] [==[${test}]==])\n")
      string(APPEND text "set_tests_properties([==[${NAME}/${test}]==] PROPERTIES ${PROPERTIES})\n")
    endif()
  endforeach()
  file(WRITE "${ENTRIES}" "${text}")
  return()
endif()

set(BIDE_DISCOVER_SCRIPT "${CMAKE_CURRENT_LIST_FILE}")

function(bide_discover_tests name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "PROPERTIES")
  set(properties "")
  foreach(property IN LISTS arg_PROPERTIES)
    string(APPEND properties " [==[${property}]==]")
  endforeach()
  set(entries "${CMAKE_CURRENT_BINARY_DIR}/${name}_entries.cmake")
  add_custom_command(TARGET ${name} POST_BUILD
    BYPRODUCTS "${entries}"
    COMMAND "${CMAKE_COMMAND}" -D "PROGRAM=$<TARGET_FILE:${name}>" -D "NAME=${name}" -D "EMULATOR=${CMAKE_CROSSCOMPILING_EMULATOR}" -D "ENTRIES=${entries}"
            -D "PROPERTIES=${properties}" -P "${BIDE_DISCOVER_SCRIPT}"
    VERBATIM)
  # A program that is not built yet is a failing test rather than none.
  set(include "${CMAKE_CURRENT_BINARY_DIR}/${name}_include.cmake")
  file(WRITE "${include}" "if(EXISTS \"${entries}\")
  include(\"${entries}\")
else()
  add_test(${name} ${name}_IS_NOT_BUILT)
endif()
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${include}")
endfunction()
