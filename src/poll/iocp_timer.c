/* See iocp_timer.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "poll/iocp_timer.h"

#include "poll/backend.h"

#ifndef CREATE_WAITABLE_TIMER_HIGH_RESOLUTION
#define CREATE_WAITABLE_TIMER_HIGH_RESOLUTION 0x00000002
#endif

void bide_iocp_timer_init(struct bide_iocp_timer *self, HANDLE port, ULONG_PTR packet)
{
    *self = (struct bide_iocp_timer){.port = port, .packet = packet, .deadline = BIDE_NEVER};
}

static void CALLBACK expired(void *arg, BOOLEAN timed_out)
{
    struct bide_iocp_timer *self = arg;
    (void)timed_out;
    (void)PostQueuedCompletionStatus(self->port, 0, self->packet, NULL);
}

/* Nothing is lost without one but precision. */
static void open_timer(struct bide_iocp_timer *self)
{
    self->timer = CreateWaitableTimerExW(NULL, NULL, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, TIMER_ALL_ACCESS);
    if (!self->timer) return;
    if (RegisterWaitForSingleObject(&self->wait, self->timer, expired, self, INFINITE,
                                    WT_EXECUTEINWAITTHREAD))
        return;
    (void)CloseHandle(self->timer);
    self->timer = NULL;
}

void bide_iocp_timer_close(struct bide_iocp_timer *self)
{
    if (!self->timer) return;
    /* Waits until the callback is over, which posts to the port. */
    (void)UnregisterWaitEx(self->wait, INVALID_HANDLE_VALUE);
    (void)CloseHandle(self->timer);
}

void bide_iocp_timer_set(struct bide_iocp_timer *self, bide_instant deadline)
{
    if (deadline.ns == self->deadline.ns) return;
    if (!self->timer && !bide_is_never(deadline)) open_timer(self);
    if (!self->timer) return;
    bool set;
    if (bide_is_never(deadline)) {
        set = CancelWaitableTimer(self->timer) != 0;
    } else {
        /* Negative: from now on, in units of 100 ns. */
        LARGE_INTEGER due = {.QuadPart = -(bide_poll_remaining(deadline) / 100 + 1)};
        set = SetWaitableTimer(self->timer, &due, 0, NULL, NULL, FALSE) != 0;
    }
    self->deadline = set ? deadline : BIDE_NOW;
}

void bide_iocp_timer_expired(struct bide_iocp_timer *self)
{
    self->deadline = BIDE_NEVER;
}
