/* Events: set, reset and await, from threads and from signal handlers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

#include "future/thread.h"

#include <signal.h>

TestSuite(event, .fini = shut_down, .timeout = 60);

static bide_event event;

static void init_event(bide_event_mode mode)
{
    cr_assert_ok(bide_event_init(&event, mode));
}

/* --- states --------------------------------------------------------------------------------------------- */

Test(event, begins_unset_and_is_what_was_done_to_it)
{
    for (int mode = BIDE_EVENT_AUTO; mode <= BIDE_EVENT_MANUAL; mode++) {
        init_event((bide_event_mode)mode);
        cr_assert(!bide_event_is_set(&event), "set from the beginning");
        bide_event_set(&event);
        cr_assert(bide_event_is_set(&event), "not set");
        bide_event_set(&event);
        bide_event_reset(&event);
        cr_assert(!bide_event_is_set(&event), "still set after reset");
        cr_assert_ok(bide_event_fini(&event));
    }
}

Test(event, that_is_automatic_is_unset_by_the_wait_it_releases)
{
    init_event(BIDE_EVENT_AUTO);
    bide_event_set(&event);
    cr_assert_ok(bide_event_wait(&event, BIDE_NEVER));
    cr_assert(!bide_event_is_set(&event), "still set");
    cr_assert_gives(bide_event_wait(&event, BIDE_NOW), BIDE_EAGAIN);
}

Test(event, that_is_automatic_coalesces_sets_while_nobody_waits)
{
    init_event(BIDE_EVENT_AUTO);
    for (int i = 0; i < 5; i++)
        bide_event_set(&event);
    cr_assert_ok(bide_event_wait(&event, BIDE_NOW));
    cr_assert_gives(bide_event_wait(&event, BIDE_NOW), BIDE_EAGAIN);
}

Test(event, that_is_manual_stays_set_until_it_is_reset)
{
    init_event(BIDE_EVENT_MANUAL);
    bide_event_set(&event);
    for (int i = 0; i < 3; i++)
        cr_assert_ok(bide_event_wait(&event, BIDE_NOW));
    bide_event_reset(&event);
    cr_assert_gives(bide_event_wait(&event, BIDE_NOW), BIDE_EAGAIN);
}

Test(event, gives_up_at_the_deadline_and_not_before)
{
    init_event(BIDE_EVENT_AUTO);
    bide_instant deadline = bide_after(SHORT);
    cr_assert_gives(bide_event_wait(&event, deadline), BIDE_ETIMEDOUT);
    cr_assert(!bide_before(bide_now(), deadline), "too early");
    cr_assert_ok(bide_event_fini(&event));
}

Test(event, refuses_bad_arguments)
{
    cr_assert_gives(bide_event_init(NULL, BIDE_EVENT_AUTO), BIDE_EINVAL);
    cr_assert_gives(bide_event_init(&event, (bide_event_mode)2), BIDE_EINVAL);
    cr_assert_gives(bide_event_fini(NULL), BIDE_EINVAL);
    cr_assert_gives(bide_event_wait(NULL, BIDE_NOW), BIDE_EINVAL);
    cr_assert(!bide_event_is_set(NULL), "NULL is set");
    bide_event_set(NULL);
    bide_event_reset(NULL);
}

/* --- several waits -------------------------------------------------------------------------------------- */

/* Three waits for the event, in order, each with a counter. */
struct waits {
    bide_event_waiting waiting[3];
    struct counter counters[3];
};

static void begin_waits(struct waits *waits)
{
    memset(waits, 0, sizeof *waits);
    for (int i = 0; i < 3; i++) {
        bide_event_waiting_init(&waits->waiting[i], &event);
        cr_assert_gives(poll_with(&waits->waiting[i].future, counting(&waits->counters[i])), BIDE_PENDING);
    }
}

/* How often each was woken so far. */
static void expect_wakes(const struct waits *waits, int first, int second, int third)
{
    const int expected[3] = {first, second, third};
    for (int i = 0; i < 3; i++)
        cr_assert_eq(waits->counters[i].wakes, expected[i], "wait %d was woken %d times instead of %d", i,
                     waits->counters[i].wakes, expected[i]);
}

static void end_waits(struct waits *waits, int first, int second, int third)
{
    expect_wakes(waits, first, second, third);
    const int released[3] = {first, second, third};
    for (int i = 0; i < 3; i++) {
        int expected = released[i] ? BIDE_READY : BIDE_PENDING;
        cr_assert_gives(poll_with(&waits->waiting[i].future, counting(&waits->counters[i])), expected);
        (void)cancel_with(&waits->waiting[i].future, counting(&waits->counters[i]));
        cr_assert_gives(waits->waiting[i].result, released[i] ? 0 : BIDE_ECANCELED);
    }
    cr_assert_ok(bide_event_fini(&event));
}

Test(event, that_is_automatic_releases_one_wait_for_each_set_the_longest_first)
{
    init_event(BIDE_EVENT_AUTO);
    struct waits waits;
    begin_waits(&waits);
    bide_event_set(&event);
    expect_wakes(&waits, 1, 0, 0);
    bide_event_set(&event);
    cr_assert(!bide_event_is_set(&event), "handed over, and set as well");
    end_waits(&waits, 1, 1, 0);
}

Test(event, that_is_manual_releases_all_waits)
{
    init_event(BIDE_EVENT_MANUAL);
    struct waits waits;
    begin_waits(&waits);
    bide_event_set(&event);
    end_waits(&waits, 1, 1, 1);
    cr_assert(bide_event_is_set(&event), "no longer set");
}

Test(event, that_is_reset_keeps_released_the_waits_that_were)
{
    for (int mode = BIDE_EVENT_AUTO; mode <= BIDE_EVENT_MANUAL; mode++) {
        init_event((bide_event_mode)mode);
        struct waits waits;
        begin_waits(&waits);
        bide_event_set(&event);
        bide_event_reset(&event);
        bool all = mode == BIDE_EVENT_MANUAL;
        end_waits(&waits, 1, all, all);
    }
}

Test(event, grants_a_wait_for_good_so_that_its_cancel_reports_completed)
{
    init_event(BIDE_EVENT_AUTO);
    struct waits waits;
    begin_waits(&waits);
    bide_event_set(&event);
    cr_assert_gives(bide_cancel(&waits.waiting[0].future), BIDE_COMPLETED);
    cr_assert_gives(waits.waiting[0].result, 0);
    cr_assert(!bide_event_is_set(&event), "granted, and set as well");
    /* One that was not granted leaves the event to the next. */
    cr_assert_gives(bide_cancel(&waits.waiting[1].future), BIDE_READY);
    bide_event_set(&event);
    expect_wakes(&waits, 1, 0, 1);
    cr_assert_gives(poll_with(&waits.waiting[2].future, counting(&waits.counters[2])), BIDE_READY);
    cr_assert_ok(bide_event_fini(&event));
}

Test(event, is_busy_while_somebody_waits)
{
    init_event(BIDE_EVENT_AUTO);
    struct waits waits;
    begin_waits(&waits);
    cr_assert_gives(bide_event_fini(&event), BIDE_EBUSY);
    end_waits(&waits, 0, 0, 0);
}

/* As from a handler that interrupts a thread inside one of Bide's locks. */
Test(event, releases_a_wait_for_each_set_also_where_the_release_is_put_off)
{
    for (int sets = 1; sets <= 4; sets++) {
        init_event(BIDE_EVENT_AUTO);
        struct waits waits;
        begin_waits(&waits);
        int object = 0;
        bide_os_mutex *lock = bide_wait_lock(&object);
        for (int i = 0; i < sets; i++)
            bide_event_set(&event);
        expect_wakes(&waits, 0, 0, 0);
        cr_assert_gives(bide_event_fini(&event), BIDE_EBUSY);
        bide_wait_unlock(lock);
        /* One set more than there were waits is there for the next. */
        cr_assert_eq(bide_event_is_set(&event), sets == 4, "%d sets: set %d", sets,
                     bide_event_is_set(&event));
        end_waits(&waits, 1, sets >= 2, sets >= 3);
    }
}

/* Takes a lock that is not the event's own. */
static bide_os_mutex *lock_of_another(void)
{
    bide_os_mutex *lock = bide_wait_lock(&event);
    bide_wait_unlock(lock);
    static char objects[4096];
    bide_os_mutex *other = lock;
    for (size_t i = 0; other == lock; i += 16) {
        other = bide_wait_lock(&objects[i]);
        if (other == lock) bide_wait_unlock(other);
    }
    return other;
}

static void cancel_wait(struct worker *worker)
{
    struct counter counter = {0};
    worker->result = cancel_with(worker->arg, counting(&counter));
}

Test(event, whose_release_is_put_off_may_lose_its_wait_meanwhile)
{
    init_event(BIDE_EVENT_AUTO);
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, &event);
    struct counter counter = {0};
    cr_assert_gives(poll_with(&waiting.future, counting(&counter)), BIDE_PENDING);
    bide_os_mutex *other = lock_of_another();
    bide_event_set(&event);
    struct worker worker;
    worker_start(&worker, cancel_wait, &waiting.future);
    int answer = (int)worker_join(&worker);
    bide_wait_unlock(other);
    cr_assert_gives(answer, BIDE_READY);
    cr_assert(bide_event_is_set(&event), "the set was lost");
    cr_assert_eq(counter.wakes, 0, "%d wakes", counter.wakes);
    cr_assert_ok(bide_event_fini(&event));
}

static void set_event(struct worker *worker)
{
    bide_event_set(worker->arg);
}

/* Waits that begin after the reset, while the first of three sets is still on its way, are one set's. */
static void poll_two(struct worker *worker)
{
    struct waits *waits = worker->arg;
    for (int i = 1; i < 3; i++) {
        bide_event_waiting_init(&waits->waiting[i], &event);
        worker->result += poll_with(&waits->waiting[i].future, counting(&waits->counters[i]));
    }
}

Test(event, that_is_reset_keeps_no_set_that_returned_for_waits_that_begin_later)
{
    init_event(BIDE_EVENT_AUTO);
    struct waits waits;
    memset(&waits, 0, sizeof waits);
    bide_event_waiting_init(&waits.waiting[0], &event);
    cr_assert_gives(poll_with(&waits.waiting[0].future, counting(&waits.counters[0])), BIDE_PENDING);
    bide_os_mutex *other = lock_of_another();
    bide_event_set(&event);
    struct worker worker;
    for (int i = 0; i < 2; i++) {
        worker_start(&worker, set_event, &event);
        (void)worker_join(&worker);
    }
    int first = waits.counters[0].wakes;
    bide_event_reset(&event);
    worker_start(&worker, poll_two, &waits);
    int pending = (int)worker_join(&worker);
    bide_wait_unlock(other);
    cr_assert_eq(first, 1, "the first wait was woken %d times", first);
    cr_assert_gives(pending, 2 * BIDE_PENDING);
    cr_assert(!bide_event_is_set(&event), "set");
    end_waits(&waits, 1, 1, 0);
}

Test(event, coalesces_sets_that_meet_when_nobody_waits_any_more)
{
    init_event(BIDE_EVENT_AUTO);
    bide_event_waiting waiting;
    bide_event_waiting_init(&waiting, &event);
    struct counter counter = {0};
    cr_assert_gives(poll_with(&waiting.future, counting(&counter)), BIDE_PENDING);
    bide_os_mutex *other = lock_of_another();
    bide_event_set(&event);
    struct worker worker;
    for (int i = 0; i < 3; i++) {
        worker_start(&worker, set_event, &event);
        (void)worker_join(&worker);
    }
    bide_wait_unlock(other);
    cr_assert_gives(poll_with(&waiting.future, counting(&counter)), BIDE_READY);
    cr_assert_ok(bide_event_wait(&event, BIDE_NOW));
    cr_assert_gives(bide_event_wait(&event, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_ok(bide_event_fini(&event));
}

/* --- threads -------------------------------------------------------------------------------------------- */

static void wait_for_event(struct worker *worker)
{
    worker->result = bide_event_wait(worker->arg, BIDE_NEVER);
}

Test(event, releases_threads)
{
    struct worker workers[3];
    init_event(BIDE_EVENT_MANUAL);
    for (int i = 0; i < 3; i++)
        worker_start(&workers[i], wait_for_event, &event);
    for (int i = 0; i < 3; i++)
        await_asleep(&workers[i]);
    bide_event_set(&event);
    for (int i = 0; i < 3; i++)
        cr_assert_gives(worker_join(&workers[i]), 0);

    init_event(BIDE_EVENT_AUTO);
    for (int i = 0; i < 3; i++)
        worker_start(&workers[i], wait_for_event, &event);
    for (int i = 0; i < 3; i++)
        await_asleep(&workers[i]);
    for (int i = 0; i < 3; i++)
        bide_event_set(&event);
    for (int i = 0; i < 3; i++)
        cr_assert_gives(worker_join(&workers[i]), 0);
    cr_assert(!bide_event_is_set(&event), "still set");
}

struct table {
    bide_event ping;
    bide_event pong;
    int rounds;
};

static void play(struct worker *worker)
{
    struct table *table = worker->arg;
    for (int i = 0; i < table->rounds && worker->result == 0; i++) {
        worker->result = bide_event_wait(&table->ping, BIDE_NEVER);
        bide_event_set(&table->pong);
    }
}

Test(event, loses_no_wake_between_two_threads)
{
    struct table table = {.rounds = 10000};
    cr_assert_ok(bide_event_init(&table.ping, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_event_init(&table.pong, BIDE_EVENT_AUTO));
    struct worker worker;
    worker_start(&worker, play, &table);
    for (int i = 0; i < table.rounds; i++) {
        bide_event_set(&table.ping);
        cr_assert_gives(bide_event_wait(&table.pong, BIDE_NEVER), 0);
    }
    cr_assert_gives(worker_join(&worker), 0);
}

/* Takes the event it is given, frees it as soon as it was released, and asks for the next. */
struct hand {
    _Atomic(bide_event *) event;
    bide_event_mode mode;
    int rounds;
};

static void wait_and_free(struct worker *worker)
{
    struct hand *hand = worker->arg;
    for (int i = 0; i < hand->rounds && worker->result == 0; i++) {
        bide_event *mine = malloc(sizeof *mine);
        worker->result = bide_event_init(mine, hand->mode);
        atomic_store(&hand->event, mine);
        if (!worker->result) worker->result = bide_event_wait(mine, BIDE_NEVER);
        memset(mine, 0xff, sizeof *mine);
        free(mine);
    }
}

Test(event, may_be_freed_as_soon_as_a_wait_was_released)
{
    for (int mode = BIDE_EVENT_AUTO; mode <= BIDE_EVENT_MANUAL; mode++) {
        struct hand hand = {.mode = (bide_event_mode)mode, .rounds = 1000};
        struct worker worker;
        worker_start(&worker, wait_and_free, &hand);
        for (int i = 0; i < hand.rounds; i++) {
            bide_event *its;
            while (!(its = atomic_exchange(&hand.event, NULL)))
                continue;
            /* Before the wait begins, while it begins, and after. */
            for (int spin = i % 200 * 20; spin > 0; spin--)
                bide_os_spin_pause();
            bide_event_set(its);
        }
        cr_assert_gives(worker_join(&worker), 0);
    }
}

/* Many threads share an automatic event as a lock: each set lets one of them in. */
struct turnstile {
    bide_event event;
    int inside; /* guarded by the event */
    _Atomic bool crowded;
};

static void pass(struct worker *worker)
{
    struct turnstile *turnstile = worker->arg;
    for (int i = 0; i < 1000 && worker->result == 0; i++) {
        /* Some give up, and must not take a set with them. */
        bide_instant deadline = i % 3 == 0 ? bide_after(BIDE_MICROSECONDS(i % 50)) : BIDE_NEVER;
        worker->result = bide_event_wait(&turnstile->event, deadline);
        if (worker->result == BIDE_ETIMEDOUT && i % 3 == 0) {
            worker->result = 0;
            continue;
        }
        if (turnstile->inside++ != 0) turnstile->crowded = true;
        bide_os_spin_pause();
        turnstile->inside--;
        bide_event_set(&turnstile->event);
    }
}

Test(event, is_handed_to_one_of_many_threads_whoever_gives_up)
{
    struct turnstile turnstile = {.inside = 0};
    cr_assert_ok(bide_event_init(&turnstile.event, BIDE_EVENT_AUTO));
    struct worker workers[4];
    bide_event_set(&turnstile.event);
    for (int i = 0; i < 4; i++)
        worker_start(&workers[i], pass, &turnstile);
    for (int i = 0; i < 4; i++)
        cr_assert_gives(worker_join(&workers[i]), 0);
    cr_assert(!turnstile.crowded, "two were inside at once");
    cr_assert_ok(bide_event_wait(&turnstile.event, BIDE_NOW));
}

/* --- signal handlers ------------------------------------------------------------------------------------ */

static bide_event theirs; /* another thread waits for it */
static _Atomic int handled;
static _Atomic int inside_lock;
static _Atomic bool errno_changed;

static void handle(int number)
{
    (void)number;
    int before = errno;
    errno = EXDEV;
    if (bide_thread_self()->wait_locks > 0) inside_lock++;
    bide_event_set(&event);
    bide_event_set(&theirs);
    if (errno != EXDEV) errno_changed = true;
    errno = before;
    handled++;
}

static void install_handler(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    (void)sigemptyset(&action.sa_mask);
    cr_assert_done(sigaction(SIGUSR1, &action, NULL));
}

enum { SIGNALS = 3000 };
static _Atomic int seen_by_us;
static _Atomic int seen_by_them;

/* Keeps itself inside Bide's locks, and every now and then asleep. */
static void poll_in_a_tight_loop(struct worker *worker)
{
    while (seen_by_us < SIGNALS && worker->result == 0) {
        int error = bide_event_wait(&event, seen_by_us % 16 == 0 ? BIDE_NEVER : BIDE_NOW);
        if (error == 0)
            seen_by_us++;
        else if (error != BIDE_EAGAIN && error != BIDE_ETIMEDOUT)
            worker->result = error;
    }
}

static void wait_for_theirs(struct worker *worker)
{
    while (seen_by_them < SIGNALS && worker->result == 0) {
        worker->result = bide_event_wait(&theirs, BIDE_NEVER);
        if (worker->result == 0) seen_by_them++;
    }
}

Test(event, set_by_signal_handlers_is_never_lost)
{
    init_event(BIDE_EVENT_AUTO);
    cr_assert_ok(bide_event_init(&theirs, BIDE_EVENT_AUTO));
    install_handler();
    struct worker us, them;
    worker_start(&us, poll_in_a_tight_loop, NULL);
    worker_start(&them, wait_for_theirs, NULL);
    /* Each signal by itself: a later one would make up for a loss. */
    for (int i = 1; i <= SIGNALS; i++) {
        cr_assert_eq(pthread_kill(us.thread, SIGUSR1), 0, "pthread_kill");
        AWAIT(seen_by_us >= i && seen_by_them >= i);
        cr_assert(seen_by_us == i && seen_by_them == i, "%d signals: seen %d times here and %d there", i,
                  seen_by_us, seen_by_them);
    }
    cr_assert_gives(worker_join(&us), 0);
    cr_assert_gives(worker_join(&them), 0);
    cr_assert(!errno_changed, "errno was changed");
    cr_assert(!bide_event_is_set(&event) && !bide_event_is_set(&theirs), "set once too often");
    cr_log_info("%d of %d handlers ran inside a lock", inside_lock, handled);
}

static void *raise_signal(void *arg)
{
    (void)pthread_kill(pthread_self(), SIGUSR1);
    return arg;
}

Test(event, set_by_a_handler_on_a_thread_that_never_used_it_releases_a_wait)
{
    init_event(BIDE_EVENT_AUTO);
    cr_assert_ok(bide_event_init(&theirs, BIDE_EVENT_AUTO));
    install_handler();
    struct worker worker;
    worker_start(&worker, wait_for_event, &event);
    await_asleep(&worker);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, raise_signal, NULL), 0, "pthread_create");
    cr_assert_gives(worker_join(&worker), 0);
    (void)pthread_join(thread, NULL);
    cr_assert(!errno_changed, "errno was changed");
}
