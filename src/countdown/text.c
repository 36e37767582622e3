/* See text.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "countdown/text.h"

#include <string.h>

/* The bytes of the character that begins here, 0 if none does. The ranges are those of RFC 3629, section 4. */
static size_t character(const unsigned char *text, size_t length)
{
    unsigned char first = text[0];
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    size_t count = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (count > length) return 0;
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (text[1] < low || text[1] > high) return 0;
    for (size_t i = 2; i < count; i++)
        if (text[i] < 0x80 || text[i] > 0xbf) return 0;
    return count;
}

bool bide_countdown_is_utf8(const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    while (length > 0) {
        size_t count = character(bytes, length);
        if (count == 0) return false;
        bytes += count;
        length -= count;
    }
    return true;
}

/* --- tokens: each function gives the length of the one that begins here, 0 if none does --- */

/* The number in four hexadecimal digits after "\\u", or -1. */
static int code_unit(const char *text, size_t length)
{
    if (length < 6 || text[0] != '\\' || text[1] != 'u') return -1;
    int value = 0;
    for (size_t i = 2; i < 6; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

static size_t escape(const char *text, size_t length)
{
    if (length < 2 || text[1] == '\0') return 0;
    if (strchr("\"\\/bfnrt", text[1])) return 2;
    int first = code_unit(text, length);
    if (first <= 0 || (first >= 0xdc00 && first <= 0xdfff)) return 0;
    if (first < 0xd800 || first > 0xdfff) return 6;
    int second = code_unit(text + 6, length - 6);
    return second >= 0xdc00 && second <= 0xdfff ? 12 : 0;
}

static size_t string(const char *text, size_t length)
{
    size_t used = 1;
    for (size_t i = 1; i < length; i += used) {
        if (text[i] == '"') return i + 1;
        if ((unsigned char)text[i] < ' ') return 0;
        used = text[i] == '\\' ? escape(text + i, length - i)
                               : character((const unsigned char *)text + i, length - i);
        if (used == 0) return 0;
    }
    return 0;
}

static size_t digits(const char *text, size_t length)
{
    size_t count = 0;
    while (count < length && text[count] >= '0' && text[count] <= '9')
        count++;
    return count;
}

/* cJSON takes no more characters of one. */
enum { NUMBER = 63 };

static size_t number(const char *text, size_t length, bool *whole)
{
    size_t used = text[0] == '-';
    size_t count = digits(text + used, length - used);
    if (count == 0 || (count > 1 && text[used] == '0')) return 0;
    used += count;
    *whole = *whole && text[0] != '-';
    if (used < length && text[used] == '.') {
        count = digits(text + used + 1, length - used - 1);
        if (count == 0) return 0;
        used += 1 + count;
        *whole = false;
    }
    if (used < length && (text[used] == 'e' || text[used] == 'E')) {
        used++;
        if (used < length && (text[used] == '+' || text[used] == '-')) used++;
        count = digits(text + used, length - used);
        if (count == 0) return 0;
        used += count;
        *whole = false;
    }
    return used <= NUMBER ? used : 0;
}

static size_t word(const char *text, size_t length)
{
    static const char *const words[] = {"null", "true", "false"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t count = strlen(words[i]);
        if (length >= count && memcmp(text, words[i], count) == 0) return count;
    }
    return 0;
}

/* --- grammar --- */

/* What may come next: a value; the same, or the array's end; a name, or the object's end; a name; a colon;
 * nothing, or a comma, or an end. */
enum expected { VALUE, FIRST_VALUE, FIRST_NAME, NAME, COLON, REST };

struct place {
    enum expected expected;
    size_t depth;
    bool in_object[BIDE_COUNTDOWN_DEPTH];
};

static bool open_bracket(struct place *place, char c)
{
    if (place->depth == BIDE_COUNTDOWN_DEPTH) return false;
    place->in_object[place->depth++] = c == '{';
    place->expected = c == '{' ? FIRST_NAME : FIRST_VALUE;
    return true;
}

static bool close_bracket(struct place *place, char c)
{
    if (place->depth == 0 || place->in_object[place->depth - 1] != (c == '}')) return false;
    place->depth--;
    place->expected = REST;
    return true;
}

static bool comma(struct place *place)
{
    if (place->expected != REST || place->depth == 0) return false;
    place->expected = place->in_object[place->depth - 1] ? NAME : VALUE;
    return true;
}

/* Takes one token. Returns its length, 0 if it may not stand here. */
static size_t token(struct place *place, const char *text, size_t length, bool *whole)
{
    bool value = place->expected == VALUE || place->expected == FIRST_VALUE;
    bool name = place->expected == NAME || place->expected == FIRST_NAME;
    bool end = place->expected == REST || place->expected == (*text == '}' ? FIRST_NAME : FIRST_VALUE);
    switch (*text) {
    case '{':
    case '[': return value && open_bracket(place, *text);
    case '}':
    case ']': return end && close_bracket(place, *text);
    case ',': return comma(place);
    case ':':
        if (place->expected != COLON) return 0;
        place->expected = VALUE;
        return 1;
    case '"':
        if (!value && !name) return 0;
        place->expected = name ? COLON : REST;
        return string(text, length);
    default:
        if (!value) return 0;
        place->expected = REST;
        return *text == '-' || digits(text, length) > 0 ? number(text, length, whole) : word(text, length);
    }
}

bool bide_countdown_is_plain_json(const char *text, size_t length, bool *whole)
{
    *whole = true;
    struct place place = {.expected = VALUE};
    for (size_t i = 0; i < length;) {
        char c = text[i];
        size_t used =
            c == ' ' || c == '\t' || c == '\r' || c == '\n' ? 1 : token(&place, text + i, length - i, whole);
        if (used == 0) return false;
        i += used;
    }
    return place.expected == REST && place.depth == 0;
}
