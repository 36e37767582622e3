/* Handles: those that are freed, futures that are stale, calls at the wrong place.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_inventory.h"

TestSuite(async, .init = take_inventory, .timeout = 60);

/* --- freed and stale ------------------------------------------------------------------------------------ */

/* Every call that takes a handle, with the answer `expected`. */
static void expect_of_every_call(bide_async *async, int expected)
{
    char byte = 'x';
    bide_buffer piece = {&byte, 1};
    bide_instant limit = bide_after(LONG);
    struct counter counter = {0};
    bide_fd fd;
    size_t done = 99;
    cr_assert_gives(bide_read(async, &byte, 1, limit), expected);
    cr_assert_gives(bide_write(async, &byte, 1, limit), expected);
    cr_assert_gives(bide_readv(async, &piece, 1, limit), expected);
    cr_assert_gives(bide_writev(async, &piece, 1, limit), expected);
    cr_assert_gives(bide_peek(async, &byte, 1, limit), expected);
    cr_assert_gives(bide_read(async, &byte, 1, BIDE_NOW), expected);
    cr_assert_gives(bide_read_exact(async, &byte, 1, limit, &done), expected);
    cr_assert_eq(done, 0);
    cr_assert_gives(bide_write_all(async, &byte, 1, limit, &done), expected);
    cr_assert_eq(done, 0);
    cr_assert_gives(bide_wait_readable(async, limit), expected);
    cr_assert_gives(bide_wait_writable(async, limit), expected);
    cr_assert_gives(bide_async_poll_readable(async, counting(&counter)), expected);
    cr_assert_gives(bide_async_poll_writable(async, counting(&counter)), expected);
    cr_assert_gives(bide_async_forget(async, BIDE_READ), expected);
    cr_assert_gives(bide_async_shutdown(async, BIDE_WRITE), expected);
    cr_assert_gives(bide_async_into_fd(async, 0, &fd), expected);
    cr_assert_eq(bide_async_fd(async), BIDE_INVALID_FD);
}

static bide_ssize never_called(void *arg, bide_fd fd)
{
    (void)fd;
    *(bool *)arg = true;
    return 1;
}

Test(async, every_call_refuses_null)
{
    expect_of_every_call(NULL, BIDE_EINVAL);
    bool called = false;
    cr_assert_gives(bide_read_with(NULL, never_called, &called, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_write_with(NULL, never_called, &called, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_not(called);
    cr_assert_ok(bide_async_free(NULL));

    int writer;
    bide_async *async = open_one(PIPE, &writer);
    cr_assert_gives(bide_read_with(async, NULL, NULL, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_write_with(async, NULL, NULL, BIDE_NEVER), BIDE_EINVAL);
    bide_waker no_waker = {NULL, NULL};
    cr_assert_gives(bide_async_poll_readable(async, no_waker), BIDE_EINVAL);
    cr_assert_gives(bide_async_forget(async, (bide_direction)2), BIDE_EINVAL);
    cr_assert_gives(bide_async_shutdown(async, (bide_direction)2), BIDE_EINVAL);
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
    expect_nothing_left(before);
}

Test(async, every_call_on_a_freed_handle_says_so)
{
    /* Once with a memory that says "try", once with one that says "wait". */
    for (int drained = 0; drained < 2; drained++) {
        bide_async *ends[2];
        open_channel(UNIX, ends);
        if (drained) {
            drain_memory(ends[0]);
            (void)fill(ends[0]);
        }
        cr_assert_ok(bide_async_free(ends[0]));
        expect_of_every_call(ends[0], BIDE_EFREED);
        bool called = false;
        cr_assert_gives(bide_read_with(ends[0], never_called, &called, BIDE_NEVER), BIDE_EFREED);
        cr_assert_gives(bide_write_with(ends[0], never_called, &called, BIDE_NEVER), BIDE_EFREED);
        cr_assert_not(called);
        cr_assert_gives(bide_async_free(ends[0]), BIDE_EFREED);
        cr_assert_ok(bide_async_free(ends[1]));
    }
    expect_nothing_left(before);
}

Test(async, a_future_made_before_the_handle_was_freed_is_cancelled_even_if_its_slot_is_used_again)
{
    /* The table hands a slot out again as late as it can: several must be free. */
    enum { PAIRS = 40 };
    bide_async *pairs[PAIRS][2];
    for (int i = 0; i < PAIRS; i++)
        open_channel(UNIX, pairs[i]);
    bide_async *ends[2];
    open_channel(UNIX, ends);
    char byte = 'x';
    bool called = false;
    bide_io io[3];
    bide_readiness ready[2];
    bide_io_read(&io[0], ends[0], &byte, 1);
    bide_io_write(&io[1], ends[0], &byte, 1);
    bide_io_read_with(&io[2], ends[0], never_called, &called);
    bide_readable_init(&ready[0], ends[0]);
    bide_writable_init(&ready[1], ends[0]);
    bide_async *stale = ends[0];
    free_both(ends);
    for (int i = 0; i < PAIRS; i++)
        free_both(pairs[i]);
    bool reused = false;
    for (int i = 0; i < PAIRS; i++) {
        open_channel(UNIX, pairs[i]);
        reused |= pairs[i][0] == stale || pairs[i][1] == stale;
    }
    cr_assert(reused, "the slot was not used again by %d pairs", PAIRS);
    for (int i = 0; i < 3; i++) {
        cr_assert_ok(bide_block_on(&io[i].future));
        cr_assert_gives(io[i].result, BIDE_ECANCELED);
    }
    for (int i = 0; i < 2; i++) {
        cr_assert_ok(bide_block_on(&ready[i].future));
        cr_assert_gives(ready[i].result, BIDE_ECANCELED);
    }
    cr_assert_not(called);
    /* The new owner of the slot has noticed nothing. */
    for (int i = 0; i < PAIRS; i++) {
        cr_assert_gives(bide_read(pairs[i][0], &byte, 1, BIDE_NOW), BIDE_EAGAIN);
        free_both(pairs[i]);
    }
    expect_nothing_left(before);
}

/* --- misuse --------------------------------------------------------------------------------------------- */

struct misuse {
    bide_async *async;
    _Atomic int wakes;
    bide_ssize read, wrote, waited, polled;
    int freed, forgot, gave;
};

static void misuse_wake(void *arg)
{
    struct misuse *misuse = arg;
    char byte;
    bide_fd fd;
    bide_waker waker = {misuse_wake, misuse};
    misuse->read = bide_read(misuse->async, &byte, 1, BIDE_NEVER);
    misuse->wrote = bide_write(misuse->async, "x", 1, BIDE_NEVER);
    misuse->waited = bide_wait_readable(misuse->async, BIDE_NEVER);
    misuse->polled = bide_async_poll_readable(misuse->async, waker);
    misuse->freed = bide_async_free(misuse->async);
    misuse->forgot = bide_async_forget(misuse->async, BIDE_READ);
    misuse->gave = bide_async_into_fd(misuse->async, 0, &fd);
    atomic_fetch_add(&misuse->wakes, 1);
}

Test(async, inside_a_waker_every_call_gives_edeadlk_and_changes_nothing)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct misuse misuse = {.async = ends[0]};
    bide_waker waker = {misuse_wake, &misuse};
    cr_assert_gives(bide_async_poll_readable(ends[0], waker), BIDE_PENDING);
    cr_assert_gives(bide_write(ends[1], "y", 1, BIDE_NEVER), 1);
    AWAIT(atomic_load(&misuse.wakes) == 1);
    cr_assert_gives(misuse.read, BIDE_EDEADLK);
    cr_assert_gives(misuse.wrote, BIDE_EDEADLK);
    cr_assert_gives(misuse.waited, BIDE_EDEADLK);
    cr_assert_gives(misuse.polled, BIDE_EDEADLK);
    cr_assert_gives(misuse.freed, BIDE_EDEADLK);
    cr_assert_gives(misuse.forgot, BIDE_EDEADLK);
    cr_assert_gives(misuse.gave, BIDE_EDEADLK);
    char byte = 0;
    cr_assert_gives(bide_read(ends[0], &byte, 1, BIDE_NOW), 1);
    cr_assert_eq(byte, 'y');
    free_both(ends);
    expect_nothing_left(before);
}

struct nested {
    bide_async *own, *other;
    int freed_own, gave_own, freed_other;
};

static bide_ssize free_inside(void *arg, bide_fd fd)
{
    struct nested *nested = arg;
    (void)fd;
    bide_fd given;
    nested->freed_own = bide_async_free(nested->own);
    nested->gave_own = bide_async_into_fd(nested->own, 0, &given);
    nested->freed_other = bide_async_free(nested->other);
    return 7;
}

static bide_ssize nest(void *arg, bide_fd fd)
{
    struct nested *nested = arg;
    (void)fd;
    /* An operation on another handle within one on this: both are busy. */
    return bide_write_with(nested->other, free_inside, nested, BIDE_NEVER);
}

Test(async, an_operation_may_not_free_its_own_handle_but_another)
{
    bide_async *ends[2];
    open_channel(UNIX, ends);
    struct nested nested = {.own = ends[0], .other = ends[1]};
    cr_assert_gives(bide_read_with(ends[0], free_inside, &nested, BIDE_NEVER), 7);
    cr_assert_gives(nested.freed_own, BIDE_EDEADLK);
    cr_assert_gives(nested.gave_own, BIDE_EDEADLK);
    cr_assert_ok(nested.freed_other);
    cr_assert_ok(bide_async_free(ends[0]));

    open_channel(UNIX, ends);
    struct nested inner = {.own = ends[0], .other = ends[1]};
    cr_assert_gives(bide_read_with(ends[0], nest, &inner, BIDE_NEVER), 7);
    cr_assert_gives(inner.freed_own, BIDE_EDEADLK);
    cr_assert_gives(inner.freed_other, BIDE_EDEADLK);
    free_both(ends);
    expect_nothing_left(before);
}
