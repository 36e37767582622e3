/* See relay.h: a task for each direction, both in a group, so that an error of one cancels the other.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "relay.h"

#include <stdatomic.h>

/* On the stack of each direction: what TCP moves at once on a fast network, and a quarter of the stack. */
#define BUFFER ((size_t)32 * 1024)

struct relay {
    bide_duration idle;
    _Atomic int64_t moved; /* when something moved last, in nanoseconds */
};

struct direction {
    struct relay *relay;
    bide_async *from, *to;
};

static void note(struct relay *relay)
{
    atomic_store(&relay->moved, bide_now().ns);
}

/* When it is to be given up if nothing moves. */
static bide_instant limit(struct relay *relay)
{
    return bide_instant_add(bide_instant_from_ns(atomic_load(&relay->moved)), relay->idle);
}

static int move(void *arg)
{
    const struct direction *direction = arg;
    struct relay *relay = direction->relay;
    char buffer[BUFFER];
    for (;;) {
        bide_ssize count = bide_read(direction->from, buffer, sizeof buffer, limit(relay));
        /* The other direction may have moved something meanwhile. */
        if (count == BIDE_ETIMEDOUT && bide_before(bide_now(), limit(relay))) continue;
        if (count < 0) return (int)count;
        if (count == 0) return bide_async_shutdown(direction->to, BIDE_WRITE);
        note(relay);
        int error = bide_write_all(direction->to, buffer, (size_t)count, bide_after(relay->idle), NULL);
        if (error) return error;
        note(relay);
    }
}

int relay(bide_async *one, bide_async *other, bide_duration idle)
{
    static const bide_task_options options = {.name = "relay"};
    struct relay relay = {.idle = idle};
    struct direction there = {&relay, one, other}, back = {&relay, other, one};
    bide_group both;
    int error = bide_group_open(&both);
    if (error) return error;
    note(&relay);
    error = bide_group_spawn(&both, NULL, move, &there, &options, BIDE_NEVER);
    if (!error) error = bide_group_spawn(&both, NULL, move, &back, &options, BIDE_NEVER);
    if (!error) error = bide_group_wait(&both, BIDE_NEVER);
    int first = bide_group_close(&both);
    return error ? error : first;
}
