/* A resolver for the tests: getaddrinfo(3) and freeaddrinfo(3), wrapped by the linker
 * (LINK_OPTIONS LINKER:--wrap=getaddrinfo LINKER:--wrap=freeaddrinfo).
 *
 * Until a test sets `resolver.answers`, the system's own answer.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_RESOLVE_H
#define BIDE_TEST_RESOLVE_H

#include "test_future.h"

#include <bide/resolve.h>

#include <netdb.h>

enum { MOST_ANSWERS = 40 };

static struct {
    const bide_address *answers; /* NULL: ask the system; set before the first look-up */
    size_t count;
    _Atomic int code;  /* what it returns; with EAI_SYSTEM errno is EMFILE */
    _Atomic bool slow; /* it stops until `open` */
    _Atomic bool open;
    _Atomic int calls;
    _Atomic int ended;
    _Atomic int lists;    /* given out and not freed */
    pthread_mutex_t lock; /* for what the latest call was given */
    struct addrinfo hints;
    char host[BIDE_HOST_MAX];
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER};

int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **list);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **list);
void __real_freeaddrinfo(struct addrinfo *list);
void __wrap_freeaddrinfo(struct addrinfo *list);

static struct addrinfo *list_of_answers(void)
{
    struct addrinfo *first = NULL;
    for (size_t i = resolver.count; i > 0; i--) {
        size_t length;
        const void *address = bide_address_sockaddr(&resolver.answers[i - 1], &length);
        struct addrinfo *one = calloc(1, sizeof *one + length);
        if (!one) abort();
        one->ai_addr = (struct sockaddr *)(one + 1);
        memcpy(one->ai_addr, address, length);
        one->ai_addrlen = (socklen_t)length;
        one->ai_next = first;
        first = one;
    }
    atomic_fetch_add(&resolver.lists, 1);
    return first;
}

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **list)
{
    (void)pthread_mutex_lock(&resolver.lock);
    resolver.hints = *hints;
    (void)snprintf(resolver.host, sizeof resolver.host, "%s", host);
    (void)pthread_mutex_unlock(&resolver.lock);
    /* First: once a test has seen the call it may ask for others to be quick. */
    bool slow = resolver.slow;
    atomic_fetch_add(&resolver.calls, 1);
    if (slow) AWAIT(atomic_load(&resolver.open));
    int code = resolver.code;
    if (code == EAI_SYSTEM)
        errno = EMFILE;
    else if (code == 0 && !resolver.answers)
        code = __real_getaddrinfo(host, service, hints, list);
    else if (code == 0)
        *list = list_of_answers();
    atomic_fetch_add(&resolver.ended, 1);
    return code;
}

void __wrap_freeaddrinfo(struct addrinfo *list)
{
    if (!resolver.answers) {
        __real_freeaddrinfo(list);
        return;
    }
    atomic_fetch_sub(&resolver.lists, 1);
    while (list) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

static inline bide_address parsed(const char *text)
{
    bide_address address;
    cr_assert_ok(bide_address_parse(&address, text));
    return address;
}

static inline void assert_address(const bide_address *address, const char *expected)
{
    char text[BIDE_ADDRESS_TEXT_MAX];
    cr_assert_gt(bide_address_format(address, text, sizeof text), 0);
    cr_assert_str_eq(text, expected, "%s instead of %s", text, expected);
}

#endif
