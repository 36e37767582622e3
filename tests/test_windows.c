/* What Windows has alone: error numbers, handles that are waited for, packets that are posted, and how sockets are
 * made there. What it shares with other systems is in the tests of those.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "test_async.h"

#include <bide/local.h>
#include <bide/os/windows.h>

#include "os/thread.h"

TestSuite(windows, .timeout = 30);

static bide_address loopback(void)
{
    return bide_address_loopback(0);
}

/* --- errors --- */

Test(windows, numbers_of_the_system_and_of_sockets_have_their_codes)
{
    static const struct {
        int system;
        int code;
    } known[] = {
        {WSAEWOULDBLOCK, BIDE_EAGAIN},
        {WSAECONNRESET, BIDE_ECONNRESET},
        {WSAECONNREFUSED, BIDE_ECONNREFUSED},
        {WSAEADDRINUSE, BIDE_EADDRINUSE},
        {WSAESHUTDOWN, BIDE_EPIPE},
        {WSAETIMEDOUT, BIDE_ETIMEDOUT},
        {ERROR_ACCESS_DENIED, BIDE_EACCES},
        {ERROR_INVALID_HANDLE, BIDE_EBADF},
        {ERROR_NOT_ENOUGH_MEMORY, BIDE_ENOMEM},
        {ERROR_OPERATION_ABORTED, BIDE_ECANCELED},
        {ERROR_DIRECTORY, BIDE_ENOTDIR},
        {ERROR_DIR_NOT_EMPTY, BIDE_ENOTEMPTY},
        {ERROR_BAD_NETPATH, BIDE_ENOENT},
        {ERROR_BAD_PATHNAME, BIDE_ENOENT},
        {ERROR_INVALID_NAME, BIDE_ENOENT},
        {ERROR_INVALID_DRIVE, BIDE_ENOENT},
        {ERROR_NO_MORE_FILES, BIDE_ENOENT},
        {ERROR_SHARING_VIOLATION, BIDE_EBUSY},
        {ERROR_LOCK_VIOLATION, BIDE_EBUSY},
        {ERROR_DELETE_PENDING, BIDE_EBUSY},
        {ERROR_CANT_ACCESS_FILE, BIDE_EACCES},
        {ERROR_DISK_FULL, BIDE_ENOSPC},
        {ERROR_HANDLE_DISK_FULL, BIDE_ENOSPC},
        {1295, BIDE_EDQUOT}, /* ERROR_DISK_QUOTA_EXCEEDED */
        {ERROR_FILE_TOO_LARGE, BIDE_EFBIG},
        {ERROR_TOO_MANY_LINKS, BIDE_EMLINK},
        {ERROR_NOT_SAME_DEVICE, BIDE_EXDEV},
        {ERROR_FILENAME_EXCED_RANGE, BIDE_ENAMETOOLONG},
        {ERROR_BUFFER_OVERFLOW, BIDE_ENAMETOOLONG},
        {ERROR_SEEK_ON_DEVICE, BIDE_ESPIPE},
        {ERROR_NO_DATA, BIDE_EPIPE},
        {ERROR_BROKEN_PIPE, BIDE_EPIPE},
        {ERROR_PIPE_NOT_CONNECTED, BIDE_EPIPE},
        {ERROR_NOT_READY, BIDE_ENODEV},
        {ERROR_GEN_FAILURE, BIDE_EIO},
        {ERROR_NOT_ENOUGH_QUOTA, BIDE_ENOMEM},
        {WSAEHOSTDOWN, BIDE_EHOSTUNREACH},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        cr_assert_gives(bide_error_from_system(known[i].system), known[i].code);
    SetLastError(WSAECONNRESET);
    cr_assert_gives(bide_last_error(), BIDE_ECONNRESET);
}

Test(windows, a_number_without_a_code_is_kept)
{
    for (int number = 1; number < 12000; number++) {
        int code = bide_error_from_system(number);
        cr_assert_lt(code, 0, "%d gave %d", number, code);
        if (code > BIDE_ESYSTEM_BASE) continue;
        cr_assert_eq(bide_system_error(code), number);
    }
}

/* --- the poller --- */

Test(windows, the_back_end_is_the_completion_port)
{
    bide_poller *poller;
    cr_assert_ok(bide_poller_new(&poller, NULL));
    cr_assert_str_eq(bide_poller_backend(poller), "iocp");
    cr_assert(bide_poller_supports(poller, BIDE_POLL_LEVEL));
    cr_assert(bide_poller_supports(poller, BIDE_POLL_ONESHOT));
    cr_assert_not(bide_poller_supports(poller, BIDE_POLL_EDGE));
    bide_poller_free(poller);
    cr_assert_gives(bide_poller_new(&poller, "epoll"), BIDE_EBACKEND);
    cr_assert_ok(bide_poller_new(&poller, "iocp"));
    bide_poller_free(poller);
}

Test(windows, what_is_no_socket_cannot_be_polled)
{
    bide_poller *poller;
    cr_assert_ok(bide_poller_new(&poller, NULL));
    HANDLE event = CreateEventW(NULL, TRUE, TRUE, NULL);
    HANDLE file = CreateFileW(L"bide_windows_test.tmp", GENERIC_WRITE, 0, NULL, CREATE_ALWAYS,
                              FILE_FLAG_DELETE_ON_CLOSE, NULL);
    cr_assert_gives(bide_poller_add(poller, (bide_fd)event, 1, BIDE_POLL_READ, BIDE_POLL_LEVEL),
                    BIDE_ENOTPOLLABLE);
    cr_assert_gives(bide_poller_add(poller, (bide_fd)file, 1, BIDE_POLL_READ, BIDE_POLL_LEVEL),
                    BIDE_ENOTPOLLABLE);
    cr_assert_gives(bide_poller_add(poller, BIDE_INVALID_FD, 1, BIDE_POLL_READ, BIDE_POLL_LEVEL), BIDE_EBADF);
    bide_async *async;
    cr_assert_gives(bide_async_new(&async, (bide_fd)file), BIDE_ENOTPOLLABLE);
    cr_assert_gives(bide_async_new(&async, BIDE_INVALID_FD), BIDE_EBADF);
    (void)CloseHandle(event);
    (void)CloseHandle(file);
    bide_poller_free(poller);
}

Test(windows, what_is_posted_comes_once_and_in_order)
{
    bide_poller *poller;
    bide_poll_event events[8];
    cr_assert_ok(bide_poller_new(&poller, NULL));
    for (uint64_t key = 1; key <= 3; key++)
        cr_assert_ok(bide_poller_post(poller, key << 40, BIDE_POLL_READ | BIDE_POLL_HUP));
    cr_assert_gives(bide_poller_wait(poller, events, 8, BIDE_NEVER), 3);
    for (uint64_t i = 0; i < 3; i++) {
        cr_assert_eq(events[i].key, (i + 1) << 40);
        cr_assert_eq(events[i].ready, (unsigned)(BIDE_POLL_READ | BIDE_POLL_HUP));
    }
    cr_assert_gives(bide_poller_wait(poller, events, 8, BIDE_NOW), 0);
    bide_poller_free(poller);
}

static void post_soon(void *arg)
{
    Sleep(20);
    (void)bide_poller_post(arg, 7, BIDE_POLL_WRITE);
}

Test(windows, a_post_ends_a_blocked_wait)
{
    bide_poller *poller;
    bide_poll_event event;
    bide_os_thread thread;
    cr_assert_ok(bide_poller_new(&poller, NULL));
    cr_assert_ok(bide_os_thread_start(&thread, "poster", post_soon, poller));
    cr_assert_gives(bide_poller_wait(poller, &event, 1, BIDE_NEVER), 1);
    cr_assert_eq(event.key, 7);
    cr_assert_eq(event.ready, (unsigned)BIDE_POLL_WRITE);
    bide_os_thread_join(thread);
    bide_poller_free(poller);
}

Test(windows, a_post_of_nothing_is_refused)
{
    bide_poller *poller;
    cr_assert_ok(bide_poller_new(&poller, NULL));
    cr_assert_gives(bide_poller_post(NULL, 1, BIDE_POLL_READ), BIDE_EINVAL);
    cr_assert_gives(bide_poller_post(poller, BIDE_POLL_KEY_RESERVED, BIDE_POLL_READ), BIDE_EINVAL);
    cr_assert_gives(bide_poller_post(poller, 1, 0), BIDE_EINVAL);
    cr_assert_gives(bide_poller_post(poller, 1, 1024), BIDE_EINVAL);
    bide_poller_free(poller);
}

/* The system's calls are imported, by pointers: to these the linker leads. */
typedef BOOL(WINAPI *timer_call)(HANDLE, const LARGE_INTEGER *, long, PTIMERAPCROUTINE, void *, BOOL);
extern timer_call __real___imp_SetWaitableTimer;
static int timers_set;

/* The first one is early. */
static BOOL WINAPI set_early(HANDLE timer, const LARGE_INTEGER *due, long period, PTIMERAPCROUTINE routine,
                             void *arg, BOOL resume)
{
    LARGE_INTEGER early = *due;
    if (timers_set++ == 0) early.QuadPart /= 4;
    return __real___imp_SetWaitableTimer(timer, &early, period, routine, arg, resume);
}

const timer_call __wrap___imp_SetWaitableTimer = set_early;

Test(windows, a_timer_that_is_early_is_set_again_for_the_rest)
{
    bide_poller *poller;
    bide_poll_event event;
    cr_assert_ok(bide_poller_new(&poller, NULL));
    bide_instant deadline = bide_after(BIDE_MILLISECONDS(40));
    cr_assert_gives(bide_poller_wait(poller, &event, 1, deadline), 0);
    cr_assert_geq(bide_now().ns, deadline.ns);
    cr_assert_geq(timers_set, 2);
    bide_poller_free(poller);
}

/* --- sockets --- */

static bool is_inherited(bide_fd fd)
{
    DWORD flags = 0;
    cr_assert(GetHandleInformation((HANDLE)fd, &flags));
    return (flags & HANDLE_FLAG_INHERIT) != 0;
}

Test(windows, sockets_need_no_start_and_are_not_inherited)
{
    bide_address where = loopback();
    bide_async *listener, *ends[2];
    cr_assert_ok(bide_tcp_listen(&listener, &where, 0));
    cr_assert_ok(bide_async_local_address(listener, &where));
    cr_assert_ok(bide_tcp_connect(&ends[0], &where, bide_after(LONG)));
    cr_assert_ok(bide_accept(listener, &ends[1], NULL, bide_after(LONG)));
    cr_assert_not(is_inherited(bide_async_fd(listener)));
    cr_assert_not(is_inherited(bide_async_fd(ends[0])));
    cr_assert_not(is_inherited(bide_async_fd(ends[1])));
    free_both(ends);
    cr_assert_ok(bide_async_free(listener));
}

Test(windows, nobody_takes_a_listeners_port_over)
{
    bide_address where = loopback();
    bide_async *listener;
    cr_assert_ok(bide_tcp_listen(&listener, &where, 0));
    cr_assert_ok(bide_async_local_address(listener, &where));
    size_t length;
    const void *address = bide_address_sockaddr(&where, &length);
    int thief = socket(AF_INET, SOCK_STREAM, 0);
    BOOL on = TRUE;
    (void)setsockopt(thief, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    cr_assert_neq(bind(thief, address, (int)length), 0);
    (void)close(thief);
    cr_assert_ok(bide_async_free(listener));
}

typedef int(WSAAPI *ioctl_call)(SOCKET, DWORD, void *, DWORD, void *, DWORD, DWORD *, OVERLAPPED *,
                                LPWSAOVERLAPPED_COMPLETION_ROUTINE);
extern ioctl_call __real___imp_WSAIoctl;
static int refusals = -1, losses = -1;

static int WSAAPI note(SOCKET fd, DWORD code, void *in, DWORD in_size, void *out, DWORD out_size, DWORD *size,
                       OVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    if (code == SIO_UDP_CONNRESET) refusals = *(BOOL *)in;
    if (code == _WSAIOW(IOC_VENDOR, 15)) losses = *(BOOL *)in;
    return __real___imp_WSAIoctl(fd, code, in, in_size, out, out_size, size, overlapped, routine);
}

const ioctl_call __wrap___imp_WSAIoctl = note;

Test(windows, a_datagram_socket_is_not_told_of_what_became_of_others)
{
    bide_address where = loopback();
    bide_async *socket;
    cr_assert_ok(bide_udp_bind(&socket, &where));
    cr_assert_eq(refusals, FALSE);
    cr_assert_eq(losses, FALSE);
    cr_assert_ok(bide_async_local_address(socket, &where));
    cr_assert_ok(bide_udp_connect_to(socket, &where));
    cr_assert_eq(refusals, TRUE);
    cr_assert_eq(losses, FALSE);
    cr_assert_ok(bide_async_free(socket));
}

typedef int(WSAAPI *setsockopt_call)(SOCKET, int, int, const char *, int);
extern setsockopt_call __real___imp_setsockopt;
static int claims;

static int WSAAPI count_claims(SOCKET fd, int level, int option, const char *value, int size)
{
    if (level == SOL_SOCKET && option == SO_EXCLUSIVEADDRUSE) claims += *(const BOOL *)value;
    return __real___imp_setsockopt(fd, level, option, value, size);
}

const setsockopt_call __wrap___imp_setsockopt = count_claims;

/* Wine 8 never lets one take over what another has not offered to share, as Windows does. */
Test(windows, a_datagram_port_is_ones_own_unless_it_is_to_be_shared)
{
    bide_address where = loopback();
    bide_socket_options shares = {.reuse_address = BIDE_TOGGLE_ON};
    bide_async *own, *sharing[2];
    cr_assert_ok(bide_udp_bind(&own, &where));
    cr_assert_eq(claims, 1);
    cr_assert_ok(bide_udp_bind_with(&sharing[0], &where, &shares));
    cr_assert_ok(bide_async_local_address(sharing[0], &where));
    cr_assert_ok(bide_udp_bind_with(&sharing[1], &where, &shares));
    cr_assert_eq(claims, 1);
    free_both(sharing);
    cr_assert_ok(bide_async_free(own));
}

/* --- handles --- */

Test(windows, a_handle_that_is_signalled_ends_a_wait_at_once)
{
    HANDLE event = CreateEventW(NULL, TRUE, TRUE, NULL);
    cr_assert_ok(bide_wait_handle(event, BIDE_NEVER));
    cr_assert_ok(bide_wait_handle(event, BIDE_NOW));
    (void)CloseHandle(event);
}

Test(windows, a_wait_takes_the_signal_of_what_resets_itself)
{
    HANDLE event = CreateEventW(NULL, FALSE, TRUE, NULL);
    cr_assert_ok(bide_wait_handle(event, BIDE_NEVER));
    cr_assert_gives(bide_wait_handle(event, bide_after(SHORT)), BIDE_ETIMEDOUT);
    (void)SetEvent(event);
    cr_assert_ok(bide_wait_handle(event, BIDE_NEVER));
    (void)CloseHandle(event);
}

static void set_soon(void *arg)
{
    Sleep(20);
    (void)SetEvent(arg);
}

Test(windows, a_handle_that_is_signalled_later_ends_a_wait)
{
    bide_os_thread thread;
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    cr_assert_ok(bide_os_thread_start(&thread, "setter", set_soon, event));
    cr_assert_ok(bide_wait_handle(event, BIDE_NEVER));
    bide_os_thread_join(thread);
    (void)CloseHandle(event);
}

Test(windows, a_wait_for_a_handle_keeps_its_deadline_and_leaves_nothing)
{
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    bide_instant deadline = bide_after(SHORT);
    cr_assert_gives(bide_wait_handle(event, deadline), BIDE_ETIMEDOUT);
    cr_assert_geq(bide_now().ns, deadline.ns);
    (void)SetEvent(event);
    (void)CloseHandle(event);
}

Test(windows, what_is_no_handle_is_refused)
{
    cr_assert_gives(bide_wait_handle(NULL, BIDE_NEVER), BIDE_EINVAL);
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    (void)CloseHandle(event);
    cr_assert_lt(bide_wait_handle(event, bide_after(SHORT)), 0);
}

Test(windows, nobody_waits_for_the_end_of_the_own_process)
{
    bide_instant deadline = bide_after(LONG);
    cr_assert_gives(bide_wait_handle(GetCurrentProcess(), deadline), BIDE_EINVAL);
    cr_assert_gives(bide_wait_handle(GetCurrentThread(), deadline), BIDE_EINVAL);
    HANDLE own = OpenProcess(SYNCHRONIZE, FALSE, GetCurrentProcessId());
    cr_assert_not_null(own);
    cr_assert_gives(bide_wait_handle(own, deadline), BIDE_EINVAL);
    (void)CloseHandle(own);
}

Test(windows, a_handle_and_a_timer_race)
{
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    bide_handle_wait wait;
    bide_timer timer;
    bide_handle_wait_init(&wait, event);
    bide_timer_after(&timer, SHORT);
    bide_future *both[] = {&wait.future, &timer.future};
    cr_assert_gives(bide_race(both, 2), 1);
    cr_assert_gives(wait.result, BIDE_ECANCELED);
    (void)SetEvent(event);
    bide_handle_wait_init(&wait, event);
    bide_timer_after(&timer, LONG);
    cr_assert_gives(bide_race(both, 2), 0);
    cr_assert_ok(wait.result);
    (void)CloseHandle(event);
}

Test(windows, a_signal_that_comes_with_a_cancel_is_not_given_twice)
{
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
    for (int i = 0; i < 200; i++) {
        bide_handle_wait wait;
        bide_handle_wait_init(&wait, event);
        struct counter mine = {0};
        cr_assert_eq(poll_with(&wait.future, counting(&mine)), BIDE_PENDING);
        (void)SetEvent(event);
        for (int spin = i % 50 * 100; spin > 0; spin--)
            bide_os_spin_pause();
        (void)bide_cancel(&wait.future);
        bool taken = wait.result == 0;
        cr_assert_not(taken && WaitForSingleObject(event, 0) == WAIT_OBJECT_0, "round %d", i);
        (void)ResetEvent(event);
    }
    (void)CloseHandle(event);
}

Test(windows, the_end_of_a_process_is_awaited)
{
    char program[MAX_PATH];
    char line[2 * MAX_PATH];
    STARTUPINFOA start = {.cb = sizeof start};
    PROCESS_INFORMATION child;
    DWORD status = STILL_ACTIVE;
    (void)GetModuleFileNameA(NULL, program, sizeof program);
    (void)snprintf(line, sizeof line, "\"%s\" windows/a_post_of_nothing_is_refused", program);
    cr_assert(CreateProcessA(program, line, NULL, NULL, FALSE, 0, NULL, NULL, &start, &child));
    cr_assert_ok(bide_wait_handle(child.hProcess, bide_after(LONG)));
    cr_assert(GetExitCodeProcess(child.hProcess, &status));
    cr_assert_eq(status, 0);
    (void)CloseHandle(child.hThread);
    (void)CloseHandle(child.hProcess);
}

/* --- the end of a process --- */

static void end_at_once(void *value)
{
    (void)value;
    (void)TerminateProcess(GetCurrentProcess(), 9);
}

/* Other threads were stopped by then, wherever they were. */
Test(windows, a_process_that_ends_drops_no_values_of_its_last_thread, .exit_code = 5)
{
    static const bide_local key = {end_at_once, NULL};
    cr_assert_ok(bide_local_set(&key, (void *)(uintptr_t)&key));
    exit(5);
}

/* --- fibers of the system's --- */

static int fiber_drops;

static void count_fiber_drop(void *value)
{
    (void)value;
    fiber_drops++;
}

static const bide_local of_fibers = {count_fiber_drop, NULL};

static void WINAPI set_and_return(void *back)
{
    static int value;
    (void)bide_local_set(&of_fibers, &value);
    SwitchToFiber(back);
}

/* Leaves a fiber behind, in which its values are kept. */
static void make_fiber(void *out)
{
    void *back = ConvertThreadToFiber(NULL);
    void *fiber = CreateFiber(0, set_and_return, back);
    SwitchToFiber(fiber);
    (void)ConvertFiberToThread();
    *(void **)out = fiber;
}

Test(windows, a_fiber_that_another_thread_deletes_leaves_that_ones_values_alone)
{
    int own = 0;
    void *fiber = NULL;
    bide_os_thread thread;
    cr_assert_ok(bide_local_set(&of_fibers, &own));
    cr_assert_ok(bide_os_thread_start(&thread, "fiber", make_fiber, &fiber));
    bide_os_thread_join(thread);
    cr_assert_eq(fiber_drops, 0);
    DeleteFiber(fiber);
    cr_assert_eq(fiber_drops, 1);
    cr_assert_eq(bide_local_get(&of_fibers), &own);
}
