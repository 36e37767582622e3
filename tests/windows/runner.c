/* A process for each test, on Windows: see support/runner_process.h.
 *
 * The program starts itself with the test's name. Asked for one test it runs it itself, watched by a thread,
 * unless the test is meant to die: a process costs a fifth of a second under Wine.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/runner_process.h"

#include "skips.h"

#include "os/system_windows.h"

#include <bide.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Set where a process is the test's own. */
static const char here[] = "BIDE_TEST_HERE";

/* What a process that dies of the signal ends with. */
static DWORD status_of(int signal)
{
    switch (signal) {
    case 0: return 0;
    case SIGABRT: return 3;
    case SIGSEGV: return (DWORD)EXCEPTION_ACCESS_VIOLATION;
    default: return (DWORD)-1;
    }
}

static int verdict(const struct bide_test_options *expected, DWORD status)
{
    DWORD wanted = expected->signal ? status_of(expected->signal) : (DWORD)expected->exit_code;
    if (status == wanted) return BIDE_TEST_PASSED;
    if (status == BIDE_TEST_SKIPPED) return BIDE_TEST_SKIPPED;
    (void)fprintf(stderr, "ended with status %#lx, expected %#lx\n", status, wanted);
    return BIDE_TEST_FAILED;
}

static DWORD WINAPI watch(void *limit)
{
    Sleep(*(DWORD *)limit);
    (void)fprintf(stderr, "timed out after %lu ms\n", *(DWORD *)limit);
    (void)bide_dump(2); /* what it waits for */
    (void)fflush(NULL);
    TerminateProcess(GetCurrentProcess(), BIDE_TEST_FAILED);
    return 0;
}

static DWORD milliseconds(double seconds)
{
    return seconds > 0 ? (DWORD)(seconds * 1000) : INFINITE;
}

static int run_in_child(const struct bide_test *test, double timeout)
{
    char program[MAX_PATH];
    char line[2 * MAX_PATH + 256];
    STARTUPINFOA start = {.cb = sizeof start};
    PROCESS_INFORMATION process;
    (void)GetModuleFileNameA(NULL, program, sizeof program);
    (void)snprintf(line, sizeof line, "\"%s\" %s/%s", program, test->suite, test->name);
    (void)SetEnvironmentVariableA(here, "1");
    if (!CreateProcessA(program, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process)) {
        (void)fprintf(stderr, "CreateProcess: %lu\n", GetLastError());
        return BIDE_TEST_FAILED;
    }
    DWORD status = BIDE_TEST_FAILED;
    bool timed_out = WaitForSingleObject(process.hProcess, milliseconds(timeout)) == WAIT_TIMEOUT;
    if (timed_out) {
        (void)fprintf(stderr, "timed out after %g s\n", timeout);
        (void)TerminateProcess(process.hProcess, BIDE_TEST_FAILED);
    }
    (void)GetExitCodeProcess(process.hProcess, &status);
    (void)CloseHandle(process.hThread);
    (void)CloseHandle(process.hProcess);
    return timed_out ? BIDE_TEST_FAILED : verdict(&test->options, status);
}

int bide_test_run_apart(const struct bide_test *test, const struct bide_test_options *suite, double timeout,
                        bool alone)
{
    const char *reason = bide_test_reason_to_skip(test->suite, test->name);
    if (reason) {
        (void)printf("%s/%s: skipped: %s\n", test->suite, test->name, reason);
        return BIDE_TEST_SKIPPED;
    }
    bool must_die = test->options.signal != 0 || test->options.exit_code != 0;
    if (!getenv(here) && (must_die || !alone)) return run_in_child(test, timeout);
    static DWORD limit;
    limit = milliseconds(timeout);
    if (limit != INFINITE) (void)CreateThread(NULL, 0, watch, &limit, 0, NULL);
    bide_test_run_here(test, suite);
}
