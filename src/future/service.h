/* The one thing the future layer asks of the reactor below it: that somebody serves what waits in the
 * background. src/reactor/background.c provides it.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_FUTURE_SERVICE_H
#define BIDE_FUTURE_SERVICE_H

/* From now on something waits that no thread in block_on stands for: the global reactor must be served by
 * the "async-io" thread when nobody else drives it. Returns 0, or why that cannot be (BIDE_ENOTHREAD,
 * BIDE_ENOTSUP, BIDE_ENOMEM). */
int bide_service_arm(void);

/* It is over. May be called inside a waker and with a wait lock held. */
void bide_service_disarm(void);

#endif
