/* Between the counters and the wraps.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_CALLS_H
#define BIDE_TEST_CALLS_H

#include "support/syscalls.h"

#include <stdbool.h>

/* Counts a call; returns the error number it must fail with, or 0. */
int bide_call_enter(enum bide_call kind);

/* Of the wraps: an error that the call documents, for tests that let any call fail. */
int bide_call_likely_error(enum bide_call kind);

/* As bide_call_enter, for calls that report by -1 and errno. */
bool bide_call_fails(enum bide_call kind);

#endif
