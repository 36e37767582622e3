/* The one thing the future layer asks of the reactor below it: that somebody serves what waits in the
 * background. src/reactor/background.c provides it.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_FUTURE_SERVICE_H
#define BIDE_FUTURE_SERVICE_H

struct bide_reactor;

/* The calling thread's current reactor. */
struct bide_reactor *bide_service_current(void);

/* From now on something waits that no thread in block_on stands for: the reactor must be served when nobody
 * drives it; the global one is, by the "async-io" thread. Returns 0, or why that cannot be: BIDE_ENOTHREAD,
 * BIDE_ENOTSUP, BIDE_ENOMEM, an error of bide_poller_new, BIDE_ECANCELED (closed for good). */
int bide_service_arm(struct bide_reactor *reactor);

/* It is over. May be called inside a waker and with a wait lock held. */
void bide_service_disarm(struct bide_reactor *reactor);

#endif
