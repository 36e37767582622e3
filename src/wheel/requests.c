/* Records and the stack of requests: see thread.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wheel/thread.h"

#include "os/assert.h"

#include <stdlib.h>

/* --- Free records --- */

uint32_t bide_wheel_take_record(struct bide_wheel *wheel)
{
    uint64_t head = atomic_load(&wheel->free_records);
    for (;;) {
        uint32_t number = (uint32_t)head;
        if (number == 0) return 0;
        /* May be stale by now: then so is the head, whose count of changes tells. */
        uint32_t next =
            atomic_load_explicit(&bide_wheel_record_of(wheel, number)->next, memory_order_relaxed);
        uint64_t rest = (head & ~(uint64_t)UINT32_MAX) + (UINT64_C(1) << 32);
        if (atomic_compare_exchange_weak(&wheel->free_records, &head, rest | next)) return number;
    }
}

/* A chain of free records, from first to last. */
void bide_wheel_give_records(struct bide_wheel *wheel, uint32_t first, struct bide_wheel_record *last)
{
    uint64_t head = atomic_load(&wheel->free_records);
    uint64_t changed;
    do {
        atomic_store_explicit(&last->next, (uint32_t)head, memory_order_relaxed);
        changed = ((head & ~(uint64_t)UINT32_MAX) + (UINT64_C(1) << 32)) | first;
    } while (!atomic_compare_exchange_weak(&wheel->free_records, &head, changed));
}

void bide_wheel_release(struct bide_wheel *wheel, struct bide_wheel_record *record)
{
    BIDE_ASSERT(record->id == 0); /* invariant 3 */
    atomic_store_explicit(&record->state, BIDE_RECORD_FREE, memory_order_relaxed);
    bide_wheel_give_records(wheel, record->number, record);
}

/* One more chunk, and room in the slots for as many. Lock held. */
int bide_wheel_add_chunk(struct bide_wheel *wheel)
{
    uint32_t count = wheel->record_count;
    uint32_t more = wheel->options.max_capacity - count;
    if (more > BIDE_WHEEL_RECORDS) more = BIDE_WHEEL_RECORDS;
    if (bide_slots_reserve(&wheel->slots, count + more) != 0) return BIDE_ENOMEM;
    struct bide_wheel_record *chunk = calloc(BIDE_WHEEL_RECORDS, sizeof *chunk);
    if (!chunk) return BIDE_ENOMEM;
    wheel->records[count >> BIDE_WHEEL_RECORDS_SHIFT] = chunk;
    for (uint32_t i = 0; i < more; i++) {
        chunk[i].number = count + i + 1;
        atomic_store_explicit(&chunk[i].next, count + i + 2, memory_order_relaxed);
    }
    wheel->record_count = count + more;
    bide_wheel_give_records(wheel, count + 1, &chunk[more - 1]);
    return 0;
}

/* Doubles the storage, as far as there is memory. Lock held. */
int bide_wheel_grow(struct bide_wheel *wheel)
{
    uint32_t count = wheel->record_count, most = wheel->options.max_capacity;
    if (count == most) return BIDE_ENOCAPACITY;
    uint32_t wanted = count < most / 2 ? count * 2 : most;
    /* One piece for all that is wanted, if it can be had. */
    (void)bide_slots_reserve(&wheel->slots, wanted);
    do {
        int error = bide_wheel_add_chunk(wheel);
        if (error) return wheel->record_count > count ? 0 : error;
    } while (wheel->record_count < wanted);
    return 0;
}

/* --- Requests --- */

void bide_wheel_push(struct bide_wheel *wheel, struct bide_wheel_record *record)
{
    uint64_t head = atomic_load(&wheel->requests);
    do {
        atomic_store_explicit(&record->next, (uint32_t)head, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak(&wheel->requests, &head,
                                           (head & ~(uint64_t)UINT32_MAX) | record->number));
}

/* Pushes a new sleep's, unless the channel is full. Returns how many of them are on the way now; 0: full. */
uint32_t bide_wheel_push_new(struct bide_wheel *wheel, struct bide_wheel_record *record)
{
    uint64_t head = atomic_load(&wheel->requests), pushed;
    do {
        if (head >> 32 >= wheel->options.channel_capacity) return 0;
        atomic_store_explicit(&record->next, (uint32_t)head, memory_order_relaxed);
        pushed = ((head & ~(uint64_t)UINT32_MAX) + (UINT64_C(1) << 32)) | record->number;
    } while (!atomic_compare_exchange_weak(&wheel->requests, &head, pushed));
    return (uint32_t)(pushed >> 32);
}

/* Does what a request asks for. Returns whether it made room. Lock held. */
static bool carry_out(struct bide_wheel *wheel, struct bide_wheel_record *record)
{
    /* seq_cst, as the pushes: invariant 2 */
    uint32_t state = atomic_fetch_and(&record->state, ~(uint32_t)BIDE_RECORD_QUEUED);
    if ((state & BIDE_RECORD_STAGE) == BIDE_RECORD_ARMED) {
        int64_t deadline = atomic_load_explicit(&record->deadline, memory_order_relaxed);
        if (record->id)
            bide_slots_move(&wheel->slots, record->id, deadline);
        else /* there is storage for as many as there are records */
            (void)bide_slots_add(&wheel->slots, deadline, record, &record->id);
        return false;
    }
    if (record->id) bide_slots_remove(&wheel->slots, record->id);
    record->id = 0;
    wheel->cancelled += (state & BIDE_RECORD_STAGE) == BIDE_RECORD_CANCELLED;
    bide_wheel_release(wheel, record);
    return true;
}

/* Carries out all requests. Returns for how many sleeps that wait for room there may be some. Lock held. */
uint32_t bide_wheel_drain(struct bide_wheel *wheel)
{
    uint64_t head = atomic_exchange(&wheel->requests, 0);
    uint32_t room = (uint32_t)(head >> 32);
    for (uint32_t number = (uint32_t)head; number != 0;) {
        struct bide_wheel_record *record = bide_wheel_record_of(wheel, number);
        number = atomic_load_explicit(&record->next, memory_order_relaxed);
        room += carry_out(wheel, record);
    }
    return room;
}
