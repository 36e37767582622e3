/* Readiness of handles: waiting for it with threads, futures and stored wakers; what is remembered and what
 * is confirmed with the kernel; withdrawing, and that nothing is called afterwards.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_async.h"

#include <sys/eventfd.h>

static struct inventory before;

static void take_inventory(void)
{
    before = inventory_now();
}

TestSuite(readiness, .init = take_inventory, .timeout = 60);

static uint64_t turns(void)
{
    return stats_now().turns;
}

/* --- waiting -------------------------------------------------------------------------------------------- */

Test(readiness, a_thread_waits_until_it_can_read)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        cr_assert_gives(bide_wait_readable(ends[0], bide_after(SHORT)), BIDE_ETIMEDOUT);
        struct call waiter = {.function = call_wait_readable, .async = ends[0], .deadline = bide_after(LONG)};
        call_start(&waiter);
        await_waiters(ends[0], BIDE_READ, 1);
        put(bide_async_fd(ends[1]), "x", 1);
        cr_assert_ok(call_join(&waiter));
        /* It only looked. */
        cr_assert_eq(take_all(bide_async_fd(ends[0])), 1);
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(readiness, a_thread_waits_until_it_can_write)
{
    for (enum channel kind = UNIX; kind < CHANNELS; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        cr_assert_ok(bide_wait_writable(ends[1], bide_after(LONG)));
        (void)fill(ends[1]);
        cr_assert_gives(bide_wait_writable(ends[1], bide_after(SHORT)), BIDE_ETIMEDOUT);
        struct call waiter = {.function = call_wait_writable, .async = ends[1], .deadline = bide_after(LONG)};
        call_start(&waiter);
        await_waiters(ends[1], BIDE_WRITE, 1);
        (void)take_all(bide_async_fd(ends[0]));
        cr_assert_ok(call_join(&waiter));
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(readiness, what_is_there_already_is_seen_without_a_turn_of_the_poller)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        bide_async *ends[2];
        int fds[2];
        make_channel(kind, fds);
        put(fds[1], "xyz", 3);
        uint64_t before_it = turns();
        for (int i = 0; i < 2; i++)
            cr_assert_ok(bide_async_new(&ends[i], fds[i]));
        char byte;
        cr_assert_ok(bide_wait_readable(ends[0], BIDE_NEVER));
        cr_assert_gives(bide_read(ends[0], &byte, 1, BIDE_NEVER), 1);
        cr_assert_ok(bide_wait_readable(ends[0], BIDE_NEVER));
        cr_assert_ok(bide_wait_writable(ends[1], BIDE_NEVER));
        struct counter counter = {0};
        cr_assert_gives(bide_async_poll_readable(ends[0], counting(&counter)), BIDE_READY);
        cr_assert_gives(bide_async_poll_writable(ends[1], counting(&counter)), BIDE_READY);
        cr_assert_eq(turns(), before_it, "%s: %llu turns", channel_names[kind],
                     (unsigned long long)(turns() - before_it));
        cr_assert_eq(counter.wakes, 0);
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(readiness, an_event_that_came_while_nobody_waited_is_remembered)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    drain_memory(ends[0]);
    put(bide_async_fd(ends[1]), "x", 1);
    /* On a back end without edges the registration is armed by those who wait: nothing can be remembered. */
    if (strcmp(bide_reactor_backend(bide_reactor_current()), "epoll") == 0) {
        while (bide_reactor_run_once(bide_reactor_current(), BIDE_NOW) > 0)
            continue;
        cr_assert(bide_source_readiness(ends[0], BIDE_READ) & BIDE_SOURCE_READY);
        uint64_t before_it = turns();
        cr_assert_ok(bide_wait_readable(ends[0], BIDE_NEVER));
        cr_assert_eq(turns(), before_it);
    } else {
        cr_assert_ok(bide_wait_readable(ends[0], BIDE_NEVER));
    }
    free_both(ends);
    expect_nothing_left(before);
}

Test(readiness, what_is_remembered_is_confirmed_with_the_kernel)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    for (int i = 0; i < 3; i++) {
        put(bide_async_fd(ends[1]), "x", 1);
        cr_assert_ok(bide_wait_readable(ends[0], bide_after(LONG)));
        /* Somebody else reads it: the memory is now wrong. */
        cr_assert_eq(take_all(bide_async_fd(ends[0])), 1);
        cr_assert_gives(bide_wait_readable(ends[0], BIDE_NOW), BIDE_EAGAIN);
        cr_assert_gives(bide_wait_readable(ends[0], bide_after(SHORT)), BIDE_ETIMEDOUT);
        struct counter counter = {0};
        cr_assert_gives(bide_async_poll_readable(ends[0], counting(&counter)), BIDE_PENDING);
        cr_assert_ok(bide_async_forget(ends[0], BIDE_READ));
        cr_assert_eq(counter.wakes, 0);
    }
    free_both(ends);
    expect_nothing_left(before);
}

Test(readiness, any_number_may_wait_in_either_direction_and_all_are_woken)
{
    enum { THREADS = 5, FUTURES = 5 };
    bide_async *ends[2];
    open_channel(UNIX, ends);
    (void)fill(ends[0]);
    struct call readers[THREADS], writers[THREADS];
    bide_readable readable[FUTURES];
    bide_writable writable[FUTURES];
    struct counter read_wakes[FUTURES], write_wakes[FUTURES];
    for (int i = 0; i < FUTURES; i++) {
        read_wakes[i].wakes = write_wakes[i].wakes = 0;
        bide_readable_init(&readable[i], ends[0]);
        bide_writable_init(&writable[i], ends[0]);
        cr_assert_gives(poll_with(&readable[i].future, counting(&read_wakes[i])), BIDE_PENDING);
        cr_assert_gives(poll_with(&writable[i].future, counting(&write_wakes[i])), BIDE_PENDING);
    }
    for (int i = 0; i < THREADS; i++) {
        readers[i] = (struct call){.function = call_wait_readable, .async = ends[0], .deadline = BIDE_NEVER};
        writers[i] = (struct call){.function = call_wait_writable, .async = ends[0], .deadline = BIDE_NEVER};
        call_start(&readers[i]);
        call_start(&writers[i]);
    }
    await_waiters(ends[0], BIDE_READ, THREADS + FUTURES);
    await_waiters(ends[0], BIDE_WRITE, THREADS + FUTURES);

    put(bide_async_fd(ends[1]), "x", 1);
    for (int i = 0; i < THREADS; i++)
        cr_assert_ok(call_join(&readers[i]));
    for (int i = 0; i < FUTURES; i++) {
        AWAIT(read_wakes[i].wakes > 0);
        cr_assert_gives(poll_with(&readable[i].future, counting(&read_wakes[i])), BIDE_READY);
        cr_assert_ok(readable[i].result);
    }
    cr_assert_eq(waiters_of(ends[0], BIDE_WRITE), THREADS + FUTURES, "the writers still wait");
    (void)take_all(bide_async_fd(ends[1]));
    for (int i = 0; i < THREADS; i++)
        cr_assert_ok(call_join(&writers[i]));
    for (int i = 0; i < FUTURES; i++) {
        AWAIT(write_wakes[i].wakes > 0);
        cr_assert_gives(poll_with(&writable[i].future, counting(&write_wakes[i])), BIDE_READY);
    }
    free_both(ends);
    expect_nothing_left(before);
}

Test(readiness, a_cancelled_wait_disturbs_no_other)
{
    enum { FUTURES = 6 };
    bide_async *ends[2];
    open_channel(PIPE, ends);
    bide_readable readable[FUTURES];
    struct counter wakes[FUTURES];
    for (int i = 0; i < FUTURES; i++) {
        wakes[i].wakes = 0;
        bide_readable_init(&readable[i], ends[0]);
        cr_assert_gives(poll_with(&readable[i].future, counting(&wakes[i])), BIDE_PENDING);
    }
    for (int i = 0; i < FUTURES; i += 2) {
        cr_assert_gives(cancel_with(&readable[i].future, counting(&wakes[i])), BIDE_READY);
        cr_assert_gives(readable[i].result, BIDE_ECANCELED);
        memset(&readable[i], 0xa5, sizeof readable[i]);
    }
    cr_assert_eq(waiters_of(ends[0], BIDE_READ), FUTURES / 2);
    put(bide_async_fd(ends[1]), "x", 1);
    for (int i = 1; i < FUTURES; i += 2) {
        AWAIT(wakes[i].wakes > 0);
        cr_assert_gives(poll_with(&readable[i].future, counting(&wakes[i])), BIDE_READY);
    }
    for (int i = 0; i < FUTURES; i += 2)
        cr_assert_eq(wakes[i].wakes, 0, "cancelled wait %d was woken", i);
    free_both(ends);
    expect_nothing_left(before);
}

Test(readiness, a_hang_up_wakes_both_directions)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    (void)fill(ends[0]);
    struct call reader = {.function = call_wait_readable, .async = ends[0], .deadline = BIDE_NEVER};
    struct call writer = {.function = call_wait_writable, .async = ends[0], .deadline = BIDE_NEVER};
    call_start(&reader);
    call_start(&writer);
    await_waiters(ends[0], BIDE_READ, 1);
    await_waiters(ends[0], BIDE_WRITE, 1);
    cr_assert_ok(bide_async_free(ends[1]));
    cr_assert_ok(call_join(&reader));
    cr_assert_ok(call_join(&writer));
    cr_assert_ok(bide_async_free(ends[0]));
    expect_nothing_left(before);
}

Test(readiness, an_error_wakes_both_directions)
{
    /* The peer resets the connection: it closes with bytes unread, or lingers for no time. */
    bide_async *ends[2];
    open_channel(TCP, ends);
    static char zeros[1 << 20];
    while (bide_write(ends[0], zeros, sizeof zeros, bide_after(SHORT)) > 0)
        continue;
    struct call reader = {.function = call_wait_readable, .async = ends[0], .deadline = BIDE_NEVER};
    struct call writer = {.function = call_wait_writable, .async = ends[0], .deadline = BIDE_NEVER};
    call_start(&reader);
    call_start(&writer);
    struct linger no_linger = {1, 0};
    cr_assert_done(setsockopt(bide_async_fd(ends[1]), SOL_SOCKET, SO_LINGER, &no_linger, sizeof no_linger));
    await_waiters(ends[0], BIDE_READ, 1);
    cr_assert_ok(bide_async_free(ends[1]));
    cr_assert_ok(call_join(&reader));
    cr_assert_ok(call_join(&writer));
    char byte;
    cr_assert_gives(bide_read(ends[0], &byte, 1, BIDE_NEVER), BIDE_ECONNRESET);
    cr_assert_ok(bide_async_free(ends[0]));

    /* A pipe without a reader reports an error alone. */
    open_channel(PIPE, ends);
    (void)fill(ends[1]);
    reader.async = writer.async = ends[1];
    call_start(&reader);
    call_start(&writer);
    await_waiters(ends[1], BIDE_READ, 1);
    await_waiters(ends[1], BIDE_WRITE, 1);
    cr_assert_ok(bide_async_free(ends[0]));
    cr_assert_ok(call_join(&reader));
    cr_assert_ok(call_join(&writer));
    cr_assert_ok(bide_async_free(ends[1]));
    expect_nothing_left(before);
}

Test(readiness, the_end_of_what_the_peer_writes_wakes_readers_alone)
{
    for (enum channel kind = TCP; kind <= UNIX; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        static char zeros[1 << 20];
        while (bide_write(ends[0], zeros, sizeof zeros, bide_after(SHORT)) > 0)
            continue;
        struct counter counter = {0};
        bide_writable writable;
        bide_writable_init(&writable, ends[0]);
        cr_assert_gives(poll_with(&writable.future, counting(&counter)), BIDE_PENDING);
        struct call reader = {.function = call_wait_readable, .async = ends[0], .deadline = BIDE_NEVER};
        call_start(&reader);
        await_waiters(ends[0], BIDE_READ, 1);
        cr_assert_ok(bide_async_shutdown(ends[1], BIDE_WRITE));
        cr_assert_ok(call_join(&reader));
        cr_assert_eq(counter.wakes, 0);
        cr_assert_gives(cancel_with(&writable.future, counting(&counter)), BIDE_READY);
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(readiness, urgent_data_wakes_readers)
{
    bide_async *ends[2];
    open_channel(TCP, ends);
    struct call reader = {.function = call_wait_readable, .async = ends[0], .deadline = BIDE_NEVER};
    call_start(&reader);
    await_waiters(ends[0], BIDE_READ, 1);
    cr_assert_eq(send(bide_async_fd(ends[1]), "!", 1, MSG_OOB), 1);
    cr_assert_ok(call_join(&reader));
    free_both(ends);
    expect_nothing_left(before);
}

Test(readiness, a_borrowed_blocking_descriptor_can_be_waited_for)
{
    int ends[2];
    make_pipe(ends);
    bide_async *async;
    cr_assert_ok(bide_async_borrow(&async, ends[0]));
    for (int i = 0; i < 3; i++) {
        char byte;
        struct call reader = {.function = call_wait_readable, .async = async, .deadline = BIDE_NEVER};
        call_start(&reader);
        await_waiters(async, BIDE_READ, 1);
        put(ends[1], "x", 1);
        cr_assert_ok(call_join(&reader));
        cr_assert_eq(read(ends[0], &byte, 1), 1);
    }
    cr_assert_ok(bide_async_free(async));
    close_all(ends, 2);
    expect_nothing_left(before);
}

/* --- served in the background --------------------------------------------------------------------------- */

Test(readiness, wakers_of_ones_own_are_called_although_no_thread_drives)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct counter counter = {0};
    for (int i = 1; i <= 3; i++) {
        cr_assert_gives(bide_async_poll_readable(ends[0], counting(&counter)), BIDE_PENDING);
        cr_assert_eq(stats_now().background, 1);
        put(bide_async_fd(ends[1]), "x", 1);
        AWAIT(counter.wakes == i);
        AWAIT(stats_now().background == 0);
        cr_assert_gives(bide_async_poll_readable(ends[0], counting(&counter)), BIDE_READY);
        cr_assert_eq(take_all(bide_async_fd(ends[0])), 1);
    }
    cr_assert_neq(bide_test_thread_named("async-io"), 0);
    free_both(ends);
    expect_nothing_left(before);
}

Test(readiness, where_threads_are_forbidden_a_waker_of_ones_own_cannot_wait)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    bide_set_threads(false);
    struct counter counter = {0};
    cr_assert_gives(bide_async_poll_readable(ends[0], counting(&counter)), BIDE_ENOTSUP);
    bide_readable readable;
    bide_readable_init(&readable, ends[0]);
    cr_assert_gives(poll_with(&readable.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(readable.result, BIDE_ENOTSUP);
    char byte;
    bide_io io;
    bide_io_read(&io, ends[0], &byte, 1);
    cr_assert_gives(poll_with(&io.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(io.result, BIDE_ENOTSUP);
    /* What need not wait goes on. */
    put(bide_async_fd(ends[1]), "x", 1);
    cr_assert_gives(bide_wait_readable(ends[0], bide_after(LONG)), 0);
    cr_assert_gives(bide_async_poll_readable(ends[0], counting(&counter)), BIDE_READY);
    cr_assert_eq(counter.wakes, 0);
    bide_set_threads(true);
    free_both(ends);
    expect_nothing_left(before);
}

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

Test(readiness, forget_returns_only_when_the_waker_is_not_running)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct gate gate = {false, false, false};
    enter_gate(ends, &gate);
    struct call forget = {.function = call_forget, .async = ends[0]};
    expect_to_wait_for_gate(&forget, &gate);
    free_both(ends);
    expect_nothing_left(before);
}

Test(readiness, free_returns_only_when_the_stored_waker_is_not_running)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct gate gate = {false, false, false};
    enter_gate(ends, &gate);
    struct call call = {.function = call_free, .async = ends[0]};
    expect_to_wait_for_gate(&call, &gate);
    cr_assert_ok(bide_async_free(ends[1]));
    expect_nothing_left(before);
}

static bide_ssize call_poll_ready(struct call *call)
{
    struct counter *counter = call->buffer;
    int answer = bide_async_poll_readable(call->async, counting(counter));
    return answer == BIDE_READY ? 0 : -1000 - answer;
}

Test(readiness, a_poll_that_finds_it_ready_returns_only_when_the_stored_waker_is_not_running)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct gate gate = {false, false, false};
    struct counter counter = {0};
    enter_gate(ends, &gate);
    struct call call = {.function = call_poll_ready, .async = ends[0], .buffer = &counter};
    expect_to_wait_for_gate(&call, &gate);
    free_both(ends);
    expect_nothing_left(before);
}

/* Polls with another waker than the one that is running, when there is nothing to read any more. */
static bide_ssize call_poll_again(struct call *call)
{
    static struct counter counter;
    return poll_with(call->buffer, counting(&counter)) == BIDE_PENDING ? 0 : -1000;
}

static bide_ssize call_store_again(struct call *call)
{
    static struct counter counter;
    return bide_async_poll_readable(call->async, counting(&counter)) == BIDE_PENDING ? 0 : -1000;
}

Test(readiness, a_poll_with_another_waker_returns_only_when_the_last_one_is_not_running)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct gate gate = {false, false, false};
    bide_readable readable;
    bide_readable_init(&readable, ends[0]);
    cr_assert_gives(poll_with(&readable.future, gated(&gate)), BIDE_PENDING);
    put(bide_async_fd(ends[1]), "x", 1);
    AWAIT(atomic_load(&gate.entered));
    drain_memory(ends[0]);
    struct call call = {.function = call_poll_again, .buffer = &readable.future};
    expect_to_wait_for_gate(&call, &gate);
    cr_assert_gives(cancel_with(&readable.future, gated(&gate)), BIDE_READY);
    free_both(ends);
    expect_nothing_left(before);
}

Test(readiness, storing_another_waker_returns_only_when_the_last_one_is_not_running)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct gate gate = {false, false, false};
    enter_gate(ends, &gate);
    drain_memory(ends[0]);
    struct call call = {.function = call_store_again, .async = ends[0]};
    expect_to_wait_for_gate(&call, &gate);
    cr_assert_ok(bide_async_forget(ends[0], BIDE_READ));
    free_both(ends);
    expect_nothing_left(before);
}

static bide_ssize call_cancel(struct call *call)
{
    struct counter counter = {0};
    return cancel_with(call->buffer, counting(&counter)) == BIDE_READY ? 0 : -1000;
}

Test(readiness, a_cancel_returns_only_when_the_futures_waker_is_not_running)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct gate gate = {false, false, false};
    bide_readable readable;
    bide_readable_init(&readable, ends[0]);
    cr_assert_gives(poll_with(&readable.future, gated(&gate)), BIDE_PENDING);
    put(bide_async_fd(ends[1]), "x", 1);
    AWAIT(atomic_load(&gate.entered));
    struct call call = {.function = call_cancel, .buffer = &readable.future};
    expect_to_wait_for_gate(&call, &gate);
    free_both(ends);
    expect_nothing_left(before);
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

/* --- many in one set ------------------------------------------------------------------------------------ */

Test(readiness, many_waits_in_one_set_are_yielded_as_they_become_ready)
{
    enum { PAIRS = 50 };
    bide_async *ends[PAIRS][2];
    bide_readable readable[PAIRS];
    bide_set_member members[PAIRS];
    bide_set set;
    bide_set_init(&set);
    for (size_t i = 0; i < PAIRS; i++) {
        open_channel(i % 2 ? UNIX : PIPE, ends[i]);
        bide_readable_init(&readable[i], ends[i][0]);
        cr_assert_ok(bide_set_add(&set, &members[i], &readable[i].future, (void *)i));
    }
    bide_set_member *ready;
    cr_assert_gives(bide_set_next(&set, bide_after(SHORT), &ready), BIDE_ETIMEDOUT);
    for (size_t n = 0; n < PAIRS; n++) {
        size_t i = (n * 17 + 5) % PAIRS;
        put(bide_async_fd(ends[i][1]), "x", 1);
        cr_assert_ok(bide_set_next(&set, bide_after(LONG), &ready));
        cr_assert_eq((size_t)ready->tag, i, "%zu instead of %zu", (size_t)ready->tag, i);
        cr_assert_ok(readable[i].result);
    }
    cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), BIDE_END);
    for (size_t i = 0; i < PAIRS; i++)
        free_both(ends[i]);
    expect_nothing_left(before);
}
