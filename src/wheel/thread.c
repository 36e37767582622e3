/* The threaded form: a thread that has the slots, and how others send it requests without waiting.
 *
 * Each sleep in the wheel has a record, taken from a list of free ones. A request is the record itself,
 * pushed on a stack that the thread takes as a whole. A record says what shall be (the tick, or that it is
 * cancelled) rather than what has changed; so it need be on the stack only once, however often it is moved,
 * and a request finds its place whatever else waits. Only new sleeps are limited, by the channel's capacity.
 *
 *   record:   FREE --submit--> ARMED --due--> DONE --thread--> FREE        (+ QUEUED, while it is a request)
 *                                \--cancel--> CANCELLED --thread--> FREE
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
 *     push and then look until when it sleeps, all seq_cst. Requests for later ticks wait until it
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
#include "os/assert.h"
#include "wheel/wheel.h"

#include <stdlib.h>

/* Of a record. DONE is ARMED and one more bit. */
enum { FREE = 0u, ARMED = 1u, CANCELLED = 2u, DONE = 3u, STAGE = 3u, QUEUED = 4u };

/* Of the gate. */
#define CLOSED UINT32_C(0x80000000)

#define RECORDS_SHIFT 10u
#define RECORDS (1u << RECORDS_SHIFT)

/* So many requests to cancel call the thread. */
#define CANCELS 1024u

struct bide_wheel_record {
    _Atomic uint32_t state;
    _Atomic uint32_t next; /* on the stack, or the list of free ones */
    _Atomic uint64_t tick;
    bide_wheel_sleeping *sleeping; /* fixed while not FREE; after the end only its address is used */
    bide_slots_id id;              /* wheel->lock */
    uint32_t number;               /* fixed */
};

static struct bide_wheel_record *record_of(const struct bide_wheel *wheel, uint32_t number)
{
    return &wheel->records[(number - 1) >> RECORDS_SHIFT][(number - 1) & (RECORDS - 1)];
}

/* --- The thread's sleep --- */

static void call(struct bide_wheel *wheel)
{
    atomic_fetch_add(&wheel->word, 1);
    bide_os_futex_wake_one(&wheel->word);
}

/* Calls it if it sleeps past that tick. One caller is enough. */
static void call_for(struct bide_wheel *wheel, uint64_t tick)
{
    uint64_t until = atomic_load(&wheel->asleep_until);
    if (tick < until && atomic_compare_exchange_strong(&wheel->asleep_until, &until, 0)) call(wheel);
}

void bide_wheel_thread_call(struct bide_wheel *wheel)
{
    call(wheel);
}

/* --- Free records --- */

static uint32_t take_record(struct bide_wheel *wheel)
{
    uint64_t head = atomic_load(&wheel->free_records);
    for (;;) {
        uint32_t number = (uint32_t)head;
        if (number == 0) return 0;
        /* May be stale by now: then so is the head, whose count of changes tells. */
        uint32_t next = atomic_load_explicit(&record_of(wheel, number)->next, memory_order_relaxed);
        uint64_t rest = (head & ~(uint64_t)UINT32_MAX) + (UINT64_C(1) << 32);
        if (atomic_compare_exchange_weak(&wheel->free_records, &head, rest | next)) return number;
    }
}

/* A chain of free records, from first to last. */
static void give_records(struct bide_wheel *wheel, uint32_t first, struct bide_wheel_record *last)
{
    uint64_t head = atomic_load(&wheel->free_records);
    uint64_t changed;
    do {
        atomic_store_explicit(&last->next, (uint32_t)head, memory_order_relaxed);
        changed = ((head & ~(uint64_t)UINT32_MAX) + (UINT64_C(1) << 32)) | first;
    } while (!atomic_compare_exchange_weak(&wheel->free_records, &head, changed));
}

static void release(struct bide_wheel *wheel, struct bide_wheel_record *record)
{
    BIDE_ASSERT(record->id == 0); /* invariant 3 */
    atomic_store_explicit(&record->state, FREE, memory_order_relaxed);
    give_records(wheel, record->number, record);
}

/* One more chunk, and room in the slots for as many. Lock held. */
static int add_chunk(struct bide_wheel *wheel)
{
    uint32_t count = wheel->record_count;
    uint32_t more = wheel->options.max_capacity - count;
    if (more > RECORDS) more = RECORDS;
    if (bide_slots_reserve(&wheel->slots, count + more) != 0) return BIDE_ENOMEM;
    struct bide_wheel_record *chunk = calloc(RECORDS, sizeof *chunk);
    if (!chunk) return BIDE_ENOMEM;
    wheel->records[count >> RECORDS_SHIFT] = chunk;
    for (uint32_t i = 0; i < more; i++) {
        chunk[i].number = count + i + 1;
        atomic_store_explicit(&chunk[i].next, count + i + 2, memory_order_relaxed);
    }
    wheel->record_count = count + more;
    give_records(wheel, count + 1, &chunk[more - 1]);
    return 0;
}

/* Doubles the storage, as far as there is memory. Lock held. */
static int grow(struct bide_wheel *wheel)
{
    uint32_t count = wheel->record_count, most = wheel->options.max_capacity;
    if (count == most) return BIDE_ENOCAPACITY;
    uint32_t wanted = count < most / 2 ? count * 2 : most;
    /* One piece for all that is wanted, if it can be had. */
    (void)bide_slots_reserve(&wheel->slots, wanted);
    do {
        int error = add_chunk(wheel);
        if (error) return wheel->record_count > count ? 0 : error;
    } while (wheel->record_count < wanted);
    return 0;
}

/* --- Requests --- */

static void push(struct bide_wheel *wheel, struct bide_wheel_record *record)
{
    uint64_t head = atomic_load(&wheel->requests);
    do {
        atomic_store_explicit(&record->next, (uint32_t)head, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak(&wheel->requests, &head,
                                           (head & ~(uint64_t)UINT32_MAX) | record->number));
}

/* Pushes a new sleep's, unless the channel is full. Returns how many of them are on the way now; 0: full. */
static uint32_t push_new(struct bide_wheel *wheel, struct bide_wheel_record *record)
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
    uint32_t state = atomic_fetch_and(&record->state, ~(uint32_t)QUEUED);
    if ((state & STAGE) == ARMED) {
        uint64_t tick = atomic_load_explicit(&record->tick, memory_order_relaxed);
        if (record->id)
            bide_slots_move(&wheel->slots, record->id, tick);
        else /* there is storage for as many as there are records */
            (void)bide_slots_add(&wheel->slots, tick, record, &record->id);
        return false;
    }
    if (record->id) bide_slots_remove(&wheel->slots, record->id);
    record->id = 0;
    wheel->cancelled += (state & STAGE) == CANCELLED;
    release(wheel, record);
    return true;
}

/* Carries out all requests. Returns for how many sleeps that wait for room there may be some. Lock held. */
static uint32_t drain(struct bide_wheel *wheel)
{
    uint64_t head = atomic_exchange(&wheel->requests, 0);
    uint32_t room = (uint32_t)(head >> 32);
    for (uint32_t number = (uint32_t)head; number != 0;) {
        struct bide_wheel_record *record = record_of(wheel, number);
        number = atomic_load_explicit(&record->next, memory_order_relaxed);
        room += carry_out(wheel, record);
    }
    return room;
}

/* --- Room --- */

/* Wakes so many who wait for it. No lock held. */
static void wake_room(struct bide_wheel *wheel, uint32_t count)
{
    while (count-- > 0 && atomic_load(&wheel->waiting) > 0) {
        struct bide_wake wake;
        bide_os_mutex *lock = bide_wait_lock(wheel);
        bool any = !bide_ring_empty(&wheel->room);
        if (any) {
            bide_waiter_take(bide_queue_first(&wheel->room), &wake);
            atomic_fetch_sub(&wheel->waiting, 1);
        }
        bide_wait_unlock(lock);
        if (!any) return;
        bide_wake_run(&wake);
    }
}

static uint32_t flags_of(const bide_context *cx)
{
    return cx->flags_ & BIDE_CONTEXT_STABLE ? BIDE_WAITER_STABLE : 0;
}

/* In a ring by itself, for the sake of bide_waiter_take. The wait lock of its sleep is held. */
static void link_alone(bide_waiter *waiter, const bide_context *cx)
{
    bide_ring_init(&waiter->link_);
    waiter->waker_ = cx->waker_;
    waiter->flags_ = flags_of(cx);
    /* relaxed: as bide_waiter_link() */
    atomic_fetch_or_explicit(BIDE_ATOMIC_U32(&waiter->state_), BIDE_WAITER_LINKED, memory_order_relaxed);
}

static void wait_for_room(bide_wheel_sleeping *sleeping, const bide_context *cx)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    bide_os_mutex *lock = bide_wait_lock(wheel);
    bide_waiter_link(&wheel->room, &sleeping->waiter_, cx->waker_, flags_of(cx));
    atomic_fetch_add(&wheel->waiting, 1);
    bide_wait_unlock(lock);
}

/* Returns whether it had been woken. */
static bool leave_room(bide_wheel_sleeping *sleeping)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    bide_os_mutex *lock = bide_wait_lock(wheel);
    bool linked = (bide_waiter_state(&sleeping->waiter_) & BIDE_WAITER_LINKED) != 0;
    if (linked) {
        bide_waiter_unlink(&sleeping->waiter_);
        atomic_fetch_sub(&wheel->waiting, 1);
    }
    bide_wait_unlock(lock);
    bide_waiter_quiesce(&sleeping->waiter_);
    return !linked;
}

/* --- The thread --- */

/* Takes a sleep that is due out of the slots and ends it. Returns whether there was one. Lock held, and
 * released around the wake. */
static bool end_next(struct bide_wheel *wheel, uint64_t now)
{
    struct bide_wheel_record *record = bide_slots_pop(&wheel->slots, now);
    if (!record) return false;
    record->id = 0;
    bide_wheel_sleeping *sleeping = record->sleeping;
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    uint32_t state = atomic_load_explicit(&record->state, memory_order_relaxed);
    uint64_t tick = atomic_load_explicit(&record->tick, memory_order_relaxed);
    bool due = (state & STAGE) == ARMED && tick <= now;
    struct bide_wake wake;
    if (due) {
        state = atomic_fetch_or(&record->state, DONE);
        sleeping->stage_ = BIDE_SLEEPING_ENDED;
        sleeping->result = 0;
        sleeping->record_ = NULL;
        bide_waiter_take(&sleeping->waiter_, &wake);
    }
    bide_wait_unlock(lock);
    if (!due) {
        /* Moved or cancelled, and the request is on its way; it finds a moved one in its place. */
        if ((state & STAGE) == ARMED) (void)bide_slots_add(&wheel->slots, tick, record, &record->id);
        return true;
    }
    wheel->fired++;
    bool freed = !(state & QUEUED);
    if (freed) release(wheel, record);
    bide_os_mutex_unlock(&wheel->lock);
    bide_wake_run(&wake);
    if (freed) wake_room(wheel, 1);
    bide_os_mutex_lock(&wheel->lock);
    return true;
}

/* Until the tick is reached, or somebody calls. */
static void sleep_until(struct bide_wheel *wheel, uint32_t seen, uint64_t tick)
{
    bide_instant until = tick == BIDE_SLOTS_NEVER ? BIDE_NEVER : bide_wheel_instant(wheel, tick);
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
        uint32_t room = drain(wheel);
        if (room && atomic_load(&wheel->waiting)) {
            bide_os_mutex_unlock(&wheel->lock);
            wake_room(wheel, room);
            bide_os_mutex_lock(&wheel->lock);
        }
        uint64_t now = bide_wheel_tick_down(wheel, bide_wheel_clock_now(wheel));
        int ended = 0;
        while (ended < BIDE_WHEEL_TURN && !wheel->stopping && end_next(wheel, now))
            ended++;
        if (ended == BIDE_WHEEL_TURN || wheel->stopping) continue;
        uint64_t next = bide_slots_next(&wheel->slots);
        atomic_store(&wheel->asleep_until, next);
        if (atomic_load(&wheel->requests) == 0) {
            bide_os_mutex_unlock(&wheel->lock);
            sleep_until(wheel, seen, next);
            bide_os_mutex_lock(&wheel->lock);
        }
        atomic_store(&wheel->asleep_until, 0);
    }
    bide_os_mutex_unlock(&wheel->lock);
}

int bide_wheel_thread_start(struct bide_wheel *wheel)
{
    uint32_t chunks = (wheel->options.max_capacity - 1) / RECORDS + 1;
    wheel->records = calloc(chunks, sizeof *wheel->records);
    if (!wheel->records) return BIDE_ENOMEM;
    wheel->record_count = 0;
    wheel->stopping = false;
    atomic_store(&wheel->waiting, 0);
    atomic_store(&wheel->asleep_until, 0);
    atomic_store(&wheel->requests, 0);
    atomic_store(&wheel->free_records, 0);
    int error = 0;
    while (!error && wheel->record_count < wheel->options.initial_capacity)
        error = add_chunk(wheel);
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
    for (uint32_t first = 0; first < wheel->record_count; first += RECORDS)
        free(wheel->records[first >> RECORDS_SHIFT]);
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

static void leave_gate(struct bide_wheel *wheel)
{
    if (atomic_fetch_sub(&wheel->gate, 1) & CLOSED) bide_os_futex_wake_all(&wheel->gate);
}

static bool enter_gate(struct bide_wheel *wheel, uint32_t life)
{
    uint32_t before = atomic_fetch_add(&wheel->gate, 1);
    if (!(before & CLOSED) && atomic_load(&wheel->life) == life) return true;
    leave_gate(wheel);
    return false;
}

/* Ends the sleep of a record that is not free. No thread, and nobody inside the gate, is left. */
static void shut(struct bide_wheel_record *record)
{
    bide_wheel_sleeping *sleeping = record->sleeping;
    struct bide_wake wake;
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    bool armed = (atomic_load_explicit(&record->state, memory_order_relaxed) & STAGE) == ARMED;
    if (armed) {
        atomic_fetch_or(&record->state, DONE);
        sleeping->stage_ = BIDE_SLEEPING_ENDED;
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
        struct bide_wheel_record *record = record_of(wheel, number);
        if (atomic_load(&record->state) & STAGE) shut(record);
    }
    /* These poll again and find the gate closed. */
    wake_room(wheel, UINT32_MAX);
}

/* --- The futures' side --- */

static int end(bide_wheel_sleeping *sleeping, int result)
{
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    sleeping->stage_ = BIDE_SLEEPING_ENDED;
    sleeping->result = result;
    bide_wait_unlock(lock);
    return BIDE_READY;
}

/* A record, in the rare case that none is free: requests that wait may free one, or there may be memory. */
static uint32_t find_record(struct bide_wheel *wheel, int *error)
{
    bide_os_mutex_lock(&wheel->lock);
    uint32_t room = drain(wheel);
    uint32_t number = take_record(wheel);
    *error = 0;
    while (number == 0 && *error == 0) {
        *error = grow(wheel);
        number = take_record(wheel);
    }
    bide_os_mutex_unlock(&wheel->lock);
    if (room > 1) wake_room(wheel, room - 1);
    return number;
}

/* Makes the record the sleep's and sends it: BIDE_PENDING, BIDE_READY if a reset has made the sleep due
 * meanwhile, or BIDE_ENOCAPACITY if the channel is full. */
static int send(bide_wheel_sleeping *sleeping, struct bide_wheel_record *record, const bide_context *cx)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    uint32_t on_the_way = 0;
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    bool ended = sleeping->stage_ == BIDE_SLEEPING_ENDED;
    uint64_t tick = bide_wheel_tick_up(wheel, sleeping->deadline_);
    if (!ended) {
        record->sleeping = sleeping;
        atomic_store_explicit(&record->tick, tick, memory_order_relaxed);
        atomic_store_explicit(&record->state, ARMED | QUEUED, memory_order_relaxed);
        on_the_way = push_new(wheel, record);
    }
    if (on_the_way) {
        sleeping->stage_ = BIDE_SLEEPING_ARMED;
        sleeping->record_ = record;
        link_alone(&sleeping->waiter_, cx);
    }
    bide_wait_unlock(lock);
    if (!on_the_way) atomic_store_explicit(&record->state, FREE, memory_order_relaxed);
    if (ended) return BIDE_READY;
    if (!on_the_way) return BIDE_ENOCAPACITY;
    /* Half a channel is worth a call, whatever the ticks. */
    call_for(wheel, on_the_way == (wheel->options.channel_capacity + 1) / 2 ? 0 : tick);
    return BIDE_PENDING;
}

/* As send(), with a record and, if the channel is full and the thread elsewhere, with its work done here. */
static int try_submit(bide_wheel_sleeping *sleeping, const bide_context *cx)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    int error = 0;
    uint32_t number = take_record(wheel);
    if (number == 0) number = find_record(wheel, &error);
    if (number == 0) return error;
    struct bide_wheel_record *record = record_of(wheel, number);
    int answer;
    while ((answer = send(sleeping, record, cx)) == BIDE_ENOCAPACITY && bide_os_mutex_try(&wheel->lock)) {
        uint32_t room = drain(wheel);
        bide_os_mutex_unlock(&wheel->lock);
        if (room > 1) wake_room(wheel, room - 1);
    }
    if (answer != BIDE_PENDING) give_records(wheel, number, record);
    return answer;
}

/* There is no room: BIDE_PENDING until there is, or BIDE_READY if a reset has made it due meanwhile. */
static int begin_to_wait(bide_wheel_sleeping *sleeping, const bide_context *cx)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    bool ended = sleeping->stage_ == BIDE_SLEEPING_ENDED;
    if (!ended) sleeping->stage_ = BIDE_SLEEPING_ROOM;
    bide_wait_unlock(lock);
    if (ended) return BIDE_READY;
    wait_for_room(sleeping, cx);
    /* What made room before we were seen: a record was freed, the channel emptied, or there is a request that
     * frees one. */
    uint32_t number = take_record(wheel);
    if (number) give_records(wheel, number, record_of(wheel, number));
    uint64_t requests = atomic_load(&wheel->requests);
    if (requests) call_for(wheel, 0);
    if (number && requests >> 32 < wheel->options.channel_capacity) wake_room(wheel, 1);
    return BIDE_PENDING;
}

static int submit(bide_wheel_sleeping *sleeping, const bide_context *cx)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    if (!enter_gate(wheel, sleeping->life_)) return end(sleeping, BIDE_ESHUTDOWN);
    int answer = try_submit(sleeping, cx);
    if (answer == BIDE_ENOCAPACITY && wheel->options.when_full == BIDE_WHEEL_FULL_WAITS)
        answer = begin_to_wait(sleeping, cx);
    leave_gate(wheel);
    return answer < 0 ? end(sleeping, answer) : answer;
}

/* Of a wheel whose thread is in the parent of this process. */
static void give_up_parents(bide_wheel_sleeping *sleeping)
{
    bide_waiter_init(&sleeping->waiter_);
    sleeping->record_ = NULL;
    sleeping->stage_ = BIDE_SLEEPING_ENDED;
    sleeping->result = BIDE_EFORKED;
}

int bide_wheel_thread_poll(bide_wheel_sleeping *sleeping, bide_context *cx)
{
    if (bide_wheel_is_parents(sleeping->wheel_)) {
        if (sleeping->stage_ != BIDE_SLEEPING_ENDED) give_up_parents(sleeping);
        return BIDE_READY;
    }
    bide_waiter *waiter = &sleeping->waiter_;
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    uint32_t stage = sleeping->stage_;
    if (stage == BIDE_SLEEPING_ARMED) {
        waiter->waker_ = cx->waker_;
        waiter->flags_ = flags_of(cx);
    }
    bide_wait_unlock(lock);
    if (stage == BIDE_SLEEPING_ARMED) return BIDE_PENDING;
    if (stage == BIDE_SLEEPING_ROOM) {
        (void)leave_room(sleeping);
        lock = bide_wait_lock(sleeping);
        if (sleeping->stage_ == BIDE_SLEEPING_ROOM) sleeping->stage_ = BIDE_SLEEPING_IDLE;
        bide_wait_unlock(lock);
    } else {
        bide_waiter_quiesce(waiter);
        if (stage == BIDE_SLEEPING_ENDED) return BIDE_READY;
    }
    return submit(sleeping, cx);
}

int bide_wheel_thread_cancel(bide_wheel_sleeping *sleeping)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    if (bide_wheel_is_parents(wheel)) {
        if (sleeping->stage_ == BIDE_SLEEPING_ENDED) return BIDE_COMPLETED;
        give_up_parents(sleeping);
        sleeping->stage_ = BIDE_SLEEPING_IDLE;
        return BIDE_READY;
    }
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    uint32_t stage = sleeping->stage_;
    bool many = false;
    if (stage == BIDE_SLEEPING_ARMED) {
        struct bide_wheel_record *record = sleeping->record_;
        sleeping->record_ = NULL;
        bide_waiter_unlink(&sleeping->waiter_);
        many = atomic_fetch_add_explicit(&wheel->cancels, 1, memory_order_relaxed) % CANCELS == CANCELS - 1;
        if (!(atomic_exchange(&record->state, CANCELLED | QUEUED) & QUEUED)) push(wheel, record);
    }
    if (stage != BIDE_SLEEPING_ENDED) sleeping->stage_ = BIDE_SLEEPING_IDLE;
    bide_wait_unlock(lock);
    if (stage == BIDE_SLEEPING_ROOM) {
        if (leave_room(sleeping)) wake_room(wheel, 1);
    } else {
        bide_waiter_quiesce(&sleeping->waiter_);
    }
    if (many || atomic_load(&wheel->waiting)) call_for(wheel, 0);
    return stage == BIDE_SLEEPING_ENDED ? BIDE_COMPLETED : BIDE_READY;
}

int bide_wheel_thread_reset(bide_wheel_sleeping *sleeping, bide_instant deadline, bool due)
{
    struct bide_wheel *wheel = sleeping->wheel_;
    if (bide_wheel_is_parents(wheel)) return BIDE_EFORKED;
    uint64_t tick = bide_wheel_tick_up(wheel, deadline);
    bide_os_mutex *lock = bide_wait_lock(sleeping);
    uint32_t stage = sleeping->stage_;
    sleeping->deadline_ = deadline;
    if (stage == BIDE_SLEEPING_ARMED) {
        struct bide_wheel_record *record = sleeping->record_;
        atomic_store_explicit(&record->tick, tick, memory_order_relaxed);
        if (!(atomic_fetch_or(&record->state, QUEUED) & QUEUED)) push(wheel, record);
    } else if (stage != BIDE_SLEEPING_ROOM) {
        sleeping->stage_ = due ? BIDE_SLEEPING_ENDED : BIDE_SLEEPING_IDLE;
        sleeping->result = due ? 0 : BIDE_ECANCELED;
    }
    bide_wait_unlock(lock);
    if (stage == BIDE_SLEEPING_ARMED) call_for(wheel, tick);
    return 0;
}

/* --- Looking --- */

bide_instant bide_wheel_thread_next(struct bide_wheel *wheel)
{
    bide_os_mutex_lock(&wheel->lock);
    uint32_t room = drain(wheel);
    uint64_t tick = bide_slots_next(&wheel->slots);
    bide_os_mutex_unlock(&wheel->lock);
    wake_room(wheel, room);
    return tick == BIDE_SLOTS_NEVER ? BIDE_NEVER : bide_wheel_instant(wheel, tick);
}

void bide_wheel_thread_stats(struct bide_wheel *wheel, bide_wheel_stats *stats)
{
    struct bide_slots_stats slots;
    bide_os_mutex_lock(&wheel->lock);
    uint32_t room = drain(wheel);
    bide_slots_look(&wheel->slots, &slots);
    stats->fired = wheel->fired;
    stats->cancelled = wheel->cancelled;
    stats->pending = wheel->slots.count;
    stats->capacity = wheel->record_count;
    stats->slots_used = slots.used;
    stats->longest_slot = slots.longest;
    bide_os_mutex_unlock(&wheel->lock);
    wake_room(wheel, room);
}
