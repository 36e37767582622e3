/* Text for a descriptor: see text.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/text.h"

#include "os/io.h"
#include "os/standard.h"

void bide_os_text_begin(struct bide_os_text *text, bide_fd fd)
{
    text->fd = bide_os_standard_of(fd);
    int kind = bide_os_kind(text->fd);
    text->kind = kind < 0 ? 0 : (unsigned)kind;
    text->error = kind < 0 ? kind : 0;
    text->used = 0;
}

static void flush(struct bide_os_text *text)
{
    for (size_t done = 0; done < text->used && !text->error;) {
        bide_ssize count = bide_os_write(text->fd, text->kind, text->bytes + done, text->used - done);
        if (count < 0)
            text->error = (int)count;
        else
            done += (size_t)count;
    }
    text->used = 0;
}

static void put(struct bide_os_text *text, char byte)
{
    if (text->used == sizeof text->bytes) flush(text);
    text->bytes[text->used++] = byte;
}

void bide_os_text_put(struct bide_os_text *text, const char *string)
{
    for (; *string; string++)
        put(text, *string);
}

/* At least so many digits. */
static void put_digits(struct bide_os_text *text, uint64_t number, int least)
{
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || count < least);
    while (count > 0)
        put(text, digits[--count]);
}

void bide_os_text_number(struct bide_os_text *text, uint64_t number)
{
    put_digits(text, number, 1);
}

void bide_os_text_seconds(struct bide_os_text *text, bide_duration duration)
{
    uint64_t milliseconds = duration < 0 ? 0 : (uint64_t)duration / 1000000;
    put_digits(text, milliseconds / 1000, 1);
    put(text, '.');
    put_digits(text, milliseconds % 1000, 3);
    bide_os_text_put(text, " s");
}

int bide_os_text_end(struct bide_os_text *text)
{
    flush(text);
    return text->error;
}
