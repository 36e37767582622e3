/* Runs a program with a limit of time. Its end is awaited by a pidfd or kqueue(2), its output by a pipe, both in one
 * set: no SIGCHLD, no polling, and no process that got its number later is ever hit, because the program is waited
 * for last of all, and keeps its number until then.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "common.h"
#include "ending.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char **command;
static bide_duration timeout = BIDE_DURATION_MAX;

static const struct example_option argument = {"PROGRAM", EXAMPLE_COMMAND, &command, ""};
static const struct example_option options[] = {
    {"--timeout", EXAMPLE_DURATION, &timeout, "kill it after this long, as in 500ms or 1.5s (never)"},
};

static const struct example_program program = {
    .name = "process",
    .synopsis = "[--timeout DURATION] PROGRAM [ARGUMENT]...",
    .about =
        "Runs a program and hands its output on. Exits with what that exited with, or 128 and the number\n"
        "of the signal that ended it; 124: it was killed because its time was up, 1: it could not be\n"
        "run, 2: wrong usage.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .argument = &argument,
};

struct child {
    pid_t id;
    bide_async *output; /* the end of its pipe that is ours */
    bool killed;

    bide_set set;
    bide_set_member ending;
    bide_io io;
    bide_set_member reading;
    char buffer[64 * 1024]; /* as much as a pipe holds */
};

static int spawn(struct child *child, int output)
{
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return bide_error_from_system(error);
    error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (!error) error = posix_spawnp(&child->id, command[0], &actions, NULL, command, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return bide_error_from_system(error);
}

/* Starts the command with its standard output in a pipe. */
static int start(struct child *child)
{
    int ends[2];
    if (pipe(ends) != 0) return bide_last_error();
    /* No other thread of this program starts another one meanwhile; and not all systems have pipe2(2). */
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    int error = bide_async_new(&child->output, ends[0]);
    if (error) (void)close(ends[0]);
    if (!error) error = spawn(child, ends[1]);
    (void)close(ends[1]);
    return error;
}

static int watch(struct child *child)
{
    bide_future *end;
    int error = ending_watch(child->id, &end);
    if (error) return error;
    bide_set_init(&child->set);
    return bide_set_add(&child->set, &child->ending, end, NULL);
}

static int read_on(struct child *child)
{
    bide_io_read(&child->io, child->output, child->buffer, sizeof child->buffer);
    return bide_set_add(&child->set, &child->reading, &child->io.future, NULL);
}

/* Returns whether there may be more. */
static bool hand_on(const struct child *child, bide_ssize length)
{
    if (length <= 0) return false;
    (void)fwrite(child->buffer, 1, (size_t)length, stdout);
    (void)fflush(stdout);
    return true;
}

/* Until it has ended, by itself or killed. */
static int attend(struct child *child)
{
    bide_instant deadline = bide_after(timeout);
    int error = read_on(child);
    while (!error) {
        bide_set_member *ready;
        error = bide_set_next(&child->set, deadline, &ready);
        if (error == BIDE_ETIMEDOUT) {
            if (kill(child->id, SIGKILL) != 0) return bide_last_error();
            child->killed = true;
            deadline = BIDE_NEVER;
            error = 0;
        } else if (!error && ready == &child->ending) {
            break;
        } else if (!error && hand_on(child, child->io.result)) {
            error = read_on(child);
        }
    }
    if (!error) error = ending_result();
    if (error) return error;

    /* What it wrote last. Its own children, if it left any, may have the pipe open: they are not waited for.
     * */
    if (bide_set_remove(&child->set, &child->reading) == BIDE_COMPLETED)
        (void)hand_on(child, child->io.result);
    (void)hand_on(child, bide_read(child->output, child->buffer, sizeof child->buffer, BIDE_NOW));
    return 0;
}

static int exit_status(const struct child *child)
{
    int status;
    if (waitpid(child->id, &status, 0) < 0) return example_fail(&program, "waitpid", bide_last_error());
    if (child->killed) return EXAMPLE_TIMED_OUT;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);

    static struct child child;
    int error = start(&child);
    if (error) return example_fail(&program, command[0], error);
    error = watch(&child);
    if (!error) error = attend(&child);
    if (error) (void)kill(child.id, SIGKILL);
    int status = exit_status(&child);
    if (error) status = example_fail(&program, "attending to the program", error);
    ending_forget();
    (void)bide_async_free(child.output);
    return example_end(status);
}
