/* What the layers below the reactor add to bide_dump: see dump.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_REACTOR_DUMP_H
#define BIDE_REACTOR_DUMP_H

#include "os/text.h"

#include <stdatomic.h>

struct bide_dump_hook {
    void (*dump)(
        struct bide_os_text *text); /* takes locks by bide_os_mutex_try_long, and none while it puts */
    struct bide_dump_hook *next;
    _Atomic unsigned listed;
};

/* Has it called by each bide_dump from now on. Static storage; nothing happens if it is listed already. */
void bide_reactor_at_dump(struct bide_dump_hook *hook);

#endif
