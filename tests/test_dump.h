/* What the tests of dumps share: one as text, and its lines.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_DUMP_H
#define BIDE_TEST_DUMP_H

#include "test_inventory.h"

#include <bide.h>

static char text[1 << 20];

/* The dump, in `text`. */
static inline void dump_now(void)
{
    FILE *file = tmpfile();
    cr_assert_not_null(file);
    cr_assert_ok(bide_dump(fileno(file)));
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
}

/* The line that has all of these words; NULL: none. Static storage. */
static const char *line_with(const char *first, const char *second)
{
    static char line[1024];
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, "\n");
        cr_assert_lt(length, sizeof line, "%zu bytes in a line", length);
        (void)memcpy(line, at, length);
        line[length] = '\0';
        if (strstr(line, first) && strstr(line, second)) return line;
        at += length + (at[length] == '\n');
    }
    return NULL;
}

#define EXPECT_LINE(first, second) \
    cr_assert_not_null(line_with(first, second), "no line with '%s' and '%s' in:\n%s", first, second, text)

#endif
