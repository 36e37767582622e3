/* The program bide-countdown: hooks, its end, and what it shows all the time.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_countdown_program.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

TestSuite(countdown_hooks, .init = make_folder, .fini = remove_folder, .timeout = 60);
TestSuite(countdown_watch, .init = make_folder, .fini = remove_folder, .timeout = 60);

static struct talk server;
static struct run r;
static char line[LINE];
static char fifo[96];

/* Serves with the configuration, in which %s is a pipe that the hooks write to. Returns our end of it. */
static int serve_hooks(const char *format)
{
    char text[2048];
    (void)snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    (void)setenv("FIFO", fifo, 1);
    (void)snprintf(text, sizeof text, "%s", format);
    write_config(text);
    /* Both directions: the end does not come when one of the hooks is done. */
    int fd = open(fifo, O_RDWR | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    serve(&server, (const char *const[]){PROGRAM, "serve", "--unix", path, "--config", config, NULL}, 1,
          line);
    return fd;
}

static void end_hooks(int fd)
{
    (void)close(fd);
    (void)unlink(fifo);
}

static void command(const char *word, const char *argument)
{
    RUN(&r, PROGRAM, word, "--unix", path, argument);
    assert_status(&r, 0);
}

#define HOOK(event)                                                                                          \
    "on-" event                                                                                              \
    " = echo \"$BIDE_COUNTDOWN_EVENT|$BIDE_COUNTDOWN_CYCLE|$BIDE_COUNTDOWN_SECONDS|$BIDE_COUNTDOWN_INDEX\" " \
    ">>\"$FIFO\"\n"

Test(countdown_hooks, they_run_in_the_order_of_the_events_and_know_them)
{
    int fd = serve_hooks("cycle = It's \"$HOME\" 100s\ncycle = \xc3\xa9t\xc3\xa9 1s\nloops = 1\n" HOOK(
        "started") HOOK("began") HOOK("set") HOOK("paused") HOOK("resumed") HOOK("ended") HOOK("stopped"));
    command("start", NULL);
    command("pause", NULL);
    RUN(&r, PROGRAM, "set", "1", "--unix", path);
    command("resume", NULL);
    expect(fd, "started|It's \"$HOME\"|100|0");
    expect(fd, "began|It's \"$HOME\"|100|0");
    expect(fd, "paused|It's \"$HOME\"|");
    expect(fd, "set|It's \"$HOME\"|1|0");
    expect(fd, "resumed|It's \"$HOME\"|1|0");
    expect(fd, "ended|It's \"$HOME\"|0|0");
    expect(fd, "began|\xc3\xa9t\xc3\xa9|1|1");
    expect(fd, "ended|\xc3\xa9t\xc3\xa9|0|1");
    expect(fd, "stopped|It's \"$HOME\"|100|0");
    end_server(&server);
    end_hooks(fd);
}

Test(countdown_hooks, one_that_hangs_is_killed_with_its_children_and_keeps_no_client_waiting)
{
    int fd = serve_hooks(
        "cycle = Work 100s\nhook-timeout = 1s\n"
        "on-started = echo hangs >>\"$FIFO\"; sleep 1000 & echo $! >>\"$FIFO\"; wait\n" HOOK("began"));
    command("start", NULL);
    expect(fd, "hangs");
    char text[32] = "";
    for (size_t i = 0; i == 0 || text[i - 1] != '\n'; i++)
        cr_assert_eq(read(fd, text + i, 1), 1);
    command("get", NULL);
    expect(fd, "began|Work|100|0");
    /* Whoever adopts it has to wait for it before it is gone altogether. */
    char state[64];
    (void)snprintf(state, sizeof state, "/proc/%d/stat", atoi(text));
    int file = open(state, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, state, sizeof state - 1);
    state[length > 0 ? length : 0] = '\0';
    cr_assert(length <= 0 || strstr(state, ") Z") || strstr(state, ") X"), "the child lives on: %s", state);
    if (file >= 0) (void)close(file);
    end_server(&server);
    end_hooks(fd);
}

Test(countdown_hooks, one_that_fails_keeps_the_next_from_nothing)
{
    int fd = serve_hooks("cycle = Work 100s\non-started = kill -9 $$\non-began = exit 3\n" HOOK("paused"));
    command("start", NULL);
    command("pause", NULL);
    expect(fd, "paused|Work|");
    end_server(&server);
    end_hooks(fd);
}

Test(countdown_hooks, a_full_device_for_their_output_is_no_trouble_for_the_server)
{
    (void)snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    write_config("cycle = Work 100s\non-started = echo lost\n");
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(full, STDOUT_FILENO);
        (void)dup2(full, STDERR_FILENO);
        (void)execl(PROGRAM, PROGRAM, "serve", "--verbose", "--unix", path, "--config", config, (char *)NULL);
        _exit(127);
    }
    do
        RUN(&r, PROGRAM, "start", "--unix", path);
    while (r.status != 0 && waitpid(child, NULL, WNOHANG) == 0);
    command("get", NULL);
    cr_assert_eq(kill(child, SIGTERM), 0);
    cr_assert_eq(exit_code(child), 1, "output that could not be written is told by the exit code");
    (void)close(full);
}

Test(countdown_hooks, what_has_happened_is_told_before_the_server_ends)
{
    int fd = serve_hooks("cycle = Work 100s\n" HOOK("stopped"));
    command("start", NULL);
    command("stop", NULL);
    end_server(&server);
    expect(fd, "stopped|Work|100|0");
    end_hooks(fd);
}

Test(countdown_hooks, those_that_wait_when_the_server_has_to_end_are_left_out)
{
    int fd = serve_hooks("cycle = Work 100s\nhook-timeout = 1h\non-set = echo $BIDE_COUNTDOWN_SECONDS "
                         ">>\"$FIFO\"; sleep 1000\n");
    for (int i = 7; i < 10; i++) {
        char seconds[2] = {(char)('0' + i), '\0'};
        RUN(&r, PROGRAM, "set", seconds, "--unix", path);
        assert_status(&r, 0);
    }
    expect(fd, "7");
    end_server(&server);
    cr_assert_not(readable(fd, 0), "another one was run");
    end_hooks(fd);
}

/* --- watch --- */

static void serve_cycle(const char *cycle)
{
    serve(&server, (const char *const[]){PROGRAM, "serve", "--unix", path, "--cycle", cycle, NULL}, 1, line);
}

Test(countdown_watch, elsewhere_than_on_a_terminal_each_change_is_a_line)
{
    serve_cycle("Tea 100s");
    struct talk watch;
    TALK(&watch, PROGRAM, "watch", "--unix", path);
    assert_says(&watch, "stopped  Tea  1:40 of 1:40");
    command("start", NULL);
    for (int i = 0; i < 2; i++) {
        read_line(watch.out, line);
        assert_has(line, "running  Tea  1:");
    }
    command("pause", NULL);
    RUN(&r, PROGRAM, "set", "7", "--unix", path);
    do
        read_line(watch.out, line);
    while (strcmp(line, "paused  Tea  0:07 of 1:40") != 0);
    cr_assert_eq(kill(watch.process, SIGINT), 0);
    assert_talk_ends(&watch, 0);

    TALK(&watch, PROGRAM, "watch", "--json", "--unix", path);
    read_line(watch.out, line);
    assert_has(line, "{\"timer\":{\"config\":");
    end_server(&server);
    assert_talk_ends(&watch, 1);
}

/* A terminal of that many columns with the program on it. Returns its other end. */
static int on_a_terminal(pid_t *process, unsigned short width, const char *locale, const char *no_colour)
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    cr_assert_eq(grantpt(fd), 0);
    cr_assert_eq(unlockpt(fd), 0);
    struct winsize size = {.ws_col = width, .ws_row = 24};
    cr_assert_eq(ioctl(fd, TIOCSWINSZ, &size), 0);
    char name[64];
    cr_assert_eq(ptsname_r(fd, name, sizeof name), 0);
    *process = fork();
    if (*process == 0) {
        (void)setsid();
        int terminal = open(name, O_RDWR);
        (void)ioctl(terminal, TIOCSCTTY, 0);
        (void)dup2(terminal, STDIN_FILENO);
        (void)dup2(terminal, STDOUT_FILENO);
        (void)setenv("TERM", "xterm", 1);
        (void)setenv("LC_ALL", locale, 1);
        if (no_colour) (void)setenv("NO_COLOR", no_colour, 1);
        (void)execl(PROGRAM, PROGRAM, "watch", "--unix", path, (char *)NULL);
        _exit(127);
    }
    return fd;
}

/* What is drawn next, between "\r" and the erasing of the rest. */
static void drawn(int fd, char *text, size_t room)
{
    size_t length = 0;
    do {
        cr_assert_lt(length, room - 1);
        cr_assert(readable(fd, PATIENCE), "nothing is drawn");
        cr_assert_eq(read(fd, text + length, 1), 1);
        text[++length] = '\0';
    } while (length < 3 || memcmp(text + length - 3, "\x1b[J", 3) != 0);
    text[length - 3] = '\0';
    cr_assert_eq(text[0], '\r');
}

Test(countdown_watch, on_a_terminal_a_bar_is_drawn_that_fits_it_also_when_its_size_changes)
{
    serve_cycle("Tea 100s");
    RUN(&r, PROGRAM, "set", "50", "--unix", path);
    pid_t process;
    char text[4096];
    int fd = on_a_terminal(&process, 50, "C.UTF-8", "");
    drawn(fd, text, sizeof text);
    char bar[128] = "";
    for (int i = 0; i < 22; i++)
        (void)strcat(bar, i < 11 ? "\xe2\x96\x88" : "\xe2\x96\x91");
    char expected_line[256];
    (void)snprintf(expected_line, sizeof expected_line, "\r\x1b[2mTea  %s  0:50 / 1:40  stopped\x1b[0m", bar);
    cr_assert_str_eq(text, expected_line);
    static const unsigned short widths[] = {1, 2, 5, 12, 21, 30, 45, 200};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        unsigned short width = widths[i];
        char expected[16];
        struct winsize size = {.ws_col = width, .ws_row = 24};
        (void)snprintf(expected, sizeof expected, "%.*s", width - 1, "0:50");
        cr_assert_eq(ioctl(fd, TIOCSWINSZ, &size), 0);
        /* The size may change between two drawings; the second one from now is of the new size. */
        drawn(fd, text, sizeof text);
        drawn(fd, text, sizeof text);
        size_t columns = 0;
        for (const char *at = text + 1 + strlen("\x1b[2m"); strcmp(at, "\x1b[0m") != 0; at++)
            columns += ((unsigned char)*at & 0xc0) != 0x80;
        cr_assert_lt(columns, (size_t)width, "%zu columns of %d: %s", columns, (int)width, text);
        assert_has(text, expected);
    }
    cr_assert_eq(write(fd, "\x03", 1), 1);
    cr_assert_eq(exit_code(process), 0);
    (void)close(fd);
    end_server(&server);
}

Test(countdown_watch, without_utf_8_or_colours_plain_characters_do)
{
    serve_cycle("\xc3\xa9t\xc3\xa9\x1b[31m\xe2\x80\xae 100s");
    pid_t process;
    char text[4096];
    int fd = on_a_terminal(&process, 40, "C", "1");
    drawn(fd, text, sizeof text);
    cr_assert_str_eq(text, "\r?t??[31m?  ------  1:40 / 1:40  stopped");
    cr_assert_eq(kill(process, SIGTERM), 0);
    cr_assert_eq(exit_code(process), 0);
    (void)close(fd);

    fd = on_a_terminal(&process, 40, "C.UTF-8", "1");
    drawn(fd, text, sizeof text);
    assert_has(text, "\r\xc3\xa9t\xc3\xa9?[31m?  ");
    cr_assert_eq(kill(process, SIGTERM), 0);
    cr_assert_eq(exit_code(process), 0);
    (void)close(fd);
    end_server(&server);
}
