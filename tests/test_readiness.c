/* Readiness of handles: waiting for it with threads and futures, what is remembered and what is confirmed
 * with the kernel. Stored wakers, withdrawing and freeing are in test_readiness_wakers.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_inventory.h"

#include <sys/eventfd.h>

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
