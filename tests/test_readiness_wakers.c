/* Readiness of handles: stored wakers, withdrawing them, freeing while others wait; and that nothing is
 * called afterwards.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_inventory.h"

TestSuite(readiness, .init = take_inventory, .timeout = 60);

/* --- the stored waker ----------------------------------------------------------------------------------- */

Test(readiness, a_stored_waker_is_called_once_and_forgotten)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct counter counter = {0};
    cr_assert_gives(bide_async_poll_readable(ends[0], counting(&counter)), BIDE_PENDING);
    put(bide_async_fd(ends[1]), "x", 1);
    AWAIT(counter.wakes == 1);
    put(bide_async_fd(ends[1]), "x", 1);
    cr_assert_ok(bide_wait_readable(ends[0], BIDE_NEVER));
    while (bide_reactor_run_once(bide_reactor_current(), BIDE_NOW) > 0)
        continue;
    cr_assert_eq(counter.wakes, 1);
    free_both(ends);
    cr_assert_eq(counter.wakes, 1);
    expect_nothing_left(before);
}

Test(readiness, the_newest_waker_wins_and_the_one_before_is_called)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    (void)fill(ends[0]);
    struct counter first = {0}, second = {0}, third = {0}, writer = {0};
    cr_assert_gives(bide_async_poll_readable(ends[0], counting(&first)), BIDE_PENDING);
    cr_assert_gives(bide_async_poll_writable(ends[0], counting(&writer)), BIDE_PENDING);
    /* The same one again is not replaced. */
    cr_assert_gives(bide_async_poll_readable(ends[0], counting(&first)), BIDE_PENDING);
    cr_assert_eq(first.wakes, 0);
    cr_assert_gives(bide_async_poll_readable(ends[0], counting(&second)), BIDE_PENDING);
    cr_assert_eq(first.wakes, 1);
    cr_assert_gives(bide_async_poll_readable(ends[0], counting(&third)), BIDE_PENDING);
    cr_assert_eq(second.wakes, 1);
    cr_assert_eq(waiters_of(ends[0], BIDE_READ), 1);
    cr_assert_eq(stats_now().background, 2);
    put(bide_async_fd(ends[1]), "x", 1);
    AWAIT(third.wakes == 1);
    cr_assert_eq(first.wakes, 1);
    cr_assert_eq(second.wakes, 1);
    cr_assert_eq(writer.wakes, 0, "each direction has its own");
    cr_assert_ok(bide_async_forget(ends[0], BIDE_WRITE));
    free_both(ends);
    expect_nothing_left(before);
}

Test(readiness, a_stored_waker_and_waiting_threads_do_not_disturb_each_other)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct counter counter = {0};
    struct call reader = {.function = call_wait_readable, .async = ends[0], .deadline = BIDE_NEVER};
    call_start(&reader);
    await_waiters(ends[0], BIDE_READ, 1);
    cr_assert_gives(bide_async_poll_readable(ends[0], counting(&counter)), BIDE_PENDING);
    cr_assert_eq(waiters_of(ends[0], BIDE_READ), 2);
    put(bide_async_fd(ends[1]), "x", 1);
    cr_assert_ok(call_join(&reader));
    AWAIT(counter.wakes == 1);
    free_both(ends);
    expect_nothing_left(before);
}

Test(readiness, a_forgotten_waker_is_not_called)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    (void)fill(ends[0]);
    struct counter reader = {0}, writer = {0};
    cr_assert_ok(bide_async_forget(ends[0], BIDE_READ));
    cr_assert_gives(bide_async_poll_readable(ends[0], counting(&reader)), BIDE_PENDING);
    cr_assert_gives(bide_async_poll_writable(ends[0], counting(&writer)), BIDE_PENDING);
    cr_assert_ok(bide_async_forget(ends[0], BIDE_READ));
    cr_assert_ok(bide_async_forget(ends[0], BIDE_READ));
    cr_assert_eq(stats_now().background, 1);
    put(bide_async_fd(ends[1]), "x", 1);
    (void)take_all(bide_async_fd(ends[1]));
    AWAIT(writer.wakes == 1);
    cr_assert_ok(bide_wait_readable(ends[0], BIDE_NEVER));
    cr_assert_eq(reader.wakes, 0);
    free_both(ends);
    cr_assert_eq(reader.wakes, 0);
    expect_nothing_left(before);
}

static bide_ssize call_forget(struct call *call)
{
    return bide_async_forget(call->async, BIDE_READ);
}

/* Leaves a waker that stops in the middle, makes it run, and returns when it is in there. */
static void enter_gate(bide_async *ends[2], struct gate *gate)
{
    cr_assert_gives(bide_async_poll_readable(ends[0], gated(gate)), BIDE_PENDING);
    put(bide_async_fd(ends[1]), "x", 1);
    AWAIT(atomic_load(&gate->entered));
}

/* The call must not return before the waker has. */
static void expect_to_wait_for_gate(struct call *call, struct gate *gate)
{
    call_start(call);
    for (int i = 0; i < 100; i++) {
        pause_briefly();
        cr_assert_not(atomic_load(&call->done), "it returned while the waker was running");
    }
    atomic_store(&gate->open, true);
    cr_assert_ok(call_join(call));
    cr_assert(atomic_load(&gate->left));
}

/* While the stored waker runs, the call waits; `drained`: and there is nothing to read any more. */
static void stored_waker_holds_up(bide_ssize (*function)(struct call *call), bool drained)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct gate gate = {false, false, false};
    struct counter counter = {0};
    enter_gate(ends, &gate);
    if (drained) drain_memory(ends[0]);
    struct call call = {.function = function, .async = ends[0], .buffer = &counter};
    expect_to_wait_for_gate(&call, &gate);
    if (function == call_free)
        cr_assert_gives(bide_async_free(ends[0]), BIDE_EFREED);
    else
        cr_assert_ok(bide_async_free(ends[0]));
    cr_assert_ok(bide_async_free(ends[1]));
    expect_nothing_left(before);
}

/* The same with the waker of a future. */
static void futures_waker_holds_up(bide_ssize (*function)(struct call *call), bool drained)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct gate gate = {false, false, false};
    bide_readable readable;
    bide_readable_init(&readable, ends[0]);
    cr_assert_gives(poll_with(&readable.future, gated(&gate)), BIDE_PENDING);
    put(bide_async_fd(ends[1]), "x", 1);
    AWAIT(atomic_load(&gate.entered));
    if (drained) drain_memory(ends[0]);
    struct call call = {.function = function, .buffer = &readable.future};
    expect_to_wait_for_gate(&call, &gate);
    cr_assert_gives(cancel_with(&readable.future, gated(&gate)), BIDE_READY);
    free_both(ends);
    expect_nothing_left(before);
}

Test(readiness, forget_returns_only_when_the_waker_is_not_running)
{
    stored_waker_holds_up(call_forget, false);
}

Test(readiness, free_returns_only_when_the_stored_waker_is_not_running)
{
    stored_waker_holds_up(call_free, false);
}

static bide_ssize call_poll_ready(struct call *call)
{
    int answer = bide_async_poll_readable(call->async, counting(call->buffer));
    return answer == BIDE_READY ? 0 : -1000 - answer;
}

Test(readiness, a_poll_that_finds_it_ready_returns_only_when_the_stored_waker_is_not_running)
{
    stored_waker_holds_up(call_poll_ready, false);
}

static bide_ssize call_store_again(struct call *call)
{
    int answer = bide_async_poll_readable(call->async, counting(call->buffer));
    return answer == BIDE_PENDING ? bide_async_forget(call->async, BIDE_READ) : -1000 - answer;
}

Test(readiness, storing_another_waker_returns_only_when_the_last_one_is_not_running)
{
    stored_waker_holds_up(call_store_again, true);
}

/* Polls with another waker than the one that is running. */
static bide_ssize call_poll_again(struct call *call)
{
    static struct counter counter;
    return poll_with(call->buffer, counting(&counter)) == BIDE_PENDING ? 0 : -1000;
}

Test(readiness, a_poll_with_another_waker_returns_only_when_the_last_one_is_not_running)
{
    futures_waker_holds_up(call_poll_again, true);
}

static bide_ssize call_cancel(struct call *call)
{
    struct counter counter = {0};
    return cancel_with(call->buffer, counting(&counter)) == BIDE_READY ? 0 : -1000;
}

Test(readiness, a_cancel_returns_only_when_the_futures_waker_is_not_running)
{
    futures_waker_holds_up(call_cancel, false);
}

/* --- closing while others wait -------------------------------------------------------------------------- */

Test(readiness, freeing_wakes_all_who_wait_with_ecanceled)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++)
        for (int give_back = 0; give_back < 2; give_back++) {
            bide_async *ends[2];
            open_channel(kind, ends);
            char buffer[4][8];
            struct call calls[4];
            for (int i = 0; i < 4; i++) {
                calls[i] = (struct call){.function = i % 2 ? call_read : call_wait_readable,
                                         .async = ends[0],
                                         .buffer = buffer[i],
                                         .length = 8,
                                         .deadline = i < 2 ? BIDE_NEVER : bide_after(LONG)};
                call_start(&calls[i]);
            }
            struct counter wakes[2] = {{0}, {0}};
            bide_readable readable;
            bide_readable_init(&readable, ends[0]);
            cr_assert_gives(poll_with(&readable.future, counting(&wakes[0])), BIDE_PENDING);
            cr_assert_gives(bide_async_poll_readable(ends[0], counting(&wakes[1])), BIDE_PENDING);
            await_waiters(ends[0], BIDE_READ, 6);
            bide_fd fd = BIDE_INVALID_FD;
            if (give_back)
                cr_assert_ok(bide_async_into_fd(ends[0], 0, &fd));
            else
                cr_assert_ok(bide_async_free(ends[0]));
            for (int i = 0; i < 4; i++)
                cr_assert_gives(call_join(&calls[i]), BIDE_ECANCELED);
            /* Wakers were called before it returned. */
            cr_assert_eq(wakes[0].wakes, 1);
            cr_assert_eq(wakes[1].wakes, 1);
            cr_assert_gives(poll_with(&readable.future, counting(&wakes[0])), BIDE_READY);
            cr_assert_gives(readable.result, BIDE_ECANCELED);
            cr_assert_gives(bide_async_poll_readable(ends[0], counting(&wakes[1])), BIDE_EFREED);
            if (give_back) (void)close(fd);
            cr_assert_ok(bide_async_free(ends[1]));
        }
    expect_nothing_left(before);
}

static bide_ssize stay_inside(void *arg, bide_fd fd)
{
    struct gate *gate = arg;
    gate_wake(gate);
    return fcntl(fd, F_GETFD) >= 0 ? 7 : bide_last_error();
}

static bide_ssize call_read_with(struct call *call)
{
    return bide_read_with(call->async, stay_inside, call->buffer, call->deadline);
}

Test(readiness, free_waits_for_a_system_call_that_is_running_on_the_descriptor)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct gate gate = {false, false, false};
    struct call operation = {.function = call_read_with,
                             .async = ends[0],
                             .buffer = &gate,
                             .deadline = BIDE_NEVER};
    call_start(&operation);
    AWAIT(atomic_load(&gate.entered));
    struct call call = {.function = call_free, .async = ends[0]};
    expect_to_wait_for_gate(&call, &gate);
    /* The descriptor was open to the end, and the operation keeps its result. */
    cr_assert_gives(call_join(&operation), 7);
    cr_assert_ok(bide_async_free(ends[1]));
    expect_nothing_left(before);
}

Test(readiness, a_handle_is_closed_to_new_calls_while_its_free_waits)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct gate gate = {false, false, false};
    struct call operation = {.function = call_read_with,
                             .async = ends[0],
                             .buffer = &gate,
                             .deadline = BIDE_NEVER};
    call_start(&operation);
    AWAIT(atomic_load(&gate.entered));
    struct call call = {.function = call_free, .async = ends[0]};
    call_start(&call);
    AWAIT(bide_source_generation(ends[0]) & 1);
    char byte;
    cr_assert_gives(bide_read(ends[0], &byte, 1, BIDE_NEVER), BIDE_EFREED);
    cr_assert_gives(bide_async_free(ends[0]), BIDE_EFREED);
    atomic_store(&gate.open, true);
    cr_assert_ok(call_join(&call));
    cr_assert_gives(call_join(&operation), 7);
    cr_assert_ok(bide_async_free(ends[1]));
    expect_nothing_left(before);
}
