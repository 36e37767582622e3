/* The system's headers, in the order and with the choices that they want, and what its files here share.
 *
 * The API is that of Windows 10 (_WIN32_WINNT below): what came later is looked up at run time.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_SYSTEM_WINDOWS_H
#define BIDE_OS_SYSTEM_WINDOWS_H

#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0A00
#endif
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif

#include <winsock2.h>

#include <ws2tcpip.h>

#include <afunix.h>
#include <mswsock.h>
#include <windows.h>

#include <iphlpapi.h>

/* A keyword of interface definitions, and a word of ours. */
#undef interface

#include <bide/error.h>
#include <bide/time.h>

/* A function that older systems lack, of a library that every process has loaded; NULL: not there. */
typedef void (*bide_os_function)(void);
bide_os_function bide_os_find_function(const char *library, const char *name);

/* What is left until the deadline in milliseconds, rounded up; INFINITE for BIDE_NEVER. A wait that is too
 * long for the number is cut short: callers look at the clock again. */
DWORD bide_os_milliseconds_until(bide_instant deadline);

/* As bide_last_error(), for a call on what should be a socket: the system says of closed handles, too, that
 * they are no sockets. */
int bide_os_socket_error(bide_fd fd);

/* Whether the handle is open, of whatever kind. */
bool bide_os_is_handle(bide_fd fd);

#endif
