/* The heap of deadlines against a model, which is a sorted array.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "test_heap.h"

TestSuite(heap, .timeout = 60);

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
