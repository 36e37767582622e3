# Tests: which runner, and bide_add_test(), which makes a program of a file and CTest entries of the program.
#
# SPDX-License-Identifier: MIT OR Apache-2.0

option(BIDE_TEST_STANDALONE "Run the tests with their own runner even where Criterion is installed" OFF)
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  set(BIDE_TEST_STANDALONE ON)
endif()
if(NOT BIDE_TEST_STANDALONE)
  find_package(Criterion QUIET)
  if(NOT Criterion_FOUND)
    message(STATUS "Bide: no Criterion here, so the tests use their own runner")
  endif()
endif()

# What every test program shares: questions about its own process, and the runner.
if(WIN32)
  # With as much of POSIX as tests are written in, found before the system's headers.
  add_library(bide_test_support STATIC windows/check.c windows/posix.c)
  target_include_directories(bide_test_support SYSTEM BEFORE PUBLIC windows)
  target_include_directories(bide_test_support PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(bide_test_support PUBLIC -Wl,-Bstatic -lpthread -Wl,-Bdynamic)
  set(BIDE_TEST_PROCESSES windows/runner.c windows/skips.c)
elseif(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  add_library(bide_test_support STATIC unix/check.c)
  target_compile_options(bide_test_support PUBLIC
    "$<$<COMPILE_LANGUAGE:C>:SHELL:-include ${CMAKE_CURRENT_SOURCE_DIR}/unix/compat.h>")
  set(BIDE_TEST_PROCESSES support/runner_fork.c)
else()
  add_library(bide_test_support STATIC support/check.c)
  set(BIDE_TEST_PROCESSES support/runner_fork.c)
endif()
target_include_directories(bide_test_support PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}")
bide_compile_options(bide_test_support)
if(Criterion_FOUND)
  target_link_libraries(bide_test_support PUBLIC Criterion::Criterion)
else()
  # The runner defines main, which the linker looks for in an archive last: as objects it is always there.
  add_library(bide_test_runner OBJECT support/runner.c ${BIDE_TEST_PROCESSES})
  bide_compile_options(bide_test_runner)
  target_include_directories(bide_test_runner PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/src"
    "${PROJECT_SOURCE_DIR}/include")
  if(NOT WIN32 AND NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_compile_options(bide_test_runner PRIVATE
      "$<$<COMPILE_LANGUAGE:C>:SHELL:-include ${CMAKE_CURRENT_SOURCE_DIR}/unix/compat.h>")
  endif()
  target_sources(bide_test_support INTERFACE $<TARGET_OBJECTS:bide_test_runner>)
  target_compile_definitions(bide_test_support INTERFACE BIDE_TEST_STANDALONE=1)
endif()

# The tests' own layer under the library: counts system calls and allocations, and makes them fail. The names
# are those that support/syscalls.c wraps.
set(BIDE_WRAPPED
    read write readv writev pwritev2 recv send recvfrom sendto recvmsg recvmmsg sendmsg sendmmsg
    socket socketpair bind listen accept accept4 connect shutdown getsockopt setsockopt getsockname getpeername
    fcntl ioctl fstat lstat unlink pread64 pwrite64 sendfile64 close
    open64 fstat64 lstat64 stat64 fsync fdatasync ftruncate64 lseek64 rename mkdir rmdir opendir readdir64 pipe2 eventfd timerfd_create timerfd_settime
    epoll_create1 epoll_ctl epoll_wait epoll_pwait poll ppoll syscall
    pthread_create pthread_sigmask sigpending sigtimedwait pthread_key_create pthread_setspecific
    malloc calloc realloc aligned_alloc posix_memalign)
if(WIN32)
  set(BIDE_WRAPPED "") # calls are imported there, which a linker cannot wrap: none is counted
endif()
list(TRANSFORM BIDE_WRAPPED PREPEND "LINKER:--wrap=" OUTPUT_VARIABLE BIDE_WRAP_OPTIONS)
set(BIDE_WRAPS "")
if(WIN32)
  set(BIDE_WRAPS windows/calls.c)
elseif(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  set(BIDE_WRAPS support/syscalls.c)
endif()
if(BIDE_WRAPS)
  add_library(bide_test_calls OBJECT support/calls.c ${BIDE_WRAPS})
  bide_compile_options(bide_test_calls)
  target_include_directories(bide_test_calls PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  target_link_options(bide_test_calls INTERFACE ${BIDE_WRAP_OPTIONS})
endif()

# The runners check for leaks after each test: at exit it would be too late, and twice.
set(BIDE_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_leaks=1:leak_check_at_exit=0:detect_stack_use_after_return=1:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
    "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:die_after_fork=0")

# bide_add_test(<name> [WRAP] [WILL_FAIL] [TIMEOUT <seconds>] [SOURCES <more>…] [LINK_OPTIONS <options>…])
#
# Builds <name>.c with the static library, whose internals tests may reach ("os/futex.h" and the like). The
# program is one CTest entry with Criterion, which has a worker for each of its tests; with our own runner
# each test is one.
#   WRAP          system calls and allocations go through support/syscalls.h, which counts them and makes them fail
#   WILL_FAIL     the program must fail
#   TIMEOUT       for the whole entry; 120 by default
#   SOURCES       further files
#   LINK_OPTIONS  for wraps of the test's own
function(bide_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "WRAP;WILL_FAIL" "TIMEOUT" "SOURCES;LINK_OPTIONS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "bide_add_test(${name}): what is ${arg_UNPARSED_ARGUMENTS}?")
  endif()
  if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${name}.c")
    message(STATUS "Bide: not there yet: ${name}.c")
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()

  add_executable(${name} ${name}.c ${arg_SOURCES})
  bide_compile_options(${name})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  if(WIN32)
    # Tests hold descriptors in an int.
    target_compile_options(${name} PRIVATE -Wno-sign-conversion -Wno-conversion -Wno-sign-compare -Wno-missing-braces)
  endif()
  if(arg_WRAP)
    target_link_libraries(${name} PRIVATE bide_test_calls)
  endif()
  target_link_libraries(${name} PRIVATE bide_test_support bide::static)
  target_link_options(${name} PRIVATE ${arg_LINK_OPTIONS})

  set(properties TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77)
  if(arg_WILL_FAIL)
    list(APPEND properties WILL_FAIL ON)
  endif()
  # What cannot be run here cannot be asked for its tests either.
  if(Criterion_FOUND OR (CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR))
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES ${properties} ENVIRONMENT "${BIDE_TEST_ENVIRONMENT}")
  else()
    bide_discover_tests(${name} PROPERTIES ${properties} ENVIRONMENT "${BIDE_TEST_ENVIRONMENT}")
  endif()
endfunction()
