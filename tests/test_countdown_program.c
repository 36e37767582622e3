/* The program bide-countdown as a server, and its commands.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_countdown_program.h"

#include <bide.h>
#include <bide/countdown.h>
#include <bide/sansio_run.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

TestSuite(countdown_program, .init = make_folder, .fini = remove_folder, .timeout = 60);

#define SERVE(...) ((const char *const[]){PROGRAM, "serve", "--unix", path, __VA_ARGS__, NULL})
#define COMMAND(r, ...) RUN(r, PROGRAM, __VA_ARGS__, "--unix", path)

static struct talk server;
static struct run r;
static char line[LINE];

static bool is_installed(const char *program)
{
    char command[128];
    (void)snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0;
}

/* --- many clients at once --- */

static void expect_get(bide_countdown_client *client, int fd, bide_async *conn, bide_countdown_state state)
{
    bide_sansio_io io = {0};
    int status;
    cr_assert_eq(bide_countdown_ask_get(client), 0);
    while ((status = bide_countdown_client_resume(client, &io)) == BIDE_SANSIO_WANTS) {
        if (conn)
            bide_sansio_on_async(&io, conn, bide_after(BIDE_MILLISECONDS(PATIENCE)));
        else
            bide_sansio_on_fd(&io, fd);
    }
    cr_assert_eq(status, BIDE_SANSIO_DONE, "%s", bide_error_name(status));
    cr_assert_eq(client->status->state, state);
}

/* A process that dies in the middle of a request, with the rest of its answers unread. */
static void die_in_mid_request(void)
{
    int ready[2];
    cr_assert_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        int fd = connected_at(path);
        (void)!write(fd, "\"get\"\n\"get\"\n{\"set\":", 19);
        (void)!write(ready[1], "", 1);
        (void)pause();
        _exit(0);
    }
    char byte;
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

Test(countdown_program, three_kinds_of_clients_are_served_at_once_and_one_that_dies_disturbs_none)
{
    if (!is_installed("nc")) BIDE_SKIP("no nc here");
    serve(&server, SERVE("--listen", "127.0.0.1:0", "--cycle", "Work 100s"), 2, line);
    struct place place;
    place_from(&place, strstr(line, "127."));

    static char buffers[2][4096];
    bide_countdown_client blocking;
    bide_countdown_client async;
    int fd = connected(&place);
    bide_countdown_client_init(&blocking, buffers[0], sizeof buffers[0]);
    bide_async *conn;
    bide_address address;
    cr_assert_eq(bide_address_parse(&address, place.text), 0);
    cr_assert_eq(bide_tcp_connect(&conn, &address, bide_after(BIDE_SECONDS(20))), 0);
    bide_countdown_client_init(&async, buffers[1], sizeof buffers[1]);
    struct talk nc;
    TALK(&nc, "/bin/sh", "-c", "exec nc -U \"$0\"", path);

    for (int round = 0; round < 3; round++) {
        say(&nc, "\"start\"\n");
        assert_says(&nc, "\"ok\"");
        expect_get(&blocking, fd, NULL, BIDE_COUNTDOWN_RUNNING);
        die_in_mid_request();
        say(&nc, "\"pause\"\r\n\"reboot\"\n");
        assert_says(&nc, "\"ok\"");
        assert_says(&nc, "{\"error\":\"unknown request\"}");
        expect_get(&async, -1, conn, BIDE_COUNTDOWN_PAUSED);
        say(&nc, "\"resume\"\n\"stop\"\n");
        assert_says(&nc, "\"ok\"");
        assert_says(&nc, "\"ok\"");
        expect_get(&blocking, fd, NULL, BIDE_COUNTDOWN_STOPPED);
        expect_get(&async, -1, conn, BIDE_COUNTDOWN_STOPPED);
    }

    end_server(&server);
    (void)close(fd);
    (void)bide_async_free(conn);
    bide_countdown_client_fini(&blocking);
    bide_countdown_client_fini(&async);
    end_input(&nc);
    assert_talk_ends(&nc, 0);
}

Test(countdown_program, who_does_not_read_ten_thousand_answers_keeps_nobody_waiting)
{
    enum { COUNT = 10000 };
    static const char request[] = "\"get\"\n";
    serve(&server, SERVE("--preset", "pomodoro"), 1, line);
    int greedy = connected_at(path);
    int other = connected_at(path);
    cr_assert_eq(fcntl(greedy, F_SETFL, O_NONBLOCK), 0);
    /* All that the kernel takes; the server stops reading when nobody reads its answers. */
    static char requests[COUNT * (sizeof request - 1)];
    for (size_t i = 0; i < COUNT; i++)
        memcpy(requests + i * (sizeof request - 1), request, sizeof request - 1);
    size_t sent = 0;
    ssize_t count;
    while (sent < sizeof requests && (count = write(greedy, requests + sent, sizeof requests - sent)) > 0)
        sent += (size_t)count;
    ask(other, "\"start\"\n");
    expect(other, "\"ok\"");
    size_t lines = 0;
    size_t bytes = 0;
    static char answers[65536];
    while (lines < COUNT) {
        struct pollfd poll_fd = {.fd = greedy,
                                 .events = (short)(POLLIN | (sent < sizeof requests ? POLLOUT : 0))};
        cr_assert_eq(poll(&poll_fd, 1, PATIENCE), 1, "%zu answers after %zu bytes", lines, bytes);
        if (sent < sizeof requests && (count = write(greedy, requests + sent, sizeof requests - sent)) > 0)
            sent += (size_t)count;
        while ((count = read(greedy, answers, sizeof answers)) > 0) {
            bytes += (size_t)count;
            for (ssize_t i = 0; i < count; i++)
                lines += answers[i] == '\n';
        }
        cr_assert_neq(count, 0, "the server hung up");
    }
    end_server(&server);
    (void)close(greedy);
    (void)close(other);
}

Test(countdown_program, who_does_not_get_a_request_out_is_dropped_and_who_says_nothing_may_stay)
{
    write_config("patience = 1s\ncycle = Work 10s\n");
    serve(&server, SERVE("--config", config), 1, line);
    int silent = connected_at(path);
    int slow = connected_at(path);
    int long_winded = connected_at(path);
    ask(slow, "\"get");
    static char endless[70000];
    memset(endless, 'x', sizeof endless);
    send_all(long_winded, endless, sizeof endless);
    expect(long_winded, "{\"error\":\"request longer than 65536 bytes\"}");
    cr_assert(ends(slow), "the slow one is still served");
    cr_assert(ends(long_winded), "the one without an end is still served");
    ask(silent, "\"start\"\n");
    expect(silent, "\"ok\"");
    end_server(&server);
    (void)close(silent);
    (void)close(slow);
    (void)close(long_winded);
}

Test(countdown_program, who_comes_beyond_the_limit_is_told_so_and_the_next_one_served)
{
    serve(&server, SERVE("--clients", "2"), 1, line);
    int clients[2];
    for (int i = 0; i < 2; i++) {
        clients[i] = connected_at(path);
        ask(clients[i], "\"pause\"\n");
        expect(clients[i], "\"ok\"");
    }
    int third = connected_at(path);
    expect(third, "{\"error\":\"too many clients\"}");
    cr_assert(ends(third));
    (void)close(third);
    (void)close(clients[0]);
    /* The place is free once the server has seen the end. */
    for (;;) {
        third = connected_at(path);
        ask(third, "\"pause\"\n");
        char first;
        cr_assert(readable(third, PATIENCE));
        cr_assert_eq(recv(third, &first, 1, MSG_PEEK), 1);
        if (first == '"') break;
        (void)close(third);
    }
    expect(third, "\"ok\"");
    end_server(&server);
    (void)close(third);
    (void)close(clients[1]);
}

/* --- the socket's file --- */

Test(countdown_program, a_stale_socket_is_removed_a_live_one_not_stolen_and_another_file_left_alone)
{
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    cr_assert_eq(bind(stale, (struct sockaddr *)&name, sizeof name), 0);
    cr_assert_eq(listen(stale, 1), 0);
    (void)close(stale);

    serve(&server, SERVE("--verbose"), 1, line);
    struct stat status;
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600, "others may connect");
    int client = connected_at(path);
    COMMAND(&r, "serve");
    assert_status(&r, 1);
    assert_has(r.err, "in use");
    ask(client, "\"start\"\n");
    expect(client, "\"ok\"");
    COMMAND(&r, "get");
    assert_status(&r, 0);
    (void)close(client);
    end_server(&server);

    write_config("not a socket\n");
    RUN(&r, PROGRAM, "serve", "--unix", config);
    assert_status(&r, 1);
    cr_assert_eq(access(config, F_OK), 0, "the file is gone");
}

/* --- commands --- */

static void expect_command(const char *command, const char *argument, const char *expected)
{
    if (argument)
        COMMAND(&r, command, argument);
    else
        COMMAND(&r, command);
    assert_status(&r, 0);
    cr_assert_str_eq(r.out, expected, "%s: \"%s\" instead of \"%s\"", command, r.out, expected);
}

/* The same, where what is left depends on how fast this machine is. */
static void expect_state(const char *command, const char *beginning)
{
    COMMAND(&r, command);
    assert_status(&r, 0);
    cr_assert(strncmp(r.out, beginning, strlen(beginning)) == 0, "%s: \"%s\"", command, r.out);
    assert_has(r.out, " of 1:30:00\n");
}

Test(countdown_program, the_commands_do_what_they_say_and_show_the_countdown)
{
    serve(&server, SERVE("--cycle", "Deep work 1h30m", "--cycle", "Rest 300"), 1, line);
    expect_command("get", NULL, "stopped  Deep work  1:30:00 of 1:30:00\n");
    expect_state("start", "running  Deep work  1:");
    expect_state("pause", "paused  Deep work  1:");
    expect_command("set", "25:00", "paused  Deep work  25:00 of 1:30:00\n");
    expect_state("resume", "running  Deep work  2");
    expect_command("stop", NULL, "stopped  Deep work  1:30:00 of 1:30:00\n");
    expect_command("stop", "--json", "\"ok\"\n");
    expect_command(
        "get", "--json",
        "{\"timer\":{\"config\":{\"cycles\":[{\"name\":\"Deep work\",\"duration\":5400},"
        "{\"name\":\"Rest\",\"duration\":300}],\"cycles-count\":\"infinite\"},\"state\":\"stopped\","
        "\"cycle\":{\"name\":\"Deep "
        "work\",\"duration\":5400},\"cycles-count\":\"infinite\",\"elapsed\":0}}\n");
    end_server(&server);
}

Test(countdown_program, presets_and_loops_are_those_that_were_asked_for)
{
    static const struct {
        const char *preset, *has;
    } presets[] = {{"pomodoro",
                    "{\"name\":\"Work\",\"duration\":1500},{\"name\":\"Long rest\",\"duration\":900}]"},
                   {"52/17", "[{\"name\":\"Work\",\"duration\":3120},{\"name\":\"Rest\",\"duration\":1020}]"},
                   {"112/26",
                    "[{\"name\":\"Work\",\"duration\":6720},{\"name\":\"Rest\",\"duration\":1560}]"}};
    for (size_t i = 0; i < 3; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "preset = %s\nloops = 7\n", presets[i].preset);
        write_config(text);
        serve(&server, SERVE("--config", config), 1, line);
        COMMAND(&r, "get", "--json");
        assert_has(r.out, presets[i].has);
        assert_has(r.out, "\"cycles-count\":{\"fixed\":7},\"elapsed\"");
        end_server(&server);
    }
}

Test(countdown_program, the_command_line_takes_precedence_over_the_file)
{
    write_config(
        "# settings\n\ncycle = File 1m\n  loops=3  \r\nlisten = 127.0.0.1:0\nunix = /nonexistent/socket\n");
    serve(&server, SERVE("--config", config, "--cycle", "Line 2m", "--loops", "infinite"), 1, line);
    COMMAND(&r, "get", "--json", "--config", config);
    assert_has(r.out, "[{\"name\":\"Line\",\"duration\":120}],\"cycles-count\":\"infinite\"");
    end_server(&server);
}

Test(countdown_program, a_mistake_in_the_file_is_told_with_its_line)
{
    write_config("cycle = Work 25m\nnonsense\ncolour = red\ncycle = Work\nloops = 0\non-fire = true\n"
                 "hook-timeout = 1y\nclients = -1\npreset = nap\nlisten =\n");
    RUN(&r, PROGRAM, "serve", "--unix", path, "--config", config);
    assert_status(&r, 1);
    static const char *const told[] = {":2: not \"key = value\"", ":3: no such key",
                                       ":4: no name and length",  ":5: neither",
                                       ":6: no such event",       ":7: no length of time",
                                       ":8: no number",           ":9: no preset",
                                       ":10: must not be empty"};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        assert_has(r.err, told[i]);
    RUN(&r, PROGRAM, "serve", "--config", "/nonexistent");
    assert_status(&r, 1);
}

Test(countdown_program, wrong_usage_is_told)
{
    static const struct {
        const char *words[4], *told;
    } wrong[] = {{{NULL}, "usage: "},
                 {{"dance", NULL}, "no such command"},
                 {{"get", "--jsno", NULL}, "no such option"},
                 {{"get", "--listen", "127.0.0.1:1", NULL}, "not an option of this command"},
                 {{"serve", "--connect=x", NULL}, "not an option of this command"},
                 {{"get", "--unix", NULL}, "needs a value"},
                 {{"get", "--json=1", NULL}, "takes no value"},
                 {{"get", "now", NULL}, "one argument too many"},
                 {{"set", NULL}, "needs a length of time"},
                 {{"set", "soon", NULL}, "no length of time"},
                 {{"set", "1:60", NULL}, "no length of time"},
                 {{"set", "1", "2", NULL}, "one argument too many"},
                 {{"serve", "--preset", "nap", NULL}, "no preset"},
                 {{"serve", "--loops", "0", NULL}, "neither"},
                 {{"serve", "--cycle", "Nothing 0", NULL}, "no length"},
                 {{"serve", "--cycle", "\xff 1", NULL}, "no UTF-8"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *argv[6] = {PROGRAM};
        for (size_t k = 0; k < 4; k++)
            argv[k + 1] = wrong[i].words[k];
        run_into(&r, -1, argv);
        assert_status(&r, 2);
        assert_has(r.err, wrong[i].told);
    }
}

Test(countdown_program, help_and_version_are_printed_and_a_full_device_is_told)
{
    RUN(&r, PROGRAM, "--help");
    assert_status(&r, 0);
    assert_has(r.out, "usage: bide-countdown COMMAND");
    assert_has(r.out, "--preset NAME");
    RUN(&r, PROGRAM, "get", "-h");
    assert_status(&r, 0);
    RUN(&r, PROGRAM, "--version");
    assert_has(r.out, bide_version_string());
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    run_into(&r, full, (const char *const[]){PROGRAM, "--help", NULL});
    assert_status(&r, 1);
    (void)close(full);
}

/* What bash would offer after these words. */
static void expect_completion(const char *words, const char *expected)
{
    char script[512];
    (void)snprintf(script, sizeof script,
                   "source " BIDE_COUNTDOWN_COMPLETION "; COMP_WORDS=(bide-countdown %s)"
                   "; COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _bide_countdown; echo \"${COMPREPLY[@]}\"",
                   words);
    RUN(&r, "/bin/bash", "-c", script);
    assert_status(&r, 0);
    cr_assert_str_eq(r.out, expected, "after \"%s\": %s", words, r.out);
}

Test(countdown_program, bash_completes_commands_options_and_presets_that_there_are)
{
    if (access("/bin/bash", X_OK) != 0) BIDE_SKIP("no bash here");
    expect_completion("s", "serve start stop set\n");
    expect_completion("get --j", "--json\n");
    expect_completion("serve --l", "--listen --loops\n");
    expect_completion("serve --preset ''", "pomodoro 52/17 112/26\n");
    RUN(&r, "/bin/bash", "-c",
        "source " BIDE_COUNTDOWN_COMPLETION
        "; for command in serve get; do COMP_WORDS=(bide-countdown $command ''); "
        "COMP_CWORD=2; _bide_countdown; echo \"${COMPREPLY[@]}\"; done");
    struct run help;
    RUN(&help, PROGRAM, "--help");
    for (char *word = strtok(r.out, " \n"); word; word = strtok(NULL, " \n"))
        assert_has(help.out, word);
}

Test(countdown_program, a_server_that_is_not_there_or_no_server_is_told)
{
    COMMAND(&r, "get");
    assert_status(&r, 1);
    assert_has(r.err, "not found");
    assert_has(r.err, "bide-countdown serve");
    struct place place;
    int listener = listening(&place, 5);
    RUN(&r, PROGRAM, "get", "--connect", place.text, "--timeout", "1");
    assert_status(&r, 1);
    assert_has(r.err, "timed out");
    (void)close(listener);
    RUN(&r, PROGRAM, "get", "--connect", "nonsense");
    assert_status(&r, 1);
}

Test(countdown_program, a_host_is_connected_to_by_name)
{
    serve(&server, SERVE("--listen", "localhost:0", "--cycle", "Tea 3m"), 2, line);
    char where[64];
    (void)snprintf(where, sizeof where, "localhost:%s", strrchr(line, ':') + 1);
    RUN(&r, PROGRAM, "get", "--connect", where);
    assert_status(&r, 0);
    cr_assert_str_eq(r.out, "stopped  Tea  3:00 of 3:00\n");
    end_server(&server);
}
