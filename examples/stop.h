/* A program that is asked to stop hears of it by an event: by SIGTERM and SIGINT (stop_posix.c), or by Ctrl+C, Ctrl+Break
 * and the closing of the console (stop_windows.c).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_STOP_H
#define EXAMPLES_STOP_H

#include <bide.h>

/* Has the event set, from now on, each time somebody asks. Once in a program. Returns 0 or an error. */
int stop_by(bide_event *stop);

#endif
