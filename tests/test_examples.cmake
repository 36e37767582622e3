# The examples are run for real, and so is every program in the documentation; its other blocks are compiled.
#
# A block that begins with ```c is a program if it defines main: its first line names it, "/* banner.c: …".
# What has no main is compiled with the headers that docs/guide.md says it assumes.
#
# SPDX-License-Identifier: MIT OR Apache-2.0

set(BIDE_DOCUMENTS README.md docs/guide.md)

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
    target_link_libraries(${target} PRIVATE bide::static)
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

function(bide_add_document document)
  set(path "${PROJECT_SOURCE_DIR}/${document}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${path}")
  file(READ "${path}" rest)
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
    math(EXPR number "${number} + 1")
    bide_add_block("${document} block ${number}" "${code}")
  endwhile()
  if(number EQUAL 0)
    message(FATAL_ERROR "${document} has no code blocks")
  endif()
endfunction()

foreach(document IN LISTS BIDE_DOCUMENTS)
  bide_add_document(${document})
endforeach()

if(BIDE_BUILD_EXAMPLES)
  foreach(test IN ITEMS test_examples test_examples_servers test_examples_udp)
    bide_add_test(${test} SOURCES test_examples_run.c)
    target_compile_definitions(${test} PRIVATE
      BIDE_EXAMPLES="$<TARGET_FILE_DIR:bide_example_demo>"
      BIDE_DOCUMENTATION="${CMAKE_CURRENT_BINARY_DIR}/documentation")
    foreach(example IN ITEMS connect demo echo_server timers udp_query)
      add_dependencies(${test} bide_example_${example})
    endforeach()
    foreach(program IN LISTS BIDE_DRIVEN_PROGRAMS)
      add_dependencies(${test} bide_documentation_${program})
    endforeach()
  endforeach()
endif()
  bide_add_test(test_examples_lines SOURCES test_examples_run.c)
  target_compile_definitions(test_examples_lines PRIVATE
    BIDE_EXAMPLES="$<TARGET_FILE_DIR:bide_example_demo>" BIDE_DOCUMENTATION="")
  add_dependencies(test_examples_lines bide_example_chat bide_example_reconnect)
