/* Socket addresses as values: made from parts, and from and to the forms of the system.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_address.h"

TestSuite(address, .timeout = 30);

/* --- made from parts ------------------------------------------------------------------------------------ */

Test(address, an_address_made_from_bytes_is_that_address)
{
    static const uint8_t four[4] = {192, 0, 2, 1};
    static const uint8_t sixteen[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x42};
    bide_address ipv4 = bide_address_ipv4(four, 443), ipv6 = bide_address_ipv6(sixteen, 8080, 0);
    expect_text(&ipv4, "192.0.2.1:443");
    expect_text(&ipv6, "[2001:db8::42]:8080");
    bide_address scoped = bide_address_ipv6(sixteen, 1, 4000000000u);
    expect_text(&scoped, "[2001:db8::42%4000000000]:1");
    bide_address loopback = bide_address_loopback(0), any = bide_address_any(65535);
    expect_text(&loopback, "127.0.0.1:0");
    expect_text(&any, "0.0.0.0:65535");
}

Test(address, the_port_can_be_changed_where_there_is_one)
{
    bide_address ipv4 = parsed("192.0.2.1:1"), ipv6 = parsed("[2001:db8::1%7]:1"), none = {0};
    expect_error(bide_address_set_port(&ipv4, 65535), 0, "IPv4");
    expect_error(bide_address_set_port(&ipv6, 256), 0, "IPv6");
    cr_assert_eq(bide_address_port(&ipv4), 65535, "port %u", (unsigned)bide_address_port(&ipv4));
    expect_text(&ipv4, "192.0.2.1:65535");
    bide_address expected = parsed("[2001:db8::1%7]:256");
    cr_assert(bide_address_equal(&ipv6, &expected), "changing the port changed something else");
    expect_error(bide_address_set_port(&none, 1), BIDE_EINVAL, "none");
    expect_error(bide_address_set_port(NULL, 1), BIDE_EINVAL, "NULL");
}

Test(address, zeroed_storage_is_none)
{
    bide_address none = {0}, other = {0};
    size_t length = 7;
    cr_assert_eq(bide_address_family(&none), BIDE_FAMILY_NONE, "family %d", bide_address_family(&none));
    cr_assert_eq(bide_address_family(NULL), BIDE_FAMILY_NONE, "family %d", bide_address_family(NULL));
    cr_assert_eq(bide_address_port(&none), 0, "port %u", (unsigned)bide_address_port(&none));
    cr_assert_eq(bide_address_port(NULL), 0, "port %u", (unsigned)bide_address_port(NULL));
    cr_assert_null(bide_address_sockaddr(&none, &length), "none has a sockaddr");
    cr_assert_eq(length, 0, "none has %zu bytes", length);
    cr_assert_null(bide_address_sockaddr(NULL, NULL), "NULL has a sockaddr");
    cr_assert(bide_address_equal(&none, &other), "none does not equal none");
    cr_assert(bide_address_equal(&none, NULL), "none does not equal NULL");
    expect_text(&none, "(none)");
}

Test(address, equal_means_the_same_place)
{
    static const char *const texts[] = {"127.0.0.1:80", "127.0.0.1:81",
                                        "127.0.0.2:80", "[::1]:80",
                                        "[::1]:81",     "[::2]:80",
                                        "[::1%1]:80",   "[::ffff:127.0.0.1]:80"};
    size_t count = sizeof texts / sizeof *texts;
    bide_address none = {0};
    for (size_t i = 0; i < count; i++) {
        bide_address left = parsed(texts[i]);
        cr_assert_not(bide_address_equal(&left, &none), "%s equals none", texts[i]);
        for (size_t j = 0; j < count; j++) {
            bide_address right = parsed(texts[j]);
            cr_assert_eq(bide_address_equal(&left, &right), i == j, "%s and %s", texts[i], texts[j]);
        }
    }
}

Test(address, a_path_and_a_name_made_from_parts_are_given_out_as_they_were)
{
    bide_address path, name, empty, unnamed = bide_address_unnamed(), none = {0}, ipv4 = bide_address_any(1);
    size_t length = 7;
    expect_error(bide_address_unix(&path, "@not/a name"), 0, "path");
    expect_text(&path, "unix:%40not/a name");
    cr_assert_str_eq(bide_address_path(&path, &length), "@not/a name");
    cr_assert_eq(length, 11, "%zu bytes", length);
    cr_assert_null(bide_address_name(&path, &length), "a path has a name");
    cr_assert_eq(length, 0, "%zu bytes of no name", length);

    expect_error(bide_address_abstract(&name, "a\0b", 3), 0, "name");
    expect_text(&name, "unix:@a%00b");
    cr_assert_eq(memcmp(bide_address_name(&name, &length), "a\0b", 3), 0, "another name");
    cr_assert_eq(length, 3, "%zu bytes", length);
    cr_assert_null(bide_address_path(&name, &length), "a name has a path");
    cr_assert_eq(length, 0, "%zu bytes of no path", length);

    expect_error(bide_address_abstract(&empty, NULL, 0), 0, "empty name");
    expect_text(&empty, "unix:@");
    cr_assert_not_null(bide_address_name(&empty, &length), "the empty name is none");
    cr_assert_eq(length, 0, "%zu bytes", length);
    cr_assert_not(bide_address_equal(&empty, &unnamed), "the empty name equals none");
    cr_assert_eq(bide_address_family(&unnamed), BIDE_FAMILY_UNIX, "unnamed is no Unix address");

    const bide_address *others[] = {&unnamed, &none, &ipv4, NULL};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        cr_assert_null(bide_address_path(others[i], NULL), "number %zu has a path", i);
        cr_assert_null(bide_address_name(others[i], NULL), "number %zu has a name", i);
    }
}

Test(address, unix_addresses_that_cannot_be_are_refused_by_name_and_change_nothing)
{
    char bytes[PATH_MOST + 2], text[sizeof bytes + 6];
    memset(bytes, 'x', sizeof bytes);
    bide_address address = bide_address_loopback(7);
    expect_error(bide_address_unix(&address, ""), BIDE_EINVAL, "empty");
    expect_error(bide_address_unix(&address, NULL), BIDE_EINVAL, "no path");
    expect_error(bide_address_unix(NULL, "/x"), BIDE_EINVAL, "no room");
    expect_error(bide_address_abstract(NULL, "x", 1), BIDE_EINVAL, "no room");
    expect_error(bide_address_abstract(&address, NULL, 1), BIDE_EINVAL, "no name");
    expect_error(bide_address_abstract(&address, bytes, PATH_MOST), BIDE_ENAMETOOLONG, "name");
    expect_error(bide_address_abstract(&address, bytes, SIZE_MAX), BIDE_ENAMETOOLONG, "endless name");
    bytes[PATH_MOST + 1] = '\0';
    expect_error(bide_address_unix(&address, bytes), BIDE_ENAMETOOLONG, "path");
    (void)snprintf(text, sizeof text, "unix:%s", bytes);
    expect_error(bide_address_parse(&address, text), BIDE_ENAMETOOLONG, text);
    bytes[PATH_MOST] = '\0';
    (void)snprintf(text, sizeof text, "unix:@%s", bytes);
    expect_error(bide_address_parse(&address, text), BIDE_ENAMETOOLONG, text);
    expect_text(&address, "127.0.0.1:7");
    expect_error(bide_address_unix(&address, bytes), 0, "the longest path");
    cr_assert_str_eq(bide_address_path(&address, NULL), bytes);
    bytes[PATH_MOST - 1] = '\0';
    expect_error(bide_address_abstract(&address, bytes, PATH_MOST - 1), 0, "the longest name");
}

/* Paths and names of any bytes: what is printed is read back as the same, and is printable. */
Test(address, any_unix_address_is_read_back_as_it_was)
{
    random_state = 1;
    for (int i = 0; i < 20000; i++) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        size_t length = random_below(PATH_MOST + 1);
        for (size_t j = 0; j < length; j++)
            un.sun_path[j] = i % 3 == 0 ? (char)random_below(256) : "@%/a\0\xff."[random_below(7)];
        bide_address address, again;
        char text[BIDE_ADDRESS_TEXT_MAX];
        expect_error(bide_address_from_system(&address, &un, offsetof(struct sockaddr_un, sun_path) + length),
                     0, "Unix");
        int printed = bide_address_format(&address, text, sizeof text);
        cr_assert_gt(printed, 0, "%zu bytes gave %d", length, printed);
        for (int j = 0; j < printed; j++)
            cr_assert(text[j] >= ' ' && text[j] < 0x7f, "byte %d of \"%s\"", j, text);
        expect_error(bide_address_parse(&again, text), 0, text);
        cr_assert(bide_address_equal(&address, &again), "\"%s\" is another", text);
    }
}

Test(address, the_wildcard_and_the_loopback_are_there_for_ipv6_too)
{
    bide_address any = bide_address_any_ipv6(65535), loopback = bide_address_loopback_ipv6(0);
    expect_text(&any, "[::]:65535");
    expect_text(&loopback, "[::1]:0");
}

/* --- from and to the system ----------------------------------------------------------------------------- */

Test(address, the_systems_form_comes_back_as_it_was)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(in.sin_zero, 0x55, sizeof in.sin_zero); /* padding, which the system may leave as it was */
    bide_address address, loopback = bide_address_loopback(80);
    expect_error(bide_address_from_system(&address, &in, sizeof in), 0, "IPv4");
    cr_assert(bide_address_equal(&address, &loopback), "padding makes a difference");
    size_t length = 0;
    const struct sockaddr *back = bide_address_sockaddr(&address, &length);
    cr_assert_eq(length, sizeof in, "%zu bytes", length);
    cr_assert_eq((uintptr_t)back % 8, 0, "%p is not aligned", (const void *)back);
    struct sockaddr_in same;
    memcpy(&same, back, sizeof same);
    cr_assert_eq(same.sin_family, AF_INET, "family %d", same.sin_family);
    cr_assert_eq(same.sin_port, in.sin_port, "port %u", (unsigned)ntohs(same.sin_port));
    cr_assert_eq(same.sin_addr.s_addr, in.sin_addr.s_addr, "address %x", (unsigned)same.sin_addr.s_addr);

    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443), .sin6_scope_id = 3};
    in6.sin6_addr = in6addr_loopback;
    in6.sin6_flowinfo = htonl(5);
    bide_address scoped = parsed("[::1%3]:443");
    expect_error(bide_address_from_system(&address, &in6, sizeof in6), 0, "IPv6");
    cr_assert(bide_address_equal(&address, &scoped), "the flow label makes a difference");
    cr_assert_eq(memcmp(bide_address_sockaddr(&address, &length), &in6, sizeof in6), 0, "IPv6 changed");
    cr_assert_eq(length, sizeof in6, "%zu bytes", length);
}

Test(address, the_systems_form_may_lie_in_the_address_itself_and_unaligned)
{
    bide_address address = bide_address_loopback(9);
    size_t length;
    const void *bytes = bide_address_sockaddr(&address, &length);
    expect_error(bide_address_from_system(&address, bytes, length), 0, "itself");
    expect_text(&address, "127.0.0.1:9");
    unsigned char odd[BIDE_ADDRESS_SIZE + 1];
    memcpy(odd + 1, bytes, length);
    expect_error(bide_address_from_system(&address, odd + 1, length), 0, "unaligned");
    expect_text(&address, "127.0.0.1:9");
}

Test(address, the_systems_form_of_a_wrong_length_or_family_is_refused)
{
    struct sockaddr_storage storage = {.ss_family = AF_INET};
    bide_address address = bide_address_loopback(7);
    expect_error(bide_address_from_system(NULL, &storage, sizeof(struct sockaddr_in)), BIDE_EINVAL,
                 "no room");
    expect_error(bide_address_from_system(&address, NULL, 16), BIDE_EINVAL, "no address");
    for (size_t length = 0; length < sizeof storage; length++)
        if (length != sizeof(struct sockaddr_in))
            expect_error(bide_address_from_system(&address, &storage, length), BIDE_EINVAL, "IPv4");
    storage.ss_family = AF_INET6;
    for (size_t length = 0; length < sizeof storage; length++)
        if (length != sizeof(struct sockaddr_in6))
            expect_error(bide_address_from_system(&address, &storage, length), BIDE_EINVAL, "IPv6");
    storage.ss_family = AF_UNIX;
    for (size_t length = sizeof(struct sockaddr_un) + 1; length <= sizeof storage; length++)
        expect_error(bide_address_from_system(&address, &storage, length), BIDE_EINVAL, "Unix");
    expect_error(bide_address_from_system(&address, &storage, sizeof storage + 1), BIDE_EINVAL, "too long");
    storage.ss_family = AF_UNSPEC;
    expect_error(bide_address_from_system(&address, &storage, 16), BIDE_EAFNOSUPPORT, "none");
    storage.ss_family = AF_MAX;
    expect_error(bide_address_from_system(&address, &storage, 16), BIDE_EAFNOSUPPORT, "unknown");
    expect_text(&address, "127.0.0.1:7");
}

Test(address, unix_paths_and_names_are_kept_and_printed)
{
    bide_address path = unix_address("/run/bide.sock", sizeof "/run/bide.sock");
    expect_text(&path, "unix:/run/bide.sock");
    bide_address name = unix_address("\0bide", 5), odd_name = unix_address("\0a\0b\n", 5);
    expect_text(&name, "unix:@bide");
    expect_text(&odd_name, "unix:@a%00b%0A");
    bide_address unnamed = unix_address("", 0);
    expect_text(&unnamed, "unix:");
    cr_assert_not(bide_address_equal(&path, &name), "a path equals a name");
    cr_assert_not(bide_address_equal(&name, &odd_name), "two names are equal");
    cr_assert_not(bide_address_equal(&name, &unnamed), "a name equals none");
    bide_address longer = unix_address("\0bide", 6);
    cr_assert_not(bide_address_equal(&name, &longer), "a zero byte in an abstract name makes no difference");
}

Test(address, a_unix_path_ends_at_its_zero_byte)
{
    static const char long_path[] = "/path\0and what was there before";
    bide_address with = unix_address("/path", 6), without = unix_address("/path", 5);
    bide_address rubbish = unix_address(long_path, sizeof long_path);
    expect_text(&rubbish, "unix:/path");
    cr_assert(bide_address_equal(&with, &without), "the zero byte makes a difference");
    cr_assert(bide_address_equal(&with, &rubbish), "what follows the zero byte makes a difference");
    size_t length = 0;
    const struct sockaddr_un *un = bide_address_sockaddr(&rubbish, &length);
    cr_assert_eq(length, offsetof(struct sockaddr_un, sun_path) + 6, "%zu bytes", length);
    cr_assert_str_eq(un->sun_path, "/path", "\"%s\"", un->sun_path);
}

Test(address, the_longest_unix_path_has_no_zero_byte)
{
    char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    bide_address longest = unix_address(path, sizeof path - 1), shorter = unix_address(path, sizeof path - 2);
    char text[sizeof path + 5];
    (void)snprintf(text, sizeof text, "unix:%s", path);
    expect_text(&longest, text);
    size_t length = 0;
    (void)bide_address_sockaddr(&longest, &length);
    cr_assert_eq(length, sizeof(struct sockaddr_un), "%zu bytes", length);
    cr_assert_not(bide_address_equal(&longest, &shorter), "the last byte makes no difference");
}

Test(address, what_a_socket_says_equals_what_it_was_bound_to)
{
    bide_address wanted = bide_address_loopback(0), bound;
    size_t length;
    const void *bytes = bide_address_sockaddr(&wanted, &length);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0, "no socket");
    cr_assert_eq(bind(fd, bytes, (socklen_t)length), 0, "bind failed");
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&storage, &size), 0, "getsockname failed");
    (void)close(fd);
    expect_error(bide_address_from_system(&bound, &storage, size), 0, "getsockname");
    cr_assert_neq(bide_address_port(&bound), 0, "no port");
    cr_assert_eq(bide_address_set_port(&wanted, bide_address_port(&bound)), 0, "no port to set");
    cr_assert(bide_address_equal(&wanted, &bound), "another address");
}
