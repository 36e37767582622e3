/* The workers' queues: order, overflow, stealing, and what goes on while a thief is in the middle.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bide_test.h"

#include "task/deque.h"

#include <pthread.h>
#include <stdio.h>

TestSuite(deque, .timeout = 60);

#define SIZE ((int)BIDE_DEQUE_SIZE)
#define MANY 1000

static struct bide_deque deque;
static struct bide_deque other;
static struct bide_inject inject;
static struct bide_runnable tasks[MANY];

/* Which one it is; -1: none. */
static int number(const struct bide_runnable *task)
{
    return task ? (int)(task - tasks) : -1;
}

static void push(int from, int count)
{
    for (int i = from; i < from + count; i++)
        bide_deque_push(&deque, &tasks[i], &inject);
}

static void expect_pops(struct bide_deque *from, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        int got = number(bide_deque_pop(from));
        cr_assert_eq(got, i, "%d, expected %d", got, i);
    }
}

static void expect_empty(struct bide_deque *one)
{
    int got = number(bide_deque_pop(one));
    cr_assert_eq(got, -1, "%d", got);
    cr_assert_eq(bide_deque_length(one), 0, "%u", bide_deque_length(one));
}

static void expect_injected(int first, int count)
{
    for (int i = first; i < first + count; i++) {
        struct bide_runnable *task;
        size_t took = bide_inject_take(&inject, &task, 1);
        cr_assert_eq(took, 1, "none, expected %d", i);
        cr_assert_eq(number(task), i, "%d, expected %d", number(task), i);
    }
}

/* As after so many tasks. */
static void begin_at(struct bide_deque *one, uint32_t counter)
{
    one->head = (uint64_t)counter << 32 | counter;
    one->tail = counter;
}

/* --- the owner alone ------------------------------------------------------------------------------------ */

Test(deque, an_empty_one_gives_nothing)
{
    expect_empty(&deque);
    cr_assert_null(bide_deque_steal(&deque, &other));
}

Test(deque, first_in_is_first_out)
{
    push(0, SIZE);
    cr_assert_eq(bide_deque_length(&deque), BIDE_DEQUE_SIZE, "%u", bide_deque_length(&deque));
    expect_pops(&deque, 0, SIZE);
    expect_empty(&deque);
}

Test(deque, counters_wrap_round)
{
    begin_at(&deque, UINT32_MAX - 100);
    begin_at(&other, UINT32_MAX - 10);
    push(0, 200);
    cr_assert_eq(bide_deque_length(&deque), 200, "%u", bide_deque_length(&deque));
    cr_assert_eq(number(bide_deque_steal(&deque, &other)), 0);
    expect_pops(&other, 1, 99);
    expect_pops(&deque, 100, 50);
    push(200, 206);
    expect_pops(&deque, 150, 256);
    expect_empty(&deque);
    expect_empty(&other);
}

Test(deque, what_does_not_fit_goes_to_all_with_the_older_half)
{
    push(0, SIZE + 1);
    cr_assert_eq(bide_inject_length(&inject), BIDE_DEQUE_SIZE / 2 + 1, "%zu", bide_inject_length(&inject));
    expect_injected(0, SIZE / 2);
    expect_injected(SIZE, 1);
    cr_assert_eq(bide_inject_length(&inject), 0, "%zu", bide_inject_length(&inject));
    expect_pops(&deque, SIZE / 2, SIZE / 2);
    expect_empty(&deque);
}

/* --- thieves -------------------------------------------------------------------------------------------- */

Test(deque, a_thief_gets_the_older_half_rounded_up)
{
    static const int counts[] = {1, 2, 3, 10, 255, 256};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        int half = counts[k] - counts[k] / 2;
        push(0, counts[k]);
        int got = number(bide_deque_steal(&deque, &other));
        cr_assert_eq(got, 0, "%d of %d", got, counts[k]);
        expect_pops(&other, 1, half - 1);
        expect_empty(&other);
        expect_pops(&deque, half, counts[k] - half);
        expect_empty(&deque);
    }
}

Test(deque, a_thief_without_room_goes_away)
{
    struct bide_inject none = {.first = NULL};
    push(0, 10);
    for (int i = 0; i < SIZE / 2 + 1; i++)
        bide_deque_push(&other, &tasks[500 + i], &none);
    cr_assert_null(bide_deque_steal(&deque, &other));
    cr_assert_eq(number(bide_deque_pop(&other)), 500);
    cr_assert_eq(number(bide_deque_steal(&deque, &other)), 0);
    expect_pops(&other, 501, SIZE / 2);
    expect_pops(&other, 1, 4);
    expect_pops(&deque, 5, 5);
}

/* --- forced: a thief stopped between his two steps ------------------------------------------------------- */

static void claim_from(int first, uint32_t count)
{
    struct bide_claim claim;
    cr_assert(bide_deque_claim(&deque, &claim), "no claim");
    cr_assert_eq(claim.count, count, "%u, expected %u", claim.count, count);
    for (uint32_t i = 0; i < count; i++) {
        int got = number(deque.slots[(claim.first + i) % BIDE_DEQUE_SIZE]);
        cr_assert_eq(got, first + (int)i, "%d, expected %d", got, first + (int)i);
    }
}

Test(deque, the_owner_goes_on_behind_a_thief)
{
    push(0, 10);
    claim_from(0, 5);
    cr_assert_eq(bide_deque_length(&deque), 5, "%u", bide_deque_length(&deque));
    expect_pops(&deque, 5, 3);
    push(10, 4);
    expect_pops(&deque, 8, 6);
    expect_empty(&deque);
    bide_deque_settle(&deque);
    expect_empty(&deque);
    push(20, SIZE);
    expect_pops(&deque, 20, SIZE);
}

Test(deque, a_second_thief_gets_nothing_meanwhile)
{
    struct bide_claim claim;
    push(0, 10);
    claim_from(0, 5);
    cr_assert_not(bide_deque_claim(&deque, &claim));
    cr_assert_null(bide_deque_steal(&deque, &other));
    bide_deque_settle(&deque);
    cr_assert_eq(number(bide_deque_steal(&deque, &other)), 5);
}

Test(deque, what_a_thief_copies_is_not_overwritten)
{
    push(0, SIZE);
    claim_from(0, BIDE_DEQUE_SIZE / 2);
    /* Room as the owner counts, but not yet. */
    expect_pops(&deque, SIZE / 2, 10);
    push(SIZE, 3);
    expect_injected(SIZE, 3);
    for (int i = 0; i < SIZE; i++) {
        int got = number(deque.slots[i]);
        cr_assert_eq(got, i, "slot %d has %d", i, got);
    }
    bide_deque_settle(&deque);
    push(SIZE + 3, SIZE / 2 + 10);
    cr_assert_eq(bide_inject_length(&inject), 0, "%zu", bide_inject_length(&inject));
    expect_pops(&deque, SIZE / 2 + 10, SIZE / 2 - 10);
    expect_pops(&deque, SIZE + 3, SIZE / 2 + 10);
}

Test(deque, nobody_steals_into_a_queue_that_is_being_stolen_from_beyond_its_room)
{
    struct bide_inject none = {.first = NULL};
    push(0, SIZE);
    for (int i = 0; i < 10; i++)
        bide_deque_push(&other, &tasks[500 + i], &none);
    claim_from(0, BIDE_DEQUE_SIZE / 2);
    while (bide_deque_pop(&deque))
        continue;
    /* Empty for its owner, and full of what the thief copies. */
    cr_assert_null(bide_deque_steal(&other, &deque));
    bide_deque_settle(&deque);
    cr_assert_eq(number(bide_deque_steal(&other, &deque)), 500);
    expect_pops(&deque, 501, 4);
}

/* --- the queue for all ---------------------------------------------------------------------------------- */

Test(deque, the_queue_for_all_keeps_order_and_gives_as_many_as_asked)
{
    struct bide_runnable *first;
    cr_assert_eq(bide_inject_take(&inject, &first, 10), 0);
    cr_assert_null(first);
    for (int i = 0; i < 5; i++)
        bide_inject_push(&inject, &tasks[i]);
    for (int i = 5; i < 9; i++)
        tasks[i].next = &tasks[i + 1];
    bide_inject_push_list(&inject, &tasks[5], &tasks[9], 5);
    cr_assert_eq(bide_inject_length(&inject), 10, "%zu", bide_inject_length(&inject));
    cr_assert_eq(bide_inject_take(&inject, &first, 0), 0);
    size_t took = bide_inject_take(&inject, &first, 7);
    cr_assert_eq(took, 7, "%zu", took);
    for (int i = 0; i < 7; i++, first = first->next)
        cr_assert_eq(number(first), i, "%d, expected %d", number(first), i);
    cr_assert_null(first);
    took = bide_inject_take(&inject, &first, 7);
    cr_assert_eq(took, 3, "%zu", took);
    cr_assert_eq(number(first), 7);
    cr_assert_eq(bide_inject_take(&inject, &first, 7), 0);
    bide_inject_push(&inject, &tasks[0]);
    expect_injected(0, 1);
}

/* --- threads -------------------------------------------------------------------------------------------- */

#ifdef BIDE_TEST_TSAN
#define CROWD 40000
#else
#define CROWD 300000
#endif
#define THIEVES 3

struct job {
    struct bide_runnable runnable;
    unsigned payload; /* written before it is added */
    _Atomic unsigned ran;
};

static struct job crowd[CROWD];
static _Atomic int left = CROWD;
static _Atomic int wrong;

static void run(struct bide_runnable *runnable)
{
    struct job *job = (struct job *)(void *)runnable;
    if (job->payload != (unsigned)(job - crowd) + 1 || atomic_fetch_add(&job->ran, 1) != 0)
        atomic_fetch_add(&wrong, 1);
    job->payload = 0;
    atomic_fetch_sub(&left, 1);
}

static void *steal_and_run(void *arg)
{
    struct bide_deque *own = arg;
    while (atomic_load(&left) > 0) {
        struct bide_runnable *task = bide_deque_pop(own);
        if (!task) task = bide_deque_steal(&deque, own);
        if (!task) task = bide_deque_steal(own == &other ? &deque : &other, own);
        if (!task) (void)bide_inject_take(&inject, &task, 1);
        if (task)
            run(task);
        else
            bide_os_spin_pause();
    }
    return NULL;
}

Test(deque, each_runs_once_whoever_takes_it)
{
    static struct bide_deque queues[THIEVES];
    pthread_t threads[THIEVES];
    begin_at(&deque, UINT32_MAX - CROWD / 2);
    for (int i = 0; i < THIEVES; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, steal_and_run, i == 0 ? &other : &queues[i]), 0);
    for (int i = 0; i < CROWD; i++) {
        crowd[i].payload = (unsigned)i + 1;
        bide_deque_push(&deque, &crowd[i].runnable, &inject);
        /* Short queues and long ones. */
        if (i % 1024 < 500) continue;
        struct bide_runnable *task = bide_deque_pop(&deque);
        if (task) run(task);
    }
    (void)steal_and_run(&deque);
    for (int i = 0; i < THIEVES; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    cr_assert_eq(wrong, 0, "%d were wrong", wrong);
    int missed = 0;
    for (int i = 0; i < CROWD; i++)
        missed += crowd[i].ran != 1;
    cr_assert_eq(missed, 0, "%d did not run once", missed);
}
