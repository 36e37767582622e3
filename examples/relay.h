/* Bytes between two connections, both ways, for the examples proxy and socks5.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_RELAY_H
#define EXAMPLES_RELAY_H

#include <bide.h>

/* Moves bytes from each to the other until both have ended: an end is handed on alone (half-close), and the other
 * direction goes on. In a task. Returns 0; BIDE_ETIMEDOUT when nothing has moved for so long, either way; or the first
 * error of either direction, which ends the other one. The connections stay the caller's, to be freed. */
int relay(bide_async *one, bide_async *other, bide_duration idle);

#endif
