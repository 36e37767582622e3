/* Sets, many futures in one wait: letting members go, sets as futures, misuse.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_set.h"

TestSuite(set, .fini = shut_down, .timeout = 60);

/* --- removing ------------------------------------------------------------------------------------------- */

Test(set, lets_a_member_go_that_was_never_polled)
{
    struct manual manual;
    bide_set_member member, *ready;
    bide_set_init(&set);
    manual_init(&manual, BIDE_READY);
    cr_assert_ok(bide_set_add(&set, &member, &manual.future, NULL));
    cr_assert_gives(bide_set_remove(&set, &member), BIDE_READY);
    cr_assert_eq(manual.polls + manual.cancels, 0, "%d polls, %d cancels", manual.polls, manual.cancels);
    cr_assert_gives(bide_set_next(&set, BIDE_NEVER, &ready), BIDE_END);
}

Test(set, lets_a_member_go_that_waits)
{
    struct waits waits[3];
    make_waits(waits, 3);
    expect_none();
    cr_assert_gives(bide_set_remove(&set, &waits[1].member), BIDE_READY);
    expect_count(2);
    cr_assert_gives(waits[1].waiting.result, BIDE_ECANCELED);
    for (int i = 0; i < 3; i++)
        bide_event_set(&waits[i].event);
    expect_next(&waits[0].member);
    expect_next(&waits[2].member);
    cr_assert(bide_event_is_set(&waits[1].event), "a member that had left took its event");
}

Test(set, lets_a_member_go_that_has_woken)
{
    struct waits waits[3];
    make_waits(waits, 3);
    expect_none();
    for (int i = 0; i < 3; i++)
        bide_event_set(&waits[i].event);
    cr_assert_gives(bide_set_remove(&set, &waits[1].member), BIDE_COMPLETED);
    cr_assert_gives(waits[1].waiting.result, 0);
    expect_next(&waits[0].member);
    expect_next(&waits[2].member);
    expect_count(0);
}

Test(set, does_not_know_a_member_that_it_gave_or_let_go)
{
    struct waits waits[2];
    make_waits(waits, 2);
    bide_set other;
    bide_set_init(&other);
    cr_assert_gives(bide_set_remove(&other, &waits[0].member), BIDE_ENOENT);
    bide_event_set(&waits[0].event);
    expect_next(&waits[0].member);
    cr_assert_gives(bide_set_remove(&set, &waits[0].member), BIDE_ENOENT);
    cr_assert_gives(bide_set_remove(&set, &waits[1].member), BIDE_READY);
    cr_assert_gives(bide_set_remove(&set, &waits[1].member), BIDE_ENOENT);
    expect_count(0);
}

Test(set, touches_no_member_that_was_let_go)
{
    bide_set_init(&set);
    bide_event *event = malloc(sizeof *event);
    cr_assert_ok(bide_event_init(event, BIDE_EVENT_AUTO));
    for (int woken = 0; woken < 2; woken++) {
        struct waits *it = malloc(sizeof *it);
        bide_event_waiting_init(&it->waiting, event);
        cr_assert_ok(bide_set_add(&set, &it->member, &it->waiting.future, NULL));
        expect_none();
        if (woken) bide_event_set(event);
        cr_assert_gives(bide_set_remove(&set, &it->member), woken ? BIDE_COMPLETED : BIDE_READY);
        free(it);
        bide_event_set(event);
        bide_event_reset(event);
        bide_set_member *ready;
        cr_assert_gives(bide_set_next(&set, BIDE_NOW, &ready), BIDE_END);
    }
    free(event);
}

static void remove_owned(struct worker *worker)
{
    worker->result = bide_set_remove(&set, worker->arg);
}

Test(set, waits_when_it_lets_go_of_a_member_that_the_kernel_owns)
{
    struct owned owned;
    bide_set_member member;
    bide_set_init(&set);
    owned_init(&owned, BIDE_COMPLETED);
    cr_assert_ok(bide_set_add(&set, &member, &owned.future, NULL));
    expect_none();
    struct worker worker;
    worker_start(&worker, remove_owned, &member);
    await_asleep(&worker);
    cr_assert(!worker.done, "it was let go with %ld before the kernel answered", worker.result);
    bide_event_set(&owned.answered);
    cr_assert_gives(worker_join(&worker), BIDE_COMPLETED);
    expect_count(0);
}

/* --- as a future ---------------------------------------------------------------------------------------- */

Test(set, may_be_a_member_of_a_set)
{
    struct waits waits[2];
    make_waits(waits, 2);
    bide_set outer;
    bide_set_member member, *ready;
    bide_set_init(&outer);
    cr_assert_ok(bide_set_add(&outer, &member, &set.future, &set));
    for (int i = 1; i >= 0; i--) {
        cr_assert_gives(bide_set_next(&outer, BIDE_NOW, &ready), BIDE_EAGAIN);
        bide_event_set(&waits[i].event);
        cr_assert_gives(bide_set_next(&outer, BIDE_NOW, &ready), 0);
        cr_assert(ready == &member && set.result == &waits[i].member, "another member");
        cr_assert_ok(bide_set_add(&outer, &member, &set.future, &set));
    }
    cr_assert_gives(bide_set_next(&outer, BIDE_NOW, &ready), 0);
    cr_assert(ready == &member, "another member");
    cr_assert_null(set.result, "the inner set is not at its end");
}

Test(set, that_loses_a_race_keeps_its_members)
{
    struct waits waits[2];
    make_waits(waits, 2);
    for (int i = 0; i < 3; i++) {
        bide_timer limit;
        bide_timer_after(&limit, BIDE_MICROSECONDS(100));
        bide_future *both[] = {&set.future, &limit.future};
        cr_assert_gives(bide_race(both, 2), 1);
        expect_count(2);
    }
    bide_event_set(&waits[0].event);
    bide_timer limit;
    bide_timer_after(&limit, BIDE_HOURS(1));
    bide_future *both[] = {&set.future, &limit.future};
    cr_assert_gives(bide_race(both, 2), 0);
    cr_assert(set.result == &waits[0].member, "another member");
    remove_all(waits, 2);
}

Test(set, wakes_who_polled_it_when_a_member_wakes_or_is_added)
{
    struct waits waits[2];
    make_waits(waits, 2);
    struct counter counter = {0};
    cr_assert_gives(poll_with(&set.future, counting(&counter)), BIDE_PENDING);
    bide_event_set(&waits[0].event);
    bide_event_set(&waits[1].event);
    cr_assert_eq(counter.wakes, 1, "%d wakes for one poll", counter.wakes);
    cr_assert_gives(poll_with(&set.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(poll_with(&set.future, counting(&counter)), BIDE_READY);
    wait_in_set(&waits[0], NULL);
    cr_assert_gives(poll_with(&set.future, counting(&counter)), BIDE_PENDING);
    wait_in_set(&waits[1], NULL);
    cr_assert_eq(counter.wakes, 2, "%d wakes", counter.wakes);
    cr_assert_gives(poll_with(&set.future, counting(&counter)), BIDE_PENDING);
    cr_assert_gives(bide_cancel(&set.future), BIDE_READY);
    remove_all(waits, 2);
    cr_assert_eq(stats_now().background, 0, "%zu wait in the background", stats_now().background);
}

Test(set, with_a_waker_of_ones_own_is_served_by_the_helper_thread)
{
    int writer;
    bide_async *async = open_one(PIPE, &writer);
    bide_readable readable;
    bide_readable_init(&readable, async);
    bide_timer timer;
    bide_timer_after(&timer, BIDE_MILLISECONDS(20));
    bide_set_member members[2];
    bide_set_init(&set);
    cr_assert_ok(bide_set_add(&set, &members[0], &readable.future, NULL));
    cr_assert_ok(bide_set_add(&set, &members[1], &timer.future, NULL));
    struct counter counter = {0};
    int found[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        int wakes = counter.wakes;
        while (poll_with(&set.future, counting(&counter)) == BIDE_PENDING) {
            if (i == 0 && wakes == counter.wakes) put(writer, "x", 1);
            AWAIT(counter.wakes > wakes);
            wakes = counter.wakes;
        }
        cr_assert_not_null(set.result, "no member");
        found[set.result == &members[1]]++;
    }
    cr_assert(found[0] == 1 && found[1] == 1, "found %d and %d", found[0], found[1]);
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
    cr_assert_eq(stats_now().background, 0, "%zu wait in the background", stats_now().background);
}

/* First awaited on a thread, which serves its members itself; then polled with a waker of one's own. */
Test(set, whose_members_were_served_by_a_thread_is_taken_over_by_the_helper)
{
    int writer;
    bide_async *async = open_one(PIPE, &writer);
    bide_readable readable;
    bide_readable_init(&readable, async);
    bide_set_member member;
    bide_set_init(&set);
    cr_assert_ok(bide_set_add(&set, &member, &readable.future, NULL));
    expect_none();
    cr_assert_eq(bide_test_thread_named("async-io"), 0, "the helper thread was started");
    struct counter counter = {0};
    cr_assert_gives(poll_with(&set.future, counting(&counter)), BIDE_PENDING);
    put(writer, "x", 1);
    AWAIT(counter.wakes > 0);
    cr_assert_gives(poll_with(&set.future, counting(&counter)), BIDE_READY);
    cr_assert(set.result == &member, "another member");
    cr_assert_ok(bide_async_free(async));
    (void)close(writer);
}

/* --- misuse --------------------------------------------------------------------------------------------- */

Test(set, gives_back_a_member_that_was_moved)
{
    struct waits waits[2];
    make_waits(waits, 2);
    expect_none();
    bide_event_waiting moved = waits[0].waiting;
    waits[0].member.future = &moved.future;
    bide_event_set(&waits[0].event);
    bide_set_member *ready;
    cr_assert_gives(bide_set_next(&set, BIDE_NOW, &ready), BIDE_EMOVED);
    cr_assert(ready == &waits[0].member, "another member");
    expect_count(1);
    cr_assert_gives(bide_cancel(&waits[0].waiting.future), BIDE_COMPLETED);
    remove_all(&waits[1], 1);
}

Test(set, refuses_null)
{
    struct manual manual;
    bide_set_member member, *ready;
    bide_set_init(&set);
    manual_init(&manual, BIDE_READY);
    cr_assert_gives(bide_set_add(NULL, &member, &manual.future, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_set_add(&set, NULL, &manual.future, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_set_add(&set, &member, NULL, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_set_remove(NULL, &member), BIDE_EINVAL);
    cr_assert_gives(bide_set_remove(&set, NULL), BIDE_EINVAL);
    cr_assert_gives(bide_set_next(NULL, BIDE_NOW, &ready), BIDE_EINVAL);
    cr_assert_gives(bide_set_next(&set, BIDE_NOW, NULL), BIDE_EINVAL);
    expect_count(0);
    cr_assert_eq(bide_set_count(NULL), 0, "NULL has members");
}
