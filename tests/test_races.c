/* Two parties at once: what ends while others wait, is cancelled while it is woken, has its waker
 * replaced. See test_races.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_races.h"

TestSuite(races, .init = take_inventory, .timeout = 200);

static bide_async *shared;
static char their_byte;

static bool was_cancelled(bide_ssize result)
{
    return result == BIDE_ECANCELED || result == BIDE_EFREED;
}

/* --- freeing -------------------------------------------------------------------------------------------- */

static void wait_readable_part(void)
{
    theirs = bide_wait_readable(shared, BIDE_NEVER);
}

static void read_part(void)
{
    theirs = bide_read(shared, &their_byte, 1, BIDE_NEVER);
}

Test(races, free_and_wait)
{
    partner_start(wait_readable_part);
    for (int round = 1; round <= ROUNDS; round++) {
        open_channel(UNIX, ends);
        shared = ends[0];
        meet(round);
        cr_assert_ok(bide_async_free(ends[0]));
        part(round);
        cr_assert(was_cancelled(theirs), "the wait gave %td (%s)", theirs, bide_error_name(theirs));
        cr_assert_ok(bide_async_free(ends[1]));
    }
    partner_stop();
    expect_nothing_left(before);
}

Test(races, free_and_read_and_the_next_owner_of_the_number)
{
    partner_start(read_part);
    for (int round = 1; round <= ROUNDS; round++) {
        open_channel(UNIX, ends);
        int fd = bide_async_fd(ends[0]);
        shared = ends[0];
        if (round % 3 == 0) put(bide_async_fd(ends[1]), "a", 1);
        meet(round);
        cr_assert_ok(bide_async_free(ends[0]));
        /* Whoever gets the number now keeps its bytes. */
        int next[2];
        make_socketpair(next, SOCK_STREAM | SOCK_NONBLOCK);
        cr_assert_eq(next[0], fd);
        put(next[1], "b", 1);
        part(round);
        cr_assert(was_cancelled(theirs) || (theirs == 1 && their_byte == 'a' && round % 3 == 0),
                  "round %d: the read gave %td (%s)", round, theirs, bide_error_name(theirs));
        cr_assert_eq(take_all(next[0]), 1, "round %d: the byte went to the wrong reader", round);
        close_all(next, 2);
        cr_assert_ok(bide_async_free(ends[1]));
    }
    partner_stop();
    expect_nothing_left(before);
}

static void free_part(void)
{
    theirs = bide_async_free(shared);
}

Test(races, free_and_free)
{
    partner_start(free_part);
    for (int round = 1; round <= ROUNDS; round++) {
        open_channel(PIPE, ends);
        shared = ends[0];
        meet(round);
        bide_ssize ours = bide_async_free(ends[0]);
        part(round);
        cr_assert((ours == 0 && theirs == BIDE_EFREED) || (ours == BIDE_EFREED && theirs == 0), "%s and %s",
                  bide_error_name(ours), bide_error_name(theirs));
        cr_assert_ok(bide_async_free(ends[1]));
    }
    partner_stop();
    expect_nothing_left(before);
}

static bide_fd their_fd;

static void into_fd_part(void)
{
    theirs = bide_async_into_fd(shared, 0, &their_fd);
}

Test(races, into_fd_and_waiters)
{
    enum { WAITERS = 3 };
    partner_start(into_fd_part);
    for (int round = 1; round <= ROUNDS; round++) {
        open_channel(UNIX, ends);
        shared = ends[0];
        struct counter wakes[WAITERS];
        bide_readable readable[WAITERS];
        char byte;
        for (int i = 0; i < WAITERS; i++) {
            wakes[i].wakes = 0;
            bide_readable_init(&readable[i], ends[0]);
        }
        meet(round);
        int answers[WAITERS];
        for (int i = 0; i < WAITERS; i++)
            answers[i] = poll_with(&readable[i].future, counting(&wakes[i]));
        bide_ssize direct = bide_read(ends[0], &byte, 1, BIDE_NEVER);
        part(round);
        cr_assert_ok(theirs);
        cr_assert(was_cancelled(direct), "%s", bide_error_name(direct));
        for (int i = 0; i < WAITERS; i++) {
            if (answers[i] == BIDE_PENDING) {
                cr_assert_eq(wakes[i].wakes, 1, "waiter %d was woken %d times", i, wakes[i].wakes);
                cr_assert_gives(poll_with(&readable[i].future, counting(&wakes[i])), BIDE_READY);
            }
            cr_assert_gives(readable[i].result, BIDE_ECANCELED);
        }
        cr_assert(is_open(their_fd));
        (void)close(their_fd);
        cr_assert_ok(bide_async_free(ends[1]));
    }
    partner_stop();
    expect_nothing_left(before);
}

static void ask_for_descriptor_part(void)
{
    theirs = bide_async_fd(shared);
}

Test(races, free_and_asking_for_the_descriptor)
{
    partner_start(ask_for_descriptor_part);
    for (int round = 1; round <= ROUNDS; round++) {
        open_channel(PIPE, ends);
        bide_fd fd = bide_async_fd(ends[0]);
        shared = ends[0];
        meet(round);
        cr_assert_ok(bide_async_free(ends[0]));
        part(round);
        cr_assert(theirs == fd || theirs == BIDE_INVALID_FD, "%td", theirs);
        cr_assert_ok(bide_async_free(ends[1]));
    }
    partner_stop();
    expect_nothing_left(before);
}

/* --- cancelling ----------------------------------------------------------------------------------------- */

/* A waker that must not run once its future is over. */
struct mortal {
    _Atomic int wakes;
    _Atomic bool dead;
    _Atomic bool called_dead;
};

static void mortal_wake(void *arg)
{
    struct mortal *mortal = arg;
    atomic_fetch_add(&mortal->wakes, 1);
    linger(50);
    if (atomic_load(&mortal->dead)) atomic_store(&mortal->called_dead, true);
}

static bide_waker mortal_waker(struct mortal *mortal)
{
    bide_waker waker = {mortal_wake, mortal};
    return waker;
}

static int their_writer;

static void put_part(void)
{
    put(their_writer, "x", 1);
}

Test(races, cancel_and_event)
{
    open_channel(UNIX, ends);
    their_writer = bide_async_fd(ends[1]);
    partner_start(put_part);
    for (int round = 1; round <= ROUNDS; round++) {
        struct mortal mortal = {0, false, false};
        char byte = 0;
        bide_io io;
        bide_io_read(&io, ends[0], &byte, 1);
        cr_assert_gives(poll_with(&io.future, mortal_waker(&mortal)), BIDE_PENDING);
        meet(round);
        cr_assert_gives(cancel_with(&io.future, mortal_waker(&mortal)), BIDE_READY);
        atomic_store(&mortal.dead, true);
        memset(&io, 0xa5, sizeof io);
        part(round);
        /* The byte is for the next reader. */
        cr_assert_gives(bide_read(ends[0], &byte, 1, BIDE_NEVER), 1);
        cr_assert_not(atomic_load(&mortal.called_dead), "round %d: a waker ran after the cancel", round);
        drain_memory(ends[0]);
    }
    partner_stop();
    free_both(ends);
    expect_nothing_left(before);
}

static bide_future *their_future;
static struct mortal their_mortal;

static void cancel_part(void)
{
    theirs = cancel_with(their_future, mortal_waker(&their_mortal));
}

Test(races, cancel_and_free)
{
    partner_start(cancel_part);
    for (int round = 1; round <= ROUNDS; round++) {
        open_channel(UNIX, ends);
        bide_readable readable;
        bide_readable_init(&readable, ends[0]);
        memset(&their_mortal, 0, sizeof their_mortal);
        cr_assert_gives(poll_with(&readable.future, mortal_waker(&their_mortal)), BIDE_PENDING);
        their_future = &readable.future;
        meet(round);
        cr_assert_ok(bide_async_free(ends[0]));
        part(round);
        cr_assert_gives(theirs, BIDE_READY);
        cr_assert_gives(readable.result, BIDE_ECANCELED);
        cr_assert_leq(their_mortal.wakes, 1);
        cr_assert_ok(bide_async_free(ends[1]));
    }
    partner_stop();
    expect_nothing_left(before);
}

Test(races, forget_and_wake)
{
    open_channel(UNIX, ends);
    their_writer = bide_async_fd(ends[1]);
    partner_start(put_part);
    for (int round = 1; round <= ROUNDS; round++) {
        struct mortal mortal = {0, false, false};
        cr_assert_gives(bide_async_poll_readable(ends[0], mortal_waker(&mortal)), BIDE_PENDING);
        meet(round);
        cr_assert_ok(bide_async_forget(ends[0], BIDE_READ));
        atomic_store(&mortal.dead, true);
        int wakes = mortal.wakes;
        part(round);
        cr_assert_ok(bide_wait_readable(ends[0], BIDE_NEVER));
        cr_assert_not(atomic_load(&mortal.called_dead), "round %d: the waker ran after forget", round);
        cr_assert_eq(mortal.wakes, wakes, "round %d: the waker was called after forget", round);
        drain_memory(ends[0]);
    }
    partner_stop();
    free_both(ends);
    expect_nothing_left(before);
}

/* A future that is polled with one waker after the other, while events come and others take the bytes. */
static void put_and_take_part(void)
{
    char byte;
    for (int i = 0; i < 4; i++) {
        put(their_writer, "x", 1);
        theirs = recv(bide_async_fd(shared), &byte, 1, MSG_DONTWAIT);
    }
}

Test(races, a_waker_that_was_replaced_is_not_running_any_more)
{
    open_channel(UNIX, ends);
    their_writer = bide_async_fd(ends[1]);
    shared = ends[0];
    partner_start(put_and_take_part);
    for (int round = 1; round <= ROUNDS; round++) {
        struct mortal mortals[8];
        memset(mortals, 0, sizeof mortals);
        bide_readable readable;
        bide_readable_init(&readable, ends[0]);
        meet(round);
        int answer = BIDE_PENDING;
        int last = 0;
        for (int i = 0; i < 8 && answer == BIDE_PENDING; i++) {
            answer = poll_with(&readable.future, mortal_waker(&mortals[i]));
            if (i > 0) atomic_store(&mortals[i - 1].dead, true);
            last = i;
        }
        if (answer == BIDE_PENDING) (void)cancel_with(&readable.future, mortal_waker(&mortals[last]));
        atomic_store(&mortals[last].dead, true);
        part(round);
        for (int i = 0; i < 8; i++)
            cr_assert_not(atomic_load(&mortals[i].called_dead), "round %d: waker %d ran too late", round, i);
        (void)take_all(bide_async_fd(ends[0]));
    }
    partner_stop();
    free_both(ends);
    expect_nothing_left(before);
}

static struct counter their_counter;

static void poll_stored_part(void)
{
    theirs = bide_async_poll_readable(shared, counting(&their_counter));
}

/* Both at once, in a channel with nothing in it. */
static void store_two(int round, bide_async *channel[2])
{
    struct counter counter = {0};
    atomic_store(&their_counter.wakes, 0);
    meet(round);
    int ours = bide_async_poll_readable(channel[0], counting(&counter));
    part(round);
    cr_assert_gives(ours, BIDE_PENDING);
    cr_assert_gives(theirs, BIDE_PENDING);
    /* One was replaced and called, the other one waits. */
    cr_assert_eq(counter.wakes + their_counter.wakes, 1, "round %d: %d and %d wakes", round, counter.wakes,
                 their_counter.wakes);
    put(bide_async_fd(channel[1]), "x", 1);
    AWAIT(counter.wakes == 1 && their_counter.wakes == 1);
    cr_assert_eq(take_all(bide_async_fd(channel[0])), 1);
}

Test(races, of_two_wakers_that_are_stored_at_once_none_is_lost)
{
    open_channel(UNIX, ends);
    shared = ends[0];
    partner_start(poll_stored_part);
    for (int round = 1; round <= ROUNDS; round++)
        store_two(round, ends);
    partner_stop();
    free_both(ends);
    expect_nothing_left(before);
}

/* What they are stored in is made by the first, and then kept. So all stay until the end. */
Test(races, of_the_first_two_wakers_of_a_source_none_is_lost)
{
    enum { SOURCES = 200 };
    static bide_async *channels[SOURCES][2];
    partner_start(poll_stored_part);
    for (int round = 1; round <= SOURCES; round++) {
        open_channel(UNIX, channels[round - 1]);
        shared = channels[round - 1][0];
        store_two(round, channels[round - 1]);
    }
    partner_stop();
    for (int i = 0; i < SOURCES; i++)
        free_both(channels[i]);
    expect_nothing_left(before);
}

static void put_then_poll_part(void)
{
    put(their_writer, "x", 1);
    theirs = bide_async_poll_readable(shared, counting(&their_counter));
}

Test(races, a_replaced_waker_and_an_event)
{
    open_channel(UNIX, ends);
    shared = ends[0];
    their_writer = bide_async_fd(ends[1]);
    partner_start(put_then_poll_part);
    for (int round = 1; round <= ROUNDS; round++) {
        struct counter first = {0}, second = {0};
        atomic_store(&their_counter.wakes, 0);
        cr_assert_gives(bide_async_poll_readable(ends[0], counting(&first)), BIDE_PENDING);
        meet(round);
        int ours = bide_async_poll_readable(ends[0], counting(&second));
        part(round);
        /* Whoever was told to wait is woken: by the event or by who replaced it. */
        AWAIT(first.wakes == 1);
        if (ours == BIDE_PENDING) AWAIT(second.wakes == 1);
        if (theirs == BIDE_PENDING) AWAIT(their_counter.wakes == 1);
        cr_assert_ok(bide_async_forget(ends[0], BIDE_READ));
        cr_assert_eq(first.wakes, 1);
        cr_assert_leq(second.wakes, 1);
        cr_assert_leq(their_counter.wakes, 1);
        cr_assert_eq(take_all(bide_async_fd(ends[0])), 1);
        drain_memory(ends[0]);
    }
    partner_stop();
    free_both(ends);
    expect_nothing_left(before);
}
