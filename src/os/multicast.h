/* The requests of multicast, which options.c has checked: interfaces are told by their index.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_MULTICAST_H
#define BIDE_OS_MULTICAST_H

#include <bide/address.h>

/* 0 or an error. An interface of 0: the system chooses. */
int bide_os_set_ipv4_interface(bide_fd fd, int interface);
int bide_os_request_membership(bide_fd fd, const bide_address *group, uint32_t interface, bool member);

#endif
