/* What the tests of channels and locks share: parties, each a task or a thread, with 1, 2 and 8 workers.
 *
 * A party may not use assertions, for it may be another thread's: it gives 0, or complains.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_SYNC_H
#define BIDE_TEST_SYNC_H

#include "test_future.h"
#include "test_meeting.h"
#include "test_task.h"

#include <bide/sync.h>

/* Ends a party that was given something else than it expects. */
#define MUST_GIVE(call, expected)                                                                           \
    do {                                                                                                    \
        int got_ = (call);                                                                                  \
        int wanted_ = (expected);                                                                           \
        if (got_ != wanted_) {                                                                              \
            (void)fprintf(stderr, "%s:%d: %s gave %d (%s) instead of %d (%s)\n", __FILE__, __LINE__, #call, \
                          got_, bide_error_name(got_), wanted_, bide_error_name(wanted_));                  \
            return -1;                                                                                      \
        }                                                                                                   \
    } while (0)

#define MUST(condition) MUST_GIVE((condition) ? 0 : 1, 0)

enum { MOST_PARTIES = 16 };

struct party {
    int (*function)(void *arg);
    void *arg;
    bide_task task;
    pthread_t thread;
    bide_event ended;
    int value;
    bool is_task;
};

static inline void *party_main(void *arg)
{
    struct party *party = arg;
    party->value = party->function(party->arg);
    bide_event_set(&party->ended);
    return NULL;
}

/* As a task of the calling one's scheduler, or as a thread. */
static inline int party_start(struct party *party, bool as_task, int (*function)(void *arg), void *arg)
{
    party->function = function;
    party->arg = arg;
    party->is_task = as_task;
    MUST_GIVE(bide_event_init(&party->ended, BIDE_EVENT_AUTO), 0);
    if (as_task) return bide_spawn(&party->task, function, arg, NULL);
    return pthread_create(&party->thread, NULL, party_main, party);
}

/* Suspends the calling task alone. */
static inline int party_join(struct party *party)
{
    if (party->is_task) {
        int error = bide_task_join(party->task, &party->value, BIDE_NEVER);
        return error ? error : party->value;
    }
    (void)bide_event_wait(&party->ended, BIDE_NEVER);
    (void)pthread_join(party->thread, NULL);
    return party->value;
}

/* Parties 0 to count - 1 run function(args + i * size); bit i of `tasks`: as a task. 0 if all gave that. */
static inline int parties_run(struct party *parties, unsigned count, unsigned tasks,
                              int (*function)(void *arg), void *args, size_t size)
{
    int failed = 0;
    for (unsigned i = 0; i < count; i++)
        if (party_start(&parties[i], (tasks >> i & 1) != 0, function, (char *)args + i * size) != 0) abort();
    for (unsigned i = 0; i < count; i++)
        if (party_join(&parties[i]) != 0) failed = -1;
    return failed;
}

/* All tasks, all threads, and both alternately. */
static const unsigned mixes[] = {0xffffu, 0u, 0x5555u, 0xaaaau};
#define MIXES (sizeof mixes / sizeof *mixes)

/* Runs function(&mix) as the main task with each number of workers and each mix; it must give 0. */
static inline void with_mixes(int (*function)(void *arg))
{
    for (size_t i = 0; i < MIXES; i++) {
        unsigned mix = mixes[i];
        WITH_WORKERS(function, &mix, 0);
    }
}

/* Less under a sanitizer. */
#if defined(BIDE_TEST_TSAN) || defined(BIDE_TEST_ASAN)
enum { MANY_TIMES = 2000 };
#else
enum { MANY_TIMES = 20000 };
#endif

#endif
