/* Descriptors that do not behave as one expects: short reads that do not mean "drained", readers that read
 * by themselves, edges that come at the wrong moment. Everywhere: what is there is read without a hang, and
 * nobody spins.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_async.h"

#include <linux/netlink.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

static struct inventory before;

static void take_inventory(void)
{
    before = inventory_now();
}

TestSuite(traps, .init = take_inventory, .timeout = 60);

static bool has_edges(void)
{
    return strcmp(bide_reactor_backend(bide_reactor_current()), "epoll") == 0;
}

/* Lets all events in that the kernel has, as another thread's turns may do at any time. */
static void harvest(void)
{
    while (bide_reactor_run_once(bide_reactor_current(), BIDE_NOW) > 0)
        continue;
}

/* The next read gives exactly this. */
static void expect_read(bide_async *async, const char *expected)
{
    char buffer[256] = "";
    bide_ssize count = bide_read(async, buffer, sizeof buffer - 1, bide_after(LONG));
    cr_assert_eq(count, (bide_ssize)strlen(expected), "read gave %td (%s, '%s') instead of '%s'", count,
                 bide_error_name(count), buffer, expected);
    cr_assert_str_eq(buffer, expected, "'%s' instead of '%s'", buffer, expected);
}

/* When events are let in: a short read means different things with and without knowledge of them. */
enum moment { NEVER_HARVESTED, HARVESTED_BEFORE, HARVESTED_AFTER, MOMENTS };

/* --- TCP ------------------------------------------------------------------------------------------------ */

Test(traps, a_read_that_stops_at_the_urgent_mark_does_not_hide_what_is_behind_it)
{
    for (enum moment moment = 0; moment < MOMENTS; moment++)
        for (int in_line = 0; in_line < 2; in_line++) {
            bide_async *ends[2];
            open_channel(TCP, ends);
            int reader = bide_async_fd(ends[0]), writer = bide_async_fd(ends[1]);
            cr_assert_done(setsockopt(reader, SOL_SOCKET, SO_OOBINLINE, &in_line, sizeof in_line));
            for (int round = 0; round < 10; round++) {
                if (moment == HARVESTED_BEFORE) {
                    drain_memory(ends[0]);
                    harvest();
                }
                put(writer, "abc", 3);
                if (moment == HARVESTED_BEFORE) harvest();
                cr_assert_eq(send(writer, "!", 1, MSG_OOB), 1);
                put(writer, "def", 3);
                if (moment == HARVESTED_AFTER) harvest();
                expect_read(ends[0], "abc");
                /* Taken or passed over. */
                char urgent;
                if (!in_line && round % 2)
                    cr_assert_eq(recv(reader, &urgent, 1, MSG_OOB), 1, "%s", strerror(errno));
                expect_read(ends[0], in_line ? "!def" : "def");
            }
            free_both(ends);
        }
    expect_nothing_left(before);
}

Test(traps, urgent_data_that_comes_while_a_read_waits_does_not_stop_it)
{
    bide_async *ends[2];
    open_channel(TCP, ends);
    int writer = bide_async_fd(ends[1]);
    for (int round = 0; round < 10; round++) {
        char buffer[8] = "";
        struct call call = {.function = call_read,
                            .async = ends[0],
                            .buffer = buffer,
                            .length = 8,
                            .deadline = bide_after(LONG)};
        call_start(&call);
        await_waiters(ends[0], BIDE_READ, 1);
        /* There is nothing to read but the urgent byte, which is no part of the stream. */
        cr_assert_eq(send(writer, "!", 1, MSG_OOB), 1);
        put(writer, "def", 3);
        cr_assert_gives(call_join(&call), 3);
        cr_assert_eq(memcmp(buffer, "def", 3), 0);
    }
    free_both(ends);
    expect_nothing_left(before);
}

Test(traps, the_end_behind_a_short_read_is_seen)
{
    for (enum moment moment = 0; moment < MOMENTS; moment++)
        for (int reset = 0; reset < 2; reset++) {
            bide_async *ends[2];
            open_channel(TCP, ends);
            drain_memory(ends[0]);
            int writer = bide_async_fd(ends[1]);
            put(writer, "last", 4);
            if (moment == HARVESTED_BEFORE) harvest();
            if (!reset) cr_assert_done(shutdown(writer, SHUT_WR));
            if (moment == HARVESTED_AFTER) harvest();
            expect_read(ends[0], "last");
            if (reset) {
                struct linger no_linger = {1, 0};
                cr_assert_done(setsockopt(writer, SOL_SOCKET, SO_LINGER, &no_linger, sizeof no_linger));
                cr_assert_ok(bide_async_free(ends[1]));
            }
            char byte;
            cr_assert_gives(bide_read(ends[0], &byte, 1, bide_after(LONG)), reset ? BIDE_ECONNRESET : 0);
            if (!reset) cr_assert_ok(bide_async_free(ends[1]));
            cr_assert_ok(bide_async_free(ends[0]));
        }
    expect_nothing_left(before);
}

Test(traps, a_short_read_below_the_low_water_mark_waits_for_that_mark)
{
    bide_async *ends[2];
    open_channel(TCP, ends);
    int mark = 4;
    cr_assert_done(setsockopt(bide_async_fd(ends[0]), SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark));
    put(bide_async_fd(ends[1]), "ab", 2);
    expect_read(ends[0], "ab");
    char buffer[8] = "";
    struct call call = {
        .function = call_read, .async = ends[0], .buffer = buffer, .length = 8, .deadline = bide_after(LONG)};
    call_start(&call);
    await_waiters(ends[0], BIDE_READ, 1);
    put(bide_async_fd(ends[1]), "cd", 2);
    put(bide_async_fd(ends[1]), "efgh", 4);
    cr_assert_geq(call_join(&call), 4);
    free_both(ends);
    expect_nothing_left(before);
}

Test(traps, reads_of_one_byte_leave_nothing_behind)
{
    bide_async *ends[2];
    open_channel(TCP, ends);
    for (int round = 0; round < 50; round++) {
        put(bide_async_fd(ends[1]), "abcdefg", 7);
        for (int i = 0; i < 7; i++) {
            char byte = 0;
            cr_assert_gives(bide_read(ends[0], &byte, 1, bide_after(LONG)), 1);
            cr_assert_eq(byte, 'a' + i);
        }
    }
    free_both(ends);
    expect_nothing_left(before);
}

/* A raw socket has the protocol TCP too, but gives packets. */
Test(traps, a_raw_socket_of_the_protocol_tcp_is_no_stream)
{
    int fds[2];
    struct sockaddr_in address[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
        if (fds[i] < 0) BIDE_SKIP("raw sockets are not permitted here: %s", strerror(errno));
        /* Addresses that nobody else uses: a raw socket sees all packets to its own. */
        address[i] =
            (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_addr = {htonl(0x7f000000u | (((uint32_t)getpid() & 0x7fffffu) << 1) |
                                                    (unsigned)i)}};
        cr_assert_done(bind(fds[i], (struct sockaddr *)&address[i], sizeof address[i]));
    }
    cr_assert_done(connect(fds[0], (struct sockaddr *)&address[1], sizeof address[1]));
    cr_assert_done(connect(fds[1], (struct sockaddr *)&address[0], sizeof address[0]));
    bide_async *async;
    cr_assert_ok(bide_async_new(&async, fds[0]));
    drain_memory(async);
    /* No valid TCP, so that the system does not answer. */
    for (int i = 0; i < 3; i++)
        put(fds[1], "nonsense", 8);
    harvest();
    for (int i = 0; i < 3; i++) {
        char packet[256];
        bide_ssize count = bide_read(async, packet, sizeof packet, bide_after(LONG));
        cr_assert_eq(count, 28, "packet %d: %td (%s)", i, count, bide_error_name(count));
    }
    cr_assert_ok(bide_async_free(async));
    (void)close(fds[1]);
    expect_nothing_left(before);
}

/* NETLINK_XFRM has the number of TCP. */
Test(traps, a_netlink_socket_whose_protocol_has_the_number_of_tcp_is_no_stream)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
    if (fd < 0) BIDE_SKIP("no such netlink family here: %s", strerror(errno));
    struct sockaddr_nl self = {.nl_family = AF_NETLINK};
    cr_assert_done(bind(fd, (struct sockaddr *)&self, sizeof self));
    bide_async *async;
    cr_assert_ok(bide_async_new(&async, fd));
    drain_memory(async);
    /* Each empty message that asks for it is acknowledged with a message of its own. */
    struct nlmsghdr ask = {.nlmsg_len = sizeof ask,
                           .nlmsg_type = NLMSG_NOOP,
                           .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK};
    for (int i = 0; i < 3; i++)
        cr_assert_eq(send(fd, &ask, sizeof ask, 0), (ssize_t)sizeof ask, "%s", strerror(errno));
    harvest();
    for (int i = 0; i < 3; i++) {
        char answer[256];
        cr_assert_gt(bide_read(async, answer, sizeof answer, bide_after(LONG)), 0);
    }
    cr_assert_ok(bide_async_free(async));
    expect_nothing_left(before);
}

/* --- Unix sockets --------------------------------------------------------------------------------------- */

static void send_with_descriptor(int fd, const char *text, int passed)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    memset(&control, 0, sizeof control);
    struct iovec piece = {(char *)(uintptr_t)text, strlen(text)};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof passed);
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
    cr_assert_eq(sendmsg(fd, &message, 0), (ssize_t)strlen(text), "%s", strerror(errno));
}

struct receipt {
    char text[64];
    int passed;
};

/* Takes bytes and a descriptor; the kernel stops after those that came together. */
static bide_ssize receive_descriptor(void *arg, bide_fd fd)
{
    struct receipt *receipt = arg;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    memset(receipt->text, 0, sizeof receipt->text);
    receipt->passed = -1;
    struct iovec piece = {receipt->text, sizeof receipt->text - 1};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (count < 0) return bide_last_error();
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS)
        memcpy(&receipt->passed, CMSG_DATA(header), sizeof receipt->passed);
    return count;
}

Test(traps, descriptors_that_are_passed_over_a_unix_stream_all_arrive)
{
    static const char *const texts[] = {"one", "two", "three"};
    for (enum moment moment = 0; moment < MOMENTS; moment++) {
        bide_async *ends[2];
        open_channel(UNIX, ends);
        drain_memory(ends[0]);
        for (int i = 0; i < 3; i++) {
            send_with_descriptor(bide_async_fd(ends[1]), texts[i], 2);
            if (moment == HARVESTED_BEFORE && i == 0) harvest();
        }
        if (moment == HARVESTED_AFTER) harvest();
        for (int i = 0; i < 3; i++) {
            struct receipt receipt;
            bide_ssize count = bide_read_with(ends[0], receive_descriptor, &receipt, bide_after(LONG));
            cr_assert_eq(count, (bide_ssize)strlen(texts[i]), "message %d: %td (%s)", i, count,
                         bide_error_name(count));
            cr_assert_str_eq(receipt.text, texts[i]);
            cr_assert(is_open(receipt.passed));
            (void)close(receipt.passed);
        }
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(traps, plain_reads_that_stop_between_messages_with_descriptors_do_not_hang)
{
    for (enum moment moment = 0; moment < MOMENTS; moment++) {
        bide_async *ends[2];
        open_channel(UNIX, ends);
        drain_memory(ends[0]);
        send_with_descriptor(bide_async_fd(ends[1]), "one", 2);
        if (moment == HARVESTED_BEFORE) harvest();
        send_with_descriptor(bide_async_fd(ends[1]), "two", 2);
        put(bide_async_fd(ends[1]), "three", 5);
        if (moment == HARVESTED_AFTER) harvest();
        char text[16] = "";
        cr_assert_ok(bide_read_exact(ends[0], text, 11, bide_after(LONG), NULL));
        cr_assert_str_eq(text, "onetwothree");
        free_both(ends);
    }
    expect_nothing_left(before);
}

Test(traps, each_datagram_is_read_by_itself)
{
    const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    for (int type = 0; type < 2; type++)
        for (enum moment moment = 0; moment < MOMENTS; moment++) {
            int fds[2];
            make_socketpair(fds, types[type]);
            bide_async *ends[2];
            for (int i = 0; i < 2; i++)
                cr_assert_ok(bide_async_new(&ends[i], fds[i]));
            drain_memory(ends[0]);
            cr_assert_gives(bide_write(ends[1], "one", 3, BIDE_NEVER), 3);
            if (moment == HARVESTED_BEFORE) harvest();
            cr_assert_gives(bide_write(ends[1], "two", 3, BIDE_NEVER), 3);
            bide_buffer pieces[] = {{(char *)(uintptr_t) "thr", 3}, {(char *)(uintptr_t) "ee", 2}};
            cr_assert_gives(bide_writev(ends[1], pieces, 2, BIDE_NEVER), 5);
            if (moment == HARVESTED_AFTER) harvest();
            expect_read(ends[0], "one");
            expect_read(ends[0], "two");
            char peeked[2] = "";
            cr_assert_gives(bide_peek(ends[0], peeked, 1, bide_after(LONG)), 1);
            expect_read(ends[0], "three");
            cr_assert_gives(bide_read(ends[0], peeked, 1, bide_after(SHORT)), BIDE_ETIMEDOUT);
            free_both(ends);
        }
    expect_nothing_left(before);
}

Test(traps, a_full_datagram_socket_is_writable_again_when_the_peer_has_read)
{
    int fds[2];
    make_socketpair(fds, SOCK_DGRAM);
    bide_async *ends[2];
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_async_new(&ends[i], fds[i]));
    for (int round = 0; round < 5; round++) {
        static char message[1000];
        bide_ssize count;
        while ((count = bide_write(ends[1], message, sizeof message, BIDE_NOW)) > 0)
            continue;
        cr_assert_gives(count, BIDE_EAGAIN);
        struct call writer = {.function = call_write,
                              .async = ends[1],
                              .buffer = message,
                              .length = sizeof message,
                              .deadline = bide_after(LONG)};
        call_start(&writer);
        await_waiters(ends[1], BIDE_WRITE, 1);
        (void)take_all(fds[0]);
        cr_assert_gives(call_join(&writer), sizeof message);
        (void)take_all(fds[0]);
    }
    free_both(ends);
    expect_nothing_left(before);
}

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
        harvest();
        cr_assert_neq(bide_source_readiness(ends[0], BIDE_READ), word);
        /* What a read that began before the event would do at its end. */
        bide_source_drained(ends[0], BIDE_READ, word);
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
