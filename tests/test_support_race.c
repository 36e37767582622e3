/* This test must fail: two threads race, and the runner has to notice. Built with the thread sanitizer only.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bide_test.h"

#include <pthread.h>

static int shared;

static void *increment(void *arg)
{
    shared++;
    return arg;
}

Test(support, a_data_race_fails_the_test)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, increment, NULL), 0);
    shared++;
    (void)pthread_join(thread, NULL);
}
