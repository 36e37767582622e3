/* What is looked at before JSON is parsed, and names before they are taken.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_COUNTDOWN_TEXT_H
#define BIDE_COUNTDOWN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether it is well-formed UTF-8: nothing overlong, no surrogates, nothing beyond U+10FFFF. */
bool bide_countdown_is_utf8(const char *text, size_t length);

/* Nothing that this protocol has is nested deeper than 5; what is unknown may be somewhat more. */
enum { BIDE_COUNTDOWN_DEPTH = 32 };

/* Whether it is one value of JSON (RFC 8259), and one that cJSON can take. cJSON itself takes more than JSON:
 * control characters as white space and raw in strings, bytes that are no UTF-8, numbers such as 01; of a
 * string it gives what stands before a \u0000; it recurses, up to a thousand deep, on the small stack of a
 * task; and it does not tell a mistake from a lack of memory. What passes here, it refuses for lack of memory
 * alone.
 *
 * `*whole`: every number is digits alone. */
bool bide_countdown_is_plain_json(const char *text, size_t length, bool *whole);

#endif
