/* Fibers: what a switch keeps, where unwinding ends, and that sanitizers follow.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "bide_test.h"

#include "task/context.h"

#include <execinfo.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

TestSuite(fiber, .timeout = 60);

#define STACK ((size_t)64 * 1024)

/* A fiber with what it is to do. */
struct actor {
    struct bide_fiber fiber;
    struct bide_fiber *home; /* who is switched to at last */
    void (*play)(struct actor *);
    void *stack;
    uint64_t number;
};

static void enter(void *arg)
{
    struct actor *actor = arg;
    actor->play(actor);
    bide_fiber_exit(&actor->fiber, actor->home);
}

static void make_with(struct actor *actor, struct bide_fiber *home, void (*play)(struct actor *), size_t size,
                      bool own_modes)
{
    actor->home = home;
    actor->play = play;
    actor->stack = malloc(size);
    cr_assert_not_null(actor->stack);
    bide_fiber_make(&actor->fiber, actor->stack, size, enter, actor, own_modes);
}

static void make(struct actor *actor, struct bide_fiber *home, void (*play)(struct actor *))
{
    make_with(actor, home, play, STACK, false);
}

static void drop(struct actor *actor)
{
    bide_fiber_retire(&actor->fiber);
    free(actor->stack);
}

static void go_home(struct actor *self)
{
    bide_fiber_switch(&self->fiber, self->home);
}

/* --- order ---------------------------------------------------------------------------------------------- */

static char trace[32];
static size_t traced;

static void note(char what)
{
    trace[traced++] = what;
    trace[traced] = '\0';
}

static void note_twice(struct actor *self)
{
    note('a');
    go_home(self);
    note('b');
}

Test(fiber, begins_at_its_entry_goes_on_where_it_was_left_and_ends_in_another)
{
    struct bide_fiber thread;
    struct actor actor;
    bide_fiber_adopt(&thread);
    make(&actor, &thread, note_twice);
    note('1');
    bide_fiber_switch(&thread, &actor.fiber);
    note('2');
    bide_fiber_switch(&thread, &actor.fiber);
    note('3');
    drop(&actor);
    cr_assert_str_eq(trace, "1a2b3", "%s", trace);
}

#define RING 5

static struct actor ring[RING];

/* Each goes on to the next; the last one to the first, and to the thread in the end. */
static void pass_on(struct actor *self)
{
    struct actor *next = &ring[(self->number + 1) % RING];
    for (int round = 0; round < 3; round++) {
        note((char)('a' + (int)self->number));
        if (round < 2) bide_fiber_switch(&self->fiber, &next->fiber);
    }
    if (self->number + 1 < RING) self->home = &next->fiber;
}

Test(fiber, fibers_switch_to_each_other)
{
    struct bide_fiber thread;
    bide_fiber_adopt(&thread);
    for (uint64_t i = 0; i < RING; i++) {
        ring[i].number = i;
        make(&ring[i], &thread, pass_on);
    }
    bide_fiber_switch(&thread, &ring[0].fiber);
    cr_assert_str_eq(trace, "abcdeabcdeabcde", "%s", trace);
    for (int i = 0; i < RING; i++)
        drop(&ring[i]);
}

Test(fiber, one_that_never_began_is_retired_like_others)
{
    struct bide_fiber thread;
    struct actor actor;
    bide_fiber_adopt(&thread);
    make(&actor, &thread, note_twice);
    drop(&actor);
    cr_assert_eq(traced, 0);
}

static void count_up(struct actor *self)
{
    for (;;) {
        self->number++;
        if (self->number == 500000) return;
        go_home(self);
    }
}

Test(fiber, a_million_switches)
{
    struct bide_fiber thread;
    struct actor actor = {.number = 0};
    bide_fiber_adopt(&thread);
    make(&actor, &thread, count_up);
    for (uint64_t i = 1; i <= 500000; i++) {
        bide_fiber_switch(&thread, &actor.fiber);
        cr_assert_eq(actor.number, i, "%llu after %llu", (unsigned long long)actor.number,
                     (unsigned long long)i);
    }
    drop(&actor);
}

/* --- what a switch keeps -------------------------------------------------------------------------------- */

uint64_t bide_test_registers(void (*call)(void *), void *arg, uint64_t seed);

/* Machines that test_fiber_registers.S does not know have the C library's switch. */
__attribute__((weak)) uint64_t bide_test_registers(void (*call)(void *), void *arg, uint64_t seed)
{
    (void)seed;
    call(arg);
    return 0;
}

static void switch_home(void *arg)
{
    go_home(arg);
}

static void keep_registers(struct actor *self)
{
    uint64_t seed = self->number;
    for (int i = 0; i < 10; i++) {
        uint64_t differs = bide_test_registers(switch_home, self, seed + 100 * (uint64_t)i);
        if (differs) self->number = differs;
    }
}

struct pair {
    struct bide_fiber thread;
    struct actor *actors;
};

static void run_both(void *arg)
{
    struct pair *pair = arg;
    bide_fiber_switch(&pair->thread, &pair->actors[0].fiber);
    bide_fiber_switch(&pair->thread, &pair->actors[1].fiber);
}

static void check_registers(bool own_modes)
{
    struct actor actors[2] = {{.number = 0x1111111111111111u}, {.number = 0x7222222222222222u}};
    struct pair pair = {.actors = actors};
    bide_fiber_adopt(&pair.thread);
    for (int i = 0; i < 2; i++)
        make_with(&actors[i], &pair.thread, keep_registers, STACK, own_modes);
    for (int i = 0; i < 11; i++) {
        uint64_t differs = bide_test_registers(run_both, &pair, 0x5333333333333333u);
        cr_assert_eq(differs, 0, "the thread's: %#llx", (unsigned long long)differs);
    }
    cr_assert_eq(actors[0].number, 0x1111111111111111u, "%#llx", (unsigned long long)actors[0].number);
    cr_assert_eq(actors[1].number, 0x7222222222222222u, "%#llx", (unsigned long long)actors[1].number);
    drop(&actors[0]);
    drop(&actors[1]);
}

Test(fiber, callee_saved_registers_survive)
{
    check_registers(false);
}

Test(fiber, callee_saved_registers_survive_a_switch_of_modes)
{
    check_registers(true);
}

/* What the machine does, and what the C library says. */
static int rounding(void)
{
    volatile double one = 1.0;
    volatile double three = 3.0;
    volatile double up = one / three;
    volatile double down = -one / three;
    const double nearest = 0.33333333333333331;
    int mode = fegetround();
    int seen = up > nearest ? FE_UPWARD : -down > nearest ? FE_DOWNWARD : FE_TONEAREST;
    return seen == mode ? mode : -1;
}

static void round_upward(struct actor *self)
{
    self->number = (uint64_t)(rounding() == FE_TONEAREST);
    (void)fesetround(FE_UPWARD);
    go_home(self);
    self->number += 10 * (uint64_t)(rounding() == FE_UPWARD);
}

static void round_downward(struct actor *self)
{
    self->number = (uint64_t)(rounding() == FE_TONEAREST);
    (void)fesetround(FE_DOWNWARD);
    go_home(self);
    self->number += 10 * (uint64_t)(rounding() == FE_DOWNWARD);
}

Test(fiber, floating_point_modes_of_its_own_survive_and_stay_its_own)
{
    struct bide_fiber thread;
    struct actor up;
    struct actor down;
    bide_fiber_adopt(&thread);
    make_with(&up, &thread, round_upward, STACK, true);
    make_with(&down, &thread, round_downward, STACK, true);
    for (int i = 0; i < 2; i++) {
        bide_fiber_switch(&thread, &up.fiber);
        cr_assert_eq(rounding(), FE_TONEAREST, "%d", rounding());
        bide_fiber_switch(&thread, &down.fiber);
        cr_assert_eq(rounding(), FE_TONEAREST, "%d", rounding());
    }
    cr_assert_eq(up.number, 11, "%d", (int)up.number);
    cr_assert_eq(down.number, 11, "%d", (int)down.number);
    drop(&up);
    drop(&down);
}

static void tell_rounding(struct actor *self)
{
    self->number = (uint64_t)(rounding() == FE_UPWARD);
}

Test(fiber, begins_with_its_makers_modes)
{
    struct bide_fiber thread;
    struct actor actor;
    bide_fiber_adopt(&thread);
    (void)fesetround(FE_UPWARD);
    make_with(&actor, &thread, tell_rounding, STACK, true);
    (void)fesetround(FE_TONEAREST);
    bide_fiber_switch(&thread, &actor.fiber);
    cr_assert_eq(actor.number, 1);
    cr_assert_eq(rounding(), FE_TONEAREST, "%d", rounding());
    drop(&actor);
}

/* --- the stack ------------------------------------------------------------------------------------------ */

static uint64_t sum_down(uint64_t n)
{
    volatile uint64_t here[8] = {n};
    return n == 0 ? 0 : here[0] + sum_down(n - 1);
}

static void recurse(struct actor *self)
{
    self->number = sum_down(self->number);
}

Test(fiber, recursion_goes_as_deep_as_the_stack)
{
    struct bide_fiber thread;
    struct actor actor = {.number = 10000};
    bide_fiber_adopt(&thread);
    make_with(&actor, &thread, recurse, (size_t)8 << 20, false);
    bide_fiber_switch(&thread, &actor.fiber);
    cr_assert_eq(actor.number, 50005000, "%llu", (unsigned long long)actor.number);
    drop(&actor);
}

static void look_at_alignment(struct actor *self)
{
    /* What the compiler takes for granted. */
    _Alignas(16) volatile char local[16] = {0};
    self->number = (uintptr_t)local % 16;
    (void)local[0];
}

Test(fiber, the_stack_is_aligned_whatever_its_ends_are)
{
    struct bide_fiber thread;
    bide_fiber_adopt(&thread);
    char *memory = malloc(STACK);
    cr_assert_not_null(memory);
    for (size_t odd = 0; odd < 33; odd++) {
        struct actor actor = {.home = &thread, .play = look_at_alignment, .number = 1};
        bide_fiber_make(&actor.fiber, memory + odd, STACK - 2 * odd, enter, &actor, odd & 1);
        bide_fiber_switch(&thread, &actor.fiber);
        cr_assert_eq(actor.number, 0, "%d with %zu", (int)actor.number, odd);
        bide_fiber_retire(&actor.fiber);
    }
    free(memory);
}

static void leave(struct actor *self)
{
    bide_fiber_exit(&self->fiber, self->home);
}

/* Not to be known as a function that never returns: the frames shall be there. */
static void (*volatile leave_at_last)(struct actor *) = leave;

static __attribute__((noinline)) void fill_and_leave(struct actor *self, int depth)
{
    volatile char buffer[200];
    for (size_t i = 0; i < sizeof buffer; i++)
        buffer[i] = (char)i;
    if (depth > 0)
        fill_and_leave(self, depth - 1);
    else
        leave_at_last(self);
    (void)buffer[0];
}

static void leave_from_within(struct actor *self)
{
    fill_and_leave(self, (int)self->number);
}

/* AddressSanitizer would find the marks of frames that nobody returned from. */
Test(fiber, a_stack_serves_another_fiber_after_one_left_it_from_within)
{
    struct bide_fiber thread;
    bide_fiber_adopt(&thread);
    char *memory = malloc(STACK);
    cr_assert_not_null(memory);
    for (unsigned i = 0; i < 50; i++) {
        struct actor actor = {.home = &thread, .play = leave_from_within, .number = i % 13};
        bide_fiber_make(&actor.fiber, memory, STACK, enter, &actor, false);
        bide_fiber_switch(&thread, &actor.fiber);
        bide_fiber_retire(&actor.fiber);
    }
    free(memory);
}

/* --- unwinding ------------------------------------------------------------------------------------------ */

static void *frames[64];
static int frame_count;

static __attribute__((noinline)) void look_back(void)
{
    frame_count = backtrace(frames, 64);
}

static void unwind(struct actor *self)
{
    look_back();
    go_home(self);
    look_back();
}

/* The last frame is the one that called bide_fiber_begin, and nothing of the thread's stack follows. */
static void check_frames(void)
{
    cr_assert_geq(frame_count, 4, "%d", frame_count);
    cr_assert_leq(frame_count, 8, "%d", frame_count);
#ifndef BIDE_MACHINE_UCONTEXT
    uintptr_t last = (uintptr_t)frames[frame_count - 1];
    uintptr_t start = (uintptr_t)bide_fiber_start;
    cr_assert(last > start && last <= start + 64, "%#lx, start %#lx", (unsigned long)last,
              (unsigned long)start);
#endif
}

Test(fiber, a_backtrace_ends_at_the_entry)
{
    struct bide_fiber thread;
    struct actor actor;
    bide_fiber_adopt(&thread);
    make(&actor, &thread, unwind);
    bide_fiber_switch(&thread, &actor.fiber);
    check_frames();
    frame_count = 0;
    bide_fiber_switch(&thread, &actor.fiber);
    check_frames();
    drop(&actor);
}

/* --- threads -------------------------------------------------------------------------------------------- */

static struct bide_fiber *worker; /* who runs the wanderer now; handed over by pthread_join */

static void wander(struct actor *self)
{
    for (int i = 0; i < 100; i++) {
        self->number++;
        bide_fiber_switch(&self->fiber, worker);
    }
    self->home = worker;
}

static void *run_once(void *arg)
{
    struct actor *actor = arg;
    struct bide_fiber thread;
    bide_fiber_adopt(&thread);
    worker = &thread;
    bide_fiber_switch(&thread, &actor->fiber);
    bide_fiber_retire(&thread);
    return NULL;
}

Test(fiber, goes_on_on_another_thread)
{
    struct bide_fiber thread;
    struct actor actor = {.number = 0};
    bide_fiber_adopt(&thread);
    make(&actor, &thread, wander);
    for (int i = 0; i < 101; i++) {
        pthread_t other;
        if (i % 3 == 0) {
            (void)run_once(&actor);
            continue;
        }
        cr_assert_eq(pthread_create(&other, NULL, run_once, &actor), 0);
        cr_assert_eq(pthread_join(other, NULL), 0);
    }
    cr_assert_eq(actor.number, 100, "%d", (int)actor.number);
    drop(&actor);
}

static long unguarded;

static void add_to_it(struct actor *self)
{
    for (int i = 0; i < 100; i++) {
        unguarded++;
        go_home(self);
    }
}

/* ThreadSanitizer would call it a race if it took fibers for threads. */
Test(fiber, fibers_of_one_thread_do_not_race)
{
    struct bide_fiber thread;
    struct actor actors[2];
    bide_fiber_adopt(&thread);
    for (int i = 0; i < 2; i++)
        make(&actors[i], &thread, add_to_it);
    for (int i = 0; i < 101; i++) {
        for (int k = 0; k < 2; k++)
            bide_fiber_switch(&thread, &actors[k].fiber);
        unguarded++;
    }
    cr_assert_eq(unguarded, 301, "%ld", unguarded);
    for (int i = 0; i < 2; i++)
        drop(&actors[i]);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals = signals + 1;
}

/* Not by raise(3), of which ThreadSanitizer knows that the signal comes at once. */
static void signal_itself(struct actor *self)
{
    for (;;) {
        cr_assert_eq(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1), 0);
        go_home(self);
    }
}

Test(fiber, a_signal_is_handled_before_the_fiber_that_it_came_to_is_left)
{
    struct bide_fiber thread;
    struct actor actor;
    sigset_t before, after;
    cr_assert_neq(signal(SIGUSR1, count_signal), SIG_ERR);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
    bide_fiber_adopt(&thread);
    make(&actor, &thread, signal_itself);
    for (int i = 1; i <= 3; i++) {
        bide_fiber_switch(&thread, &actor.fiber);
        cr_assert_eq(signals, i, "%d", (int)signals);
    }
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int i = 1; i < NSIG; i++)
        cr_assert_eq(sigismember(&before, i), sigismember(&after, i));
    drop(&actor);
}
