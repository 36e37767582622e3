/* What a test may ask about its own process: descriptors, threads, leaks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_CHECK_H
#define BIDE_TEST_CHECK_H

#include <stdbool.h>

/* Defined where the address sanitizer is built in. */
#if defined(__SANITIZE_ADDRESS__)
#define BIDE_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BIDE_TEST_ASAN 1
#endif
#endif

/* Defined where the thread sanitizer is built in. */
#if defined(__SANITIZE_THREAD__)
#define BIDE_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BIDE_TEST_TSAN 1
#endif
#endif

/* How many descriptors the process has open. Take it before and after: the runner has some of its own. */
int bide_test_fd_count(void);

/* How many threads the process has. Take it before and after: the runner may have some of its own. */
int bide_test_thread_count(void);

/* The id of a thread with that name, such as "async-io", or 0 if there is none. */
int bide_test_thread_named(const char *name);

/* Whether the kernel says that the thread of that id sleeps. */
bool bide_test_thread_asleep(int thread_id);

/* A thread's context switches so far. One that sleeps and is never woken makes none. */
struct bide_test_switches {
    long voluntary;   /* it waited for something */
    long involuntary; /* the scheduler took its processor away */
};

/* Reads them for the thread of that id; -1 each if there is no such thread. */
struct bide_test_switches bide_test_thread_switches(int thread_id);

/* Whether memory has leaked up to here, with a report on stderr. Always false without the address sanitizer.
 * Both runners ask after each test's fini; a test that wants to know earlier may ask itself. */
bool bide_test_leaks(void);

#endif
