/* The chain with futures: each link's read is a member of a set. See chain.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "chain.h"

#include <bide.h>

struct receiver {
    bide_async *in;
    bide_io io;
    bide_set_member member;
    char bytes[128]; /* more than comes: so a count tells that there is no more */
};

static bide_set set;
static struct receiver *receivers;

static void receive(struct receiver *receiver)
{
    bide_io_read(&receiver->io, receiver->in, receiver->bytes, sizeof receiver->bytes);
    peer_check(bide_set_add(&set, &receiver->member, &receiver->io.future, receiver) == 0, "bide_set_add");
}

static void chain_watch(size_t index, int in)
{
    if (!receivers) {
        bide_set_init(&set);
        receivers = calloc(link_count, sizeof *receivers);
    }
    peer_check(receivers && bide_async_new(&receivers[index].in, in) == 0, "bide_async_new");
    receive(&receivers[index]);
}

static void chain_run(void)
{
    while (messages_under_way > 0) {
        bide_set_member *member;
        peer_check(bide_set_next(&set, BIDE_NEVER, &member) == 0, "bide_set_next");
        struct receiver *receiver = member->tag;
        bide_ssize count = receiver->io.result;
        peer_check(count > 0, "bide_io_read");
        receive(receiver);
        chain_go_on((size_t)(receiver - receivers), (size_t)count);
    }
}

int main(int argc, char **argv)
{
    return chain_main(argc, argv);
}
