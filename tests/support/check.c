/* Descriptors, threads and leaks of the test's own process, from /proc and the sanitizer: see check.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "support/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BIDE_TEST_ASAN
#include <sanitizer/lsan_interface.h>
#endif

/* Not by opendir(3), which tests make fail. */
static DIR *open_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? NULL : fdopendir(fd);
}

/* The numbered entries of a folder of /proc. */
static int count_entries(const char *path)
{
    DIR *folder = open_folder(path);
    if (!folder) return -1;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') count++;
    (void)closedir(folder);
    return count;
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

int bide_test_thread_named(const char *name)
{
    DIR *folder = open_folder("/proc/self/task");
    if (!folder) return 0;
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(folder)) != NULL;) {
        int thread_id = (int)strtol(entry->d_name, NULL, 10);
        char its_name[32];
        if (thread_id > 0 && thread_line(thread_id, "comm", "", its_name, sizeof its_name) &&
            strcmp(its_name, name) == 0)
            result = thread_id;
    }
    (void)closedir(folder);
    return result;
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
