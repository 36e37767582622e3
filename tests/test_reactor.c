/* Reactors made by hand: driven by their owner alone, or by another event loop.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

#include "support/syscalls.h"

#include <poll.h>

static bide_reactor *reactor;
static struct inventory before;

static void enter_reactor(void)
{
    before = inventory_now();
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    cr_assert(bide_reactor_enter(reactor) == bide_reactor_global(), "another reactor was current");
}

static void leave_reactor(void)
{
    bide_reactor_leave(bide_reactor_global());
    (void)bide_reactor_free(reactor);
    (void)bide_shutdown();
}

TestSuite(reactor, .init = enter_reactor, .fini = leave_reactor, .timeout = 60);

/* A pipe whose reading end is a source. */
struct source {
    int ends[2];
    bide_async *async;
    bide_readable readable;
};

static void open_source(struct source *source)
{
    make_pipe(source->ends);
    cr_assert_ok(bide_async_new(&source->async, source->ends[0]));
    bide_readable_init(&source->readable, source->async);
}

static void close_source(struct source *source)
{
    cr_assert_ok(bide_async_free(source->async));
    (void)close(source->ends[1]);
}

static bide_reactor_stats stats_of(bide_reactor *which)
{
    bide_reactor_stats stats;
    cr_assert_ok(bide_reactor_stats_read(which, &stats));
    return stats;
}

/* --- turns ---------------------------------------------------------------------------------------------- */

Test(reactor, runs_wakers_only_in_its_owners_turns)
{
    struct source source;
    open_source(&source);
    struct counter counter = {0};
    bide_timer timer;
    bide_timer_never(&timer);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_PENDING);
    cr_assert_gives(poll_with(&source.readable.future, counting(&counter)), BIDE_PENDING);
    bide_instant due = bide_now();
    cr_assert_ok(bide_timer_set_at(&timer, due));
    put(source.ends[1], "x", 1);
    /* This thread sleeps on another reactor meanwhile. */
    bide_reactor_leave(bide_reactor_global());
    cr_assert_ok(bide_sleep_until(bide_instant_add(due, BIDE_MILLISECONDS(2))));
    cr_assert(bide_reactor_enter(reactor) == bide_reactor_global(), "another reactor was current");
    cr_assert_eq(counter.wakes, 0, "%d wakes", counter.wakes);
    cr_assert_gives(bide_reactor_run_once(reactor, BIDE_NOW), 2);
    cr_assert_eq(counter.wakes, 2, "%d wakes", counter.wakes);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(poll_with(&source.readable.future, counting(&counter)), BIDE_READY);
    close_source(&source);
}

Test(reactor, waits_no_longer_than_it_may_in_a_turn)
{
    cr_assert_gives(bide_reactor_run_once(reactor, BIDE_NOW), 0);
    bide_instant deadline = bide_after(SHORT);
    cr_assert_gives(bide_reactor_run_once(reactor, deadline), 0);
    cr_assert(!bide_before(bide_now(), deadline), "too early");
    cr_assert_gives(bide_reactor_run_once(reactor, bide_after(-1)), 0);
}

Test(reactor, ends_a_turn_with_the_first_timer)
{
    bide_timer timer;
    bide_timer_never(&timer);
    struct counter counter = {0};
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_after(&timer, BIDE_MILLISECONDS(2)));
    cr_assert_gives(bide_reactor_run_once(reactor, BIDE_NEVER), 1);
    cr_assert_eq(counter.wakes, 1, "%d wakes", counter.wakes);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_READY);
}

Test(reactor, starts_no_thread_and_needs_none)
{
    bide_set_threads(false);
    struct source source;
    open_source(&source);
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, &event);
    bide_timer timer;
    bide_timer_never(&timer);
    char byte;
    bide_io io;
    bide_io_read(&io, source.async, &byte, 1);
    bide_set set;
    bide_set_member members[3];
    bide_set_init(&set);
    cr_assert_ok(bide_set_add(&set, &members[0], &io.future, NULL));
    cr_assert_ok(bide_set_add(&set, &members[1], &timer.future, NULL));
    cr_assert_ok(bide_set_add(&set, &members[2], &waiting.future, NULL));
    struct counter counter = {0}, stored = {0};
    cr_assert_gives(poll_with(&set.future, counting(&counter)), BIDE_PENDING);
    cr_assert_gives(poll_with(&source.readable.future, counting(&counter)), BIDE_PENDING);
    cr_assert_gives(bide_async_poll_readable(source.async, counting(&stored)), BIDE_PENDING);
    put(source.ends[1], "x", 1);
    bide_event_set(&event);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    while (stored.wakes == 0)
        cr_assert_geq(bide_reactor_run_once(reactor, BIDE_NEVER), 0, "the reactor failed");
    for (int i = 0; i < 3; i++) {
        int answer;
        while ((answer = poll_with(&set.future, counting(&counter))) == BIDE_PENDING)
            cr_assert_geq(bide_reactor_run_once(reactor, BIDE_NEVER), 0, "the reactor failed");
        cr_assert_gives(answer, BIDE_READY);
        cr_assert_not_null(set.result, "no member");
    }
    cr_assert_eq(io.result, 1, "%td bytes", io.result);
    cr_assert_eq(bide_test_thread_count(), before.threads, "%d threads instead of %d",
                 bide_test_thread_count(), before.threads);
    cr_assert_eq(stats_of(bide_reactor_global()).turns, 0, "the global reactor was driven");
    (void)bide_cancel(&source.readable.future);
    close_source(&source);
}

Test(reactor, is_driven_by_the_waits_of_a_thread_that_has_entered_it)
{
    struct source source;
    open_source(&source);
    struct counter counter = {0};
    cr_assert_gives(poll_with(&source.readable.future, counting(&counter)), BIDE_PENDING);
    put(source.ends[1], "x", 1);
    bide_timer timer;
    /* Once, unless what was put takes longer than the timer to come. */
    do {
        bide_timer_after(&timer, BIDE_MILLISECONDS(1));
        cr_assert_ok(bide_timer_wait(&timer));
    } while (counter.wakes == 0);
    cr_assert_eq(counter.wakes, 1, "%d wakes", counter.wakes);
    char byte;
    cr_assert_gives(bide_read(source.async, &byte, 1, BIDE_NEVER), 1);
    cr_assert_ok(bide_sleep(BIDE_MILLISECONDS(1)));
    cr_assert_eq(stats_of(bide_reactor_global()).turns, 0, "the global reactor was driven");
    cr_assert_gt(stats_of(reactor).turns, 0, "it was not driven");
    (void)bide_cancel(&source.readable.future);
    close_source(&source);
}

Test(reactor, that_was_current_is_current_again_after_another_one_was_left)
{
    bide_reactor *second;
    cr_assert_ok(bide_reactor_new(&second, NULL));
    cr_assert(bide_reactor_current() == reactor, "another reactor is current");
    bide_reactor *previous = bide_reactor_enter(second);
    cr_assert(previous == reactor && bide_reactor_current() == second, "another reactor is current");
    bide_timer timer;
    bide_timer_after(&timer, 0);
    struct counter counter = {0};
    bide_timer_set_after(&timer, BIDE_HOURS(1));
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_PENDING);
    bide_reactor_leave(previous);
    cr_assert(bide_reactor_current() == reactor, "another reactor is current");
    cr_assert_eq(stats_of(second).timers_pending, 1, "%zu timers", stats_of(second).timers_pending);
    cr_assert_eq(stats_of(reactor).timers_pending, 0, "%zu timers", stats_of(reactor).timers_pending);
    cr_assert_gives(bide_cancel(&timer.future), BIDE_READY);
    bide_reactor *ours = bide_reactor_enter(NULL);
    cr_assert(bide_reactor_current() == bide_reactor_global(), "another reactor is current");
    bide_reactor_leave(ours);
    cr_assert_ok(bide_reactor_free(second));
}

static void enter_and_sleep(struct worker *worker)
{
    bide_reactor *previous = bide_reactor_enter(reactor);
    worker->result = bide_event_wait(worker->arg, BIDE_NEVER);
    bide_reactor_leave(previous);
}

Test(reactor, has_one_driver_at_a_time)
{
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    struct worker worker;
    worker_start(&worker, enter_and_sleep, &event);
    await_asleep(&worker);
    cr_assert_gives(bide_reactor_run_once(reactor, BIDE_NOW), BIDE_EBUSY);
    bide_event_set(&event);
    cr_assert_gives(worker_join(&worker), 0);
    cr_assert_gives(bide_reactor_run_once(reactor, BIDE_NOW), 0);
}

Test(reactor, serves_several_threads_that_have_entered_it)
{
    bide_event events[3];
    struct worker workers[3];
    for (int i = 0; i < 3; i++) {
        cr_assert_ok(bide_event_init(&events[i], BIDE_EVENT_AUTO));
        worker_start(&workers[i], enter_and_sleep, &events[i]);
        await_asleep(&workers[i]);
    }
    struct source source;
    open_source(&source);
    char byte;
    /* Whoever drives leaves, one after the other. */
    for (int i = 0; i < 3; i++) {
        put(source.ends[1], "x", 1);
        cr_assert_gives(bide_read(source.async, &byte, 1, BIDE_NEVER), 1);
        bide_event_set(&events[i]);
        cr_assert_gives(worker_join(&workers[i]), 0);
        cr_assert_gives(bide_read(source.async, &byte, 1, bide_after(BIDE_MILLISECONDS(2))), BIDE_ETIMEDOUT);
    }
    close_source(&source);
}

/* --- within another event loop -------------------------------------------------------------------------- */

Test(reactor, tells_when_the_next_turn_is_due)
{
    cr_assert(bide_is_never(bide_reactor_next_deadline(reactor)), "without a timer");
    struct counter counter = {0};
    bide_timer timers[2];
    for (int i = 0; i < 2; i++) {
        bide_timer_after(&timers[i], BIDE_HOURS(2 - i));
        cr_assert_gives(poll_with(&timers[i].future, counting(&counter)), BIDE_PENDING);
        bide_instant next = bide_reactor_next_deadline(reactor);
        cr_assert_eq(next.ns, bide_timer_deadline(&timers[i]).ns, "%lld with %d timers", (long long)next.ns,
                     i + 1);
    }
    cr_assert_gives(bide_cancel(&timers[1].future), BIDE_READY);
    cr_assert_eq(bide_reactor_next_deadline(reactor).ns, bide_timer_deadline(&timers[0]).ns,
                 "after a cancel");
    cr_assert_ok(bide_timer_set_after(&timers[0], BIDE_HOURS(3)));
    cr_assert_eq(bide_reactor_next_deadline(reactor).ns, bide_timer_deadline(&timers[0]).ns, "after a move");
    cr_assert_ok(bide_timer_set_after(&timers[0], 0));
    cr_assert_eq(bide_reactor_next_deadline(reactor).ns, BIDE_NOW.ns, "with one that is due");
    cr_assert_gives(bide_reactor_run_once(reactor, BIDE_NOW), 1);
    cr_assert(bide_is_never(bide_reactor_next_deadline(reactor)), "after it has fired");
    (void)bide_cancel(&timers[0].future);
}

/* Only poll(2) has none, and says so. */
static bool has_descriptor(bide_fd *fd)
{
    int error = bide_reactor_fd(reactor, fd);
    if (error != BIDE_ENOTSUP) cr_assert_ok(error);
    cr_assert_eq(error == BIDE_ENOTSUP, strcmp(bide_reactor_backend(reactor), "poll") == 0, "%s with %s",
                 bide_error_name(error), bide_reactor_backend(reactor));
    return error == 0;
}

static bool is_readable(bide_fd fd)
{
    struct pollfd look = {.fd = fd, .events = POLLIN};
    return poll(&look, 1, 0) == 1;
}

struct foreign {
    bide_timer *timer;
    bide_duration after;
    struct source *source;
    struct counter *counter;
};

/* From another thread, which has the reactor as its current one for the while. */
static void add_elsewhere(struct worker *worker)
{
    struct foreign *it = worker->arg;
    bide_reactor *previous = bide_reactor_enter(reactor);
    if (it->timer) {
        bide_timer_after(it->timer, it->after);
        worker->result = poll_with(&it->timer->future, counting(it->counter));
    }
    if (it->source) {
        worker->result = bide_async_new(&it->source->async, it->source->ends[0]);
        bide_readable_init(&it->source->readable, it->source->async);
        if (!worker->result) worker->result = poll_with(&it->source->readable.future, counting(it->counter));
    }
    bide_reactor_leave(previous);
}

Test(reactor, has_a_descriptor_that_tells_of_earlier_timers_and_new_sources_from_elsewhere)
{
    bide_fd fd;
    if (!has_descriptor(&fd)) return;
    struct counter counter = {0};
    struct worker worker;
    bide_timer first, later, earlier;
    bide_timer_after(&first, BIDE_HOURS(2));
    cr_assert_gives(poll_with(&first.future, counting(&counter)), BIDE_PENDING);
    (void)bide_reactor_run_once(reactor, BIDE_NOW);
    (void)bide_reactor_next_deadline(reactor);
    cr_assert(!is_readable(fd), "readable without a reason");

    struct foreign it = {&later, BIDE_HOURS(3), NULL, &counter};
    worker_start(&worker, add_elsewhere, &it);
    cr_assert_gives(worker_join(&worker), BIDE_PENDING);
    cr_assert(!is_readable(fd), "readable after a later timer");

    it.timer = &earlier;
    it.after = BIDE_HOURS(1);
    worker_start(&worker, add_elsewhere, &it);
    cr_assert_gives(worker_join(&worker), BIDE_PENDING);
    cr_assert(is_readable(fd), "not readable after an earlier timer");
    cr_assert_gives(bide_reactor_run_once(reactor, BIDE_NOW), 0);
    cr_assert_eq(bide_reactor_next_deadline(reactor).ns, bide_timer_deadline(&earlier).ns,
                 "another deadline");
    cr_assert(!is_readable(fd), "still readable after a turn");

    cr_assert_ok(bide_timer_set_after(&later, BIDE_MINUTES(1)));
    cr_assert(is_readable(fd), "not readable after a timer was moved");
    cr_assert_gives(bide_reactor_run_once(reactor, BIDE_NOW), 0);

    struct source source;
    make_pipe(source.ends);
    it = (struct foreign){NULL, 0, &source, &counter};
    worker_start(&worker, add_elsewhere, &it);
    cr_assert_gives(worker_join(&worker), BIDE_PENDING);
    (void)bide_reactor_run_once(reactor, BIDE_NOW);
    (void)bide_reactor_next_deadline(reactor);
    put(source.ends[1], "x", 1);
    cr_assert(is_readable(fd), "not readable with bytes for a new source");
    cr_assert_geq(bide_reactor_run_once(reactor, BIDE_NOW), 1, "nothing was handled");
    cr_assert_geq(counter.wakes, 1, "%d wakes", counter.wakes);
    close_source(&source);
    (void)bide_cancel(&first.future);
    (void)bide_cancel(&later.future);
    (void)bide_cancel(&earlier.future);
}

/* A loop as other libraries have it: poll(2), then a turn that does not wait. */
Test(reactor, runs_inside_another_event_loop_without_spinning)
{
    bide_fd fd;
    if (!has_descriptor(&fd)) return;
    enum { TIMERS = 20 };
    struct counter counter = {0};
    bide_timer timers[TIMERS];
    struct source source;
    open_source(&source);
    cr_assert_gives(poll_with(&source.readable.future, counting(&counter)), BIDE_PENDING);
    for (int i = 0; i < TIMERS; i++) {
        bide_timer_never(&timers[i]);
        cr_assert_gives(poll_with(&timers[i].future, counting(&counter)), BIDE_PENDING);
    }
    for (int i = 0; i < TIMERS; i++)
        cr_assert_ok(bide_timer_set_after(&timers[i], BIDE_MILLISECONDS(2 * i + 2)));
    put(source.ends[1], "x", 1);
    int turns = 0;
    for (; counter.wakes < TIMERS + 1; turns++) {
        cr_assert_lt(turns, 10 * TIMERS, "it spins: %d turns, %d wakes", turns, counter.wakes);
        bide_instant next = bide_reactor_next_deadline(reactor);
        bide_duration left = next.ns == BIDE_NOW.ns ? 0 : bide_instant_since(next, bide_now());
        if (left < 0) left = 0;
        struct timespec limit = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
        struct pollfd look = {.fd = fd, .events = POLLIN};
        (void)ppoll(&look, 1, bide_is_never(next) ? NULL : &limit, NULL);
        cr_assert_geq(bide_reactor_run_once(reactor, BIDE_NOW), 0, "the reactor failed");
    }
    for (int i = 0; i < TIMERS; i++)
        cr_assert_gives(poll_with(&timers[i].future, counting(&counter)), BIDE_READY);
    close_source(&source);
}

static void set_timer(struct worker *worker)
{
    (void)bide_timer_set_after(worker->arg, 0);
}

Test(reactor, that_is_blocked_in_a_turn_is_interrupted_by_an_earlier_timer)
{
    struct counter counter = {0};
    bide_timer timer;
    bide_timer_never(&timer);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_PENDING);
    struct worker worker;
    worker_start(&worker, set_timer, &timer);
    while (counter.wakes == 0)
        cr_assert_geq(bide_reactor_run_once(reactor, BIDE_NEVER), 0, "the reactor failed");
    (void)worker_join(&worker);
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_READY);
}

/* --- making and freeing --------------------------------------------------------------------------------- */

Test(reactor, that_is_freed_cancels_what_waits_on_it)
{
    bide_reactor *mine;
    cr_assert_ok(bide_reactor_new(&mine, NULL));
    bide_reactor *previous = bide_reactor_enter(mine);
    struct source source;
    open_source(&source);
    bide_timer armed, idle;
    bide_timer_after(&armed, BIDE_HOURS(1));
    bide_timer_after(&idle, 0);
    bide_readable unpolled;
    bide_readable_init(&unpolled, source.async);
    char byte;
    bide_io io;
    bide_io_read(&io, source.async, &byte, 1);
    struct counter counter = {0};
    cr_assert_gives(poll_with(&armed.future, counting(&counter)), BIDE_PENDING);
    cr_assert_gives(poll_with(&source.readable.future, counting(&counter)), BIDE_PENDING);
    cr_assert_gives(poll_with(&io.future, counting(&counter)), BIDE_PENDING);
    bide_reactor_leave(previous);
    cr_assert_ok(bide_reactor_free(mine));
    cr_assert_eq(counter.wakes, 3, "%d wakes for three futures", counter.wakes);

    /* Another reactor in the same memory, perhaps. */
    bide_reactor *next;
    cr_assert_ok(bide_reactor_new(&next, NULL));
    bide_future *futures[] = {&armed.future, &idle.future, &source.readable.future, &io.future,
                              &unpolled.future};
    for (size_t i = 0; i < 5; i++)
        cr_assert_gives(poll_with(futures[i], counting(&counter)), BIDE_READY);
    cr_assert_gives(bide_timer_error(&armed), BIDE_ECANCELED);
    cr_assert_gives(bide_timer_error(&idle), BIDE_ECANCELED);
    cr_assert_eq(armed.result.ns, BIDE_NOW.ns, "a result");
    cr_assert_gives(source.readable.result, BIDE_ECANCELED);
    cr_assert_gives(unpolled.result, BIDE_ECANCELED);
    cr_assert_gives(io.result, BIDE_ECANCELED);
    cr_assert_gives(bide_timer_wait(&armed), BIDE_ECANCELED);
    cr_assert_gives(bide_read(source.async, &byte, 1, BIDE_NEVER), BIDE_ECANCELED);
    cr_assert_gives(bide_wait_readable(source.async, BIDE_NEVER), BIDE_ECANCELED);
    cr_assert_eq(stats_of(next).timers_pending, 0, "%zu timers", stats_of(next).timers_pending);
    bide_timer_after(&armed, BIDE_MILLISECONDS(1));
    cr_assert_ok(bide_timer_wait(&armed));
    close_source(&source);
    cr_assert_ok(bide_reactor_free(next));
}

Test(reactor, that_is_freed_lets_handles_give_back_their_descriptors)
{
    bide_reactor *mine;
    cr_assert_ok(bide_reactor_new(&mine, NULL));
    bide_reactor *previous = bide_reactor_enter(mine);
    struct source source;
    open_source(&source);
    bide_reactor_leave(previous);
    cr_assert_ok(bide_reactor_free(mine));
    bide_fd fd;
    cr_assert_ok(bide_async_into_fd(source.async, BIDE_RESTORE_MODE, &fd));
    cr_assert_eq(fd, source.ends[0], "another descriptor");
    cr_assert(!is_nonblocking(fd), "the mode was not restored");
    cr_assert_ok(bide_async_new(&source.async, fd));
    put(source.ends[1], "x", 1);
    char byte;
    cr_assert_gives(bide_read(source.async, &byte, 1, BIDE_NEVER), 1);
    close_source(&source);
}

Test(reactor, is_not_freed_while_it_is_in_use)
{
    cr_assert_gives(bide_reactor_free(reactor), BIDE_EBUSY);
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    struct worker worker;
    worker_start(&worker, enter_and_sleep, &event);
    await_asleep(&worker);
    bide_reactor_leave(bide_reactor_global());
    cr_assert_gives(bide_reactor_free(reactor), BIDE_EBUSY);
    bide_event_set(&event);
    cr_assert_gives(worker_join(&worker), 0);
    cr_assert_ok(bide_reactor_free(reactor));
    cr_assert_gives(bide_reactor_free(reactor), BIDE_EFREED);
    cr_assert_gives(bide_reactor_run_once(reactor, BIDE_NOW), BIDE_ECANCELED);
    cr_assert_null(bide_reactor_backend(reactor), "it has a back end");
    cr_assert(bide_is_never(bide_reactor_next_deadline(reactor)), "it has a deadline");
    enter_reactor();
}

Test(reactor, that_is_new_begins_to_count_at_zero)
{
    bide_timer timer;
    bide_timer_never(&timer);
    struct counter counter = {0};
    cr_assert_gives(poll_with(&timer.future, counting(&counter)), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_after(&timer, 0));
    cr_assert_gives(bide_reactor_run_once(reactor, BIDE_NOW), 1);
    cr_assert_eq(stats_of(reactor).turns, 1, "%d turns", (int)stats_of(reactor).turns);
    cr_assert_eq(stats_of(reactor).timers, 1, "%d timers", (int)stats_of(reactor).timers);
    (void)bide_cancel(&timer.future);
    bide_reactor_leave(bide_reactor_global());
    cr_assert_ok(bide_reactor_free(reactor));
    enter_reactor();
    bide_reactor_stats stats = stats_of(reactor);
    cr_assert_eq(stats.turns + stats.events + stats.timers + stats.notifies + stats.hand_overs, 0,
                 "%d turns, %d events, %d timers, %d notifies, %d hand-overs", (int)stats.turns,
                 (int)stats.events, (int)stats.timers, (int)stats.notifies, (int)stats.hand_overs);
    cr_assert_eq(stats.timers_pending + stats.background, 0, "%zu armed, %zu in the background",
                 stats.timers_pending, stats.background);
}

Test(reactor, uses_the_back_end_it_is_told)
{
    static const char *const names[] = {"epoll", "poll"};
    for (size_t i = 0; i < 2; i++) {
        bide_reactor *mine;
        cr_assert_ok(bide_reactor_new(&mine, names[i]));
        cr_assert_str_eq(bide_reactor_backend(mine), names[i], "%s", bide_reactor_backend(mine));
        bide_reactor *previous = bide_reactor_enter(mine);
        cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(100)));
        bide_reactor_leave(previous);
        cr_assert_ok(bide_reactor_free(mine));
    }
}

Test(reactor, leaves_nothing_behind)
{
    for (int i = 0; i < 20; i++) {
        bide_reactor *mine;
        cr_assert_ok(bide_reactor_new(&mine, NULL));
        bide_reactor *previous = bide_reactor_enter(mine);
        struct source source;
        open_source(&source);
        struct counter counter = {0};
        cr_assert_gives(poll_with(&source.readable.future, counting(&counter)), BIDE_PENDING);
        close_source(&source);
        bide_reactor_leave(previous);
        cr_assert_ok(bide_reactor_free(mine));
    }
    bide_reactor_leave(bide_reactor_global());
    cr_assert_ok(bide_reactor_free(reactor));
    struct inventory after = inventory_now();
    cr_assert_eq(after.fds, before.fds, "%d descriptors before, %d after", before.fds, after.fds);
    cr_assert_eq(after.threads, before.threads, "%d threads before, %d after", before.threads, after.threads);
    enter_reactor();
}

Test(reactor, refuses_bad_arguments)
{
    bide_reactor *none = (bide_reactor *)&before;
    bide_reactor_stats stats;
    bide_fd fd;
    cr_assert_gives(bide_reactor_new(NULL, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_reactor_new(&none, "abacus"), BIDE_EBACKEND);
    cr_assert_null(none, "a reactor was given");
    cr_assert_gives(bide_reactor_free(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_reactor_free(bide_reactor_global()), BIDE_EINVAL);
    cr_assert_gives(bide_reactor_run_once(NULL, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_reactor_fd(NULL, &fd), BIDE_EINVAL);
    cr_assert_gives(bide_reactor_fd(reactor, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_reactor_stats_read(NULL, &stats), BIDE_EINVAL);
    cr_assert_gives(bide_reactor_stats_read(reactor, NULL), BIDE_EINVAL);
    cr_assert_null(bide_reactor_backend(NULL), "NULL has a back end");
    cr_assert(bide_is_never(bide_reactor_next_deadline(NULL)), "NULL has a deadline");
}

Test(reactor, that_cannot_be_opened_tells_why_without_loss)
{
    bide_reactor_leave(bide_reactor_global());
    const uint64_t kinds = BIDE_CALL_BIT(BIDE_CALL_EPOLL_CREATE) | BIDE_CALL_BIT(BIDE_CALL_EVENTFD) |
                           BIDE_CALL_BIT(BIDE_CALL_PIPE);
    static const int errors[] = {EMFILE, EXDEV};
    for (size_t i = 0; i < 2; i++) {
        int expected = bide_error_from_system(errors[i]);
        bide_timer timer;
        bide_timer_after(&timer, BIDE_HOURS(1));
        bide_fault_set(kinds, 1, 1000, errors[i]);
        bide_reactor *none;
        int made = bide_reactor_new(&none, NULL);
        int awaited = bide_timer_wait(&timer);
        int turned = bide_reactor_run_once(bide_reactor_global(), BIDE_NOW);
        (void)bide_fault_clear();
        cr_assert_gives(made, expected);
        cr_assert_gives(awaited, expected);
        cr_assert_gives(turned, expected);
        cr_assert_ok(bide_timer_set_after(&timer, 0));
        cr_assert_ok(bide_timer_wait(&timer));
        cr_assert_ok(bide_shutdown());
    }
    cr_assert(bide_reactor_enter(reactor) == bide_reactor_global(), "another reactor was current");
}
