/* Connecting to a host by its name: the order of its addresses, and what the report says.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_connect_host.h"

TestSuite(connect_host, .timeout = 60, .init = begin, .fini = end);

/* --- the order ------------------------------------------------------------------------------------------ */

/* All refused: all are tried, in the order in which they come. */
static void expect_order(const char *const *given, const char *const *expected, size_t count)
{
    bide_address answers[MOST_ANSWERS];
    bide_connect_report report;
    bide_async *conn;
    for (size_t i = 0; i < count; i++)
        answers[i] = parsed(given[i]);
    let_resolve_to(answers, count);
    int error = bide_tcp_connect_host(&conn, "host.example", 1, bide_after(LONG), &report);
    cr_assert_lt(error, 0);
    cr_assert_eq(report.count, count, "%zu of %zu were tried", report.count, count);
    for (size_t i = 0; i < count; i++)
        assert_address(&report.tries[i].address, expected[i]);
}

Test(connect_host, families_take_turns_from_the_one_that_the_resolver_prefers)
{
    /* Port 1 of the loopback is nobody's. */
    static const char *const given[] = {"[::1]:1", "[::ffff:127.0.0.9]:1", "[::ffff:127.0.0.8]:1",
                                        "127.0.0.1:1", "127.0.0.2:1"};
    static const char *const expected[] = {"[::1]:1", "127.0.0.1:1", "[::ffff:127.0.0.9]:1", "127.0.0.2:1",
                                           "[::ffff:127.0.0.8]:1"};
    expect_order(given, expected, 5);
    static const char *const preferring_ipv4[] = {"127.0.0.1:1", "127.0.0.2:1", "[::1]:1"};
    static const char *const alternating[] = {"127.0.0.1:1", "[::1]:1", "127.0.0.2:1"};
    expect_order(preferring_ipv4, alternating, 3);
    static const char *const alone[] = {"127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1"};
    expect_order(alone, alone, 3);
}

Test(connect_host, no_more_addresses_are_tried_than_there_is_room_for_and_both_families_have_their_share)
{
    bide_address answers[MOST_ANSWERS];
    for (int i = 0; i < MOST_ANSWERS; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, i < 20 ? "[::ffff:127.0.1.%d]:1" : "127.0.2.%d:1", i);
        answers[i] = parsed(text);
    }
    bide_connect_report report;
    bide_async *conn;
    let_resolve_to(answers, MOST_ANSWERS);
    cr_assert_lt(bide_tcp_connect_host(&conn, "host.example", 1, bide_after(LONG), &report), 0);
    cr_assert_eq(report.count, BIDE_CONNECT_TRIES);
    cr_assert_eq(report.known, MOST_ANSWERS);
    size_t ipv6 = 0;
    for (size_t i = 0; i < report.count; i++)
        ipv6 += bide_address_family(&report.tries[i].address) == BIDE_FAMILY_IPV6;
    cr_assert_eq(ipv6, BIDE_CONNECT_TRIES / 2);
}

/* --- the report ----------------------------------------------------------------------------------------- */

static void fill_report(bide_connect_report *report, size_t tries)
{
    memset(report, 0, sizeof *report);
    report->result = BIDE_ETIMEDOUT;
    report->took = BIDE_SECONDS(10.04);
    report->resolved = true;
    report->count = tries;
    for (size_t i = 0; i < tries; i++) {
        report->tries[i].address = parsed("[2001:db8:1111:2222:3333:4444:5555:6666]:65535");
        report->tries[i].error = BIDE_EDEADLK;
    }
}

Test(connect_host, a_report_is_one_line_of_text)
{
    bide_connect_report report;
    char text[BIDE_CONNECT_REPORT_TEXT_MAX];
    fill_report(&report, 2);
    report.tries[0].address = parsed("[::1]:80");
    report.tries[0].error = BIDE_ECONNREFUSED;
    report.tries[1].address = parsed("192.0.2.1:80");
    report.tries[1].error = BIDE_ECANCELED;
    static const char expected[] = "timed out after 10.0 s; tried [::1]:80 refused, 192.0.2.1:80 no answer";
    cr_assert_eq(bide_connect_report_format(&report, text, sizeof text), (int)strlen(expected));
    cr_assert_str_eq(text, expected);
    report.took = BIDE_MILLISECONDS(999);
    report.tries[0].error = BIDE_ENETUNREACH;
    cr_assert_gt(bide_connect_report_format(&report, text, sizeof text), 0);
    cr_assert_str_eq(text,
                     "timed out after 999 ms; tried [::1]:80 network unreachable, 192.0.2.1:80 no answer");
}

Test(connect_host, a_report_that_does_not_fit_is_an_error_and_the_room_promised_is_enough)
{
    bide_connect_report report;
    char text[BIDE_CONNECT_REPORT_TEXT_MAX];
    fill_report(&report, BIDE_CONNECT_TRIES);
    int length = bide_connect_report_format(&report, text, sizeof text);
    cr_assert_gt(length, 0);
    cr_assert_eq(strlen(text), (size_t)length);
    for (int capacity = 1; capacity <= length; capacity++) {
        text[0] = 'x';
        cr_assert_gives(bide_connect_report_format(&report, text, (size_t)capacity), BIDE_ENOSPC);
        cr_assert_eq(text[0], '\0');
    }
    cr_assert_gives(bide_connect_report_format(&report, text, (size_t)length + 1), length);
    cr_assert_gives(bide_connect_report_format(&report, text, 0), BIDE_EINVAL);
    cr_assert_gives(bide_connect_report_format(&report, NULL, 10), BIDE_EINVAL);
    cr_assert_gives(bide_connect_report_format(NULL, text, 10), BIDE_EINVAL);
}

Test(connect_host, null_is_borne)
{
    bide_async *conn;
    bide_connect_report report;
    bide_tcp_host_connecting_init(NULL, "host.example", 80, NULL);
    bide_host_connecting_set_delay(NULL, 0);
    cr_assert_gives(bide_tcp_connect_host(NULL, "host.example", 80, BIDE_NEVER, &report), BIDE_EINVAL);
    cr_assert_gives(bide_tcp_connect_host(&conn, NULL, 80, BIDE_NEVER, &report), BIDE_EINVAL);
    cr_assert_gives(report.result, BIDE_EINVAL);
}
