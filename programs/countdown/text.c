/* Text for people: see program.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _XOPEN_SOURCE 700
#include "program.h"

#include <inttypes.h>
#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

const char *seconds_text(char text[32], int64_t seconds)
{
    int64_t hours = seconds / 3600;
    int64_t minutes = seconds / 60 % 60;
    if (hours > 0)
        (void)snprintf(text, 32, "%" PRId64 ":%02" PRId64 ":%02" PRId64, hours, minutes, seconds % 60);
    else
        (void)snprintf(text, 32, "%" PRId64 ":%02" PRId64, minutes, seconds % 60);
    return text;
}

bool locale_is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Marks that turn the direction of text around: a name must not disorder the rest of the line. */
static bool turns_direction(wchar_t c)
{
    return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* How wide the character is, 0 or more; -1: not to be printed. */
static int width_of(wchar_t c)
{
    return iswprint((wint_t)c) && !turns_direction(c) ? wcwidth(c) : -1;
}

/* The bytes of the UTF-8 character, also where the locale knows nothing of it; names are well-formed. */
static size_t bytes_of(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t printable(char *out, size_t room, const char *name, size_t columns)
{
    bool utf8 = locale_is_utf8();
    size_t used = 0;
    size_t wide = 0;
    while (*name) {
        size_t length = bytes_of((unsigned char)*name);
        wchar_t c = (unsigned char)*name;
        mbstate_t state = {0};
        if (length > 1 && (!utf8 || mbrtowc(&c, name, length, &state) != length)) c = 0;
        int width = width_of(c);
        bool shown = width >= 0;
        if (!shown) width = 1;
        if (wide + (size_t)width > columns || used + length >= room) break;
        if (shown)
            (void)memcpy(out + used, name, length);
        else
            out[used] = '?';
        used += shown ? length : 1;
        wide += (size_t)width;
        name += length;
    }
    out[used] = '\0';
    return wide;
}
