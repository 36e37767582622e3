/* Trying again after a while: for what the kernel refuses with EAGAIN and of which no event tells when it
 * would succeed (a connect to a Unix listener without room, a datagram to a Unix socket that is full).
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_NET_RETRY_H
#define BIDE_NET_RETRY_H

#include <bide/timer.h>

/* Sets the timer to the next try: after 1 ms, then after twice as long each time, up to 50 ms. `delay` is the
 * latest one, at first 0. */
void bide_retry_later(bide_timer *timer, bide_duration *delay);

/* Waits until the next try is due. BIDE_READY: it is, which is always so for a last try, and the timer is not
 * armed; BIDE_PENDING; or why the timer could not be armed. */
int bide_retry_wait(bide_timer *timer, bide_context *cx);

#endif
