/* Bide inside libev's loop: its reactor's descriptor is one watcher, its next deadline another.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "embed.h"

#include <ev.h>
#include <signal.h>

static const struct example_program program = {
    .name = "embed_libev",
    .synopsis = EMBED_SYNOPSIS,
    .about = "An alarm clock: Bide inside libev's loop.\n" EMBED_ABOUT,
    .options = embed_options,
    .option_count = 1,
};

static struct ev_loop *loop;
static struct embed embed;

static ev_prepare before_sleep;
static ev_io readable;
static ev_timer due;
static ev_async woken;
static ev_signal stops[2];

/* The one call of libev that any thread may make. */
static void wake_loop(void)
{
    ev_async_send(loop, &woken);
}

static void on_woken(struct ev_loop *l, ev_async *watcher, int events)
{
    (void)l, (void)watcher, (void)events; /* the loop is awake, and comes to before_sleep */
}

static void turn(void)
{
    embed_turn(&embed);
}

static void on_readable(struct ev_loop *l, ev_io *watcher, int events)
{
    (void)l, (void)watcher, (void)events;
    turn();
}

static void on_due(struct ev_loop *l, ev_timer *watcher, int events)
{
    (void)l, (void)watcher, (void)events;
    turn();
}

static void on_before_sleep(struct ev_loop *l, ev_prepare *watcher, int events)
{
    (void)watcher, (void)events;
    if (embed_woken(&embed)) embed_step(&embed);
    if (embed.done) {
        ev_break(l, EVBREAK_ALL);
        return;
    }
    /* Asked for anew each time: from now on the descriptor becomes readable when an earlier one is added. */
    ev_timer_stop(l, &due);
    bide_instant next = bide_reactor_next_deadline(embed.reactor);
    if (bide_is_never(next)) return;
    ev_now_update(l); /* or the timer would count from when the loop last woke up */
    double left = (double)bide_instant_since(next, bide_now()) / 1e9;
    ev_timer_set(&due, left > 0 ? left : 0, 0.);
    ev_timer_start(l, &due);
}

/* The loop's own watchers work as ever. */
static void on_stop(struct ev_loop *l, ev_signal *watcher, int events)
{
    (void)watcher, (void)events;
    ev_break(l, EVBREAK_ALL);
}

int main(int argc, char **argv)
{
    loop = ev_default_loop(EVFLAG_AUTO);
    ev_async_init(&woken, on_woken);
    ev_async_start(loop, &woken);
    int error = embed_begin(&embed, &program, argc, argv, wake_loop);
    if (!error) {
        ev_prepare_init(&before_sleep, on_before_sleep);
        ev_prepare_start(loop, &before_sleep);
        ev_io_init(&readable, on_readable, embed.fd, EV_READ);
        ev_io_start(loop, &readable);
        ev_init(&due, on_due);
        static const int numbers[] = {SIGTERM, SIGINT};
        for (int i = 0; i < 2; i++) {
            ev_signal_init(&stops[i], on_stop, numbers[i]);
            ev_signal_start(loop, &stops[i]);
        }
        ev_run(loop, 0);
    }
    int status = embed_end(&embed, error);
    ev_loop_destroy(loop);
    return status;
}
