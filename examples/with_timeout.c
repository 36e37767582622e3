/* Reads one line from standard input with a limit of time. One call of Bide in a program that otherwise
 * blocks: the descriptor is lent for the wait, and is afterwards as it was, in the same mode.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

#include <stdio.h>
#include <unistd.h>

static bide_duration limit;

static const struct example_option argument = {"DURATION", EXAMPLE_DURATION, &limit, ""};

static const struct example_program program = {
    .name = "with_timeout",
    .synopsis = "DURATION",
    .about =
        "Reads one line from standard input and prints it, for scripts:\n"
        "    answer=$(with_timeout 5s) || answer=no\n"
        "Takes nothing but that line: what follows is the next reader's. Exits with 0: there was a line,\n"
        "1: the input ended before, or could not be read, 2: wrong usage, 124: timed out.\n",
    .argument = &argument,
};

/* Waits until the descriptor, which may block, has something to read. It is neither changed nor closed. */
static int wait_readable(int fd, bide_instant deadline)
{
    bide_async *lent;
    int error = bide_async_borrow(&lent, fd);
    /* A regular file, say: a read from it never waits for somebody else. */
    if (error == BIDE_ENOTPOLLABLE) return 0;
    if (error) return error;
    error = bide_wait_readable(lent, deadline);
    (void)bide_async_free(lent); /* deregisters it, no more */
    return error;
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);
    bide_instant deadline = bide_after(limit);

    /* Byte by byte, as read(1) of the shell does: a larger read would take from the lines that follow. */
    for (char byte = '\0'; byte != '\n';) {
        int error = wait_readable(STDIN_FILENO, deadline);
        if (error == BIDE_ETIMEDOUT) return example_end(EXAMPLE_TIMED_OUT);
        ssize_t got = error ? 0 : read(STDIN_FILENO, &byte, 1);
        if (got < 0) error = bide_last_error();
        if (error == BIDE_EAGAIN || error == BIDE_EINTR) continue; /* somebody else took it */
        if (error) return example_fail(&program, "standard input", error);
        if (got == 0) return example_end(EXAMPLE_FAILED);
        (void)putchar(byte);
    }
    return example_end(EXAMPLE_OK);
}
