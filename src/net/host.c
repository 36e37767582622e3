/* Connecting to a host by its name: Happy Eyeballs, RFC 8305.
 *
 *   NEW --> LOOKING UP --addresses--> TRYING --one connected--> SETTLING --losers cancelled--> ready
 *               \--error--> ready        \--all failed--> ready
 *
 * INVARIANTS
 * 1. attempts_ is set from TRYING to SETTLING; of its array the first `begun` have been started, and those
 *    that `runs` says are pending: `running` of them.
 * 2. While something is running and something has not begun, the timer is armed for the next begin. An
 *    attempt that fails begins the next one at once.
 * 3. Whatever ends it, nothing runs any more when it is ready: all attempts have answered their cancel.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/host.h>
#include <bide/reactor.h>
#include <bide/tcp.h>

#include "future/waiter.h"
#include "net/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "Connection Attempt Delay", RFC 8305, sections 5 and 8. */
#define DELAY BIDE_MILLISECONDS(250)
#define LEAST_DELAY BIDE_MILLISECONDS(10)
#define MOST_DELAY BIDE_SECONDS(2)

#define NO_WINNER SIZE_MAX

struct attempt {
    bide_connecting connecting;
    bide_instant began;
    bool runs;
};

struct bide_connect_attempts {
    size_t count;
    size_t begun;
    size_t running;
    size_t winner;
    struct attempt at[];
};

/* --- The order of the addresses --- */

/* The next one from `from` on that is, or is not, of the family. */
static size_t next_of(const bide_addresses *list, size_t from, bide_family family, bool same)
{
    while (from < list->count && (bide_address_family(&list->at[from]) == family) != same)
        from++;
    return from;
}

/* Families in turn, beginning with that of the first one, each in its order (RFC 8305, section 4). */
static size_t interleave(const bide_addresses *list, const bide_address **order, size_t room)
{
    bide_family first = bide_address_family(&list->at[0]);
    size_t next[2] = {next_of(list, 0, first, true), next_of(list, 0, first, false)};
    size_t count = 0;
    for (unsigned turn = 0; count < room && (next[0] < list->count || next[1] < list->count); turn ^= 1) {
        if (next[turn] == list->count) continue;
        order[count++] = &list->at[next[turn]];
        next[turn] = next_of(list, next[turn] + 1, first, turn == 0);
    }
    return count;
}

/* --- The report --- */

static void report_begin(const bide_host_connecting *self, size_t index, const bide_address *address,
                         bide_instant now)
{
    if (!self->report_) return;
    bide_connect_try *one = &self->report_->tries[index];
    one->address = *address;
    one->began = bide_instant_since(now, self->began_);
    one->took = 0;
    one->error = BIDE_EINPROGRESS;
    self->report_->count = index + 1;
}

static void report_end(const bide_host_connecting *self, size_t index, int error)
{
    if (!self->report_) return;
    bide_connect_try *one = &self->report_->tries[index];
    one->took = bide_instant_since(bide_now(), self->attempts_->at[index].began);
    one->error = error;
}

static int finish(bide_host_connecting *self, int result)
{
    free(self->attempts_);
    self->attempts_ = NULL;
    self->result = result;
    if (self->report_) {
        self->report_->result = result;
        self->report_->took = bide_instant_since(bide_now(), self->began_);
    }
    return BIDE_READY;
}

/* --- Attempts --- */

/* Orders the addresses that were found, and prepares an attempt for each. */
static int prepare(bide_host_connecting *self)
{
    bide_addresses *found = &self->resolving_.addresses;
    const bide_address *order[BIDE_CONNECT_TRIES];
    size_t count = interleave(found, order, BIDE_CONNECT_TRIES);
    struct bide_connect_attempts *attempts = malloc(sizeof *attempts + count * sizeof attempts->at[0]);
    if (self->report_) {
        self->report_->resolved = true;
        self->report_->known = found->count;
    }
    if (attempts) {
        memset(attempts, 0, sizeof *attempts);
        attempts->count = count;
        attempts->winner = NO_WINNER;
        bide_reactor *previous = bide_reactor_enter(self->reactor_);
        for (size_t i = 0; i < count; i++) {
            bide_tcp_connecting_init(&attempts->at[i].connecting, order[i]);
            attempts->at[i].runs = false;
        }
        bide_reactor_leave(previous);
        self->attempts_ = attempts;
    }
    bide_addresses_free(found);
    return attempts ? 0 : BIDE_ENOMEM;
}

static void begin_next(bide_host_connecting *self)
{
    struct bide_connect_attempts *attempts = self->attempts_;
    size_t index = attempts->begun++;
    struct attempt *attempt = &attempts->at[index];
    attempt->began = bide_now();
    attempt->runs = true;
    attempts->running++;
    report_begin(self, index, &attempt->connecting.address_, attempt->began);
    if (attempts->begun < attempts->count)
        (void)bide_timer_set_at(&self->delay_, bide_instant_add(attempt->began, self->between_));
    else
        (void)bide_timer_set_never(&self->delay_);
}

/* An error that is not the address': the end of all attempts. */
static bool ends_all(int error)
{
    return error == BIDE_ECANCELED || error == BIDE_EFORKED;
}

/* Asks all that run: 0, an error when one has failed (the last of them), or BIDE_READY: there is a winner. */
static int ask(bide_host_connecting *self, bide_context *cx)
{
    struct bide_connect_attempts *attempts = self->attempts_;
    int failed = 0;
    for (size_t i = 0; i < attempts->begun; i++) {
        struct attempt *attempt = &attempts->at[i];
        if (!attempt->runs) continue;
        int answer = bide_future_poll(&attempt->connecting.future, cx);
        if (answer == BIDE_PENDING) continue;
        int error = answer < 0 ? answer : attempt->connecting.result;
        attempt->runs = false;
        attempts->running--;
        report_end(self, i, error);
        if (error == 0) {
            attempts->winner = i;
            return BIDE_READY;
        }
        failed = error;
        if (ends_all(error)) break;
    }
    return failed;
}

/* Cancels what runs: BIDE_READY, or BIDE_PENDING if an answer is still to come. */
static int settle(bide_host_connecting *self, bide_context *cx)
{
    struct bide_connect_attempts *attempts = self->attempts_;
    (void)bide_future_cancel(&self->delay_.future, cx);
    for (size_t i = 0; i < attempts->begun; i++) {
        struct attempt *attempt = &attempts->at[i];
        if (!attempt->runs) continue;
        if (bide_future_cancel(&attempt->connecting.future, cx) == BIDE_PENDING) continue;
        attempt->runs = false;
        attempts->running--;
        report_end(self, i, BIDE_ECANCELED);
    }
    return attempts->running > 0 ? BIDE_PENDING : BIDE_READY;
}

/* Losers have answered: the winner's connection is the result, or there is none. */
static int conclude(bide_host_connecting *self, int error)
{
    if (self->attempts_->winner != NO_WINNER) {
        self->conn = self->attempts_->at[self->attempts_->winner].connecting.conn;
        error = 0;
    }
    return finish(self, error);
}

/* Whether the next one should begin: nothing else runs, or its time has come. A timer that cannot be armed
 * does not hold it up. */
static bool is_due(bide_host_connecting *self, bide_context *cx)
{
    if (self->attempts_->begun == self->attempts_->count) return false;
    if (self->attempts_->running == 0) return true;
    /* At the deadline there is no time for more. */
    if (cx->flags_ & BIDE_CONTEXT_LAST_TRY) return false;
    return bide_future_poll(&self->delay_.future, cx) == BIDE_READY;
}

static int try_addresses(bide_host_connecting *self, bide_context *cx)
{
    struct bide_connect_attempts *attempts = self->attempts_;
    while (attempts->winner == NO_WINNER) {
        int answer = ask(self, cx);
        if (answer == BIDE_READY) break;
        bool over = attempts->running == 0 && attempts->begun == attempts->count;
        if (ends_all(answer) || (over && answer < 0)) {
            self->result = answer;
            break;
        }
        if ((answer < 0 && attempts->begun < attempts->count) || is_due(self, cx))
            begin_next(self);
        else
            return BIDE_PENDING;
    }
    return settle(self, cx) == BIDE_PENDING ? BIDE_PENDING : conclude(self, self->result);
}

/* --- The future --- */

static int host_poll(bide_future *future, bide_context *cx)
{
    bide_host_connecting *self = (bide_host_connecting *)future;
    if (self->misuse_) return finish(self, self->misuse_);
    if (!self->attempts_) {
        if (bide_is_never(self->began_)) self->began_ = bide_now();
        int answer = bide_future_poll(&self->resolving_.future, cx);
        if (answer != BIDE_READY) return answer;
        int error = self->resolving_.result;
        if (!error) error = prepare(self);
        if (error) return finish(self, error);
    }
    return try_addresses(self, cx);
}

static int host_cancel(bide_future *future, bide_context *cx)
{
    bide_host_connecting *self = (bide_host_connecting *)future;
    if (!self->attempts_) {
        int answer = bide_future_cancel(&self->resolving_.future, cx);
        return answer == BIDE_PENDING ? answer : finish(self, BIDE_ECANCELED);
    }
    int answer = settle(self, cx);
    if (answer == BIDE_PENDING) return answer;
    /* A winner whose losers had not answered yet: nobody wants it any more. */
    if (self->attempts_->winner != NO_WINNER)
        (void)bide_async_free(self->attempts_->at[self->attempts_->winner].connecting.conn);
    return finish(self, BIDE_ECANCELED);
}

static void host_describe(const bide_future *self, char *text, size_t room)
{
    (void)snprintf(text, room, "%s", ((const bide_host_connecting *)self)->resolving_.host_);
}

static const bide_future_kind host_kind = {{sizeof host_kind.ops, host_poll, host_cancel, BIDE_FUTURE_NAMED},
                                           "connect to",
                                           host_describe};

static void report_init(bide_connect_report *report)
{
    if (!report) return;
    memset(report, 0, sizeof *report);
    report->result = BIDE_EINPROGRESS;
}

void bide_tcp_host_connecting_init(bide_host_connecting *connecting, const char *host, uint16_t port,
                                   bide_connect_report *report)
{
    if (!connecting) return;
    bide_future_init(&connecting->future, &host_kind.ops);
    bide_resolving_init(&connecting->resolving_, host, port, BIDE_FAMILY_NONE);
    bide_timer_never(&connecting->delay_);
    connecting->attempts_ = NULL;
    connecting->report_ = report;
    connecting->reactor_ = bide_reactor_current();
    connecting->began_ = BIDE_NEVER;
    connecting->between_ = DELAY;
    connecting->misuse_ = host ? 0 : BIDE_EINVAL;
    connecting->conn = NULL;
    connecting->result = BIDE_ECANCELED;
    report_init(report);
}

void bide_host_connecting_set_delay(bide_host_connecting *connecting, bide_duration delay)
{
    if (!connecting) return;
    if (delay < LEAST_DELAY) delay = LEAST_DELAY;
    connecting->between_ = delay < MOST_DELAY ? delay : MOST_DELAY;
}

int bide_tcp_connect_host(bide_async **out, const char *host, uint16_t port, bide_instant deadline,
                          bide_connect_report *report)
{
    report_init(report);
    if (report) report->result = BIDE_EINVAL;
    if (!out) return BIDE_EINVAL;
    *out = NULL;
    bide_host_connecting connecting;
    bide_tcp_host_connecting_init(&connecting, host, port, report);
    int error = bide_await(&connecting.future, deadline);
    if (!error) error = connecting.result;
    if (!error) *out = connecting.conn;
    if (report) report->result = error;
    return error;
}

int bide_host_split(const char *text, char *host, size_t room, uint16_t *port)
{
    if (!text || !host || room == 0 || !port) return BIDE_EINVAL;
    host[0] = '\0';
    bool bracketed;
    uint16_t number;
    int error = bide_text_split(text, host, room, &number, &bracketed);
    if (!error && !host[0]) error = BIDE_EADDRSYNTAX;
    if (error)
        host[0] = '\0';
    else
        *port = number;
    return error;
}
