/* Two threads that wake each other, there and back: each waits in block_on for an event that the other sets.
 *
 *   bench_wake [SECONDS]
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static bide_event there, back;
static bool stops;

static void *answer(void *arg)
{
    for (;;) {
        if (bide_event_wait(&there, BIDE_NEVER) != 0 || stops) return arg;
        bide_event_set(&back);
    }
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    pthread_t thread;
    if (bide_event_init(&there, BIDE_EVENT_AUTO) || bide_event_init(&back, BIDE_EVENT_AUTO) ||
        pthread_create(&thread, NULL, answer, NULL) != 0)
        return 1;
    bide_instant started = bide_now(), end = bide_after(BIDE_SECONDS(seconds));
    unsigned long count = 0;
    for (; bide_before(bide_now(), end); count++) {
        bide_event_set(&there);
        if (bide_event_wait(&back, BIDE_NEVER) != 0) return 1;
    }
    (void)printf("wake %.1f ns\n", (double)bide_instant_since(bide_now(), started) / (double)count);
    stops = true;
    bide_event_set(&there);
    return pthread_join(thread, NULL);
}
