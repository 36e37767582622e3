/* Text for a descriptor, put together in a buffer on the caller's stack: allocates nothing, takes no lock, knows no
 * locale, and is async-signal-safe.
 *
 *   struct bide_os_text text;   bide_os_text_begin(&text, fd);   bide_os_text_put(&text, "…");
 *   int error = bide_os_text_end(&text);
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_TEXT_H
#define BIDE_OS_TEXT_H

#include <bide/base.h>
#include <bide/time.h>

struct bide_os_text {
    bide_fd fd;
    unsigned kind; /* of the descriptor: os/io.h */
    int error;     /* the first one; nothing is written after it */
    size_t used;
    char bytes[1000];
};

void bide_os_text_begin(struct bide_os_text *text, bide_fd fd);

/* Appends a string, and writes what there is when the buffer is full. */
void bide_os_text_put(struct bide_os_text *text, const char *string);

/* Appends a number, in decimal. */
void bide_os_text_number(struct bide_os_text *text, uint64_t number);

/* Appends seconds to the millisecond: "1.250 s". Nothing is negative. */
void bide_os_text_seconds(struct bide_os_text *text, bide_duration duration);

/* Writes the rest. 0, or the first error: of a descriptor that does not block BIDE_EAGAIN, for one. */
int bide_os_text_end(struct bide_os_text *text);

#endif
