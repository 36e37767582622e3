/* The alarm clock in another event loop: see embed.h.
 *
 * INVARIANTS
 * 1. The loop's thread alone polls the set and drives the reactor; others set the timer and the event.
 * 2. Whoever sets `woken` has the loop awake afterwards, so that no wake is slept through.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "embed.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- the other thread --- */

static void set_alarm(struct embed *embed, const char *line)
{
    bide_duration after;
    if (example_parse_duration(line, &after))
        (void)bide_timer_set_after(&embed->alarm, after);
    else
        (void)fprintf(stderr, "%s: not a duration such as 500ms: %s\n", embed->program->name, line);
}

/* Blocks in read(2), as threads do that know nothing of event loops. */
static void *read_input(void *arg)
{
    struct embed *embed = arg;
    char text[256];
    size_t filled = 0;
    for (;;) {
        ssize_t got = read(STDIN_FILENO, text + filled, sizeof text - filled);
        if (got <= 0) break;
        filled += (size_t)got;
        char *line = text;
        for (char *end; (end = memchr(line, '\n', filled)) != NULL; line = end + 1) {
            *end = '\0';
            set_alarm(embed, line);
            filled -= (size_t)(end + 1 - line);
        }
        if (filled == sizeof text) filled = 0; /* no duration is as long */
        (void)memmove(text, line, filled);
    }
    bide_event_set(&embed->end);
    return NULL;
}

/* --- what is awaited --- */

static int await_alarm(struct embed *embed)
{
    return bide_set_add(&embed->set, &embed->ringing, &embed->alarm.future, NULL);
}

static int await_caller(struct embed *embed)
{
    return bide_set_add(&embed->set, &embed->accepting, &embed->incoming.future, NULL);
}

static int await_end(struct embed *embed)
{
    bide_event_waiting_init(&embed->ended, &embed->end);
    return bide_set_add(&embed->set, &embed->ending, &embed->ended.future, NULL);
}

static int ring(struct embed *embed)
{
    int error = bide_timer_error(&embed->alarm);
    if (error) return error;
    (void)printf("alarm %lu\n", ++embed->rung);
    (void)fflush(stdout);
    return await_alarm(embed); /* until it is set once more */
}

static int tell_caller(struct embed *embed)
{
    if (embed->incoming.result == 0) {
        char line[64];
        int length = snprintf(line, sizeof line, "%lu alarms\n", embed->rung);
        /* A fresh connection has room for a line. */
        (void)bide_write(embed->incoming.conn, line, (size_t)length, BIDE_NOW);
        (void)bide_async_free(embed->incoming.conn);
    }
    return await_caller(embed);
}

static int answer(struct embed *embed, const bide_set_member *member)
{
    if (member == &embed->ringing) return ring(embed);
    if (member == &embed->accepting) return tell_caller(embed);
    embed->input_over = true;
    return 0;
}

/* --- for the loop --- */

/* A waker: notes, and sees that the loop looks. */
static void wake(void *arg)
{
    struct embed *embed = arg;
    if (!atomic_exchange(&embed->woken, true)) embed->wake_loop();
}

bool embed_woken(const struct embed *embed)
{
    return atomic_load(&embed->woken);
}

void embed_step(struct embed *embed)
{
    bide_context cx;
    bide_context_init(&cx, (bide_waker){wake, embed});
    atomic_store(&embed->woken, false);
    /* Ends also when there is much to do, with a wake, so that the rest of the loop has its turn. */
    int state;
    while (!embed->error && (state = bide_future_poll(&embed->set.future, &cx)) != BIDE_PENDING)
        embed->error = state < 0 ? state : answer(embed, embed->set.result);
    if (embed->error || (embed->input_over && !bide_timer_will_fire(&embed->alarm))) embed->done = true;
}

void embed_turn(struct embed *embed)
{
    int handled = bide_reactor_run_once(embed->reactor, BIDE_NOW);
    if (handled >= 0) return;
    embed->error = handled;
    embed->done = true;
}

/* --- beginning and end --- */

static bide_address address;

const struct example_option embed_options[1] = {
    {"--listen", EXAMPLE_ADDRESS, &address,
     "ADDRESS:PORT to listen on, port 0 is any free one (127.0.0.1:0)"},
};

static int listen_at(struct embed *embed)
{
    char text[EXAMPLE_TEXT];
    int error = bide_tcp_listen(&embed->listener, &address, 0);
    if (!error) error = bide_async_local_address(embed->listener, &address);
    if (error) return error;
    (void)printf("%s\n", example_address_text(text, &address));
    (void)fflush(stdout);
    bide_incoming_init(&embed->incoming, embed->listener);
    return await_caller(embed);
}

/* By name, because the back end "poll" has no descriptor that another loop could watch. */
static int open_reactor(struct embed *embed)
{
    int error = bide_reactor_new(&embed->reactor, "epoll");
    if (error == BIDE_EBACKEND) error = bide_reactor_new(&embed->reactor, "kqueue");
    if (error) return error;
    embed->before = bide_reactor_enter(embed->reactor);
    return bide_reactor_fd(embed->reactor, &embed->fd);
}

int embed_begin(struct embed *embed, const struct example_program *program, int argc, char **argv,
                void (*wake_loop)(void))
{
    *embed = (struct embed){.program = program, .wake_loop = wake_loop, .woken = true};
    address = bide_address_loopback(0);
    example_arguments(program, argc, argv);

    bide_set_init(&embed->set);
    int error = open_reactor(embed);
    if (!error) error = bide_event_init(&embed->end, BIDE_EVENT_AUTO);
    if (!error) error = await_end(embed);
    bide_timer_never(&embed->alarm);
    if (!error) error = await_alarm(embed);
    if (!error) error = listen_at(embed);
    if (!error) error = bide_error_from_system(pthread_create(&embed->reader, NULL, read_input, embed));
    embed->reads = error == 0;
    return error;
}

int embed_end(struct embed *embed, int error)
{
    if (embed->reads) {
        (void)pthread_cancel(embed->reader); /* in its read(2) */
        (void)pthread_join(embed->reader, NULL);
    }
    if (!error) error = embed->error;
    (void)bide_set_remove(&embed->set, &embed->accepting);
    (void)bide_set_remove(&embed->set, &embed->ringing);
    (void)bide_set_remove(&embed->set, &embed->ending);
    (void)bide_async_free(embed->listener);
    if (embed->reactor) {
        bide_reactor_leave(embed->before);
        (void)bide_reactor_free(embed->reactor);
    }
    if (error) return example_fail(embed->program, "inside the other loop", error);
    return example_end(EXAMPLE_OK);
}
