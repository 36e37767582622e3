/* A switch with swapcontext(3), which saves the mask of signals: a system call.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "least.h"

#include <stdlib.h>
#include <ucontext.h>

static ucontext_t thread, peer;
static char stack[65536];

static void switch_back(void)
{
    for (;;)
        (void)swapcontext(&peer, &thread);
}

static void there_and_back(uint64_t count)
{
    for (uint64_t i = 0; i < count / 2; i++)
        (void)swapcontext(&thread, &peer);
}

int main(void)
{
    if (getcontext(&peer) != 0) return 1;
    peer.uc_stack.ss_sp = stack;
    peer.uc_stack.ss_size = sizeof stack;
    makecontext(&peer, switch_back, 0);
    least_run("switch", there_and_back, 10000);
    return 0;
}
