/* A switch between two fibers, with the modes of the thread and with their own.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "counted.h"

#include "os/compiler.h"
#include "task/context.h"

#include <stdalign.h>

#define SWITCHES UINT64_C(400000)

static struct bide_fiber thread;
static struct bide_fiber peer;
static alignas(64) char stack[65536];

/* From one place, as in the scheduler: what that is worth is told in switch_x86_64_sysv.S. */
static BIDE_OS_NOINLINE void switch_often(struct bide_fiber *from, struct bide_fiber *to, uint64_t count)
{
    for (; count > 0; count--)
        bide_fiber_switch(from, to);
}

/* Compilers must not make one of it for each caller. */
static void (*volatile often)(struct bide_fiber *from, struct bide_fiber *to, uint64_t count) = switch_often;

static void switch_back(void *arg)
{
    (void)arg;
    often(&peer, &thread, UINT64_MAX);
}

static void there_and_back(void *arg, uint64_t count)
{
    (void)arg;
    often(&thread, &peer, count / 2);
}

static void finish(void *arg)
{
    (void)arg;
    bide_fiber_exit(&peer, &thread);
}

static void make_run_and_end(void *arg, uint64_t count)
{
    (void)arg;
    for (uint64_t i = 0; i < count; i++) {
        bide_fiber_make(&peer, stack, sizeof stack, finish, NULL, false);
        bide_fiber_switch(&thread, &peer);
        bide_fiber_retire(&peer);
    }
}

int main(void)
{
    bide_fiber_adopt(&thread);
    bide_fiber_make(&peer, stack, sizeof stack, switch_back, NULL, false);
    bench_run_counted("switch", "switch", there_and_back, NULL, SWITCHES);
    bide_fiber_make(&peer, stack, sizeof stack, switch_back, NULL, true);
    bench_run_counted("switch-modes", "switch-of-modes", there_and_back, NULL, SWITCHES);
    bench_run_counted("fiber-life", "fiber-life", make_run_and_end, NULL, SWITCHES / 4);
    return 0;
}
