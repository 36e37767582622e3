/* fork(2): the child gets a fresh global reactor, and what the parent made it can only give up.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_fork.h"

/* --- handles ------------------------------------------------------------------------------------------ */

Test(fork, the_child_gets_a_fresh_global_reactor_on_first_use, .timeout = 30, .init = make_failed_pipe,
     .fini = close_failed_pipe)
{
    bide_async *pair[2];
    make_pair(pair);
    in_child(use_everything, NULL);
    free_pair(pair);
}

static void find_handles_useless(void *arg)
{
    bide_async **pair = arg;
    char byte;
    bide_waker waker = {set_flag, NULL};
    bide_address address;
    CHECK(bide_read(pair[0], &byte, 1, BIDE_NOW) == BIDE_EFORKED);
    CHECK(bide_read(pair[0], &byte, 1, BIDE_NEVER) == BIDE_EFORKED);
    CHECK(bide_write(pair[0], "x", 1, BIDE_NEVER) == BIDE_EFORKED);
    CHECK(bide_wait_readable(pair[0], BIDE_NEVER) == BIDE_EFORKED);
    CHECK(bide_wait_writable(pair[0], BIDE_NEVER) == BIDE_EFORKED);
    CHECK(bide_async_poll_readable(pair[0], waker) == BIDE_EFORKED);
    CHECK(bide_async_forget(pair[0], BIDE_READ) == BIDE_EFORKED);
    CHECK(bide_async_shutdown(pair[0], BIDE_WRITE) == BIDE_EFORKED);
    CHECK(bide_async_local_address(pair[0], &address) == BIDE_EFORKED);

    bide_fd fd = BIDE_INVALID_FD;
    bide_fd known = bide_async_fd(pair[0]);
    CHECK(bide_async_into_fd(pair[0], 0, &fd) == 0);
    CHECK(fd == known);
    CHECK(bide_async_into_fd(pair[0], 0, &fd) == BIDE_EFREED);
    CHECK(bide_async_free(pair[0]) == BIDE_EFREED);
    CHECK(bide_read(pair[0], &byte, 1, BIDE_NOW) == BIDE_EFREED);
    bide_async *again = NULL;
    CHECK(bide_async_new(&again, fd) == 0);
    CHECK(bide_write(again, "c", 1, BIDE_NEVER) == 1);
    CHECK(bide_async_free(again) == 0);
    CHECK(bide_async_free(pair[1]) == 0);
}

Test(fork, a_handle_of_the_parent_gives_only_its_descriptor_in_the_child, .timeout = 30,
     .init = make_failed_pipe, .fini = close_failed_pipe)
{
    bide_async *pair[2];
    char byte = 0;
    make_pair(pair);
    in_child(find_handles_useless, pair);
    cr_assert_gives(bide_read(pair[1], &byte, 1, BIDE_NEVER), 1);
    cr_assert_eq(byte, 'c');
    free_pair(pair);
}

static void give_up_both(void *arg)
{
    bide_async **pair = arg;
    CHECK(bide_async_free(pair[0]) == 0);
    CHECK(bide_async_free(pair[1]) == 0);
    CHECK(bide_shutdown() == 0);
}

Test(fork, what_the_child_frees_goes_on_in_the_parent, .timeout = 30, .init = make_failed_pipe,
     .fini = close_failed_pipe)
{
    bide_async *pair[2];
    char byte;
    make_pair(pair);
    for (int round = 0; round < 20; round++) {
        /* It has to wait for an event of the registration that the child has given up. */
        bide_io io;
        atomic_bool woken = false;
        bide_waker waker = {set_flag, &woken};
        bide_context cx;
        bide_context_init(&cx, waker);
        bide_io_read(&io, pair[0], &byte, 1);
        cr_assert_gives(bide_future_poll(&io.future, &cx), BIDE_PENDING);
        in_child(give_up_both, pair);
        cr_assert_gives(bide_write(pair[1], "p", 1, BIDE_NEVER), 1);
        AWAIT(atomic_load(&woken));
        cr_assert_gives(bide_future_poll(&io.future, &cx), BIDE_READY);
        cr_assert_gives(io.result, 1);
    }
    free_pair(pair);
}

/* --- futures that were under way ------------------------------------------------------------------------- */

struct under_way {
    bide_timer timer, untouched;
    bide_io io;
    bide_readable readable;
    bide_set set;
    bide_set_member member;
    bide_event event;
    bide_event_waiting waiting;
    bide_context cx;
    bide_async *pair[2];
    char byte;
};

static void finish_under_way(void *arg)
{
    struct under_way *all = arg;
    bide_reactor_stats stats;
    CHECK(bide_reactor_stats_read(bide_reactor_global(), &stats) == 0);
    CHECK(stats.timers_pending == 0);
    CHECK(stats.background == 0);

    CHECK(bide_timer_set_after(&all->timer, BIDE_SECONDS(1)) == BIDE_EFORKED);
    CHECK(bide_future_poll(&all->timer.future, &all->cx) == BIDE_READY);
    CHECK(bide_timer_error(&all->timer) == BIDE_EFORKED);
    CHECK(bide_timer_wait(&all->untouched) == BIDE_EFORKED);
    bide_timer_after(&all->timer, BIDE_MICROSECONDS(1));
    CHECK(bide_timer_wait(&all->timer) == 0);

    CHECK(bide_future_poll(&all->io.future, &all->cx) == BIDE_READY);
    CHECK(all->io.result == BIDE_EFORKED);
    CHECK(bide_cancel(&all->readable.future) == BIDE_READY);

    bide_set_member *ready;
    CHECK(bide_set_next(&all->set, BIDE_NEVER, &ready) == BIDE_EFORKED);
    CHECK(bide_set_remove(&all->set, &all->member) == BIDE_READY);
    CHECK(bide_set_next(&all->set, BIDE_NEVER, &ready) == BIDE_END);
    bide_timer_after(&all->timer, BIDE_MICROSECONDS(1));
    CHECK(bide_set_add(&all->set, &all->member, &all->timer.future, NULL) == 0);
    CHECK(bide_set_next(&all->set, BIDE_NEVER, &ready) == 0);

    CHECK(bide_cancel(&all->waiting.future) == BIDE_READY);
    CHECK(bide_reactor_stats_read(bide_reactor_global(), &stats) == 0);
    CHECK(stats.background == 0);
    use_everything(NULL);
}

Test(fork, futures_that_were_under_way_end_with_EFORKED_and_count_for_nothing, .timeout = 30,
     .init = make_failed_pipe, .fini = close_failed_pipe)
{
    struct under_way all;
    atomic_bool woken = false;
    bide_waker waker = {set_flag, &woken};
    make_pair(all.pair);
    bide_context_init(&all.cx, waker);
    bide_timer_after(&all.timer, LONG);
    bide_timer_after(&all.untouched, LONG);
    cr_assert_gives(bide_future_poll(&all.timer.future, &all.cx), BIDE_PENDING);
    bide_io_read(&all.io, all.pair[0], &all.byte, 1);
    cr_assert_gives(bide_future_poll(&all.io.future, &all.cx), BIDE_PENDING);
    bide_readable_init(&all.readable, all.pair[0]);
    cr_assert_gives(bide_future_poll(&all.readable.future, &all.cx), BIDE_PENDING);
    bide_set_init(&all.set);
    bide_readable in_set;
    bide_readable_init(&in_set, all.pair[1]);
    bide_io in_set_io;
    bide_io_read(&in_set_io, all.pair[1], &all.byte, 1);
    cr_assert_ok(bide_set_add(&all.set, &all.member, &in_set_io.future, NULL));
    cr_assert_gives(bide_future_poll(&all.set.future, &all.cx), BIDE_PENDING);
    cr_assert_ok(bide_event_init(&all.event, BIDE_EVENT_AUTO));
    bide_event_waiting_init(&all.waiting, &all.event);
    cr_assert_gives(bide_future_poll(&all.waiting.future, &all.cx), BIDE_PENDING);

    in_child(finish_under_way, &all);

    /* The parent has noticed nothing. */
    cr_assert_gives(bide_write(all.pair[1], "p", 1, BIDE_NEVER), 1);
    AWAIT(bide_future_poll(&all.io.future, &all.cx) == BIDE_READY);
    cr_assert_gives(all.io.result, 1);
    cr_assert_gives(bide_cancel(&all.readable.future), BIDE_READY);
    cr_assert_ok(bide_timer_set_after(&all.timer, 0));
    AWAIT(bide_future_poll(&all.timer.future, &all.cx) == BIDE_READY);
    cr_assert_ok(bide_timer_error(&all.timer));
    cr_assert_gives(bide_set_remove(&all.set, &all.member), BIDE_READY);
    cr_assert_gives(bide_future_cancel(&all.set.future, &all.cx), BIDE_READY);
    cr_assert_gives(bide_cancel(&all.waiting.future), BIDE_READY);
    free_pair(all.pair);
}

/* A waker that stops in the middle, as one does that writes to a pipe, until it may go on. */
struct held_wake {
    atomic_bool entered, open;
    bide_event event;
    bide_event_waiting waiting;
    bide_set set;
    bide_set_member member;
    bide_context cx;
};

static void wake_held(void *arg)
{
    struct held_wake *held = arg;
    atomic_store(&held->entered, true);
    AWAIT(atomic_load(&held->open));
}

static void *set_held(void *arg)
{
    bide_event_set(&((struct held_wake *)arg)->event);
    return NULL;
}

static void end_waiting(void *arg)
{
    struct held_wake *held = arg;
    CHECK(bide_future_cancel(&held->waiting.future, &held->cx) == BIDE_COMPLETED);
    CHECK(held->waiting.result == 0);
    use_everything(NULL);
}

static void end_set(void *arg)
{
    struct held_wake *held = arg;
    CHECK(bide_set_remove(&held->set, &held->member) == BIDE_COMPLETED);
    CHECK(bide_future_cancel(&held->set.future, &held->cx) == BIDE_READY);
    use_everything(NULL);
}

Test(fork, a_wake_that_another_thread_was_running_is_not_waited_for_in_the_child, .timeout = 30,
     .init = make_failed_pipe, .fini = close_failed_pipe)
{
    for (int in_set = 0; in_set < 2; in_set++) {
        struct held_wake held;
        bide_waker waker = {wake_held, &held};
        pthread_t setter;
        atomic_init(&held.entered, false);
        atomic_init(&held.open, false);
        (void)bide_sleep(BIDE_MICROSECONDS(1));
        bide_context_init(&held.cx, waker);
        cr_assert_ok(bide_event_init(&held.event, BIDE_EVENT_AUTO));
        bide_event_waiting_init(&held.waiting, &held.event);
        bide_set_init(&held.set);
        if (in_set) cr_assert_ok(bide_set_add(&held.set, &held.member, &held.waiting.future, NULL));
        bide_future *future = in_set ? &held.set.future : &held.waiting.future;
        cr_assert_gives(bide_future_poll(future, &held.cx), BIDE_PENDING);
        cr_assert_eq(pthread_create(&setter, NULL, set_held, &held), 0);
        AWAIT(atomic_load(&held.entered));
        /* A thread that begins may hold a lock of AddressSanitizer's, which the child would find held. */
        if (in_set) AWAIT(bide_test_thread_named("async-io") != 0);
        in_child(in_set ? end_set : end_waiting, &held);
        atomic_store(&held.open, true);
        cr_assert_eq(pthread_join(setter, NULL), 0);
        cr_assert_gives(bide_future_poll(future, &held.cx), BIDE_READY);
    }
    cr_assert_ok(bide_shutdown());
}

/* A future whose poll forks, as a state machine that starts workers does. */
struct forking {
    bide_future future;
    pid_t child;
};

static int forking_poll(bide_future *self, bide_context *cx)
{
    struct forking *forking = (struct forking *)self;
    forking->child = fork();
    bide_waker waker = bide_context_waker(cx);
    waker.wake(waker.arg);
    return forking->child > 0 ? BIDE_READY : BIDE_PENDING;
}

static int forking_cancel(bide_future *self, bide_context *cx)
{
    (void)self;
    (void)cx;
    return BIDE_READY;
}

Test(fork, an_await_whose_future_forks_ends_with_EFORKED_in_the_child, .timeout = 30,
     .init = make_failed_pipe, .fini = close_failed_pipe)
{
    static const bide_future_ops ops = {sizeof ops, forking_poll, forking_cancel, 0};
    struct forking forking;
    bide_async *pair[2];
    make_pair(pair);
    bide_future_init(&forking.future, &ops);
    int error = bide_await(&forking.future, BIDE_NEVER);
    if (forking.child == 0) {
        CHECK(error == BIDE_EFORKED);
        use_everything(NULL);
        leave_child(0);
    }
    cr_assert_ok(error);
    await_child(forking.child);
    free_pair(pair);
}

/* --- reactors made by hand ------------------------------------------------------------------------------- */

static void give_up_reactor(void *arg)
{
    bide_reactor *reactor = arg;
    bide_reactor_stats stats;
    bide_fd fd;
    /* The one that the thread had entered is the parent's. */
    CHECK(bide_reactor_current() == bide_reactor_global());
    CHECK(bide_reactor_run_once(reactor, BIDE_NOW) == BIDE_EFORKED);
    CHECK(bide_reactor_fd(reactor, &fd) == BIDE_EFORKED || fd == BIDE_INVALID_FD);
    CHECK(bide_reactor_stats_read(reactor, &stats) == BIDE_EFORKED);
    CHECK(bide_is_never(bide_reactor_next_deadline(reactor)));
    bide_reactor *previous = bide_reactor_enter(reactor);
    CHECK(bide_sleep(BIDE_MILLISECONDS(1)) == BIDE_EFORKED);
    bide_reactor_leave(previous);
    CHECK(bide_reactor_free(reactor) == 0);
    CHECK(bide_reactor_free(reactor) == BIDE_EFREED);
    bide_reactor *another = NULL;
    CHECK(bide_reactor_new(&another, NULL) == 0);
    CHECK(bide_reactor_run_once(another, BIDE_NOW) == 0);
    CHECK(bide_reactor_free(another) == 0);
    use_everything(NULL);
}

Test(fork, a_reactor_made_by_hand_is_only_freed_in_the_child, .timeout = 30, .init = make_failed_pipe,
     .fini = close_failed_pipe)
{
    bide_reactor *reactor = NULL;
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    in_child(give_up_reactor, reactor);
    cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(10)));
    bide_reactor_leave(previous);
    cr_assert_ok(bide_reactor_free(reactor));
}
