# Which files of src/os and src/poll this system gets. What all have in common has no suffix; the rest is one
# file a system or a family of systems, each with the whole of its seam:
#
#   _linux, _freebsd, _openbsd, _bsd (FreeBSD, NetBSD, OpenBSD, DragonFly), _darwin, _illumos, _windows
#   _posix   any system with POSIX threads and sockets, where nothing better is known
#   or the way itself, where systems of several families share it: descriptor_flags.c, sigpipe_sigwait.c
#
# Gives BIDE_OS, BIDE_POLL, BIDE_SYSTEM_REACTOR (what only this system has above them), BIDE_SYSTEM_LIBRARIES, which
# they need at the link, BIDE_BACKENDS, and BIDE_SYSTEM_DEFINITIONS: which of these there are, and what makes the
# system's headers show more than C11.
#
# SPDX-License-Identifier: MIT OR Apache-2.0

# Linux has what POSIX has: this builds it from the files of systems that have no more, to run those too.
option(BIDE_PORTABLE "On Linux, use the system layer of any POSIX system (for tests of that layer)" OFF)
# And kqueue: as the tests have it, or by a library for Linux (libkqueue).
set(BIDE_KQUEUE "" CACHE STRING "With BIDE_PORTABLE: 'emulated', or the library that has kqueue(2)")
set(BIDE_KQUEUE_INCLUDE "" CACHE PATH "With BIDE_PORTABLE: where sys/event.h of that library is")

set(BIDE_OS clock error log lookup mutex text)
set(BIDE_POLL poller)
set(BIDE_SYSTEM_DEFINITIONS)

if(NOT CMAKE_SYSTEM_NAME STREQUAL "Windows")
  list(APPEND BIDE_OS
       error_posix fault_posix file fork io message options sanitize sigpipe socket socket_unix standard thread)
  list(APPEND BIDE_POLL poll wake)
  set(THREADS_PREFER_PTHREAD_FLAG ON)
  find_package(Threads REQUIRED)
  set(BIDE_SYSTEM_LIBRARIES Threads::Threads)
endif()

if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT BIDE_PORTABLE)
  list(APPEND BIDE_OS
       batch_mmsg clock_posix credentials_linux descriptor_flags environment_linux futex_linux io_linux
       multicast_group pages_linux processors_linux sendfile_linux sigpipe_timed thread_linux)
  list(APPEND BIDE_POLL epoll wake_linux)
elseif(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  list(APPEND BIDE_OS
       batch_each clock_posix credentials_linux descriptor_fcntl environment_posix futex_table sleeper_posix
       io_posix multicast_group pages_posix processors_posix sendfile_posix sigpipe_sigwait thread_linux)
  list(APPEND BIDE_POLL wake_posix)
  if(BIDE_KQUEUE STREQUAL "emulated")
    list(APPEND BIDE_POLL kqueue ../../tests/kqueue/kqueue ../../tests/kqueue/sources)
    include_directories(tests/kqueue)
  elseif(BIDE_KQUEUE)
    list(APPEND BIDE_POLL kqueue)
    include_directories(SYSTEM "${BIDE_KQUEUE_INCLUDE}")
    link_libraries("${BIDE_KQUEUE}")
  endif()
elseif(CMAKE_SYSTEM_NAME MATCHES "^(FreeBSD|NetBSD|OpenBSD|DragonFly)$")
  list(APPEND BIDE_OS
       clock_posix control_none credentials_bsd descriptor_flags environment_issetugid io_posix pages_posix
       processors_posix sendfile_posix thread_bsd)
  list(APPEND BIDE_POLL kqueue wake_posix)
  if(CMAKE_SYSTEM_NAME STREQUAL "FreeBSD")
    list(APPEND BIDE_OS batch_mmsg futex_freebsd multicast_group sigpipe_timed)
  elseif(CMAKE_SYSTEM_NAME STREQUAL "NetBSD")
    list(APPEND BIDE_OS batch_mmsg futex_table multicast_bsd sigpipe_timed sleeper_netbsd)
    set(BIDE_SYSTEM_DEFINITIONS _NETBSD_SOURCE=1)
  elseif(CMAKE_SYSTEM_NAME STREQUAL "OpenBSD")
    list(APPEND BIDE_OS batch_mmsg futex_openbsd multicast_bsd sigpipe_sigwait)
  else()
    list(APPEND BIDE_OS batch_each futex_table multicast_group sigpipe_timed sleeper_posix)
  endif()
elseif(APPLE)
  list(APPEND BIDE_OS
       batch_each clock_darwin control_none credentials_bsd descriptor_fcntl environment_issetugid futex_table
       io_posix multicast_group pages_posix processors_posix sendfile_posix sigpipe_sigwait sleeper_darwin
       thread_darwin)
  list(APPEND BIDE_POLL kqueue wake_posix)
elseif(CMAKE_SYSTEM_NAME STREQUAL "SunOS")
  list(APPEND BIDE_OS
       batch_each clock_posix control_none credentials_illumos descriptor_flags environment_issetugid futex_table
       io_posix multicast_group pages_posix processors_posix sendfile_posix sigpipe_timed sleeper_posix
       thread_illumos)
  list(APPEND BIDE_POLL port wake_posix)
  set(BIDE_SYSTEM_DEFINITIONS __EXTENSIONS__=1 _POSIX_PTHREAD_SEMANTICS=1)
elseif(CMAKE_SYSTEM_NAME STREQUAL "Windows")
  list(APPEND BIDE_OS
       buffers_windows clock_windows environment_windows error_windows fault_windows file_windows fork_windows futex_windows io_windows
       message_windows options_windows pages_windows path_windows processors_windows sendfile_windows socket_unix_windows
       socket_windows standard_windows system_windows thread_windows handle_windows)
  set(BIDE_SYSTEM_REACTOR src/reactor/handle_windows.c)
  list(APPEND BIDE_POLL afd iocp iocp_timer)
  # Of WaitOnAddress(): zig has only the library below it.
  set(BIDE_SYNCHRONIZATION synchronization CACHE STRING "The library that has WaitOnAddress")
  mark_as_advanced(BIDE_SYNCHRONIZATION)
  set(BIDE_SYSTEM_LIBRARIES ws2_32 iphlpapi ${BIDE_SYNCHRONIZATION} ntdll)
else()
  message(FATAL_ERROR "Bide does not know ${CMAKE_SYSTEM_NAME}: see cmake/BideSystem.cmake.")
endif()

# What bide/os/kqueue.h declares.
if("kqueue" IN_LIST BIDE_POLL)
  list(APPEND BIDE_OS watch_kqueue)
  set(BIDE_SYSTEM_REACTOR src/reactor/watch_kqueue.c)
endif()

# poller.c lists the back ends that are there.
set(BIDE_BACKENDS)
foreach(backend IN ITEMS epoll kqueue port iocp poll)
  if(backend IN_LIST BIDE_POLL)
    list(APPEND BIDE_BACKENDS ${backend})
    string(TOUPPER "${backend}" name)
    list(APPEND BIDE_SYSTEM_DEFINITIONS "BIDE_WITH_${name}=1")
  endif()
endforeach()

list(TRANSFORM BIDE_OS REPLACE "(.+)" "src/os/\\1.c")
list(TRANSFORM BIDE_POLL REPLACE "(.+)" "src/poll/\\1.c")
