/* Small programs of tasks, made at random: a dozen tasks which spawn, join, detach and cancel each other by handles that
 * all of them know, wait for events, hold a mutex, open groups, and put off what does so too. Most programs would wait
 * for ever: the end of the main task, some turns later, must end them. Each task that was spawned must end or be
 * dropped, and each handle be given up once, by a join with that task's value or by a detach.
 *
 * Where stress_tasks has many tasks at once, here each has its turns among a few: so what takes a certain order of a
 * few steps is found sooner.
 *
 *   stress_programs [--seconds N] [--seed S] [--workers W]
 *
 * --seconds 10; --seed: of the first program, from the clock, and printed; the next one has the next; --workers: 1, 2
 * and 3 in turns. What runs when follows from the seed with one worker alone. Ends with 0 and a count, or tells the seed
 * and what was wrong and ends with 1. One that hangs is ended by a signal.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include <bide.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TASKS = 12, EVENTS = 3, STEPS = 8, DEPTH = 2 };

struct actor {
    bide_task task;
    _Atomic bool known; /* the handle is there */
    _Atomic unsigned ended, given_up;
    uint64_t random;
};

static uint64_t seed;
static struct actor actors[TASKS];
static _Atomic unsigned used;
static bide_event events[EVENTS];
static bide_mutex mutex;

static void must(bool good, const char *what, long value)
{
    if (good) return;
    (void)fprintf(stderr, "stress_programs: seed %llu: %s: %ld\n", (unsigned long long)seed, what, value);
    exit(1);
}

/* xorshift64: G. Marsaglia, 2003. */
static unsigned draw(uint64_t *random, unsigned below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (unsigned)(*random >> 33) % below;
}

static uint64_t random_for(uint64_t number)
{
    uint64_t random = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    (void)draw(&random, 1);
    return random;
}

/* --- spawning and giving up --- */

static int act(void *arg);

static void count_drop(void *arg)
{
    struct actor *actor = arg;
    atomic_fetch_add(&actor->ended, 1);
}

/* NULL: there are enough, or it is the end. */
static struct actor *spawn(uint64_t *random, bide_group *group)
{
    unsigned number = atomic_fetch_add(&used, 1);
    if (number >= TASKS) return NULL;
    struct actor *actor = &actors[number];
    actor->random = random_for(*random + number);
    bide_task_options options = {.drop = count_drop, .pinned = draw(random, 6) == 0};
    bide_instant limit = draw(random, 2) ? BIDE_NOW : BIDE_NEVER;
    int error = group ? bide_group_spawn(group, &actor->task, act, actor, &options, limit)
                      : bide_spawn(&actor->task, act, actor, &options);
    must(error == 0 || error == BIDE_ECANCELED || error == BIDE_EAGAIN, "spawn", error);
    if (error) return NULL;
    atomic_store(&actor->known, true);
    return actor;
}

static struct actor *any(uint64_t *random)
{
    struct actor *actor = &actors[draw(random, TASKS)];
    return atomic_load(&actor->known) ? actor : NULL;
}

static void count_given_up(struct actor *actor)
{
    must(atomic_fetch_add(&actor->given_up, 1) == 0, "given up twice", actor - actors);
}

static void join(struct actor *actor, bide_instant deadline)
{
    int value = -1;
    if (!actor) return;
    int error = bide_task_join(actor->task, &value, deadline);
    if (error == 0) {
        must(atomic_load(&actor->ended) == 1, "joined before its end", actor - actors);
        must(value == actor - actors || value == BIDE_ECANCELED, "value", value);
        count_given_up(actor);
    } else {
        must(error == BIDE_EFREED || error == BIDE_ECANCELED || error == BIDE_EDEADLK ||
                 error == BIDE_ETIMEDOUT,
             "join", error);
    }
}

static void detach(struct actor *actor)
{
    int error = bide_task_detach(actor->task);
    must(error == 0 || error == BIDE_EFREED, "detach", error);
    if (!error) count_given_up(actor);
}

/* As a clean-up does. */
static void spawn_and_join_shielded(uint64_t *random)
{
    bide_shield();
    join(spawn(random, NULL), bide_after(BIDE_MICROSECONDS(200)));
    bide_unshield();
}

/* --- programs --- */

static void go(uint64_t *random, int depth);

static void have_group(uint64_t *random, int depth)
{
    bide_group group;
    must(bide_group_open(&group) == 0, "open", 0);
    if (draw(random, 3) == 0) must(bide_group_set_limit(&group, 1) == 0, "limit", 0);
    for (unsigned members = draw(random, 3); members > 0; members--)
        (void)spawn(random, &group);
    if (draw(random, 2)) go(random, depth + 1);
    if (draw(random, 2)) (void)bide_group_wait(&group, BIDE_NEVER);
    int error = bide_group_close(&group);
    must(error == 0 || error == BIDE_ECANCELED, "close", error);
}

static void hold_mutex(void)
{
    if (bide_mutex_lock(&mutex, BIDE_NEVER)) return;
    (void)bide_yield();
    must(bide_mutex_unlock(&mutex) == 0, "unlock", 0);
}

static void end_or_cancel(uint64_t *random)
{
    struct actor *actor = any(random);
    if (!actor) return;
    if (draw(random, 2))
        detach(actor);
    else
        (void)bide_task_cancel(actor->task);
}

static void step(uint64_t *random, int depth)
{
    switch (draw(random, 14)) {
    case 0:
    case 1: (void)spawn(random, NULL); break;
    case 2:
    case 3:
    case 4: join(spawn(random, NULL), BIDE_NEVER); break;
    case 5:
    case 6:
    case 7: join(any(random), BIDE_NEVER); break;
    case 8: (void)bide_yield(); break;
    case 9: bide_event_set(&events[draw(random, EVENTS)]); break;
    case 10: (void)bide_event_wait(&events[draw(random, EVENTS)], BIDE_NEVER); break;
    case 11: end_or_cancel(random); break;
    case 12:
        if (depth < DEPTH) have_group(random, depth);
        break;
    default:
        if (draw(random, 2))
            hold_mutex();
        else
            spawn_and_join_shielded(random);
    }
}

static void go(uint64_t *random, int depth)
{
    for (unsigned steps = draw(random, STEPS); steps > 0; steps--)
        step(random, depth);
}

static void clean_up(void *arg)
{
    struct actor *actor = arg;
    spawn_and_join_shielded(&actor->random);
}

static int act(void *arg)
{
    struct actor *actor = arg;
    if (draw(&actor->random, 10) == 0) must(bide_defer(clean_up, actor) == 0, "defer", 0);
    go(&actor->random, 0);
    atomic_fetch_add(&actor->ended, 1);
    return (int)(actor - actors);
}

static int run_program(void *arg)
{
    uint64_t random = random_for(seed);
    (void)arg;
    for (unsigned first = draw(&random, 4) + 1; first > 0; first--)
        (void)spawn(&random, NULL);
    for (unsigned turns = draw(&random, 30); turns > 0; turns--)
        must(bide_yield() == 0, "yield", 0);
    return 0;
}

static void run(unsigned workers)
{
    bide_run_options options = {.workers = workers};
    memset(actors, 0, sizeof actors);
    atomic_store(&used, 0);
    bide_mutex_init(&mutex);
    for (int i = 0; i < EVENTS; i++)
        must(bide_event_init(&events[i], BIDE_EVENT_AUTO) == 0, "event", 0);
    int error = bide_run(run_program, NULL, &options);
    must(error == 0, "run", error);
    for (int i = 0; i < TASKS; i++) {
        if (!atomic_load(&actors[i].known)) continue;
        must(atomic_load(&actors[i].ended) == 1, "neither ended nor dropped", i);
        detach(&actors[i]);
        must(atomic_load(&actors[i].given_up) == 1, "not to be given up", i);
    }
}

static unsigned long option(int argc, char **argv, const char *name, unsigned long otherwise)
{
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], name) == 0) return strtoul(argv[i + 1], NULL, 10);
    return otherwise;
}

int main(int argc, char **argv)
{
    unsigned long seconds = option(argc, argv, "--seconds", 10);
    unsigned long workers = option(argc, argv, "--workers", 0);
    unsigned long first = option(argc, argv, "--seed", (unsigned long)(bide_now().ns / 1000));
    unsigned long programs = 0;
    (void)printf("stress_programs: --seconds %lu --seed %lu --workers %lu\n", seconds, first, workers);
    (void)fflush(stdout);
    (void)alarm((unsigned)(seconds * 3 + 120));
    for (bide_instant end = bide_after(BIDE_SECONDS(seconds)); bide_before(bide_now(), end); programs++) {
        seed = first + programs;
        run(workers ? (unsigned)workers : (unsigned)(programs % 3 + 1));
    }
    (void)printf("%lu programs\n", programs);
    return 0;
}
