/* The heap of deadlines: order, moves and removals. The bulk is in test_heap_bulk.c, a comparison with a
 * sorted array in test_heap_model.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "test_heap.h"

TestSuite(heap, .timeout = 60);

static struct timer many[MANY];

/* --- order ---------------------------------------------------------------------------------------------- */

Test(heap, an_empty_one_has_no_first_and_gives_nothing, .fini = clear)
{
    expect_first(INT64_MAX);
    expect_pop(INT64_MAX, NULL);
    expect_count(0);
    struct timer timer;
    (void)add(&timer, 7);
    take_out(&timer);
    expect_first(INT64_MAX);
    expect_pop(INT64_MAX, NULL);
    expect_count(0);
}

Test(heap, nothing_comes_out_before_it_is_due, .fini = clear)
{
    struct timer timers[3];
    (void)add(&timers[0], 20);
    (void)add(&timers[1], 10);
    (void)add(&timers[2], 30);
    expect_pop(9, NULL);
    expect_pop(10, &timers[1]);
    expect_pop(19, NULL);
    expect_first(20);
    expect_pop(INT64_MAX, &timers[0]);
    expect_pop(29, NULL);
    expect_pop(30, &timers[2]);
    expect_count(0);
}

Test(heap, the_ends_of_time_are_deadlines_like_others, .fini = clear)
{
    struct timer never, now, before_the_clock, due;
    (void)add(&never, INT64_MAX);
    (void)add(&due, 5);
    (void)add(&now, INT64_MIN);
    (void)add(&before_the_clock, -1);
    expect_first(INT64_MIN);
    expect_pop(5, &now);
    expect_pop(5, &before_the_clock);
    expect_pop(5, &due);
    expect_pop(INT64_MAX - 1, NULL);
    expect_first(INT64_MAX);
    expect_count(1);
    expect_pop(INT64_MAX, &never);
}

static void equals_come_out_in_order(uint32_t count)
{
    struct timer *timers = calloc(count, sizeof *timers);
    for (uint32_t i = 0; i < count; i++)
        (void)add(&timers[i], 1000);
    for (uint32_t i = 0; i < count; i++)
        expect_pop(1000, &timers[i]);
    expect_count(0);
    free(timers);
}

Test(heap, equal_deadlines_come_out_first_in_first_out, .fini = clear)
{
    for (uint32_t count = 1; count < 300; count++)
        equals_come_out_in_order(count);
    equals_come_out_in_order(20000);
}

Test(heap, equal_deadlines_keep_their_order_when_the_sequence_wraps, .fini = clear)
{
    static const uint32_t starts[] = {
        UINT32_MAX,           UINT32_MAX - 25,           UINT32_MAX - 9000,
        UINT32_C(0x7fffffff), UINT32_C(0x80000000) - 25, UINT32_C(0x80000000) - 9000};
    static const uint32_t counts[] = {3, 50, 18000};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        for (size_t j = 0; j < sizeof counts / sizeof *counts; j++) {
            heap.sequence = starts[i];
            equals_come_out_in_order(counts[j]);
        }
}

Test(heap, equal_deadlines_keep_their_order_up_to_half_the_sequences_apart, .fini = clear)
{
    struct timer old, young;
    (void)add(&old, 10);
    heap.sequence += UINT32_C(0x7ffffffe);
    (void)add(&young, 10);
    expect_pop(10, &old);
    expect_pop(10, &young);
}

/* Farther apart only the order among equals may suffer. */
Test(heap, unequal_deadlines_keep_their_order_whatever_the_sequences, .fini = clear)
{
    enum { COUNT = 3000 };
    static struct timer timers[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        (void)add(&timers[i], (int64_t)(i * UINT32_C(2654435761) % 500));
        heap.sequence += UINT32_C(0x5fffffff);
    }
    int64_t last = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        const struct timer *timer = bide_heap_pop(&heap, at(i < COUNT / 2 ? 499 : INT64_MAX));
        cr_assert_not_null(timer, "%u of %d timers came out", i, COUNT);
        cr_assert(timer->deadline >= last, "%lld after %lld", (long long)timer->deadline, (long long)last);
        last = timer->deadline;
    }
    expect_count(0);
}

/* --- moves and removals --------------------------------------------------------------------------------- */

Test(heap, a_move_to_a_later_deadline_counts_at_once, .fini = clear)
{
    struct timer a, b;
    (void)add(&a, 10);
    (void)add(&b, 20);
    (void)move(&a, 30);
    expect_first(20);
    expect_pop(10, NULL);
    expect_pop(30, &b);
    (void)move(&a, 40);
    expect_pop(39, NULL);
    expect_first(40);
    expect_pop(40, &a);
}

Test(heap, all_may_move_to_later_deadlines, .fini = clear)
{
    enum { COUNT = 5000 };
    static struct timer timers[COUNT];
    add_many(timers, COUNT, 1000, 1);
    for (int i = 0; i < COUNT; i++)
        (void)move(&timers[i], 20000 - i);
    expect_first(20000 - COUNT + 1);
    check_invariants();
    expect_pop(20000 - COUNT, NULL);
    for (int i = COUNT; i-- > 0;)
        expect_pop(20000, &timers[i]);
}

/* More than can be put right at once. */
enum { LARGE = 100000 };
static struct timer large[LARGE];

/* Asks for the first until it is what it must be; the sleeper wakes for nothing no more than so often. */
static void expect_first_soon(int64_t deadline, int wakes)
{
    int64_t first = bide_heap_first(&heap).ns;
    for (; first != deadline && wakes > 0; wakes--) {
        cr_assert(first < deadline, "the first is %lld, later than %lld", (long long)first,
                  (long long)deadline);
        expect_pop(first, NULL);
        first = bide_heap_first(&heap).ns;
        check_invariants();
    }
    cr_assert_eq(first, deadline, "the first is %lld, not %lld", (long long)first, (long long)deadline);
}

Test(heap, when_very_many_have_moved_the_first_is_never_told_too_late, .fini = clear)
{
    add_many(large, LARGE, 0, 10);
    for (int i = 0; i < LARGE; i++)
        (void)move(&large[i], large[i].deadline + LARGE * 10);
    expect_first_soon(LARGE * 10, 20);
    expect_pop(LARGE * 10 - 1, NULL);
    for (int i = 0; i < LARGE; i++) {
        const struct timer *timer = bide_heap_pop(&heap, at(LARGE * 20));
        cr_assert_not_null(timer, "%d came out", i);
        cr_assert_eq(timer->deadline, LARGE * 10 + i * 10, "number %d was due at %lld", i,
                     (long long)timer->deadline);
    }
}

Test(heap, when_very_many_are_gone_the_first_is_never_told_too_late, .fini = clear)
{
    add_many(large, LARGE, 0, 10);
    for (int i = 0; i < LARGE; i++)
        if (large[i].deadline < LARGE * 5) take_out(&large[i]);
    expect_first_soon(LARGE * 5, 20);
    expect_count(LARGE / 2);
    expect_pop(LARGE * 5 - 1, NULL);
}

Test(heap, all_may_move_to_later_deadlines_when_they_seem_due, .fini = clear)
{
    add_many(many, MANY, 0, 1);
    for (int i = 0; i < MANY; i++)
        (void)move(&many[i], 3 * MANY + i);
    expect_pop(2 * MANY, NULL);
    check_invariants();
    for (int i = 0; i < MANY; i++)
        expect_pop(4 * MANY, &many[i]);
}

Test(heap, a_move_to_an_earlier_deadline_counts_at_once, .fini = clear)
{
    struct timer a, b, c;
    (void)add(&a, 10);
    (void)add(&b, 20);
    (void)add(&c, 30);
    (void)move(&c, 15);
    (void)move(&b, 5);
    expect_first(5);
    expect_pop(30, &b);
    expect_pop(30, &a);
    expect_pop(30, &c);
}

Test(heap, later_then_less_late_is_the_less_late, .fini = clear)
{
    struct timer a, b;
    (void)add(&a, 10);
    (void)add(&b, 50);
    (void)move(&a, 100);
    (void)move(&a, 60);
    expect_first(50);
    expect_pop(59, &b);
    expect_pop(59, NULL);
    (void)move(&a, 90);
    (void)move(&a, 10);
    expect_first(10);
    expect_pop(10, &a);
}

Test(heap, a_move_takes_a_new_place_among_equals, .fini = clear)
{
    struct timer a, b, c, d;
    (void)add(&a, 10);
    (void)add(&b, 20);
    (void)add(&c, 30);
    (void)move(&a, 20); /* later */
    (void)add(&d, 20);
    (void)move(&c, 20); /* earlier */
    expect_pop(20, &b);
    (void)move(&a, 20); /* the same */
    expect_pop(20, &d);
    expect_pop(20, &c);
    expect_pop(20, &a);
}

Test(heap, a_move_back_and_forth_leaves_one_timer, .fini = clear)
{
    struct timer timers[100];
    for (int i = 0; i < 100; i++)
        (void)add(&timers[i], i);
    for (int round = 0; round < 1000; round++) {
        (void)move(&timers[50], round % 3 ? 1000 + round : -round);
        (void)move(&timers[round % 100], round % 100);
        if (round % 100 == 0) check_invariants();
    }
    for (int i = 0; i < 100; i++)
        (void)move(&timers[i], i);
    expect_count(100);
    for (int i = 0; i < 100; i++)
        expect_pop(i, &timers[i]);
    expect_pop(INT64_MAX, NULL);
}

Test(heap, a_removed_timer_does_not_come_out, .fini = clear)
{
    enum { COUNT = 2000 };
    static struct timer timers[COUNT];
    add_many(timers, COUNT, 0, 1);
    for (int i = 0; i < COUNT; i += 2)
        take_out(&timers[i]);
    expect_count(COUNT / 2);
    int64_t last = -1;
    for (int i = 0; i < COUNT / 2; i++) {
        const struct timer *timer = bide_heap_pop(&heap, at(COUNT));
        cr_assert_not_null(timer, "%d timers came out", i);
        cr_assert_neq(timer->id, 0, "a removed timer came out");
        cr_assert_gt(timer->deadline, last, "%lld after %lld", (long long)timer->deadline, (long long)last);
        last = timer->deadline;
    }
    expect_pop(INT64_MAX, NULL);
}

/* What was removed keeps its entry for a while. */
Test(heap, the_tree_shrinks_with_the_number_of_timers, .fini = clear)
{
    enum { COUNT = 5000 };
    static struct timer timers[COUNT];
    add_many(timers, COUNT, 0, 1);
    for (uint32_t left = COUNT; left-- > 1;) {
        take_out(&timers[left]);
        cr_assert_leq(heap.size, 3 * left + 200, "%u entries for %u timers", heap.size, left);
    }
    take_out(&timers[0]);
    cr_assert_eq(heap.size + heap.ids, 0, "%u entries and %u ids for no timer", heap.size, heap.ids);
    add_many(timers, COUNT, 0, 1);
    while (bide_heap_pop(&heap, at(COUNT)))
        continue;
    cr_assert_eq(heap.size + heap.ids, 0, "%u entries and %u ids for no timer", heap.size, heap.ids);
}

Test(heap, a_timer_moved_and_then_removed_is_removed, .fini = clear)
{
    struct timer a, b;
    (void)add(&b, 1000);
    for (int i = 0; i < 100; i++) {
        (void)add(&a, 100);
        (void)move(&a, i % 2 ? 50 : 150);
        take_out(&a);
        expect_count(1);
        if (i % 3 == 0) expect_first(1000);
    }
    expect_pop(999, NULL);
    expect_pop(1000, &b);
}

Test(heap, ids_are_used_again_and_memory_is_bounded, .fini = clear)
{
    struct timer timers[40];
    for (int round = 0; round < 20000; round++) {
        struct timer *timer = &timers[round * 7 % 40];
        if (round >= 40) take_out(timer);
        (void)add(timer, round * 31 % 1000);
        if (round % 5 == 0) (void)move(&timers[round % 40 < round ? round * 7 % 40 : 0], round % 500);
        if (round % 1000 == 0) check_invariants();
    }
    cr_assert_leq(heap.ids, 128, "%u ids for 40 timers", heap.ids);
    cr_assert_leq(heap.capacity, 256, "room for %u timers, for 40", heap.capacity);
    expect_count(40);
}

/* Whoever sleeps until bide_heap_first() must hear of any earlier deadline. */
Test(heap, earliest_tells_that_a_deadline_lies_before_all_others, .fini = clear)
{
    struct timer a, b, c;
    cr_assert(add(&a, 100), "the only one is not the first");
    cr_assert_not(add(&b, 100), "an equal deadline is before another");
    cr_assert_not(add(&c, 101), "a later deadline is before another");
    cr_assert(move(&c, 99), "moved before all others, and not the first");
    cr_assert(move(&c, 98), "the first one became earlier, and is not the first");
    cr_assert_not(move(&c, 98), "the first one did not change, and became the first");
    cr_assert_not(move(&a, 98), "an equal deadline is before another");
    cr_assert_not(move(&c, 200), "moved to a later deadline, and became the first");
    expect_first(98);
    cr_assert(move(&b, 97), "moved before all others, and not the first");
}
