/* Connecting, for the families of stream sockets: see connect.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_NET_CONNECT_H
#define BIDE_NET_CONNECT_H

#include <bide/stream.h>

/* Prepares the future. `valid`: whether the address is one that the family's call takes; if not, the future
 * becomes ready with BIDE_EINVAL. */
void bide_connecting_prepare(bide_connecting *connecting, const bide_address *address, bool valid);

/* The direct call. */
int bide_connecting_await(bide_connecting *connecting, bide_async **out, bide_instant deadline);

#endif
