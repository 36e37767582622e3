/* See countdown.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "countdown.h"

#include <inttypes.h>
#include <stdio.h>

void example_countdown_init(bide_countdown *countdown)
{
    static const bide_countdown_cycle cycles[] = {{"Work", 2}, {"Rest", 3}};
    bide_countdown_config config = {.cycles = cycles, .cycle_count = 2, .loops = 0};
    (void)bide_countdown_init(countdown, &config);
}

void example_print_event(const bide_countdown_event *event)
{
    (void)printf("event: %s %s %" PRId64 "\n", bide_countdown_event_name(event->kind), event->cycle.name,
                 event->cycle.seconds);
    (void)fflush(stdout);
}

void example_print_status(const bide_countdown_status *status)
{
    (void)printf("the countdown is %s: %s, %" PRId64 " s left, %" PRId64 " s elapsed\n",
                 bide_countdown_state_name(status->state), status->cycle.name, status->cycle.seconds,
                 status->elapsed);
    (void)fflush(stdout);
}
