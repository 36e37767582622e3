/* Race and join: several futures awaited together through one context.
 *
 * Both hand their own context on, so each wake polls all members that are pending: right for a handful;
 * sets are for many.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "future/future.h"
#include "future/shuffle.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* --- race ---
 *
 *   RACING --one ready--> winner in result, cancelling --all losers answered--> ready
 */

/* Notes what a loser's cancel answered. It is asked again while others are pending, and a stream has
 * forgotten by then. */
static void report(const bide_racing *racing, size_t loser, int answer)
{
    if (racing->completed_ && answer == BIDE_COMPLETED) racing->completed_[loser] = true;
}

/* Cancels everybody but the winner. Returns how many still belong to the kernel. */
static size_t cancel_losers(bide_racing *racing, bide_context *cx)
{
    size_t pending = 0;
    for (size_t i = 0; i < racing->count_; i++) {
        if ((int)i == racing->result) continue;
        int answer = bide_future_cancel(racing->futures_[i], cx);
        if (answer == BIDE_PENDING) pending++;
        report(racing, i, answer);
    }
    return pending;
}

static int racing_poll(bide_future *self, bide_context *cx)
{
    bide_racing *racing = (bide_racing *)self;
    /* The winner's index is an int. */
    if (racing->count_ == 0 || racing->count_ > INT_MAX || !racing->futures_) {
        racing->result = BIDE_EINVAL;
        return BIDE_READY;
    }
    if (!racing->cancelling_) {
        struct bide_shuffle order;
        bide_shuffle_init(&order, racing->count_);
        int answer = BIDE_PENDING;
        size_t i = 0;
        while (order.taken < order.count && answer == BIDE_PENDING) {
            i = bide_shuffle_next(&order);
            answer = bide_future_poll(racing->futures_[i], cx);
        }
        if (answer == BIDE_PENDING) return BIDE_PENDING;
        racing->result = answer == BIDE_READY ? (int)i : answer;
        if (racing->completed_ && answer == BIDE_READY) racing->completed_[i] = true;
        racing->cancelling_ = true;
    }
    return cancel_losers(racing, cx) ? BIDE_PENDING : BIDE_READY;
}

static int racing_cancel(bide_future *self, bide_context *cx)
{
    bide_racing *racing = (bide_racing *)self;
    if (racing->cancelling_) {
        if (cancel_losers(racing, cx)) return BIDE_PENDING;
        return racing->result >= 0 ? BIDE_COMPLETED : BIDE_READY;
    }
    /* A member that finished meanwhile has won. */
    size_t pending = 0;
    for (size_t i = 0; i < racing->count_; i++) {
        int answer = bide_future_cancel(racing->futures_[i], cx);
        if (answer == BIDE_PENDING) pending++;
        report(racing, i, answer);
        if (answer == BIDE_COMPLETED && racing->result < 0) racing->result = (int)i;
    }
    if (pending) return BIDE_PENDING;
    return racing->result >= 0 ? BIDE_COMPLETED : BIDE_READY;
}

/* "2: fd 7 to read, timer in 20 ms" */
static void describe_all(bide_future *const *futures, size_t count, char *text, size_t room)
{
    int length = snprintf(text, room, "%zu:", count);
    for (size_t i = 0; i < count && length > 0 && (size_t)length + 2 < room; i++) {
        if (i > 0) text[length++] = ',';
        text[length++] = ' ';
        text[length] = '\0';
        bide_future_describe(futures[i], text + length, room - (size_t)length);
        length += (int)strlen(text + length);
    }
}

static void racing_describe(const bide_future *self, char *text, size_t room)
{
    const bide_racing *racing = (const bide_racing *)self;
    describe_all(racing->futures_, racing->count_, text, room);
}

static const bide_future_kind racing_kind = {
    {sizeof racing_kind.ops, racing_poll, racing_cancel, BIDE_FUTURE_NAMED}, "race of", racing_describe};

void bide_racing_init(bide_racing *racing, bide_future *const *futures, size_t count, bool *completed)
{
    if (!racing) return;
    bide_future_init(&racing->future, &racing_kind.ops);
    racing->futures_ = futures;
    racing->count_ = count;
    racing->completed_ = completed;
    racing->cancelling_ = false;
    racing->result = BIDE_ECANCELED;
    for (size_t i = 0; completed && i < count; i++)
        completed[i] = false;
}

/* --- join --- */

static void release_all(const bide_joining *joining)
{
    for (size_t i = 0; i < joining->count_; i++)
        if (joining->futures_[i]) bide_future_release(joining->futures_[i]);
}

static int joining_poll(bide_future *self, bide_context *cx)
{
    bide_joining *joining = (bide_joining *)self;
    if (joining->count_ > 0 && !joining->futures_) {
        joining->result = BIDE_EINVAL;
        return BIDE_READY;
    }
    size_t pending = 0;
    int misuse = 0;
    for (size_t i = 0; i < joining->count_; i++) {
        int answer = bide_future_poll(joining->futures_[i], cx);
        if (answer == BIDE_PENDING)
            pending++;
        else if (answer == BIDE_READY)
            bide_future_hold(joining->futures_[i]);
        else if (!misuse)
            misuse = answer;
    }
    if (pending) return BIDE_PENDING;
    release_all(joining);
    joining->result = misuse;
    return BIDE_READY;
}

static int joining_cancel(bide_future *self, bide_context *cx)
{
    bide_joining *joining = (bide_joining *)self;
    size_t pending = 0;
    size_t completed = 0;
    for (size_t i = 0; i < joining->count_; i++) {
        int answer = bide_future_cancel(joining->futures_[i], cx);
        if (answer == BIDE_PENDING) pending++;
        if (answer == BIDE_COMPLETED) completed++;
    }
    if (pending) return BIDE_PENDING;
    release_all(joining);
    if (completed < joining->count_) return BIDE_READY;
    joining->result = 0;
    return BIDE_COMPLETED;
}

static void joining_describe(const bide_future *self, char *text, size_t room)
{
    const bide_joining *joining = (const bide_joining *)self;
    describe_all(joining->futures_, joining->count_, text, room);
}

static const bide_future_kind joining_kind = {
    {sizeof joining_kind.ops, joining_poll, joining_cancel, BIDE_FUTURE_NAMED}, "all of", joining_describe};

void bide_joining_init(bide_joining *joining, bide_future *const *futures, size_t count)
{
    if (!joining) return;
    bide_future_init(&joining->future, &joining_kind.ops);
    joining->futures_ = futures;
    joining->count_ = count;
    joining->result = BIDE_ECANCELED;
}
