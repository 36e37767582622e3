/* Stacks of tasks: who overflowed is named before the process ends as it would have, and how much they use; the limit
 * of mappings. With 1, 2 and 8 workers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_inventory.h"
#include "test_stack.h"

#include <bide.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

TestSuite(overflow, .timeout = 60);

static const unsigned worker_counts[] = {1, 2, 8};
#define WORKER_COUNTS (sizeof worker_counts / sizeof *worker_counts)

/* --- children that fault ------------------------------------------------------------------------------------- */

static volatile uint64_t depth;

static uint64_t overflow(uint64_t n)
{
    volatile char frame[2000];
    frame[0] = (char)n;
    depth = n;
    return depth == 0 ? (uint64_t)frame[0] : overflow(n + 1) + (uint64_t)frame[0];
}

static int overflow_task(void *arg)
{
    (void)arg;
    return (int)overflow(1);
}

static int *volatile nowhere;

static int dereference_null(void *arg)
{
    (void)arg;
    return *nowhere;
}

static int send_segv(void *arg)
{
    (void)arg;
    return kill(getpid(), SIGSEGV);
}

static int line_of_spawn;

static int spawn_faulty(void *function)
{
    bide_task task;
    bide_task_options options = {.name = "hungry", .stack_size = 16384};
    bide_task_function *body = function;
    line_of_spawn = __LINE__ + 1;
    cr_assert_ok(bide_spawn(&task, *body, NULL, &options));
    return bide_task_join(task, NULL, BIDE_NEVER);
}

static int fault_by_itself(void *function)
{
    return (*(bide_task_function *)function)(NULL);
}

/* The handler is installed when all workers run already. */
static int install_late(void *function)
{
    cr_assert_ok(bide_sleep(BIDE_MILLISECONDS(2)));
    cr_assert_ok(bide_overflow_handler_install(2));
    return spawn_faulty(function);
}

static char told[4096]; /* what a child wrote */

/* Runs it in a process that is expected to fault; gives its status. */
static int fault_in_child(bide_task_function function, bide_task_function main_task, unsigned workers)
{
    int ends[2];
    size_t length = 0;
    int status = 0;
    cr_assert_done(pipe2(ends, O_CLOEXEC));
    pid_t child = fork();
    cr_assert_done(child);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        bide_run_options options = {.workers = workers};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)dup2(ends[1], 2);
        if (main_task != install_late && bide_overflow_handler_install(2) != 0) _exit(91);
        (void)bide_run(main_task, &function, &options);
        _exit(92);
    }
    (void)close(ends[1]);
    for (ssize_t count; (count = read(ends[0], told + length, sizeof told - 1 - length)) != 0;) {
        if (count < 0 && errno == EINTR) continue;
        cr_assert_gt(count, 0);
        length += (size_t)count;
        if (length == sizeof told - 1)
            length = sizeof told / 2; /* of a sanitizer's report the rest is of no use */
    }
    told[length] = '\0';
    (void)close(ends[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

/* As it would have ended without us. */
static void expect_fault(int status)
{
#if defined(BIDE_TEST_ASAN) || defined(BIDE_TEST_TSAN)
    /* Sanitizers have a handler, which reports it. */
    bool as_usual = WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) < 90;
    cr_assert(as_usual || WIFSIGNALED(status), "status %#x: %s", (unsigned)status, told);
#else
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %#x: %s", (unsigned)status, told);
#endif
}

static void expect_told(void)
{
    char expected[64];
    (void)snprintf(expected, sizeof expected, "test_overflow.c:%d: its stack has 16384 bytes\n",
                   line_of_spawn);
    cr_assert_not_null(strstr(told, "bide: stack overflow in task "), "%s", told);
    cr_assert_not_null(strstr(told, " \"hungry\", spawned at "), "%s", told);
    cr_assert_not_null(strstr(told, expected), "%s, not in: %s", expected, told);
}

static void find_line(void)
{
    /* Set in the children alone; the same there. */
    if (line_of_spawn == 0) {
        bide_run_options one = {.workers = 1};
        bide_task_function harmless = send_segv;
        struct sigaction ignore = {.sa_handler = SIG_IGN}, before_it;
        cr_assert_done(sigaction(SIGSEGV, &ignore, &before_it));
        cr_assert_ok(bide_run(spawn_faulty, &harmless, &one));
        cr_assert_done(sigaction(SIGSEGV, &before_it, NULL));
    }
}

Test(overflow, of_a_task_is_told_with_its_name_and_place_and_ends_the_process_as_ever)
{
    find_line();
    for (size_t i = 0; i < WORKER_COUNTS; i++) {
        expect_fault(fault_in_child(overflow_task, spawn_faulty, worker_counts[i]));
        expect_told();
    }
}

Test(overflow, is_told_where_guards_split_mappings)
{
    guards_split = true;
    find_line();
    for (size_t i = 0; i < WORKER_COUNTS; i++) {
        expect_fault(fault_in_child(overflow_task, spawn_faulty, worker_counts[i]));
        expect_told();
    }
}

Test(overflow, is_told_when_the_handler_is_installed_while_tasks_run)
{
    find_line();
    for (size_t i = 0; i < WORKER_COUNTS; i++) {
        expect_fault(fault_in_child(overflow_task, install_late, worker_counts[i]));
        expect_told();
    }
}

Test(overflow, of_the_main_task_is_told_too)
{
    expect_fault(fault_in_child(overflow_task, fault_by_itself, 1));
    cr_assert_not_null(strstr(told, " \"main\", spawned at ?: its stack has 131072 bytes"), "%s", told);
}

Test(overflow, any_other_fault_is_passed_on_without_a_word)
{
    for (size_t i = 0; i < WORKER_COUNTS; i++) {
        expect_fault(fault_in_child(dereference_null, spawn_faulty, worker_counts[i]));
        cr_assert_null(strstr(told, "bide:"), "%s", told);
    }
}

Test(overflow, a_signal_that_was_sent_has_its_default_action)
{
    expect_fault(fault_in_child(send_segv, spawn_faulty, 2));
    cr_assert_null(strstr(told, "bide:"), "%s", told);
}

enum { HANDLED = 55 };

static void own_handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    _exit(number == SIGSEGV && info->si_addr ? HANDLED : 1);
}

Test(overflow, goes_to_the_handler_that_was_there_before)
{
    struct sigaction action = {.sa_sigaction = own_handler, .sa_flags = SA_SIGINFO};
    find_line();
    cr_assert_done(sigaction(SIGSEGV, &action, NULL));
    int status = fault_in_child(overflow_task, spawn_faulty, 2);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == HANDLED, "status %#x: %s", (unsigned)status, told);
    expect_told();
}

Test(overflow, a_line_that_cannot_be_written_changes_nothing)
{
    cr_assert_ok(bide_overflow_handler_install(-1));
    cr_assert_ok(bide_overflow_handler_install(2));
}

/* --- alternate stacks ---------------------------------------------------------------------------------------- */

static int look_at_alternate(void *arg)
{
    stack_t present;
    (void)arg;
    cr_assert_done(sigaltstack(NULL, &present));
    cr_assert_eq(present.ss_flags & SS_DISABLE, 0, "%d", present.ss_flags);
    return bide_sleep(BIDE_MICROSECONDS(10));
}

static int spread(void *arg)
{
    bide_task tasks[50];
    for (int i = 0; i < 50; i++)
        cr_assert_ok(bide_spawn(&tasks[i], look_at_alternate, arg, NULL));
    for (int i = 0; i < 50; i++)
        cr_assert_ok(bide_task_join(tasks[i], NULL, BIDE_NEVER));
    return 0;
}

Test(overflow, every_worker_has_an_alternate_stack_and_gives_it_back)
{
    stack_t before_it, after;
    cr_assert_done(sigaltstack(NULL, &before_it));
    cr_assert_ok(bide_overflow_handler_install(2));
    for (size_t i = 0; i < WORKER_COUNTS; i++) {
        bide_run_options options = {.workers = worker_counts[i]};
        cr_assert_ok(bide_run(spread, NULL, &options));
        cr_assert_done(sigaltstack(NULL, &after));
        cr_assert_eq(after.ss_flags, before_it.ss_flags);
        cr_assert_eq(mapped, 0, "%ld bytes still mapped", (long)mapped);
    }
}

Test(overflow, a_thread_that_has_an_alternate_stack_keeps_it)
{
    static char own[65536];
    stack_t mine = {.ss_sp = own, .ss_size = sizeof own}, before_it, after;
    bide_run_options one = {.workers = 1};
    cr_assert_done(sigaltstack(&mine, &before_it));
    cr_assert_ok(bide_overflow_handler_install(2));
    cr_assert_ok(bide_run(spread, NULL, &one));
    cr_assert_done(sigaltstack(&before_it, &after));
    cr_assert_eq(after.ss_sp, own);
}

/* --- how much is used ---------------------------------------------------------------------------------------- */

enum { MUCH = 65536 };

static char touch_much(void)
{
    volatile char much[MUCH];
    much[0] = 1;
    return much[0];
}

/* Not to be made one with its caller. */
static char (*volatile touch)(void) = touch_much;

static int use_much(void *arg)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t least = bide_stack_high_water();
    cr_assert_gt(least, 0);
    cr_assert_leq(least, MUCH / 2, "%zu", least);
    cr_assert_eq(touch(), 1);
    size_t most = bide_stack_high_water();
    cr_assert_geq(most, MUCH, "%zu, then %zu", least, most);
    cr_assert_leq(most, MUCH + least + 2 * page, "%zu, then %zu", least, most);
    bide_event_set(arg);
    return bide_sleep_until(BIDE_NEVER);
}

static int measure(void *arg)
{
    bide_event used;
    bide_task task, none = {NULL, 0};
    size_t most = 0;
    (void)arg;
    cr_assert_ok(bide_event_init(&used, BIDE_EVENT_AUTO));
    cr_assert_ok(bide_spawn(&task, use_much, &used, NULL));
    cr_assert_ok(bide_event_wait(&used, BIDE_NEVER));
    cr_assert_ok(bide_task_stack_high_water(task, &most));
    cr_assert_geq(most, MUCH);
    cr_assert_leq(most, 131072);
    cr_assert_gives(bide_task_stack_high_water(none, &most), BIDE_EINVAL);
    cr_assert_gives(bide_task_stack_high_water(task, NULL), BIDE_EINVAL);
    cr_assert_ok(bide_task_cancel(task));
    cr_assert_ok(bide_task_join(task, NULL, BIDE_NEVER));
    cr_assert_gives(bide_task_stack_high_water(task, &most), BIDE_EFREED);
    return 0;
}

Test(overflow, how_much_of_a_stack_was_used_can_be_asked)
{
    cr_assert_eq(bide_stack_high_water(), 0);
    for (size_t i = 0; i < WORKER_COUNTS; i++) {
        bide_run_options options = {.workers = worker_counts[i]};
        cr_assert_ok(bide_run(measure, NULL, &options));
    }
}

/* --- the limit of mappings ----------------------------------------------------------------------------------- */

static int wait_for_end(void *arg)
{
    return bide_event_wait(arg, BIDE_NEVER);
}

static atomic_int limits_told;

static void note_limit(void *arg, int error, const char *message)
{
    (void)arg;
    if (error == BIDE_ENOMEM && strstr(message, "vm.max_map_count")) atomic_fetch_add(&limits_told, 1);
}

/* More stacks than the workers keep for themselves, so that some of those that were given back are for all. */
enum { MAPPINGS = 4000, LEAST_STACKS = 1500, MORE_STACKS = 2000 };

static int spawn_up_to_the_limit(void *arg)
{
    static bide_task tasks[MORE_STACKS];
    bide_event end;
    int count = 0;
    int error = 0;
    (void)arg;
    cr_assert_ok(bide_event_init(&end, BIDE_EVENT_MANUAL));
    while (count < MORE_STACKS && !error) {
        error = bide_spawn(&tasks[count], wait_for_end, &end, NULL);
        if (!error) count++;
    }
    cr_assert_gives(error, BIDE_ENOMEM);
    cr_assert_gt(count, LEAST_STACKS, "%d", count);
    cr_assert_eq(atomic_load(&limits_told), 1, "%d", atomic_load(&limits_told));
    /* Nothing else is lost. */
    bide_event_set(&end);
    for (int i = 0; i < count; i++) {
        int value = 1;
        cr_assert_ok(bide_task_join(tasks[i], &value, BIDE_NEVER));
        cr_assert_ok(value);
    }
    cr_assert_ok(bide_spawn(&tasks[0], wait_for_end, &end, NULL));
    return bide_task_join(tasks[0], NULL, BIDE_NEVER);
}

Test(overflow, spawning_near_the_limit_of_mappings_is_an_error_and_its_name_is_logged)
{
    guards_split = true;
    map_limit = MAPPINGS;
    bide_set_log(note_limit, NULL);
    for (size_t i = 0; i < WORKER_COUNTS; i++) {
        bide_run_options options = {.workers = worker_counts[i]};
        cr_assert_ok(bide_run(spawn_up_to_the_limit, NULL, &options));
    }
}
