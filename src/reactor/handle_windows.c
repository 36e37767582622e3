/* Waiting for handles of Windows: see bide/os/windows.h.
 *
 * The first poll looks at the handle, and then has the system's pool watch it; the pool's callback sets an event
 * inside of the future, for which the future waits. Who ends the watching waits until no callback is running, so
 * that the future's storage may go.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/os/windows.h>

#include "future/future.h"
#include "os/handle_windows.h"
#include "poll/iocp.h"
#include "reactor/await.h"

#define READINESS                                                                                    \
    ((unsigned)(BIDE_POLL_READ | BIDE_POLL_WRITE | BIDE_POLL_PRI | BIDE_POLL_RDHUP | BIDE_POLL_HUP | \
                BIDE_POLL_ERR))

static void on_signal(void *arg)
{
    bide_handle_wait *wait = arg;
    bide_event_set(&wait->event_);
}

static void end_watch(bide_handle_wait *wait)
{
    bide_os_handle_unwatch(wait->registration_);
    wait->registration_ = NULL;
}

static int wait_poll(bide_future *self, bide_context *cx)
{
    bide_handle_wait *wait = (bide_handle_wait *)self;
    if (!wait->registration_) {
        int state = wait->handle_ ? bide_os_handle_try(wait->handle_) : BIDE_EINVAL;
        if (state == 0)
            state = bide_os_handle_watch(wait->handle_, on_signal, wait, &wait->registration_);
        else if (state > 0)
            state = 0;
        if (!wait->registration_) {
            wait->result = state;
            return BIDE_READY;
        }
    }
    if (bide_future_poll(&wait->waiting_.future, cx) == BIDE_PENDING) return BIDE_PENDING;
    end_watch(wait);
    wait->result = 0;
    return BIDE_READY;
}

static int wait_cancel(bide_future *self, bide_context *cx)
{
    bide_handle_wait *wait = (bide_handle_wait *)self;
    wait->result = BIDE_ECANCELED;
    if (!wait->registration_) return BIDE_READY;
    end_watch(wait);
    int answer = bide_future_cancel(&wait->waiting_.future, cx);
    if (answer != BIDE_COMPLETED && !bide_event_is_set(&wait->event_)) return BIDE_READY;
    /* The signal was taken meanwhile. */
    wait->result = 0;
    return BIDE_COMPLETED;
}

static const bide_future_kind wait_kind = {{sizeof wait_kind.ops, wait_poll, wait_cancel, BIDE_FUTURE_NAMED},
                                           "handle",
                                           NULL};

void bide_handle_wait_init(bide_handle_wait *wait, void *handle)
{
    if (!wait) return;
    bide_future_init(&wait->future, &wait_kind.ops);
    (void)bide_event_init(&wait->event_, BIDE_EVENT_AUTO);
    bide_event_waiting_init(&wait->waiting_, &wait->event_);
    wait->handle_ = handle;
    wait->registration_ = NULL;
    wait->result = BIDE_ECANCELED;
}

int bide_wait_handle(void *handle, bide_instant deadline)
{
    bide_handle_wait wait;
    bide_handle_wait_init(&wait, handle);
    int error = bide_await(&wait.future, deadline);
    return error ? error : wait.result;
}

int bide_poller_post(bide_poller *poller, uint64_t key, unsigned ready)
{
    if (!poller || key == BIDE_POLL_KEY_RESERVED || ready == 0 || (ready & ~READINESS)) return BIDE_EINVAL;
    return bide_poll_iocp_post(poller, key, ready);
}
