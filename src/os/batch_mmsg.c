/* Several messages a system call, by sendmmsg(2) and recvmmsg(2): see message.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/descriptor.h"
#include "os/message_header.h"

#include <errno.h>
#include <stdatomic.h>

#if defined(__FreeBSD__)
typedef size_t batch_count;
#else
typedef unsigned batch_count;
#endif

/* Whether the system has calls for several messages: asked once. Relaxed, for each thread may find out by
 * itself. */
static _Atomic bool one_by_one;

static bool has_no_such_call(void)
{
    if (errno != ENOSYS) return false;
    atomic_store_explicit(&one_by_one, true, memory_order_relaxed);
    return true;
}

bide_ssize bide_os_send_batch(bide_fd fd, struct bide_os_message *messages, size_t count)
{
    struct mmsghdr headers[BIDE_OS_BATCH_MOST];
    if (atomic_load_explicit(&one_by_one, memory_order_relaxed))
        return bide_os_each_message(fd, messages, count, bide_os_send_message);
    for (size_t i = 0; i < count; i++)
        headers[i].msg_hdr = bide_os_header_to(&messages[i]);
    for (;;) {
        ssize_t sent = sendmmsg(fd, headers, (batch_count)count, BIDE_OS_NO_SIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            for (ssize_t i = 0; i < sent; i++)
                messages[i].length = (size_t)headers[i].msg_len;
            return sent;
        }
        if (has_no_such_call()) return bide_os_each_message(fd, messages, count, bide_os_send_message);
        if (errno != EINTR) return bide_last_error();
    }
}

bide_ssize bide_os_recv_batch(bide_fd fd, struct bide_os_message *messages, size_t count)
{
    struct mmsghdr headers[BIDE_OS_BATCH_MOST];
    if (atomic_load_explicit(&one_by_one, memory_order_relaxed))
        return bide_os_each_message(fd, messages, count, bide_os_recv_message);
    for (;;) {
        for (size_t i = 0; i < count; i++)
            headers[i].msg_hdr = bide_os_header_from(&messages[i]);
        ssize_t received =
            recvmmsg(fd, headers, (batch_count)count, MSG_DONTWAIT | BIDE_OS_CMSG_CLOEXEC, NULL);
        if (received >= 0) {
            for (ssize_t i = 0; i < received; i++)
                bide_os_take_header(&messages[i], &headers[i].msg_hdr, (size_t)headers[i].msg_len);
            return received;
        }
        if (has_no_such_call()) return bide_os_each_message(fd, messages, count, bide_os_recv_message);
        if (errno != EINTR) return bide_last_error();
    }
}
