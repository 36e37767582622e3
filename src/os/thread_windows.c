/* Threads of Windows: see thread.h.
 *
 * There are no signals to block and no cancellation. A thread's time-outs are the system's ticks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/thread.h"

#include "os/mutex.h"
#include "os/system_windows.h"

#include <process.h>
#include <stdlib.h>

/* Of ntdll, and not in every compiler's headers: the process ends, and all other threads are gone. */
BOOLEAN NTAPI RtlDllShutdownInProgress(void);

struct start {
    void (*function)(void *);
    void *arg;
    wchar_t name[32];
};

/* Windows 10, version 1607. */
static void name_thread(const wchar_t *name)
{
    typedef HRESULT(WINAPI * set_description)(HANDLE, PCWSTR);
    set_description set = (set_description)bide_os_find_function("kernel32", "SetThreadDescription");
    if (set) (void)set(GetCurrentThread(), name);
}

static unsigned __stdcall run(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    name_thread(start.name);
    start.function(start.arg);
    return 0;
}

/* Threads and hooks run the library's code: it must not be unloaded. That cannot fail for a module that is
 * loaded. */
static void pin_library(void)
{
    HMODULE module;
    (void)GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                             (const wchar_t *)(uintptr_t)pin_library, &module);
}

int bide_os_thread_start(bide_os_thread *thread, const char *name, void (*function)(void *), void *arg)
{
    struct start *start = calloc(1, sizeof *start);
    if (!start) return BIDE_ENOMEM;
    start->function = function;
    start->arg = arg;
    for (size_t i = 0; i < sizeof start->name / sizeof *start->name - 1 && name[i]; i++)
        start->name[i] = (unsigned char)name[i];
    pin_library();
    /* Not CreateThread, which knows nothing of what the C library keeps for a thread. */
    uintptr_t handle = _beginthreadex(NULL, 0, run, start, 0, NULL);
    if (handle == 0) {
        free(start);
        return BIDE_ENOTHREAD;
    }
    *thread = (bide_os_thread)handle;
    return 0;
}

void bide_os_thread_join(bide_os_thread thread)
{
    (void)WaitForSingleObject(thread, INFINITE);
    (void)CloseHandle(thread);
}

bool bide_os_thread_is_self(bide_os_thread thread)
{
    return GetThreadId(thread) == GetCurrentThreadId();
}

void bide_os_thread_yield(void)
{
    (void)SwitchToThread();
}

void bide_os_thread_precise_timers(void)
{
}

int bide_os_cancel_disable(void)
{
    return -1;
}

void bide_os_cancel_restore(int state)
{
    (void)state;
}

/* The exit hook: one index of fiber-local storage for the process, which unlike thread-local storage has a
 * destructor. Its value is a small heap record. Indices may run out for a while, so that a making that failed
 * is tried again. The thread that ends the process has its hook called, too, when the others were stopped, wherever
 * they were: what they had locked stays locked, so that nothing is done then, as elsewhere. */
struct exit_hook {
    void (*function)(void *);
    void *arg;
};

static DWORD exit_index = FLS_OUT_OF_INDEXES;
static bide_os_mutex exit_lock;      /* guards the making */
static _Atomic bool exit_index_made; /* released when exit_index is written */

static void WINAPI run_exit_hook(void *value)
{
    if (!value || RtlDllShutdownInProgress()) return;
    struct exit_hook hook = *(struct exit_hook *)value;
    free(value);
    hook.function(hook.arg);
}

static bool make_exit_index(void)
{
    /* acquire: pairs with the release below, for exit_index */
    if (atomic_load_explicit(&exit_index_made, memory_order_acquire)) return true;
    bide_os_mutex_lock(&exit_lock);
    bool made = atomic_load_explicit(&exit_index_made, memory_order_relaxed);
    if (!made) {
        pin_library();
        exit_index = FlsAlloc(run_exit_hook);
        made = exit_index != FLS_OUT_OF_INDEXES;
    }
    atomic_store_explicit(&exit_index_made, made, memory_order_release);
    bide_os_mutex_unlock(&exit_lock);
    return made;
}

int bide_os_thread_at_exit(void (*function)(void *), void *arg)
{
    if (!make_exit_index()) return BIDE_ENOMEM;
    DWORD before = GetLastError();
    struct exit_hook *hook = FlsGetValue(exit_index);
    if (!hook) {
        hook = malloc(sizeof *hook);
        if (!hook) return BIDE_ENOMEM;
        if (!FlsSetValue(exit_index, hook)) {
            free(hook);
            return BIDE_ENOMEM;
        }
    }
    SetLastError(before);
    hook->function = function;
    hook->arg = arg;
    return 0;
}
