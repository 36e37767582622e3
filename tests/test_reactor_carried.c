/* A reactor in a loop that has no descriptor of it: a thread of the program's drives it, and its wakers post to the
 * loop.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_async.h"

#include <poll.h>

struct carrier {
    bide_reactor *reactor;
    atomic_bool stop;
    int post[2]; /* what the loop polls */
};

static void *carry(void *arg)
{
    struct carrier *carrier = arg;
    while (!atomic_load(&carrier->stop))
        cr_assert_geq(bide_reactor_run_once(carrier->reactor, BIDE_NEVER), 0);
    return NULL;
}

static void post(void *arg)
{
    const struct carrier *carrier = arg;
    (void)!write(carrier->post[1], "w", 1);
}

/* The loop: sleeps in poll(2), as any other does. */
static void await_post(const struct carrier *carrier)
{
    struct pollfd posted = {.fd = carrier->post[0], .events = POLLIN};
    char byte;
    cr_assert_eq(poll(&posted, 1, -1), 1);
    cr_assert_eq(read(carrier->post[0], &byte, 1), 1);
}

Test(reactor_carried, a_thread_that_drives_it_posts_its_wakes_to_a_loop_without_its_descriptor, .timeout = 30)
{
    struct carrier carrier;
    pthread_t thread;
    bide_fd none;
    int ends[2];
    bide_async *in;
    bide_readable readable;
    bide_timer timer;
    cr_assert_ok(bide_reactor_new(&carrier.reactor, "poll"));
    cr_assert_gives(bide_reactor_fd(carrier.reactor, &none), BIDE_ENOTSUP);
    atomic_init(&carrier.stop, false);
    cr_assert_done(pipe2(carrier.post, O_CLOEXEC));
    cr_assert_done(pipe2(ends, O_CLOEXEC));
    cr_assert_eq(pthread_create(&thread, NULL, carry, &carrier), 0);

    bide_reactor *previous = bide_reactor_enter(carrier.reactor);
    cr_assert_ok(bide_async_new(&in, ends[0]));
    bide_readable_init(&readable, in);
    bide_timer_after(&timer, BIDE_MILLISECONDS(5));
    bide_reactor_leave(previous);
    bide_waker waker = {post, &carrier};
    bide_context cx;
    bide_context_init(&cx, waker);
    for (int round = 0; round < 100; round++) {
        char byte;
        cr_assert_gives(bide_future_poll(&readable.future, &cx), BIDE_PENDING);
        cr_assert_done(write(ends[1], "x", 1));
        await_post(&carrier);
        cr_assert_gives(bide_future_poll(&readable.future, &cx), BIDE_READY);
        cr_assert_eq(read(ends[0], &byte, 1), 1);
        bide_readable_init(&readable, in);
    }
    /* Set from here while the thread sleeps without limit. */
    while (bide_future_poll(&timer.future, &cx) == BIDE_PENDING)
        await_post(&carrier);
    cr_assert_ok(bide_timer_error(&timer));

    /* An earlier timer ends the thread's wait, and it sees that it is to stop. */
    atomic_store(&carrier.stop, true);
    cr_assert_ok(bide_timer_set_after(&timer, BIDE_SECONDS(1)));
    cr_assert_gives(bide_future_poll(&timer.future, &cx), BIDE_PENDING);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_gives(bide_cancel(&timer.future), BIDE_READY);
    cr_assert_ok(bide_async_free(in));
    cr_assert_ok(bide_reactor_free(carrier.reactor));
    (void)close(ends[1]);
    (void)close(carrier.post[0]);
    (void)close(carrier.post[1]);
}
