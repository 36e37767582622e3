/* What the tests of the program bide-countdown share: a folder, a server in it, lines on sockets.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef TEST_COUNTDOWN_PROGRAM_H
#define TEST_COUNTDOWN_PROGRAM_H

#include "test_examples_run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PROGRAM BIDE_COUNTDOWN_PROGRAM

static char folder[64];
static char path[96];   /* of the server's socket */
static char config[96]; /* of a configuration file, if a test writes one */

static inline void make_folder(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/bide-countdown-XXXXXX");
    cr_assert_not_null(mkdtemp(folder), "%s: %s", folder, strerror(errno));
    (void)snprintf(path, sizeof path, "%s/socket", folder);
    (void)snprintf(config, sizeof config, "%s/bide-countdown.conf", folder);
    /* Neither a server nor settings of whoever runs the tests. */
    (void)setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    (void)setenv("XDG_RUNTIME_DIR", folder, 1);
    (void)unsetenv("NO_COLOR");
}

/* Nothing but the configuration file may be left. */
static inline void remove_folder(void)
{
    (void)unlink(config);
    cr_assert_eq(rmdir(folder), 0, "%s: %s", folder, strerror(errno));
}

static inline void write_config(const char *text)
{
    FILE *file = fopen(config, "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

/* A server under way, that has said at how many places it listens. */
static inline void serve(struct talk *server, arguments argv, size_t places, char line[LINE])
{
    start_talk(server, argv);
    for (size_t i = 0; i < places; i++) {
        read_line(server->out, line);
        assert_has(line, "listening on ");
    }
}

static inline void end_server(struct talk *server)
{
    cr_assert_eq(kill(server->process, SIGTERM), 0);
    assert_talk_ends(server, 0);
    cr_assert(access(path, F_OK) != 0, "the socket is still there");
}

static inline int connected_at(const char *where)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)snprintf(name.sun_path, sizeof name.sun_path, "%s", where);
    cr_assert_eq(connect(fd, (struct sockaddr *)&name, sizeof name), 0, "%s: %s", where, strerror(errno));
    return fd;
}

static inline void ask(int fd, const char *request)
{
    send_all(fd, request, strlen(request));
}

/* The next line is this one; a longer one begins so. */
static inline void expect(int fd, const char *expected)
{
    char text[1024];
    size_t length = 0;
    do {
        cr_assert_lt(length, sizeof text - 1);
        cr_assert(readable(fd, PATIENCE), "nothing came instead of %s", expected);
        cr_assert_eq(read(fd, text + length, 1), 1, "the end came instead of %s", expected);
    } while (text[length++] != '\n');
    text[length - 1] = '\0';
    cr_assert(strncmp(text, expected, strlen(expected)) == 0, "\"%s\" instead of \"%s\"", text, expected);
}

#endif
