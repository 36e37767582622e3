/* Two parties at once: each pair of calls that may meet is made to meet.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_RACES_H
#define BIDE_TEST_RACES_H

#include "test_meeting.h"

/* What the two work on, and what the partner was told. */
static bide_async *ends[2];
static bide_ssize theirs;

#endif
