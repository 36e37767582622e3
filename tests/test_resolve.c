/* Looking names up: by the system's resolver, and by one that does what the test wants.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_resolve.h"

#include <sys/wait.h>

static struct inventory before;

static void begin(void)
{
    before = inventory_now();
}

static void end(void)
{
    resolver.open = true;
    expect_nothing_left(before);
    cr_assert_eq(resolver.lists, 0, "%d lists of the resolver are left", resolver.lists);
}

TestSuite(resolve, .timeout = 60, .init = begin, .fini = end);

static struct counter nobody;

/* --- without asking ------------------------------------------------------------------------------------- */

Test(resolve, numeric_addresses_are_answered_at_once_without_a_thread)
{
    static const struct {
        const char *host;
        const char *expected;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1:80"},
        {"192.0.2.255", "192.0.2.255:80"},
        {"::1", "[::1]:80"},
        {"2001:DB8::1", "[2001:db8::1]:80"},
        {"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:80"},
        {"fe80::1%lo", "[fe80::1%lo]:80"},
    };
    bide_set_threads(false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bide_addresses found;
        cr_assert_ok(bide_resolve(&found, cases[i].host, 80, BIDE_NOW));
        cr_assert_eq(found.count, 1);
        assert_address(&found.at[0], cases[i].expected);
        bide_addresses_free(&found);
        bide_addresses_free(&found);
        cr_assert_null(found.at);
    }
    cr_assert_eq(resolver.calls, 0);
}

Test(resolve, what_is_no_name_is_refused_without_asking)
{
    static char long_label[] = "a123456789012345678901234567890123456789012345678901234567890123.example";
    static char long_name[300];
    memset(long_name, 'a', sizeof long_name - 1);
    for (size_t i = 10; i < sizeof long_name - 1; i += 10)
        long_name[i] = '.';
    static char just_too_long[255];
    memcpy(just_too_long, long_name, sizeof just_too_long - 1);
    static const struct {
        const char *host;
        int error;
    } cases[] = {
        {"", BIDE_ERESOLVE_SYNTAX},
        {".", BIDE_ERESOLVE_SYNTAX},
        {".example", BIDE_ERESOLVE_SYNTAX},
        {"a..example", BIDE_ERESOLVE_SYNTAX},
        {"example..", BIDE_ERESOLVE_SYNTAX},
        {"-example", BIDE_ERESOLVE_SYNTAX},
        {"two words", BIDE_ERESOLVE_SYNTAX},
        {"tab\t", BIDE_ERESOLVE_SYNTAX},
        {"line\n", BIDE_ERESOLVE_SYNTAX},
        {"user@example", BIDE_ERESOLVE_SYNTAX},
        {"example/path", BIDE_ERESOLVE_SYNTAX},
        {"b\xc3\xbc"
         "cher.example",
         BIDE_ERESOLVE_SYNTAX},
        {"example:80", BIDE_ERESOLVE_SYNTAX},
        {"[::1]", BIDE_ERESOLVE_SYNTAX},
        {":::", BIDE_ERESOLVE_SYNTAX},
        {"unix", 0},
        {"127.1", BIDE_ERESOLVE_SYNTAX},
        {"2130706433", BIDE_ERESOLVE_SYNTAX},
        {"0x7f000001", BIDE_ERESOLVE_SYNTAX},
        {"0x7f.1", BIDE_ERESOLVE_SYNTAX},
        {"127.0.0.1.", BIDE_ERESOLVE_SYNTAX},
        {"127.0.0.256", BIDE_ERESOLVE_SYNTAX},
        {"fe80::1%no-such-if0", BIDE_ENODEV},
        {long_label, BIDE_ENAMETOOLONG},
        {long_name, BIDE_ENAMETOOLONG},
        {just_too_long, BIDE_ENAMETOOLONG},
        {NULL, BIDE_EINVAL},
    };
    resolver.code = EAI_NONAME;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bide_addresses found;
        int expected = cases[i].error ? cases[i].error : BIDE_ERESOLVE_NONAME;
        int error = bide_resolve(&found, cases[i].host, 80, BIDE_NEVER);
        cr_assert_eq(error, expected, "%s gave %s instead of %s", cases[i].host, bide_error_name(error),
                     bide_error_name(expected));
        cr_assert_eq(found.count, 0);
    }
    cr_assert_eq(resolver.calls, 1);
}

Test(resolve, names_as_they_are_in_the_world_are_asked_for)
{
    static const char *const names[] = {
        "example",         "www.example.org.", "a-b.c_d.example",      "_dmarc.example",
        "x1.3com.example", "1e100.net",        "xn--bcher-kva.example"};
    static char longest[254];
    memset(longest, 'a', sizeof longest - 1);
    for (size_t i = 50; i < sizeof longest - 1; i += 51)
        longest[i] = '.';
    resolver.code = EAI_NONAME;
    for (size_t i = 0; i <= sizeof names / sizeof *names; i++) {
        const char *name = i < sizeof names / sizeof *names ? names[i] : longest;
        bide_addresses found;
        cr_assert_gives(bide_resolve(&found, name, 80, BIDE_NEVER), BIDE_ERESOLVE_NONAME);
        cr_assert_str_eq(resolver.host, name);
    }
}

/* --- the system's resolver ------------------------------------------------------------------------------ */

Test(resolve, localhost_is_this_machine)
{
    static const char *const names[] = {"localhost", "LocalHost", "localhost."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bide_addresses found;
        cr_assert_ok(bide_resolve(&found, names[i], 8080, bide_after(LONG)));
        cr_assert_gt(found.count, 0);
        for (size_t k = 0; k < found.count; k++) {
            char text[BIDE_ADDRESS_TEXT_MAX];
            (void)bide_address_format(&found.at[k], text, sizeof text);
            cr_assert(strcmp(text, "[::1]:8080") == 0 || strncmp(text, "127.", 4) == 0, "%s", text);
            cr_assert_eq(bide_address_port(&found.at[k]), 8080);
        }
        bide_addresses_free(&found);
        cr_assert_eq(resolver.hints.ai_flags & AI_ADDRCONFIG, 0, "loopback addresses are left out");
    }
}

Test(resolve, names_of_the_hosts_file_are_found)
{
    char name[BIDE_HOST_MAX] = "", address[64] = "", line[512];
    FILE *hosts = fopen("/etc/hosts", "re");
    if (!hosts) BIDE_SKIP("no /etc/hosts here");
    while (fgets(line, sizeof line, hosts))
        if (sscanf(line, " 127.%60s %255s", address, name) == 2 && strcmp(name, "localhost") != 0) break;
    (void)fclose(hosts);
    if (!*name || !strcmp(name, "localhost")) BIDE_SKIP("no name but localhost in /etc/hosts");
    bide_addresses found;
    cr_assert_ok(bide_resolve(&found, name, 1, bide_after(LONG)));
    cr_assert_gt(found.count, 0);
    bide_addresses_free(&found);
}

Test(resolve, a_name_that_does_not_exist_is_an_error_in_words)
{
    bide_addresses found;
    int error = bide_resolve(&found, "no-such-host.invalid", 80, bide_after(BIDE_SECONDS(30)));
    /* Without any name server it is "not now" or "failed". */
    cr_assert(error <= BIDE_ERESOLVE_NONAME && error >= BIDE_ERESOLVE_SYNTAX, "%s", bide_error_name(error));
    cr_assert_eq(found.count, 0);
    cr_assert_null(found.at);
}

Test(resolve, services_are_looked_up_or_read_as_numbers)
{
    static const struct {
        const char *service;
        int error;
        int port;
    } cases[] = {{"http", 0, 80},
                 {"8080", 0, 8080},
                 {"0", 0, 0},
                 {"65535", 0, 65535},
                 {"65536", BIDE_ERESOLVE_SERVICE, 0},
                 {"123456", BIDE_ERESOLVE_SERVICE, 0},
                 {"", BIDE_ERESOLVE_SERVICE, 0},
                 {"no-such-service", BIDE_ERESOLVE_SERVICE, 0},
                 {"a-service-name-that-is-far-too-long", BIDE_ENAMETOOLONG, 0},
                 {NULL, BIDE_EINVAL, 0}};
    FILE *services = fopen("/etc/services", "re");
    bool known = services != NULL;
    if (services) (void)fclose(services);
    for (size_t i = known ? 0 : 1; i < sizeof cases / sizeof *cases; i++) {
        bide_resolving resolving;
        bide_resolving_init_service(&resolving, "127.0.0.1", cases[i].service, BIDE_FAMILY_NONE);
        cr_assert_ok(bide_block_on(&resolving.future));
        cr_assert_eq(resolving.result, cases[i].error, "%s gave %s", cases[i].service,
                     bide_error_name(resolving.result));
        if (resolving.result == 0) cr_assert_eq(bide_address_port(&resolving.addresses.at[0]), cases[i].port);
        bide_addresses_free(&resolving.addresses);
    }
}

/* --- a resolver of our own ------------------------------------------------------------------------------ */

Test(resolve, addresses_keep_the_resolvers_order_and_come_once_each)
{
    const bide_address answers[] = {parsed("[2001:db8::1]:9"), parsed("192.0.2.1:9"),
                                    parsed("[2001:db8::1]:9"), parsed("192.0.2.2:9")};
    bide_addresses found;
    resolver.answers = answers;
    resolver.count = 4;
    cr_assert_ok(bide_resolve(&found, "host.example", 80, BIDE_NEVER));
    cr_assert_eq(found.count, 3);
    assert_address(&found.at[0], "[2001:db8::1]:80");
    assert_address(&found.at[1], "192.0.2.1:80");
    assert_address(&found.at[2], "192.0.2.2:80");
    bide_addresses_free(&found);
    cr_assert_neq(resolver.hints.ai_flags & AI_ADDRCONFIG, 0);
    cr_assert_eq(resolver.hints.ai_family, AF_UNSPEC);
}

Test(resolve, a_family_may_be_asked_for)
{
    const bide_address answers[] = {parsed("192.0.2.1:9")};
    resolver.answers = answers;
    resolver.count = 1;
    bide_resolving resolving;
    bide_resolving_init(&resolving, "host.example", 80, BIDE_FAMILY_IPV4);
    cr_assert_ok(bide_block_on(&resolving.future));
    cr_assert_ok(resolving.result);
    cr_assert_eq(resolver.hints.ai_family, AF_INET);
    bide_addresses_free(&resolving.addresses);
    bide_resolving_init(&resolving, "::1", 80, BIDE_FAMILY_IPV4);
    cr_assert_ok(bide_block_on(&resolving.future));
    cr_assert_gives(resolving.result, BIDE_ERESOLVE_NODATA);
    bide_resolving_init(&resolving, "::1", 80, BIDE_FAMILY_UNIX);
    cr_assert_ok(bide_block_on(&resolving.future));
    cr_assert_gives(resolving.result, BIDE_EINVAL);
}

Test(resolve, errors_of_the_resolver_have_names_of_their_own)
{
    static const struct {
        int code;
        int error;
    } cases[] = {{EAI_NONAME, BIDE_ERESOLVE_NONAME},
                 {EAI_NODATA, BIDE_ERESOLVE_NODATA},
                 {EAI_ADDRFAMILY, BIDE_ERESOLVE_NODATA},
                 {EAI_AGAIN, BIDE_ERESOLVE_AGAIN},
                 {EAI_FAIL, BIDE_ERESOLVE_FAIL},
                 {EAI_MEMORY, BIDE_ENOMEM},
                 {EAI_SYSTEM, BIDE_EMFILE},
                 {EAI_SERVICE, BIDE_ERESOLVE_SERVICE},
                 {EAI_FAMILY, BIDE_EAFNOSUPPORT},
                 {EAI_OVERFLOW, BIDE_ERESOLVE_FAIL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bide_addresses found;
        resolver.code = cases[i].code;
        cr_assert_gives(bide_resolve(&found, "host.example", 80, BIDE_NEVER), cases[i].error);
        cr_assert_str_neq(bide_strerror(cases[i].error), bide_strerror(-1000));
    }
}

Test(resolve, an_answer_without_addresses_is_none)
{
    const bide_address answers[] = {parsed("unix:/tmp/x")};
    bide_addresses found;
    resolver.answers = answers;
    cr_assert_gives(bide_resolve(&found, "host.example", 80, BIDE_NEVER), BIDE_ERESOLVE_NODATA);
    bide_resolving resolving;
    bide_resolving_init(NULL, "host.example", 80, BIDE_FAMILY_NONE);
    bide_resolving_init_service(NULL, "host.example", "http", BIDE_FAMILY_NONE);
    bide_resolving_init(&resolving, NULL, 80, BIDE_FAMILY_NONE);
    cr_assert_ok(bide_block_on(&resolving.future));
    cr_assert_gives(resolving.result, BIDE_EINVAL);
    cr_assert_gives(bide_resolve(NULL, "host.example", 80, BIDE_NEVER), BIDE_EINVAL);
    bide_addresses_free(NULL);
}

/* --- a resolver that hangs ------------------------------------------------------------------------------ */

Test(resolve, a_deadline_does_not_wait_for_the_resolver)
{
    resolver.slow = true;
    bide_addresses found;
    bide_instant began = bide_now();
    cr_assert_gives(bide_resolve(&found, "host.example", 80, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_geq(bide_instant_since(bide_now(), began), SHORT);
    cr_assert_eq(resolver.ended, 0, "it was waited for");
    cr_assert_gives(bide_resolve(&found, "host.example", 80, BIDE_NOW), BIDE_EAGAIN);
    /* It ends by itself, and what it found is dropped: the fini looks for what is left. */
    const bide_address answers[] = {parsed("192.0.2.1:9")};
    resolver.answers = answers;
    resolver.count = 1;
    resolver.open = true;
    cr_assert_ok(bide_shutdown());
    cr_assert_eq(resolver.ended, resolver.calls);
    cr_assert_eq(resolver.lists, 0);
}

Test(resolve, a_look_up_that_is_cancelled_leaves_its_storage_at_once)
{
    resolver.slow = true;
    bide_resolving *resolving = malloc(sizeof *resolving);
    cr_assert_not_null(resolving);
    bide_resolving_init(resolving, "host.example", 80, BIDE_FAMILY_NONE);
    cr_assert_gives(poll_with(&resolving->future, counting(&nobody)), BIDE_PENDING);
    AWAIT(resolver.calls == 1);
    cr_assert_gives(cancel_with(&resolving->future, counting(&nobody)), BIDE_READY);
    cr_assert_gives(resolving->result, BIDE_ECANCELED);
    cr_assert_null(resolving->addresses.at);
    memset(resolving, 0xff, sizeof *resolving);
    free(resolving);
    resolver.code = EAI_AGAIN;
    resolver.open = true;
    AWAIT(resolver.ended == 1);
}

/* The answer has come, but nobody has polled since. */
Test(resolve, an_answer_that_nobody_took_is_freed_by_the_cancel)
{
    const bide_address answers[] = {parsed("192.0.2.1:9")};
    resolver.answers = answers;
    resolver.count = 1;
    struct counter counter = {0};
    bide_resolving resolving;
    bide_resolving_init(&resolving, "host.example", 80, BIDE_FAMILY_NONE);
    cr_assert_gives(poll_with(&resolving.future, counting(&counter)), BIDE_PENDING);
    AWAIT(counter.wakes == 1);
    cr_assert_gives(cancel_with(&resolving.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(resolving.result, BIDE_ECANCELED);
    cr_assert_null(resolving.addresses.at);
}

Test(resolve, one_that_was_never_polled_may_go)
{
    bide_resolving resolving;
    bide_resolving_init(&resolving, "host.example", 80, BIDE_FAMILY_NONE);
    cr_assert_gives(bide_cancel(&resolving.future), BIDE_READY);
    cr_assert_eq(resolver.calls, 0);
}

Test(resolve, timers_and_input_go_on_while_the_resolver_hangs)
{
    resolver.slow = true;
    int peer;
    bide_async *async = open_one(UNIX, &peer);
    bide_resolving resolving;
    bide_resolving_init(&resolving, "host.example", 80, BIDE_FAMILY_NONE);
    for (int i = 0; i < 50; i++) {
        char byte;
        bide_io io;
        bide_timer timer;
        bide_io_read(&io, async, &byte, 1);
        bide_timer_after(&timer, BIDE_MICROSECONDS(200));
        cr_assert_gives(poll_with(&resolving.future, counting(&nobody)), BIDE_PENDING);
        cr_assert_ok(bide_timer_wait(&timer));
        put(peer, "x", 1);
        cr_assert_gives(bide_io_await(&io, bide_after(LONG)), 1);
    }
    cr_assert_gives(bide_cancel(&resolving.future), BIDE_READY);
    cr_assert_eq(resolver.ended, 0);
    resolver.code = EAI_AGAIN;
    resolver.open = true;
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
}

Test(resolve, look_ups_that_hang_do_not_hold_up_others)
{
    enum { HANGING = 20 };
    resolver.slow = true;
    resolver.code = EAI_AGAIN;
    bide_resolving hanging[HANGING];
    for (int i = 0; i < HANGING; i++) {
        bide_resolving_init(&hanging[i], "host.example", 80, BIDE_FAMILY_NONE);
        cr_assert_gives(poll_with(&hanging[i].future, counting(&nobody)), BIDE_PENDING);
    }
    AWAIT(resolver.calls == HANGING);
    for (int i = 0; i < HANGING; i++)
        cr_assert_gives(bide_cancel(&hanging[i].future), BIDE_READY);
    resolver.slow = false;
    bide_addresses found;
    cr_assert_gives(bide_resolve(&found, "host.example", 80, BIDE_NEVER), BIDE_ERESOLVE_AGAIN);
    cr_assert_eq(resolver.ended, 1);
    resolver.open = true;
    AWAIT(resolver.ended == HANGING + 1);
}

Test(resolve, shutdown_waits_for_the_resolver_and_cancels_what_it_has_not_begun)
{
    resolver.slow = true;
    resolver.code = EAI_AGAIN;
    cr_assert_ok(bide_pool_set_limit(1));
    bide_resolving first, second;
    bide_resolving_init(&first, "host.example", 80, BIDE_FAMILY_NONE);
    bide_resolving_init(&second, "host.example", 80, BIDE_FAMILY_NONE);
    cr_assert_gives(poll_with(&first.future, counting(&nobody)), BIDE_PENDING);
    AWAIT(resolver.calls == 1);
    cr_assert_gives(poll_with(&second.future, counting(&nobody)), BIDE_PENDING);
    resolver.open = true;
    cr_assert_ok(bide_shutdown());
    cr_assert_gives(poll_with(&first.future, counting(&nobody)), BIDE_READY);
    cr_assert_gives(first.result, BIDE_ERESOLVE_AGAIN);
    cr_assert_gives(poll_with(&second.future, counting(&nobody)), BIDE_READY);
    cr_assert(second.result == BIDE_ECANCELED || second.result == BIDE_ERESOLVE_AGAIN, "%s",
              bide_error_name(second.result));
}

Test(resolve, where_threads_are_forbidden_a_name_is_not_supported)
{
    bide_addresses found;
    bide_set_threads(false);
    cr_assert_gives(bide_resolve(&found, "host.example", 80, BIDE_NEVER), BIDE_ENOTSUP);
    bide_set_threads(true);
}

#ifndef BIDE_TEST_TSAN /* which does not bear threads in the child of a process that has some */
Test(resolve, the_child_of_a_fork_cannot_finish_the_parents_look_up_and_does_its_own)
{
    resolver.slow = true;
    resolver.code = EAI_AGAIN;
    bide_resolving resolving;
    bide_resolving_init(&resolving, "host.example", 80, BIDE_FAMILY_NONE);
    cr_assert_gives(poll_with(&resolving.future, counting(&nobody)), BIDE_PENDING);
    AWAIT(resolver.calls == 1);
    pid_t child = fork();
    if (child == 0) {
        bide_addresses found;
        resolver.open = true;
        bool right = poll_with(&resolving.future, counting(&nobody)) == BIDE_READY &&
                     resolving.result == BIDE_EFORKED && resolving.addresses.count == 0 &&
                     bide_resolve(&found, "host.example", 80, BIDE_NEVER) == BIDE_ERESOLVE_AGAIN;
        _exit(right ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "status %#x", (unsigned)status);
    resolver.open = true;
    cr_assert_ok(bide_block_on(&resolving.future));
    cr_assert_gives(resolving.result, BIDE_ERESOLVE_AGAIN);
}
#endif
