/* See stop.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "stop.h"

#include <signal.h>

static bide_event *asked;

/* bide_event_set may be called in a signal handler; that is all it takes. */
static void on_signal(int number)
{
    (void)number;
    bide_event_set(asked);
}

int stop_by(bide_event *stop)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    asked = stop;
    if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0)
        return bide_last_error();
    return 0;
}
