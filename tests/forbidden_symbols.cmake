# The archive calls nothing that prints, ends the process, raises a signal or installs a handler for one; but for the
# handler of faults, which is installed only when the program asks for it (os/fault.h).
#
#   cmake -D NM=<nm> -D ARCHIVE=<libbide.a> -D CALLS=<one that it does call> [-D ALSO=<further names>]
#         -P forbidden_symbols.cmake
#
# SPDX-License-Identifier: MIT OR Apache-2.0
execute_process(COMMAND "${NM}" -u "${ARCHIVE}" OUTPUT_VARIABLE symbols RESULT_VARIABLE status)
if(NOT status EQUAL 0 OR NOT symbols MATCHES "U ${CALLS}\n")
  message(FATAL_ERROR "${NM} -u ${ARCHIVE} gave ${status}:\n${symbols}")
endif()
# A member begins with its name and a colon.
string(REGEX REPLACE "\nfault_posix\\.c\\.o:\n([^\n]*U [^\n]*\n)*" "\n" symbols "${symbols}")
foreach(name IN ITEMS abort exit _exit _Exit quick_exit __assert_fail
                      printf fprintf vprintf vfprintf dprintf puts fputs putchar perror stdout stderr syslog
                      raise kill pthread_kill signal sigaction __sysv_signal ${ALSO})
  if(symbols MATCHES "U (__)?${name}(_chk)?(@[^\n]*)?\n")
    message(FATAL_ERROR "the library calls ${name}")
  endif()
endforeach()
