/* Hooks: commands that run at events, one after the other, in the order of the events.
 *
 * A task takes events out of a queue. A command is /bin/sh -c COMMAND in a process group of its own, with the
 * event in its environment. Its end is awaited by a pidfd, so that no handler of SIGCHLD is needed; where there
 * is none it is asked for now and then. Who takes too long is killed, with all its children that stayed in the
 * group.
 *
 * INVARIANTS
 * 1. The queue is bounded. When it is full the event is left out, and said so: hooks that cannot keep up must
 *    not keep anybody waiting. Of the events RUNNING at most the newest waits.
 * 2. Every child is waited for before the next one starts, also when the server stops.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "program.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { QUEUE = 256, VARIABLES = 4 };

struct hooks {
    const struct settings *settings;
    bide_countdown_event queue[QUEUE];
    size_t first, count;
    bide_event more; /* something was put into the queue */
    bide_event idle; /* the queue is empty and nothing runs; manual */
};

/* --- one command --- */

struct environment {
    char text[VARIABLES][320];
    char **list; /* ours, then those of the process */
};

static bool make_environment(struct environment *environment, const bide_countdown_event *event)
{
    size_t count = 0;
    while (environ[count])
        count++;
    environment->list = calloc(count + VARIABLES + 1, sizeof *environment->list);
    if (!environment->list) return false;
    (void)snprintf(environment->text[0], sizeof environment->text[0], "BIDE_COUNTDOWN_EVENT=%s",
                   bide_countdown_event_name(event->kind));
    (void)snprintf(environment->text[1], sizeof environment->text[1], "BIDE_COUNTDOWN_CYCLE=%s",
                   event->cycle.name);
    (void)snprintf(environment->text[2], sizeof environment->text[2], "BIDE_COUNTDOWN_SECONDS=%" PRId64,
                   event->cycle.seconds);
    (void)snprintf(environment->text[3], sizeof environment->text[3], "BIDE_COUNTDOWN_INDEX=%zu",
                   event->index);
    size_t used = 0;
    for (; used < VARIABLES; used++)
        environment->list[used] = environment->text[used];
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "BIDE_COUNTDOWN_", 15) != 0) environment->list[used++] = environ[i];
    return true;
}

/* The child has the signals that a program expects: none blocked, none ignored by us. */
static int spawn(pid_t *child, const char *command, char **environment)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return error;
    error = posix_spawnattr_init(&attributes);
    if (error) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    char *const arguments[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)command, NULL};
    short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!error) error = posix_spawnattr_setflags(&attributes, flags);
    if (!error) error = posix_spawnattr_setpgroup(&attributes, 0);
    if (!error) error = posix_spawnattr_setsigmask(&attributes, &none);
    if (!error) error = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!error) error = posix_spawn(child, "/bin/sh", &actions, &attributes, arguments, environment);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Waits until the child has ended. Returns 0, or why the wait did. */
static int await_by_pidfd(pid_t child, bide_instant deadline)
{
#ifdef SYS_pidfd_open
    int fd = (int)syscall(SYS_pidfd_open, child, 0u); /* is close-on-exec */
#else
    int fd = -1;
    (void)child;
#endif
    if (fd < 0) return BIDE_ENOTSUP;
    bide_async *process;
    int error = bide_async_new(&process, fd);
    if (error) {
        (void)close(fd);
        return BIDE_ENOTSUP;
    }
    error = bide_wait_readable(process, deadline);
    (void)bide_async_free(process);
    return error;
}

static int await_by_asking(pid_t child, bide_instant deadline)
{
    siginfo_t ended;
    for (bide_duration pause = BIDE_MILLISECONDS(1);;
         pause = pause < BIDE_MILLISECONDS(100) ? pause * 2 : pause) {
        ended.si_pid = 0;
        if (waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == child)
            return 0;
        if (bide_before(deadline, bide_now())) return BIDE_ETIMEDOUT;
        int error = bide_sleep(pause);
        if (error) return error;
    }
}

static void complain(const bide_countdown_event *event, const char *what)
{
    (void)fprintf(stderr, "bide-countdown: hook on-%s: %s\n", bide_countdown_event_name(event->kind), what);
}

/* Returns BIDE_ECANCELED if nothing is to be run any more, else 0. */
static int run(const struct settings *settings, const bide_countdown_event *event)
{
    struct environment environment;
    pid_t child;
    if (!make_environment(&environment, event)) {
        complain(event, "out of memory");
        return 0;
    }
    int error = spawn(&child, settings->hooks[event->kind], environment.list);
    free(environment.list);
    if (error) {
        complain(event, strerror(error));
        return 0;
    }
    bide_instant deadline = bide_after(BIDE_SECONDS(settings->hook_seconds));
    error = await_by_pidfd(child, deadline);
    if (error == BIDE_ENOTSUP) error = await_by_asking(child, deadline);
    if (error) {
        complain(event, error == BIDE_ETIMEDOUT ? "takes too long and is killed" : "is killed");
        (void)kill(-child, SIGKILL);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && bide_last_error() == BIDE_EINTR)
        continue;
    char text[64];
    if (!error && WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        (void)snprintf(text, sizeof text, "exit status %d", WEXITSTATUS(status));
        complain(event, text);
    } else if (!error && WIFSIGNALED(status)) {
        (void)snprintf(text, sizeof text, "ended by signal %d", WTERMSIG(status));
        complain(event, text);
    }
    return error == BIDE_ECANCELED ? error : 0;
}

/* --- the queue --- */

static int work(void *arg)
{
    struct hooks *hooks = arg;
    int error = 0;
    while (!error) {
        if (hooks->count == 0) {
            bide_event_set(&hooks->idle);
            error = bide_event_wait(&hooks->more, BIDE_NEVER);
        } else {
            bide_countdown_event event = hooks->queue[hooks->first];
            hooks->first = (hooks->first + 1) % QUEUE;
            hooks->count--;
            error = run(hooks->settings, &event);
        }
    }
    if (hooks->count > 0) (void)fprintf(stderr, "bide-countdown: %zu hooks are left out\n", hooks->count);
    return error;
}

int hooks_start(struct hooks **out, const struct settings *settings)
{
    struct hooks *hooks = calloc(1, sizeof *hooks);
    if (!hooks) return BIDE_ENOMEM;
    hooks->settings = settings;
    (void)bide_event_init(&hooks->more, BIDE_EVENT_AUTO);
    (void)bide_event_init(&hooks->idle, BIDE_EVENT_MANUAL);
    bide_event_set(&hooks->idle);
    int error = bide_spawn(NULL, work, hooks, NULL);
    if (error) {
        free(hooks);
        return error;
    }
    *out = hooks;
    return 0;
}

void hooks_put(struct hooks *hooks, const bide_countdown_event *event)
{
    if (!hooks->settings->hooks[event->kind]) return;
    for (size_t i = 0; event->kind == BIDE_COUNTDOWN_EVENT_RUNNING && i < hooks->count; i++) {
        bide_countdown_event *waiting = &hooks->queue[(hooks->first + i) % QUEUE];
        if (waiting->kind != BIDE_COUNTDOWN_EVENT_RUNNING) continue;
        *waiting = *event;
        return;
    }
    if (hooks->count == QUEUE) {
        complain(event, "left out: those before it take too long");
        return;
    }
    hooks->queue[(hooks->first + hooks->count++) % QUEUE] = *event;
    bide_event_reset(&hooks->idle);
    bide_event_set(&hooks->more);
}

int hooks_drain(struct hooks *hooks, bide_instant deadline)
{
    return bide_event_wait(&hooks->idle, deadline);
}

void hooks_free(struct hooks *hooks)
{
    free(hooks);
}
