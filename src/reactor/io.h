/* Operations that layers below run through bide_io.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_REACTOR_IO_H
#define BIDE_REACTOR_IO_H

#include <bide/async.h>

/* Awaits the operation on the calling thread, driving its source's reactor. Its result, or the error of
 * the await. */
bide_ssize bide_io_await(bide_io *io, bide_instant deadline);

#endif
