/* Two parties at once: each pair of calls that may meet is made to meet a thousand times, a little earlier
 * or later each time. Where one order of events can be forced, test_readiness.c and test_traps.c force it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_async.h"

static struct inventory before;

static void take_inventory(void)
{
    before = inventory_now();
}

TestSuite(races, .init = take_inventory, .timeout = 200);

#define ROUNDS 1000

/* --- making two parties meet ---------------------------------------------------------------------------- */

/* The partner's thread does its part of each round when the test's own thread does its own. */
static struct {
    void (*part)(void);
    _Atomic int begun; /* rounds that may begin */
    _Atomic int ended; /* rounds that the partner has ended */
    int delay;         /* of the partner, in turns of a loop; written before begun */
    _Atomic bool stop;
    pthread_t thread;
} partner;

static void linger(int turns)
{
    for (volatile int i = 0; i < turns; i++)
        continue;
}

static void *partner_main(void *arg)
{
    (void)arg;
    for (int round = 1;; round++) {
        while (atomic_load(&partner.begun) < round) {
            if (atomic_load(&partner.stop)) return NULL;
            (void)sched_yield();
        }
        linger(partner.delay);
        partner.part();
        atomic_store(&partner.ended, round);
    }
}

static void partner_start(void (*part)(void))
{
    partner.part = part;
    int failed = pthread_create(&partner.thread, NULL, partner_main, NULL);
    cr_assert_eq(failed, 0, "pthread_create: %s", strerror(failed));
}

static void partner_stop(void)
{
    atomic_store(&partner.stop, true);
    (void)pthread_join(partner.thread, NULL);
}

/* Lets the partner begin, and delays this thread or the partner by a while that differs from round to
 * round. */
static void meet(int round)
{
    int late = (round * 37) % 1000;
    partner.delay = round % 2 ? late : 0;
    atomic_store(&partner.begun, round);
    if (round % 2 == 0) linger(late);
}

static void part(int round)
{
    while (atomic_load(&partner.ended) < round)
        (void)sched_yield();
}

/* What the two work on. */
static bide_async *ends[2];
static bide_async *shared;
static bide_ssize theirs;
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

Test(races, of_two_wakers_that_are_stored_at_once_none_is_lost)
{
    open_channel(UNIX, ends);
    shared = ends[0];
    partner_start(poll_stored_part);
    for (int round = 1; round <= ROUNDS; round++) {
        struct counter counter = {0};
        atomic_store(&their_counter.wakes, 0);
        meet(round);
        int ours = bide_async_poll_readable(ends[0], counting(&counter));
        part(round);
        cr_assert_gives(ours, BIDE_PENDING);
        cr_assert_gives(theirs, BIDE_PENDING);
        /* One was replaced and called, the other one waits. */
        cr_assert_eq(counter.wakes + their_counter.wakes, 1, "round %d: %d and %d wakes", round,
                     counter.wakes, their_counter.wakes);
        put(bide_async_fd(ends[1]), "x", 1);
        AWAIT(counter.wakes == 1 && their_counter.wakes == 1);
        cr_assert_eq(take_all(bide_async_fd(ends[0])), 1);
    }
    partner_stop();
    free_both(ends);
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

/* --- reading -------------------------------------------------------------------------------------------- */

struct reader {
    bide_async *async;
    size_t counts[256];
    size_t total;
};

static bide_ssize read_to_the_end(struct call *call)
{
    struct reader *reader = call->buffer;
    for (;;) {
        unsigned char bytes[3];
        bide_ssize count = bide_read(reader->async, bytes, sizeof bytes, BIDE_NEVER);
        if (count <= 0) return count;
        for (bide_ssize i = 0; i < count; i++)
            reader->counts[bytes[i]]++;
        reader->total += (size_t)count;
    }
}

Test(races, two_threads_that_read_one_source_get_every_byte_once)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        open_channel(kind, ends);
        static struct reader readers[2];
        struct call calls[2];
        memset(readers, 0, sizeof readers);
        for (int i = 0; i < 2; i++) {
            readers[i].async = ends[0];
            calls[i] = (struct call){.function = read_to_the_end, .buffer = &readers[i]};
            call_start(&calls[i]);
        }
        enum { BYTES = 256 * 40 };
        for (int i = 0; i < BYTES; i++) {
            unsigned char byte = (unsigned char)i;
            cr_assert_gives(bide_write(ends[1], &byte, 1, BIDE_NEVER), 1);
            if (i % 5 == 0) linger(i % 700);
        }
        cr_assert_ok(bide_async_free(ends[1]));
        for (int i = 0; i < 2; i++)
            cr_assert_ok(call_join(&calls[i]));
        cr_assert_eq(readers[0].total + readers[1].total, BYTES, "%s: %zu and %zu bytes", channel_names[kind],
                     readers[0].total, readers[1].total);
        for (int i = 0; i < 256; i++)
            cr_assert_eq(readers[0].counts[i] + readers[1].counts[i], 40, "byte %d", i);
        cr_assert_ok(bide_async_free(ends[0]));
    }
    expect_nothing_left(before);
}

Test(races, a_number_that_is_registered_anew_gets_no_events_of_its_last_owner)
{
    /* A thread that drives all the while brings the events of the old registration late. */
    bide_event stop;
    cr_assert_ok(bide_event_init(&stop, BIDE_EVENT_MANUAL));
    int fd = -1;
    their_writer = -1;
    for (int round = 1; round <= ROUNDS; round++) {
        open_channel(UNIX, ends);
        if (round == 1) fd = bide_async_fd(ends[0]);
        cr_assert_eq(bide_async_fd(ends[0]), fd, "round %d has another number", round);
        struct counter counter = {0};
        cr_assert_gives(bide_async_poll_readable(ends[0], counting(&counter)), BIDE_PENDING);
        /* An event is under way when the registration ends. */
        put(bide_async_fd(ends[1]), "x", 1);
        linger((round * 37) % 1000);
        cr_assert_ok(bide_async_free(ends[0]));
        cr_assert_eq(counter.wakes, 1, "round %d: %d wakes", round, counter.wakes);
        cr_assert_ok(bide_async_free(ends[1]));

        open_channel(UNIX, ends);
        atomic_store(&counter.wakes, 0);
        cr_assert_gives(bide_async_poll_readable(ends[0], counting(&counter)), BIDE_PENDING);
        linger((round * 53) % 1000);
        cr_assert_eq(counter.wakes, 0, "round %d: woken by an event of the last owner", round);
        cr_assert_ok(bide_async_forget(ends[0], BIDE_READ));
        free_both(ends);
    }
    expect_nothing_left(before);
}

static bide_io stale_io;
static struct counter stale_counter;

static void poll_stale_part(void)
{
    theirs = poll_with(&stale_io.future, counting(&stale_counter));
}

Test(races, a_stale_future_and_the_next_owner_of_its_slot)
{
    /* So many free slots that the table uses each again soon. */
    enum { SPARE = 20 };
    bide_async *spare[SPARE][2];
    for (int i = 0; i < SPARE; i++)
        open_channel(PIPE, spare[i]);
    for (int i = 0; i < SPARE; i++)
        free_both(spare[i]);
    partner_start(poll_stale_part);
    for (int round = 1; round <= ROUNDS; round++) {
        open_channel(PIPE, ends);
        char byte;
        bide_io_read(&stale_io, ends[0], &byte, 1);
        free_both(ends);
        meet(round);
        for (int i = 0; i < SPARE; i++) {
            open_channel(PIPE, ends);
            put(bide_async_fd(ends[1]), "x", 1);
            cr_assert_eq(take_all(bide_async_fd(ends[0])), 1, "a stale future took a byte");
            free_both(ends);
        }
        part(round);
        cr_assert_gives(theirs, BIDE_READY);
        cr_assert_gives(stale_io.result, BIDE_ECANCELED);
    }
    partner_stop();
    expect_nothing_left(before);
}

/* --- shutting down -------------------------------------------------------------------------------------- */

static void shutdown_part(void)
{
    theirs = bide_shutdown();
}

Test(races, shutdown_and_a_waiting_thread)
{
    partner_start(shutdown_part);
    for (int round = 1; round <= ROUNDS; round++) {
        open_channel(UNIX, ends);
        char byte;
        meet(round);
        bide_ssize ours = bide_read(ends[0], &byte, 1, bide_after(BIDE_MICROSECONDS(100)));
        part(round);
        cr_assert(ours == BIDE_ETIMEDOUT || ours == BIDE_ECANCELED, "the read gave %s",
                  bide_error_name(ours));
        cr_assert(theirs == 0 || theirs == BIDE_EBUSY, "shutdown gave %s", bide_error_name(theirs));
        /* What was shut down is cancelled for good, what was not goes on. */
        put(ends[1]->fd, "x", 1);
        bide_ssize later = bide_read(ends[0], &byte, 1, BIDE_NEVER);
        cr_assert_gives(later, theirs == 0 ? BIDE_ECANCELED : 1);
        free_both(ends);
    }
    partner_stop();
    expect_nothing_left(before);
}

Test(races, shutdown_and_waiters_in_the_background)
{
    partner_start(shutdown_part);
    for (int round = 1; round <= ROUNDS; round++) {
        open_channel(UNIX, ends);
        struct counter wakes[2] = {{0}, {0}};
        bide_readable readable;
        bide_readable_init(&readable, ends[0]);
        meet(round);
        int answer = poll_with(&readable.future, counting(&wakes[0]));
        int stored = bide_async_poll_readable(ends[0], counting(&wakes[1]));
        part(round);
        cr_assert_ok(theirs);
        /* Before or after it: who waits is woken, in the end with BIDE_ECANCELED. */
        cr_assert(stored == BIDE_PENDING || stored == BIDE_ECANCELED, "%s", bide_error_name(stored));
        if (stored == BIDE_PENDING) AWAIT(wakes[1].wakes == 1);
        if (answer == BIDE_PENDING) {
            AWAIT(wakes[0].wakes == 1);
            cr_assert_gives(poll_with(&readable.future, counting(&wakes[0])), BIDE_READY);
        }
        cr_assert_gives(readable.result, BIDE_ECANCELED);
        free_both(ends);
    }
    partner_stop();
    expect_nothing_left(before);
}

static void wrap_part(void)
{
    static int fds[2];
    bide_async *async;
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) abort();
    theirs = bide_async_new(&async, fds[0]);
    if (theirs == 0) {
        theirs = bide_read(async, &byte, 1, bide_after(BIDE_MICROSECONDS(10)));
        if (bide_async_free(async) != 0) abort();
    } else {
        (void)close(fds[0]);
    }
    (void)close(fds[1]);
}

Test(races, shutdown_and_new_registrations)
{
    partner_start(wrap_part);
    for (int round = 1; round <= ROUNDS; round++) {
        meet(round);
        int ours = bide_shutdown();
        part(round);
        cr_assert(ours == 0 || ours == BIDE_EBUSY, "shutdown gave %s", bide_error_name(ours));
        cr_assert(theirs == BIDE_ETIMEDOUT || theirs == BIDE_ECANCELED, "%s", bide_error_name(theirs));
    }
    partner_stop();
    expect_nothing_left(before);
}

/* --- many threads --------------------------------------------------------------------------------------- */

struct player {
    bide_async *async;
    int rounds;
    bool serves;
};

static bide_ssize play(struct call *call)
{
    struct player *player = call->buffer;
    for (int i = 0; i < player->rounds; i++) {
        unsigned char byte = (unsigned char)i;
        bide_instant deadline = i % 3 == 0 ? BIDE_NEVER : bide_after(LONG);
        if (player->serves && bide_write(player->async, &byte, 1, deadline) != 1) return -1;
        byte = 0xff;
        bide_ssize count = bide_read(player->async, &byte, 1, deadline);
        if (count != 1) return count < 0 ? count : -2;
        if (byte != (unsigned char)i) return -3;
        if (!player->serves && bide_write(player->async, &byte, 1, deadline) != 1) return -4;
    }
    return 0;
}

Test(races, many_threads_call_on_sockets_of_their_own)
{
    enum { PAIRS = 6 };
    static bide_async *handles[PAIRS][2];
    static struct player players[PAIRS][2];
    static struct call calls[PAIRS][2];
    for (int i = 0; i < PAIRS; i++) {
        open_channel(i % 2 ? UNIX : TCP, handles[i]);
        for (int side = 0; side < 2; side++) {
            players[i][side] = (struct player){handles[i][side], ROUNDS, side == 0};
            calls[i][side] = (struct call){.function = play, .buffer = &players[i][side]};
            call_start(&calls[i][side]);
        }
    }
    for (int i = 0; i < PAIRS; i++) {
        for (int side = 0; side < 2; side++)
            cr_assert_ok(call_join(&calls[i][side]));
        free_both(handles[i]);
    }
    expect_nothing_left(before);
}

Test(races, threads_come_and_go_while_others_wait)
{
    enum { THREADS = 6 };
    for (int round = 0; round < ROUNDS / 10; round++) {
        bide_async *handles[THREADS][2];
        struct player players[THREADS][2];
        struct call calls[THREADS][2];
        for (int i = 0; i < THREADS; i++) {
            open_channel(UNIX, handles[i]);
            for (int side = 0; side < 2; side++) {
                players[i][side] = (struct player){handles[i][side], 1 + (round + i) % 7, side == 0};
                calls[i][side] = (struct call){.function = play, .buffer = &players[i][side]};
                call_start(&calls[i][side]);
            }
        }
        for (int i = 0; i < THREADS; i++) {
            for (int side = 0; side < 2; side++)
                cr_assert_ok(call_join(&calls[i][side]));
            free_both(handles[i]);
        }
    }
    expect_nothing_left(before);
}
