/* The role of the driver: who has it, how it passes from thread to thread, and that nobody waits in vain.
 *
 * Who drives is seen from the thread on which a waker runs.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

#include "reactor/reactor.h"

TestSuite(driver, .fini = shut_down, .timeout = 60);

static struct bide_reactor *global(void)
{
    return bide_reactor_global();
}

/* What the reactor's lock guards, as seen at one moment. */
struct role {
    bool held;
    bool by_helper;
    bool blocked;
    int parked;
};

static struct role role_now(void)
{
    struct bide_reactor *reactor = global();
    bide_os_mutex_lock(&reactor->lock);
    struct role role = {
        .held = reactor->holder != NULL,
        .by_helper = reactor->holder && reactor->holder == reactor->helper,
        .blocked = reactor->blocked,
    };
    for (bide_link *link = reactor->parked.next_; link != &reactor->parked; link = link->next_)
        role.parked++;
    bide_os_mutex_unlock(&reactor->lock);
    return role;
}

/* A timer in the background that notes on which thread its waker ran. */
struct probe {
    bide_timer timer;
    _Atomic int thread;
};

static void note_thread(void *arg)
{
    struct probe *probe = arg;
    atomic_store(&probe->thread, gettid());
}

static void probe_arm(struct probe *probe)
{
    bide_waker waker = {note_thread, probe};
    bide_timer_never(&probe->timer);
    probe->thread = 0;
    cr_assert_gives(poll_with(&probe->timer.future, waker), BIDE_PENDING);
}

static void probe_end(struct probe *probe)
{
    cr_assert_gives(bide_cancel(&probe->timer.future), BIDE_READY);
}

/* Who serves the reactor now: the id of the thread. */
static int who_drives(void)
{
    struct probe probe;
    probe_arm(&probe);
    cr_assert_ok(bide_timer_set_after(&probe.timer, 0));
    AWAIT(probe.thread != 0);
    probe_end(&probe);
    return probe.thread;
}

/* The helper thread is there, in the poller, and stays armed for. */
static void start_helper(struct probe *keep)
{
    probe_arm(keep);
    AWAIT(role_now().by_helper && role_now().blocked);
}

/* A thread that waits for an event. */
struct party {
    struct worker worker;
    bide_event event;
    _Atomic bool ended; /* the wait has */
    _Atomic bool leave; /* the thread may end */
};

static void take_part(struct worker *worker)
{
    struct party *party = worker->arg;
    worker->result = bide_event_wait(&party->event, BIDE_NEVER);
    party->ended = true;
    AWAIT(party->leave);
}

static void party_start(struct party *party)
{
    cr_assert_ok(bide_event_init(&party->event, BIDE_EVENT_AUTO));
    party->ended = false;
    party->leave = false;
    worker_start(&party->worker, take_part, party);
}

/* Its wait ends, and the thread goes on without Bide. */
static void party_release(struct party *party)
{
    bide_event_set(&party->event);
    AWAIT(party->ended);
}

static void party_end(struct party *party)
{
    party->leave = true;
    cr_assert_gives(worker_join(&party->worker), 0);
}

/* --- from and to the helper ----------------------------------------------------------------------------- */

Test(driver, is_the_thread_that_waits_and_the_helper_when_it_has_gone)
{
    struct probe keep;
    start_helper(&keep);
    int helper = bide_test_thread_named("async-io");
    cr_assert_eq(who_drives(), helper, "not the helper");
    for (int i = 0; i < 5; i++) {
        struct party party;
        uint64_t notifies = stats_now().notifies;
        party_start(&party);
        AWAIT(role_now().held && !role_now().by_helper);
        cr_assert_geq(stats_now().notifies, notifies + 1, "it took the role without a notify");
        cr_assert_eq(who_drives(), party.worker.id, "not the thread that waits");
        uint64_t hand_overs = stats_now().hand_overs;
        party_release(&party);
        cr_assert_eq(who_drives(), helper, "not the helper");
        cr_assert_eq(stats_now().hand_overs, hand_overs + 1, "%d hand-overs",
                     (int)(stats_now().hand_overs - hand_overs));
        party_end(&party);
    }
    probe_end(&keep);
}

Test(driver, that_is_the_helper_is_asked_for_the_role_once)
{
    struct probe keep;
    start_helper(&keep);
    uint64_t notifies = stats_now().notifies;
    cr_assert_ok(bide_sleep(BIDE_MILLISECONDS(1)));
    cr_assert_eq(stats_now().notifies, notifies + 1, "%d notifies", (int)(stats_now().notifies - notifies));
    probe_end(&keep);
}

/* Holds the helper inside a waker while threads come and go. */
static struct gate gate;
static bide_timer gate_timer;

static void hold_helper(void)
{
    memset(&gate, 0, sizeof gate);
    bide_timer_never(&gate_timer);
    cr_assert_gives(poll_with(&gate_timer.future, gated(&gate)), BIDE_PENDING);
    cr_assert_ok(bide_timer_set_after(&gate_timer, 0));
    AWAIT(gate.entered);
    cr_assert(role_now().by_helper, "the waker runs elsewhere");
}

static void let_helper_go(void)
{
    gate.open = true;
    cr_assert_gives(bide_cancel(&gate_timer.future), BIDE_READY);
}

Test(driver, that_is_asked_by_a_thread_which_has_left_since_leaves_the_role_vacant_for_a_period)
{
    struct probe keep;
    start_helper(&keep);
    hold_helper();
    struct party party;
    party_start(&party);
    AWAIT(role_now().parked == 1);
    party_release(&party);
    uint64_t hand_overs = stats_now().hand_overs;
    bide_instant before = bide_now();
    let_helper_go();
    AWAIT(stats_now().hand_overs > hand_overs);
    bide_duration vacant = bide_instant_since(bide_now(), before);
    cr_assert_geq(vacant, BIDE_STANDBY_PERIOD, "it was vacant for %lld us only", (long long)(vacant / 1000));
    cr_assert_eq(who_drives(), bide_test_thread_named("async-io"), "not the helper");
    party_end(&party);
    probe_end(&keep);
}

Test(driver, that_is_asked_by_several_hands_the_role_to_one_of_them)
{
    struct probe keep;
    start_helper(&keep);
    hold_helper();
    struct party parties[3];
    for (int i = 0; i < 3; i++) {
        party_start(&parties[i]);
        AWAIT(role_now().parked == i + 1);
    }
    /* The first in the line leaves before the helper lets go. */
    party_release(&parties[0]);
    let_helper_go();
    int driver = who_drives();
    cr_assert(driver == parties[1].worker.id || driver == parties[2].worker.id, "another thread drives");
    for (int i = 0; i < 3; i++) {
        if (i > 0) party_release(&parties[i]);
        party_end(&parties[i]);
    }
    cr_assert_eq(who_drives(), bide_test_thread_named("async-io"), "not the helper");
    probe_end(&keep);
}

/* --- between threads ------------------------------------------------------------------------------------ */

enum { PARTIES = 3 };
static struct party parties[PARTIES];

/* Threads that wait, the first of which drives; the helper is there, and has nothing to do. */
static void line_up(void)
{
    for (int i = 0; i < PARTIES; i++) {
        party_start(&parties[i]);
        AWAIT(role_now().held && !role_now().by_helper && role_now().parked == i);
    }
    cr_assert_eq(who_drives(), parties[0].worker.id, "not the first thread");
}

/* The threads leave in this order: the first is the driver at the beginning, the second the standby.
 * Whoever is left drives, and in the end the helper. */
static void leave_in_order(const int order[PARTIES])
{
    struct probe keep;
    start_helper(&keep);
    line_up();
    for (int gone = 0; gone < PARTIES; gone++) {
        int driver = who_drives();
        bool is_here = false;
        for (int i = gone; i < PARTIES; i++)
            is_here = is_here || parties[order[i]].worker.id == driver;
        cr_assert(is_here, "thread %d drives after %d have left", driver, gone);
        party_release(&parties[order[gone]]);
        party_end(&parties[order[gone]]);
    }
    cr_assert_eq(who_drives(), bide_test_thread_named("async-io"), "not the helper");
    probe_end(&keep);
}

Test(driver, is_followed_by_a_thread_that_waits_when_it_leaves_first)
{
    leave_in_order((int[]){0, 1, 2});
    leave_in_order((int[]){0, 2, 1});
}

Test(driver, is_followed_by_a_thread_that_waits_when_the_standby_left_first)
{
    leave_in_order((int[]){1, 0, 2});
    leave_in_order((int[]){1, 2, 0});
}

Test(driver, is_followed_by_a_thread_that_waits_when_an_ordinary_one_left_first)
{
    leave_in_order((int[]){2, 0, 1});
    leave_in_order((int[]){2, 1, 0});
}

Test(driver, that_goes_off_to_compute_is_followed_by_a_thread_that_waits_without_any_helper)
{
    bide_set_threads(false);
    int writer;
    bide_async *async = open_one(PIPE, &writer);
    char bytes[2] = {0};
    for (int i = 0; i < 20; i++) {
        struct party party;
        party_start(&party);
        AWAIT(role_now().held);
        struct call reader = {.function = call_read, .async = async, .buffer = bytes, .length = 1};
        reader.deadline = BIDE_NEVER;
        call_start(&reader);
        AWAIT(role_now().parked == 1);
        uint64_t hand_overs = stats_now().hand_overs;
        party_release(&party);
        put(writer, "x", 1);
        cr_assert_gives(call_join(&reader), 1);
        cr_assert_leq(stats_now().hand_overs, hand_overs + 1, "%d hand-overs",
                      (int)(stats_now().hand_overs - hand_overs));
        party_end(&party);
    }
    cr_assert_eq(bide_test_thread_named("async-io"), 0, "a helper thread");
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
}

Test(driver, that_is_blocked_is_interrupted_by_an_earlier_timer_and_by_no_other)
{
    struct probe first, later, earlier;
    probe_arm(&first);
    cr_assert_ok(bide_timer_set_after(&first.timer, BIDE_HOURS(1)));
    struct party party;
    party_start(&party);
    AWAIT(role_now().blocked && !role_now().by_helper);
    uint64_t notifies = stats_now().notifies;
    probe_arm(&later);
    cr_assert_ok(bide_timer_set_after(&later.timer, BIDE_HOURS(2)));
    cr_assert_eq(stats_now().notifies, notifies, "a notify for a later timer");
    probe_arm(&earlier);
    cr_assert_ok(bide_timer_set_after(&earlier.timer, 0));
    cr_assert_eq(stats_now().notifies, notifies + 1, "%d notifies", (int)(stats_now().notifies - notifies));
    AWAIT(earlier.thread != 0);
    cr_assert_eq(earlier.thread, party.worker.id, "not the thread that waits");
    probe_end(&first);
    probe_end(&later);
    probe_end(&earlier);
    party_release(&party);
    party_end(&party);
}

Test(driver, does_not_keep_other_threads_beyond_their_deadlines)
{
    cr_assert_not_null(bide_reactor_backend(bide_reactor_global()), "the reactor cannot be opened");
    struct party party;
    party_start(&party);
    AWAIT(role_now().blocked);
    bide_event event;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    for (int i = 0; i < 5; i++) {
        bide_instant deadline = bide_after(BIDE_MILLISECONDS(2));
        cr_assert_gives(bide_event_wait(&event, deadline), BIDE_ETIMEDOUT);
        cr_assert(!bide_before(bide_now(), deadline), "too early");
        cr_assert(role_now().blocked, "the role was left");
    }
    party_release(&party);
    party_end(&party);
}

/* --- under stress --------------------------------------------------------------------------------------- */

static void spin(int count)
{
    for (; count > 0; count--)
        bide_os_spin_pause();
}

static void release_soon(struct worker *worker)
{
    spin((int)(intptr_t)worker->arg);
    party_release(&parties[0]);
}

/* The thread to which the helper offers the role leaves at the same moment. */
Test(driver, offered_to_a_thread_that_is_leaving_is_not_lost)
{
    struct probe keep;
    start_helper(&keep);
    for (int i = 0; i < 1000; i++) {
        hold_helper();
        party_start(&parties[0]);
        AWAIT(role_now().parked == 1);
        struct worker releaser;
        worker_start(&releaser, release_soon, (void *)(intptr_t)(i % 20 * 100));
        spin((i * 7) % 20 * 100);
        let_helper_go();
        (void)worker_join(&releaser);
        int driver = who_drives();
        cr_assert_eq(driver, bide_test_thread_named("async-io"), "thread %d drives", driver);
        party_end(&parties[0]);
    }
    probe_end(&keep);
}

/* Ping-pong: each side waits for the other by a direct call. */
static void answer(struct worker *worker)
{
    bide_async *async = worker->arg;
    char byte;
    while ((worker->result = bide_read(async, &byte, 1, BIDE_NEVER)) == 1)
        if ((worker->result = bide_write(async, &byte, 1, BIDE_NEVER)) != 1) return;
}

Test(driver, changes_with_every_message_between_two_threads_and_loses_none)
{
    bide_set_threads(false);
    enum { PAIRS = 2, MESSAGES = 3000 };
    bide_async *ends[PAIRS][2];
    struct worker workers[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        open_channel(UNIX, ends[i]);
        worker_start(&workers[i], answer, ends[i][1]);
    }
    for (int i = 0; i < MESSAGES; i++) {
        bide_async *mine = ends[i % PAIRS][0];
        char byte;
        cr_assert_gives(bide_write(mine, "x", 1, BIDE_NEVER), 1);
        cr_assert_gives(bide_read(mine, &byte, 1, BIDE_NEVER), 1);
    }
    for (int i = 0; i < PAIRS; i++) {
        cr_assert_ok(bide_async_free(ends[i][0]));
        cr_assert_gives(worker_join(&workers[i]), 0);
        cr_assert_ok(bide_async_free(ends[i][1]));
    }
}

static _Atomic bool stop;
static bide_event shared[2];

/* Comes and goes: sleeps, waits for events that others set, sets them, computes. */
static void wander(struct worker *worker)
{
    uint32_t random = (uint32_t)worker->id;
    while (!stop && worker->result == 0) {
        random = random * 1664525 + 1013904223;
        bide_duration shortly = BIDE_MICROSECONDS(random >> 24);
        switch (random >> 20 & 7) {
        case 0: spin((int)(random >> 18)); break;
        case 1:
        case 2: bide_event_set(&shared[random & 1]); break;
        case 3: worker->result = bide_sleep(shortly); break;
        default:
            worker->result = bide_event_wait(&shared[random & 1], bide_after(shortly));
            if (worker->result == BIDE_ETIMEDOUT) worker->result = 0;
            break;
        }
    }
}

Test(driver, is_there_for_the_background_whatever_threads_come_and_go)
{
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_event_init(&shared[i], BIDE_EVENT_AUTO));
    struct worker workers[4];
    for (int i = 0; i < 4; i++)
        worker_start(&workers[i], wander, NULL);
    int writer;
    bide_async *async = open_one(PIPE, &writer);
    for (int i = 0; i < 1000; i++) {
        struct probe probe;
        struct counter counter = {0};
        bide_readable readable;
        bide_readable_init(&readable, async);
        cr_assert_gives(poll_with(&readable.future, counting(&counter)), BIDE_PENDING);
        probe_arm(&probe);
        spin(i % 50 * 40);
        cr_assert_ok(bide_timer_set_after(&probe.timer, BIDE_MICROSECONDS(i % 300)));
        put(writer, "x", 1);
        AWAIT(probe.thread != 0 && counter.wakes > 0);
        probe_end(&probe);
        cr_assert_gives(poll_with(&readable.future, counting(&counter)), BIDE_READY);
        char byte;
        cr_assert_gives(bide_read(async, &byte, 1, BIDE_NOW), 1);
    }
    stop = true;
    for (int i = 0; i < 4; i++)
        cr_assert_gives(worker_join(&workers[i]), 0);
    /* And all is as if none of them had been there. */
    struct role role = role_now();
    cr_assert_eq(role.parked, 0, "%d threads parked", role.parked);
    cr_assert_eq(stats_now().background, 0, "%zu wait in the background", stats_now().background);
    cr_assert_eq(who_drives(), bide_test_thread_named("async-io"), "not the helper");
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
}
