/* Assertions of the modules' invariants: checked where BIDE_DEBUG is defined (the presets dev, asan and
 * tsan), and nothing at all elsewhere. They are about the library's own state; what callers do wrong gives
 * error codes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_ASSERT_H
#define BIDE_OS_ASSERT_H

#ifdef BIDE_DEBUG
#include <assert.h>
#define BIDE_ASSERT(condition) assert(condition)
#else
#define BIDE_ASSERT(condition) ((void)0)
#endif

#endif
