/* A timer made, polled once and cancelled, as by a call with a deadline that was soon done: with no other
 * pending (register-0), and with a million (register-1m), in the midst of their deadlines.
 *
 *   bench_register [SECONDS]
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide.h>

#include <stdio.h>
#include <stdlib.h>

static double seconds = 1;

static void check(bool good, const char *what)
{
    if (good) return;
    (void)fprintf(stderr, "bench_register: %s\n", what);
    exit(1);
}

/* The context is the await's, with a budget of its own. */
static void start(bide_timer *timer, const bide_context *cx, bide_duration after)
{
    bide_context own = *cx;
    bide_timer_after(timer, after);
    check(bide_future_poll(&timer->future, &own) == BIDE_PENDING, "not pending");
}

static void measure(const char *name, bide_context *cx)
{
    bide_instant started = bide_now(), end = bide_after((bide_duration)(seconds / 2 * 1e9));
    uint64_t count = 0;
    for (; bide_before(bide_now(), end); count += 1000) {
        for (int i = 0; i < 1000; i++) {
            bide_timer timer;
            start(&timer, cx, BIDE_SECONDS(60));
            check(bide_future_cancel(&timer.future, cx) == BIDE_READY, "not cancelled");
        }
    }
    (void)printf("%s %.2f ns\n", name, (double)bide_instant_since(bide_now(), started) / (double)count);
}

static int load_poll(bide_future *self, bide_context *cx)
{
    (void)self;
    uint64_t pending = seconds < 0.1 ? 50000 : 1000000;
    bide_timer *others = calloc(pending, sizeof *others);
    check(others != NULL, "no memory");
    measure("register-0", cx);
    for (uint64_t i = 0; i < pending; i++)
        start(&others[i], cx, BIDE_SECONDS(30) + (bide_duration)(i * 7919 % pending) * BIDE_MICROSECONDS(60));
    measure("register-1m", cx);
    exit(0); /* without cancelling a million of them */
}

static int load_cancel(bide_future *self, bide_context *cx)
{
    (void)self, (void)cx;
    return BIDE_COMPLETED;
}

int main(int argc, char **argv)
{
    static const bide_future_ops ops = {sizeof ops, load_poll, load_cancel, 0};
    bide_future load;
    if (argc > 1) seconds = strtod(argv[1], NULL);
    bide_future_init(&load, &ops);
    return bide_block_on(&load) != 0;
}
