/* See trace.h.
 *
 * The child marks where a count begins and ends by calls of prctl(2) with an option that does not exist: the
 * kernel refuses them, and the parent sees their arguments.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "trace.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* What PTRACE_GET_SYSCALL_INFO (0x420e, Linux 5.3) fills in at the entry of a system call. Spelled out
 * because <linux/ptrace.h> and <sys/ptrace.h> cannot both be included with every C library. */
#define GET_SYSCALL_INFO 0x420e
#define INFO_ENTRY 1

struct entry_info {
    uint8_t op;
    uint8_t pad[3];
    uint32_t arch;
    uint64_t instruction_pointer;
    uint64_t stack_pointer;
    uint64_t number;
    uint64_t arguments[6];
};

#define MARK 0x62696465 /* "bide": no option of prctl */
#define MARK_END 0

static bool watched;

void trace_begin(size_t counter)
{
    if (watched) (void)prctl(MARK, (unsigned long)counter + 1, 0UL, 0UL, 0UL);
}

void trace_end(void)
{
    if (watched) (void)prctl(MARK, (unsigned long)MARK_END, 0UL, 0UL, 0UL);
}

struct counting {
    long *calls;
    size_t count;
    size_t counter; /* `count`: none */
};

/* Notes the system call that a thread has stopped at. Returns whether the kernel tells about it. */
static bool note(struct counting *counting, pid_t thread)
{
    struct entry_info info;
    /* glibc takes the request as an enum, others as an int. */
    if (syscall(SYS_ptrace, (long)GET_SYSCALL_INFO, (long)thread, sizeof info, &info) < 0) return false;
    if (info.op != INFO_ENTRY) return true;
    if (info.number == SYS_prctl && info.arguments[0] == MARK) {
        uint64_t argument = info.arguments[1];
        counting->counter =
            argument >= 1 && argument <= counting->count ? (size_t)argument - 1 : counting->count;
    } else if (counting->counter < counting->count) {
        counting->calls[counting->counter]++;
    }
    return true;
}

static pid_t wait_any(int *status)
{
    pid_t thread;
    do {
        thread = waitpid(-1, status, __WALL);
    } while (thread < 0 && errno == EINTR);
    return thread;
}

/* Lets the child run from stop to stop. Returns NULL once it has ended well, or the problem; `*ended`:
 * whether there is no child any more. */
static const char *watch(pid_t child, struct counting *counting, bool *ended)
{
    for (;;) {
        int status;
        pid_t thread = wait_any(&status);
        if (thread < 0) return "waiting for the child failed";
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread != child) continue;
            *ended = true;
            return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? NULL : "the child failed";
        }
        int signal = WSTOPSIG(status);
        if (signal == (SIGTRAP | 0x80)) {
            if (!note(counting, thread)) return "this kernel does not tell which calls are made";
            signal = 0;
        } else if (signal == SIGTRAP || signal == SIGSTOP) {
            signal = 0; /* a thread begins */
        }
        (void)ptrace(PTRACE_SYSCALL, thread, NULL, (void *)(intptr_t)signal);
    }
}

static const char not_permitted[] = "ptrace is not permitted here";

const char *trace_run(void (*run)(void *arg), void *arg, long *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        calls[i] = 0;
    (void)fflush(NULL); /* or the child might print it too */
    pid_t child = fork();
    if (child < 0) return "no child process could be made";
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(1);
        watched = true;
        (void)raise(SIGSTOP);
        run(arg);
        _exit(0);
    }
    int status;
    if (wait_any(&status) != child || !WIFSTOPPED(status)) return not_permitted;
    bool ended = false;
    const char *problem = not_permitted;
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(intptr_t)options) == 0 &&
        ptrace(PTRACE_SYSCALL, child, NULL, NULL) == 0) {
        struct counting counting = {calls, count, count};
        problem = watch(child, &counting, &ended);
    }
    if (!ended) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, &status, __WALL);
    }
    return problem;
}

int trace_thread(void)
{
    return (int)syscall(SYS_gettid);
}

long trace_switches(int thread)
{
    char text[128];
    (void)snprintf(text, sizeof text, "/proc/self/task/%d/status", thread);
    FILE *file = fopen(text, "re");
    if (!file) return -1;
    long switches = -1;
    while (fgets(text, sizeof text, file))
        if (sscanf(text, "voluntary_ctxt_switches: %ld", &switches) == 1) break;
    (void)fclose(file);
    return switches;
}
