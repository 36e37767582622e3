# Further examples, run for real. Those that need a library which is not here are left out, and so are their tests.
#
# SPDX-License-Identifier: MIT OR Apache-2.0

# bide_add_example_test(<test> <example>…)
function(bide_add_example_test test)
  bide_add_test(${test} SOURCES test_examples_run.c)
  if(NOT TARGET ${test})
    return()
  endif()
  target_compile_definitions(${test} PRIVATE
    BIDE_EXAMPLES="$<TARGET_FILE_DIR:bide_example_connect>" BIDE_DOCUMENTATION="")
  foreach(example IN LISTS ARGN)
    if(TARGET bide_example_${example})
      add_dependencies(${test} bide_example_${example})
    endif()
  endforeach()
endfunction()

if(BIDE_BUILD_EXAMPLES)
  bide_add_example_test(test_examples_more inotify process signals timerfd with_timeout)
  if("kqueue" IN_LIST BIDE_BACKENDS)
    bide_add_example_test(test_examples_kqueue signals_kqueue)
  endif()
  bide_add_example_test(test_examples_more_embed embed_libev embed_glib)
  bide_add_example_test(test_examples_more_tls tls_client tls_echo_server)
  bide_add_example_test(test_examples_tasks echo_server proxy)
  bide_add_example_test(test_examples_structured main_exit pipeline)
  bide_add_example_test(test_examples_socks socks5)
  if(TARGET bide_example_http_server)
    bide_add_example_test(test_examples_http_server http_server proxy)
  endif()
  bide_add_example_test(test_examples_more_cpp cpp_consumer echo_server)
endif()
