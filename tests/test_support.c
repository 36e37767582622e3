/* The tests' own tools keep their promises too: assertions, counts, faults.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "bide_test.h"
#include "support/syscalls.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- the runner -------------------------------------------------------------------------------------------- */

static int prepared;

static void prepare(void)
{
    prepared = 1;
}

static void must_be_prepared(void)
{
    if (!prepared) abort();
}

TestSuite(support, .timeout = 30);

Test(support, init_runs_before_the_test_and_fini_after, .init = prepare, .fini = must_be_prepared)
{
    cr_assert_eq(prepared, 1);
}

Test(support, an_expected_signal_passes, .signal = SIGUSR1)
{
    (void)raise(SIGUSR1);
}

Test(support, an_expected_exit_status_passes, .exit_code = 3)
{
    exit(3);
}

Test(support, every_assertion_takes_a_message_or_none)
{
    int one = 1;
    const char *text = "text";
    cr_assert(one);
    cr_assert(one, "plain");
    cr_assert(one, "%d", one);
    cr_assert_not(!one, "%d", one);
    cr_assert_eq(one, 1);
    cr_assert_neq(one, 2, "%d and %s", one, text);
    cr_assert_lt(one, 2);
    cr_assert_leq(one, 1, "%d", one);
    cr_assert_gt(one, 0);
    cr_assert_geq(one, 1, "%d", one);
    cr_assert_null(NULL);
    cr_assert_not_null(text, "%d", one);
    cr_assert_str_eq(text, "text", "%s", text);
    cr_assert_str_neq(text, "other");
}

/* --- descriptors and threads ------------------------------------------------------------------------------- */

Test(support, open_descriptors_are_counted)
{
    int before = bide_test_fd_count();
    int copy = dup(2);
    cr_assert_eq(bide_test_fd_count(), before + 1, "%d before, %d with one more", before,
                 bide_test_fd_count());
    (void)close(copy);
    cr_assert_eq(bide_test_fd_count(), before, "%d before, %d after", before, bide_test_fd_count());
}

static void *read_one(void *arg)
{
    (void)pthread_setname_np(pthread_self(), "support-reader");
    uint64_t value;
    for (int i = 0; i < 2; i++)
        if (read(*(int *)arg, &value, sizeof value) != sizeof value) abort();
    return NULL;
}

Test(support, a_sleeping_thread_makes_no_context_switches_and_a_woken_one_does)
{
    int event = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    int threads = bide_test_thread_count();
    pthread_t reader;
    cr_assert_eq(pthread_create(&reader, NULL, read_one, &event), 0);
    int id;
    while ((id = bide_test_thread_named("support-reader")) == 0)
        (void)sched_yield();
    cr_assert_eq(bide_test_thread_count(), threads + 1);

    /* Asleep once the count stands still over a while in which nothing wakes it. */
    struct bide_test_switches asleep = bide_test_thread_switches(id);
    struct bide_test_switches later;
    for (;;) {
        (void)usleep(20000);
        later = bide_test_thread_switches(id);
        if (later.voluntary == asleep.voluntary && later.voluntary > 0) break;
        asleep = later;
    }
    uint64_t one = 1;
    (void)!write(event, &one, sizeof one);
    while ((later = bide_test_thread_switches(id)).voluntary <= asleep.voluntary)
        (void)sched_yield();

    (void)!write(event, &one, sizeof one);
    (void)pthread_join(reader, NULL);
    (void)close(event);
    later = bide_test_thread_switches(id);
    cr_assert_eq(later.voluntary, -1, "a thread that ended has no counts: %ld", later.voluntary);
    cr_assert_eq(bide_test_thread_named("support-reader"), 0);
}

/* --- counting calls ---------------------------------------------------------------------------------------- */

Test(support, calls_are_counted_by_kind)
{
    int pair[2];
    bide_calls_reset();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    char byte = 'x';
    cr_assert_eq(send(pair[0], &byte, 1, MSG_NOSIGNAL), 1);
    cr_assert_eq(recv(pair[1], &byte, 1, 0), 1);
    (void)close(pair[0]);
    (void)close(pair[1]);
    cr_assert_eq(bide_calls_of(BIDE_CALL_SEND), 1, "%s", bide_calls_text());
    cr_assert_eq(bide_calls_of(BIDE_CALL_CLOSE), 2, "%s", bide_calls_text());
    cr_assert_eq(bide_calls_total(), 5, "%s", bide_calls_text());
    cr_assert_eq(bide_calls_thread_total(), 5);
    cr_assert_str_eq(bide_calls_text(), "recv 1, send 1, socket 1, close 2");
}

Test(support, a_call_by_number_is_counted_as_what_it_is)
{
    uint32_t word = 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event;
    bide_calls_reset();
    cr_assert_eq(syscall(SYS_futex, &word, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0), 0);
    cr_assert_eq(syscall(SYS_epoll_pwait, epoll, &event, 1, 0, NULL, (size_t)8), 0);
    cr_assert_gt(syscall(SYS_gettid), 0);
    cr_assert_str_eq(bide_calls_text(), "epoll_wait 1, futex 1, syscall 1");
    (void)close(epoll);
}

Test(support, allocations_are_counted_apart)
{
    bide_calls_reset();
    void *volatile memory = malloc(10);
    memory = realloc(memory, 20);
    free(memory);
    cr_assert_eq(bide_calls_of(BIDE_CALL_ALLOC), 2, "%s", bide_calls_text());
    cr_assert_eq(bide_calls_total(), 0, "%s", bide_calls_text());
}

Test(support, a_paused_thread_does_not_count_nor_fail)
{
    bide_calls_reset();
    bide_fault_set(BIDE_CALLS_SYSTEM, 1, 1, EIO);
    bide_calls_pause();
    int copy = eventfd(0, 0);
    (void)close(copy);
    bide_calls_resume();
    cr_assert_eq(bide_fault_clear(), 0);
    cr_assert_geq(copy, 0);
    cr_assert_eq(bide_calls_total(), 0, "%s", bide_calls_text());
}

static void *count_two(void *arg)
{
    (void)arg;
    (void)close(eventfd(0, 0));
    cr_assert_eq(bide_calls_thread_total(), 2);
    return NULL;
}

Test(support, each_thread_has_a_count_of_its_own)
{
    bide_calls_reset();
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, count_two, NULL), 0);
    (void)pthread_join(thread, NULL);
    cr_assert_eq(bide_calls_thread_total(), 1, "only pthread_create: %s", bide_calls_text());
    cr_assert_eq(bide_calls_total(), 3, "%s", bide_calls_text());
}

/* --- making calls fail ------------------------------------------------------------------------------------- */

Test(support, the_nth_call_fails_and_those_of_the_burst_after_it)
{
    int opened = 0;
    bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_EVENTFD), 2, 2, EMFILE);
    for (int i = 1; i <= 4; i++) {
        int event = eventfd(0, 0);
        if (event < 0) cr_assert(i == 2 || i == 3, "call %d failed", i);
        if (event < 0) cr_assert_eq(errno, EMFILE, "errno %d", errno);
        if (event >= 0) {
            opened++;
            (void)close(event);
        }
    }
    cr_assert_eq(bide_fault_clear(), 2);
    cr_assert_eq(opened, 2, "%d", opened);
}

Test(support, the_nth_allocation_fails)
{
    bide_fault_set(BIDE_CALLS_ALLOC, 2, 1, 0);
    void *volatile first = malloc(1);
    void *volatile second = calloc(1, 1);
    int error = errno;
    bide_fault_clear();
    cr_assert_not_null(first);
    cr_assert_null(second);
    cr_assert_eq(error, ENOMEM);
    free(first);
}

Test(support, a_failing_close_closes)
{
    int before = bide_test_fd_count();
    int event = eventfd(0, 0);
    bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_CLOSE), 1, 1, EIO);
    int result = close(event);
    int error = errno;
    bide_fault_clear();
    cr_assert_eq(result, -1);
    cr_assert_eq(error, EIO);
    cr_assert_eq(bide_test_fd_count(), before, "%d before, %d after", before, bide_test_fd_count());
}

static void *do_nothing(void *arg)
{
    return arg;
}

Test(support, a_failing_pthread_create_returns_the_error)
{
    pthread_t thread;
    bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_THREAD), 1, 1, 0);
    int error = pthread_create(&thread, NULL, do_nothing, NULL);
    bide_fault_clear();
    cr_assert_eq(error, EAGAIN, "%d", error);
}

struct tally {
    int runs;
    int complete;
};

/* Three calls that may fail, each cleaned up after. */
static void open_three(void *arg)
{
    struct tally *tally = arg;
    tally->runs++;
    int opened = 0;
    int event[3];
    while (opened < 3 && (event[opened] = eventfd(0, 0)) >= 0)
        opened++;
    tally->complete += opened == 3;
    while (opened > 0)
        (void)close(event[--opened]);
}

Test(support, each_call_of_a_scenario_fails_once)
{
    struct tally tally = {0, 0};
    int before = bide_test_fd_count();
    unsigned long failing = bide_fault_each(open_three, &tally, BIDE_CALL_BIT(BIDE_CALL_EVENTFD), 0);
    cr_assert_eq(failing, 3, "%lu", failing);
    cr_assert_eq(tally.runs, 4, "%d", tally.runs);
    cr_assert_eq(tally.complete, 1, "%d", tally.complete);
    cr_assert_eq(bide_test_fd_count(), before);
}
