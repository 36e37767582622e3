# Which files of src/os and src/poll this system gets. What all have in common has no suffix; the rest is one
# file a system or a family of systems, each with the whole of its seam:
#
#   _linux, _freebsd, _openbsd, _bsd (FreeBSD, NetBSD, OpenBSD, DragonFly), _darwin, _illumos, _windows
#   _posix   any system with POSIX threads and sockets, where nothing better is known
#   or the way itself, where systems of several families share it: descriptor_flags.c, sigpipe_sigwait.c
#
# Gives BIDE_OS, BIDE_POLL, BIDE_SYSTEM_LIBRARIES, which they need at the link, and BIDE_SYSTEM_DEFINITIONS: what
# makes the system's headers show more than C11.
#
# SPDX-License-Identifier: MIT OR Apache-2.0

# Linux has what POSIX has: this builds it from the files of systems that have no more, to run those too.
option(BIDE_PORTABLE "On Linux, use the system layer of any POSIX system (for tests of that layer)" OFF)

set(BIDE_OS clock error log lookup mutex text)
set(BIDE_POLL poller)
set(BIDE_SYSTEM_DEFINITIONS)

if(NOT CMAKE_SYSTEM_NAME STREQUAL "Windows")
  list(APPEND BIDE_OS error_posix fault_posix fork io message options sigpipe socket socket_unix standard thread)
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
elseif(CMAKE_SYSTEM_NAME STREQUAL "Windows")
  list(APPEND BIDE_OS
       buffers_windows clock_windows environment_windows error_windows fault_windows fork_windows futex_windows io_windows
       message_windows options_windows pages_windows processors_windows sendfile_windows socket_unix_windows
       socket_windows standard_windows system_windows thread_windows)
  list(APPEND BIDE_POLL afd iocp)
  set(BIDE_SYSTEM_LIBRARIES ws2_32 iphlpapi synchronization ntdll)
else()
  message(FATAL_ERROR "Bide runs on Linux only so far; this build is for ${CMAKE_SYSTEM_NAME}.")
endif()

list(TRANSFORM BIDE_OS REPLACE "(.+)" "src/os/\\1.c")
list(TRANSFORM BIDE_POLL REPLACE "(.+)" "src/poll/\\1.c")
