/* Hooks around the functions of the back end that a poller uses, for forcing what happens meanwhile.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_POLLER_HOOKS_H
#define BIDE_TEST_POLLER_HOOKS_H

#include "test_poller_pair.h"

#include "poll/backend.h"

#include <semaphore.h>

static const bide_poll_backend *real;
static bide_poll_backend hooked;
static void (*before_wait)(void); /* each is called once */
static void (*after_wait)(void);
static _Atomic int wakes; /* calls of the back end's wake */
static bool hold_wake;    /* stop before the real wake until told to go on */
static sem_t wake_reached, wake_may_go_on;

static inline void call_once(void (**hook)(void))
{
    void (*function)(void) = *hook;
    *hook = NULL;
    if (function) function();
}

static inline int hooked_wait(bide_poller *p, bide_poll_event *events, size_t capacity, bide_instant deadline)
{
    call_once(&before_wait);
    int result = real->wait(p, events, capacity, deadline);
    call_once(&after_wait);
    return result;
}

static inline void hooked_wake(bide_poller *p)
{
    wakes++;
    if (hold_wake) {
        hold_wake = false;
        (void)sem_post(&wake_reached);
        while (sem_wait(&wake_may_go_on) != 0)
            continue;
    }
    real->wake(p);
}

static inline void install_hooks(void)
{
    (void)sem_init(&wake_reached, 0, 0);
    (void)sem_init(&wake_may_go_on, 0, 0);
    real = poller->backend;
    hooked = *real;
    hooked.wait = hooked_wait;
    hooked.wake = hooked_wake;
    poller->backend = &hooked;
}

#endif
