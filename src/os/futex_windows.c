/* WaitOnAddress and its wakes.
 *
 * It takes milliseconds, which the system rounds to its ticks: a deadline is met late by those. Who needs
 * better waits in the poller.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/futex.h"

#include "os/system_windows.h"

void bide_os_futex_wait(_Atomic uint32_t *word, uint32_t expected, bide_instant deadline)
{
    DWORD before = GetLastError();
    (void)WaitOnAddress((volatile void *)word, &expected, sizeof expected,
                        bide_os_milliseconds_until(deadline));
    SetLastError(before);
}

void bide_os_futex_wake_one(_Atomic uint32_t *word)
{
    WakeByAddressSingle((void *)word);
}

void bide_os_futex_wake_all(_Atomic uint32_t *word)
{
    WakeByAddressAll((void *)word);
}
