/* Making two parties meet a thousand times, a little earlier or later each time. Where one order of events can be
 * forced, the tests of the subject force it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_MEETING_H
#define BIDE_TEST_MEETING_H

#include "test_inventory.h"

#define ROUNDS 1000

/* --- making two parties meet ---------------------------------------------------------------------------- */

/* The partner's thread does its part of each round when the test's own thread does its own. */
static struct {
    void (*part)(void);
    _Atomic int begun; /* rounds that may begin */
    _Atomic int ended; /* rounds that the partner has ended */
    int delay;         /* of the partner, in turns of a loop; written before begun */
    _Atomic bool stop;
    pthread_t thread;
} partner;

static inline void linger(int turns)
{
    for (volatile int i = 0; i < turns; i++)
        continue;
}

static inline void *partner_main(void *arg)
{
    (void)arg;
    for (int round = 1;; round++) {
        while (atomic_load(&partner.begun) < round) {
            if (atomic_load(&partner.stop)) return NULL;
            (void)sched_yield();
        }
        linger(partner.delay);
        partner.part();
        atomic_store(&partner.ended, round);
    }
}

static inline void partner_start(void (*part)(void))
{
    partner.part = part;
    int failed = pthread_create(&partner.thread, NULL, partner_main, NULL);
    cr_assert_eq(failed, 0, "pthread_create: %s", strerror(failed));
}

static inline void partner_stop(void)
{
    atomic_store(&partner.stop, true);
    (void)pthread_join(partner.thread, NULL);
}

/* Lets the partner begin, and delays this thread or the partner by a while that differs from round to
 * round. */
static inline void meet(int round)
{
    int late = (round * 37) % 1000;
    partner.delay = round % 2 ? late : 0;
    atomic_store(&partner.begun, round);
    if (round % 2 == 0) linger(late);
}

static inline void part(int round)
{
    while (atomic_load(&partner.ended) < round)
        (void)sched_yield();
}

#endif
