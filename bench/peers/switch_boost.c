/* A switch between two of boost.context's fibers, by the functions of assembly that its classes call.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "least.h"

#include <stdalign.h>
#include <stddef.h>

/* As boost/context/detail/fcontext.hpp declares them, for C++. */
struct transfer {
    void *from;
    void *data;
};
struct transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *stack, size_t size, void (*function)(struct transfer transfer));

static alignas(64) char stack[65536];
static void *peer;

static void switch_back(struct transfer transfer)
{
    for (;;)
        transfer = jump_fcontext(transfer.from, NULL);
}

static void there_and_back(uint64_t count)
{
    for (uint64_t i = 0; i < count / 2; i++)
        peer = jump_fcontext(peer, NULL).from;
}

int main(void)
{
    peer = make_fcontext(stack + sizeof stack, sizeof stack, switch_back);
    least_run("switch", there_and_back, 400000);
    return 0;
}
