/* The poller: the choice of the back end, its descriptors, its life in a child and inside another loop.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_poller_pair.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { READ = BIDE_POLL_READ, WRITE = BIDE_POLL_WRITE, HUP = BIDE_POLL_HUP, ERR = BIDE_POLL_ERR };

TestSuite(poller, .init = open_all, .fini = close_all, .timeout = 30);

/* --- the choice of the back end ------------------------------------------------------------------------- */

static void expect_backend(const char *wanted, const char *name)
{
    bide_poller *other;
    cr_assert_ok(bide_poller_new(&other, wanted));
    cr_assert_str_eq(bide_poller_backend(other), name, "%s instead of %s", bide_poller_backend(other), name);
    bide_poller_free(other);
}

Test(poller, the_back_end_can_be_named)
{
    expect_backend("epoll", "epoll");
    expect_backend("poll", "poll");
}

Test(poller, the_back_end_can_be_named_in_the_environment)
{
    (void)setenv("BIDE_BACKEND", "poll", 1);
    expect_backend(NULL, "poll");
    (void)setenv("BIDE_BACKEND", "epoll", 1);
    expect_backend(NULL, "epoll");
    expect_backend("poll", "poll"); /* the program knows better than its environment */
    (void)setenv("BIDE_BACKEND", "", 1);
    expect_backend(NULL, "epoll");
    (void)unsetenv("BIDE_BACKEND");
    expect_backend(NULL, "epoll");
}

Test(poller, an_unknown_back_end_is_an_error)
{
    bide_poller *other = poller;
    cr_assert_gives(bide_poller_new(&other, "select"), BIDE_EBACKEND);
    cr_assert_null(other);
    cr_assert_gives(bide_poller_new(&other, ""), BIDE_EBACKEND);
    (void)setenv("BIDE_BACKEND", "epol", 1);
    cr_assert_gives(bide_poller_new(&other, NULL), BIDE_EBACKEND);
    cr_assert_gives(bide_poller_new(NULL, NULL), BIDE_EINVAL);
}

/* --- life and embedding --------------------------------------------------------------------------------- */

/* How many descriptors would stay open in a program that this one executes. */
static int inherited_count(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        int flags = fcntl(fd, F_GETFD);
        count += flags >= 0 && !(flags & FD_CLOEXEC);
    }
    return count;
}

Test(poller, all_descriptors_are_close_on_exec_and_free_closes_them)
{
    const char *const names[] = {"epoll", "poll"};
    for (size_t i = 0; i < 2; i++) {
        const int before = bide_test_fd_count();
        const int inherited = inherited_count();
        bide_poller *other;
        cr_assert_ok(bide_poller_new(&other, names[i]));
        cr_assert_gt(bide_test_fd_count(), before);
        cr_assert_eq(inherited_count(), inherited, "%s would let %d be inherited", names[i],
                     inherited_count() - inherited);
        cr_assert_ok(bide_poller_add(other, pair[0], 1, READ, BIDE_POLL_LEVEL));
        bide_poller_free(other);
        cr_assert_eq(bide_test_fd_count(), before, "%d before, %d after", before, bide_test_fd_count());
        cr_assert_geq(fcntl(pair[0], F_GETFD), 0, "the watched descriptor was closed");
    }
    bide_poller_free(NULL);
}

Test(poller, a_child_that_frees_it_does_not_disturb_its_parent)
{
    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_LEVEL));
    pid_t child = fork();
    if (child == 0) {
        bide_poller_free(poller);
        _exit(0);
    }
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "the child ended with status %#x", (unsigned)status);
    expect_nothing(poller);
    feed(pair[1]);
    expect_event(poller, 1, READ);
    cr_assert_ok(bide_poller_notify(poller));
    bide_poll_event event;
    drain(pair[0]);
    cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NEVER), 0);
}

static bool is_readable(bide_fd fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    return poll(&entry, 1, 0) == 1;
}

Test(poller, its_descriptor_tells_of_events_and_notifications)
{
    bide_fd fd;
    cr_assert_gives(bide_poller_fd(poller, NULL), BIDE_EINVAL);
    if (strcmp(bide_poller_backend(poller), "poll") == 0) {
        cr_assert_gives(bide_poller_fd(poller, &fd), BIDE_ENOTSUP);
        cr_assert_eq(fd, BIDE_INVALID_FD);
        return;
    }
    /* one that came before anybody asked for the descriptor counts as well */
    cr_assert_ok(bide_poller_notify(poller));
    cr_assert_ok(bide_poller_fd(poller, &fd));
    cr_assert(is_readable(fd));
    expect_nothing(poller);
    cr_assert_not(is_readable(fd));

    cr_assert_ok(bide_poller_add(poller, pair[0], 1, READ, BIDE_POLL_ONESHOT));
    cr_assert_not(is_readable(fd));
    feed(pair[1]);
    cr_assert(is_readable(fd));
    expect_event(poller, 1, READ);
    cr_assert_not(is_readable(fd));

    for (int i = 0; i < 3; i++) {
        cr_assert_ok(bide_poller_notify(poller));
        cr_assert_ok(bide_poller_notify(poller));
        cr_assert(is_readable(fd));
        expect_nothing(poller);
        cr_assert_not(is_readable(fd), "still readable after notification %d", i);
    }
}
