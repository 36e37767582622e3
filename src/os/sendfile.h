/* System calls for sending files, with errors as BIDE_E… and interrupted calls repeated. None waits for the
 * socket if it is non-blocking; reading the file may wait for its disk.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_SENDFILE_H
#define BIDE_OS_SENDFILE_H

#include <bide/error.h>

/* A count, which is 0 at the end of the file; BIDE_ENOTSUP: not from or to descriptors of this kind, copy
 * instead; or an error. Raises no SIGPIPE. */
bide_ssize bide_os_sendfile(bide_fd out, bide_fd file, uint64_t offset, size_t length);

#endif
