/* Socket addresses as text: what is parsed and what is refused, round trips, printing.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_address.h"

TestSuite(address, .timeout = 30);

/* The name of interface 7, if a test has set one: see a_scope_is_printed_so_that_it_is_read_back. */
static const char *name_of_seven;

char *__real_if_indextoname(unsigned index, char *name);
char *__wrap_if_indextoname(unsigned index, char *name);
char *__wrap_if_indextoname(unsigned index, char *name)
{
    if (index != 7 || !name_of_seven) return __real_if_indextoname(index, name);
    return strcpy(name, name_of_seven);
}

/* --- parsing -------------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    const char *again; /* what it prints as, if something else */
    bide_family family;
    uint16_t port;
} good[] = {
    {"127.0.0.1:80", NULL, BIDE_FAMILY_IPV4, 80},
    {"0.0.0.0:0", NULL, BIDE_FAMILY_IPV4, 0},
    {"255.255.255.255:65535", NULL, BIDE_FAMILY_IPV4, 65535},
    {"1.2.3.4:00080", "1.2.3.4:80", BIDE_FAMILY_IPV4, 80},
    {"[::1]:80", NULL, BIDE_FAMILY_IPV6, 80},
    {"[::]:0", NULL, BIDE_FAMILY_IPV6, 0},
    {"[2001:db8::8a2e:370:7334]:65535", NULL, BIDE_FAMILY_IPV6, 65535},
    {"[2001:DB8:0:0:0:0:0:1]:443", "[2001:db8::1]:443", BIDE_FAMILY_IPV6, 443},
    {"[::ffff:192.0.2.1]:1", NULL, BIDE_FAMILY_IPV6, 1},
    {"[1:2:3:4:5:6:7:8]:8080", NULL, BIDE_FAMILY_IPV6, 8080},
    {"[fe80::1%4294967295]:7", NULL, BIDE_FAMILY_IPV6, 7},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295]:65535",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535", BIDE_FAMILY_IPV6, 65535},
    {"[fe80::1%0]:7", "[fe80::1]:7", BIDE_FAMILY_IPV6, 7},
    {"unix:/run/bide.sock", NULL, BIDE_FAMILY_UNIX, 0},
    {"unix:relative/a b:80", NULL, BIDE_FAMILY_UNIX, 0},
    {"unix:unix:", NULL, BIDE_FAMILY_UNIX, 0},
    {"unix:/100%25", NULL, BIDE_FAMILY_UNIX, 0},
    {"unix:%40file", NULL, BIDE_FAMILY_UNIX, 0},
    {"unix:a@b", NULL, BIDE_FAMILY_UNIX, 0},
    {"unix:/%66\xc3\xbc\n", "unix:/f%C3%BC%0A", BIDE_FAMILY_UNIX, 0},
    {"unix:@name", NULL, BIDE_FAMILY_UNIX, 0},
    {"unix:@", NULL, BIDE_FAMILY_UNIX, 0},
    {"unix:@@%00%ff%7f", "unix:@@%00%FF%7F", BIDE_FAMILY_UNIX, 0},
    {"unix:", NULL, BIDE_FAMILY_UNIX, 0},
};

Test(address, well_formed_text_is_parsed_and_printed_again)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        bide_address address = parsed(good[i].text);
        cr_assert_eq(bide_address_family(&address), good[i].family, "%s: family %d", good[i].text,
                     bide_address_family(&address));
        cr_assert_eq(bide_address_port(&address), good[i].port, "%s: port %u", good[i].text,
                     (unsigned)bide_address_port(&address));
        const char *text = good[i].again ? good[i].again : good[i].text;
        expect_text(&address, text);
        bide_address again = parsed(text);
        cr_assert(bide_address_equal(&address, &again), "%s does not equal %s", good[i].text, text);
    }
}

static const struct {
    const char *text;
    int error;
} bad[] = {
    {"", BIDE_EADDRSYNTAX},
    {":", BIDE_EADDRSYNTAX},
    {":80", BIDE_EADDRSYNTAX},
    {"80", BIDE_EADDRSYNTAX},
    {"127.0.0.1", BIDE_EADDRSYNTAX},
    {"127.0.0.1:", BIDE_EADDRSYNTAX},
    {"127.0.0.1:+80", BIDE_EADDRSYNTAX},
    {"127.0.0.1:-1", BIDE_EADDRSYNTAX},
    {"127.0.0.1:0x50", BIDE_EADDRSYNTAX},
    {"127.0.0.1:http", BIDE_EADDRSYNTAX},
    {"127.0.0.1:80 ", BIDE_EADDRSYNTAX},
    {"127.0.0.1:80\n", BIDE_EADDRSYNTAX},
    {" 127.0.0.1:80", BIDE_EADDRSYNTAX},
    {"127.0.0.1 :80", BIDE_EADDRSYNTAX},
    {"127.0.0.1: 80", BIDE_EADDRSYNTAX},
    {"127.0.0.1:80:90", BIDE_EADDRSYNTAX},
    {"127.0.0:80", BIDE_EADDRSYNTAX},
    {"127.1:80", BIDE_EADDRSYNTAX},
    {"2130706433:80", BIDE_EADDRSYNTAX},
    {"127.0.0.0.1:80", BIDE_EADDRSYNTAX},
    {"127.0.0.:80", BIDE_EADDRSYNTAX},
    {"127.0.0.256:80", BIDE_EADDRSYNTAX},
    {"127.0.0.01:80", BIDE_EADDRSYNTAX},
    {"0x7f.0.0.1:80", BIDE_EADDRSYNTAX},
    {"127.0.0.-1:80", BIDE_EADDRSYNTAX},
    {"127.0.0.1%lo:80", BIDE_EADDRSYNTAX},
    {"[127.0.0.1]:80", BIDE_EADDRSYNTAX},
    {"localhost:80", BIDE_EADDRSYNTAX},
    {"::1:80", BIDE_EADDRSYNTAX},
    {"[::1]", BIDE_EADDRSYNTAX},
    {"[::1]80", BIDE_EADDRSYNTAX},
    {"[::1]:", BIDE_EADDRSYNTAX},
    {"[::1]:80]", BIDE_EADDRSYNTAX},
    {"[::1:80", BIDE_EADDRSYNTAX},
    {"::1]:80", BIDE_EADDRSYNTAX},
    {"[]:80", BIDE_EADDRSYNTAX},
    {"[[::1]]:80", BIDE_EADDRSYNTAX},
    {"[ ::1]:80", BIDE_EADDRSYNTAX},
    {"[:::1]:80", BIDE_EADDRSYNTAX},
    {"[1::2::3]:80", BIDE_EADDRSYNTAX},
    {"[1:2:3:4:5:6:7]:80", BIDE_EADDRSYNTAX},
    {"[1:2:3:4:5:6:7:8:9]:80", BIDE_EADDRSYNTAX},
    {"[12345::]:80", BIDE_EADDRSYNTAX},
    {"[g::]:80", BIDE_EADDRSYNTAX},
    {"[fe80::1%]:80", BIDE_EADDRSYNTAX},
    {"[fe80::1%4294967296]:80", BIDE_EADDRSYNTAX},
    {"[fe80::1%2x]:80", BIDE_EADDRSYNTAX},
    {"[fe80::1%a_name_too_long_for_an_interface]:80", BIDE_EADDRSYNTAX},
    {"[%lo]:80", BIDE_EADDRSYNTAX},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%no_such_name_xx]:80", BIDE_ENODEV},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%no_such_name_xxx]:80", BIDE_EADDRSYNTAX},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%no_such_name_xxxx]:80", BIDE_EADDRSYNTAX},
    {"[fe80::1%no-such-if]:80", BIDE_ENODEV},
    {"127.0.0.1:65536", BIDE_EPORTRANGE},
    {"127.0.0.1:100000", BIDE_EPORTRANGE},
    {"127.0.0.1:99999999999999999999999999", BIDE_EPORTRANGE},
    {"127.0.0.1:4294967376", BIDE_EPORTRANGE},
    {"127.0.0.1:18446744073709551696", BIDE_EPORTRANGE},
    {"[::1]:65536", BIDE_EPORTRANGE},
    {"127.0.0.256:65536", BIDE_EADDRSYNTAX},
    {"[g::]:65536", BIDE_EADDRSYNTAX},
    {"127.0.0.1:65536x", BIDE_EADDRSYNTAX},
    {"unix", BIDE_EADDRSYNTAX},
    {"unix/", BIDE_EADDRSYNTAX},
    {"Unix:/path", BIDE_EADDRSYNTAX},
    {" unix:/path", BIDE_EADDRSYNTAX},
    {"/path", BIDE_EADDRSYNTAX},
    {"@name", BIDE_EADDRSYNTAX},
    {"(none)", BIDE_EADDRSYNTAX},
    {"unix:%", BIDE_EADDRSYNTAX},
    {"unix:/a%2", BIDE_EADDRSYNTAX},
    {"unix:/a%2g", BIDE_EADDRSYNTAX},
    {"unix:/a%g2", BIDE_EADDRSYNTAX},
    {"unix:/a%%25", BIDE_EADDRSYNTAX},
    {"unix:/a%00b", BIDE_EADDRSYNTAX},
    {"unix:@%", BIDE_EADDRSYNTAX},
    {"unix:@%0", BIDE_EADDRSYNTAX},
};

Test(address, malformed_text_is_refused_by_name_and_changes_nothing)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bide_address address = bide_address_loopback(7);
        expect_error(bide_address_parse(&address, bad[i].text), bad[i].error, bad[i].text);
        expect_text(&address, "127.0.0.1:7");
    }
}

Test(address, parsing_nothing_is_an_invalid_argument)
{
    bide_address address;
    expect_error(bide_address_parse(&address, NULL), BIDE_EINVAL, "no text");
    expect_error(bide_address_parse(NULL, "127.0.0.1:80"), BIDE_EINVAL, "no room");
    expect_error(bide_address_parse(NULL, NULL), BIDE_EINVAL, "neither");
}

Test(address, a_scope_is_an_interface_by_name_or_index)
{
    char name[IF_NAMESIZE], text[64], by_name[64];
    struct if_nameindex *all = if_nameindex();
    if (!all || all->if_index == 0) {
        if (all) if_freenameindex(all);
        BIDE_SKIP("this machine has no network interface");
    }
    unsigned index = all->if_index;
    (void)snprintf(name, sizeof name, "%s", all->if_name);
    if_freenameindex(all);

    (void)snprintf(by_name, sizeof by_name, "[fe80::1%%%s]:80", name);
    (void)snprintf(text, sizeof text, "[fe80::1%%%u]:80", index);
    bide_address named = parsed(by_name), indexed = parsed(text), none = parsed("[fe80::1]:80");
    cr_assert(bide_address_equal(&named, &indexed), "%s does not equal %s", by_name, text);
    cr_assert_not(bide_address_equal(&named, &none), "the scope %s makes no difference", name);
    expect_text(&indexed, by_name);
    struct sockaddr_in6 in;
    memcpy(&in, bide_address_sockaddr(&named, NULL), sizeof in);
    cr_assert_eq(in.sin6_scope_id, index, "scope %u, not %u", (unsigned)in.sin6_scope_id, index);
}

/* Interfaces may be called "3" and "a]b" as well. */
Test(address, a_scope_is_printed_so_that_it_is_read_back)
{
    static const struct {
        const char *name, *text;
    } cases[] = {{"eth7", "[fe80::1%eth7]:80"}, {"3", "[fe80::1%7]:80"},   {"3com", "[fe80::1%7]:80"},
                 {"a]b", "[fe80::1%7]:80"},     {"a%b", "[fe80::1%7]:80"}, {"-[", "[fe80::1%-[]:80"}};
    bide_address address = parsed("[fe80::1%7]:80");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        name_of_seven = cases[i].name;
        expect_text(&address, cases[i].text);
    }
}

/* In memory of its exact size, so that the address sanitizer sees a byte read too many. */
static int parse_exactly(bide_address *out, const char *text, size_t length)
{
    char *copy = malloc(length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    int error = bide_address_parse(out, copy);
    free(copy);
    return error;
}

Test(address, any_text_is_parsed_or_refused)
{
    static const char alphabet[] = "0123456789abcdef:.[]%]: lo@\xff\x01";
    const char *seed = getenv("BIDE_TEST_SEED");
    random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)bide_now().ns | 1;
    cr_log_info("seed %llu", (unsigned long long)random_state);
    int accepted = 0;
    for (int i = 0; i < 100000; i++) {
        char text[96];
        const char *model = good[random_below(sizeof good / sizeof *good)].text;
        size_t length = strlen(model);
        memcpy(text, model, length);
        for (uint32_t changes = random_below(4); changes > 0 && length > 0; changes--) {
            size_t place = random_below((uint32_t)length);
            switch (random_below(3)) {
            case 0: text[place] = alphabet[random_below(sizeof alphabet - 1)]; break;
            case 1: memmove(text + place, text + place + 1, --length - place); break;
            default:
                memmove(text + place + 1, text + place, length++ - place);
                text[place] = alphabet[random_below(sizeof alphabet - 1)];
            }
        }
        bide_address address, again;
        int error = parse_exactly(&address, text, length);
        cr_assert(error == 0 || error == BIDE_EADDRSYNTAX || error == BIDE_EPORTRANGE || error == BIDE_ENODEV,
                  "\"%.*s\" gave %s", (int)length, text, bide_error_name(error));
        if (error) continue;
        accepted++;
        char printed[BIDE_ADDRESS_TEXT_MAX];
        cr_assert_gt(bide_address_format(&address, printed, sizeof printed), 0, "\"%.*s\" does not print",
                     (int)length, text);
        expect_error(bide_address_parse(&again, printed), 0, printed);
        cr_assert(bide_address_equal(&address, &again), "\"%.*s\" became \"%s\"", (int)length, text, printed);
    }
    cr_assert_gt(accepted, 10000, "only %d were well-formed", accepted);
}

/* --- printing ------------------------------------------------------------------------------------------- */

Test(address, a_buffer_too_small_holds_no_text_and_the_error_says_so)
{
    bide_address addresses[] = {parsed("127.0.0.1:65535"), parsed("[2001:db8::1]:80"),
                                unix_address("/path", 6),  unix_address("\0name", 5),
                                unix_address("", 0),       {{{0}}, 0}};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        char whole[BIDE_ADDRESS_TEXT_MAX];
        int length = bide_address_format(&addresses[i], whole, sizeof whole);
        cr_assert_gt(length, 0, "number %zu gave %d", i, length);
        for (size_t capacity = 0; capacity <= (size_t)length + 2; capacity++) {
            char *text = malloc(capacity ? capacity : 1); /* of its exact size, for the address sanitizer */
            *text = 'x';
            int result = bide_address_format(&addresses[i], text, capacity);
            int expected = capacity == 0 ? BIDE_EINVAL : capacity <= (size_t)length ? BIDE_ENOSPC : length;
            cr_assert_eq(result, expected, "%s in %zu bytes: %d, not %d", whole, capacity, result, expected);
            if (capacity == 0)
                cr_assert_eq(*text, 'x', "%s was written into no room", whole);
            else
                cr_assert_str_eq(text, result < 0 ? "" : whole, "%s in %zu bytes: \"%s\"", whole, capacity,
                                 text);
            free(text);
        }
    }
}

Test(address, printing_nothing_is_an_invalid_argument)
{
    char text[BIDE_ADDRESS_TEXT_MAX];
    bide_address address = bide_address_loopback(1);
    expect_error(bide_address_format(NULL, text, sizeof text), BIDE_EINVAL, "no address");
    expect_error(bide_address_format(&address, NULL, sizeof text), BIDE_EINVAL, "no buffer");
    expect_error(bide_address_format(&address, text, 0), BIDE_EINVAL, "no capacity");
}
