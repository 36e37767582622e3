/* The two halves of the demonstration.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_DEMO_H
#define EXAMPLES_DEMO_H

#include "common.h"

extern const struct example_program demo_program;

/* A listener on the loopback address and a free port, and where that is. 0 or an error. */
int demo_listen(bide_async **listener, bide_address *address, int backlog);

/* What some things cost in system calls, context switches and time: measures and prints. Call it while the
 * process has one thread. Returns whether all went well. */
bool demo_costs(void);

#endif
