/* Sources of bide/os/kqueue.h where the kernel refuses something, or is in a state that lasts too short to be met by
 * chance.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_kqueue.h"

#include <limits.h>

TestSuite(kqueue_faults, .init = count_what_is_there, .fini = expect_no_more, .timeout = 60);

int __real_kqueue(void);
int __wrap_kqueue(void);
int __real_kevent(int queue, const struct kevent *changes, int change_count, struct kevent *events,
                  int event_count, const struct timespec *timeout);
int __wrap_kevent(int queue, const struct kevent *changes, int change_count, struct kevent *events,
                  int event_count, const struct timespec *timeout);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

/* Which of the calls fails, counted down; and what kevent(2) answers to who watches a process. */
static int failing_queue, failing_change, failing_malloc;
static bool counting_malloc;
static int process_error;
static int interruptions;

static bool is_its_turn(int *left)
{
    return *left > 0 && --*left == 0;
}

int __wrap_kqueue(void)
{
    if (!is_its_turn(&failing_queue)) return __real_kqueue();
    errno = EMFILE;
    return -1;
}

int __wrap_kevent(int queue, const struct kevent *changes, int change_count, struct kevent *events,
                  int event_count, const struct timespec *timeout)
{
    const bool is_ours = change_count == 1 && event_count == 0;
    if (is_ours && is_its_turn(&failing_change)) {
        errno = ENOMEM;
        return -1;
    }
    if (is_ours && process_error && changes->filter == EVFILT_PROC && (changes->flags & EV_ADD)) {
        errno = process_error;
        return -1;
    }
    if (change_count == 0 && interruptions > 0 && timeout && timeout->tv_sec == 0 && timeout->tv_nsec == 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    return __real_kevent(queue, changes, change_count, events, event_count, timeout);
}

void *__wrap_malloc(size_t size)
{
    return counting_malloc && is_its_turn(&failing_malloc) ? NULL : __real_malloc(size);
}

static int hear(bide_kqueue **out)
{
    static const int numbers[] = {SIGUSR1, SIGUSR2};
    (void)signal(SIGUSR1, SIG_IGN);
    (void)signal(SIGUSR2, SIG_IGN);
    return bide_kqueue_signals(out, numbers, 2);
}

static int watch_self(bide_kqueue **out)
{
    return bide_kqueue_process(out, getpid());
}

static int start_timer(bide_kqueue **out)
{
    return bide_kqueue_timer(out, LONG, true);
}

static int watch_folder(bide_kqueue **out)
{
    const int folder = open("/tmp", O_RDONLY | O_CLOEXEC);
    int error = bide_kqueue_file(out, folder, BIDE_KQUEUE_DELETE);
    (void)close(folder);
    return error;
}

static int (*const makers[])(bide_kqueue **out) = {hear, watch_self, start_timer, watch_folder};
enum { MAKERS = sizeof makers / sizeof *makers };

/* Makes the n-th call fail until none does. */
static void fail_each(int *which, int error)
{
    for (size_t i = 0; i < MAKERS; i++) {
        bide_kqueue *source;
        cr_assert_ok(makers[i](&source)); /* all that is made once */
        cr_assert_ok(bide_kqueue_free(source));
        const int before = bide_test_fd_count();
        int failures = 0;
        for (int nth = 1;; nth++, failures++) {
            *which = nth;
            counting_malloc = true;
            int result = makers[i](&source);
            counting_malloc = false;
            if (*which > 0) break;
            cr_assert_gives(result, error);
            cr_assert_null(source);
            cr_assert_eq(bide_test_fd_count(), before, "maker %zu, call %d: %d descriptors, not %d", i, nth,
                         bide_test_fd_count(), before);
        }
        *which = 0;
        cr_assert_gt(failures, 0, "maker %zu makes no such call", i);
        cr_assert_ok(bide_kqueue_free(source));
    }
}

Test(kqueue_faults, where_the_queue_cannot_be_made_nothing_is_left)
{
    fail_each(&failing_queue, BIDE_EMFILE);
}

Test(kqueue_faults, where_the_kernel_refuses_a_watch_nothing_is_left)
{
    fail_each(&failing_change, BIDE_ENOMEM);
}

Test(kqueue_faults, without_memory_nothing_is_left)
{
    fail_each(&failing_malloc, BIDE_ENOMEM);
}

Test(kqueue_faults, a_call_that_is_interrupted_is_made_again)
{
    bide_kqueue *source;
    cr_assert_ok(hear(&source));
    cr_assert_done(kill(getpid(), SIGUSR1));
    interruptions = 3;
    assert_signal(source, SIGUSR1, 1);
    cr_assert_eq(interruptions, 0);
    cr_assert_ok(bide_kqueue_free(source));
}

/* As OpenBSD, NetBSD and macOS: not found any more, and no zombie yet. */
Test(kqueue_faults, a_child_that_is_just_ending_is_looked_at_until_it_has)
{
    struct child child = start(exit_with_7);
    process_error = ESRCH;
    bide_kqueue *source;
    bide_kqueue_event event;
    cr_assert_ok(bide_kqueue_process(&source, child.id));
    cr_assert_gives(bide_kqueue_wait(source, &event, bide_after(SHORT)), BIDE_ETIMEDOUT);
    let_go(&child);
    cr_assert_ok(bide_kqueue_wait(source, &event, bide_after(LONG)));
    cr_assert_eq(event.status, 7 << 8, "status %#x", (unsigned)event.status);
    cr_assert_ok(bide_kqueue_wait(source, &event, BIDE_NOW));
    cr_assert_eq(reap(child.id), 7 << 8);
    cr_assert_ok(bide_kqueue_free(source));
}

Test(kqueue_faults, the_end_of_a_child_that_somebody_has_waited_for_meanwhile_has_no_status)
{
    struct child child = start(exit_with_7);
    process_error = ESRCH;
    bide_kqueue *source;
    bide_kqueue_event event;
    cr_assert_ok(bide_kqueue_process(&source, child.id));
    let_go(&child);
    cr_assert_eq(reap(child.id), 7 << 8);
    cr_assert_ok(bide_kqueue_wait(source, &event, bide_after(LONG)));
    cr_assert_eq(event.status, BIDE_KQUEUE_NO_STATUS, "status %#x", (unsigned)event.status);
    cr_assert_ok(bide_kqueue_free(source));
}

Test(kqueue_faults, a_process_that_may_not_be_watched_is_an_error)
{
    bide_kqueue *source;
    process_error = EACCES;
    cr_assert_gives(watch_self(&source), BIDE_EACCES);
    process_error = EPERM;
    cr_assert_gives(watch_self(&source), BIDE_EPERM);
    cr_assert_null(source);
}
