/* Waking by eventfd(2) or pipe2(2): see wake.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "poll/wake.h"

#include <bide/error.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/eventfd.h>
#endif

int bide_poll_wake_open(bide_poll_wake *wake)
{
#ifdef __linux__
    wake->read_end = wake->write_end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake->read_end >= 0) return 0;
    /* Anything but exhaustion means that the call is missing or forbidden. */
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) return bide_last_error();
#endif
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return bide_last_error();
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
