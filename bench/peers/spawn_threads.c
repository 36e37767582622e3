/* Starting a thread of the system and joining it.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "least.h"

#include <pthread.h>
#include <stdlib.h>

static void *nothing(void *arg)
{
    return arg;
}

static void spawn_and_join(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0) abort();
    }
}

int main(void)
{
    least_run("spawn-join", spawn_and_join, 50);
    return 0;
}
