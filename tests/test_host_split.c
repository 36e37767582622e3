/* "host:port" as text.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_async.h"

#include <bide/host.h>

#include <string.h>

TestSuite(host_split, .timeout = 10);

Test(host_split, text_is_split_into_a_host_and_a_port)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {{"www.example.org:80", "www.example.org", 80},
                {"192.0.2.1:0", "192.0.2.1", 0},
                {"[2001:db8::1]:65535", "2001:db8::1", 65535},
                {"[fe80::1%eth0]:1", "fe80::1%eth0", 1}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char host[BIDE_HOST_MAX];
        uint16_t port = 7;
        cr_assert_ok(bide_host_split(good[i].text, host, sizeof host, &port));
        cr_assert_str_eq(host, good[i].host);
        cr_assert_eq(port, good[i].port, "%s: port %u", good[i].text, port);
        cr_assert_ok(bide_host_split(good[i].text, host, strlen(good[i].host) + 1, &port));
        cr_assert_gives(bide_host_split(good[i].text, host, strlen(good[i].host), &port), BIDE_ENAMETOOLONG);
        cr_assert_str_eq(host, "");
    }
    static const struct {
        const char *text;
        int error;
    } bad[] = {{"", BIDE_EADDRSYNTAX},       {"host", BIDE_EADDRSYNTAX},      {":80", BIDE_EADDRSYNTAX},
               {"host:", BIDE_EADDRSYNTAX},  {"host:8o", BIDE_EADDRSYNTAX},   {"host:-1", BIDE_EADDRSYNTAX},
               {"::1:80", BIDE_EADDRSYNTAX}, {"[::1:80", BIDE_EADDRSYNTAX},   {"[::1]80", BIDE_EADDRSYNTAX},
               {"[]:80", BIDE_EADDRSYNTAX},  {"host:65536", BIDE_EPORTRANGE}, {"host: 80", BIDE_EADDRSYNTAX}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char host[BIDE_HOST_MAX] = "before";
        uint16_t port = 7;
        int error = bide_host_split(bad[i].text, host, sizeof host, &port);
        cr_assert_eq(error, bad[i].error, "%s: %s", bad[i].text, bide_error_name(error));
        cr_assert_str_eq(host, "");
        cr_assert_eq(port, 7);
    }
    char host[1];
    uint16_t port;
    cr_assert_gives(bide_host_split(NULL, host, 1, &port), BIDE_EINVAL);
    cr_assert_gives(bide_host_split("a:1", NULL, 1, &port), BIDE_EINVAL);
    cr_assert_gives(bide_host_split("a:1", host, 0, &port), BIDE_EINVAL);
    cr_assert_gives(bide_host_split("a:1", host, 1, NULL), BIDE_EINVAL);
}
