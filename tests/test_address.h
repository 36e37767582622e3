/* What the tests of addresses share.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_ADDRESS_H
#define BIDE_TEST_ADDRESS_H

#include "bide_test.h"

#include <bide/address.h>
#include <bide/time.h>

#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATH_MOST sizeof(((struct sockaddr_un *)0)->sun_path)

static inline void expect_error(int error, int expected, const char *what)
{
    cr_assert_eq(error, expected, "%s: %s, not %s", what, bide_error_name(error), bide_error_name(expected));
}

static inline void expect_text(const bide_address *address, const char *expected)
{
    char text[BIDE_ADDRESS_TEXT_MAX];
    int length = bide_address_format(address, text, sizeof text);
    cr_assert_eq(length, (int)strlen(expected), "%d bytes of \"%s\"", length, expected);
    cr_assert_str_eq(text, expected, "\"%s\", not \"%s\"", text, expected);
}

static inline bide_address parsed(const char *text)
{
    bide_address address;
    expect_error(bide_address_parse(&address, text), 0, text);
    return address;
}

static inline bide_address unix_address(const char *path, size_t length)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    memcpy(un.sun_path, path, length);
    bide_address address;
    expect_error(bide_address_from_system(&address, &un, offsetof(struct sockaddr_un, sun_path) + length), 0,
                 path);
    cr_assert_eq(bide_address_family(&address), BIDE_FAMILY_UNIX, "family %d", bide_address_family(&address));
    cr_assert_eq(bide_address_port(&address), 0, "port %u", (unsigned)bide_address_port(&address));
    expect_error(bide_address_set_port(&address, 1), BIDE_EINVAL, path);
    return address;
}

static uint64_t random_state;

static inline uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % limit;
}

#endif
