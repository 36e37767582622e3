/* Scenarios of Unix sockets, of the reader, of whole buffers and files for test_faults.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "faults.h"

#include <sys/mman.h>

/* A path of this process' own. Its file is removed by the scenario that made it. */
static bide_address own_path(char path[64])
{
    bide_address where;
    (void)snprintf(path, 64, "/tmp/bide-faults-%d", (int)getpid());
    SCENE(if (bide_address_unix(&where, path) != 0) abort());
    return where;
}

static bide_async *scene_unix_listener(bide_address *where)
{
    bide_async *listener;
    SCENE({
        *where = bide_address_unnamed();
        if (bide_unix_listen(&listener, where, 0) != 0 || bide_async_local_address(listener, where) != 0)
            abort();
    });
    return listener;
}

static int run_unix_listen(void)
{
    char path[64];
    bide_address where = own_path(path);
    bide_async *listener = NULL;
    int error = bide_unix_listen(&listener, &where, 0);
    if (error && (listener || access(path, F_OK) == 0)) error = WRONG;
    if (!error) {
        SCENE((void)bide_async_free(listener));
        error = bide_unix_remove_stale(&where);
        if ((error == 0) == (access(path, F_OK) == 0)) error = WRONG;
    }
    end_of_faults();
    (void)unlink(path);
    return error;
}

static int run_unix_connect(void)
{
    bide_address where;
    bide_credentials peer;
    bide_async *listener = scene_unix_listener(&where), *conn = NULL;
    int error = bide_unix_connect(&conn, &where, bide_after(PATIENCE));
    if (error && conn) error = WRONG;
    if (!error) error = bide_unix_peer_credentials(conn, &peer);
    end_of_faults();
    (void)bide_async_free(conn);
    (void)bide_async_free(listener);
    return error;
}

static int run_unix_connecting(void)
{
    bide_address where;
    bide_async *listener = scene_unix_listener(&where);
    bide_connecting connecting;
    bide_unix_connecting_init(&connecting, &where);
    int error = bide_await(&connecting.future, bide_after(PATIENCE));
    if (!error) error = connecting.result;
    end_of_faults();
    (void)bide_async_free(connecting.conn);
    (void)bide_async_free(listener);
    return error;
}

static int run_unix_pair(void)
{
    bide_async *ends[2];
    int error = bide_unix_pair(&ends[0], &ends[1]);
    if (error && (ends[0] || ends[1])) error = WRONG;
    if (!error) error = expect_count(bide_write(ends[0], "x", 1, bide_after(PATIENCE)), 1);
    end_of_faults();
    (void)bide_async_free(ends[0]);
    (void)bide_async_free(ends[1]);
    return error;
}

static int run_unix_datagrams(void)
{
    bide_async *all[4] = {NULL, NULL, NULL, NULL};
    bide_address where = bide_address_unnamed();
    char byte;
    int error = bide_unix_datagram_bind(&all[0], &where);
    if (!error) error = bide_unix_datagram_unbound(&all[1]);
    if (!error) error = bide_async_local_address(all[0], &where);
    if (!error) error = bide_unix_datagram_connect(all[1], &where);
    if (!error) error = expect_count(bide_write(all[1], "x", 1, bide_after(PATIENCE)), 1);
    if (!error) error = expect_count(bide_read(all[0], &byte, 1, bide_after(PATIENCE)), 1);
    if (!error) error = bide_unix_datagram_pair(&all[2], &all[3]);
    end_of_faults();
    for (int i = 0; i < 4; i++)
        (void)bide_async_free(all[i]);
    return error;
}

static int run_reader(void)
{
    int peer;
    char buffer[16], more[16];
    bide_async *async = scene_handle(UNIX, &peer);
    bide_reader reader;
    bide_reader_init(&reader, async, buffer, sizeof buffer);
    bide_instant deadline = bide_after(PATIENCE);
    scene_put(peer, "ab\nc");
    int error = expect_count(bide_read_until(&reader, "\n", 1, NULL, NULL, deadline), 3);
    if (!error) error = expect_count(bide_reader_read(&reader, more, sizeof more, deadline), 1);
    scene_put(peer, "defgh");
    size_t done = 0;
    if (!error) error = bide_reader_exact(&reader, more, 3, deadline, &done);
    if (!error && done != 3) error = WRONG;
    if (!error) error = bide_reader_consume(&reader, 2);
    scene_put(peer, "ij");
    if (!error) error = expect_count(bide_reader_fill(&reader, deadline), 2);
    size_t length;
    if (!error && (!bide_reader_peek(&reader, &length) || length != 2)) error = WRONG;
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int finished(int error, const bide_reading *reading, bide_ssize expected)
{
    return error ? error : expect_count(reading->result, expected);
}

static int run_readings(void)
{
    int peer;
    char buffer[16], more[16];
    bide_async *async = scene_handle(TCP, &peer);
    bide_reader reader;
    bide_reading reading;
    bide_reader_init(&reader, async, buffer, sizeof buffer);
    bide_instant deadline = bide_after(PATIENCE);
    scene_put(peer, "a\nbcde");
    bide_reading_until(&reading, &reader, "\n", 1);
    int error = finished(bide_await(&reading.future, deadline), &reading, 2);
    bide_reading_read(&reading, &reader, more, 1);
    if (!error) error = finished(bide_await(&reading.future, deadline), &reading, 1);
    bide_reading_exact(&reading, &reader, more, 3);
    if (!error) error = finished(bide_await(&reading.future, deadline), &reading, 0);
    scene_put(peer, "f");
    bide_reading_fill(&reading, &reader);
    if (!error) error = finished(bide_await(&reading.future, deadline), &reading, 1);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_bulk(void)
{
    int peer;
    char bytes[4];
    bide_async *async = scene_handle(PIPE, &peer), *other;
    SCENE(if (bide_async_new(&other, peer) != 0) abort());
    bide_bulk writing, reading;
    bide_bulk_write(&writing, other, "abcd", 4);
    bide_bulk_read(&reading, async, bytes, 4);
    int error = bide_await(&writing.future, bide_after(PATIENCE));
    if (!error) error = writing.result;
    if (!error) error = bide_await(&reading.future, bide_after(PATIENCE));
    if (!error) error = reading.result;
    if (!error && (writing.done != 4 || reading.done != 4)) error = WRONG;
    end_of_faults();
    (void)bide_async_free(async);
    (void)bide_async_free(other);
    return error;
}

static int run_sendfile(void)
{
    int peer, file;
    uint64_t done = 0;
    bide_async *async = scene_handle(UNIX, &peer);
    SCENE({
        file = memfd_create("file", MFD_CLOEXEC);
        if (file < 0 || write(file, "0123456789", 10) != 10) abort();
    });
    bide_sending_file sending;
    int error = bide_sendfile(async, file, 2, 5, bide_after(PATIENCE), &done);
    if (!error && done != 5) error = WRONG;
    bide_sending_file_init(&sending, async, file, 0, BIDE_TO_THE_END);
    if (!error) error = bide_await(&sending.future, bide_after(PATIENCE));
    if (!error) error = sending.result;
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    (void)close(file);
    return error;
}

const struct scenario scenarios_of_unix[] = {
    {"listen at a path, and remove its file", "unix_listen unix_remove_stale", run_unix_listen},
    {"connect over a Unix socket", "unix_connect unix_peer_credentials", run_unix_connect},
    {"a connect over a Unix socket as a future", "unix_connecting_init", run_unix_connecting},
    {"a pair", "unix_pair", run_unix_pair},
    {"Unix datagrams", "unix_datagram_bind unix_datagram_unbound unix_datagram_connect unix_datagram_pair",
     run_unix_datagrams},
    {"a reader", "reader_init read_until reader_read reader_exact reader_consume reader_fill reader_peek",
     run_reader},
    {"a reader's futures", "reading_until reading_read reading_exact reading_fill", run_readings},
    {"whole buffers", "bulk_read bulk_write", run_bulk},
    {"sending a file", "sendfile sending_file_init", run_sendfile},
    {NULL, NULL, NULL},
};
