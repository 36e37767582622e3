/* What the tests of Unix sockets share: a temporary folder for their files, listeners, and full ones.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_UNIX_H
#define BIDE_TEST_UNIX_H

#include "test_inventory.h"

#include <sys/stat.h>
#include <sys/un.h>

static char folder[64];

static inline void make_folder(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/bide-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder), "%s: %s", folder, strerror(errno));
    take_inventory();
}

/* Only a folder that is empty can be removed: a test that leaves a file behind fails here. */
static inline void remove_folder(void)
{
    cr_assert_done(rmdir(folder));
}

/* Where `name` is in the folder. */
static inline const char *path_of(const char *name)
{
    static char path[sizeof folder + 32];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline bide_address address_of(const char *name)
{
    bide_address address;
    cr_assert_ok(bide_address_unix(&address, path_of(name)));
    return address;
}

static inline bool exists(const char *name)
{
    struct stat status;
    return lstat(path_of(name), &status) == 0;
}

static inline void remove_file(const char *name)
{
    cr_assert_done(unlink(path_of(name)));
}

/* Connects without Bide, waiting. */
static inline int dial(const bide_address *where, int type)
{
    size_t length;
    const struct sockaddr *address = bide_address_sockaddr(where, &length);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    cr_assert_done(fd);
    cr_assert_done(connect(fd, address, (socklen_t)length));
    return fd;
}

/* A listener of Bide's that Linux has named, and its address. */
static inline bide_async *listen_anywhere(bide_address *where, int backlog)
{
    bide_async *listener;
    bide_address unnamed = bide_address_unnamed();
    cr_assert_ok(bide_unix_listen(&listener, &unnamed, backlog));
    cr_assert_ok(bide_async_local_address(listener, where));
    return listener;
}

/* A listener whose backlog is full: a connect gets EAGAIN. */
struct full {
    bide_address where;
    bide_async *listener;
    int filling[16];
    int count;
};

static inline void make_full(struct full *full)
{
    full->listener = listen_anywhere(&full->where, 1);
    size_t length;
    const struct sockaddr *address = bide_address_sockaddr(&full->where, &length);
    for (full->count = 0;; full->count++) {
        cr_assert_lt(full->count, 16, "this backlog has no end");
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        cr_assert_done(fd);
        if (connect(fd, address, (socklen_t)length) != 0) {
            cr_assert_eq(errno, EAGAIN, "%s", strerror(errno));
            (void)close(fd);
            return;
        }
        full->filling[full->count] = fd;
    }
}

/* Takes one connection in: there is room for another then. */
static inline void accept_one(struct full *full)
{
    bide_async *conn;
    cr_assert_ok(bide_accept(full->listener, &conn, NULL, bide_after(LONG)));
    cr_assert_ok(bide_async_free(conn));
}

static inline void free_full(struct full *full)
{
    close_all(full->filling, full->count);
    cr_assert_ok(bide_async_free(full->listener));
}

#endif
