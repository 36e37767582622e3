/* The private half of events: see event.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_FUTURE_EVENT_H
#define BIDE_FUTURE_EVENT_H

#include "future/thread.h"

#include <bide/event.h>

/* Finishes what signal handlers left behind while this thread held a wait lock. */
void bide_event_drain(struct bide_thread *thread);

#endif
