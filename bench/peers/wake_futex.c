/* Two threads that wake each other by two futexes: the limit of ../wake.c.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "peer.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static _Atomic uint32_t there, back;
static bool stops;

static void set(_Atomic uint32_t *word)
{
    atomic_store(word, 1);
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void await(_Atomic uint32_t *word)
{
    while (!atomic_exchange(word, 0))
        (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static void *answer(void *arg)
{
    for (;;) {
        await(&there);
        if (stops) return arg;
        set(&back);
    }
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    pthread_t thread;
    peer_check(pthread_create(&thread, NULL, answer, NULL) == 0, "pthread_create");
    int64_t started = peer_now(), now = started;
    uint64_t count = 0;
    for (; now < started + (int64_t)(seconds * 1e9); count++) {
        set(&there);
        await(&back);
        now = peer_now();
    }
    (void)printf("wake %.1f ns\n", (double)(now - started) / (double)count);
    stops = true;
    set(&there);
    return pthread_join(thread, NULL);
}
