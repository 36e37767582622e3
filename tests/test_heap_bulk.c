/* The heap of deadlines: many that are due at once, and memory: what it costs, and what happens without.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "test_heap.h"

#include "support/syscalls.h"

TestSuite(heap, .timeout = 60);

static struct timer many[MANY];

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

Test(heap, a_timer_costs_at_most_45_bytes, .fini = clear)
{
    enum { COUNT = (1 << 16) - 1 };
    static struct timer timers[COUNT];
    add_many(timers, COUNT, 0, 1000);
    cr_assert_eq(heap.capacity, COUNT + 1, "room for %u timers", heap.capacity);
    size_t entries = (heap.capacity + heap.capacity / 16 * 5) * sizeof(struct bide_heap_entry);
    size_t tables = heap.capacity * (sizeof(struct bide_heap_slot) + sizeof(uint32_t) + sizeof(void *));
    size_t each = (entries + tables) / heap.capacity;
    cr_log_info("entry %zu, slot %zu, position 4, owner %zu: %zu bytes a timer with room for entries that "
                "are dead; the heap %zu",
                sizeof(struct bide_heap_entry), sizeof(struct bide_heap_slot), sizeof(void *), each,
                sizeof heap);
    cr_assert_leq(each, 45, "%zu bytes a timer", each);
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
    cr_assert_geq(failed, 16, "%lu allocations failed", failed);
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
