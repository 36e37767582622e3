# The archive calls nothing that prints, ends the process, raises a signal or installs a handler for one.
#
#   cmake -D NM=<nm> -D ARCHIVE=<libbide.a> -P forbidden_symbols.cmake
#
# SPDX-License-Identifier: MIT OR Apache-2.0
execute_process(COMMAND "${NM}" -u "${ARCHIVE}" OUTPUT_VARIABLE symbols RESULT_VARIABLE status)
if(NOT status EQUAL 0 OR NOT symbols MATCHES "U write")
  message(FATAL_ERROR "${NM} -u ${ARCHIVE} gave ${status}:\n${symbols}")
endif()
foreach(name IN ITEMS abort exit _exit _Exit quick_exit __assert_fail
                      printf fprintf vprintf vfprintf dprintf puts fputs putchar perror stdout stderr syslog
                      raise kill pthread_kill signal sigaction __sysv_signal)
  if(symbols MATCHES "U (__)?${name}(_chk)?(@[^\n]*)?\n")
    message(FATAL_ERROR "the library calls ${name}")
  endif()
endforeach()
