/* What the tests of countdowns share: events as text, a clock of whole milliseconds.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef TEST_COUNTDOWN_H
#define TEST_COUNTDOWN_H

#include "bide_test.h"

#include <bide/countdown.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static inline bide_instant at_ms(int64_t ms)
{
    return bide_instant_from_ns(ms * 1000000);
}

/* "started; began Work 2; running Work 1; ended Work 0; stopped": as a whole to be compared. */
static inline const char *events_text(const bide_countdown_events *events)
{
    static char text[4096];
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < events->count && used < sizeof text - 128; i++) {
        const bide_countdown_event *event = &events->list[i];
        bool bare =
            event->kind == BIDE_COUNTDOWN_EVENT_STARTED || event->kind == BIDE_COUNTDOWN_EVENT_STOPPED;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? "; " : "",
                                 bide_countdown_event_name(event->kind));
        if (!bare)
            used += (size_t)snprintf(text + used, sizeof text - used, " %.40s %" PRId64, event->cycle.name,
                                     event->cycle.seconds);
    }
    return text;
}

/* Work 2, Rest 3, without end. */
static inline bide_countdown_config work_and_rest(int64_t loops)
{
    static const bide_countdown_cycle cycles[] = {{"Work", 2}, {"Rest", 3}};
    bide_countdown_config config = {cycles, 2, loops};
    return config;
}

#endif
