/* What the tests of the helper thread share: what it is doing, and something that it must serve.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_BACKGROUND_H
#define BIDE_TEST_BACKGROUND_H

#include "test_future.h"

#include "reactor/reactor.h"

static inline int helper_id(void)
{
    return bide_test_thread_named("async-io");
}

/* Whether the helper thread holds the role and waits in the poller, or is about to. */
static inline bool helper_is_blocked(void)
{
    struct bide_reactor *reactor = bide_reactor_global();
    bide_os_mutex_lock(&reactor->lock);
    bool blocked = reactor->helper && reactor->holder == reactor->helper && reactor->blocked;
    bide_os_mutex_unlock(&reactor->lock);
    return blocked;
}

static inline bool helper_holds_role(void)
{
    struct bide_reactor *reactor = bide_reactor_global();
    bide_os_mutex_lock(&reactor->lock);
    bool holds = reactor->helper && reactor->holder == reactor->helper;
    bide_os_mutex_unlock(&reactor->lock);
    return holds;
}

/* A pipe whose readability a state machine awaits. */
struct source {
    int ends[2];
    bide_async *async;
    bide_readable readable;
    struct counter counter;
};

static inline void open_source(struct source *source)
{
    make_pipe(source->ends);
    cr_assert_ok(bide_async_new(&source->async, source->ends[0]));
    source->counter.wakes = 0;
}

static inline int await_source(struct source *source)
{
    bide_readable_init(&source->readable, source->async);
    return poll_with(&source->readable.future, counting(&source->counter));
}

static inline void take_byte(struct source *source)
{
    char byte;
    cr_assert_gives(bide_read(source->async, &byte, 1, BIDE_NOW), 1);
}

static inline void close_source(struct source *source)
{
    (void)bide_cancel(&source->readable.future);
    cr_assert_ok(bide_async_free(source->async));
    (void)close(source->ends[1]);
}

#endif
