/* The smallest program of a user of bide-countdown, which does not link bide: one request is answered in memory.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/countdown.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    static const bide_countdown_cycle cycles[] = {{"Tea", 180}};
    bide_countdown_config config = {cycles, 1, 1};
    bide_countdown countdown;
    bide_countdown_server server;
    char buffer[256];
    if (bide_countdown_init(&countdown, &config) != 0) return 1;
    bide_countdown_server_init(&server, buffer, sizeof buffer);

    bide_sansio_io io = {0};
    int status;
    while ((status = bide_countdown_server_resume(&server, &countdown, &io)) == BIDE_SANSIO_WANTS) {
        if (io.kind == BIDE_SANSIO_READ) {
            memcpy(io.buffer, "\"get\"\n", 6);
            io.result = 6;
        } else if (io.kind == BIDE_SANSIO_WRITE) {
            io.result = (bide_ssize)fwrite(io.buffer, 1, io.length, stdout);
        } else {
            io.instant = bide_instant_from_ns(0);
            io.result = 0;
        }
    }
    bide_countdown_server_fini(&server);
    return status != BIDE_SANSIO_DONE;
}
