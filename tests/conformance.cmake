# Every test that a page names exists, in the program that it names.
#
#   cmake -D PAGE=<docs/conformance.md or another> -D TESTS=<this folder> -P conformance.cmake
#
# SPDX-License-Identifier: MIT OR Apache-2.0
file(READ "${PAGE}" page)
string(REGEX MATCHALL "`test_[a-z_0-9]+: [a-z_0-9]+/[A-Za-z_0-9]+`" entries "${page}")
list(LENGTH entries count)
set(missing "")
foreach(entry IN LISTS entries)
  string(REGEX MATCH "`(test_[a-z_0-9]+): ([a-z_0-9]+)/([A-Za-z_0-9]+)`" ignored "${entry}")
  set(program "${CMAKE_MATCH_1}")
  set(test "Test\\(${CMAKE_MATCH_2}, *${CMAKE_MATCH_3}[,)]")
  if(NOT EXISTS "${TESTS}/${program}.c")
    string(APPEND missing "\n  ${entry}: no such program")
    continue()
  endif()
  file(READ "${TESTS}/${program}.c" source)
  if(NOT source MATCHES "${test}")
    string(APPEND missing "\n  ${entry}")
  endif()
endforeach()
if(missing)
  message(FATAL_ERROR "${PAGE} names tests that are not there:${missing}")
endif()
if(count EQUAL 0)
  message(FATAL_ERROR "${PAGE} names no test")
endif()
message("${count} tests are where ${PAGE} says")
