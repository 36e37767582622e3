/* Runs the example programs, and is what is at the other end of their connections: plain sockets, without
 * Bide.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef TEST_EXAMPLES_RUN_H
#define TEST_EXAMPLES_RUN_H

#include "bide_test.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#define CONNECT BIDE_EXAMPLES "/connect"
#define ECHO_SERVER BIDE_EXAMPLES "/echo_server"
#define IDLE_TIMEOUTS BIDE_EXAMPLES "/idle_timeouts"
#define TIMERS BIDE_EXAMPLES "/timers"
#define DEMO BIDE_EXAMPLES "/demo"
#define UDP_QUERY BIDE_EXAMPLES "/udp_query"
#define INOTIFY BIDE_EXAMPLES "/inotify"
#define PROCESS BIDE_EXAMPLES "/process"
#define SIGNALS BIDE_EXAMPLES "/signals"
#define TIMERFD BIDE_EXAMPLES "/timerfd"
#define WITH_TIMEOUT BIDE_EXAMPLES "/with_timeout"
#define BANNER BIDE_DOCUMENTATION "/banner"
#define TICKER BIDE_DOCUMENTATION "/ticker"

/* In milliseconds: nothing here takes as long unless it hangs. */
#define PATIENCE 20000

/* --- programs --- */

enum { OUTPUT = 16 * 1024 };

struct run {
    int status; /* the exit code; -1: ended by a signal */
    char out[OUTPUT];
    char err[OUTPUT];
};

typedef const char *const *arguments;

/* Runs a program to its end. `in`: what it reads; -1: what we read. `out`: where its output goes; -1: into
 * r->out. */
void run_with(struct run *r, int in, int out, arguments argv);
void run_into(struct run *r, int out, arguments argv);

#define RUN(r, ...) run_into(r, -1, (const char *const[]){__VA_ARGS__, NULL})

void assert_status(const struct run *r, int status);
void assert_has(const char *text, const char *part);

enum { LINE = 256 };

/* Reads a line, and takes nothing after it. Without its end. */
void read_line(int fd, char line[LINE]);

/* A program under way, which is talked to. */
struct talk {
    pid_t process;
    int in; /* what it reads; -1: its input has ended */
    int out;
};

void start_talk(struct talk *talk, arguments argv);
#define TALK(talk, ...) start_talk(talk, (const char *const[]){__VA_ARGS__, NULL})

void say(struct talk *talk, const char *text);
void end_input(struct talk *talk);

/* Its next line is this one. */
void assert_says(struct talk *talk, const char *expected);

/* It ends, with that exit code. */
void assert_talk_ends(struct talk *talk, int status);

/* Waits for the end of a child process: its exit code, or -1. */
int exit_code(pid_t child);

/* Milliseconds on the monotonic clock. */
int64_t now_ms(void);

/* --- sockets --- */

struct place {
    struct sockaddr_in address;
    char text[32];
};

/* A socket on a free port of 127.0.0.1 that does not listen, so that connects are refused; and one that
 * does. */
int bound(struct place *place);
int listening(struct place *place, int backlog);

/* The address that a program printed. */
void place_from(struct place *place, const char *line);

/* A listener whose backlog is full: the next connect stays pending. */
struct full {
    int listener;
    int fillers[64];
    size_t count;
};

void fill(struct full *full, struct place *place);
void empty(struct full *full);

int try_connect(const struct place *place); /* -1 if it fails */
int connected(const struct place *place);

/* Whether the descriptor is readable within so many milliseconds. */
bool readable(int fd, int within);

void send_all(int fd, const char *bytes, size_t length);
void receive_all(int fd, char *bytes, size_t length);

/* What is sent comes back. Up to 63 bytes. */
void assert_echoes(int fd, const char *text);

/* Whether the other end has closed, or soon does. */
bool ends(int fd);

/* --- servers --- */

/* A server that was started and has told where it listens. */
struct server {
    pid_t process;
    int out;
    struct place place;
};

/* `descriptors`: how many it may have open; 0: as many as we. */
void start_server(struct server *server, rlim_t descriptors, arguments argv);

#define START(server, ...) start_server(server, 0, (const char *const[]){__VA_ARGS__, NULL})

/* It ends with exit code 0; the second one sends it SIGTERM before. */
void assert_stops(struct server *server);
void stop(struct server *server);

#endif
