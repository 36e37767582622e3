/* The threaded form: a thread that has the slots, and how others send it requests without waiting.
 *
 * Each sleep in the wheel has a record, taken from a list of free ones. A request is the record itself,
 * pushed on a stack that the thread takes as a whole. A record says what shall be (the deadline, or that it is
 * cancelled) rather than what has changed; so it need be on the stack only once, however often it is moved,
 * and a request finds its place whatever else waits. Only new sleeps are limited, by the channel's capacity.
 *
 *   record:   FREE --submit--> ARMED --due--> DONE --thread--> FREE        (+ QUEUED, while it is a request)
 *                                \--cancel--> CANCELLED --thread--> FREE
 *
 * requests.c has the records and the stack, thread.c the thread's life and the end of a wheel, submitting.c
 * what sleeps do. docs/models/wheel.pml is this protocol as a model.
 *
 * INVARIANTS
 *  1. A sleep's stage, record and deadline, and the stage of its record, are guarded by the wait lock of the
 *     sleep. A sleep is ARMED if and only if a record that names it is. Its waiter is LINKED then, in a ring
 *     by itself, and woken by the rules of future/waiter.h.
 *  2. A record is on the stack if and only if QUEUED is set. Who sets it pushes; the thread clears it before
 *     it reads the record, so that what is written later pushes it again.
 *  3. Only who holds wheel->lock takes the stack, touches the slots, or frees records. With id not 0 the
 *     record is in the slots. DONE or CANCELLED, it is freed when it is in neither slots nor stack: nobody
 *     but the lock's holder reads it from then on.
 *  4. No request is slept over: the thread publishes until when it sleeps and then looks at the stack; others
 *     push and then look until when it sleeps, all seq_cst. Requests for later ticks, or the same, wait until it
 *     wakes, but for half a channel of new ones, or many cancels.
 *  5. `gate` counts the threads inside submit. Closed, it lets none in; the end of a wheel waits for
 *     those inside, and later visits each record's sleep under its wait lock, so that resets and cancels,
 *     which touch records under that lock alone, are over too.
 *  6. A sleep in stage ROOM has its waiter in wheel->room, guarded by the wait lock of the wheel, unless it
 *     was woken; wheel->waiting counts them. Who frees a record looks there afterwards, who links looks
 *     for a free record afterwards, seq_cst. A waiter that was woken and does not need the room any more
 *     passes the wake on.
 *
 * wheel->lock is an outer lock: wait locks are taken under it. No waker runs under it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_WHEEL_THREAD_H
#define BIDE_WHEEL_THREAD_H

#include "wheel/wheel.h"

/* Of a record. DONE is ARMED and one more bit. */
enum {
    BIDE_RECORD_FREE = 0u,
    BIDE_RECORD_ARMED = 1u,
    BIDE_RECORD_CANCELLED = 2u,
    BIDE_RECORD_DONE = 3u,
    BIDE_RECORD_STAGE = 3u,
    BIDE_RECORD_QUEUED = 4u
};

struct bide_wheel_record {
    _Atomic uint32_t state;
    _Atomic uint32_t next;         /* on the stack, or the list of free ones */
    _Atomic int64_t deadline;      /* ns */
    bide_wheel_sleeping *sleeping; /* fixed while not FREE; after the end only its address is used */
    bide_slots_id id;              /* wheel->lock */
    uint32_t number;               /* fixed */
};

#define BIDE_WHEEL_RECORDS_SHIFT 10u
#define BIDE_WHEEL_RECORDS (1u << BIDE_WHEEL_RECORDS_SHIFT)

static inline struct bide_wheel_record *bide_wheel_record_of(const struct bide_wheel *wheel, uint32_t number)
{
    uint32_t index = number - 1;
    return &wheel->records[index >> BIDE_WHEEL_RECORDS_SHIFT][index & (BIDE_WHEEL_RECORDS - 1)];
}

/* Under the wait lock. Atomic, for owners who look without it whether it is idle, which nobody else changes. */
static inline void bide_wheel_set_stage(bide_wheel_sleeping *sleeping, uint32_t stage)
{
    atomic_store_explicit(BIDE_ATOMIC_U32(&sleeping->stage_), stage, memory_order_relaxed);
}

/* --- requests.c --- */

/* A free record's number, or 0. */
uint32_t bide_wheel_take_record(struct bide_wheel *wheel);

/* A chain of free records, from first to last. */
void bide_wheel_give_records(struct bide_wheel *wheel, uint32_t first, struct bide_wheel_record *last);

/* Makes a record free that is in neither slots nor stack. Lock held. */
void bide_wheel_release(struct bide_wheel *wheel, struct bide_wheel_record *record);

/* One more chunk of records, and room in the slots for as many. Lock held. */
int bide_wheel_add_chunk(struct bide_wheel *wheel);

/* Doubles the storage, as far as there is memory. 0, BIDE_ENOCAPACITY or BIDE_ENOMEM. Lock held. */
int bide_wheel_grow(struct bide_wheel *wheel);

/* Who has set QUEUED pushes. */
void bide_wheel_push(struct bide_wheel *wheel, struct bide_wheel_record *record);

/* Pushes a new sleep's, unless the channel is full. How many of them are on the way now; 0: full. */
uint32_t bide_wheel_push_new(struct bide_wheel *wheel, struct bide_wheel_record *record);

/* Carries out all requests. Returns for how many sleeps that wait for room there may be some. Lock held. */
uint32_t bide_wheel_drain(struct bide_wheel *wheel);

/* --- thread.c --- */

/* Calls the thread if it sleeps past the tick of that deadline; INT64_MIN: if it sleeps. */
void bide_wheel_call_for(struct bide_wheel *wheel, int64_t deadline);

/* Whether the caller may submit, as long as it does not leave: the wheel is in that life. */
bool bide_wheel_enter_gate(struct bide_wheel *wheel, uint32_t life);
void bide_wheel_leave_gate(struct bide_wheel *wheel);

/* --- submitting.c --- */

/* Wakes so many who wait for room. No lock held. */
void bide_wheel_wake_room(struct bide_wheel *wheel, uint32_t count);

#endif
