/* Waiting in the calling thread: what every direct call stands on.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_REACTOR_AWAIT_H
#define BIDE_REACTOR_AWAIT_H

#include <bide/future.h>

/* As bide_await, but driving `reactor`, which the future's source belongs to. NULL: the current one. */
int bide_await_on(struct bide_reactor *reactor, bide_future *future, bide_instant deadline);

#endif
