/* The end of a process by a pidfd, which is readable then: see ending.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "ending.h"

#include <sys/syscall.h>
#include <unistd.h>

static bide_async *process;
static bide_readable ended;

int ending_watch(pid_t child, bide_future **end)
{
    /* By its number, because the function came to the C library only with glibc 2.36. */
    int fd = (int)syscall(SYS_pidfd_open, child, 0u);
    if (fd < 0) return bide_last_error();
    int error = bide_async_new(&process, fd);
    if (error) {
        (void)close(fd);
        return error;
    }
    bide_readable_init(&ended, process);
    *end = &ended.future;
    return 0;
}

int ending_result(void)
{
    return ended.result;
}

void ending_forget(void)
{
    (void)bide_async_free(process);
}
