/* Streams: long transfers, both ways at once, by TCP and over Unix sockets.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_tcp.h"

TestSuite(tcp, .init = take_inventory, .timeout = 60);
TestSuite(unix_sockets, .init = take_inventory, .timeout = 60);

#define TRANSFER ((size_t)16 << 20)
#define CHUNK 65536
#define PERIOD 65521 /* a prime, so that no chunk looks like the one before */

/* What is sent: byte i is table[i % PERIOD]; long enough that a chunk can begin anywhere in the period. */
static unsigned char table[PERIOD + CHUNK];

static void make_table(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof table; i++) {
        x = x * 1664525 + 1013904223; /* D. Knuth, TAOCP 3.3.4 */
        table[i] = i < PERIOD ? (unsigned char)(x >> 24) : table[i - PERIOD];
    }
}

/* One direction of one end. */
struct stream {
    bide_async *async;
    size_t done;
    bool writes;
    bool wrong;
    bide_io io;
    bide_set_member member;
    unsigned char buffer[CHUNK];
};

static size_t chunk_of(const struct stream *stream)
{
    size_t rest = TRANSFER - stream->done;
    return rest < CHUNK ? rest : CHUNK;
}

/* Takes the result of a read or a write into account. */
static bool advance(struct stream *stream, bide_ssize count)
{
    if (count <= 0) return false;
    if (!stream->writes && memcmp(stream->buffer, &table[stream->done % PERIOD], (size_t)count) != 0)
        stream->wrong = true;
    stream->done += (size_t)count;
    return true;
}

static bide_ssize run_stream(struct call *call)
{
    struct stream *stream = call->buffer;
    while (stream->done < TRANSFER) {
        size_t length = chunk_of(stream);
        bide_ssize count =
            stream->writes ? bide_write(stream->async, &table[stream->done % PERIOD], length, call->deadline)
                           : bide_read(stream->async, stream->buffer, length, call->deadline);
        if (!advance(stream, count)) return count;
    }
    return 0;
}

static void prepare(struct stream *stream)
{
    if (stream->writes)
        bide_io_write(&stream->io, stream->async, &table[stream->done % PERIOD], chunk_of(stream));
    else
        bide_io_read(&stream->io, stream->async, stream->buffer, chunk_of(stream));
}

static struct stream streams[4];

static void connect_both_over_unix(bide_async *ends[2])
{
    bide_address where = bide_address_unnamed();
    bide_async *listener;
    cr_assert_ok(bide_unix_listen(&listener, &where, 0));
    cr_assert_ok(bide_async_local_address(listener, &where));
    cr_assert_ok(bide_unix_connect(&ends[0], &where, bide_after(LONG)));
    cr_assert_ok(bide_accept(listener, &ends[1], NULL, bide_after(LONG)));
    cr_assert_ok(bide_async_free(listener));
}

static void open_streams(bide_async *ends[2], void (*open_ends)(bide_async *ends[2]))
{
    make_table();
    open_ends(ends);
    for (int i = 0; i < 4; i++) {
        streams[i].async = ends[i / 2];
        streams[i].writes = i % 2 == 0;
    }
}

static void expect_streams_done(bide_async *ends[2])
{
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(streams[i].done, TRANSFER, "stream %d: %zu bytes", i, streams[i].done);
        cr_assert_not(streams[i].wrong, "stream %d received other bytes than were sent", i);
    }
    free_both(ends);
    expect_nothing_left(before);
}

static void transfer_by_threads(void (*open_ends)(bide_async *ends[2]))
{
    bide_async *ends[2];
    open_streams(ends, open_ends);
    struct call calls[4];
    for (int i = 0; i < 4; i++) {
        calls[i] = (struct call){.function = run_stream,
                                 .buffer = &streams[i],
                                 .deadline = bide_after(BIDE_SECONDS(50))};
        call_start(&calls[i]);
    }
    for (int i = 0; i < 4; i++)
        cr_assert_ok(call_join(&calls[i]));
    expect_streams_done(ends);
}

static void transfer_with_a_set(void (*open_ends)(bide_async *ends[2]))
{
    bide_async *ends[2];
    open_streams(ends, open_ends);
    bide_set set;
    bide_set_init(&set);
    for (int i = 0; i < 4; i++) {
        prepare(&streams[i]);
        cr_assert_ok(bide_set_add(&set, &streams[i].member, &streams[i].io.future, &streams[i]));
    }
    bide_instant limit = bide_after(BIDE_SECONDS(50));
    while (bide_set_count(&set) > 0) {
        bide_set_member *ready;
        cr_assert_ok(bide_set_next(&set, limit, &ready));
        struct stream *stream = ready->tag;
        cr_assert(advance(stream, stream->io.result), "%s", bide_error_name(stream->io.result));
        if (stream->done == TRANSFER) continue;
        prepare(stream);
        cr_assert_ok(bide_set_add(&set, &stream->member, &stream->io.future, stream));
    }
    expect_streams_done(ends);
}

Test(tcp, sixteen_mebibytes_each_way_at_once_by_two_threads_on_each_end)
{
    transfer_by_threads(connect_both);
}

Test(tcp, sixteen_mebibytes_each_way_at_once_by_one_thread_with_a_set)
{
    transfer_with_a_set(connect_both);
}

Test(unix_sockets, sixteen_mebibytes_each_way_at_once_by_two_threads_on_each_end)
{
    transfer_by_threads(connect_both_over_unix);
}

Test(unix_sockets, sixteen_mebibytes_each_way_at_once_by_one_thread_with_a_set)
{
    transfer_with_a_set(connect_both_over_unix);
}
