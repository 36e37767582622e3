/* Signals and their end, on an eventfd or a pipe: see wake.h. Which it is, wake_linux.c and wake_posix.c say.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "poll/wake.h"

#include "os/descriptor.h"

#include <bide/error.h>

#include <errno.h>
#include <unistd.h>

int bide_poll_wake_open_pipe(bide_poll_wake *wake)
{
    int ends[2];
    if (bide_os_new_pipe(ends) != 0) return bide_last_error();
    wake->read_end = ends[0];
    wake->write_end = ends[1];
    return 0;
}

void bide_poll_wake_close(bide_poll_wake *wake)
{
    (void)close(wake->read_end);
    if (!bide_poll_wake_is_counter(wake)) (void)close(wake->write_end);
    wake->read_end = wake->write_end = BIDE_INVALID_FD;
}

static bool put(const bide_poll_wake *wake)
{
    const uint64_t one = 1; /* eight bytes: an eventfd takes nothing else */
    ssize_t count;
    do
        count = write(wake->write_end, &one, sizeof one);
    while (count < 0 && errno == EINTR);
    return count >= 0;
}

void bide_poll_wake_signal(const bide_poll_wake *wake)
{
    int saved = errno;
    /* Full: readable it is, but who waits for an edge would not hear of this signal. Both ends are ours, so
     * room can be made here. */
    if (!put(wake)) {
        bide_poll_wake_drain(wake);
        (void)put(wake);
    }
    errno = saved;
}

void bide_poll_wake_drain(const bide_poll_wake *wake)
{
    uint64_t buffer[64];
    ssize_t taken;
    do {
        taken = read(wake->read_end, buffer, sizeof buffer);
    } while (taken == (ssize_t)sizeof buffer); /* an eventfd gives 8 bytes and is empty then */
}
