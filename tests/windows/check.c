/* Sockets and threads of the test's own process, on Windows: see support/check.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/check.h"

#include "os/sockets.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <tlhelp32.h>

/* The numbers of handles that are looked at. */
#define MOST_HANDLES 8192

int bide_test_fd_count(void)
{
    int count = 0;
    (void)bide_os_sockets_start();
    for (uintptr_t handle = 4; handle < MOST_HANDLES; handle += 4) {
        int type;
        int size = sizeof type;
        DWORD flags;
        if (GetHandleInformation((HANDLE)handle, &flags) &&
            getsockopt(handle, SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0)
            count++;
    }
    return count;
}

/* Calls `found` for each thread until it answers true; the id of that one, or 0. */
static int look_at_threads(bool (*found)(DWORD id, const void *arg), const void *arg)
{
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    THREADENTRY32 entry = {.dwSize = sizeof entry};
    int result = 0;
    for (BOOL more = Thread32First(snapshot, &entry); more && result == 0;
         more = Thread32Next(snapshot, &entry))
        if (entry.th32OwnerProcessID == GetCurrentProcessId() && found(entry.th32ThreadID, arg))
            result = (int)entry.th32ThreadID;
    (void)CloseHandle(snapshot);
    return result;
}

static int threads;

static bool is_named(DWORD id, const void *arg);

/* Those of the system's own pool come and go as it likes. */
static bool count_thread(DWORD id, const void *arg)
{
    (void)arg;
    if (!is_named(id, "wine_threadpool_waitqueue") && !is_named(id, "wine_threadpool_worker") &&
        !is_named(id, "wine_threadpool_timerqueue"))
        threads++;
    return false;
}

int bide_test_thread_count(void)
{
    threads = 0;
    (void)look_at_threads(count_thread, NULL);
    return threads;
}

static bool is_named(DWORD id, const void *arg)
{
    const char *name = arg;
    typedef HRESULT(WINAPI * get_description)(HANDLE, PWSTR *);
    get_description get = (get_description)bide_os_find_function("kernel32", "GetThreadDescription");
    HANDLE thread = OpenThread(THREAD_QUERY_LIMITED_INFORMATION, FALSE, id);
    wchar_t *its_name = NULL;
    bool same = false;
    if (!thread) return false;
    if (get && SUCCEEDED(get(thread, &its_name)) && its_name) {
        char text[64];
        (void)snprintf(text, sizeof text, "%ls", its_name);
        same = strcmp(text, name) == 0;
        (void)LocalFree(its_name);
    }
    (void)CloseHandle(thread);
    return same;
}

int bide_test_thread_named(const char *name)
{
    return look_at_threads(is_named, name);
}

static uint64_t cpu_time(HANDLE thread)
{
    FILETIME created, ended, kernel, user;
    if (!GetThreadTimes(thread, &created, &ended, &kernel, &user)) return 0;
    return ((uint64_t)kernel.dwHighDateTime << 32 | kernel.dwLowDateTime) +
           ((uint64_t)user.dwHighDateTime << 32 | user.dwLowDateTime);
}

/* The system does not tell everywhere: a thread that has used no processor time for two ticks sleeps. */
bool bide_test_thread_asleep(int thread_id)
{
    HANDLE thread = OpenThread(THREAD_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)thread_id);
    if (!thread) return false;
    uint64_t before = cpu_time(thread);
    Sleep(25);
    bool asleep = cpu_time(thread) == before;
    (void)CloseHandle(thread);
    return asleep;
}

struct bide_test_switches bide_test_thread_switches(int thread_id)
{
    (void)thread_id;
    return (struct bide_test_switches){-1, -1};
}

bool bide_test_leaks(void)
{
    return false;
}
