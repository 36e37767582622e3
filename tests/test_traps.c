/* Sockets that do not behave as one expects: short reads that do not mean "drained". Everywhere: what is
 * there is read without a hang, and nobody spins. Other descriptors, and readers that read by themselves,
 * are in test_traps_others.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_traps.h"

#include <linux/netlink.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

TestSuite(traps, .init = take_inventory, .timeout = 60);

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
