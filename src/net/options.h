/* Options on handles and on sockets that are being made: see options.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_NET_OPTIONS_H
#define BIDE_NET_OPTIONS_H

#include "os/options.h"

#include <bide/socket.h>

/* One option of a handle. BIDE_EINVAL if a pointer is NULL. */
int bide_option_set(bide_async *async, enum bide_os_option option, int value);
int bide_option_get(const bide_async *async, enum bide_os_option option, int *value);
int bide_option_get_bool(const bide_async *async, enum bide_os_option option, bool *value);

/* Sets what must be set before the socket is bound to an address of that family. `listens`: whether it is a
 * listener's. NULL: the defaults. */
int bide_options_apply(bide_fd fd, bide_family family, const bide_socket_options *options, bool listens);

#endif
