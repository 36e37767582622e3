/* Select: of several sends, receives and other futures one is done.
 *
 *   FRESH --nothing possible: all queued--> WAITING --chosen--> RETIRING --all futures cancelled--> ready
 *     \----possible at once-----------------------------------> RETIRING
 *
 * `chosen` is 0, or 1 and more: the index of the case that is done, plus one. While exchanges are queued, whoever
 * serves one changes it from 0 first (channel.c, invariant 4), and so does the select itself for a future that has
 * become ready: one of them wins.
 *
 * INVARIANTS
 * 1. The select itself does exchanges with others only while none of its own is queued: nobody has to be chosen by
 *    two at a time, so that no party waits for another one's decision. (If both could be under way, two selects that
 *    want each other would have to take two words at once.)
 * 2. Queueing looks once more, under the channel's lock. If an exchange could be had by then, all are withdrawn,
 *    which may show that somebody has chosen, and the tries begin anew. So of two parties that come at a time the
 *    second one to queue sees the first.
 * 3. When it is over none of its exchanges is queued, and no wake of any runs: withdrawing takes each channel's lock,
 *    under which whoever has chosen does all of the exchange.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/future.h"
#include "future/shuffle.h"
#include "sync/channel.h"

#include <stdio.h>

enum { FRESH, WAITING, RETIRING };

/* Go's limit too. */
#define MOST_CASES 65535

static _Atomic uint32_t *chosen_of(bide_selecting *selecting)
{
    return BIDE_ATOMIC_U32(&selecting->chosen_);
}

static void prepare(bide_selecting *selecting)
{
    for (size_t i = 0; i < selecting->count_; i++) {
        bide_case *one = &selecting->cases_[i];
        bide_exchange_init(&one->exchange_, one->send ? one->send : one->receive);
        one->exchange_.chosen_ = &selecting->chosen_;
        one->exchange_.index_ = (uint32_t)i + 1;
        one->result = BIDE_ECANCELED;
    }
}

/* Does the case if it is possible at once; for a future, or waits for it. BIDE_EAGAIN: not now. */
static int try_case(bide_case *one, bide_context *cx)
{
    if (one->channel) {
        if (one->send) return bide_channel_offer(one->channel, one->send, NULL, NULL);
        if (!one->receive && one->channel->store_.size_ > 0) return BIDE_EINVAL;
        return bide_channel_ask(one->channel, one->receive, NULL, NULL);
    }
    int answer = one->future ? bide_future_poll(one->future, cx) : BIDE_PENDING;
    if (answer == BIDE_PENDING) return BIDE_EAGAIN;
    return answer == BIDE_READY ? 0 : answer;
}

/* Tries cases in a fair order, all or the futures alone, and chooses the first that is done. */
static void try_cases(bide_selecting *selecting, bool futures_alone, bide_context *cx)
{
    struct bide_shuffle order;
    bide_shuffle_init(&order, selecting->count_);
    while (order.taken < order.count) {
        size_t i = bide_shuffle_next(&order);
        bide_case *one = &selecting->cases_[i];
        if (futures_alone && one->channel) continue;
        int result = try_case(one, cx);
        if (result == BIDE_EAGAIN) continue;
        one->result = result;
        uint32_t none = 0;
        /* Somebody may have chosen an exchange meanwhile: then that one counts. */
        (void)atomic_compare_exchange_strong(chosen_of(selecting), &none, (uint32_t)i + 1);
        return;
    }
}

/* Queues the exchanges. Returns whether all are; the others could be had, or are refused. */
static bool queue_all(bide_selecting *selecting, const bide_context *cx)
{
    for (size_t i = 0; i < selecting->count_; i++) {
        bide_case *one = &selecting->cases_[i];
        if (one->channel && !bide_channel_queue(one->channel, one->send != NULL, &one->exchange_, cx))
            return false;
    }
    return true;
}

/* Takes out of their queues what is still there: invariant 3. */
static void withdraw_all(bide_selecting *selecting)
{
    for (size_t i = 0; i < selecting->count_; i++) {
        bide_case *one = &selecting->cases_[i];
        if (one->channel && bide_waiter_state(&one->exchange_.waiter_) != 0 &&
            bide_exchange_withdraw(one->channel, &one->exchange_))
            one->result = one->exchange_.outcome_;
    }
}

/* Queued: looks for what has become possible, and tells of another waker. */
static void look_again(bide_selecting *selecting, bide_context *cx)
{
    if (atomic_load(chosen_of(selecting)) == 0) try_cases(selecting, true, cx);
    for (size_t i = 0; i < selecting->count_ && atomic_load(chosen_of(selecting)) == 0; i++) {
        bide_case *one = &selecting->cases_[i];
        if (one->channel && bide_exchange_look(one->channel, &one->exchange_, cx))
            one->result = one->exchange_.outcome_;
    }
}

/* Chooses, or leaves all queued. */
static void choose(bide_selecting *selecting, bide_context *cx)
{
    if (selecting->stage_ == WAITING) {
        look_again(selecting, cx);
    } else {
        try_cases(selecting, false, cx);
        while (atomic_load(chosen_of(selecting)) == 0 && !queue_all(selecting, cx)) {
            withdraw_all(selecting);
            if (atomic_load(chosen_of(selecting)) == 0) try_cases(selecting, false, cx);
        }
        selecting->stage_ = WAITING;
    }
}

/* Cancels the futures that were not chosen. Returns how many still belong to the kernel; chooses one that has
 * completed if none was chosen. */
static size_t retire(bide_selecting *selecting, bide_context *cx)
{
    size_t pending = 0;
    for (size_t i = 0; i < selecting->count_; i++) {
        bide_case *one = &selecting->cases_[i];
        if (one->channel || !one->future || selecting->chosen_ == i + 1) continue;
        int answer = bide_future_cancel(one->future, cx);
        if (answer == BIDE_PENDING) pending++;
        if (answer != BIDE_COMPLETED || selecting->chosen_ != 0) continue;
        selecting->chosen_ = (uint32_t)i + 1;
        one->result = 0;
    }
    return pending;
}

static int selecting_poll(bide_future *self, bide_context *cx)
{
    bide_selecting *selecting = (bide_selecting *)self;
    if (!selecting->cases_ || selecting->count_ == 0 || selecting->count_ > MOST_CASES) {
        selecting->result = BIDE_EINVAL;
        return BIDE_READY;
    }
    if (selecting->stage_ == FRESH) {
        if (!bide_context_pay(cx)) return BIDE_PENDING;
        prepare(selecting);
    }
    if (selecting->stage_ != RETIRING) {
        choose(selecting, cx);
        if (atomic_load(chosen_of(selecting)) == 0) return BIDE_PENDING;
        withdraw_all(selecting);
        selecting->stage_ = RETIRING;
    }
    if (retire(selecting, cx)) return BIDE_PENDING;
    selecting->result = (int)selecting->chosen_ - 1;
    return BIDE_READY;
}

static int selecting_cancel(bide_future *self, bide_context *cx)
{
    bide_selecting *selecting = (bide_selecting *)self;
    if (selecting->stage_ == FRESH) return BIDE_READY;
    withdraw_all(selecting);
    selecting->stage_ = RETIRING;
    if (retire(selecting, cx)) return BIDE_PENDING;
    if (selecting->chosen_ == 0) return BIDE_READY;
    selecting->result = (int)selecting->chosen_ - 1;
    return BIDE_COMPLETED;
}

static void selecting_describe(const bide_future *self, char *text, size_t room)
{
    (void)snprintf(text, room, "%zu", ((const bide_selecting *)self)->count_);
}

static const bide_future_kind selecting_kind = {{sizeof selecting_kind.ops, selecting_poll, selecting_cancel,
                                                 BIDE_FUTURE_NAMED},
                                                "select of",
                                                selecting_describe};

void bide_selecting_init(bide_selecting *selecting, bide_case *cases, size_t count)
{
    if (!selecting) return;
    bide_future_init(&selecting->future, &selecting_kind.ops);
    selecting->cases_ = cases;
    selecting->count_ = count;
    selecting->chosen_ = 0;
    selecting->stage_ = FRESH;
    selecting->result = BIDE_ECANCELED;
}

int bide_select(bide_case *cases, size_t count, bide_instant deadline)
{
    bide_selecting selecting;
    bide_selecting_init(&selecting, cases, count);
    int error = bide_await(&selecting.future, deadline);
    return error ? error : selecting.result;
}
