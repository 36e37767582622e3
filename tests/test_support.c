/* The tests' own tools: assertions, descriptors, threads.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bide_test.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

Test(support, a_closed_descriptor_is_no_leak_and_an_open_one_is)
{
    int before = bide_test_fd_count();
    int copy = dup(2);
    cr_assert_eq(bide_test_fd_count(), before + 1, "%d before, %d now", before, bide_test_fd_count());
    (void)close(copy);
    cr_assert_eq(bide_test_fd_count(), before);
}

Test(support, an_expected_signal_passes, .signal = SIGUSR1)
{
    (void)raise(SIGUSR1);
}

Test(support, an_expected_exit_status_passes, .exit_code = 3)
{
    exit(3);
}
