/* The system's headers of sockets and addresses, what it takes before they can be used, and the length that
 * addresses of the BSDs and macOS begin with.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_SOCKETS_H
#define BIDE_OS_SOCKETS_H

#ifdef _WIN32

#include "os/system_windows.h"

/* Starts the system's sockets, once; further calls cost a load. 0 or an error. To be called before anything
 * that makes or takes a socket, or looks a name up. */
int bide_os_sockets_start(void);

/* A socket's family and type. BIDE_ENOTSOCK, BIDE_EBADF. */
int bide_os_socket_look(bide_fd fd, int *family, int *type);

#define BIDE_OS_ABSTRACT_NAMES false

/* Addresses have no length inside. */
static inline void bide_os_sockaddr_set_length(void *sockaddr, size_t length)
{
    (void)sockaddr, (void)length;
}

#else

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Whether Unix sockets may have names that are no paths (unix(7)). */
#if defined(__linux__)
#define BIDE_OS_ABSTRACT_NAMES true
#else
#define BIDE_OS_ABSTRACT_NAMES false
#endif

/* Notes the length inside of the address, where the system has a place for it. Kernels write it and, but for a
 * few options, do not read it; so that addresses compare as bytes, it is always the one given here. */
static inline void bide_os_sockaddr_set_length(void *sockaddr, size_t length)
{
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || \
    defined(__DragonFly__)
    unsigned char byte = (unsigned char)length;
    memcpy((char *)sockaddr + offsetof(struct sockaddr, sa_len), &byte, sizeof byte);
#else
    (void)sockaddr, (void)length;
#endif
}

static inline int bide_os_sockets_start(void)
{
    return 0;
}

#endif

#endif
