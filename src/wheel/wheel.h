/* A wheel: slots, a clock that is counted in ticks, and, in the threaded form, a thread and the requests to
 * it.
 *
 * Handles are type-stable: freed ones are kept for the next bide_wheel_new, so that futures that outlive
 * their wheel find a word that tells them (`gate`, `life`), and not freed memory.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_WHEEL_WHEEL_H
#define BIDE_WHEEL_WHEEL_H

#include "future/waiter.h"
#include "os/fork.h"
#include "os/thread.h"
#include "timer/slots.h"
#include "timer/ticks.h"

#include <bide/wheel.h>

/* Sleeps that are ended in one turn before others have theirs. */
#define BIDE_WHEEL_TURN 256

struct bide_wheel_record;

struct bide_wheel {
    /* Fixed for its life, but for life itself, which grows with each free. */
    _Atomic uint32_t life;
    uint32_t forks; /* bide_os_forks when it was made */
    bool threaded;
    bide_wheel_options options; /* max_timeout is not 0; no name */
    struct bide_ticks ticks;    /* from when it was made on */

    _Atomic int64_t manual; /* the manual clock, ns */

    /* Inline: the owner's. Threaded: guarded by `lock`, but for `room`. */
    struct bide_slots slots;
    uint64_t fired, cancelled;
    bide_link room; /* waiters of sleeps that wait for room; threaded: under the wait lock of the wheel */
    bide_wheel_driving *driving; /* inline: the one that was polled last, and so on by outer_ */
    _Atomic int64_t told; /* inline: when who drives it looks next, ns; written by the owner, for dumps */

    /* Threaded: see thread.h. */
    bide_os_mutex lock;
    bide_os_thread thread;
    struct bide_wheel_record **records; /* chunks, by number - 1 */
    uint32_t record_count;              /* that there are; guarded by lock */
    bool stopping;                      /* guarded by lock */
    _Atomic uint32_t waiting;           /* sleeps in `room` */
    _Atomic uint32_t word;              /* what the thread sleeps on; grows with each call */
    _Atomic int64_t asleep_past;        /* deadlines, ns, up to this one are worth a call: thread.h */
    char apart[64];                     /* what each submission changes, away from what the thread does */
    _Atomic uint32_t gate;              /* calls inside, and whether it is closed */
    _Atomic uint64_t requests;          /* new sleeps among them << 32 | the first record's number */
    _Atomic uint64_t free_records;      /* changes so far << 32 | the first record's number */
    _Atomic uint32_t cancels;           /* requests to cancel so far */

    struct bide_wheel *next_free;

    /* Guarded by the lock of the list: dump.c. */
    struct bide_wheel *next_listed;
    uint32_t number;
    char name[16]; /* threaded: its thread's, as far as Linux keeps it */
};

/* Stages of a sleep. Inline: the owner's; threaded: guarded by the wait lock of the sleep. */
enum {
    BIDE_SLEEPING_IDLE,  /* not in the wheel */
    BIDE_SLEEPING_ARMED, /* in the wheel, or on its way there */
    BIDE_SLEEPING_ROOM,  /* waits for room */
    BIDE_SLEEPING_ENDED  /* `result` tells how */
};

/* --- wheel.c --- */

bide_instant bide_wheel_clock_now(const struct bide_wheel *wheel);

/* Whether it is one with a thread, made by the parent of this process. */
static inline bool bide_wheel_is_parents(const struct bide_wheel *wheel)
{
    return wheel->threaded && wheel->forks != bide_os_forks;
}

/* An inline wheel has a sleep with that deadline now: who drives it is told. */
void bide_wheel_sooner(struct bide_wheel *wheel, bide_instant deadline);

/* Ends at most so many due sleeps of an inline wheel; returns how many. */
int bide_wheel_turn(struct bide_wheel *wheel, bide_instant now, int most);

/* --- dump.c --- */

/* Has forks and dumps told to it: 0 or BIDE_ENOMEM. */
int bide_wheel_watch_dumps(void);

/* Dumps have a line for it from now on, and until it is unlisted, before anything of it goes. */
void bide_wheel_list(struct bide_wheel *wheel);
void bide_wheel_unlist(struct bide_wheel *wheel);

/* --- sleeping.c --- */

/* Ends all pending sleeps of an inline wheel with the error. */
void bide_wheel_end_all(struct bide_wheel *wheel);

/* Wakes one who waits for room in an inline wheel. */
void bide_wheel_room(struct bide_wheel *wheel);

/* Waits for a future of a wheel on this thread. */
int bide_wheel_await(bide_wheel *wheel, bide_future *future);

/* --- thread.c --- */

int bide_wheel_thread_start(struct bide_wheel *wheel);
/* Ends it and all sleeps. */
void bide_wheel_thread_stop(struct bide_wheel *wheel);
/* In the child of a fork: whoever held locks or was inside the gate is not there. */
void bide_wheel_thread_forget(struct bide_wheel *wheel);
/* Frees what belongs to it. */
void bide_wheel_thread_clear(struct bide_wheel *wheel);

/* The manual clock has moved. */
void bide_wheel_thread_call(struct bide_wheel *wheel);
bide_instant bide_wheel_thread_next(struct bide_wheel *wheel);
void bide_wheel_thread_stats(struct bide_wheel *wheel, bide_wheel_stats *stats);

/* --- submitting.c: the futures' side; each with its stage as above --- */

int bide_wheel_thread_poll(bide_wheel_sleeping *sleeping, bide_context *cx);
/* After a poll that nobody is to be woken for: 0, or BIDE_ENOCAPACITY if it would wait for room. */
int bide_wheel_thread_started(bide_wheel_sleeping *sleeping);
int bide_wheel_thread_cancel(bide_wheel_sleeping *sleeping);
int bide_wheel_thread_reset(bide_wheel_sleeping *sleeping, bide_instant deadline, bool due);

#endif
