/* The chain with libevent. See ../chain.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "../chain.h"

#include <event2/event.h>
#include <event2/event_struct.h>

static struct event_base *base;
static struct event *events;

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    chain_pass((size_t)((struct event *)arg - events));
    if (messages_under_way == 0) (void)event_base_loopbreak(base);
}

static void chain_watch(size_t index, int in)
{
    if (!base) {
        base = event_base_new();
        events = calloc(link_count, sizeof *events);
    }
    peer_check(base && events, "event_base_new");
    (void)event_assign(&events[index], base, in, EV_READ | EV_PERSIST, on_readable, &events[index]);
    (void)event_add(&events[index], NULL);
}

static void chain_run(void)
{
    (void)event_base_dispatch(base);
}

int main(int argc, char **argv)
{
    return chain_main(argc, argv);
}
