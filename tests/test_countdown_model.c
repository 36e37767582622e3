/* A million random requests, against a model that is too slow to be wrong: it lets time pass a quarter of a
 * second at a time.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "test_countdown.h"

TestSuite(countdown_model, .timeout = 300);

enum { QUARTER = 250, CYCLES = 4, EVENTS = 512 };

struct model {
    int64_t lengths[CYCLES]; /* in quarters of a second, as all times here */
    size_t count;
    int64_t loops;
    bide_countdown_state state;
    size_t index;
    int64_t left, loop, elapsed, told;
    struct {
        bide_countdown_event_kind kind;
        size_t index;
        int64_t seconds;
    } events[EVENTS];
    size_t event_count;
};

static int64_t in_seconds(int64_t quarters)
{
    return (quarters + 3) / 4;
}

static void tell(struct model *m, bide_countdown_event_kind kind)
{
    m->told = in_seconds(m->left);
    m->events[m->event_count].kind = kind;
    m->events[m->event_count].index = m->index;
    m->events[m->event_count++].seconds = m->told;
}

static void back_to_the_beginning(struct model *m)
{
    m->state = BIDE_COUNTDOWN_STOPPED;
    m->index = 0;
    m->loop = 0;
    m->elapsed = 0;
    m->left = m->lengths[0];
}

static void end_what_is_over(struct model *m)
{
    while (m->state == BIDE_COUNTDOWN_RUNNING && m->left == 0) {
        tell(m, BIDE_COUNTDOWN_EVENT_ENDED);
        if (++m->index == m->count) {
            m->index = 0;
            m->loop++;
            if (m->loop == m->loops) {
                back_to_the_beginning(m);
                tell(m, BIDE_COUNTDOWN_EVENT_STOPPED);
                return;
            }
        }
        m->left = m->lengths[m->index];
        tell(m, BIDE_COUNTDOWN_EVENT_BEGAN);
    }
}

static void pass(struct model *m, int64_t quarters)
{
    end_what_is_over(m);
    for (; quarters > 0 && m->state == BIDE_COUNTDOWN_RUNNING; quarters--) {
        m->left--;
        m->elapsed++;
        end_what_is_over(m);
    }
}

enum request { START, PAUSE, RESUME, STOP, SET, UPDATE, REQUESTS };

static void model_request(struct model *m, enum request request, int64_t seconds)
{
    if (request == START && m->state == BIDE_COUNTDOWN_STOPPED) {
        back_to_the_beginning(m);
        m->state = BIDE_COUNTDOWN_RUNNING;
        tell(m, BIDE_COUNTDOWN_EVENT_STARTED);
        tell(m, BIDE_COUNTDOWN_EVENT_BEGAN);
    } else if (request == PAUSE && m->state == BIDE_COUNTDOWN_RUNNING) {
        m->state = BIDE_COUNTDOWN_PAUSED;
        tell(m, BIDE_COUNTDOWN_EVENT_PAUSED);
    } else if (request == RESUME && m->state == BIDE_COUNTDOWN_PAUSED) {
        m->state = BIDE_COUNTDOWN_RUNNING;
        tell(m, BIDE_COUNTDOWN_EVENT_RESUMED);
    } else if (request == STOP && m->state != BIDE_COUNTDOWN_STOPPED) {
        tell(m, BIDE_COUNTDOWN_EVENT_ENDED);
        back_to_the_beginning(m);
        tell(m, BIDE_COUNTDOWN_EVENT_STOPPED);
    } else if (request == SET) {
        m->left = seconds * 4;
        tell(m, BIDE_COUNTDOWN_EVENT_SET);
    } else if (request == UPDATE && m->state == BIDE_COUNTDOWN_RUNNING && in_seconds(m->left) != m->told) {
        tell(m, BIDE_COUNTDOWN_EVENT_RUNNING);
    }
}

static int request(bide_countdown *countdown, enum request what, bide_instant now, int64_t seconds,
                   bide_countdown_events *events)
{
    switch (what) {
    case START: return bide_countdown_start(countdown, now, events);
    case PAUSE: return bide_countdown_pause(countdown, now, events);
    case RESUME: return bide_countdown_resume(countdown, now, events);
    case STOP: return bide_countdown_stop(countdown, now, events);
    case SET: return bide_countdown_set(countdown, now, seconds, events);
    default: return bide_countdown_update(countdown, now, events);
    }
}

static uint64_t random_state;

static int64_t random_below(int64_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((random_state >> 33) % (uint64_t)bound);
}

static void expect_same(const struct model *m, const bide_countdown *countdown,
                        const bide_countdown_event *list, size_t count, size_t step)
{
    cr_assert_eq(count, m->event_count, "step %zu: %zu events instead of %zu", step, count, m->event_count);
    for (size_t i = 0; i < count; i++)
        if (list[i].kind != m->events[i].kind || list[i].index != m->events[i].index ||
            list[i].cycle.seconds != m->events[i].seconds)
            cr_assert(false, "step %zu, event %zu: %s %zu %" PRId64 " instead of %s %zu %" PRId64, step, i,
                      bide_countdown_event_name(list[i].kind), list[i].index, list[i].cycle.seconds,
                      bide_countdown_event_name(m->events[i].kind), m->events[i].index, m->events[i].seconds);
    bide_countdown_status status;
    (void)bide_countdown_get(countdown, &status);
    if (status.state != m->state || status.cycle.seconds != in_seconds(m->left) ||
        status.elapsed != m->elapsed / 4)
        cr_assert(false, "step %zu: %s %" PRId64 " %" PRId64 " instead of %s %" PRId64 " %" PRId64, step,
                  bide_countdown_state_name(status.state), status.cycle.seconds, status.elapsed,
                  bide_countdown_state_name(m->state), in_seconds(m->left), m->elapsed / 4);
}

/* One configuration, a thousand requests. Returns how many events there were. */
static size_t run(size_t first, size_t steps)
{
    static const char *const names[CYCLES] = {"a", "b", "b", ""};
    struct model m = {.count = (size_t)random_below(CYCLES) + 1, .loops = random_below(4)};
    bide_countdown_cycle cycles[CYCLES];
    for (size_t i = 0; i < m.count; i++) {
        int64_t seconds = i == 0 ? random_below(4) + 1 : random_below(4);
        cycles[i] = (bide_countdown_cycle){names[i], seconds};
        m.lengths[i] = seconds * 4;
    }
    bide_countdown_config config = {cycles, m.count, m.loops};
    bide_countdown countdown;
    cr_assert_eq(bide_countdown_init(&countdown, &config), 0);
    back_to_the_beginning(&m);

    int64_t now = random_below(1000000) - 500000;
    size_t all = 0;
    for (size_t step = first; step < first + steps; step++) {
        int64_t passed = random_below(8) ? random_below(6) : random_below(100);
        now += passed;
        /* Half of them updates, so that something happens between the others. */
        enum request what = random_below(2) ? UPDATE : (enum request)random_below(REQUESTS);
        int64_t seconds = random_below(6);
        m.event_count = 0;
        pass(&m, passed);
        model_request(&m, what, seconds);

        static bide_countdown_event list[EVENTS];
        size_t count = 0;
        int result;
        do {
            /* Room of any size; what does not fit comes with the next call. */
            bide_countdown_events events = {list + count, (size_t)random_below(6) + 2, 0};
            result = request(&countdown, what, at_ms(now * QUARTER), seconds, &events);
            cr_assert_geq(result, 0);
            count += events.count;
        } while (result == BIDE_COUNTDOWN_MORE);
        expect_same(&m, &countdown, list, count, step);
        all += count;
    }
    return all;
}

Test(countdown_model, a_million_random_requests_do_what_a_simple_model_does)
{
    enum { RUNS = 1000, STEPS = 1000 };
    random_state = 6;
    size_t events = 0;
    for (size_t i = 0; i < RUNS; i++)
        events += run(i * STEPS, STEPS);
    cr_assert_gt(events, (size_t)RUNS * STEPS / 2, "only %zu events", events);
}
