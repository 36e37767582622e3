/* The poller's back end poll(2), in the moment between the system call and the look at its results; and when
 * the clock is read.
 *
 * The linker wraps poll, ppoll and clock_gettime for this file.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_poller.h"

#include <poll.h>

enum { READ = BIDE_POLL_READ, WRITE = BIDE_POLL_WRITE };

bide_poller *poller;
static int pair[2], other[2];

static void (*after_poll)(void); /* called once, after the system call and before its results are looked at */
static _Atomic int clock_reads;

static int then_call_hook(int result)
{
    void (*hook)(void) = after_poll;
    after_poll = NULL;
    if (hook) hook();
    return result;
}

int __real_poll(struct pollfd *fds, nfds_t count, int milliseconds);
int __wrap_poll(struct pollfd *fds, nfds_t count, int milliseconds);
int __wrap_poll(struct pollfd *fds, nfds_t count, int milliseconds)
{
    return then_call_hook(__real_poll(fds, count, milliseconds));
}

int __real_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *limit, const sigset_t *mask);
int __wrap_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *limit, const sigset_t *mask);
int __wrap_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *limit, const sigset_t *mask)
{
    return then_call_hook(__real_ppoll(fds, count, limit, mask));
}

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    clock_reads++;
    return __real_clock_gettime(clock, now);
}

/* pair[0] has key 1 and other[0] key 2; both are ready, level-triggered. */
static void open_all(void)
{
    cr_assert_ok(bide_poller_new(&poller, "poll"));
    make_pair(pair);
    make_pair(other);
    feed(pair[1]);
    feed(other[1]);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    cr_assert_ok(bide_poller_add(poller, other[0], 2, READ, BIDE_POLL_LEVEL));
}

static void close_all(void)
{
    close_pair(pair);
    close_pair(other);
    bide_poller_free(poller);
}

TestSuite(poller_scan, .init = open_all, .fini = close_all, .timeout = 30);

/* A wait in whose middle `hook` runs must report key 2 alone. */
static void expect_only_the_other(void (*hook)(void), bide_instant deadline)
{
    bide_poll_event events[4];
    after_poll = hook;
    cr_assert_gives(bide_poller_wait(poller, events, 4, deadline), 1);
    cr_assert_eq(events[0].key, 2, "key %llu", (unsigned long long)events[0].key);
    cr_assert_null(after_poll);
}

static void delete_first(void)
{
    cr_assert_ok(bide_poller_delete(poller, pair[0]));
}

Test(poller_scan, what_was_deleted_during_a_wait_is_not_reported)
{
    expect_only_the_other(delete_first, BIDE_NEVER);
    expect_event(poller, 2, READ);
}

static void delete_and_add_first(void)
{
    delete_first();
    cr_assert_ok(bide_poller_add(poller, pair[0], 3, READ, BIDE_POLL_LEVEL));
}

Test(poller_scan, what_was_added_anew_during_a_wait_is_not_reported_for_the_old_registration)
{
    expect_only_the_other(delete_and_add_first, bide_after(BIDE_HOURS(1)));
    bide_poll_event events[4];
    cr_assert_gives(look(poller, events, 4), 2);
    cr_assert_eq(events[0].key + events[1].key, 2 + 3);
}

static void modify_first(void)
{
    cr_assert_ok(bide_poller_modify(poller, pair[0], 3, WRITE, BIDE_POLL_ONESHOT));
}

Test(poller_scan, what_was_modified_during_a_wait_is_not_reported_with_the_old_readiness)
{
    expect_only_the_other(modify_first, BIDE_NEVER);
    cr_assert_ok(bide_poller_delete(poller, other[0]));
    expect_event(poller, 3, WRITE);
    expect_nothing(poller);
}

static void delete_both_and_add_second(void)
{
    delete_first();
    cr_assert_ok(bide_poller_delete(poller, other[0]));
    cr_assert_ok(bide_poller_add(poller, other[0], 4, READ, BIDE_POLL_LEVEL));
}

Test(poller_scan, a_wait_whose_results_are_all_outdated_goes_on)
{
    bide_poll_event events[4];
    after_poll = delete_both_and_add_second;
    cr_assert_gives(bide_poller_wait(poller, events, 4, BIDE_NEVER), 1);
    cr_assert_eq(events[0].key, 4, "key %llu", (unsigned long long)events[0].key);
}

static int copies[40];

static void add_many(void)
{
    for (int i = 0; i < 40; i++)
        cr_assert_ok(bide_poller_add(poller, copies[i], 10 + (uint64_t)i, READ, BIDE_POLL_LEVEL));
}

Test(poller_scan, the_tables_may_grow_during_a_wait)
{
    for (int i = 0; i < 40; i++)
        copies[i] = dup(pair[0]);
    bide_poll_event events[64];
    after_poll = add_many;
    cr_assert_gives(bide_poller_wait(poller, events, 64, BIDE_NEVER), 2);
    cr_assert_gives(bide_poller_wait(poller, events, 64, BIDE_NEVER), 42);
    for (int i = 0; i < 40; i++)
        (void)close(copies[i]);
}

static void notify_now(void)
{
    cr_assert_ok(bide_poller_notify(poller));
}

Test(poller_scan, a_notification_after_the_system_call_counts_for_that_wait)
{
    bide_poll_event events[4];
    after_poll = notify_now;
    cr_assert_gives(bide_poller_wait(poller, events, 4, BIDE_NEVER), 2);
    drain(pair[0]);
    drain(other[0]);
    const bide_instant deadline = bide_after(BIDE_MILLISECONDS(5));
    cr_assert_gives(bide_poller_wait(poller, events, 4, deadline), 0);
    cr_assert_not(bide_before(bide_now(), deadline));
}

/* The reading of the clock belongs to both back ends. */
static void expect_clock_reads(bide_instant deadline, int expected)
{
    bide_poll_event events[4];
    clock_reads = 0;
    int count = bide_poller_wait(poller, events, 4, deadline);
    cr_assert_eq(clock_reads, expected, "%s read the clock %d times in a wait that gave %d",
                 bide_poller_backend(poller), clock_reads, count);
}

Test(poller_scan, the_clock_is_read_only_for_a_deadline)
{
    static const char *const names[] = {"epoll", "poll"};
    for (size_t i = 0; i < 2; i++) {
        bide_poller_free(poller);
        cr_assert_ok(bide_poller_new(&poller, names[i]));
        cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
        expect_clock_reads(BIDE_NEVER, 0);
        expect_clock_reads(BIDE_NOW, 0);
        expect_clock_reads(bide_after(BIDE_HOURS(1)), 1);
        cr_assert_ok(bide_poller_delete(poller, pair[0]));
        expect_clock_reads(BIDE_NOW, 0);
        cr_assert_ok(bide_poller_notify(poller));
        expect_clock_reads(BIDE_NEVER, 0);
        expect_clock_reads(bide_after(BIDE_MILLISECONDS(1)), 2);
    }
}
