/* Handles of schedulers: how threads outside spawn on one that may be ending.
 *
 *   OPEN (generation g) --close: g + 1--> nobody enters any more --the last pin goes--> free, for another one
 *
 * Who enters pins first and then compares the generation; who closes raises the generation and then looks at the
 * pins. Both are seq_cst: one of the two sees the other. Doors are type-stable, so that an old handle finds one
 * whose generation is another.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/task.h"

#include <stdlib.h>

/* In the word of pins: the closing thread sleeps until the others are gone. The count of pins is above it. */
enum { AWAITED = 1u, PIN = 2u };

static bide_os_mutex lock; /* guards the list of free doors */
static struct bide_door *vacant;

struct bide_door *bide_door_open(struct bide_scheduler *scheduler)
{
    bide_os_mutex_lock(&lock);
    struct bide_door *door = vacant;
    if (door) vacant = door->next_free;
    bide_os_mutex_unlock(&lock);
    if (!door) {
        door = calloc(1, sizeof *door);
        if (!door) return NULL;
    }
    /* Handles of this generation are made after this, and handed on by who has them. */
    door->scheduler = scheduler;
    return door;
}

void bide_door_hold(struct bide_door *door)
{
    atomic_fetch_add(&door->pins, PIN);
}

void bide_door_release(struct bide_door *door)
{
    if (atomic_fetch_sub(&door->pins, PIN) == (PIN | AWAITED)) bide_os_futex_wake_all(&door->pins);
}

void bide_door_close(struct bide_door *door)
{
    atomic_fetch_add(&door->generation, 1);
    for (;;) {
        uint32_t seen = atomic_load(&door->pins);
        if (seen < PIN) break;
        if (seen & AWAITED)
            bide_os_futex_wait(&door->pins, seen, BIDE_NEVER);
        else
            (void)atomic_compare_exchange_strong(&door->pins, &seen, seen | AWAITED);
    }
    atomic_fetch_and(&door->pins, ~(uint32_t)AWAITED);
    bide_os_mutex_lock(&lock);
    door->next_free = vacant;
    vacant = door;
    bide_os_mutex_unlock(&lock);
}

struct bide_scheduler *bide_door_enter(bide_scheduler handle)
{
    struct bide_door *door = handle.door_;
    if (!door) return NULL;
    bide_door_hold(door);
    if (atomic_load(&door->generation) == handle.generation_) return door->scheduler;
    bide_door_release(door);
    return NULL;
}

void bide_door_leave(bide_scheduler handle)
{
    bide_door_release(handle.door_);
}

/* --- Forks --- */

void bide_door_fork_prepare(void)
{
    bide_os_mutex_lock(&lock);
}

void bide_door_fork_done(void)
{
    bide_os_mutex_unlock(&lock);
}
