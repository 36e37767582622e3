# The tests of the library bide-countdown, if it is built, and of its program.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
if(NOT BIDE_HAS_COUNTDOWN)
  return()
endif()

foreach(test IN ITEMS test_sansio test_sansio_run test_countdown test_countdown_model test_countdown_server
        test_countdown_client)
  bide_add_test(${test})
  target_link_libraries(${test} PRIVATE bide::countdown_static)
endforeach()

bide_add_test(test_countdown_faults LINK_OPTIONS LINKER:--wrap=malloc)
target_link_libraries(test_countdown_faults PRIVATE bide::countdown_static)
target_include_directories(test_countdown_faults SYSTEM PRIVATE "${BIDE_CJSON_INCLUDE}")

# It neither reads a clock nor a descriptor, and needs nothing of the library bide.
if(NOT BIDE_DEBUG AND NOT BIDE_SANITIZE)
  add_test(NAME forbidden_symbols_countdown
    COMMAND "${CMAKE_COMMAND}" -D "NM=${CMAKE_NM}" -D "ARCHIVE=$<TARGET_FILE:bide_countdown_static>"
            -D CALLS=malloc
            -D "ALSO=read\;write\;recv\;send\;open\;poll\;clock_gettime\;gettimeofday\;time\;timespec_get\;nanosleep\;pthread_create\;bide_now\;bide_read\;bide_write\;bide_await\;bide_strerror"
            -P "${CMAKE_CURRENT_SOURCE_DIR}/forbidden_symbols.cmake")
endif()

if(TARGET bide_countdown_program)
  foreach(test IN ITEMS test_countdown_program test_countdown_hooks)
    bide_add_test(${test} SOURCES test_examples_run.c)
    target_link_libraries(${test} PRIVATE bide::countdown_static)
    target_compile_definitions(${test} PRIVATE BIDE_EXAMPLES="" BIDE_DOCUMENTATION=""
      BIDE_COUNTDOWN_PROGRAM="$<TARGET_FILE:bide_countdown_program>"
      BIDE_COUNTDOWN_COMPLETION="${PROJECT_SOURCE_DIR}/programs/countdown/bide-countdown.bash")
    add_dependencies(${test} bide_countdown_program)
  endforeach()
endif()

if(TARGET bide_example_countdown_tcp)
  bide_add_test(test_countdown_examples SOURCES test_examples_run.c)
  target_compile_definitions(test_countdown_examples PRIVATE BIDE_COUNTDOWN_PROGRAM="" BIDE_DOCUMENTATION=""
    BIDE_EXAMPLES="$<TARGET_FILE_DIR:bide_example_countdown_tcp>")
  add_dependencies(test_countdown_examples bide_example_countdown_tcp bide_example_countdown_unix)
endif()
