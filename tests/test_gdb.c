/* gdb and tasks: backtraces end at a task's entry, and scripts/gdb/bide.py shows those of suspended tasks, in a program
 * that runs and in a core file. With 1, 2 and 8 workers. Skipped where gdb is not there or may not trace.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"

#include "task/machine.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(gdb, .timeout = 120);

static const char *const worker_counts[] = {"1", "2", "8"};
#define WORKER_COUNTS (sizeof worker_counts / sizeof *worker_counts)

#define GDB "/usr/bin/env", "gdb", "-q", "-nx", "-batch", "-ex", "source " BIDE_GDB_SCRIPT
#define STOP "-ex", "set width 0", "-ex", "break stop_here", "-ex", "run"

static struct run r;

/* Ends the test as skipped if that is why there is nothing to see. */
static void look_for_reasons(void)
{
#if defined(BIDE_TEST_ASAN) || defined(BIDE_TEST_TSAN)
    BIDE_SKIP("sanitizers do not go with a debugger");
#elif defined(BIDE_MACHINE_UCONTEXT)
    BIDE_SKIP("the script knows the switches in assembler alone");
#endif
    if (r.status == 127) BIDE_SKIP("there is no gdb");
    if (strstr(r.err, "ptrace") || strstr(r.err, "Operation not permitted"))
        BIDE_SKIP("gdb may not trace: %s", r.err);
    if (strstr(r.err, "Python scripting is not supported") || strstr(r.err, "Scripting in the"))
        BIDE_SKIP("gdb has no Python");
    if (strstr(r.err, "no debugging symbols")) BIDE_SKIP("the library is built without debugging symbols");
}

/* These stand in this order, the first of them after `from`. Gives what follows the last one. */
static const char *expect_in_order(const char *from, const char *const *parts)
{
    for (; *parts; parts++) {
        const char *found = strstr(from, *parts);
        cr_assert_not_null(found, "\"%s\" does not follow in:\n%s\n--- errors:\n%s", *parts, from, r.err);
        from = found + strlen(*parts);
    }
    return from;
}

#define EXPECT(from, ...) expect_in_order(from, (const char *const[]){__VA_ARGS__, NULL})

/* The backtrace is complete, and was not given up. */
static void expect_end(const char *rest)
{
    const char *line = strchr(rest, '\n');
    cr_assert_not_null(line);
    /* What begins with 0 or 1 is another one. */
    cr_assert(line[1] != '#' || atoi(line + 2) < 2, "frames follow the entry:\n%s", rest);
    cr_assert_null(strstr(r.out, "Backtrace stopped"), "%s", r.out);
    cr_assert_null(strstr(r.out, "?? ()"), "%s", r.out);
}

Test(gdb, a_backtrace_in_a_task_ends_at_its_entry)
{
    for (size_t i = 0; i < WORKER_COUNTS; i++) {
        RUN(&r, GDB, STOP, "-ex", "info bide tasks", "-ex", "bt", "-ex", "continue", "--args",
            BIDE_GDB_PROGRAM, worker_counts[i]);
        look_for_reasons();
        const char *rest = EXPECT(r.out, "#0 ", "stop_here ()", "#1 ", "caller_of_stop ()", "#2 ", " run (",
                                  "bide_task_main (", "bide_fiber_begin (", "bide_fiber_start ()");
        expect_end(rest);
        EXPECT(rest, "exited normally");
    }
}

Test(gdb, tasks_are_listed_with_state_name_wait_and_place)
{
    for (size_t i = 0; i < WORKER_COUNTS; i++) {
        RUN(&r, GDB, STOP, "-ex", "info bide tasks", "--args", BIDE_GDB_PROGRAM, worker_counts[i]);
        look_for_reasons();
        EXPECT(r.out, "running ", "\"main\", spawned at ?", "suspended ",
               "\"waits-one\", waits for event (0x", "), spawned at ", "gdb_program.c:", "suspended ",
               "\"waits-two\", waits for event (0x", "suspended ", "\"sleeps\", waits for sleep (0x");
    }
}

Test(gdb, a_suspended_task_has_its_own_backtrace_and_locals_and_nothing_is_changed)
{
    for (size_t i = 0; i < WORKER_COUNTS; i++) {
        RUN(&r, GDB, STOP, "-ex", "bide task 2 bt", "-ex", "bide task 3", "-ex", "bt", "-ex",
            "frame function waiter", "-ex", "info locals", "-ex", "bide task off", "-ex", "bt 1", "-ex",
            "bide task 1 bt", "-ex", "continue", "--args", BIDE_GDB_PROGRAM, worker_counts[i]);
        look_for_reasons();
        const char *rest =
            EXPECT(r.out, "bide_worker_park (", "bide_event_wait (", "innermost_of_waiter (depth=1)",
                   "middle_of_waiter (depth=0)", " waiter (arg=", "bide_task_main (", "bide_fiber_start ()");
        expect_end(rest);
        rest = EXPECT(rest, "#0 ", "innermost_of_waiter (depth=1)", "bide_fiber_start ()",
                      " waiter (arg=", "result = ", "#0  stop_here ()", "#0  stop_here ()", " run (",
                      "bide_fiber_start ()");
        expect_end(rest);
        EXPECT(rest, "exited normally");
    }
}

/* Crashes in a folder of its own; whether a core file is there then. */
static bool make_core(const char *folder)
{
    int status;
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
        (void)setrlimit(RLIMIT_CORE, &limit);
        if (chdir(folder) != 0) _exit(1);
        (void)execl(BIDE_GDB_PROGRAM, BIDE_GDB_PROGRAM, "2", "crash", (char *)NULL);
        _exit(127);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    cr_assert(WIFSIGNALED(status), "status %#x", (unsigned)status);
    return WCOREDUMP(status);
}

/* The one file in the folder; false: none. */
static bool find_core(const char *folder, char path[512])
{
    DIR *listing = opendir(folder);
    bool found = false;
    cr_assert_not_null(listing);
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        (void)snprintf(path, 512, "%s/%s", folder, entry->d_name);
        found = true;
    }
    (void)closedir(listing);
    return found;
}

Test(gdb, a_core_file_has_the_stacks_of_suspended_tasks)
{
    char folder[] = "/tmp/bide-gdb-XXXXXX";
    char core[512];
    cr_assert_not_null(mkdtemp(folder));
    bool found = make_core(folder) && find_core(folder, core);
    if (found) {
        RUN(&r, GDB, "-ex", "info bide tasks", "-ex", "bide task 2 bt", BIDE_GDB_PROGRAM, core);
        (void)unlink(core);
    }
    (void)rmdir(folder);
    if (!found) BIDE_SKIP("core files go elsewhere here (kernel.core_pattern, limits)");
    look_for_reasons();
    const char *rest =
        EXPECT(r.out, "\"waits-one\", waits for event", "innermost_of_waiter (depth=1)",
               "middle_of_waiter (depth=0)", " waiter (arg=", "bide_task_main (", "bide_fiber_start ()");
    expect_end(rest);
}
