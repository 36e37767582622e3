/* The semaphore and the wait group: gates whose number is the permits, and the parties still to come.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/semaphore.h>

#include "sync/gate.h"

_Static_assert(BIDE_SEMAPHORE_MAX == BIDE_GATE_MOST, "as many permits as a gate can count");

static int add(uint32_t *number, uint32_t by)
{
    if (by > BIDE_GATE_MOST - *number) return BIDE_EOVERFLOW;
    *number += by;
    return 0;
}

/* --- Semaphore --- */

static bool acquire(uint32_t *permits, uint32_t wants)
{
    if (wants > *permits) return false;
    *permits -= wants;
    return true;
}

int bide_semaphore_init(bide_semaphore *semaphore, uint32_t permits)
{
    if (!semaphore || permits > BIDE_SEMAPHORE_MAX) return BIDE_EINVAL;
    bide_gate_init(&semaphore->gate_, permits);
    return 0;
}

int bide_semaphore_fini(bide_semaphore *semaphore)
{
    if (!semaphore) return BIDE_EINVAL;
    return bide_gate_is_waited_for(&semaphore->gate_) ? BIDE_EBUSY : 0;
}

uint32_t bide_semaphore_permits(const bide_semaphore *semaphore)
{
    return semaphore ? bide_gate_number(&semaphore->gate_) : 0;
}

int bide_semaphore_release(bide_semaphore *semaphore, uint32_t permits)
{
    return semaphore ? bide_gate_apply(&semaphore->gate_, acquire, add, permits) : BIDE_EINVAL;
}

static int acquiring_poll(bide_future *self, bide_context *cx)
{
    bide_semaphore_acquiring *acquiring = (bide_semaphore_acquiring *)self;
    if (acquiring->result == BIDE_EINVAL) return BIDE_READY;
    int answer = bide_gate_poll(&acquiring->semaphore_->gate_, &acquiring->waiting_, acquire, cx);
    if (answer == BIDE_READY) acquiring->result = 0;
    return answer;
}

static int acquiring_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_semaphore_acquiring *acquiring = (bide_semaphore_acquiring *)self;
    int answer = bide_gate_cancel(&acquiring->semaphore_->gate_, &acquiring->waiting_, acquire);
    if (answer == BIDE_COMPLETED) acquiring->result = 0;
    return answer;
}

static void acquiring_describe(const bide_future *self, char *text, size_t room)
{
    bide_wait_describe(((const bide_semaphore_acquiring *)self)->semaphore_, text, room);
}

static const bide_future_kind acquiring_kind = {{sizeof acquiring_kind.ops, acquiring_poll, acquiring_cancel,
                                                 BIDE_FUTURE_NAMED},
                                                "semaphore",
                                                acquiring_describe};

void bide_semaphore_acquiring_init(bide_semaphore_acquiring *acquiring, bide_semaphore *semaphore,
                                   uint32_t permits)
{
    if (!acquiring) return;
    bide_future_init(&acquiring->future, &acquiring_kind.ops);
    bide_gate_waiting_init(&acquiring->waiting_, permits);
    acquiring->semaphore_ = semaphore;
    acquiring->result = semaphore && permits <= BIDE_SEMAPHORE_MAX ? BIDE_ECANCELED : BIDE_EINVAL;
}

int bide_semaphore_acquire(bide_semaphore *semaphore, uint32_t permits, bide_instant deadline)
{
    if (!semaphore || permits > BIDE_SEMAPHORE_MAX) return BIDE_EINVAL;
    if (bide_gate_try(&semaphore->gate_, acquire, permits)) return 0;
    if (deadline.ns == BIDE_NOW.ns) return BIDE_EAGAIN;
    bide_semaphore_acquiring acquiring;
    bide_semaphore_acquiring_init(&acquiring, semaphore, permits);
    int error = bide_await(&acquiring.future, deadline);
    return error ? error : acquiring.result;
}

/* --- Wait group --- */

static bool all_done(uint32_t *left, uint32_t wants)
{
    (void)wants;
    return *left == 0;
}

static int take_off(uint32_t *left, uint32_t by)
{
    if (by > *left) return BIDE_EINVAL;
    *left -= by;
    return 0;
}

void bide_wait_group_init(bide_wait_group *group)
{
    if (group) bide_gate_init(&group->gate_, 0);
}

int bide_wait_group_fini(bide_wait_group *group)
{
    if (!group) return BIDE_EINVAL;
    return bide_gate_is_waited_for(&group->gate_) ? BIDE_EBUSY : 0;
}

int bide_wait_group_add(bide_wait_group *group, int32_t delta)
{
    if (!group) return BIDE_EINVAL;
    if (delta >= 0) return bide_gate_apply(&group->gate_, all_done, add, (uint32_t)delta);
    return bide_gate_apply(&group->gate_, all_done, take_off, 0u - (uint32_t)delta);
}

int bide_wait_group_done(bide_wait_group *group)
{
    return bide_wait_group_add(group, -1);
}

uint32_t bide_wait_group_count(const bide_wait_group *group)
{
    return group ? bide_gate_number(&group->gate_) : 0;
}

static int waiting_poll(bide_future *self, bide_context *cx)
{
    bide_wait_group_waiting *waiting = (bide_wait_group_waiting *)self;
    if (!waiting->group_) return BIDE_READY;
    int answer = bide_gate_poll(&waiting->group_->gate_, &waiting->waiting_, all_done, cx);
    if (answer == BIDE_READY) waiting->result = 0;
    return answer;
}

static int waiting_cancel(bide_future *self, bide_context *cx)
{
    (void)cx;
    bide_wait_group_waiting *waiting = (bide_wait_group_waiting *)self;
    int answer = bide_gate_cancel(&waiting->group_->gate_, &waiting->waiting_, all_done);
    if (answer == BIDE_COMPLETED) waiting->result = 0;
    return answer;
}

static void waiting_describe(const bide_future *self, char *text, size_t room)
{
    bide_wait_describe(((const bide_wait_group_waiting *)self)->group_, text, room);
}

static const bide_future_kind waiting_kind = {{sizeof waiting_kind.ops, waiting_poll, waiting_cancel,
                                               BIDE_FUTURE_NAMED},
                                              "wait group",
                                              waiting_describe};

void bide_wait_group_waiting_init(bide_wait_group_waiting *waiting, bide_wait_group *group)
{
    if (!waiting) return;
    bide_future_init(&waiting->future, &waiting_kind.ops);
    bide_gate_waiting_init(&waiting->waiting_, 0);
    waiting->group_ = group;
    waiting->result = group ? BIDE_ECANCELED : BIDE_EINVAL;
}

int bide_wait_group_wait(bide_wait_group *group, bide_instant deadline)
{
    if (!group) return BIDE_EINVAL;
    if (bide_gate_try(&group->gate_, all_done, 0)) return 0;
    if (deadline.ns == BIDE_NOW.ns) return BIDE_EAGAIN;
    bide_wait_group_waiting waiting;
    bide_wait_group_waiting_init(&waiting, group);
    int error = bide_await(&waiting.future, deadline);
    return error ? error : waiting.result;
}
