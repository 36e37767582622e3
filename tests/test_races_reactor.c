/* Two parties and more at once: reading one source, using a number or a slot again, shutting down, many
 * threads that come and go. See test_races.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_races.h"

TestSuite(races, .init = take_inventory, .timeout = 200);

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
    for (int round = 0; round < ROUNDS; round++) {
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
