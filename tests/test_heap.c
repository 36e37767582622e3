/* The heap of deadlines: order, moves, removals, the bulk, and what it does without memory.
 *
 * A sorted array is the model; besides, the invariants that src/timer/heap.c lists are looked at directly.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bide_test.h"

#include "support/syscalls.h"
#include "timer/heap.h"

#include <bide/error.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

TestSuite(heap, .timeout = 60);

#define ROOT 3u
#define FREED UINT32_C(0x80000000)

static struct bide_heap heap;

static void clear(void)
{
    bide_heap_clear(&heap);
}

/* --- timers of the tests -------------------------------------------------------------------------------- */

struct timer {
    bide_heap_id id;
    int64_t deadline;
};

static bide_instant at(int64_t ns)
{
    return bide_instant_from_ns(ns);
}

static bool add(struct timer *timer, int64_t deadline)
{
    bool earliest = false;
    int error = bide_heap_add(&heap, at(deadline), timer, &timer->id, &earliest);
    cr_assert_eq(error, 0, "adding gave %s", bide_error_name(error));
    cr_assert_neq(timer->id, 0, "the id 0 was given out");
    timer->deadline = deadline;
    return earliest;
}

static bool move(struct timer *timer, int64_t deadline)
{
    bool earliest = false;
    bide_heap_move(&heap, timer->id, at(deadline), &earliest);
    timer->deadline = deadline;
    return earliest;
}

static void take_out(struct timer *timer)
{
    bide_heap_remove(&heap, timer->id);
    timer->id = 0;
}

static void expect_first(int64_t deadline)
{
    int64_t first = bide_heap_first(&heap).ns;
    cr_assert_eq(first, deadline, "the first is %lld, not %lld", (long long)first, (long long)deadline);
}

static void expect_pop(int64_t now, const struct timer *timer)
{
    const struct timer *popped = bide_heap_pop(&heap, at(now));
    cr_assert_eq(popped, timer, "popped the timer due at %lld, not the one due at %lld",
                 popped ? (long long)popped->deadline : -1, timer ? (long long)timer->deadline : -1);
}

static void expect_count(size_t count)
{
    cr_assert_eq(bide_heap_count(&heap), count, "%zu timers, not %zu", bide_heap_count(&heap), count);
}

enum { MANY = 4000 };
static struct timer many[MANY];

/* Adds that many, due at first, first + step and so on, not in this order. */
static void add_many(struct timer *timers, uint32_t count, int64_t first, int64_t step)
{
    for (uint32_t i = 0; i < count; i++)
        (void)add(&timers[i], first + i * INT64_C(7919) % count * step); /* a prime that divides no count */
}

/* --- the invariants ------------------------------------------------------------------------------------- */

static bool in_order(const struct bide_heap_entry *a, const struct bide_heap_entry *b)
{
    if (a->deadline != b->deadline) return a->deadline < b->deadline;
    return (b->sequence - a->sequence) >> 31 == 0;
}

static void check_entry(uint32_t i)
{
    const struct bide_heap_entry *entry = &heap.entries[i];
    const struct bide_heap_slot *slot = &heap.slots[entry->id];
    if (entry->id == 0) return;
    cr_assert_eq(slot->position, i, "entry %u: its id's position is %u", i, slot->position);
    cr_assert(entry->deadline <= slot->deadline, "entry %u: later than its timer", i);
    cr_assert(entry->deadline < slot->deadline || entry->sequence == slot->sequence,
              "entry %u: sequence %u, not %u", i, entry->sequence, slot->sequence);
}

static void check_invariants(void)
{
    uint32_t top = heap.capacity ? ROOT + heap.capacity + heap.capacity / 2 : 0;
    uint32_t end = ROOT + heap.size, dead = 0, live = 0, freed = 0;
    if (heap.capacity == 0) return;
    cr_assert(end <= heap.bulk && heap.bulk <= heap.limit && heap.limit <= top,
              "tree to %u, bulk %u to %u of %u", end, heap.bulk, heap.limit, top);
    cr_assert(heap.bulk < heap.limit || heap.limit == top, "an empty bulk at %u, not %u", heap.limit, top);
    cr_assert_eq((uintptr_t)heap.entries % 64, 0, "the entries at %p are not aligned", (void *)heap.entries);
    for (uint32_t i = ROOT; i < end; i++) {
        check_entry(i);
        dead += heap.entries[i].id == 0;
        live += heap.entries[i].id != 0;
        uint32_t parent = i / 4 + 2;
        cr_assert(i == ROOT || in_order(&heap.entries[parent], &heap.entries[i]),
                  "entry %u is before its parent", i);
    }
    for (uint32_t i = heap.bulk; i < heap.limit; i++) {
        check_entry(i);
        live += heap.entries[i].id != 0;
        cr_assert(i == heap.bulk || in_order(&heap.entries[i - 1], &heap.entries[i]), "entry %u of the bulk",
                  i);
    }
    cr_assert_eq(dead, heap.dead, "%u dead, not %u", dead, heap.dead);
    for (bide_heap_id id = heap.free; id != 0; id = heap.slots[id].position & ~FREED)
        freed++;
    cr_assert_eq(live + freed, heap.ids, "%u with entry and %u free ids of %u", live, freed, heap.ids);
}

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
    cr_assert_leq(heap.capacity, 128, "room for %u timers, for 40", heap.capacity);
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

/* --- the bulk ------------------------------------------------------------------------------------------- */

/* MANY timers due at 0, 1 and so on, the first of them taken out, so that the others are in the bulk. */
static struct timer *in_bulk[MANY];
static void fill_bulk(void)
{
    add_many(many, MANY, 0, 1);
    for (int i = 0; i < MANY; i++)
        in_bulk[many[i].deadline] = &many[i];
    expect_pop(MANY, in_bulk[0]);
    cr_assert_eq(heap.limit - heap.bulk, MANY - 1, "%u timers are in the bulk", heap.limit - heap.bulk);
    check_invariants();
}

Test(heap, many_due_come_out_in_order_and_the_rest_stays, .fini = clear)
{
    add_many(many, MANY, 0, 1);
    for (int i = 0; i < MANY; i++)
        in_bulk[many[i].deadline] = &many[i];
    for (int i = 0; i < MANY / 2; i++)
        expect_pop(MANY / 2 - 1, in_bulk[i]);
    expect_pop(MANY / 2 - 1, NULL);
    check_invariants();
    expect_first(MANY / 2);
    for (int i = MANY / 2; i < MANY; i++)
        expect_pop(i, in_bulk[i]);
    expect_count(0);
}

/* A batch was begun with a later present. */
Test(heap, what_is_in_the_bulk_does_not_come_out_before_it_is_due_either, .init = fill_bulk, .fini = clear)
{
    expect_pop(0, NULL);
    expect_first(1);
    expect_pop(1, in_bulk[1]);
    expect_pop(1, NULL);
    (void)move(in_bulk[2], 3);
    expect_pop(2, NULL);
    expect_pop(3, in_bulk[3]);
    expect_pop(3, in_bulk[2]);
    expect_pop(3, NULL);
}

Test(heap, a_timer_of_the_bulk_can_be_moved_later, .init = fill_bulk, .fini = clear)
{
    (void)move(in_bulk[1], MANY + 10);
    (void)move(in_bulk[2], 5);
    (void)move(in_bulk[MANY - 1], MANY + 20);
    expect_first(3);
    int order[] = {3, 4, 5, 2, 6};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        expect_pop(MANY, in_bulk[order[i]]);
    for (int i = 7; i < MANY - 1; i++)
        expect_pop(MANY, in_bulk[i]);
    expect_pop(MANY, NULL);
    expect_first(MANY + 10);
    expect_pop(MANY + 20, in_bulk[1]);
    expect_pop(MANY + 20, in_bulk[MANY - 1]);
}

Test(heap, a_timer_of_the_bulk_can_be_moved_earlier, .init = fill_bulk, .fini = clear)
{
    (void)move(in_bulk[MANY - 1], 2);
    (void)move(in_bulk[MANY - 2], -5);
    (void)move(in_bulk[1], 1);
    int order[] = {MANY - 2, 1, 2, MANY - 1, 3};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        expect_pop(MANY, in_bulk[order[i]]);
    for (int i = 4; i < MANY - 2; i++)
        expect_pop(MANY, in_bulk[i]);
    expect_count(0);
}

Test(heap, all_timers_of_the_bulk_can_be_moved_earlier, .init = fill_bulk, .fini = clear)
{
    for (int i = 1; i < MANY; i++) {
        (void)move(in_bulk[i], -10 - i);
        if (i % 500 == 0) check_invariants();
    }
    for (int i = MANY - 1; i > 0; i--)
        expect_pop(0, in_bulk[i]);
    expect_count(0);
}

Test(heap, all_timers_of_the_bulk_can_be_moved_later, .init = fill_bulk, .fini = clear)
{
    for (int i = 1; i < MANY; i++)
        (void)move(in_bulk[i], 3 * MANY - i);
    expect_first(2 * MANY + 1);
    check_invariants();
    expect_pop(2 * MANY, NULL);
    for (int i = MANY - 1; i > 0; i--)
        expect_pop(3 * MANY, in_bulk[i]);
}

Test(heap, a_timer_of_the_bulk_can_be_removed, .init = fill_bulk, .fini = clear)
{
    for (int i = 1; i < MANY; i += 2)
        take_out(in_bulk[i]);
    expect_count(MANY / 2 - 1);
    expect_first(2);
    for (int i = 2; i < MANY; i += 2)
        expect_pop(MANY, in_bulk[i]);
    expect_pop(INT64_MAX, NULL);
    expect_first(INT64_MAX);
}

Test(heap, all_timers_of_the_bulk_can_be_removed, .init = fill_bulk, .fini = clear)
{
    struct timer rest;
    (void)add(&rest, 2 * MANY);
    for (int i = 1; i < MANY; i++)
        take_out(in_bulk[i]);
    expect_first(2 * MANY);
    expect_pop(MANY, NULL);
    check_invariants();
    expect_pop(2 * MANY, &rest);
}

/* What a callback does: its timer starts again, in the midst of the others that are due. */
Test(heap, timers_added_while_the_bulk_is_handed_out_come_in_their_order, .init = fill_bulk, .fini = clear)
{
    struct timer now, equal, between;
    (void)add(&equal, 3);
    (void)add(&between, 2);
    (void)add(&now, INT64_MIN);
    expect_first(INT64_MIN);
    expect_pop(MANY, &now);
    expect_pop(MANY, in_bulk[1]);
    expect_pop(MANY, in_bulk[2]);
    expect_pop(MANY, &between);
    expect_pop(MANY, in_bulk[3]);
    expect_pop(MANY, &equal);
    expect_pop(MANY, in_bulk[4]);
}

Test(heap, an_id_freed_in_the_bulk_is_a_timer_like_others, .init = fill_bulk, .fini = clear)
{
    take_out(in_bulk[2]);
    take_out(in_bulk[5]);
    expect_first(1);
    struct timer *again = in_bulk[2];
    (void)add(again, 5);
    (void)add(in_bulk[5], 2);
    expect_pop(MANY, in_bulk[1]);
    expect_pop(MANY, in_bulk[5]);
    expect_pop(MANY, in_bulk[3]);
    expect_pop(MANY, in_bulk[4]);
    expect_pop(MANY, again);
    expect_pop(MANY, in_bulk[6]);
}

Test(heap, the_heap_grows_while_the_bulk_is_handed_out, .init = fill_bulk, .fini = clear)
{
    static struct timer more[8 * MANY];
    add_many(more, 8 * MANY, 10 * MANY, 3);
    check_invariants();
    for (int i = 1; i < MANY; i++)
        expect_pop(MANY, in_bulk[i]);
    expect_pop(MANY, NULL);
    expect_first(10 * MANY);
    check_invariants();
}

static int compare_keys(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* Deadlines that differ by powers of two, or in their highest byte alone, are the sort's worst cases. */
Test(heap, many_due_come_out_in_order_however_they_are_spread, .fini = clear)
{
    static int64_t keys[MANY];
    for (int spread = 0; spread < 6; spread++) {
        uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
        for (int i = 0; i < MANY; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            uint64_t value = random >> 8;
            switch (spread) {
            case 0: keys[i] = (int64_t)random; break;
            case 1: keys[i] = (int64_t)(UINT64_C(1) << value % 63); break;
            case 2: keys[i] = (int64_t)(value % 3) - 1; break;
            case 3: keys[i] = (int64_t)(random & UINT64_C(0xff00000000000000)); break;
            case 4: keys[i] = value % 100 ? 1 : (int64_t)value; break;
            default: keys[i] = -(int64_t)((UINT64_C(1) << value % 63) + value % 3); break;
            }
            (void)add(&many[i], keys[i]);
        }
        qsort(keys, MANY, sizeof *keys, compare_keys);
        const struct timer *last = NULL;
        for (int i = 0; i < MANY; i++) {
            const struct timer *timer = bide_heap_pop(&heap, BIDE_NEVER);
            cr_assert_not_null(timer, "spread %d: %d timers came out", spread, i);
            cr_assert_eq(timer->deadline, keys[i], "spread %d, number %d: %lld, not %lld", spread, i,
                         (long long)timer->deadline, (long long)keys[i]);
            cr_assert(!last || last->deadline < timer->deadline || last < timer,
                      "spread %d, number %d: not first-in first-out", spread, i);
            last = timer;
        }
    }
}

/* --- memory --------------------------------------------------------------------------------------------- */

Test(heap, a_timer_costs_at_most_48_bytes, .fini = clear)
{
    enum { COUNT = (1 << 16) - 1 };
    static struct timer timers[COUNT];
    add_many(timers, COUNT, 0, 1000);
    cr_assert_eq(heap.capacity, COUNT + 1, "room for %u timers", heap.capacity);
    size_t entries = (heap.capacity + heap.capacity / 2) * sizeof(struct bide_heap_entry);
    size_t tables = heap.capacity * (sizeof(struct bide_heap_slot) + sizeof(void *));
    size_t each = (entries + tables) / heap.capacity;
    cr_log_info(
        "entry %zu, slot %zu, owner %zu: %zu bytes a timer with room for entries that are dead; the heap %zu",
        sizeof(struct bide_heap_entry), sizeof(struct bide_heap_slot), sizeof(void *), each, sizeof heap);
    cr_assert_leq(each, 48, "%zu bytes a timer", each);
}

Test(heap, clearing_gives_the_memory_back_and_leaves_an_empty_heap, .fini = clear)
{
    add_many(many, MANY, 0, 1);
    (void)bide_heap_pop(&heap, at(MANY));
    bide_heap_clear(&heap);
    static const struct bide_heap zeroed;
    cr_assert_eq(memcmp(&heap, &zeroed, sizeof heap), 0, "something is left");
    expect_first(INT64_MAX);
    struct timer timer;
    (void)add(&timer, 3);
    expect_pop(3, &timer);
}

Test(heap, without_memory_adding_fails_and_changes_nothing, .fini = clear)
{
    enum { COUNT = 3000 };
    static struct timer timers[COUNT];
    unsigned long failed = 0;
    for (int i = 0; i < COUNT; i++) {
        /* every allocation of this growth fails once */
        for (unsigned long nth = 1;; nth++) {
            struct timer timer = {0};
            bool earliest = false;
            bide_fault_set(BIDE_CALLS_ALLOC, nth, 1, 0);
            int error = bide_heap_add(&heap, at(COUNT - i), &timers[i], &timer.id, &earliest);
            if (bide_fault_clear() == 0) {
                cr_assert_eq(error, 0, "adding gave %s", bide_error_name(error));
                timers[i].id = timer.id;
                timers[i].deadline = COUNT - i;
                break;
            }
            failed++;
            cr_assert_eq(error, BIDE_ENOMEM, "without memory adding gave %s", bide_error_name(error));
            expect_count((size_t)i);
            expect_first(i ? COUNT - i + 1 : INT64_MAX);
            check_invariants();
        }
    }
    cr_assert_geq(failed, 18, "%lu allocations failed", failed);
    for (int i = COUNT - 1; i >= 0; i--)
        expect_pop(COUNT, &timers[i]);
}

Test(heap, the_heap_grows_without_harm_when_memory_lacks_in_the_midst_of_the_bulk, .init = fill_bulk,
     .fini = clear)
{
    static struct timer more[2 * MANY];
    bide_fault_set(BIDE_CALLS_ALLOC, 1, 1000000, 0);
    int added = 0, error = 0;
    while (error == 0) {
        bool earliest;
        error = bide_heap_add(&heap, at(added % 2 ? 2 * MANY : -1), &more[added], &more[added].id, &earliest);
        if (error == 0) added++;
        cr_assert_lt(added, 2 * MANY, "no addition needed memory");
    }
    (void)bide_fault_clear();
    cr_assert_eq(error, BIDE_ENOMEM, "without memory adding gave %s", bide_error_name(error));
    check_invariants();
    for (int i = 0; i < added; i += 2)
        cr_assert_eq(bide_heap_pop(&heap, at(MANY)), &more[i], "number %d of those added", i);
    for (int i = 1; i < MANY; i++)
        expect_pop(MANY, in_bulk[i]);
    expect_pop(MANY, NULL);
    expect_count((size_t)(added / 2));
}

Test(heap, moving_removing_and_taking_out_ask_for_no_memory, .fini = clear)
{
    add_many(many, MANY, 0, 1);
    bide_calls_reset();
    for (int i = 0; i < MANY; i++)
        (void)move(&many[i], i % 2 ? 2 * MANY - i : -i);
    for (int i = 0; i < MANY; i += 4)
        take_out(&many[i]);
    (void)bide_heap_first(&heap);
    while (bide_heap_pop(&heap, at(2 * MANY)))
        continue;
    cr_assert_eq(bide_calls_of(BIDE_CALL_ALLOC), 0, "%lu allocations", bide_calls_of(BIDE_CALL_ALLOC));
    expect_count(0);
}

/* --- against the model ---------------------------------------------------------------------------------- */

/* A sorted array of what must come out. */
struct key {
    int64_t deadline;
    uint64_t order; /* of the last addition or move */
};
struct model {
    struct key keys[1 << 13];
    uint16_t timers[1 << 13];
    uint32_t count;
};
static struct model model;
static struct timer population[1 << 13];
static uint64_t orders[1 << 13];
static uint64_t last_order, random_state;
static int64_t asleep_until; /* of the driver that the heap's owner would be */

enum { POPULATION = sizeof population / sizeof *population };

static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * UINT64_C(2685821657736338717) >> 11;
}

static uint32_t place_of(struct key key)
{
    uint32_t low = 0, high = model.count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const struct key *other = &model.keys[middle];
        if (other->deadline < key.deadline || (other->deadline == key.deadline && other->order < key.order))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void model_add(uint32_t timer, int64_t deadline)
{
    struct key key = {deadline, orders[timer] = ++last_order};
    uint32_t place = place_of(key), behind = model.count++ - place;
    memmove(&model.keys[place + 1], &model.keys[place], behind * sizeof *model.keys);
    memmove(&model.timers[place + 1], &model.timers[place], behind * sizeof *model.timers);
    model.keys[place] = key;
    model.timers[place] = (uint16_t)timer;
}

static void model_remove(uint32_t timer)
{
    uint32_t place = place_of((struct key){population[timer].deadline, orders[timer]});
    uint32_t behind = --model.count - place;
    memmove(&model.keys[place], &model.keys[place + 1], behind * sizeof *model.keys);
    memmove(&model.timers[place], &model.timers[place + 1], behind * sizeof *model.timers);
}

static int64_t model_first(void)
{
    return model.count ? model.keys[0].deadline : INT64_MAX;
}

/* After a timer of the model changed: who sleeps until the first is told when it must be, and only then. */
static void check_earliest(bool earliest, int64_t deadline)
{
    bool before_others =
        model.count == 1 || (model.keys[0].deadline == deadline && model.keys[1].deadline > deadline);
    cr_assert(!earliest || before_others, "%lld is called the first, and %lld is", (long long)deadline,
              (long long)model_first());
    if (earliest && deadline < asleep_until) asleep_until = deadline;
    cr_assert(asleep_until <= model_first(), "the owner sleeps until %lld, past %lld",
              (long long)asleep_until, (long long)model_first());
}

static void pop_and_check(int64_t now)
{
    const struct timer *popped = bide_heap_pop(&heap, at(now));
    const struct timer *expected =
        model.count && model.keys[0].deadline <= now ? &population[model.timers[0]] : NULL;
    cr_assert_eq(popped, expected, "at %lld came number %td, due at %lld, not number %td, due at %lld",
                 (long long)now, popped ? popped - population : -1, popped ? (long long)popped->deadline : 0,
                 expected ? expected - population : -1, expected ? (long long)expected->deadline : 0);
    if (!popped) return;
    uint32_t timer = (uint32_t)(popped - population);
    model_remove(timer);
    population[timer].id = 0;
}

static int64_t some_deadline(int64_t now, int64_t range)
{
    uint64_t chance = random_number() % 1000;
    if (chance == 0) return INT64_MIN;
    if (chance == 1) return INT64_MAX;
    return now - range / 16 + (int64_t)(random_number() % (uint64_t)range);
}

static void one_operation(int64_t now, int64_t range, uint32_t wanted)
{
    uint32_t i = (uint32_t)(random_number() % POPULATION);
    struct timer *timer = &population[i];
    if (timer->id == 0) {
        if (model.count >= wanted) {
            /* not that one, then; another that is armed */
            if (model.count == 0) return;
            i = model.timers[random_number() % model.count];
            timer = &population[i];
        } else {
            int64_t deadline = some_deadline(now, range);
            model_add(i, deadline);
            check_earliest(add(timer, deadline), deadline);
            return;
        }
    }
    if (random_number() % 16 < (model.count > wanted ? 15u : 4u)) {
        model_remove(i);
        take_out(timer);
        return;
    }
    int64_t deadline = some_deadline(now, range);
    if (random_number() % 2 && timer->deadline < INT64_MAX - range)
        deadline = timer->deadline + (int64_t)(random_number() % (uint64_t)range);
    if (random_number() % 8 == 0) deadline = timer->deadline;
    model_remove(i);
    model_add(i, deadline);
    check_earliest(move(timer, deadline), deadline);
}

static void against_the_model(uint64_t seed, uint32_t sequence, int operations)
{
    static const int64_t ranges[] = {4, 300, 60000000000};
    cr_log_info("seed %llu, sequences from %u", (unsigned long long)seed, sequence);
    random_state = seed;
    heap.sequence = sequence;
    memset(population, 0, sizeof population);
    model.count = 0;
    asleep_until = INT64_MAX;
    int64_t now = 0, range = ranges[0];
    uint32_t wanted = 0;
    for (int i = 0; i < operations; i++) {
        if (i % 5000 == 0) {
            range = ranges[random_number() % 3];
            wanted = (uint32_t)(random_number() % (POPULATION - 1)) >> random_number() % 8;
            check_invariants();
        }
        uint64_t chance = random_number() % 4096;
        if (chance < 1) now += (int64_t)(random_number() % (uint64_t)range);
        if (chance < 64) now += (int64_t)(random_number() % (uint64_t)(range / 64 + 2));
        if (chance < 256) {
            int64_t first = bide_heap_first(&heap).ns;
            cr_assert_eq(first, model_first(), "the first is %lld, not %lld", (long long)first,
                         (long long)model_first());
            asleep_until = first;
        } else if (chance < 1536) {
            pop_and_check(now);
        } else {
            one_operation(now, range, wanted);
        }
        cr_assert_eq(bide_heap_count(&heap), model.count, "%zu timers, not %u", bide_heap_count(&heap),
                     model.count);
    }
    while (model.count)
        pop_and_check(INT64_MAX);
    check_invariants();
}

Test(heap, it_does_what_a_sorted_array_does, .fini = clear)
{
    const char *seed = getenv("BIDE_TEST_SEED");
    against_the_model(seed ? strtoull(seed, NULL, 0) : (uint64_t)bide_now().ns | 1, 0, 500000);
}

Test(heap, it_does_what_a_sorted_array_does_when_the_sequence_wraps, .fini = clear)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        against_the_model(seed, UINT32_MAX - 20000, 80000);
        against_the_model(seed + 100, UINT32_C(0x80000000) - 20000, 80000);
    }
}
