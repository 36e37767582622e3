/* Several messages one after the other, where the system has no call for it: see message.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/message_header.h"

bide_ssize bide_os_send_batch(bide_fd fd, struct bide_os_message *messages, size_t count)
{
    return bide_os_each_message(fd, messages, count, bide_os_send_message);
}

bide_ssize bide_os_recv_batch(bide_fd fd, struct bide_os_message *messages, size_t count)
{
    return bide_os_each_message(fd, messages, count, bide_os_recv_message);
}
