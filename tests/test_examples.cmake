# The examples are run for real, and so is every program in the documentation; its other blocks are compiled.
#
# A block that begins with ```c is a program if it defines main: its first line names it, "/* banner.c: …".
# What has no main is compiled with the headers that docs/guide.md says it assumes.
#
# SPDX-License-Identifier: MIT OR Apache-2.0

set(BIDE_DOCUMENTS README.md docs/guide.md)
set(BIDE_DOCUMENT_LIBRARIES bide::static)
if(BIDE_HAS_COUNTDOWN)
  list(APPEND BIDE_DOCUMENTS docs/countdown.md)
  list(PREPEND BIDE_DOCUMENT_LIBRARIES bide::countdown_static)
endif()

# Programs that need somebody at the other end: test_examples_servers.c runs them. All others must exit with 0 by
# themselves.
set(BIDE_DRIVEN_PROGRAMS banner ticker)

set(BIDE_SNIPPET_HEAD "#include <bide.h>\n\n#include <stdio.h>\n#include <string.h>\n#include <unistd.h>\n\n")

# A reader's compiler has its extensions on, and does not ask for prototypes of functions in a single file.
function(bide_documentation_options target)
  bide_compile_options(${target})
  set_target_properties(${target} PROPERTIES C_EXTENSIONS ON
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/documentation")
  target_compile_options(${target} PRIVATE -Wno-missing-prototypes)
endfunction()

# Adds one block. `place` is the document and the line, for compilers' messages.
function(bide_add_block place code)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/documentation")
  if(code MATCHES "main\\(")
    if(NOT code MATCHES "^/\\* ([a-z_]+)\\.c: ")
      message(FATAL_ERROR "${place}: a program's first line must name it: /* name.c: …")
    endif()
    set(name "${CMAKE_MATCH_1}")
    set(target bide_documentation_${name})
    file(CONFIGURE OUTPUT "${folder}/${name}.c" CONTENT "@code@" @ONLY)
    add_executable(${target} "${folder}/${name}.c")
    target_link_libraries(${target} PRIVATE ${BIDE_DOCUMENT_LIBRARIES})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name})
    bide_documentation_options(${target})
    if(NOT name IN_LIST BIDE_DRIVEN_PROGRAMS)
      add_test(NAME documentation/${name} COMMAND ${target})
      set_tests_properties(documentation/${name} PROPERTIES TIMEOUT 60)
    endif()
  else()
    string(MAKE_C_IDENTIFIER "${place}" name)
    string(TOLOWER "${name}" name)
    file(CONFIGURE OUTPUT "${folder}/${name}.c" CONTENT "@BIDE_SNIPPET_HEAD@@code@" @ONLY)
    add_library(bide_documentation_${name} OBJECT "${folder}/${name}.c")
    target_include_directories(bide_documentation_${name} PRIVATE "${PROJECT_SOURCE_DIR}/include")
    bide_documentation_options(bide_documentation_${name})
  endif()
endfunction()

# Sets <out> to the number of blocks of a document, and <out>_0, <out>_1 … to their code.
function(bide_find_blocks document out)
  file(READ "${PROJECT_SOURCE_DIR}/${document}" rest)
  set(number 0)
  while(TRUE)
    string(FIND "${rest}" "\n```c\n" start)
    if(start EQUAL -1)
      break()
    endif()
    math(EXPR start "${start} + 6")
    string(SUBSTRING "${rest}" ${start} -1 rest)
    string(FIND "${rest}" "\n```\n" end)
    if(end EQUAL -1)
      message(FATAL_ERROR "${document}: a code block has no end")
    endif()
    math(EXPR end "${end} + 1")
    string(SUBSTRING "${rest}" 0 ${end} code)
    string(SUBSTRING "${rest}" ${end} -1 rest)
    set(${out}_${number} "${code}" PARENT_SCOPE)
    math(EXPR number "${number} + 1")
  endwhile()
  if(number EQUAL 0)
    message(FATAL_ERROR "${document} has no code blocks")
  endif()
  set(${out} ${number} PARENT_SCOPE)
endfunction()

function(bide_add_document document)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${document}")
  bide_find_blocks("${document}" blocks)
  math(EXPR last "${blocks} - 1")
  foreach(i RANGE ${last})
    math(EXPR number "${i} + 1")
    bide_add_block("${document} block ${number}" "${blocks_${i}}")
  endforeach()
endfunction()

foreach(document IN LISTS BIDE_DOCUMENTS)
  bide_add_document(${document})
endforeach()

# The servers of docs/migrating.md, each with what it is linked with. Those whose library is not here are left
# out.
function(bide_add_migrating name)
  set(target bide_migrating_${name})
  add_executable(${target} "${PROJECT_SOURCE_DIR}/docs/migrating/with_${name}.c")
  target_link_libraries(${target} PRIVATE ${ARGN})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME with_${name})
  bide_documentation_options(${target})
  add_dependencies(bide_migrating ${target})
endfunction()

add_custom_target(bide_migrating)
bide_add_migrating(poll)
bide_add_migrating(bide bide::static)
foreach(peer IN ITEMS "libev ev.h ev" "libuv uv.h uv" "libevent event2/event.h event")
  string(REPLACE " " ";" peer "${peer}")
  list(GET peer 0 name)
  list(GET peer 1 header)
  list(GET peer 2 library)
  find_path(BIDE_PEER_${name}_INCLUDE ${header})
  find_library(BIDE_PEER_${name}_LIBRARY ${library})
  mark_as_advanced(BIDE_PEER_${name}_INCLUDE BIDE_PEER_${name}_LIBRARY)
  if(BIDE_PEER_${name}_INCLUDE AND BIDE_PEER_${name}_LIBRARY)
    bide_add_migrating(${name} "${BIDE_PEER_${name}_LIBRARY}")
    # As the system's: warnings about its macros are not ours to heed.
    target_include_directories(bide_migrating_${name} SYSTEM PRIVATE "${BIDE_PEER_${name}_INCLUDE}")
  else()
    message(STATUS "Bide: no ${name} here, so its server of docs/migrating.md is not built")
  endif()
endforeach()

# What the page shows of them stands in them, word for word.
set(page "docs/migrating.md")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${page}")
set(sources "")
foreach(name IN ITEMS poll libev libuv libevent bide)
  file(READ "${PROJECT_SOURCE_DIR}/docs/migrating/with_${name}.c" source)
  string(APPEND sources "${source}")
endforeach()
bide_find_blocks("${page}" blocks)
math(EXPR last "${blocks} - 1")
foreach(i RANGE ${last})
  string(FIND "${sources}" "${blocks_${i}}" place)
  if(place EQUAL -1)
    message(FATAL_ERROR "${page}: this is in none of docs/migrating/*.c:\n${blocks_${i}}")
  endif()
endforeach()

bide_add_test(test_migrating SOURCES test_examples_run.c)
target_compile_definitions(test_migrating PRIVATE
  BIDE_EXAMPLES="" BIDE_DOCUMENTATION="${CMAKE_CURRENT_BINARY_DIR}/documentation")
add_dependencies(test_migrating bide_migrating)

if(BIDE_BUILD_EXAMPLES)
  foreach(test IN ITEMS test_examples test_examples_servers test_examples_udp)
    bide_add_test(${test} SOURCES test_examples_run.c)
    target_compile_definitions(${test} PRIVATE
      BIDE_EXAMPLES="$<TARGET_FILE_DIR:bide_example_demo>"
      BIDE_DOCUMENTATION="${CMAKE_CURRENT_BINARY_DIR}/documentation")
    foreach(example IN ITEMS connect demo echo_server idle_timeouts timers udp_query)
      add_dependencies(${test} bide_example_${example})
    endforeach()
    foreach(program IN LISTS BIDE_DRIVEN_PROGRAMS)
      add_dependencies(${test} bide_documentation_${program})
    endforeach()
  endforeach()
  bide_add_test(test_examples_lines SOURCES test_examples_run.c)
  target_compile_definitions(test_examples_lines PRIVATE
    BIDE_EXAMPLES="$<TARGET_FILE_DIR:bide_example_demo>" BIDE_DOCUMENTATION="")
  add_dependencies(test_examples_lines bide_example_chat bide_example_reconnect)
endif()
