/* Messages for the program that asked for them: see bide/log.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_LOG_H
#define BIDE_OS_LOG_H

#include <bide/log.h>

/* Tells the log function, if there is one, "<what>" or "<what>: <which>" (`which` may be NULL). Long ones are
 * cut off. With no lock held, and not in a signal handler. Allocates nothing. */
void bide_log(int error, const char *what, const char *which);

#endif
