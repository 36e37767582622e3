/* Scenarios of sets, races, reactors and pollers for test_faults.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "faults.h"

#include <bide/poller.h>

static int run_set(void)
{
    int peer;
    char byte;
    bide_io io;
    bide_timer timer;
    bide_set set;
    bide_set_member members[2], *ready;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_set_init(&set);
    bide_io_read(&io, async, &byte, 1);
    bide_timer_after(&timer, BIDE_SECONDS(1000));
    int error = bide_set_add(&set, &members[0], &io.future, NULL);
    if (!error) error = bide_set_add(&set, &members[1], &timer.future, NULL);
    if (!error) error = bide_set_next(&set, BIDE_NOW, &ready);
    error = error == BIDE_EAGAIN ? 0 : error;
    scene_put(peer, "x");
    for (int left = (int)bide_set_count(&set); !error && left == 2; left = (int)bide_set_count(&set)) {
        error = bide_set_next(&set, bide_after(PATIENCE), &ready);
        if (!error && ready == &members[1]) error = bide_timer_error(&timer);
        if (!error && ready == &members[0]) error = expect_count(io.result, 1);
    }
    for (int i = 0; i < 2; i++) {
        int removed = bide_set_remove(&set, &members[i]);
        if (removed != BIDE_READY && removed != BIDE_COMPLETED && removed != BIDE_ENOENT &&
            removed != BIDE_ENOMEM)
            error = WRONG;
    }
    end_of_faults();
    for (int i = 0; i < 2; i++)
        (void)bide_set_remove(&set, &members[i]);
    (void)bide_async_free(async);
    (void)close(peer);
    return bide_set_count(&set) == 0 ? error : WRONG;
}

static int run_set_in_the_background(void)
{
    int peer;
    char byte;
    struct counter counter = {0};
    bide_io io;
    bide_set set;
    bide_set_member member;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_set_init(&set);
    bide_io_read(&io, async, &byte, 1);
    int error = bide_set_add(&set, &member, &io.future, NULL);
    int answer = poll_with(&set.future, counting(&counter));
    if (answer == BIDE_PENDING) {
        scene_put(peer, "x");
        error = await_wake(&counter);
        if (!error) answer = poll_with(&set.future, counting(&counter));
        if (!error && answer == BIDE_PENDING) error = WRONG;
    }
    if (answer == BIDE_READY && !error) error = expect_count(io.result, 1);
    if (answer < 0) error = answer;
    end_of_faults();
    (void)cancel_with(&set.future, counting(&counter));
    (void)bide_set_remove(&set, &member);
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_race_and_join(void)
{
    int peer;
    char byte;
    bide_io io;
    bide_timer timer;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_io_read(&io, async, &byte, 1);
    bide_timer_after(&timer, BIDE_MICROSECONDS(100));
    bide_future *both[] = {&io.future, &timer.future};
    int winner = bide_race(both, 2);
    int error = winner < 0 ? winner : winner == 1 ? bide_timer_error(&timer) : (int)io.result;
    scene_put(peer, "x");
    bide_io_read(&io, async, &byte, 1);
    bide_timer_after(&timer, BIDE_MICROSECONDS(100));
    if (!error) error = bide_join(both, 2, bide_after(PATIENCE));
    if (!error) error = expect_count(io.result, 1);
    if (!error) error = bide_timer_error(&timer);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

/* Combinations as futures, with a waker of one's own. */
static int run_combinations_in_the_background(void)
{
    int peer;
    char byte;
    bide_io io;
    bide_timer timer;
    bide_racing racing;
    bide_joining joining;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_future *both[] = {&io.future, &timer.future};
    bide_io_read(&io, async, &byte, 1);
    bide_timer_after(&timer, BIDE_SECONDS(1000));
    bool completed[2];
    int error = bide_race_until(both, 2, bide_after(BIDE_MICROSECONDS(100)), completed);
    error = error == BIDE_ETIMEDOUT ? 0
            : error == 1            ? bide_timer_error(&timer)
            : error                 ? error
                                    : (int)io.result;
    bide_io_read(&io, async, &byte, 1);
    bide_timer_after(&timer, BIDE_MICROSECONDS(100));
    bide_racing_init(&racing, both, 2, NULL);
    if (!error) error = poll_to_the_end(&racing.future);
    if (!error)
        error = racing.result == 1 ? bide_timer_error(&timer)
                : racing.result    ? racing.result
                                   : (int)io.result;
    scene_put(peer, "x");
    bide_io_read(&io, async, &byte, 1);
    bide_timer_after(&timer, BIDE_MICROSECONDS(100));
    bide_joining_init(&joining, both, 2);
    if (!error) error = poll_to_the_end(&joining.future);
    if (!error) error = joining.result;
    if (!error) error = expect_count(io.result, 1);
    if (!error) error = bide_timer_error(&timer);
    end_of_faults();
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_reactor(void)
{
    bide_reactor *reactor = NULL;
    /* Opens the global one; it answers NULL for any error, and nothing is lost by that. */
    (void)bide_reactor_backend(bide_reactor_global());
    int error = bide_reactor_new(&reactor, NULL);
    if (error) return reactor ? WRONG : error;
    bide_reactor *previous = bide_reactor_enter(reactor);
    bide_fd fd;
    int peer;
    struct counter counter = {0};
    bide_timer timer;
    bide_async *async = scene_handle(UNIX, &peer);
    error = bide_reactor_fd(reactor, &fd);
    if (error == BIDE_ENOTSUP) error = 0;
    bide_timer_after(&timer, BIDE_SECONDS(1000));
    if (!error && poll_with(&timer.future, counting(&counter)) == BIDE_READY)
        error = bide_timer_error(&timer);
    if (!error && bide_is_never(bide_reactor_next_deadline(reactor))) error = WRONG;
    if (!error) error = bide_async_poll_readable(async, counting(&counter));
    scene_put(peer, "x");
    while (!error && atomic_load(&counter.wakes) == 0) {
        int count = bide_reactor_run_once(reactor, bide_after(PATIENCE));
        if (count < 0) error = count;
    }
    (void)cancel_with(&timer.future, counting(&counter));
    (void)bide_async_free(async);
    bide_reactor_leave(previous);
    int freed = bide_reactor_free(reactor);
    end_of_faults();
    (void)close(peer);
    return freed ? WRONG : error;
}

static int run_shutdown(void)
{
    int peer;
    struct counter counter = {0};
    bide_async *async = scene_handle(UNIX, &peer);
    int error = bide_async_poll_readable(async, counting(&counter));
    int ended = bide_shutdown();
    end_of_faults();
    if (ended) return WRONG;
    if (error == BIDE_PENDING && counter.wakes != 1) error = WRONG;
    (void)bide_async_free(async);
    (void)close(peer);
    return error;
}

static int run_poller(void)
{
    int ends[2];
    bide_poller *poller = NULL;
    scene_pair(UNIX, ends);
    int error = bide_poller_new(&poller, NULL);
    bool made = error == 0;
    if (error && poller) error = WRONG;
    if (!error) error = bide_poller_add(poller, ends[0], 1, BIDE_POLL_READ, BIDE_POLL_ONESHOT);
    if (!error) error = bide_poller_modify(poller, ends[0], 1, BIDE_POLL_WRITE, BIDE_POLL_ONESHOT);
    bide_poll_event events[2];
    int count = error ? 0 : bide_poller_wait(poller, events, 2, bide_after(PATIENCE));
    if (!error) error = expect_count(count, 1);
    if (!error) error = bide_poller_notify(poller);
    if (!error) error = expect_count(bide_poller_wait(poller, events, 2, bide_after(PATIENCE)), 0);
    if (!error)
        error = expect_count(bide_poller_wait(poller, events, 2, bide_after(BIDE_MICROSECONDS(100))), 0);
    if (!error) error = bide_poller_delete(poller, ends[0]);
    if (made) bide_poller_free(poller);
    end_of_faults();
    close_all(ends, 2);
    return error;
}

const struct scenario scenarios_of_core[] = {
    {"set", "set_add set_next set_remove", run_set},
    {"a set polled in the background", "set_add set_remove", run_set_in_the_background},
    {"race and join", "race join", run_race_and_join},
    {"combinations polled in the background", "race_until racing_init joining_init",
     run_combinations_in_the_background},
    {"reactor",
     "reactor_backend reactor_new reactor_enter reactor_leave reactor_fd reactor_next_deadline "
     "reactor_run_once reactor_free",
     run_reactor},
    {"shutdown", "shutdown", run_shutdown},
    {"poller", "poller_new poller_add poller_modify poller_wait poller_notify poller_delete poller_free",
     run_poller},
    {NULL, NULL, NULL},
};
