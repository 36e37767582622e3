/* What a scheduler's switches cost: yields among tasks, a wake and a wait between two of them.
 *
 *   bench_task_yield [WORKERS]
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "counted.h"

#include <bide.h>

#include <stdlib.h>

#define MOST 64

struct yielders {
    uint64_t each;
};

static int yield_for_long(void *arg)
{
    const struct yielders *yielders = arg;
    for (uint64_t i = 0; i < yielders->each; i++)
        if (bide_yield() != 0) abort();
    return 0;
}

static void yield_among(unsigned tasks, uint64_t count)
{
    struct yielders yielders = {.each = count / tasks};
    bide_task others[MOST];
    for (unsigned i = 0; i < tasks; i++)
        if (bide_spawn(&others[i], yield_for_long, &yielders, NULL) != 0) abort();
    for (unsigned i = 0; i < tasks; i++)
        if (bide_task_join(others[i], NULL, BIDE_NEVER) != 0) abort();
}

static void yield_alone(void *arg, uint64_t count)
{
    (void)arg;
    yield_among(1, count);
}

static void yield_in_twos(void *arg, uint64_t count)
{
    (void)arg;
    yield_among(2, count);
}

static void yield_in_a_crowd(void *arg, uint64_t count)
{
    (void)arg;
    yield_among(MOST, count);
}

struct table {
    bide_event ping, pong;
    uint64_t rounds;
    bide_duration limit; /* of each wait; 0: none */
};

static void wait_for(bide_event *event, const struct table *table)
{
    bide_instant deadline = table->limit ? bide_after(table->limit) : BIDE_NEVER;
    if (bide_event_wait(event, deadline) != 0) abort();
}

static int answer(void *arg)
{
    struct table *table = arg;
    for (uint64_t i = 0; i < table->rounds; i++) {
        wait_for(&table->ping, table);
        bide_event_set(&table->pong);
    }
    return 0;
}

static void play(bide_duration limit, uint64_t count)
{
    struct table table = {.rounds = count / 2, .limit = limit};
    bide_task other;
    if (bide_event_init(&table.ping, BIDE_EVENT_AUTO) != 0 ||
        bide_event_init(&table.pong, BIDE_EVENT_AUTO) != 0 || bide_spawn(&other, answer, &table, NULL) != 0)
        abort();
    for (uint64_t i = 0; i < table.rounds; i++) {
        bide_event_set(&table.ping);
        wait_for(&table.pong, &table);
    }
    if (bide_task_join(other, NULL, BIDE_NEVER) != 0) abort();
}

static void play_for_ever(void *arg, uint64_t count)
{
    (void)arg;
    play(0, count);
}

static void play_with_a_deadline(void *arg, uint64_t count)
{
    (void)arg;
    play(BIDE_SECONDS(30), count);
}

static int measure(void *arg)
{
    (void)arg;
    bench_run_counted("yield-alone", "yield-alone", yield_alone, NULL, 50000);
    bench_run_counted("yield-2", "yield", yield_in_twos, NULL, 50000);
    bench_run_counted("yield-64", "yield", yield_in_a_crowd, NULL, 50000);
    bench_run_counted("wake-wait", "wake-and-wait", play_for_ever, NULL, 10000);
    bench_run_counted("wake-wait-deadline", "wake-and-wait-until", play_with_a_deadline, NULL, 10000);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned workers = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    bide_run_options options = {.workers = workers};
    return bide_run(measure, NULL, &options) < 0;
}
