/* Trying again after a while: see retry.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net/retry.h"

#include "future/waiter.h"

/* Short enough to go on soon after there is room, long enough to cost nothing while there is none. */
#define FIRST_DELAY BIDE_MILLISECONDS(1)
#define LAST_DELAY BIDE_MILLISECONDS(50)

void bide_retry_later(bide_timer *timer, bide_duration *delay)
{
    bide_duration next = *delay * 2;
    *delay = *delay == 0 ? FIRST_DELAY : next < LAST_DELAY ? next : LAST_DELAY;
    (void)bide_timer_set_after(timer, *delay);
}

int bide_retry_wait(bide_timer *timer, bide_context *cx)
{
    if (cx->flags_ & BIDE_CONTEXT_LAST_TRY) {
        /* It may be armed, and the try may be the end of the storage that it is in. */
        (void)bide_future_cancel(&timer->future, cx);
        return BIDE_READY;
    }
    int answer = bide_future_poll(&timer->future, cx);
    if (answer != BIDE_READY) return answer;
    int error = bide_timer_error(timer);
    return error ? error : BIDE_READY;
}
