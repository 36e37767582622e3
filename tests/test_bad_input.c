/* Bad input: NULL wherever something is needed, answers that are none. It gives an error, or does nothing,
 * and never crashes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

#include "support/syscalls.h"

#include <bide.h>

TestSuite(bad_input, .fini = shut_down, .timeout = 60);

/* Storage for any of them. */
static union {
    bide_future future;
    bide_racing racing;
    bide_timeout timeout;
    bide_io io;
    bide_timer timer;
    bide_readiness readiness;
    bide_event_waiting waiting;
} storage;

/* --- NULL ----------------------------------------------------------------------------------------------- */

Test(bad_input, no_initialiser_touches_storage_that_is_null)
{
    bide_future *futures[1] = {&storage.future};
    bool completed[1] = {true};
    char byte;
    bide_buffer buffer = {&byte, 1};
    bide_waker waker = {NULL, NULL};

    bide_context_init(NULL, waker);
    bide_future_init(NULL, NULL);
    bide_racing_init(NULL, futures, 1, completed);
    cr_assert(completed[0], "a flag was cleared for a race that is none");
    bide_joining_init(NULL, futures, 1);
    bide_event_waiting_init(NULL, NULL);
    bide_set_init(NULL);
    bide_timeout_init(NULL, &storage.future, BIDE_NOW);
    bide_timer_never(NULL);
    bide_timer_after(NULL, 1);
    bide_timer_at(NULL, BIDE_NOW);
    bide_timer_interval(NULL, 1);
    bide_timer_interval_at(NULL, BIDE_NOW, 1);
    bide_timer_set_missed(NULL, BIDE_MISSED_SKIP);
    bide_timer_set_slack(NULL, 1);
    bide_readable_init(NULL, NULL);
    bide_writable_init(NULL, NULL);
    bide_io_read(NULL, NULL, &byte, 1);
    bide_io_write(NULL, NULL, &byte, 1);
    bide_io_readv(NULL, NULL, &buffer, 1);
    bide_io_writev(NULL, NULL, &buffer, 1);
    bide_io_peek(NULL, NULL, &byte, 1);
    bide_io_read_with(NULL, NULL, NULL, NULL);
    bide_io_write_with(NULL, NULL, NULL, NULL);
}

Test(bad_input, a_future_prepared_around_null_is_ready_with_an_error)
{
    bide_event_waiting_init(&storage.waiting, NULL);
    cr_assert_ok(bide_await(&storage.future, BIDE_NOW));
    cr_assert_gives(storage.waiting.result, BIDE_EINVAL);
    bide_racing_init(&storage.racing, NULL, 1, NULL);
    cr_assert_ok(bide_await(&storage.future, BIDE_NOW));
    cr_assert_gives(storage.racing.result, BIDE_EINVAL);
    bide_timeout_init(&storage.timeout, NULL, BIDE_NEVER);
    cr_assert_ok(bide_await(&storage.future, BIDE_NOW));
    cr_assert_gives(storage.timeout.result, BIDE_EINVAL);
    bide_readable_init(&storage.readiness, NULL);
    cr_assert_ok(bide_await(&storage.future, BIDE_NOW));
    cr_assert_gives(storage.readiness.result, BIDE_EINVAL);
    bide_io_read(&storage.io, NULL, &storage, 1);
    cr_assert_ok(bide_await(&storage.future, BIDE_NOW));
    cr_assert_gives(storage.io.result, BIDE_EINVAL);
}

Test(bad_input, a_context_that_is_null_has_a_waker_that_does_nothing)
{
    bide_waker waker = bide_context_waker(NULL);
    waker.wake(waker.arg);
    cr_assert(bide_context_spend(NULL), "no budget");
}

Test(bad_input, a_waker_without_a_function_wakes_nobody)
{
    struct manual manual;
    manual_init(&manual, BIDE_PENDING);
    bide_waker none = {NULL, NULL};
    bide_context cx = context_with(none);
    cr_assert_gives(bide_future_poll(&manual.future, &cx), BIDE_PENDING);
    manual_finish(&manual);
    cr_assert_gives(bide_future_poll(&manual.future, &cx), BIDE_READY);
    for (int i = 0; i < 1000; i++)
        (void)bide_context_spend(&cx);
}

Test(bad_input, a_future_that_cannot_be_polled_or_cancelled_counts_as_uninitialised)
{
    static const bide_future_ops neither = {sizeof neither, NULL, NULL, 0};
    static const bide_future_ops no_poll = {sizeof no_poll, NULL, manual_cancel, 0};
    static const bide_future_ops no_cancel = {sizeof no_cancel, manual_poll, NULL, 0};
    static const bide_future_ops *const tables[] = {NULL, &neither, &no_poll, &no_cancel};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct manual manual;
        manual_init(&manual, BIDE_READY);
        bide_future_init(&manual.future, tables[i]);
        cr_assert_gives(bide_await(&manual.future, BIDE_NEVER), BIDE_EINVAL);
        cr_assert_gives(bide_cancel(&manual.future), BIDE_EINVAL);
        cr_assert_eq(manual.polls + manual.cancels, 0, "%d calls", manual.polls + manual.cancels);
    }
}

Test(bad_input, a_poller_that_is_null_gives_an_error)
{
    bide_poll_event event;
    bide_fd fd = 0;
    cr_assert_null(bide_poller_backend(NULL), "it has a back end");
    cr_assert(!bide_poller_supports(NULL, BIDE_POLL_ONESHOT), "it supports a mode");
    cr_assert_gives(bide_poller_add(NULL, 0, 0, BIDE_POLL_READ, BIDE_POLL_ONESHOT), BIDE_EINVAL);
    cr_assert_gives(bide_poller_modify(NULL, 0, 0, BIDE_POLL_READ, BIDE_POLL_ONESHOT), BIDE_EINVAL);
    cr_assert_gives(bide_poller_delete(NULL, 0), BIDE_EINVAL);
    cr_assert_gives(bide_poller_wait(NULL, &event, 1, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_poller_notify(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_poller_fd(NULL, &fd), BIDE_EINVAL);
    cr_assert_eq(fd, BIDE_INVALID_FD, "descriptor %lld", (long long)fd);
    bide_poller_free(NULL);
}

Test(bad_input, an_address_of_no_bytes_is_none)
{
    bide_address ipv4 = bide_address_ipv4(NULL, 80);
    bide_address ipv6 = bide_address_ipv6(NULL, 80, 1);
    cr_assert_eq(bide_address_family(&ipv4), BIDE_FAMILY_NONE, "family %d", (int)bide_address_family(&ipv4));
    cr_assert_eq(bide_address_family(&ipv6), BIDE_FAMILY_NONE, "family %d", (int)bide_address_family(&ipv6));
}

/* --- answers that are none ------------------------------------------------------------------------------ */

Test(bad_input, a_poll_that_answers_what_is_no_answer_is_an_error_and_no_endless_wait)
{
    static const int answers[] = {BIDE_COMPLETED, 3, 17, INT32_MAX};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct manual manual;
        manual_init(&manual, answers[i]);
        cr_assert_gives(bide_block_on(&manual.future), BIDE_EINVAL);
        /* It is as it was: never polled, so to say, and then pending. */
        cr_assert_gives(bide_cancel(&manual.future), BIDE_READY);
        cr_assert_eq(manual.cancels, 0, "%d cancels", manual.cancels);

        manual_init(&manual, BIDE_PENDING);
        bide_context cx = context_with(bide_context_waker(NULL));
        cr_assert_gives(bide_future_poll(&manual.future, &cx), BIDE_PENDING);
        manual.on_poll = answers[i];
        cr_assert_gives(bide_future_poll(&manual.future, &cx), BIDE_EINVAL);
        cr_assert_gives(bide_cancel(&manual.future), BIDE_READY);
        cr_assert_eq(manual.cancels, 1, "%d cancels", manual.cancels);
    }
}

Test(bad_input, a_cancel_that_answers_what_is_no_answer_is_an_error)
{
    struct manual manual;
    manual_init(&manual, BIDE_PENDING);
    manual.on_cancel = 3;
    cr_assert_gives(bide_await(&manual.future, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_cancel(&manual.future), BIDE_EINVAL);
    manual.on_cancel = BIDE_COMPLETED;
    cr_assert_gives(bide_cancel(&manual.future), BIDE_COMPLETED);
}

Test(bad_input, a_combination_reports_the_member_that_gives_no_answer)
{
    struct manual wrong, waits;
    manual_init(&wrong, 17);
    manual_init(&waits, BIDE_PENDING);
    bide_future *both[] = {&waits.future, &wrong.future};
    cr_assert_gives(bide_race(both, 2), BIDE_EINVAL);

    bide_set set;
    bide_set_member member, *ready;
    bide_set_init(&set);
    manual_init(&wrong, 17);
    cr_assert_ok(bide_set_add(&set, &member, &wrong.future, NULL));
    cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), BIDE_EINVAL);
    cr_assert_eq(ready, &member, "the member was not given back");

    bide_timeout timeout;
    manual_init(&wrong, 17);
    bide_timeout_init(&timeout, &wrong.future, BIDE_NEVER);
    cr_assert_ok(bide_block_on(&timeout.future));
    cr_assert_gives(timeout.result, BIDE_EINVAL);
}

/* --- no bytes ------------------------------------------------------------------------------------------- */

static int transfer_nothing(bool write, bide_async *async, size_t *done)
{
    return write ? bide_write_all(async, NULL, 0, BIDE_NEVER, done)
                 : bide_read_exact(async, NULL, 0, BIDE_NEVER, done);
}

/* What it gave inside a waker. */
static int inside[2];

static void transfer_inside(void *arg)
{
    for (int write = 0; write < 2; write++)
        inside[write] = transfer_nothing(write, arg, NULL);
}

Test(bad_input, a_transfer_of_no_bytes_tells_whether_the_handle_is_one)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    for (int write = 0; write < 2; write++) {
        size_t done = 7;
        cr_assert_gives(transfer_nothing(write, NULL, &done), BIDE_EINVAL);
        cr_assert_eq(done, 0, "%zu bytes", done);
        done = 7;
        bide_calls_reset();
        cr_assert_ok(transfer_nothing(write, ends[0], &done));
        cr_assert_eq(bide_calls_total(), 0, "%s", bide_calls_text());
        cr_assert_eq(done, 0, "%zu bytes", done);
    }
    bide_context cx = context_with((bide_waker){transfer_inside, ends[0]});
    while (bide_context_spend(&cx))
        continue;
    cr_assert_gives(inside[0], BIDE_EDEADLK);
    cr_assert_gives(inside[1], BIDE_EDEADLK);
    cr_assert_ok(bide_async_free(ends[0]));
    cr_assert_gives(transfer_nothing(false, ends[0], NULL), BIDE_EFREED);
    cr_assert_gives(transfer_nothing(true, ends[0], NULL), BIDE_EFREED);
    cr_assert_ok(bide_async_free(ends[1]));
}

/* --- bytes at NULL -------------------------------------------------------------------------------------- */

/* Nothing has come on the handle, so that what waited would do so for ever. */
static bide_ssize read_null(bide_async *async)
{
    return bide_read(async, NULL, 1, BIDE_NEVER);
}

static bide_ssize peek_null(bide_async *async)
{
    return bide_peek(async, NULL, 1, BIDE_NEVER);
}

static bide_ssize read_exactly_null(bide_async *async)
{
    return bide_read_exact(async, NULL, 1, BIDE_NEVER, NULL);
}

static bide_ssize write_null(bide_async *async)
{
    return bide_write(async, NULL, 1, BIDE_NEVER);
}

static bide_ssize write_all_null(bide_async *async)
{
    size_t done = 7;
    int error = bide_write_all(async, NULL, 1, BIDE_NEVER, &done);
    cr_assert_eq(done, 0, "%zu bytes", done);
    return error;
}

static bide_ssize receive_null(bide_async *async)
{
    return bide_recv(async, NULL, 1, BIDE_NEVER);
}

static bide_ssize peek_from_null(bide_async *async)
{
    return bide_peek_from(async, NULL, 1, NULL, BIDE_NEVER);
}

static bide_ssize send_null(bide_async *async)
{
    return bide_send(async, NULL, 1, BIDE_NEVER);
}

static char letter;
static const bide_buffer with_a_hole[] = {{&letter, 1}, {NULL, 1}};

static bide_ssize read_vector(bide_async *async)
{
    return bide_readv(async, with_a_hole, 2, BIDE_NEVER);
}

static bide_ssize write_vector(bide_async *async)
{
    return bide_writev(async, with_a_hole, 2, BIDE_NEVER);
}

static bide_ssize receive_vector(bide_async *async)
{
    bide_message message;
    bide_message_recvv_init(&message, async, with_a_hole, 2);
    return bide_message_await(&message, BIDE_NEVER);
}

static bide_ssize send_vector(bide_async *async)
{
    bide_message message;
    bide_message_sendv_init(&message, async, with_a_hole, 2);
    return bide_message_await(&message, BIDE_NEVER);
}

static bide_ssize receive_batch(bide_async *async)
{
    bide_datagram datagrams[2] = {{.buffer = with_a_hole[0]}, {.buffer = with_a_hole[1]}};
    return bide_recv_batch(async, datagrams, 2, BIDE_NEVER);
}

static bide_ssize send_batch(bide_async *async)
{
    bide_datagram datagrams[2] = {{.buffer = with_a_hole[0]}, {.buffer = with_a_hole[1]}};
    return bide_send_batch(async, datagrams, 2, BIDE_NEVER);
}

static const struct {
    const char *name;
    bide_ssize (*call)(bide_async *async);
} calls_with_null[] = {
    {"read", read_null},
    {"peek", peek_null},
    {"read exactly", read_exactly_null},
    {"write", write_null},
    {"write all", write_all_null},
    {"receive", receive_null},
    {"peek from", peek_from_null},
    {"send", send_null},
    {"read vector", read_vector},
    {"write vector", write_vector},
    {"receive vector", receive_vector},
    {"send vector", send_vector},
    {"receive batch", receive_batch},
    {"send batch", send_batch},
};

Test(bad_input, bytes_at_null_are_an_error_at_once_and_nothing_is_moved)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    /* The second time the memory says that there is nothing to read. */
    for (int time = 0; time < 2; time++) {
        for (size_t i = 0; i < sizeof calls_with_null / sizeof *calls_with_null; i++) {
            bide_ssize result = calls_with_null[i].call(ends[0]);
            cr_assert_eq(result, BIDE_EINVAL, "%s gave %s", calls_with_null[i].name,
                         bide_error_name((int)result));
        }
        cr_assert_gives(bide_read(ends[0], &letter, 1, BIDE_NOW), BIDE_EAGAIN);
        cr_assert_gives(bide_read(ends[1], &letter, 1, BIDE_NOW), BIDE_EAGAIN);
    }
    bide_io_read(&storage.io, ends[0], NULL, 1);
    cr_assert_gives(bide_io_await(&storage.io, BIDE_NEVER), BIDE_EINVAL);
    bide_io_write(&storage.io, ends[0], NULL, 1);
    cr_assert_gives(bide_io_await(&storage.io, BIDE_NEVER), BIDE_EINVAL);
    /* Of no bytes there may be none. */
    cr_assert_eq(bide_write(ends[0], NULL, 0, BIDE_NEVER), 0);
    cr_assert_eq(bide_read(ends[0], NULL, 0, BIDE_NEVER), 0);
    const bide_buffer none = {NULL, 0};
    cr_assert_eq(bide_readv(ends[0], &none, 1, BIDE_NEVER), 0);
    cr_assert_eq(bide_writev(ends[0], &none, 1, BIDE_NEVER), 0);
    cr_assert_ok(bide_async_free(ends[0]));
    cr_assert_ok(bide_async_free(ends[1]));
}
