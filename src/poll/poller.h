/* What the layers above ask of a poller beside bide/poller.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_POLL_POLLER_H
#define BIDE_POLL_POLLER_H

#include <bide/poller.h>

/* As bide_poller_wait(), by a thread that cannot be cancelled, as drivers are already: to turn that off and on again is a
 * part of what a wait costs. Arguments are not checked. */
int bide_poller_wait_uncancelled(bide_poller *poller, bide_poll_event *events, size_t capacity,
                                 bide_instant deadline);

#endif
