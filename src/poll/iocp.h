/* What the completion port can do beyond the other back ends.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_POLL_IOCP_H
#define BIDE_POLL_IOCP_H

#include <bide/poller.h>

/* As bide_poller_post(), with checked arguments. */
int bide_poll_iocp_post(bide_poller *poller, uint64_t key, unsigned ready);

#endif
