/* Wheels: their making and end, their clocks, and who drives one that has no thread.
 *
 * INVARIANTS
 * 1. A wheel in `pool` is nobody's; all others belong to who made them. The memory of neither is given back.
 * 2. Ticks are counted from when it was made. Slots are never taken further than to the last tick that is not
 *    after now, nor a sleep's before its deadline. So nothing is early.
 * 3. Inline: if the last driving that was polled (`driving`) is armed, it is so for no later than the next
 *    tick at which the slots want to be looked at.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wheel/wheel.h"

#include "future/future.h"
#include "os/assert.h"
#include "os/clock.h"
#include "reactor/reactor.h"

#include <stdlib.h>
#include <string.h>

/* Wheels nobody uses; guarded by pool_lock. */
static bide_os_mutex pool_lock;
static struct bide_wheel *pool;

static void fork_prepare(void)
{
    bide_os_mutex_lock(&pool_lock);
}

static void fork_done(void)
{
    bide_os_mutex_unlock(&pool_lock);
}

/* And dumps. */
static int watch_forks(void)
{
    static const struct bide_os_fork_handlers handlers = {fork_prepare, fork_done, fork_done};
    static _Atomic bool watched;
    int error = bide_future_watch_forks(); /* first: its locks are the inner ones */
    if (!error) error = bide_wheel_watch_dumps();
    return error ? error : bide_os_at_fork(&handlers, &watched);
}

/* --- Making --- */

void bide_wheel_options_init(bide_wheel_options *options)
{
    if (!options) return;
    options->form = BIDE_WHEEL_THREADED;
    options->clock = BIDE_WHEEL_MONOTONIC;
    options->when_full = BIDE_WHEEL_FULL_FAILS;
    options->missed = BIDE_MISSED_BURST;
    options->tick = BIDE_MILLISECONDS(100);
    options->slots = 4096;
    options->initial_capacity = 256;
    options->max_capacity = 4194304;
    options->max_timeout = 0;
    options->channel_capacity = 128;
    options->thread_name = "bide-wheel";
}

static bool valid(const bide_wheel_options *options)
{
    uint32_t slots = options->slots;
    return (options->form == BIDE_WHEEL_THREADED || options->form == BIDE_WHEEL_INLINE) &&
           (options->clock == BIDE_WHEEL_MONOTONIC || options->clock == BIDE_WHEEL_BOOT_TIME ||
            options->clock == BIDE_WHEEL_MANUAL) &&
           (options->when_full == BIDE_WHEEL_FULL_FAILS || options->when_full == BIDE_WHEEL_FULL_WAITS) &&
           (options->missed == BIDE_MISSED_BURST || options->missed == BIDE_MISSED_DELAY ||
            options->missed == BIDE_MISSED_SKIP) &&
           options->tick > 0 && slots > 0 && slots <= BIDE_SLOTS_MOST && (slots & (slots - 1)) == 0 &&
           options->initial_capacity > 0 && options->initial_capacity <= options->max_capacity &&
           options->max_capacity <= BIDE_SLOTS_TIMERS && options->max_timeout >= 0 &&
           options->channel_capacity > 0 && options->channel_capacity <= INT32_MAX && options->thread_name;
}

static struct bide_wheel *take_wheel(void)
{
    bide_os_mutex_lock(&pool_lock);
    struct bide_wheel *wheel = pool;
    if (wheel) pool = wheel->next_free;
    bide_os_mutex_unlock(&pool_lock);
    return wheel ? wheel : calloc(1, sizeof *wheel);
}

static void give_wheel(struct bide_wheel *wheel)
{
    bide_os_mutex_lock(&pool_lock);
    wheel->next_free = pool;
    pool = wheel;
    bide_os_mutex_unlock(&pool_lock);
}

/* What bide_slots_clear does not do, nor thread.c. */
static int set_up(struct bide_wheel *wheel, const bide_wheel_options *options)
{
    wheel->forks = bide_os_forks;
    wheel->threaded = options->form == BIDE_WHEEL_THREADED;
    wheel->options = *options;
    if (options->max_timeout == 0)
        wheel->options.max_timeout =
            options->tick > INT64_MAX / options->slots ? INT64_MAX : options->tick * options->slots;
    atomic_store_explicit(&wheel->manual, 0, memory_order_relaxed);
    wheel->fired = wheel->cancelled = 0;
    wheel->driving = NULL;
    atomic_store_explicit(&wheel->told, INT64_MAX, memory_order_relaxed);
    bide_ring_init(&wheel->room);
    wheel->ticks = bide_ticks_from(bide_wheel_clock_now(wheel).ns, options->tick);
    int error = bide_slots_init(&wheel->slots, wheel->ticks, options->slots, options->initial_capacity,
                                options->max_capacity);
    if (error || !wheel->threaded) return error;
    error = bide_wheel_thread_start(wheel);
    if (error) bide_slots_clear(&wheel->slots);
    return error;
}

int bide_wheel_new(bide_wheel **out, const bide_wheel_options *options)
{
    bide_wheel_options defaults;
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    bide_wheel_options_init(&defaults);
    if (!options) options = &defaults;
    if (!valid(options)) return BIDE_EINVAL;
    if (options->form == BIDE_WHEEL_THREADED && !bide_threads_allowed()) return BIDE_ENOTSUP;
    int error = watch_forks();
    if (error) return error;
    struct bide_wheel *wheel = take_wheel();
    if (!wheel) return BIDE_ENOMEM;
    error = set_up(wheel, options);
    if (error) {
        give_wheel(wheel);
        return error;
    }
    bide_wheel_list(wheel);
    *out = wheel;
    return 0;
}

int bide_wheel_free(bide_wheel *wheel)
{
    if (!wheel) return BIDE_EINVAL;
    if (bide_thread_self()->in_waker) return BIDE_EDEADLK;
    bide_wheel_unlist(wheel);
    if (!wheel->threaded)
        bide_wheel_end_all(wheel);
    else if (bide_wheel_is_parents(wheel))
        bide_wheel_thread_forget(wheel);
    else
        bide_wheel_thread_stop(wheel);
    /* Futures of this life that come later are told. */
    atomic_fetch_add(&wheel->life, 1);
    for (bide_wheel_driving *driving = wheel->driving; driving; driving = driving->outer_)
        (void)bide_timer_set_at(&driving->timer_, BIDE_NOW);
    wheel->driving = NULL;
    if (wheel->threaded) bide_wheel_thread_clear(wheel);
    bide_slots_clear(&wheel->slots);
    give_wheel(wheel);
    return 0;
}

/* --- Time --- */

bide_instant bide_wheel_clock_now(const struct bide_wheel *wheel)
{
    switch (wheel->options.clock) {
    case BIDE_WHEEL_MANUAL:
        /* acquire: pairs with the release in set_manual, for what its setter did before */
        return bide_instant_from_ns(
            atomic_load_explicit(&((struct bide_wheel *)(uintptr_t)wheel)->manual, memory_order_acquire));
    case BIDE_WHEEL_BOOT_TIME: return bide_os_boot_now();
    case BIDE_WHEEL_MONOTONIC:
    default: return bide_now();
    }
}

bide_instant bide_wheel_now(bide_wheel *wheel)
{
    return wheel ? bide_wheel_clock_now(wheel) : BIDE_NOW;
}

static void set_manual(struct bide_wheel *wheel, bide_instant now)
{
    int64_t seen = atomic_load_explicit(&wheel->manual, memory_order_relaxed);
    bool set = false;
    while (seen < now.ns && !set)
        set = atomic_compare_exchange_weak_explicit(&wheel->manual, &seen, now.ns, memory_order_release,
                                                    memory_order_relaxed);
}

/* --- Driving --- */

int bide_wheel_turn(struct bide_wheel *wheel, bide_instant now, int most)
{
    int ended = 0;
    for (; ended < most; ended++) {
        bide_wheel_sleeping *sleeping = bide_slots_pop(&wheel->slots, now.ns);
        if (!sleeping) break;
        sleeping->stage_ = BIDE_SLEEPING_ENDED;
        sleeping->result = 0;
        wheel->fired++;
        struct bide_wake wake = {sleeping->waiter_.waker_, NULL};
        bide_wake_run(&wake);
        bide_wheel_room(wheel);
    }
    return ended;
}

int bide_wheel_advance(bide_wheel *wheel, bide_instant now)
{
    if (!wheel) return BIDE_EINVAL;
    if (bide_thread_self()->in_waker) return BIDE_EDEADLK;
    if (bide_wheel_is_parents(wheel)) return BIDE_EFORKED;
    bool manual = wheel->options.clock == BIDE_WHEEL_MANUAL;
    if (manual) set_manual(wheel, now);
    if (!wheel->threaded) return bide_wheel_turn(wheel, now, INT32_MAX);
    if (!manual) return BIDE_EINVAL;
    bide_wheel_thread_call(wheel);
    return 0;
}

bide_instant bide_wheel_next(bide_wheel *wheel)
{
    if (!wheel || bide_wheel_is_parents(wheel)) return BIDE_NEVER;
    if (wheel->threaded) return bide_wheel_thread_next(wheel);
    int64_t next = bide_slots_next(&wheel->slots);
    atomic_store_explicit(&wheel->told, next, memory_order_relaxed);
    return bide_instant_from_ns(next);
}

int bide_wheel_stats_read(bide_wheel *wheel, bide_wheel_stats *stats)
{
    if (!wheel || !stats) return BIDE_EINVAL;
    memset(stats, 0, sizeof *stats);
    if (bide_wheel_is_parents(wheel)) return BIDE_EFORKED;
    if (wheel->threaded) {
        bide_wheel_thread_stats(wheel, stats);
        return 0;
    }
    struct bide_slots_stats slots;
    bide_slots_look(&wheel->slots, &slots);
    stats->fired = wheel->fired;
    stats->cancelled = wheel->cancelled;
    stats->pending = bide_slots_count(&wheel->slots);
    stats->capacity = wheel->slots.capacity;
    stats->slots_used = slots.used;
    stats->longest_slot = slots.longest;
    return 0;
}

/* An instant of the wheel's clock on the reactor's. */
static bide_instant for_reactor(const struct bide_wheel *wheel, bide_instant instant)
{
    if (wheel->options.clock == BIDE_WHEEL_MONOTONIC || bide_is_never(instant)) return instant;
    bide_duration left = bide_instant_since(instant, bide_wheel_clock_now(wheel));
    /* The reactor's clock stands still when the machine is suspended: look again after each tick. */
    return bide_after(left < wheel->options.tick ? left : wheel->options.tick);
}

/* Sets its timer, if it must be another one. */
static void arm(bide_wheel_driving *driving, bide_instant next)
{
    if (driving->armed_.ns == next.ns && driving->wheel_->options.clock == BIDE_WHEEL_MONOTONIC) return;
    driving->armed_ = next;
    atomic_store_explicit(&driving->wheel_->told, next.ns, memory_order_relaxed);
    (void)bide_timer_set_at(&driving->timer_, for_reactor(driving->wheel_, next));
}

void bide_wheel_sooner(struct bide_wheel *wheel, bide_instant deadline)
{
    bide_wheel_driving *driving = wheel->driving;
    if (!driving) return;
    uint64_t tick = bide_ticks_up(&wheel->ticks, deadline.ns);
    bide_instant next = bide_instant_from_ns(bide_ticks_instant(&wheel->ticks, tick));
    if (bide_before(next, driving->armed_)) arm(driving, next);
}

static void leave(bide_wheel_driving *driving)
{
    struct bide_wheel *wheel = driving->wheel_;
    if (!driving->begun_) return;
    driving->begun_ = false;
    if (atomic_load(&wheel->life) != driving->life_) return;
    bide_wheel_driving **place = &wheel->driving;
    while (*place && *place != driving)
        place = &(*place)->outer_;
    if (*place) *place = driving->outer_;
    if (wheel->driving) arm(wheel->driving, bide_wheel_next(wheel));
}

static int end_driving(bide_wheel_driving *driving, bide_context *cx, int result)
{
    leave(driving);
    (void)bide_future_cancel(&driving->timer_.future, cx);
    driving->result = result;
    return BIDE_READY;
}

static int driving_poll(bide_future *self, bide_context *cx)
{
    bide_wheel_driving *driving = (bide_wheel_driving *)self;
    struct bide_wheel *wheel = driving->wheel_;
    if (!wheel) return BIDE_READY;
    if (atomic_load(&wheel->life) != driving->life_) return end_driving(driving, cx, BIDE_ESHUTDOWN);
    if (!driving->begun_) {
        driving->begun_ = true;
        driving->outer_ = wheel->driving;
        wheel->driving = driving;
    }
    for (;;) {
        if (bide_wheel_turn(wheel, bide_wheel_clock_now(wheel), BIDE_WHEEL_TURN) == BIDE_WHEEL_TURN)
            bide_context_wake(cx); /* the others' turn, and then again */
        arm(driving, bide_wheel_next(wheel));
        int answer = bide_future_poll(&driving->timer_.future, cx);
        if (answer == BIDE_PENDING) return BIDE_PENDING;
        driving->armed_ = BIDE_NEVER;
        int error = answer < 0 ? answer : bide_timer_error(&driving->timer_);
        if (error) return end_driving(driving, cx, error);
    }
}

static int driving_cancel(bide_future *self, bide_context *cx)
{
    bide_wheel_driving *driving = (bide_wheel_driving *)self;
    (void)end_driving(driving, cx, BIDE_ECANCELED);
    return BIDE_READY;
}

static const bide_future_kind driving_kind = {
    {sizeof driving_kind.ops, driving_poll, driving_cancel, BIDE_FUTURE_NAMED}, "driving of a wheel", NULL};

void bide_wheel_driving_init(bide_wheel_driving *driving, bide_wheel *wheel)
{
    if (!driving) return;
    bool can = wheel && !wheel->threaded && wheel->options.clock != BIDE_WHEEL_MANUAL;
    bide_future_init(&driving->future, &driving_kind.ops);
    bide_timer_never(&driving->timer_);
    driving->wheel_ = can ? wheel : NULL;
    driving->life_ = can ? atomic_load(&wheel->life) : 0;
    driving->outer_ = NULL;
    driving->armed_ = BIDE_NEVER;
    driving->begun_ = false;
    driving->result = can ? BIDE_ECANCELED : BIDE_EINVAL;
}
