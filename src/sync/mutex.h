/* What the condition asks of the mutex.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_SYNC_MUTEX_H
#define BIDE_SYNC_MUTEX_H

#include <bide/mutex.h>

/* Whether the calling task or thread holds it. */
bool bide_mutex_is_mine(const bide_mutex *mutex);

#endif
