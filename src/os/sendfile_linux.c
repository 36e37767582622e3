/* Sending files by sendfile(2) of Linux: see sendfile.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "os/sendfile.h"

#include "os/sigpipe.h"

#include <errno.h>
#include <sys/sendfile.h>

static bool is_refusal(int error)
{
    return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

bide_ssize bide_os_sendfile(bide_fd out, bide_fd file, uint64_t offset, size_t length)
{
    for (;;) {
        off_t from = (off_t)offset;
        /* There is no flag like send's (sendfile(2)). */
        struct bide_os_sigpipe signal;
        bide_os_sigpipe_block(&signal);
        ssize_t count = sendfile(out, file, &from, length);
        bide_os_sigpipe_restore(&signal, count < 0 && errno == EPIPE);
        if (count >= 0) return count;
        if (is_refusal(errno)) return BIDE_ENOTSUP;
        if (errno != EINTR) return bide_last_error();
    }
}
