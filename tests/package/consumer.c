/* The smallest program of a user: the headers are found, the library is linked, and both agree.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide.h>

#include <stdio.h>

int main(void)
{
    if (bide_version() != BIDE_VERSION_NUMBER) {
        (void)fprintf(stderr, "headers are %d, the library is %u\n", BIDE_VERSION_NUMBER, bide_version());
        return 1;
    }
    bide_timer timer;
    bide_timer_after(&timer, BIDE_MILLISECONDS(1));
    int error = bide_block_on(&timer.future);
    if (error < 0) {
        (void)fprintf(stderr, "waiting for a timer: %s\n", bide_strerror(error));
        return 1;
    }
    (void)printf("Bide %s\n", bide_version_string());
    return 0;
}
