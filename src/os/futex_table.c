/* Waiting on words where the system has no documented call for it: a table of who sleeps on which address.
 *
 * INVARIANTS
 * 1. A bucket's lock guards its list. It is held with all signals blocked, so that a handler, which may wake
 *    (futex.h), never finds it taken by its own thread.
 * 2. A sleeper is in the list of its word's bucket from before its last look at the word until somebody wakes
 *    it or it takes itself out. Its memory is the sleeping thread's stack; whoever posts to it holds the lock,
 *    and its thread takes the lock before it leaves: nothing is touched afterwards.
 * 3. `waiting` is at least the length of the list. A sleeper raises it before it looks at the word, and a waker,
 *    who has changed the word, looks at it after a fence: one of the two sees the other (both sequentially
 *    consistent), so that a wake of a word on which nobody sleeps costs no lock.
 *
 * Why not a mutex and a condition of POSIX: neither may be used in a signal handler.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/fence.h"
#include "os/fork.h"
#include "os/futex.h"
#include "os/sleeper.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>

struct sleep {
    struct sleep *next;
    struct sleep **link; /* what points to it; NULL: it is in no list */
    const _Atomic uint32_t *word;
    bide_os_sleeper sleeper;
};

#define BUCKETS 64

static struct bucket {
    _Atomic uint32_t waiting;
    _Atomic uint32_t locked;
    struct sleep *first;
    struct sleep **last; /* the end's link; NULL: an empty list that was never used */
} table[BUCKETS];

static struct bucket *bucket_of(const _Atomic uint32_t *word)
{
    uintptr_t address = (uintptr_t)word;
    return &table[(address >> 2 ^ address >> 8 ^ address >> 14) % BUCKETS];
}

static void lock(struct bucket *bucket, sigset_t *before)
{
    sigset_t every;
    (void)sigfillset(&every);
    (void)pthread_sigmask(SIG_BLOCK, &every, before);
    /* acquire: pairs with the release of unlock. A section lasts a system call at most. */
    for (unsigned tries = 0; atomic_exchange_explicit(&bucket->locked, 1, memory_order_acquire); tries++) {
        if (tries % 64 == 63)
            (void)sched_yield();
        else
            bide_os_spin_pause();
    }
}

static void unlock(struct bucket *bucket, const sigset_t *before)
{
    atomic_store_explicit(&bucket->locked, 0, memory_order_release);
    (void)pthread_sigmask(SIG_SETMASK, before, NULL);
}

static void append(struct bucket *bucket, struct sleep *sleep)
{
    if (!bucket->last) bucket->last = &bucket->first;
    sleep->next = NULL;
    sleep->link = bucket->last;
    *bucket->last = sleep;
    bucket->last = &sleep->next;
}

static void take_out(struct bucket *bucket, struct sleep *sleep)
{
    if (sleep->next)
        sleep->next->link = sleep->link;
    else
        bucket->last = sleep->link;
    *sleep->link = sleep->next;
    sleep->link = NULL;
}

static void sleep_on(struct bucket *bucket, struct sleep *sleep, uint32_t expected, bide_instant deadline)
{
    sigset_t before;
    uint32_t forks = bide_os_forks;
    (void)atomic_fetch_add(&bucket->waiting, 1); /* 3 */
    lock(bucket, &before);
    bool stays = atomic_load(sleep->word) == expected;
    if (stays) append(bucket, sleep);
    unlock(bucket, &before);
    if (stays) {
        bide_os_sleeper_wait(&sleep->sleeper, deadline);
        lock(bucket, &before);
        /* A handler that came meanwhile may have forked: the child's table is empty. */
        if (sleep->link && forks == bide_os_forks) take_out(bucket, sleep);
        unlock(bucket, &before);
    }
    if (forks == bide_os_forks) (void)atomic_fetch_sub_explicit(&bucket->waiting, 1, memory_order_relaxed);
}

void bide_os_futex_wait(_Atomic uint32_t *word, uint32_t expected, bide_instant deadline)
{
    int saved = errno;
    struct sleep sleep = {.word = word};
    if (bide_os_sleeper_init(&sleep.sleeper)) {
        sleep_on(bucket_of(word), &sleep, expected, deadline);
        bide_os_sleeper_destroy(&sleep.sleeper);
    } else {
        /* No room for one more sleeper: the caller looks again, and again. */
        (void)sched_yield();
    }
    errno = saved;
}

static void wake(const _Atomic uint32_t *word, bool all)
{
    struct bucket *bucket = bucket_of(word);
    sigset_t before;
    bide_os_fence();
    if (atomic_load(&bucket->waiting) == 0) return; /* 3 */
    int saved = errno;
    lock(bucket, &before);
    struct sleep *next;
    for (struct sleep *sleep = bucket->first; sleep; sleep = next) {
        next = sleep->next;
        if (sleep->word != word) continue;
        take_out(bucket, sleep);
        bide_os_sleeper_post(&sleep->sleeper);
        if (!all) break;
    }
    unlock(bucket, &before);
    errno = saved;
}

void bide_os_futex_wake_one(_Atomic uint32_t *word)
{
    wake(word, false);
}

void bide_os_futex_wake_all(_Atomic uint32_t *word)
{
    wake(word, true);
}

void bide_os_futex_forked(void)
{
    /* The threads that slept, or were just changing a list, are not here. */
    for (size_t i = 0; i < BUCKETS; i++) {
        atomic_store_explicit(&table[i].waiting, 0, memory_order_relaxed);
        atomic_store_explicit(&table[i].locked, 0, memory_order_relaxed);
        table[i].first = NULL;
        table[i].last = NULL;
    }
}
