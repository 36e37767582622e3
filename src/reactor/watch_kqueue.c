/* Sources of bide/os/kqueue.h: a queue of the kernel's (os/watch_kqueue.h), lent to a handle of its own, and an
 * operation on it that takes an event. So all that holds of handles holds of these: their reactor, who waits, who
 * frees meanwhile, forks.
 *
 * A wait holds no pointer that it follows once its source is being freed: the operation runs only while the handle
 * is pinned, and what bide_dump() is told was copied.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/watch_kqueue.h"

#include "reactor/await.h"
#include "reactor/source.h"

#include <stdio.h>
#include <stdlib.h>

struct bide_kqueue {
    bide_async *async;
    bide_os_watch watch;
};

/* Takes what one of these opened, or frees it. */
static int make(bide_kqueue **out, bide_kqueue *source, int error)
{
    if (!error) {
        error = bide_async_borrow(&source->async, source->watch.queue);
        if (error) bide_os_watch_close(&source->watch);
    }
    if (error)
        free(source);
    else
        *out = source;
    return error;
}

/* NULL with an error. */
static bide_kqueue *begin(bide_kqueue **out, int *error)
{
    *error = out ? BIDE_ENOMEM : BIDE_EINVAL;
    if (!out) return NULL;
    *out = NULL;
    return malloc(sizeof(bide_kqueue));
}

int bide_kqueue_signals(bide_kqueue **out, const int *numbers, size_t count)
{
    int error;
    bide_kqueue *source = begin(out, &error);
    return source ? make(out, source, bide_os_watch_signals(&source->watch, numbers, count)) : error;
}

int bide_kqueue_process(bide_kqueue **out, pid_t process)
{
    int error;
    bide_kqueue *source = begin(out, &error);
    return source ? make(out, source, bide_os_watch_process(&source->watch, process)) : error;
}

int bide_kqueue_timer(bide_kqueue **out, bide_duration period, bool repeat)
{
    int error;
    bide_kqueue *source = begin(out, &error);
    return source ? make(out, source, bide_os_watch_timer(&source->watch, period, repeat)) : error;
}

int bide_kqueue_file(bide_kqueue **out, bide_fd file, unsigned changes)
{
    int error;
    bide_kqueue *source = begin(out, &error);
    return source ? make(out, source, bide_os_watch_file(&source->watch, file, changes)) : error;
}

int bide_kqueue_free(bide_kqueue *source)
{
    if (!source) return 0;
    int error = bide_async_free(source->async);
    if (error) return error;
    bide_os_watch_close(&source->watch);
    free(source);
    return 0;
}

/* --- waiting --- */

static bide_ssize take(void *arg, bide_fd fd)
{
    bide_kqueue_waiting *waiting = arg;
    (void)fd;
    return bide_os_watch_take(&waiting->source_->watch, &waiting->event);
}

static void finish(bide_kqueue_waiting *waiting)
{
    waiting->result = waiting->io_.result < 0 ? (int)waiting->io_.result : 0;
}

static int waiting_poll(bide_future *self, bide_context *cx)
{
    bide_kqueue_waiting *waiting = (bide_kqueue_waiting *)self;
    if (!waiting->source_) {
        waiting->result = BIDE_EINVAL;
        return BIDE_READY;
    }
    int answer = bide_future_poll(&waiting->io_.future, cx);
    if (answer == BIDE_READY) finish(waiting);
    return answer;
}

static int waiting_cancel(bide_future *self, bide_context *cx)
{
    bide_kqueue_waiting *waiting = (bide_kqueue_waiting *)self;
    int answer = bide_future_cancel(&waiting->io_.future, cx);
    if (answer >= BIDE_READY) finish(waiting);
    return answer;
}

static void waiting_describe(const bide_future *self, char *text, size_t room)
{
    const bide_kqueue_waiting *waiting = (const bide_kqueue_waiting *)self;
    static const char *const names[] = {[BIDE_OS_WATCH_SIGNALS] = "signals",
                                        [BIDE_OS_WATCH_PROCESS] = "process",
                                        [BIDE_OS_WATCH_TIMER] = "timer",
                                        [BIDE_OS_WATCH_FILE] = "file"};
    const char *name = names[waiting->kind_];
    if (waiting->kind_ == BIDE_OS_WATCH_PROCESS || waiting->kind_ == BIDE_OS_WATCH_FILE)
        (void)snprintf(text, room, "%s %ld", name, waiting->subject_);
    else
        (void)snprintf(text, room, "%s", name);
}

static const bide_future_kind waiting_kind = {
    {sizeof waiting_kind.ops, waiting_poll, waiting_cancel, BIDE_FUTURE_NAMED}, "kqueue", waiting_describe};

void bide_kqueue_waiting_init(bide_kqueue_waiting *waiting, bide_kqueue *source)
{
    if (!waiting) return;
    bide_future_init(&waiting->future, &waiting_kind.ops);
    waiting->source_ = source;
    waiting->event = (bide_kqueue_event){0};
    waiting->result = BIDE_ECANCELED;
    if (!source) return;
    bide_io_read_with(&waiting->io_, source->async, take, waiting);
    waiting->kind_ = (int)source->watch.kind;
    waiting->subject_ = source->watch.subject;
}

int bide_kqueue_wait(bide_kqueue *source, bide_kqueue_event *event, bide_instant deadline)
{
    bide_kqueue_waiting waiting;
    bide_kqueue_waiting_init(&waiting, source);
    int error =
        source ? bide_await_on(bide_source_reactor(source->async), &waiting.future, deadline) : BIDE_EINVAL;
    if (!error) error = waiting.result;
    if (event) *event = error ? (bide_kqueue_event){0} : waiting.event;
    return error;
}
