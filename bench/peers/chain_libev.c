/* The chain with libev. See ../chain.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "../chain.h"

#include <ev.h>

static ev_io *watchers;

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    chain_pass((size_t)(watcher - watchers));
    if (messages_under_way == 0) ev_break(loop, EVBREAK_ALL);
}

static void chain_watch(size_t index, int in)
{
    if (!watchers) watchers = calloc(link_count, sizeof *watchers);
    peer_check(watchers != NULL, "calloc");
    ev_io_init(&watchers[index], on_readable, in, EV_READ);
    ev_io_start(ev_default_loop(EVFLAG_AUTO), &watchers[index]);
}

static void chain_run(void)
{
    ev_run(ev_default_loop(EVFLAG_AUTO), 0);
}

int main(int argc, char **argv)
{
    return chain_main(argc, argv);
}
