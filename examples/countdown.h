/* What countdown_tcp and countdown_unix share: a countdown of two seconds of work and three of rest, and how it is
 * shown.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_COUNTDOWN_H
#define EXAMPLES_COUNTDOWN_H

#include <bide/countdown.h>

/* Makes it. */
void example_countdown_init(bide_countdown *countdown);

/* Print a line each. */
void example_print_event(const bide_countdown_event *event);
void example_print_status(const bide_countdown_status *status);

#endif
