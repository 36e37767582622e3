/* Every allocation and every system call fails once, one after the other, through every public function:
 * the call reports a clear error or goes on, nothing leaks, and the next use works.
 *
 * Each run is a process of its own, so that what is made on first use (the reactor, the helper thread, a
 * thread's context) can fail in each of them.
 *
 * The scenarios are in the files faults_*.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "faults.h"

#include <sys/mman.h>
#include <sys/wait.h>

TestSuite(faults, .timeout = 300);

static const struct scenario *const groups[] = {scenarios_of_async, scenarios_of_net, scenarios_of_time,
                                                scenarios_of_core};
#define GROUPS (sizeof groups / sizeof *groups)

/* --- running them --------------------------------------------------------------------------------------- */

/* Which faults a run injects. */
struct injection {
    uint64_t kinds;
    unsigned long nth;
    unsigned long burst;
    int error;     /* of the system; 0: a likely one */
    bool harmless; /* must be borne without an error */
};

/* What a run found, in memory that both processes see. */
struct report {
    unsigned long failed;
    char message[512];
};

static struct report *report;

#define COMPLAIN(...)                                                         \
    do {                                                                      \
        (void)snprintf(report->message, sizeof report->message, __VA_ARGS__); \
        return;                                                               \
    } while (0)

/* Whether an error is one that the injected fault explains. */
static bool explains(const struct injection *injection, int error)
{
    if (error == 0) return true;
    if (error == WRONG || injection->harmless) return false;
    if (strcmp(bide_error_name(error), "BIDE_E?") == 0) return false;
    if (error == BIDE_ETIMEDOUT || error == BIDE_ECANCELED || error == BIDE_EAGAIN) return false;
    if (injection->kinds & BIDE_CALLS_ALLOC) return error == BIDE_ENOMEM;
    if (injection->error == 0) return true;
    return error == bide_error_from_system(injection->error) || error == BIDE_ENOTHREAD;
}

static void run_scenario(const struct scenario *scenario, const struct injection *injection)
{
    struct inventory before = inventory_now();
    bide_fault_set(injection->kinds, injection->nth, injection->burst, injection->error);
    bide_instant begin = bide_now();
    int error = scenario->run();
    report->failed = bide_fault_clear();
    if (bide_instant_since(bide_now(), begin) >= PATIENCE) COMPLAIN("it hung");
    if (report->failed == 0 && error)
        COMPLAIN("without a fault it gave %d (%s)", error, bide_error_name(error));
    if (!explains(injection, error)) COMPLAIN("it gave %d (%s)", error, bide_error_name(error));
    error = scenario->run();
    if (error) COMPLAIN("the next use gave %d (%s)", error, bide_error_name(error));

    bide_reactor_stats stats;
    (void)bide_reactor_stats_read(bide_reactor_global(), &stats);
    if (stats.background) COMPLAIN("%zu waiters were left in the background", stats.background);
    if (stats.timers_pending) COMPLAIN("%zu timers were left", stats.timers_pending);
    error = bide_shutdown();
    if (error) COMPLAIN("shutdown gave %s", bide_error_name(error));
    for (int i = 0; i < 1000 && bide_test_thread_count() > before.threads; i++)
        pause_briefly();
    struct inventory after = inventory_now();
    if (after.fds != before.fds) COMPLAIN("%d descriptors before, %d after", before.fds, after.fds);
    if (after.threads != before.threads)
        COMPLAIN("%d threads before, %d after", before.threads, after.threads);
    if (bide_test_leaks()) COMPLAIN("memory leaked");
}

/* One run in a process of its own. */
static void run_apart(const struct scenario *scenario, const struct injection *injection)
{
    memset(report, 0, sizeof *report);
    (void)fflush(NULL);
    pid_t child = fork();
    cr_assert_geq(child, 0, "fork: %s", strerror(errno));
    if (child == 0) {
        run_scenario(scenario, injection);
        _exit(0);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: call %lu failing: ended with status %#x",
              scenario->name, injection->nth, (unsigned)status);
    cr_assert_str_eq(report->message, "", "%s: call %lu failing with %s: %s", scenario->name, injection->nth,
                     injection->error ? strerror(injection->error) : "a likely error", report->message);
}

/* All scenarios, with each call of these kinds failing in its turn. */
static void run_all(uint64_t kinds, unsigned long burst, int error, bool harmless)
{
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(report != MAP_FAILED);
    unsigned long runs = 0;
    for (size_t i = 0; i < GROUPS; i++)
        for (const struct scenario *scenario = groups[i]; scenario->name; scenario++) {
            struct injection injection = {kinds, 1, burst, error, harmless};
            do {
                run_apart(scenario, &injection);
                runs += report->failed > 0;
                injection.nth++;
            } while (report->failed > 0);
        }
    cr_assert_gt(runs, 0, "no such call was made");
    cr_log_info("%lu runs in which a call failed\n", runs);
    (void)munmap(report, sizeof *report);
}

#define CALLS_OF(name) BIDE_CALL_BIT(BIDE_CALL_##name)

Test(faults, every_allocation_may_fail)
{
    run_all(BIDE_CALLS_ALLOC, 1, ENOMEM, false);
}

Test(faults, all_allocations_from_one_on_may_fail)
{
    run_all(BIDE_CALLS_ALLOC, 1000000, ENOMEM, false);
}

Test(faults, every_system_call_may_fail_as_it_is_likely_to)
{
    run_all(BIDE_CALLS_FALLIBLE, 1, 0, false);
}

Test(faults, every_system_call_may_find_no_memory)
{
    run_all(BIDE_CALLS_FALLIBLE, 1, ENOMEM, false);
}

Test(faults, every_system_call_may_find_no_descriptor)
{
    run_all(CALLS_OF(SOCKET) | CALLS_OF(ACCEPT) | CALLS_OF(PIPE) | CALLS_OF(EVENTFD) |
                CALLS_OF(TIMERFD_CREATE) | CALLS_OF(EPOLL_CREATE),
            1, EMFILE, false);
    run_all(CALLS_OF(SOCKET) | CALLS_OF(ACCEPT) | CALLS_OF(EVENTFD) | CALLS_OF(EPOLL_CREATE), 1, ENFILE,
            false);
}

/* Calls that a signal may interrupt: those that do input and output or wait. */
#define INTERRUPTIBLE                                                                         \
    (CALLS_OF(READ) | CALLS_OF(WRITE) | CALLS_OF(READV) | CALLS_OF(WRITEV) | CALLS_OF(RECV) | \
     CALLS_OF(SEND) | CALLS_OF(SENDMSG) | CALLS_OF(ACCEPT) | CALLS_OF(EPOLL_WAIT) | CALLS_OF(POLL))

Test(faults, interrupted_calls_are_made_again)
{
    run_all(INTERRUPTIBLE, 1, EINTR, true);
}

Test(faults, calls_that_are_interrupted_several_times_are_made_again)
{
    run_all(INTERRUPTIBLE, 5, EINTR, true);
}

Test(faults, connections_that_died_in_the_backlog_are_passed_over)
{
    static const int errors[] = {ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, ENETUNREACH};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        run_all(CALLS_OF(ACCEPT), 3, errors[i], true);
}

Test(faults, the_helper_thread_may_not_start)
{
    run_all(CALLS_OF(THREAD), 1, EAGAIN, false);
}

Test(faults, closing_may_fail)
{
    run_all(CALLS_OF(CLOSE), 1, EIO, true);
    run_all(CALLS_OF(CLOSE), 1, EINTR, true);
}

/* --- would block, again and again ----------------------------------------------------------------------- */

struct feeder {
    int fd;
    _Atomic bool stop;
};

static void *feed(void *arg)
{
    struct feeder *feeder = arg;
    bide_calls_pause();
    while (!atomic_load(&feeder->stop)) {
        if (write(feeder->fd, "x", 1) != 1) abort();
        pause_briefly();
    }
    bide_calls_resume();
    return NULL;
}

Test(faults, a_read_that_finds_nothing_again_and_again_goes_on_with_what_comes)
{
    struct inventory before = inventory_now();
    for (enum channel kind = 0; kind < CHANNELS; kind++) {
        int peer;
        bide_async *async = scene_handle(kind, &peer);
        struct feeder feeder = {.fd = peer};
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, feed, &feeder), 0);
        for (unsigned long burst = 1; burst <= 20; burst += 3) {
            char byte;
            bide_fault_set(CALLS_OF(READ), 1, burst, EAGAIN);
            cr_assert_gives(bide_read(async, &byte, 1, BIDE_NEVER), 1);
            cr_assert_eq(bide_fault_clear(), burst);
        }
        atomic_store(&feeder.stop, true);
        (void)pthread_join(thread, NULL);
        cr_assert_ok(bide_async_free(async));
        (void)close(peer);
    }
    expect_nothing_left(before);
}

Test(faults, a_wait_that_is_interrupted_again_and_again_keeps_its_deadline)
{
    struct inventory before = inventory_now();
    int peer;
    char byte;
    bide_async *async = scene_handle(UNIX, &peer);
    for (int i = 0; i < 3; i++) {
        bide_instant deadline = bide_after(SHORT);
        bide_fault_set(CALLS_OF(EPOLL_WAIT) | CALLS_OF(POLL), 1, 100, EINTR);
        cr_assert_gives(bide_read(async, &byte, 1, deadline), BIDE_ETIMEDOUT);
        cr_assert_not(bide_before(bide_now(), deadline));
        cr_assert_gt(bide_fault_clear(), 0);
    }
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}

Test(faults, a_poller_that_fails_is_reported_to_who_waits_and_the_next_wait_works)
{
    struct inventory before = inventory_now();
    int peer;
    char byte;
    bide_async *async = scene_handle(UNIX, &peer);
    drain_memory(async);
    bide_fault_set(CALLS_OF(EPOLL_WAIT) | CALLS_OF(POLL), 1, 1, ENOMEM);
    cr_assert_gives(bide_read(async, &byte, 1, BIDE_NEVER), BIDE_ENOMEM);
    cr_assert_eq(bide_fault_clear(), 1);
    cr_assert_eq(waiters_of(async, BIDE_READ), 0);
    scene_put(peer, "x");
    cr_assert_gives(bide_read(async, &byte, 1, BIDE_NEVER), 1);

    /* The helper thread has nobody to report to: it tries again. */
    struct counter counter = {0};
    drain_memory(async);
    bide_fault_set(CALLS_OF(EPOLL_WAIT) | CALLS_OF(POLL), 1, 3, ENOMEM);
    int answer = bide_async_poll_readable(async, counting(&counter));
    while (answer < 0)
        answer = bide_async_poll_readable(async, counting(&counter));
    cr_assert_gives(answer, BIDE_PENDING);
    scene_put(peer, "x");
    AWAIT(counter.wakes == 1);
    (void)bide_fault_clear();
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    expect_nothing_left(before);
}
