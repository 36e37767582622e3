/* The end of a process by kqueue(2): see ending.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "ending.h"

#include <bide/os/kqueue.h>

static bide_kqueue *process;
static bide_kqueue_waiting ended;

int ending_watch(pid_t child, bide_future **end)
{
    int error = bide_kqueue_process(&process, child);
    if (error) return error;
    bide_kqueue_waiting_init(&ended, process);
    *end = &ended.future;
    return 0;
}

int ending_result(void)
{
    return ended.result;
}

void ending_forget(void)
{
    (void)bide_kqueue_free(process);
}
