/* The limit of the chain: epoll, level-triggered. See ../chain.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "../chain.h"

#include <sys/epoll.h>

static int poller = -1;

static void chain_watch(size_t index, int in)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};
    if (poller < 0) poller = epoll_create1(EPOLL_CLOEXEC);
    peer_check(epoll_ctl(poller, EPOLL_CTL_ADD, in, &event) == 0, "epoll_ctl");
}

static void chain_run(void)
{
    struct epoll_event events[256];
    while (messages_under_way > 0) {
        int ready = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < ready; i++)
            chain_pass((size_t)events[i].data.u64);
    }
}

int main(int argc, char **argv)
{
    return chain_main(argc, argv);
}
