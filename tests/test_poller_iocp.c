/* The poller on a completion port that fails.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "test_poller_pair.h"

#include "os/system_windows.h"

TestSuite(poller_iocp, .init = open_all, .fini = close_all, .timeout = 30);

/* The system's calls are imported, by pointers: to these the linker leads. */
typedef BOOL(WINAPI *post_call)(HANDLE, DWORD, ULONG_PTR, OVERLAPPED *);
extern post_call __real___imp_PostQueuedCompletionStatus;
static atomic_int posts_to_fail;

static BOOL WINAPI post_or_fail(HANDLE port, DWORD size, ULONG_PTR key, OVERLAPPED *packet)
{
    if (atomic_load(&posts_to_fail) == 0)
        return __real___imp_PostQueuedCompletionStatus(port, size, key, packet);
    (void)atomic_fetch_sub(&posts_to_fail, 1);
    SetLastError(ERROR_NO_SYSTEM_RESOURCES);
    return FALSE;
}

const post_call __wrap___imp_PostQueuedCompletionStatus = post_or_fail;

Test(poller_iocp, a_wake_up_whose_packet_fails_is_not_lost_and_leaves_the_last_error)
{
    struct waiter waiter;
    waiter_start(&waiter, poller, BIDE_NEVER);
    atomic_store(&posts_to_fail, 3);
    SetLastError(ERROR_CRC);
    int error = bide_poller_notify(poller);
    cr_assert_eq(GetLastError(), ERROR_CRC);
    cr_assert_ok(error);
    cr_assert_gives(waiter_join(&waiter), 0);
    cr_assert_eq(atomic_load(&posts_to_fail), 0);
}
