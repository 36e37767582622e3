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

#include <bide/wheel.h>

#include <bide/log.h>
#include <bide/poller.h>

#include <sys/mman.h>
#include <sys/wait.h>

TestSuite(faults, .timeout = 300);

static const struct scenario *const groups[] = {scenarios_of_async,      scenarios_of_messages,
                                                scenarios_of_net,        scenarios_of_time,
                                                scenarios_of_core,       scenarios_of_names,
                                                scenarios_of_unix,       scenarios_of_tasks,
                                                scenarios_of_structured, scenarios_of_sync};
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
#define INTERRUPTIBLE                                                                                   \
    (CALLS_OF(READ) | CALLS_OF(WRITE) | CALLS_OF(READV) | CALLS_OF(WRITEV) | CALLS_OF(RECV) |           \
     CALLS_OF(SEND) | CALLS_OF(SENDMSG) | CALLS_OF(RECVMSG) | CALLS_OF(ACCEPT) | CALLS_OF(EPOLL_WAIT) | \
     CALLS_OF(POLL) | CALLS_OF(OPEN) | CALLS_OF(PREAD) | CALLS_OF(PWRITE) | CALLS_OF(SYNC) |            \
     CALLS_OF(NAMES) | CALLS_OF(DIRECTORY))

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

/* --- all functions -------------------------------------------------------------------------------------- */

/* Those that are in no scenario, for they make no call that could fail. (The name of a scope in an address is
 * looked up by libc itself, where the wraps do not reach; test_address.c has what comes of that.) */
static const char *const without_calls[] = {
    "address_abstract",
    "address_any",
    "address_any_ipv6",
    "address_equal",
    "address_family",
    "address_format",
    "address_from_system",
    "address_ipv4",
    "address_ipv6",
    "address_loopback",
    "address_loopback_ipv6",
    "address_name",
    "address_parse",
    "address_path",
    "address_port",
    "address_set_port",
    "address_sockaddr",
    "address_unix",
    "address_unnamed",
    "after",
    "async_fd",
    "context_init",
    "context_spend",
    "context_waker",
    "error_from_system",
    "error_name",
    "event_fini",
    "event_init",
    "event_is_set",
    "event_reset",
    "future_init",
    "host_split",
    "instant_add",
    "instant_since",
    "last_error",
    "now",
    "poller_backend",
    "poller_fd",
    "poller_supports",
    "reactor_current",
    "reactor_global",
    "reactor_stats_read",
    "set_count",
    "set_init",
    "set_log",
    "set_threads",
    "strerror",
    "system_error",
    "timer_deadline",
    "timer_error",
    "timer_set_missed",
    "timer_set_slack",
    "timer_will_fire",
    "version",
    "version_string",
    "wheel_advance",
    "wheel_now",
    "wheel_options_init",
    "wheel_sleeping_init",
    "wheel_sleeping_init_until",
    "wheel_sleeping_is_expired",
    "wheel_sleeping_remaining",
};

static bool is_without_calls(const char *function)
{
    for (size_t i = 0; i < sizeof without_calls / sizeof *without_calls; i++)
        if (strcmp(without_calls[i], function) == 0) return true;
    return false;
}

static bool has_scenario(const char *function)
{
    size_t length = strlen(function);
    for (size_t i = 0; i < GROUPS; i++)
        for (const struct scenario *scenario = groups[i]; scenario->name; scenario++)
            for (const char *at = scenario->functions; (at = strstr(at, function)) != NULL; at++)
                if ((at == scenario->functions || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
                    return true;
    return false;
}

/* The list of public functions is the linker's. */
Test(faults, every_public_function_is_in_a_scenario_or_makes_no_call)
{
    FILE *map = fopen(BIDE_MAP, "r");
    cr_assert_not_null(map, "%s: %s", BIDE_MAP, strerror(errno));
    char line[256], name[64];
    int functions = 0;
    while (fgets(line, sizeof line, map)) {
        if (sscanf(line, " bide_%63[a-z0-9_];", name) != 1) continue;
        functions++;
        cr_assert(has_scenario(name) || is_without_calls(name),
                  "bide_%s is in no scenario: add one to a faults_*.c that calls it", name);
        cr_assert(!has_scenario(name) || !is_without_calls(name), "bide_%s is in both lists", name);
    }
    cr_assert_gt(functions, 100, "%d functions in %s", functions, BIDE_MAP);
    (void)fclose(map);
}

Test(faults, functions_that_are_in_no_scenario_make_no_call)
{
    int peer;
    bide_async *async = scene_handle(UNIX, &peer);
    bide_poller *poller;
    cr_assert_ok(bide_poller_new(&poller, NULL));
    cr_assert_ok(bide_sleep(1)); /* the thread's and the reactor's first wait */
    const uint8_t bytes[16] = {1};
    bide_fd fd;
    uint16_t port;
    size_t length;
    char text[64];
    bide_address any, system;
    bide_context cx;
    struct counter counter = {0};
    bide_event event;
    bide_future future;
    bide_set set;
    bide_timer timer;
    bide_timer_never(&timer);
    bide_wheel *wheel;
    bide_wheel_sleeping sleeping;
    bide_wheel_options wheel_options;
    bide_wheel_options_init(&wheel_options);
    wheel_options.form = BIDE_WHEEL_INLINE;
    wheel_options.clock = BIDE_WHEEL_MANUAL;
    cr_assert_ok(bide_wheel_new(&wheel, &wheel_options));

    bide_calls_reset();
    any = bide_address_any(1);
    (void)bide_address_ipv6(bytes, 1, 0);
    (void)bide_address_ipv4(bytes, 1);
    (void)bide_address_parse(&any, "127.0.0.1:80");
    (void)bide_host_split("localhost:80", text, sizeof text, &port);
    (void)bide_address_family(&any);
    (void)bide_address_port(&any);
    (void)bide_address_set_port(&any, 81);
    (void)bide_address_format(&any, text, sizeof text);
    const void *sockaddr = bide_address_sockaddr(&any, &length);
    (void)bide_address_from_system(&system, sockaddr, length);
    (void)bide_address_equal(&any, &system);
    any = bide_address_loopback(1);
    any = bide_address_loopback_ipv6(1);
    any = bide_address_any_ipv6(1);
    any = bide_address_unnamed();
    (void)bide_address_abstract(&any, "name", 4);
    (void)bide_address_name(&any, &length);
    (void)bide_address_unix(&any, "/path");
    (void)bide_address_path(&any, &length);
    (void)bide_instant_since(bide_instant_add(bide_after(1), 1), bide_now());
    (void)bide_async_fd(async);
    bide_context_init(&cx, counting(&counter));
    (void)bide_context_spend(&cx);
    (void)bide_context_waker(&cx);
    (void)bide_error_name(bide_error_from_system(EIO));
    (void)bide_strerror(bide_last_error());
    (void)bide_system_error(BIDE_EIO);
    (void)bide_event_init(&event, BIDE_EVENT_AUTO);
    (void)bide_event_is_set(&event);
    bide_event_reset(&event);
    (void)bide_event_fini(&event);
    bide_future_init(&future, timer.future.ops_);
    (void)bide_poller_backend(poller);
    (void)bide_poller_fd(poller, &fd);
    (void)bide_poller_supports(poller, BIDE_POLL_EDGE);
    (void)bide_reactor_current();
    bide_reactor_stats stats;
    (void)bide_reactor_stats_read(bide_reactor_global(), &stats);
    bide_set_init(&set);
    (void)bide_set_count(&set);
    bide_set_threads(true);
    bide_set_log(NULL, NULL);
    (void)bide_timer_deadline(&timer);
    (void)bide_timer_error(&timer);
    bide_timer_set_missed(&timer, BIDE_MISSED_SKIP);
    bide_timer_set_slack(&timer, 1000);
    (void)bide_timer_will_fire(&timer);
    (void)bide_wheel_advance(wheel, bide_wheel_now(wheel));
    bide_wheel_options_init(&wheel_options);
    (void)bide_wheel_sleeping_init(&sleeping, wheel, 1);
    (void)bide_wheel_sleeping_init_until(&sleeping, wheel, bide_instant_from_ns(5));
    (void)bide_wheel_sleeping_is_expired(&sleeping);
    (void)bide_wheel_sleeping_remaining(&sleeping);
    (void)bide_version();
    (void)bide_version_string();
    cr_assert_eq(bide_calls_total() + bide_calls_of(BIDE_CALL_ALLOC), 0, "%s", bide_calls_text());

    cr_assert_ok(bide_wheel_free(wheel));
    bide_poller_free(poller);
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
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
            bide_fault_set(CALLS_OF(READ) | CALLS_OF(RECV), 1, burst, EAGAIN);
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

/* The back end poll(2) has no edges: who waits renews the registration. Here the second one is told that the
 * descriptor is closed, and nobody would hear of any event any more. */
Test(faults, a_registration_that_cannot_be_renewed_is_told_to_all_who_wait)
{
    bide_reactor *reactor;
    cr_assert_ok(bide_reactor_new(&reactor, "poll"));
    bide_reactor *previous = bide_reactor_enter(reactor);
    int peer;
    bide_async *async = scene_handle(UNIX, &peer);
    (void)fill(async);
    struct counter reader = {0}, writer = {0};
    bide_readable readable;
    bide_writable writable;
    bide_readable_init(&readable, async);
    bide_writable_init(&writable, async);
    cr_assert_gives(poll_with(&readable.future, counting(&reader)), BIDE_PENDING);
    bide_fault_set(CALLS_OF(FCNTL), 1, 1, EBADF);
    int answer = poll_with(&writable.future, counting(&writer));
    cr_assert_eq(bide_fault_clear(), 1, "the registration was not renewed");
    cr_assert_gives(answer, BIDE_READY);
    cr_assert_gives(writable.result, BIDE_EBADF);
    cr_assert_eq(reader.wakes, 1, "%d wakes", reader.wakes);
    cr_assert_gives(poll_with(&readable.future, counting(&reader)), BIDE_READY);
    cr_assert_lt(readable.result, 0, "no error");
    cr_assert_ok(bide_async_free(async));
    (void)close(peer);
    bide_reactor_leave(previous);
    cr_assert_ok(bide_reactor_free(reactor));
}
