/* The poller: registrations, modes, bad input. What is reported beyond reading and writing is in
 * test_poller_events.c, the choice of the back end in test_poller_backend.c, waiting and waking in
 * test_poller_wait.c and test_poller_notify.c; what happens when the system denies something in
 * test_poller_fallback.c.
 *
 * All tests use the back end that bide_poller_new() chooses, so that a run with BIDE_BACKEND=poll repeats
 * them there.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_poller_pair.h"

#include <stdlib.h>

enum { READ = BIDE_POLL_READ, WRITE = BIDE_POLL_WRITE, HUP = BIDE_POLL_HUP, ERR = BIDE_POLL_ERR };

TestSuite(poller, .init = open_all, .fini = close_all, .timeout = 30);

/* --- registrations -------------------------------------------------------------------------------------- */

Test(poller, a_ready_descriptor_is_reported_with_its_key_and_readiness)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 7, READ, BIDE_POLL_LEVEL));
    expect_nothing(poller);
    feed(pair[1]);
    expect_event(poller, 7, READ);
}

Test(poller, only_what_was_asked_for_is_reported)
{
    feed(pair[1]);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, WRITE, BIDE_POLL_LEVEL));
    expect_event(poller, 1, WRITE);
    cr_assert_ok(bide_poller_modify(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    expect_event(poller, 1, READ);
    cr_assert_ok(bide_poller_modify(poller, pair[0], 1, READ | WRITE, BIDE_POLL_LEVEL));
    expect_event(poller, 1, READ | WRITE);
    cr_assert_ok(bide_poller_modify(poller, pair[0], 1, 0, BIDE_POLL_LEVEL));
    expect_nothing(poller);
}

Test(poller, any_key_but_the_reserved_one_comes_back_whole)
{
    feed(pair[1]);
    const uint64_t keys[] = {0, UINT64_C(0x0123456789abcdef), UINT64_C(1) << 63, UINT64_MAX - 1};
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        cr_assert_ok(bide_poller_modify(poller, pair[0], keys[i], READ, BIDE_POLL_LEVEL));
        expect_event(poller, keys[i], READ);
    }
}

Test(poller, the_key_of_all_ones_is_refused)
{
    cr_assert_gives(bide_poller_add(poller, pair[0], UINT64_MAX, READ, BIDE_POLL_LEVEL), BIDE_EINVAL);
    cr_assert_gives(bide_poller_delete(poller, pair[0]), BIDE_ENOENT);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    cr_assert_gives(bide_poller_modify(poller, pair[0], UINT64_MAX, READ, BIDE_POLL_LEVEL), BIDE_EINVAL);
    feed(pair[1]);
    expect_event(poller, 1, READ);
}

Test(poller, adding_twice_is_an_error_and_the_first_registration_goes_on)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    cr_assert_gives(bide_poller_add(poller, pair[0], 2, WRITE, BIDE_POLL_ONESHOT), BIDE_EEXIST);
    expect_nothing(poller);
    feed(pair[1]);
    expect_event(poller, 1, READ);
    expect_event(poller, 1, READ);
}

Test(poller, modifying_or_deleting_the_unknown_is_not_found)
{
    cr_assert_gives(bide_poller_modify(poller, pair[0], 1, READ, BIDE_POLL_LEVEL), BIDE_ENOENT);
    cr_assert_gives(bide_poller_delete(poller, pair[0]), BIDE_ENOENT);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    cr_assert_gives(bide_poller_delete(poller, pair[1]), BIDE_ENOENT);
    cr_assert_ok(bide_poller_delete(poller, pair[0]));
    cr_assert_gives(bide_poller_delete(poller, pair[0]), BIDE_ENOENT);
    cr_assert_gives(bide_poller_modify(poller, pair[0], 1, READ, BIDE_POLL_LEVEL), BIDE_ENOENT);
}

Test(poller, a_deleted_descriptor_is_not_reported_and_can_be_added_anew)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    feed(pair[1]);
    expect_event(poller, 1, READ);
    cr_assert_ok(bide_poller_delete(poller, pair[0]));
    expect_nothing(poller);
    cr_assert_ok(bide_poller_add(poller, pair[0], 2, READ, BIDE_POLL_LEVEL));
    expect_event(poller, 2, READ);
}

Test(poller, a_wait_appends_nothing_stale)
{
    bide_poll_event events[4];
    int other[2];
    make_pair(other);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    cr_assert_ok(bide_poller_add(poller, other[0], 2, READ, BIDE_POLL_LEVEL));
    feed(pair[1]);
    feed(other[1]);
    cr_assert_gives(look(poller, events, 4), 2);
    /* the count is that of this wait, and the events are new and from the start */
    drain(pair[0]);
    cr_assert_gives(look(poller, events, 4), 1);
    cr_assert_eq(events[0].key, 2);
    close_pair(other);
}

Test(poller, a_descriptor_closed_without_delete_is_forgotten)
{
    int other[2];
    make_pair(other);
    cr_assert_ok(bide_poller_add(poller, other[0], 1, READ, BIDE_POLL_LEVEL));
    (void)close(other[0]);
    expect_nothing(poller);
    /* somebody else gets the number */
    int again = dup(pair[0]);
    cr_assert_eq(again, other[0], "descriptor %d was expected to be free, got %d", other[0], again);
    cr_assert_gives(bide_poller_delete(poller, again), BIDE_ENOENT);
    cr_assert_ok(bide_poller_add(poller, again, 2, READ, BIDE_POLL_LEVEL));
    feed(pair[1]);
    expect_event(poller, 2, READ);
    cr_assert_ok(bide_poller_delete(poller, again));
    close_pair(other);
}

Test(poller, many_descriptors_come_and_go_in_any_order)
{
    enum { MANY = 100 };
    int pairs[MANY][2];
    bool registered[MANY] = {false};
    bide_poll_event events[MANY];
    for (int i = 0; i < MANY; i++) {
        make_pair(pairs[i]);
        feed(pairs[i][1]);
    }
    srand(1);
    for (int turn = 0; turn < 2000; turn++) {
        int i = rand() % MANY;
        cr_assert_ok(registered[i]
                         ? bide_poller_delete(poller, pairs[i][0])
                         : bide_poller_add(poller, pairs[i][0], (uint64_t)i, READ, BIDE_POLL_LEVEL));
        registered[i] = !registered[i];
        if (turn % 20 != 0) continue;

        int expected = 0;
        for (int k = 0; k < MANY; k++)
            expected += registered[k];
        cr_assert_gives(look(poller, events, MANY), expected);
        bool seen[MANY] = {false};
        for (int k = 0; k < expected; k++) {
            cr_assert_lt(events[k].key, MANY, "key %llu", (unsigned long long)events[k].key);
            cr_assert(registered[events[k].key] && !seen[events[k].key], "turn %d: key %llu", turn,
                      (unsigned long long)events[k].key);
            seen[events[k].key] = true;
        }
    }
    for (int i = 0; i < MANY; i++)
        close_pair(pairs[i]);
}

Test(poller, two_pollers_watching_one_descriptor_both_see_it_per_mode)
{
    bide_poller *second;
    cr_assert_ok(bide_poller_new(&second, NULL));
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    cr_assert_ok(bide_poller_add(second, pair[0], 2, READ, BIDE_POLL_ONESHOT));
    feed(pair[1]);
    expect_event(poller, 1, READ);
    expect_event(second, 2, READ);
    expect_event(poller, 1, READ);
    expect_nothing(second);
    if (has_edges(poller)) {
        cr_assert_ok(bide_poller_modify(second, pair[0], 3, READ, BIDE_POLL_EDGE));
        expect_event(second, 3, READ);
        expect_nothing(second);
        expect_event(poller, 1, READ);
    }
    cr_assert_ok(bide_poller_delete(second, pair[0]));
    expect_event(poller, 1, READ);
    bide_poller_free(second);
}

/* --- modes ---------------------------------------------------------------------------------------------- */

Test(poller, one_shot_reports_once_until_modified)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    feed(pair[1]);
    expect_event(poller, 1, READ);
    expect_nothing(poller);
    feed(pair[1]);
    expect_nothing(poller);
    cr_assert_ok(bide_poller_modify(poller, pair[0], 2, READ, BIDE_POLL_ONESHOT));
    expect_event(poller, 2, READ);
    expect_nothing(poller);
}

Test(poller, a_silent_one_shot_stays_silent_when_others_come_and_go)
{
    int other[2];
    make_pair(other);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    feed(pair[1]);
    expect_event(poller, 1, READ);
    cr_assert_ok(bide_poller_add(poller, other[0], 2, READ, BIDE_POLL_ONESHOT));
    expect_nothing(poller);
    feed(other[1]);
    expect_event(poller, 2, READ);
    cr_assert_ok(bide_poller_delete(poller, other[0]));
    expect_nothing(poller);
    close_pair(other);
}

Test(poller, level_repeats_until_drained)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    feed(pair[1]);
    for (int i = 0; i < 5; i++)
        expect_event(poller, 1, READ);
    drain(pair[0]);
    expect_nothing(poller);
    feed(pair[1]);
    expect_event(poller, 1, READ);
}

Test(poller, edge_stays_silent_until_new_data)
{
    if (!has_edges(poller)) {
        cr_assert_gives(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_EDGE), BIDE_ENOTSUP);
        return;
    }
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_EDGE));
    feed(pair[1]);
    expect_event(poller, 1, READ);
    expect_nothing(poller);
    feed(pair[1]);
    expect_event(poller, 1, READ);
    expect_nothing(poller);
    drain(pair[0]);
    expect_nothing(poller);
    feed(pair[1]);
    expect_event(poller, 1, READ);
}

Test(poller, edge_one_shot_fires_again_only_after_modify)
{
    if (!has_edges(poller)) {
        cr_assert_gives(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_EDGE_ONESHOT), BIDE_ENOTSUP);
        return;
    }
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_EDGE_ONESHOT));
    feed(pair[1]);
    expect_event(poller, 1, READ);
    feed(pair[1]);
    expect_nothing(poller);
    cr_assert_ok(bide_poller_modify(poller, pair[0], 1, READ, BIDE_POLL_EDGE_ONESHOT));
    expect_event(poller, 1, READ);
    feed(pair[1]);
    expect_nothing(poller);
}

Test(poller, what_is_ready_at_add_and_modify_is_reported_in_every_mode)
{
    feed(pair[1]);
    for (int mode = BIDE_POLL_ONESHOT; mode <= BIDE_POLL_EDGE_ONESHOT; mode++) {
        if (!bide_poller_supports(poller, (bide_poll_mode)mode)) continue;
        cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, (bide_poll_mode)mode));
        expect_event(poller, 1, READ);
        for (int i = 0; i < 3; i++) {
            cr_assert_ok(bide_poller_modify(poller, pair[0], 1, READ, (bide_poll_mode)mode));
            expect_event(poller, 1, READ);
        }
        cr_assert_ok(bide_poller_delete(poller, pair[0]));
    }
}

Test(poller, switching_the_mode_by_modify_works)
{
    feed(pair[1]);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    for (int round = 0; round < 2; round++) {
        for (int mode = BIDE_POLL_ONESHOT; mode <= BIDE_POLL_EDGE_ONESHOT; mode++) {
            if (!bide_poller_supports(poller, (bide_poll_mode)mode)) continue;
            cr_assert_ok(bide_poller_modify(poller, pair[0], (uint64_t)mode, READ, (bide_poll_mode)mode));
            expect_event(poller, (uint64_t)mode, READ);
            if (mode == BIDE_POLL_LEVEL)
                expect_event(poller, (uint64_t)mode, READ);
            else
                expect_nothing(poller);
        }
    }
}

Test(poller, a_mode_that_the_back_end_lacks_is_a_clear_error)
{
    cr_assert(bide_poller_supports(poller, BIDE_POLL_ONESHOT));
    cr_assert(bide_poller_supports(poller, BIDE_POLL_LEVEL));
    const char *name = bide_poller_backend(poller);
    const bool edges = strcmp(name, "epoll") == 0 || strcmp(name, "kqueue") == 0;
    cr_assert_eq(bide_poller_supports(poller, BIDE_POLL_EDGE), edges);
    cr_assert_eq(bide_poller_supports(poller, BIDE_POLL_EDGE_ONESHOT), edges);
    cr_assert_not(bide_poller_supports(poller, (bide_poll_mode)4));
    if (edges) return;

    cr_assert_gives(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_EDGE), BIDE_ENOTSUP);
    cr_assert_gives(bide_poller_delete(poller, pair[0]), BIDE_ENOENT);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    cr_assert_gives(bide_poller_modify(poller, pair[0], 2, READ, BIDE_POLL_EDGE), BIDE_ENOTSUP);
    feed(pair[1]);
    expect_event(poller, 1, READ);
}

Test(poller, a_hundred_sockets_in_random_order_give_one_event_each_in_one_shot_mode)
{
    enum { MANY = 100 };
    int pairs[MANY][2];
    int order[MANY];
    int seen[MANY] = {0};
    for (int i = 0; i < MANY; i++) {
        make_pair(pairs[i]);
        cr_assert_ok(bide_poller_add(poller, pairs[i][0], (uint64_t)i, READ, BIDE_POLL_ONESHOT));
        order[i] = i;
    }
    srand(2);
    for (int i = MANY - 1; i > 0; i--) {
        int other = rand() % (i + 1);
        int saved = order[i];
        order[i] = order[other];
        order[other] = saved;
    }
    bide_poll_event events[7];
    for (int i = 0; i < MANY; i++) {
        feed(pairs[order[i]][1]);
        if (i % 3 != 0) continue; /* some by themselves, some together */
        int count = look(poller, events, 7);
        for (int k = 0; k < count; k++)
            seen[events[k].key]++;
    }
    for (int count; (count = look(poller, events, 7)) != 0;) {
        cr_assert_gt(count, 0, "%s", bide_error_name(count));
        for (int k = 0; k < count; k++)
            seen[events[k].key]++;
    }
    for (int i = 0; i < MANY; i++) {
        cr_assert_eq(seen[i], 1, "socket %d was reported %d times", i, seen[i]);
        close_pair(pairs[i]);
    }
}

/* --- bad input ------------------------------------------------------------------------------------------ */

Test(poller, regular_files_and_folders_are_refused_and_nothing_is_registered)
{
    const int kinds[] = {open("/proc/self/exe", O_RDONLY | O_CLOEXEC), open("/", O_RDONLY | O_CLOEXEC)};
    for (size_t i = 0; i < 2; i++) {
        cr_assert_geq(kinds[i], 0);
        cr_assert_gives(bide_poller_add(poller, kinds[i], 1, READ, BIDE_POLL_LEVEL), BIDE_ENOTPOLLABLE);
        cr_assert_gives(bide_poller_modify(poller, kinds[i], 1, READ, BIDE_POLL_LEVEL), BIDE_ENOENT);
        cr_assert_gives(bide_poller_delete(poller, kinds[i]), BIDE_ENOENT);
        (void)close(kinds[i]);
    }
    expect_nothing(poller);
}

Test(poller, closed_and_negative_descriptors_are_bad)
{
    const int closed = dup(pair[0]);
    (void)close(closed);
    const int bad[] = {closed, -1, -7, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_gives(bide_poller_add(poller, bad[i], 1, READ, BIDE_POLL_LEVEL), BIDE_EBADF);
        cr_assert_gives(bide_poller_modify(poller, bad[i], 1, READ, BIDE_POLL_LEVEL), BIDE_EBADF);
        cr_assert_gives(bide_poller_delete(poller, bad[i]), BIDE_EBADF);
    }
}

Test(poller, a_registered_descriptor_that_was_closed_is_bad_and_then_gone)
{
    for (int round = 0; round < 2; round++) {
        int copy = dup(pair[0]);
        /* a pair of its own: a duplicate would keep the registration alive in epoll */
        int other[2];
        make_pair(other);
        cr_assert_ok(bide_poller_add(poller, other[0], 1, READ, BIDE_POLL_LEVEL));
        (void)close(other[0]);
        cr_assert_gives(round == 0 ? bide_poller_delete(poller, other[0])
                                   : bide_poller_modify(poller, other[0], 1, READ, BIDE_POLL_LEVEL),
                        BIDE_EBADF);
        cr_assert_eq(dup2(copy, other[0]), other[0]);
        cr_assert_gives(bide_poller_delete(poller, other[0]), BIDE_ENOENT);
        (void)close(copy);
        close_pair(other);
    }
}

Test(poller, unknown_interests_and_modes_are_refused)
{
    cr_assert_gives(bide_poller_add(poller, pair[0], 1, 64, BIDE_POLL_LEVEL), BIDE_EINVAL);
    cr_assert_gives(bide_poller_add(poller, pair[0], 1, ~0U, BIDE_POLL_LEVEL), BIDE_EINVAL);
    cr_assert_gives(bide_poller_add(poller, pair[0], 1, READ, (bide_poll_mode)4), BIDE_EINVAL);
    cr_assert_gives(bide_poller_delete(poller, pair[0]), BIDE_ENOENT);
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    cr_assert_gives(bide_poller_modify(poller, pair[0], 2, 64, BIDE_POLL_LEVEL), BIDE_EINVAL);
    cr_assert_gives(bide_poller_modify(poller, pair[0], 2, READ, (bide_poll_mode)4), BIDE_EINVAL);
    feed(pair[1]);
    expect_event(poller, 1, READ);
}

Test(poller, a_wait_without_room_is_invalid)
{
    bide_poll_event event;
    cr_assert_gives(bide_poller_wait(poller, NULL, 1, BIDE_NOW), BIDE_EINVAL);
    cr_assert_gives(bide_poller_wait(poller, &event, 0, BIDE_NEVER), BIDE_EINVAL);
    /* nor does it use up a notification */
    cr_assert_ok(bide_poller_notify(poller));
    cr_assert_gives(bide_poller_wait(poller, NULL, 1, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NEVER), 0);
}
