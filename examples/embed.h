/* An alarm clock that lives in another event loop: what embed_libev and embed_glib have in common. The loop's
 * part is small, and stands in those two:
 *
 *  - watch `fd` for reading, and be awake at bide_reactor_next_deadline(), asked anew before each sleep:
 *    then embed_turn();
 *  - before each sleep, and after each turn, embed_step() if embed_woken();
 *  - have a call that ends the loop's sleep from another thread, for wakers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EXAMPLES_EMBED_H
#define EXAMPLES_EMBED_H

#include "common.h"

#include <pthread.h>
#include <stdatomic.h>

struct embed {
    const struct example_program *program;
    bide_reactor *reactor;
    bide_reactor *before; /* the thread's reactor outside */
    bide_fd fd;

    void (*wake_loop)(void);
    atomic_bool woken; /* the set is to be polled */
    bool done;
    int error;

    bide_set set; /* of all that follows */
    bide_timer alarm;
    bide_set_member ringing;
    unsigned long rung;
    bide_async *listener;
    bide_incoming incoming;
    bide_set_member accepting;
    bide_event end; /* of the input */
    bide_event_waiting ended;
    bide_set_member ending;
    bool input_over;

    pthread_t reader; /* reads standard input, and sets the alarm */
    bool reads;
};

/* What the two programs take and say: all but their names and the first line of their descriptions. */
extern const struct example_option embed_options[1];
#define EMBED_SYNOPSIS "[--listen ADDRESS:PORT]"
#define EMBED_ABOUT                                                                                         \
    "Each line of its input is a duration such as 500ms, after which it prints \"alarm\"; the newest one\n" \
    "counts. Who connects to its address, which is the first line it prints, is told how often there was\n" \
    "an alarm. Exits with 0 on SIGTERM and SIGINT, and after the last alarm when the input has ended.\n"

/* Begins, in a reactor of its own, which becomes the calling thread's. Returns 0 or an error; embed_end()
 * follows in either case. `wake_loop` ends the loop's sleep, or keeps it from beginning, and is called by any
 * thread. */
int embed_begin(struct embed *embed, const struct example_program *program, int argc, char **argv,
                void (*wake_loop)(void));

/* Whether embed_step() is worth while. */
bool embed_woken(const struct embed *embed);

/* Polls what has woken, and answers it. Sets `done` when it is over. */
void embed_step(struct embed *embed);

/* One turn of the reactor, without waiting. */
void embed_turn(struct embed *embed);

/* Puts everything away. `error`: what embed_begin() or the loop's part failed with, or 0. Returns the exit
 * code. */
int embed_end(struct embed *embed, int error);

#endif
