/* The thread of a wheel, from its start to its end, and its sleep: see thread.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wheel/thread.h"

#include "os/assert.h"

#include <stdlib.h>

/* Of the gate. */
#define CLOSED UINT32_C(0x80000000)

/* --- The thread's sleep --- */

static void call(struct bide_wheel *wheel)
{
    atomic_fetch_add(&wheel->word, 1);
    bide_os_futex_wake_one(&wheel->word);
}

/* What asleep_past is while it is awake, or has been called. */
#define AWAKE INT64_MIN

/* One caller is enough. */
void bide_wheel_call_for(struct bide_wheel *wheel, int64_t deadline)
{
    int64_t past = atomic_load(&wheel->asleep_past);
    if (past == AWAKE || deadline > past) return;
    if (atomic_compare_exchange_strong(&wheel->asleep_past, &past, AWAKE)) call(wheel);
}

void bide_wheel_thread_call(struct bide_wheel *wheel)
{
    call(wheel);
}

/* --- The thread --- */

/* Takes a sleep that is due out of the slots and ends it. Returns whether there was one. Lock held, and
 * released around the wake. */
static bool end_next(struct bide_wheel *wheel, int64_t now)
{
    struct bide_wheel_record *record = bide_slots_pop(&wheel->slots, now);
    if (!record) return false;
    record->id = 0;
    bide_wheel_sleeping *sleeping = record->sleeping;
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    uint32_t state = atomic_load_explicit(&record->state, memory_order_relaxed);
    int64_t deadline = atomic_load_explicit(&record->deadline, memory_order_relaxed);
    bool due = (state & BIDE_RECORD_STAGE) == BIDE_RECORD_ARMED && deadline <= now;
    struct bide_wake wake;
    if (due) {
        state = atomic_fetch_or(&record->state, BIDE_RECORD_DONE);
        bide_wheel_set_stage(sleeping, BIDE_SLEEPING_ENDED);
        sleeping->result = 0;
        sleeping->record_ = NULL;
        bide_waiter_take(&sleeping->waiter_, &wake);
    }
    bide_wait_unlock(lock);
    BIDE_ASSERT(due || (state & BIDE_RECORD_QUEUED));
    if (!due) return true; /* moved or cancelled: the request is on its way, and finds it in no slot */
    wheel->fired++;
    bool freed = !(state & BIDE_RECORD_QUEUED);
    if (freed) bide_wheel_release(wheel, record);
    bide_os_mutex_unlock(&wheel->lock);
    bide_wake_run(&wake);
    if (freed) bide_wheel_wake_room(wheel, 1);
    bide_os_mutex_lock(&wheel->lock);
    return true;
}

/* Until then, or until somebody calls. */
static void sleep_until(struct bide_wheel *wheel, uint32_t seen, bide_instant until)
{
    if (wheel->options.clock == BIDE_WHEEL_MANUAL) until = BIDE_NEVER;
    if (wheel->options.clock == BIDE_WHEEL_BOOT_TIME && !bide_is_never(until)) {
        /* The futex's clock stands still while the machine is suspended: so that nothing is late by more than
         * a tick when it goes on, look again after each. */
        bide_duration left = bide_instant_since(until, bide_wheel_clock_now(wheel));
        until = bide_after(left < wheel->options.tick ? left : wheel->options.tick);
    }
    bide_os_futex_wait(&wheel->word, seen, until);
}

static void live(void *arg)
{
    struct bide_wheel *wheel = arg;
    bide_os_thread_precise_timers();
    bide_os_mutex_lock(&wheel->lock);
    while (!wheel->stopping) {
        /* Before anything is looked at, so that a call that comes later is not slept over. */
        uint32_t seen = atomic_load(&wheel->word);
        uint32_t room = bide_wheel_drain(wheel);
        if (room && atomic_load(&wheel->waiting)) {
            bide_os_mutex_unlock(&wheel->lock);
            bide_wheel_wake_room(wheel, room);
            bide_os_mutex_lock(&wheel->lock);
        }
        int64_t now = bide_wheel_clock_now(wheel).ns;
        int ended = 0;
        while (ended < BIDE_WHEEL_TURN && !wheel->stopping && end_next(wheel, now))
            ended++;
        if (ended == BIDE_WHEEL_TURN || wheel->stopping) continue;
        int64_t next = bide_slots_next(&wheel->slots);
        /* Deadlines after the tick before share its own. */
        atomic_store(&wheel->asleep_past, next == BIDE_SLOTS_NEVER ? next : next - wheel->options.tick);
        if (atomic_load(&wheel->requests) == 0) {
            bide_os_mutex_unlock(&wheel->lock);
            sleep_until(wheel, seen, bide_instant_from_ns(next));
            bide_os_mutex_lock(&wheel->lock);
        }
        atomic_store(&wheel->asleep_past, AWAKE);
    }
    bide_os_mutex_unlock(&wheel->lock);
}

int bide_wheel_thread_start(struct bide_wheel *wheel)
{
    uint32_t chunks = (wheel->options.max_capacity - 1) / BIDE_WHEEL_RECORDS + 1;
    wheel->records = calloc(chunks, sizeof *wheel->records);
    if (!wheel->records) return BIDE_ENOMEM;
    wheel->record_count = 0;
    wheel->stopping = false;
    atomic_store(&wheel->waiting, 0);
    atomic_store(&wheel->asleep_past, AWAKE);
    atomic_store(&wheel->requests, 0);
    atomic_store(&wheel->free_records, 0);
    for (size_t i = 0; i < sizeof wheel->name - 1; i++) {
        wheel->name[i] = wheel->options.thread_name[i];
        if (!wheel->name[i]) break;
    }
    int error = 0;
    while (!error && wheel->record_count < wheel->options.initial_capacity)
        error = bide_wheel_add_chunk(wheel);
    if (!error) error = bide_os_thread_start(&wheel->thread, wheel->options.thread_name, live, wheel);
    wheel->options.thread_name = NULL; /* copied */
    if (error) {
        bide_wheel_thread_clear(wheel);
        return error;
    }
    atomic_fetch_and(&wheel->gate, ~CLOSED);
    return 0;
}

void bide_wheel_thread_clear(struct bide_wheel *wheel)
{
    for (uint32_t first = 0; first < wheel->record_count; first += BIDE_WHEEL_RECORDS)
        free(wheel->records[first >> BIDE_WHEEL_RECORDS_SHIFT]);
    free(wheel->records);
    wheel->records = NULL;
    wheel->record_count = 0;
    atomic_fetch_or(&wheel->gate, CLOSED);
}

/* --- The end --- */

static void close_gate(struct bide_wheel *wheel)
{
    uint32_t seen = atomic_fetch_or(&wheel->gate, CLOSED) | CLOSED;
    while (seen != CLOSED) {
        bide_os_futex_wait(&wheel->gate, seen, BIDE_NEVER);
        seen = atomic_load(&wheel->gate);
    }
}

void bide_wheel_leave_gate(struct bide_wheel *wheel)
{
    if (atomic_fetch_sub(&wheel->gate, 1) & CLOSED) bide_os_futex_wake_all(&wheel->gate);
}

bool bide_wheel_enter_gate(struct bide_wheel *wheel, uint32_t life)
{
    uint32_t before = atomic_fetch_add(&wheel->gate, 1);
    if (!(before & CLOSED) && atomic_load(&wheel->life) == life) return true;
    bide_wheel_leave_gate(wheel);
    return false;
}

/* Ends the sleep of a record that is not free. No thread, and nobody inside the gate, is left. */
static void shut(struct bide_wheel_record *record)
{
    bide_wheel_sleeping *sleeping = record->sleeping;
    struct bide_wake wake;
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    bool armed =
        (atomic_load_explicit(&record->state, memory_order_relaxed) & BIDE_RECORD_STAGE) == BIDE_RECORD_ARMED;
    if (armed) {
        atomic_fetch_or(&record->state, BIDE_RECORD_DONE);
        bide_wheel_set_stage(sleeping, BIDE_SLEEPING_ENDED);
        sleeping->result = BIDE_ESHUTDOWN;
        sleeping->record_ = NULL;
        bide_waiter_take(&sleeping->waiter_, &wake);
    }
    bide_wait_unlock(lock);
    if (armed) bide_wake_run(&wake);
}

void bide_wheel_thread_stop(struct bide_wheel *wheel)
{
    close_gate(wheel);
    bide_os_mutex_lock(&wheel->lock);
    wheel->stopping = true;
    bide_os_mutex_unlock(&wheel->lock);
    call(wheel);
    bide_os_thread_join(wheel->thread);
    for (uint32_t number = 1; number <= wheel->record_count; number++) {
        struct bide_wheel_record *record = bide_wheel_record_of(wheel, number);
        if (atomic_load(&record->state) & BIDE_RECORD_STAGE) shut(record);
    }
    /* These poll again and find the gate closed. */
    bide_wheel_wake_room(wheel, UINT32_MAX);
}

void bide_wheel_thread_forget(struct bide_wheel *wheel)
{
    atomic_store(&wheel->lock.word, 0);
    atomic_store(&wheel->gate, CLOSED);
}

/* --- Looking --- */

bide_instant bide_wheel_thread_next(struct bide_wheel *wheel)
{
    bide_os_mutex_lock(&wheel->lock);
    uint32_t room = bide_wheel_drain(wheel);
    int64_t next = bide_slots_next(&wheel->slots);
    bide_os_mutex_unlock(&wheel->lock);
    bide_wheel_wake_room(wheel, room);
    return bide_instant_from_ns(next);
}

void bide_wheel_thread_stats(struct bide_wheel *wheel, bide_wheel_stats *stats)
{
    struct bide_slots_stats slots;
    bide_os_mutex_lock(&wheel->lock);
    uint32_t room = bide_wheel_drain(wheel);
    bide_slots_look(&wheel->slots, &slots);
    stats->fired = wheel->fired;
    stats->cancelled = wheel->cancelled;
    stats->pending = bide_slots_count(&wheel->slots);
    stats->capacity = wheel->record_count;
    stats->slots_used = slots.used;
    stats->longest_slot = slots.longest;
    bide_os_mutex_unlock(&wheel->lock);
    bide_wheel_wake_room(wheel, room);
}
