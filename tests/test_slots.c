/* The slots of the hashed wheel by themselves: against a model, over revolutions, leaps and more than 2^32
 * ticks. Ticks here are of LENGTH ns: deadlines lie anywhere between two, and so do the instants at which it is
 * looked what is due.
 *
 * BIDE_TEST_OPERATIONS sets the number of random operations (300,000), BIDE_TEST_SEED where they begin.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bide_test.h"

#include "timer/slots.h"

#include <bide/error.h>
#include <bide/time.h>

#include <stdlib.h>

TestSuite(slots, .timeout = 600);

#define ORIGIN INT64_C(1000)
#define LENGTH INT64_C(7)

static struct bide_slots slots;
static uint64_t random_state = 88172645463325252u;

static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * UINT64_C(2685821657736338717) >> 11;
}

static void make(uint32_t count, uint32_t initial, uint32_t most)
{
    int error = bide_slots_init(&slots, bide_ticks_from(ORIGIN, LENGTH), count, initial, most);
    cr_assert_eq(error, 0, "%s", bide_error_name(error));
}

static void clear(void)
{
    bide_slots_clear(&slots);
}

/* An instant that belongs to a tick, as a deadline and as the present. */
static int64_t deadline_in(uint64_t tick)
{
    return ORIGIN + (int64_t)tick * LENGTH - (int64_t)(random_number() % LENGTH);
}

static int64_t moment_in(uint64_t tick)
{
    return ORIGIN + (int64_t)tick * LENGTH + (int64_t)(random_number() % LENGTH);
}

static void *pop(uint64_t now)
{
    return bide_slots_pop(&slots, moment_in(now));
}

static void move(bide_slots_id id, uint64_t tick)
{
    bide_slots_move(&slots, id, deadline_in(tick));
}

/* The next tick; NEVER if there is none. */
#define NEVER UINT64_MAX
static uint64_t next_tick(void)
{
    int64_t next = bide_slots_next(&slots);
    return next == BIDE_SLOTS_NEVER ? NEVER : (uint64_t)((next - ORIGIN) / LENGTH);
}

static bide_slots_id add(uint64_t tick, void *owner)
{
    bide_slots_id id = 0;
    int error = bide_slots_add(&slots, deadline_in(tick), owner, &id);
    cr_assert_eq(error, 0, "%s", bide_error_name(error));
    cr_assert_neq(id, 0, "no id");
    return id;
}

static void expect_pop(uint64_t now, const void *owner)
{
    const void *popped = pop(now);
    cr_assert_eq(popped, owner, "at %llu: %p, not %p", (unsigned long long)now, popped, owner);
}

static void expect_next(uint64_t tick)
{
    uint64_t next = next_tick();
    cr_assert_eq(next, tick, "%llu, not %llu", (unsigned long long)next, (unsigned long long)tick);
}

/* --- single steps --- */

static int a, b, c;

Test(slots, come_in_the_order_of_ticks_and_never_before, .fini = clear)
{
    make(8, 1, 100);
    expect_next(NEVER);
    (void)add(5, &a);
    (void)add(3, &b);
    (void)add(3 + 8 * 10, &c); /* the same slot, ten revolutions later */
    expect_next(3);
    expect_pop(2, NULL);
    expect_pop(3, &b);
    expect_pop(3, NULL);
    expect_next(5);
    expect_pop(5, &a);
    for (uint64_t tick = 6; tick < 83; tick++)
        expect_pop(tick, NULL);
    expect_pop(83, &c);
    expect_next(NEVER);
}

Test(slots, that_are_empty_cost_nothing_and_the_next_is_found_wherever_it_is, .fini = clear)
{
    static const uint32_t counts[] = {1, 2, 64, 128, 4096, 8192, BIDE_SLOTS_MOST};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        make(counts[i], 1, 4);
        for (int round = 0; round < 200; round++) {
            uint64_t ahead = 1 + random_number() % counts[i];
            uint64_t tick = slots.current + ahead;
            (void)add(tick, &a);
            expect_next(tick);
            expect_pop(tick - 1, NULL);
            expect_pop(tick, &a);
            expect_next(NEVER);
        }
        clear();
    }
    make(8, 1, 4);
}

Test(slots, that_are_reached_already_come_at_once, .fini = clear)
{
    make(8, 1, 100);
    expect_pop(50, NULL);
    (void)add(50, &a);
    expect_next(50);
    expect_pop(50, &a);
    (void)add(0, &b);
    expect_pop(50, &b);
}

Test(slots, moved_later_stay_where_they_are_until_their_slot_comes, .fini = clear)
{
    make(8, 1, 100);
    bide_slots_id id = add(2, &a);
    move(id, 30);
    expect_pop(29, NULL);
    expect_next(30);
    expect_pop(30, &a);
}

Test(slots, moved_earlier_come_earlier, .fini = clear)
{
    make(8, 1, 100);
    bide_slots_id id = add(30, &a);
    move(id, 4);
    expect_next(4);
    expect_pop(3, NULL);
    expect_pop(4, &a);
    id = add(30, &a);
    move(id, 1); /* reached already */
    expect_pop(4, &a);
}

Test(slots, go_on_beyond_2_to_the_32_ticks_and_after_any_leap, .fini = clear)
{
    static const uint64_t starts[] = {UINT64_C(0xffffffff) - 2, UINT64_C(1) << 40, INT64_MAX / (2 * LENGTH)};
    make(4096, 1, 100);
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        uint64_t start = starts[i];
        expect_pop(start, NULL);
        (void)add(start + 5, &a);
        (void)add(start + 5 + (UINT64_C(1) << 33), &b);
        expect_pop(start + 4, NULL);
        expect_pop(start + 5, &a);
        expect_pop(start + 4 + (UINT64_C(1) << 33), NULL); /* in one leap, as after a suspended machine */
        expect_pop(start + 5 + (UINT64_C(1) << 33), &b);
    }
}

Test(slots, do_not_hold_more_than_the_most, .fini = clear)
{
    make(8, 1, 20);
    bide_slots_id id[20];
    for (int i = 0; i < 20; i++)
        id[i] = add((uint64_t)i + 1, &a);
    bide_slots_id none;
    cr_assert_eq(bide_slots_add(&slots, 1, &a, &none), BIDE_ENOCAPACITY);
    bide_slots_remove(&slots, id[7]);
    (void)add(1, &a);
    cr_assert_eq(bide_slots_add(&slots, 1, &a, &none), BIDE_ENOCAPACITY);
}

Test(slots, use_their_storage_again_and_take_no_more_in_the_steady_state, .fini = clear)
{
    enum { TIMERS = 5000 };
    static bide_slots_id ids[TIMERS];
    make(64, TIMERS, 1u << 22);
    uint32_t capacity = slots.capacity, blocks = slots.block_capacity, most = 0;
    for (int i = 0; i < TIMERS; i++)
        ids[i] = add(1 + random_number() % 1000, &a);
    for (int i = 0; i < 200000; i++) {
        int j = (int)(random_number() % TIMERS);
        if (i % 3 == 0) {
            move(ids[j], 1 + random_number() % 1000);
        } else {
            bide_slots_remove(&slots, ids[j]);
            ids[j] = add(1 + random_number() % 1000, &a);
        }
        if (slots.block_count > most) most = slots.block_count;
    }
    cr_log_info("%u blocks of %u at most", most, blocks);
    cr_assert_eq(slots.capacity, capacity, "%u ids, not %u", slots.capacity, capacity);
    cr_assert_eq(slots.block_capacity, blocks, "%u blocks, not %u", slots.block_capacity, blocks);
}

Test(slots, moved_to_and_fro_leave_no_more_behind_than_they_are, .fini = clear)
{
    make(64, 1, 100);
    bide_slots_id id = add(50, &a);
    (void)add(30, &b);
    for (int i = 0; i < 300000; i++)
        move(id, i % 2 ? 50 : 40);
    expect_next(30);
    cr_assert_leq(slots.block_count, 20, "%u blocks", slots.block_count);
    expect_pop(30, &b);
    expect_pop(49, NULL);
    expect_pop(50, &a);
}

Test(slots, count_in_ticks_as_a_division_does)
{
    static const int64_t lengths[] = {1, 2, 3, 7, 999, 100000000, (INT64_C(1) << 62) + 1, INT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint64_t length = (uint64_t)lengths[i];
        struct bide_ticks ticks = bide_ticks_from(ORIGIN, lengths[i]);
        for (int j = 0; j < 20000; j++) {
            uint64_t n = random_number() >> random_number() % 53;
            if (j % 2) n = (INT64_MAX - ORIGIN - n) / length * length - (j % 4 == 1 && n % 2);
            if (n > INT64_MAX - ORIGIN) continue;
            int64_t instant = ORIGIN + (int64_t)n;
            uint64_t down = bide_ticks_down(&ticks, instant), up = bide_ticks_up(&ticks, instant);
            cr_assert(down == n / length && up == n / length + (n % length != 0), "%llu / %llu: %llu, %llu",
                      (unsigned long long)n, (unsigned long long)length, (unsigned long long)down,
                      (unsigned long long)up);
        }
        cr_assert_eq(bide_ticks_up(&ticks, ORIGIN - 1), 0);
        cr_assert_eq(bide_ticks_up(&ticks, INT64_MIN), 0);
    }
}

/* --- against a sorted list --- */

/* The model: timers sorted by tick. */
enum { POPULATION = 4096 };
struct timer {
    uint64_t tick;
    bide_slots_id id; /* 0: not in it */
};
static struct timer population[POPULATION];
static struct timer *sorted[POPULATION];
static uint32_t sorted_count;

static uint32_t place_of(uint64_t tick)
{
    uint32_t low = 0, high = sorted_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (sorted[middle]->tick < tick)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void model_add(struct timer *timer)
{
    uint32_t place = place_of(timer->tick);
    memmove(&sorted[place + 1], &sorted[place], (sorted_count++ - place) * sizeof *sorted);
    sorted[place] = timer;
}

static void model_remove(const struct timer *timer)
{
    uint32_t place = place_of(timer->tick);
    while (sorted[place] != timer)
        place++;
    memmove(&sorted[place], &sorted[place + 1], (--sorted_count - place) * sizeof *sorted);
}

static uint64_t some_tick(uint64_t now, uint64_t range)
{
    uint64_t chance = random_number() % 1000;
    if (chance == 0) return 0;
    if (chance == 1) return now + (random_number() >> 10) / LENGTH / 2;
    return now + random_number() % range;
}

/* All that are due come, each once, and no other; in the order of ticks if time goes on by less than a turn.
 * */
static void expire(uint64_t from, uint64_t now, uint32_t turn)
{
    uint64_t last = 0;
    struct timer *timer;
    while ((timer = pop(now)) != NULL) {
        cr_assert(timer->id != 0 && timer->tick <= now, "number %td came at %llu, not at %llu",
                  timer - population, (unsigned long long)now, (unsigned long long)timer->tick);
        uint64_t tick = timer->tick > from ? timer->tick : from;
        cr_assert(now - from >= turn || tick >= last, "%llu came after %llu", (unsigned long long)tick,
                  (unsigned long long)last);
        last = tick;
        model_remove(timer);
        timer->id = 0;
    }
    cr_assert(sorted_count == 0 || sorted[0]->tick > now, "one due at %llu has not come at %llu",
              (unsigned long long)sorted[0]->tick, (unsigned long long)now);
}

static void one_operation(uint64_t now, uint64_t range, uint32_t wanted)
{
    struct timer *timer = &population[random_number() % POPULATION];
    if (timer->id == 0) {
        if (sorted_count >= wanted) return;
        timer->tick = some_tick(now, range);
        timer->id = add(timer->tick, timer);
        model_add(timer);
        return;
    }
    model_remove(timer);
    if (random_number() % 16 < (sorted_count > wanted ? 15u : 5u)) {
        bide_slots_remove(&slots, timer->id);
        timer->id = 0;
        return;
    }
    timer->tick = some_tick(now, range);
    move(timer->id, timer->tick);
    model_add(timer);
}

static void against_a_sorted_list(uint32_t count, uint64_t start, unsigned long operations)
{
    static const uint64_t ranges[] = {3, 300, 5000, 1000000};
    make(count, 1, POPULATION);
    memset(population, 0, sizeof population);
    sorted_count = 0;
    uint64_t now = start, range = ranges[0];
    uint32_t wanted = 0;
    expire(0, now, 1);
    for (unsigned long i = 0; i < operations; i++) {
        if (i % 20000 == 0) {
            range = ranges[random_number() % 4];
            wanted = (uint32_t)(random_number() % (POPULATION - 1)) >> random_number() % 8;
        }
        uint64_t chance = random_number() % 1024, from = now;
        if (chance == 0) now += random_number() % (range * 4);
        if (chance < 40) now += random_number() % (range / 64 + 2);
        if (chance < 80) {
            expire(from, now, count);
        } else if (chance < 160) {
            uint64_t next = next_tick();
            uint64_t first = sorted_count ? sorted[0]->tick : NEVER;
            cr_assert(next <= first || next <= now, "the next is at %llu, after the first, at %llu",
                      (unsigned long long)next, (unsigned long long)first);
            cr_assert_eq(next == NEVER, sorted_count == 0, "%u timers", sorted_count);
        } else {
            one_operation(now, range, wanted);
        }
        cr_assert_eq(bide_slots_count(&slots), sorted_count, "%u timers, not %u", bide_slots_count(&slots),
                     sorted_count);
    }
    while (bide_slots_pop(&slots, BIDE_SLOTS_NEVER))
        sorted_count--;
    cr_assert_eq(sorted_count, 0, "%u have not come at the end of time", sorted_count);
    clear();
}

static unsigned long operations(void)
{
    const char *wanted = getenv("BIDE_TEST_OPERATIONS"), *seed = getenv("BIDE_TEST_SEED");
    random_state = seed ? strtoull(seed, NULL, 0) | 1 : (uint64_t)bide_now().ns | 1;
    cr_log_info("seed %llu", (unsigned long long)random_state);
    return wanted ? strtoul(wanted, NULL, 10) : 300000;
}

Test(slots, do_what_a_sorted_list_does)
{
    unsigned long each = operations() / 4;
    against_a_sorted_list(4096, 0, each);
    against_a_sorted_list(64, UINT32_MAX - UINT64_C(1000), each);
    against_a_sorted_list(8, UINT64_C(1) << 50, each);
    against_a_sorted_list(1, 0, each);
}

Test(slots, of_a_million_random_timers_come_each_once_and_none_early, .fini = clear)
{
    enum { MILLION = 1000000 };
    (void)operations();
    make(4096, 256, 1u << 22);
    uint64_t *ticks = calloc(MILLION, sizeof *ticks);
    cr_assert_not_null(ticks);
    for (int i = 0; i < MILLION; i++) {
        ticks[i] = random_number() % 10000;
        (void)add(ticks[i], &ticks[i]);
    }
    int came = 0;
    for (uint64_t now = 0; now < 10000; now += 1 + random_number() % 3) {
        uint64_t *tick;
        while ((tick = pop(now)) != NULL) {
            cr_assert(*tick <= now && *tick + 3 > now, "%llu came at %llu", (unsigned long long)*tick,
                      (unsigned long long)now);
            *tick = UINT64_MAX; /* a second time would be early */
            came++;
        }
    }
    while (pop(10000))
        came++;
    free(ticks);
    cr_assert_eq(came, MILLION, "%d came", came);
}
