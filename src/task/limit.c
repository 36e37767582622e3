/* The deadlines of a task's waits.
 *
 * Most waits end before their deadline, and the next one's is a little later. So the timer stays in the heap when
 * a wait is over, and a later deadline is only noted: the timer then fires too early, which wakes the task for
 * nothing, and is armed anew if there is still something to wait for. A task that always allows thirty seconds is
 * so woken once in thirty seconds, and its waits take no lock and do not read the clock.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/task.h"

#include "future/future.h"
#include "reactor/reactor.h"

static bool is_armed(const struct bide_task_record *record)
{
    /* acquire within: the firing thread's last access came before */
    return record->limited && (bide_waiter_state(&record->limit.timer.waiter_) & BIDE_WAITER_LINKED) != 0;
}

void bide_task_init_timer(bide_timer *timer, bide_instant deadline)
{
    struct bide_thread *thread = bide_thread_self();
    struct bide_reactor *entered = thread->reactor;
    thread->reactor = NULL;
    bide_timer_at(timer, deadline);
    thread->reactor = entered;
}

int bide_limit_arm(struct bide_task_record *record, bide_instant deadline)
{
    struct bide_limit *limit = &record->limit;
    if (is_armed(record)) {
        /* If it fires just now, this wait has its wake. */
        if (!bide_before(deadline, limit->armed_for)) return 0;
        limit->armed_for = deadline;
        return bide_timer_set_at(&limit->timer, deadline);
    }
    bide_task_init_timer(&limit->timer, deadline);
    limit->armed_for = deadline;
    record->limited = true;
    record->cx.budget_ = BIDE_BUDGET;
    if (bide_future_poll(&limit->timer.future, &record->cx) == BIDE_PENDING) return 0;
    int error = bide_timer_error(&limit->timer);
    return error ? error : BIDE_ETIMEDOUT;
}

bool bide_limit_fired(const struct bide_task_record *record)
{
    return !is_armed(record);
}

void bide_limit_disarm(struct bide_task_record *record)
{
    if (is_armed(record)) (void)bide_future_cancel(&record->limit.timer.future, &record->cx);
}
