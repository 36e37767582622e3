/* The countdown itself: what time and requests do to it.
 *
 *            start               pause
 *   STOPPED -------> RUNNING ------------> PAUSED
 *      ^  ^             |  ^                  |
 *      |  +-------------+  +------------------+
 *      |    stop, or the        resume        |
 *      |    last loop's end                   |
 *      +--------------------------------------+
 *                       stop
 *
 * INVARIANTS
 * 1. index_ < cycle_count; remaining_ >= 0 is what is left of that cycle as of seen_, in nanoseconds. Only
 *    while RUNNING does remaining_ fall, and elapsed_ rise by as much.
 * 2. STOPPED: index_ 0, loop_ 0, elapsed_ 0; remaining_ is the first cycle's length, unless it was set.
 * 3. RUNNING: shown_ is what the last event told of the seconds that remain.
 * 4. A step (the end of a cycle and what follows it, or a request) and its events happen together or, if there
 *    is no room for two events, not at all. So no event is lost, and none is told twice.
 * 5. Loops end: their cycles' lengths add up to something, so that a passing of time has an end.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "countdown/text.h"

#include <bide/countdown.h>

#include <string.h>

enum { SECOND = 1000000000 };

int bide_countdown_init(bide_countdown *countdown, const bide_countdown_config *config)
{
    if (!countdown || !config || !config->cycles || config->cycle_count == 0) return BIDE_EINVAL;
    if (config->loops < 0 || config->loops > BIDE_COUNTDOWN_LOOPS_MAX) return BIDE_EINVAL;
    bool passes = false;
    for (size_t i = 0; i < config->cycle_count; i++) {
        const bide_countdown_cycle *cycle = &config->cycles[i];
        if (!cycle->name || !bide_countdown_is_utf8(cycle->name, strlen(cycle->name))) return BIDE_EINVAL;
        if (cycle->seconds < 0 || cycle->seconds > BIDE_COUNTDOWN_SECONDS_MAX) return BIDE_EINVAL;
        if (cycle->seconds > 0) passes = true;
    }
    if (!passes) return BIDE_EINVAL;
    (void)memset(countdown, 0, sizeof *countdown);
    countdown->config_ = *config;
    countdown->seen_ = INT64_MIN;
    countdown->remaining_ = config->cycles[0].seconds * SECOND;
    return 0;
}

/* --- events --- */

static bool has_room(const bide_countdown_events *events)
{
    return events->count <= events->capacity && events->capacity - events->count >= 2;
}

/* Rounded up: a cycle of two seconds begins with 2, and 0 is its end. */
static int64_t seconds_left(const bide_countdown *c)
{
    return c->remaining_ / SECOND + (c->remaining_ % SECOND > 0);
}

static void append(bide_countdown *c, bide_countdown_events *events, bide_countdown_event_kind kind)
{
    bide_countdown_event *event = &events->list[events->count++];
    event->kind = kind;
    event->index = c->index_;
    event->cycle.name = c->config_.cycles[c->index_].name;
    event->cycle.seconds = seconds_left(c);
    c->shown_ = event->cycle.seconds;
}

/* --- time --- */

static void enter(bide_countdown *c, size_t index)
{
    c->index_ = index;
    c->remaining_ = c->config_.cycles[index].seconds * SECOND;
}

static void reset(bide_countdown *c)
{
    c->state_ = BIDE_COUNTDOWN_STOPPED;
    c->loop_ = 0;
    c->elapsed_ = 0;
    enter(c, 0);
}

/* The present cycle has nothing left. */
static void end_cycle(bide_countdown *c, bide_countdown_events *events)
{
    append(c, events, BIDE_COUNTDOWN_EVENT_ENDED);
    bool last = c->index_ + 1 == c->config_.cycle_count;
    if (last && c->config_.loops > 0 && c->loop_ + 1 >= c->config_.loops) {
        reset(c);
        append(c, events, BIDE_COUNTDOWN_EVENT_STOPPED);
        return;
    }
    if (last) c->loop_++;
    enter(c, last ? 0 : c->index_ + 1);
    append(c, events, BIDE_COUNTDOWN_EVENT_BEGAN);
}

/* seen_ is not after the time that this is the distance to. */
static void spend(bide_countdown *c, int64_t passed)
{
    c->seen_ += passed;
    c->remaining_ -= passed;
    c->elapsed_ = c->elapsed_ > INT64_MAX - passed ? INT64_MAX : c->elapsed_ + passed;
}

/* Accounts for the time up to now. */
static int advance(bide_countdown *c, bide_instant now, bide_countdown_events *events)
{
    while (c->state_ == BIDE_COUNTDOWN_RUNNING && now.ns >= c->seen_) {
        /* The distance may be more than a number holds; then it is more than any cycle is long. */
        int64_t passed = c->seen_ < 0 && now.ns > INT64_MAX + c->seen_ ? INT64_MAX : now.ns - c->seen_;
        if (passed < c->remaining_) {
            spend(c, passed);
            break;
        }
        if (!has_room(events)) return BIDE_COUNTDOWN_MORE;
        spend(c, c->remaining_);
        end_cycle(c, events);
    }
    return 0;
}

/* What each request begins with: 0, and there is room for its events; MORE; or EINVAL. */
static int arrive(bide_countdown *c, bide_instant now, bide_countdown_events *events)
{
    if (!c || !events || !events->list || events->capacity < 2) return BIDE_EINVAL;
    int result = advance(c, now, events);
    if (result == 0 && !has_room(events)) result = BIDE_COUNTDOWN_MORE;
    return result;
}

int bide_countdown_update(bide_countdown *countdown, bide_instant now, bide_countdown_events *events)
{
    int result = arrive(countdown, now, events);
    if (result) return result;
    if (countdown->state_ == BIDE_COUNTDOWN_RUNNING && seconds_left(countdown) != countdown->shown_)
        append(countdown, events, BIDE_COUNTDOWN_EVENT_RUNNING);
    return 0;
}

bide_instant bide_countdown_next(const bide_countdown *countdown)
{
    if (!countdown || countdown->state_ != BIDE_COUNTDOWN_RUNNING) return BIDE_NEVER;
    int64_t left = seconds_left(countdown);
    if (left == 0 || left != countdown->shown_) return bide_instant_from_ns(countdown->seen_);
    int64_t wait = countdown->remaining_ - (left - 1) * SECOND;
    if (countdown->seen_ > INT64_MAX - wait) return BIDE_NEVER;
    return bide_instant_from_ns(countdown->seen_ + wait);
}

/* --- requests --- */

int bide_countdown_start(bide_countdown *countdown, bide_instant now, bide_countdown_events *events)
{
    int result = arrive(countdown, now, events);
    if (result || countdown->state_ != BIDE_COUNTDOWN_STOPPED) return result;
    reset(countdown);
    countdown->state_ = BIDE_COUNTDOWN_RUNNING;
    countdown->seen_ = now.ns;
    append(countdown, events, BIDE_COUNTDOWN_EVENT_STARTED);
    append(countdown, events, BIDE_COUNTDOWN_EVENT_BEGAN);
    return 0;
}

int bide_countdown_pause(bide_countdown *countdown, bide_instant now, bide_countdown_events *events)
{
    int result = arrive(countdown, now, events);
    if (result || countdown->state_ != BIDE_COUNTDOWN_RUNNING) return result;
    countdown->state_ = BIDE_COUNTDOWN_PAUSED;
    append(countdown, events, BIDE_COUNTDOWN_EVENT_PAUSED);
    return 0;
}

int bide_countdown_resume(bide_countdown *countdown, bide_instant now, bide_countdown_events *events)
{
    int result = arrive(countdown, now, events);
    if (result || countdown->state_ != BIDE_COUNTDOWN_PAUSED) return result;
    countdown->state_ = BIDE_COUNTDOWN_RUNNING;
    if (now.ns > countdown->seen_) countdown->seen_ = now.ns;
    append(countdown, events, BIDE_COUNTDOWN_EVENT_RESUMED);
    return 0;
}

int bide_countdown_stop(bide_countdown *countdown, bide_instant now, bide_countdown_events *events)
{
    int result = arrive(countdown, now, events);
    if (result || countdown->state_ == BIDE_COUNTDOWN_STOPPED) return result;
    append(countdown, events, BIDE_COUNTDOWN_EVENT_ENDED);
    reset(countdown);
    append(countdown, events, BIDE_COUNTDOWN_EVENT_STOPPED);
    return 0;
}

int bide_countdown_set(bide_countdown *countdown, bide_instant now, int64_t seconds,
                       bide_countdown_events *events)
{
    if (seconds < 0 || seconds > BIDE_COUNTDOWN_SECONDS_MAX) return BIDE_EINVAL;
    int result = arrive(countdown, now, events);
    if (result) return result;
    countdown->remaining_ = seconds * SECOND;
    append(countdown, events, BIDE_COUNTDOWN_EVENT_SET);
    return 0;
}

int bide_countdown_get(const bide_countdown *countdown, bide_countdown_status *out)
{
    if (!countdown || !out) return BIDE_EINVAL;
    out->config = countdown->config_;
    out->state = countdown->state_;
    out->cycle.name = countdown->config_.cycles[countdown->index_].name;
    out->cycle.seconds = seconds_left(countdown);
    out->loops = countdown->config_.loops;
    out->elapsed = countdown->elapsed_ / SECOND;
    return 0;
}

const char *bide_countdown_state_name(bide_countdown_state state)
{
    switch (state) {
    case BIDE_COUNTDOWN_STOPPED: return "stopped";
    case BIDE_COUNTDOWN_RUNNING: return "running";
    case BIDE_COUNTDOWN_PAUSED: return "paused";
    }
    return "?";
}

const char *bide_countdown_event_name(bide_countdown_event_kind kind)
{
    static const char *const names[] = {"started", "began",   "running", "set",
                                        "paused",  "resumed", "ended",   "stopped"};
    return kind >= BIDE_COUNTDOWN_EVENT_STARTED && kind <= BIDE_COUNTDOWN_EVENT_STOPPED ? names[kind] : "?";
}
