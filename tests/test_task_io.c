/* Tasks that read and write: echoes over sockets of all kinds, a proxy, two tasks on one socket.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_task.h"
#include "test_udp.h"

TestSuite(task_io, .timeout = 120);

/* --- a proxy --------------------------------------------------------------------------------------------------- */

enum { CONNECTIONS = 4 };
#if defined(BIDE_TEST_TSAN) || defined(BIDE_TEST_ASAN)
enum { BYTES = 10000000 / CONNECTIONS };
#else
enum { BYTES = 100000000 / CONNECTIONS };
#endif

/* From one to the other until the end. */
struct pump {
    bide_async *from, *to;
};

static int pump(void *arg)
{
    const struct pump *pumped = arg;
    char buffer[16384];
    bide_ssize count;
    while ((count = bide_read(pumped->from, buffer, sizeof buffer, bide_after(LONG))) > 0)
        cr_assert_ok(bide_write_all(pumped->to, buffer, (size_t)count, bide_after(LONG), NULL));
    cr_assert_ok(bide_async_shutdown(pumped->to, BIDE_WRITE));
    return (int)count;
}

static unsigned char byte_at(size_t place)
{
    return (unsigned char)(place * 31 >> 3);
}

static int send_all(void *arg)
{
    unsigned char buffer[8192];
    for (size_t sent = 0; sent < BYTES;) {
        size_t count = BYTES - sent < sizeof buffer ? BYTES - sent : sizeof buffer;
        for (size_t i = 0; i < count; i++)
            buffer[i] = byte_at(sent + i);
        cr_assert_ok(bide_write_all(arg, buffer, count, bide_after(LONG), NULL));
        sent += count;
    }
    return bide_async_shutdown(arg, BIDE_WRITE);
}

static int receive_all(void *arg)
{
    unsigned char buffer[8192];
    size_t received = 0;
    bide_ssize count;
    while ((count = bide_read(arg, buffer, sizeof buffer, bide_after(LONG))) > 0) {
        bool same = true;
        for (size_t i = 0; i < (size_t)count; i++)
            same &= buffer[i] == byte_at(received + i);
        cr_assert(same, "another byte than was sent, after %zu", received);
        received += (size_t)count;
    }
    cr_assert_eq(count, 0);
    cr_assert_eq(received, BYTES);
    return 0;
}

/* Client, proxy, echo server and back: four tasks a connection. */
static int send_through_a_proxy(void *arg)
{
    bide_async *near[CONNECTIONS][2], *far[CONNECTIONS][2];
    struct pump pumps[CONNECTIONS][3];
    bide_task tasks[CONNECTIONS][5];
    (void)arg;
    for (int i = 0; i < CONNECTIONS; i++) {
        open_channel(i % 2 ? UNIX : TCP, near[i]);
        open_channel(i % 2 ? UNIX : TCP, far[i]);
        pumps[i][0] = (struct pump){near[i][1], far[i][0]};
        pumps[i][1] = (struct pump){far[i][0], near[i][1]};
        pumps[i][2] = (struct pump){far[i][1], far[i][1]};
        for (int k = 0; k < 3; k++)
            cr_assert_ok(bide_spawn(&tasks[i][k], pump, &pumps[i][k], NULL));
        cr_assert_ok(bide_spawn(&tasks[i][3], send_all, near[i][0], NULL));
        cr_assert_ok(bide_spawn(&tasks[i][4], receive_all, near[i][0], NULL));
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        join_all(tasks[i], 5);
        free_both(near[i]);
        free_both(far[i]);
    }
    return 0;
}

Test(task_io, a_hundred_megabytes_go_through_a_proxy_of_tasks_and_come_back)
{
    WITH_WORKERS(send_through_a_proxy, NULL, 0);
}

/* --- echoes ----------------------------------------------------------------------------------------------------- */

static int echo(void *arg)
{
    char buffer[256];
    bide_ssize count;
    while ((count = bide_read(arg, buffer, sizeof buffer, BIDE_NEVER)) > 0)
        cr_assert_gives(bide_write(arg, buffer, (size_t)count, BIDE_NEVER), count);
    cr_assert_eq(count, BIDE_ECANCELED);
    return 0;
}

static int ask(void *arg)
{
    for (int i = 0; i < 300; i++) {
        int answer = -1;
        cr_assert_gives(bide_write(arg, &i, sizeof i, BIDE_NEVER), (bide_ssize)sizeof i);
        cr_assert_gives(bide_read(arg, &answer, sizeof answer, bide_after(LONG)), (bide_ssize)sizeof answer);
        cr_assert_eq(answer, i);
    }
    return 0;
}

static int echo_over_all_kinds(void *arg)
{
    enum { KINDS = 4 };
    bide_async *ends[KINDS][2];
    bide_task servers[KINDS], clients[KINDS];
    (void)arg;
    open_channel(TCP, ends[0]);
    open_channel(UNIX, ends[1]);
    connect_udp(ends[2]);
    connect_unix(ends[3], SOCK_DGRAM);
    for (int i = 0; i < KINDS; i++) {
        cr_assert_ok(bide_spawn(&servers[i], echo, ends[i][0], NULL));
        cr_assert_ok(bide_spawn(&clients[i], ask, ends[i][1], NULL));
    }
    join_all(clients, KINDS);
    for (int i = 0; i < KINDS; i++)
        cr_assert_ok(bide_task_cancel(servers[i]));
    join_all(servers, KINDS);
    for (int i = 0; i < KINDS; i++)
        free_both(ends[i]);
    return 0;
}

Test(task_io, tasks_echo_over_tcp_udp_and_unix_sockets)
{
    WITH_WORKERS(echo_over_all_kinds, NULL, 0);
}

/* --- shared ----------------------------------------------------------------------------------------------------- */

static atomic_int total;

static int count_bytes(void *arg)
{
    char byte;
    bide_ssize count;
    while ((count = bide_read(arg, &byte, 1, BIDE_NEVER)) == 1)
        atomic_fetch_add(&total, 1);
    return (int)count;
}

static int write_bytes(void *arg)
{
    for (int i = 0; i < 500; i++)
        cr_assert_gives(bide_write(arg, "x", 1, BIDE_NEVER), 1);
    return 0;
}

/* Two read each end, and two write it. */
static int share_a_socket(void *arg)
{
    bide_async *ends[2];
    bide_task readers[4], writers[4];
    (void)arg;
    atomic_store(&total, 0);
    open_channel(TCP, ends);
    for (int i = 0; i < 4; i++) {
        cr_assert_ok(bide_spawn(&readers[i], count_bytes, ends[i % 2], NULL));
        cr_assert_ok(bide_spawn(&writers[i], write_bytes, ends[i % 2], NULL));
    }
    join_all(writers, 4);
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_async_shutdown(ends[i], BIDE_WRITE));
    join_all(readers, 4);
    cr_assert_eq(atomic_load(&total), 2000);
    free_both(ends);
    return 0;
}

Test(task_io, several_tasks_read_and_write_one_socket)
{
    WITH_WORKERS(share_a_socket, NULL, 0);
}

/* --- not waiting ----------------------------------------------------------------------------------------------- */

/* The others have their turn now and then, but no call is left untried for that. */
static int never_wait(void *arg)
{
    bide_async *ends[2];
    (void)arg;
    open_channel(UNIX, ends);
    for (int i = 0; i < 1000; i++) {
        char byte;
        cr_assert_gives(bide_write(ends[0], "x", 1, BIDE_NOW), 1);
        cr_assert_gives(bide_read(ends[1], &byte, 1, BIDE_NOW), 1);
    }
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_async_free(ends[i]));
    return 0;
}

Test(task_io, a_call_that_may_not_wait_is_tried_each_time)
{
    cr_assert_ok(bide_run(never_wait, NULL, NULL));
    cr_assert_ok(never_wait(NULL));
}
