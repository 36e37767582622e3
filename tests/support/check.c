/* Descriptors, threads and leaks of the test's own process, from /proc and the sanitizer: see check.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "support/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef BIDE_TEST_ASAN
#include <sanitizer/lsan_interface.h>
#endif

/* Calls `visit` with the numbered entries of a folder of /proc until it returns false; false if there is no such
 * folder. Not by opendir(3): tests make it fail, and what it allocates. */
static bool each_number(const char *path, bool (*visit)(void *arg, int number), void *arg)
{
    _Alignas(struct dirent64) char bytes[4096];
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    bool more = true;
    for (ssize_t length; more && (length = getdents64(fd, bytes, sizeof bytes)) > 0;)
        for (ssize_t at = 0; more && at < length; at += ((struct dirent64 *)(bytes + at))->d_reclen) {
            const char *name = ((struct dirent64 *)(bytes + at))->d_name;
            if (name[0] >= '0' && name[0] <= '9') more = visit(arg, (int)strtol(name, NULL, 10));
        }
    (void)close(fd);
    return true;
}

static bool count(void *arg, int number)
{
    (void)number;
    ++*(int *)arg;
    return true;
}

static int count_entries(const char *path)
{
    int entries = 0;
    return each_number(path, count, &entries) ? entries : -1;
}

int bide_test_fd_count(void)
{
    return count_entries("/proc/self/fd") - 1; /* less the one that did the counting */
}

int bide_test_thread_count(void)
{
    return count_entries("/proc/self/task");
}

/* The rest of the line that begins with `key` in a file of the thread's folder; false if there is none. */
static bool thread_line(int thread_id, const char *file, const char *key, char *rest, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/%s", thread_id, file);
    FILE *stream = fopen(path, "r");
    if (!stream) return false;
    bool found = false;
    char line[256];
    size_t length = strlen(key);
    while (!found && fgets(line, sizeof line, stream)) {
        found = strncmp(line, key, length) == 0;
        if (found) (void)snprintf(rest, size, "%.*s", (int)strcspn(line + length, "\n"), line + length);
    }
    (void)fclose(stream);
    return found;
}

struct sought {
    const char *name;
    int thread_id;
};

static bool compare(void *arg, int thread_id)
{
    struct sought *sought = arg;
    char name[32];
    if (!thread_line(thread_id, "comm", "", name, sizeof name) || strcmp(name, sought->name) != 0)
        return true;
    sought->thread_id = thread_id;
    return false;
}

int bide_test_thread_named(const char *name)
{
    struct sought sought = {name, 0};
    (void)each_number("/proc/self/task", compare, &sought);
    return sought.thread_id;
}

bool bide_test_thread_asleep(int thread_id)
{
    char state[32] = "";
    return thread_line(thread_id, "status", "State:\t", state, sizeof state) && state[0] == 'S';
}

static long switches(int thread_id, const char *key)
{
    char value[32];
    return thread_line(thread_id, "status", key, value, sizeof value) ? strtol(value, NULL, 10) : -1;
}

struct bide_test_switches bide_test_thread_switches(int thread_id)
{
    struct bide_test_switches result = {
        .voluntary = switches(thread_id, "voluntary_ctxt_switches:"),
        .involuntary = switches(thread_id, "nonvoluntary_ctxt_switches:"),
    };
    return result;
}

bool bide_test_leaks(void)
{
#ifdef BIDE_TEST_ASAN
    return __lsan_do_recoverable_leak_check() != 0;
#else
    return false;
#endif
}
