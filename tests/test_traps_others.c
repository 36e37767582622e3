/* Terminals, inotify and their like, readers that read by themselves, edges that come at the wrong moment.
 * Everywhere: what is there is read without a hang, and nobody spins.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_traps.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <termios.h>

TestSuite(traps, .init = take_inventory, .timeout = 60);

/* --- other descriptors ---------------------------------------------------------------------------------- */

Test(traps, a_terminal_gives_line_by_line)
{
    for (enum moment moment = 0; moment < MOMENTS; moment++) {
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (master < 0) BIDE_SKIP("no pseudo-terminals here: %s", strerror(errno));
        cr_assert_done(grantpt(master));
        cr_assert_done(unlockpt(master));
        int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
        cr_assert_done(slave);
        struct termios mode;
        cr_assert_done(tcgetattr(slave, &mode));
        mode.c_lflag |= ICANON;
        mode.c_lflag &= ~(tcflag_t)ECHO;
        cr_assert_done(tcsetattr(slave, TCSANOW, &mode));
        bide_async *terminal;
        cr_assert_ok(bide_async_new(&terminal, slave));
        for (int round = 0; round < 3; round++) {
            drain_memory(terminal);
            put(master, "one\n", 4);
            if (moment == HARVESTED_BEFORE) {
                /* The terminal's driver hands input on in its own time. */
                cr_assert_ok(bide_wait_readable(terminal, bide_after(LONG)));
                harvest();
            }
            put(master, "two\nthree\n", 10);
            if (moment == HARVESTED_AFTER) {
                cr_assert_ok(bide_wait_readable(terminal, bide_after(LONG)));
                harvest();
            }
            expect_read(terminal, "one\n");
            expect_read(terminal, "two\n");
            expect_read(terminal, "three\n");
        }
        cr_assert_gives(bide_write(terminal, "out", 3, bide_after(LONG)), 3);
        char buffer[8] = "";
        cr_assert_eq(read(master, buffer, 8), 3);
        cr_assert_ok(bide_async_free(terminal));
        (void)close(master);
    }
    expect_nothing_left(before);
}

Test(traps, inotify_gives_as_many_events_as_fit)
{
    char folder[] = "/tmp/bide-traps-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    for (enum moment moment = 0; moment < MOMENTS; moment++) {
        int fd = inotify_init1(IN_CLOEXEC);
        cr_assert_done(fd);
        cr_assert_done(inotify_add_watch(fd, folder, IN_CREATE));
        bide_async *watch;
        cr_assert_ok(bide_async_new(&watch, fd));
        drain_memory(watch);
        for (int i = 0; i < 3; i++) {
            char name[64];
            (void)snprintf(name, sizeof name, "%s/%d", folder, i);
            int file = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
            cr_assert_done(file);
            (void)close(file);
            if (moment == HARVESTED_BEFORE && i == 0) harvest();
            (void)unlink(name);
        }
        if (moment == HARVESTED_AFTER) harvest();
        for (int i = 0; i < 3; i++) {
            /* Room for one event, and for half of the next: the read is short, and there is more. */
            union {
                struct inotify_event event;
                char bytes[48];
            } buffer;
            cr_assert_gives(bide_read(watch, &buffer, sizeof buffer, bide_after(LONG)), 32);
            cr_assert_eq(buffer.event.name[0], '0' + i);
        }
        cr_assert_ok(bide_async_free(watch));
    }
    (void)rmdir(folder);
    expect_nothing_left(before);
}

Test(traps, a_semaphore_eventfd_gives_one_at_a_time)
{
    bide_async *async;
    cr_assert_ok(bide_async_new(&async, eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE)));
    drain_memory(async);
    uint64_t three = 3, buffer[4];
    cr_assert_gives(bide_write(async, &three, sizeof three, BIDE_NEVER), sizeof three);
    harvest();
    for (int i = 0; i < 3; i++)
        cr_assert_gives(bide_read(async, buffer, sizeof buffer, bide_after(LONG)), 8);
    cr_assert_gives(bide_read(async, buffer, sizeof buffer, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_ok(bide_async_free(async));
    expect_nothing_left(before);
}

Test(traps, a_pipe_of_packets_gives_one_packet_at_a_time)
{
    for (enum moment moment = 0; moment < MOMENTS; moment++) {
        int ends[2];
        cr_assert_done(pipe2(ends, O_CLOEXEC | O_DIRECT));
        bide_async *reader;
        cr_assert_ok(bide_async_new(&reader, ends[0]));
        drain_memory(reader);
        put(ends[1], "one", 3);
        if (moment == HARVESTED_BEFORE) harvest();
        put(ends[1], "two", 3);
        if (moment == HARVESTED_AFTER) harvest();
        expect_read(reader, "one");
        expect_read(reader, "two");
        cr_assert_ok(bide_async_free(reader));
        (void)close(ends[1]);
    }
    expect_nothing_left(before);
}

Test(traps, another_loops_epoll_descriptor_can_be_waited_for)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int ends[2];
    make_pipe(ends);
    cr_assert_done(fcntl(ends[0], F_SETFL, O_NONBLOCK));
    struct epoll_event event = {.events = EPOLLIN};
    cr_assert_done(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
    bide_async *async;
    cr_assert_ok(bide_async_borrow(&async, epoll));
    for (int i = 0; i < 5; i++) {
        struct call call = {.function = call_wait_readable, .async = async, .deadline = bide_after(LONG)};
        cr_assert_gives(bide_wait_readable(async, BIDE_NOW), BIDE_EAGAIN);
        call_start(&call);
        await_waiters(async, BIDE_READ, 1);
        put(ends[1], "x", 1);
        cr_assert_ok(call_join(&call));
        cr_assert_eq(epoll_wait(epoll, &event, 1, 0), 1);
        cr_assert_ok(bide_wait_readable(async, BIDE_NEVER));
        cr_assert_eq(take_all(ends[0]), 1);
    }
    cr_assert_ok(bide_async_free(async));
    (void)close(epoll);
    close_all(ends, 2);
    expect_nothing_left(before);
}

/* --- readers that read by themselves -------------------------------------------------------------------- */

struct peer {
    int fd;
    int rounds;
};

/* Answers each byte with three. */
static bide_ssize answer(struct call *call)
{
    struct peer *peer = call->buffer;
    for (int i = 0; i < peer->rounds; i++) {
        char byte;
        if (read(peer->fd, &byte, 1) != 1) return -1;
        if (write(peer->fd, "abc", 3) != 3) return -1;
    }
    return 0;
}

Test(traps, a_reader_that_drains_the_socket_itself_neither_spins_nor_sticks)
{
    enum { ROUNDS = 300 };
    /* Reads all until EAGAIN; reads all with one call; reads byte by byte. */
    for (int habit = 0; habit < 3; habit++) {
        int fds[2];
        make_tcp_pair(fds);
        cr_assert_done(fcntl(fds[0], F_SETFL, O_NONBLOCK));
        bide_async *async;
        cr_assert_ok(bide_async_borrow(&async, fds[0]));
        struct peer peer = {fds[1], ROUNDS};
        struct call call = {.function = answer, .buffer = &peer};
        call_start(&call);
        uint64_t turns = stats_now().turns;
        int waits = 0;
        for (int round = 0; round < ROUNDS; round++) {
            put(fds[0], "?", 1);
            size_t got = 0;
            while (got < 3) {
                cr_assert_ok(bide_wait_readable(async, bide_after(LONG)));
                waits++;
                char buffer[16];
                ssize_t count;
                if (habit == 0) {
                    while ((count = recv(fds[0], buffer, sizeof buffer, 0)) > 0)
                        got += (size_t)count;
                    cr_assert_eq(errno, EAGAIN);
                } else {
                    count = recv(fds[0], buffer, habit == 1 ? sizeof buffer : 1, 0);
                    cr_assert_gt(count, 0, "readable, but recv gave %zd: %s", count, strerror(errno));
                    got += (size_t)count;
                }
            }
        }
        cr_assert_ok(call_join(&call));
        turns = stats_now().turns - turns;
        /* One turn brings one wake, apart from what wakes for writability cost: a handful for each round. */
        cr_assert_leq(turns, 3 * ROUNDS + 10, "habit %d: %llu turns for %d waits", habit,
                      (unsigned long long)turns, waits);
        cr_assert_leq(waits, 3 * ROUNDS, "%d waits", waits);
        cr_assert_gives(bide_wait_readable(async, bide_after(SHORT)), BIDE_ETIMEDOUT);
        cr_assert_ok(bide_async_free(async));
        close_all(fds, 2);
    }
    expect_nothing_left(before);
}

Test(traps, a_descriptor_that_its_owner_closed_under_a_borrowed_handle_is_reported)
{
    int ends[2];
    make_pipe(ends);
    bide_async *async;
    cr_assert_ok(bide_async_borrow(&async, ends[0]));
    cr_assert_gives(bide_wait_readable(async, BIDE_NOW), BIDE_EAGAIN);
    (void)close(ends[0]);
    cr_assert_gives(bide_wait_readable(async, BIDE_NOW), BIDE_EBADF);
    char byte;
    cr_assert_gives(bide_read(async, &byte, 1, BIDE_NOW), BIDE_EBADF);
    cr_assert_ok(bide_async_free(async));
    (void)close(ends[1]);
    expect_nothing_left(before);
}

/* --- edges at the wrong moment -------------------------------------------------------------------------- */

struct interruption {
    int writer;
    int calls;
};

/* Finds nothing; then a byte comes, and its event, before the answer is taken into account. */
static bide_ssize read_and_be_interrupted(void *arg, bide_fd fd)
{
    struct interruption *interruption = arg;
    char byte;
    ssize_t count = recv(fd, &byte, 1, 0);
    int error = bide_last_error();
    if (++interruption->calls == 1) {
        put(interruption->writer, "x", 1);
        harvest();
    }
    return count < 0 ? error : count;
}

Test(traps, an_event_that_comes_during_a_call_that_found_nothing_is_not_forgotten)
{
    for (enum channel kind = TCP; kind <= UNIX; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        for (int i = 0; i < 10; i++) {
            struct interruption interruption = {bide_async_fd(ends[1]), 0};
            cr_assert_gives(bide_read_with(ends[0], read_and_be_interrupted, &interruption, bide_after(LONG)),
                            1);
            if (interruption.calls < 2) break;
            cr_assert_leq(interruption.calls, 3, "%d calls", interruption.calls);
        }
        free_both(ends);
    }
    expect_nothing_left(before);
}

/* A short read on TCP clears the memory; an event that came during the call must survive that. */
Test(traps, an_event_that_comes_between_a_short_read_and_its_end_is_not_forgotten)
{
    bide_async *ends[2];
    open_channel(TCP, ends);
    uint32_t word = bide_source_readiness(ends[0], BIDE_READ);
    put(bide_async_fd(ends[1]), "x", 1);
    AWAIT(bide_wait_readable(ends[0], BIDE_NOW) == 0);
    if (has_edges()) {
        /* What a read that began before the event would do at its end. */
        cr_assert_ok(bide_source_pin(ends[0], bide_source_generation(ends[0])));
        harvest();
        cr_assert_neq(bide_source_readiness(ends[0], BIDE_READ), word);
        bide_source_drained(ends[0], BIDE_READ, word);
        bide_source_unpin(ends[0]);
        cr_assert(bide_source_readiness(ends[0], BIDE_READ) & BIDE_SOURCE_READY);
    }
    expect_read(ends[0], "x");
    free_both(ends);
    expect_nothing_left(before);
}

Test(traps, an_event_of_an_earlier_registration_is_not_taken_for_one_of_the_next_owner)
{
    /* A driver may have the event of a handle in its hands while that is freed and its slot is used again. */
    enum { PAIRS = 40 };
    bide_async *pairs[PAIRS][2], *ends[2];
    for (int i = 0; i < PAIRS; i++)
        open_channel(UNIX, pairs[i]);
    open_channel(UNIX, ends);
    bide_async *slot = ends[0];
    uint64_t key = (uint64_t)bide_source_generation(slot) << 32 | slot->index;
    free_both(ends);
    for (int i = 0; i < PAIRS; i++)
        free_both(pairs[i]);
    bool reused = false;
    for (int i = 0; i < PAIRS; i++) {
        open_channel(UNIX, pairs[i]);
        reused |= pairs[i][0] == slot || pairs[i][1] == slot;
    }
    cr_assert(reused, "the slot was not used again");
    drain_memory(slot);
    struct counter counter = {0};
    cr_assert_gives(bide_async_poll_readable(slot, counting(&counter)), BIDE_PENDING);
    uint32_t word = bide_source_readiness(slot, BIDE_READ);
    bide_poll_event late = {.key = key, .ready = BIDE_POLL_READ | BIDE_POLL_HUP};
    bide_source_event(bide_reactor_current(), &late);
    cr_assert_eq(bide_source_readiness(slot, BIDE_READ), word);
    cr_assert_eq(counter.wakes, 0);
    late.key = (uint64_t)bide_source_generation(slot) << 32 | slot->index;
    bide_source_event(bide_reactor_current(), &late);
    cr_assert_eq(counter.wakes, 1, "the key is not made as it was here");
    for (int i = 0; i < PAIRS; i++)
        free_both(pairs[i]);
    expect_nothing_left(before);
}

Test(traps, a_wake_is_remembered_across_reads_that_leave_something)
{
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        bide_async *ends[2];
        open_channel(kind, ends);
        drain_memory(ends[0]);
        put(bide_async_fd(ends[1]), "abcdef", 6);
        char buffer[4] = "";
        cr_assert_gives(bide_read(ends[0], buffer, 2, bide_after(LONG)), 2);
        harvest();
        uint64_t turns = stats_now().turns;
        cr_assert_gives(bide_read(ends[0], buffer, 2, bide_after(LONG)), 2);
        cr_assert_gives(bide_read(ends[0], buffer, 2, bide_after(LONG)), 2);
        cr_assert_eq(memcmp(buffer, "ef", 2), 0);
        cr_assert_eq(stats_now().turns, turns);
        free_both(ends);
    }
    expect_nothing_left(before);
}
