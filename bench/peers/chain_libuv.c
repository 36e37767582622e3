/* The chain with libuv, whose uv_poll is for sockets that one reads oneself. See ../chain.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "../chain.h"

#include <uv.h>

static uv_poll_t *polls;

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    chain_pass((size_t)(poll - polls));
    if (messages_under_way == 0) uv_stop(uv_default_loop());
}

static void chain_watch(size_t index, int in)
{
    if (!polls) polls = calloc(link_count, sizeof *polls);
    peer_check(polls && uv_poll_init(uv_default_loop(), &polls[index], in) == 0 &&
                   uv_poll_start(&polls[index], UV_READABLE, on_readable) == 0,
               "uv_poll_start");
}

static void chain_run(void)
{
    (void)uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    return chain_main(argc, argv);
}
