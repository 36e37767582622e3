/* The poller: hang-ups, errors and priority data, and more ready descriptors than there is room for.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_poller_pair.h"

#include <arpa/inet.h>

enum { READ = BIDE_POLL_READ, WRITE = BIDE_POLL_WRITE, HUP = BIDE_POLL_HUP, ERR = BIDE_POLL_ERR };

TestSuite(poller, .init = open_all, .fini = close_all, .timeout = 30);

/* --- readiness beyond reading and writing --------------------------------------------------------------- */

Test(poller, a_hang_up_is_reported_without_being_asked_for)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, 0, BIDE_POLL_LEVEL));
    expect_nothing(poller);
    (void)close(pair[1]);
    expect_event(poller, 1, HUP);
    cr_assert_ok(bide_poller_modify(poller, pair[0], 1, HUP | ERR, BIDE_POLL_LEVEL));
    expect_event(poller, 1, HUP);
}

Test(poller, an_error_is_reported_without_being_asked_for)
{
    int ends[2];
    cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    cr_assert_ok(bide_poller_add(poller, ends[1], 1, 0, BIDE_POLL_ONESHOT));
    expect_nothing(poller);
    (void)close(ends[0]);
    expect_event(poller, 1, ERR);
    expect_nothing(poller);
    (void)close(ends[1]);
}

Test(poller, the_end_of_the_other_side_is_reported_if_asked_for)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ | BIDE_POLL_RDHUP, BIDE_POLL_LEVEL));
    expect_nothing(poller);
    (void)shutdown(pair[1], SHUT_WR);
    expect_event(poller, 1, READ | BIDE_POLL_RDHUP);
    cr_assert_ok(bide_poller_modify(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    expect_event(poller, 1, READ);
}

Test(poller, priority_data_is_reported_if_asked_for)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, length), 0, "bind: %s", strerror(errno));
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    int sender = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(sender, (struct sockaddr *)&address, length), 0, "connect: %s", strerror(errno));
    int receiver = accept(listener, NULL, NULL);
    cr_assert_geq(receiver, 0, "accept: %s", strerror(errno));

    cr_assert_ok(bide_poller_add(poller, receiver, 1, BIDE_POLL_PRI, BIDE_POLL_LEVEL));
    expect_nothing(poller);
    cr_assert_eq(send(sender, "!", 1, MSG_OOB), 1);
    bide_poll_event event;
    cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NEVER), 1);
    cr_assert_eq(event.ready, BIDE_POLL_PRI, "ready is %#x", event.ready);
    (void)close(receiver);
    (void)close(sender);
    (void)close(listener);
}

/* The processor time that a wait to this deadline takes, and its result must be no event. */
static bide_duration time_spent_waiting(bide_duration duration)
{
    struct timespec before, after;
    bide_poll_event event;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    cr_assert_gives(bide_poller_wait(poller, &event, 1, bide_after(duration)), 0);
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    return BIDE_SECONDS(after.tv_sec - before.tv_sec) + (after.tv_nsec - before.tv_nsec);
}

Test(poller, one_shot_with_a_hang_up_pending_does_not_spin)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    (void)close(pair[1]);
    expect_event(poller, 1, READ | HUP);
    expect_nothing(poller);
    bide_duration spent = time_spent_waiting(BIDE_MILLISECONDS(100));
    cr_assert_lt(spent, BIDE_MILLISECONDS(50), "%lld ns on the processor", (long long)spent);
}

Test(poller, one_shot_with_an_error_pending_does_not_spin)
{
    int ends[2];
    cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    cr_assert_ok(bide_poller_add(poller, ends[1], 1, WRITE, BIDE_POLL_ONESHOT));
    expect_event(poller, 1, WRITE);
    (void)close(ends[0]); /* silent already, when the error comes */
    expect_nothing(poller);
    bide_duration spent = time_spent_waiting(BIDE_MILLISECONDS(100));
    cr_assert_lt(spent, BIDE_MILLISECONDS(50), "%lld ns on the processor", (long long)spent);
    (void)close(ends[1]);
}

/* --- more ready than room ------------------------------------------------------------------------------- */

Test(poller, with_more_ready_than_room_none_starves)
{
    enum { MANY = 40 };
    int pairs[MANY][2];
    for (int i = 0; i < MANY; i++) {
        make_pair(pairs[i]);
        feed(pairs[i][1]);
        cr_assert_ok(bide_poller_add(poller, pairs[i][0], (uint64_t)i, READ, BIDE_POLL_LEVEL));
    }
    for (size_t room = 1; room <= 7; room += 3) {
        int seen[MANY] = {0};
        for (size_t reported = 0; reported < MANY; reported += room) {
            bide_poll_event events[7];
            int count = look(poller, events, room);
            cr_assert_eq(count, (int)room, "%d events for %zu places", count, room);
            for (int k = 0; k < count; k++)
                seen[events[k].key]++;
        }
        for (int i = 0; i < MANY; i++)
            cr_assert_geq(seen[i], 1, "%d was left out, with room for %zu", i, room);
    }
    for (int i = 0; i < MANY; i++)
        close_pair(pairs[i]);
}

Test(poller, a_wait_fills_a_large_array_in_one_go)
{
    enum { MANY = 300 };
    static bide_poll_event events[2 * MANY];
    int copies[MANY];
    feed(pair[1]);
    for (int i = 0; i < MANY; i++) {
        copies[i] = dup(pair[0]);
        cr_assert_geq(copies[i], 0, "dup: %s", strerror(errno));
        cr_assert_ok(bide_poller_add(poller, copies[i], (uint64_t)i << 32 | 5U, READ, BIDE_POLL_LEVEL));
    }
    cr_assert_gives(look(poller, events, 2 * MANY), MANY);
    bool seen[MANY] = {false};
    for (int i = 0; i < MANY; i++) {
        cr_assert_eq(events[i].ready, READ, "%#x", events[i].ready);
        cr_assert_eq(events[i].key & UINT32_MAX, 5);
        cr_assert_lt(events[i].key >> 32, MANY);
        cr_assert_not(seen[events[i].key >> 32]);
        seen[events[i].key >> 32] = true;
    }
    for (int i = 0; i < MANY; i++) {
        cr_assert_ok(bide_poller_delete(poller, copies[i]));
        (void)close(copies[i]);
    }
}
