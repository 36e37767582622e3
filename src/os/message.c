/* Messages: see message.h.
 *
 * Every call has MSG_DONTWAIT, so that a borrowed descriptor in blocking mode does not block, and none raises
 * SIGPIPE.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/message.h"

#include "os/control.h"
#include "os/descriptor.h"
#include "os/io.h"
#include "os/message_header.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

/* SCM_MAX_FD, which no header of the system's tells: a message with more is refused (unix(7)). */
#define MOST_FDS 253

/* Descriptors and credentials, aligned as cmsg(3) asks. */
#define CONTROL_SIZE (CMSG_SPACE(MOST_FDS * sizeof(int)) + CMSG_SPACE(BIDE_OS_CREDENTIALS_MOST))
union control {
    struct cmsghdr align;
    unsigned char bytes[CONTROL_SIZE];
};

/* The header of a message without control data. */
static struct msghdr header_of(const struct bide_os_message *message)
{
    struct msghdr header;
    memset(&header, 0, sizeof header);
    header.msg_iov = (struct iovec *)(uintptr_t)message->buffers;
    header.msg_iovlen = (BIDE_OS_BUFFER_COUNT)message->buffer_count;
    return header;
}

/* --- sending --- */

struct msghdr bide_os_header_to(const struct bide_os_message *message)
{
    struct msghdr header = header_of(message);
    size_t length = 0;
    header.msg_name = (void *)(uintptr_t)bide_address_sockaddr(message->address, &length);
    header.msg_namelen = (socklen_t)length;
    return header;
}

/* Appends a piece of control data; there is room. */
static void put_control(struct msghdr *header, union control *control, int type, const void *data,
                        size_t length)
{
    if (header->msg_controllen == 0) memset(control, 0, sizeof *control);
    struct cmsghdr *piece = (struct cmsghdr *)(void *)(control->bytes + header->msg_controllen);
    piece->cmsg_level = SOL_SOCKET;
    piece->cmsg_type = type;
    piece->cmsg_len = (BIDE_OS_CONTROL_LENGTH)CMSG_LEN(length);
    memcpy(CMSG_DATA(piece), data, length);
    header->msg_control = control;
    header->msg_controllen += (BIDE_OS_CONTROL_LENGTH)CMSG_SPACE(length);
}

static bool has_bytes(const struct bide_os_message *message)
{
    for (size_t i = 0; i < message->buffer_count; i++)
        if (message->buffers[i].length > 0) return true;
    return false;
}

/* Whether the socket takes the control data: 0, or why not. Other families than Unix drop descriptors and
 * credentials, and a stream drops the descriptors that go with no byte: none of them says so. */
static int check_control(bide_fd fd, const struct bide_os_message *message)
{
    int type = 0;
    if (message->fd_count > MOST_FDS || (message->fd_count > 0 && !message->fds)) return BIDE_EINVAL;
    int family = bide_os_family(fd);
    if (family < 0) return family;
    if (family != AF_UNIX) return BIDE_EAFNOSUPPORT;
    if (message->fd_count == 0 || has_bytes(message)) return 0;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return bide_last_error();
    return type == SOCK_STREAM ? BIDE_EINVAL : 0;
}

bide_ssize bide_os_send_message(bide_fd fd, struct bide_os_message *message)
{
    union control control;
    struct msghdr header = bide_os_header_to(message);
    if (message->fd_count > 0 || message->credentials) {
        int error = check_control(fd, message);
        if (error) return error;
    }
    if (message->fd_count > 0)
        put_control(&header, &control, SCM_RIGHTS, message->fds, message->fd_count * sizeof *message->fds);
    if (message->credentials) {
        struct bide_os_packed_credentials packed;
        int error = bide_os_credentials_pack(&packed, message->credentials);
        if (error) return error;
        put_control(&header, &control, packed.type, packed.bytes, packed.length);
    }
    for (;;) {
        ssize_t sent = sendmsg(fd, &header, BIDE_OS_NO_SIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            message->length = (size_t)sent;
            return sent;
        }
        if (errno != EINTR) return bide_last_error();
    }
}

/* --- receiving --- */

struct msghdr bide_os_header_from(const struct bide_os_message *message)
{
    struct msghdr header = header_of(message);
    if (message->address) {
        header.msg_name = message->address->storage_.bytes_;
        header.msg_namelen = sizeof message->address->storage_.bytes_;
    }
    return header;
}

static void take_descriptors(struct bide_os_message *message, size_t room, const struct cmsghdr *piece)
{
    size_t count = (piece->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(piece) + i * sizeof fd, sizeof fd);
        if (BIDE_OS_CMSG_CLOEXEC == 0) (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (message->fd_count < room) {
            message->fds[message->fd_count++] = fd;
        } else {
            /* The room for control data is rounded up, and that for credentials may have been left. */
            bide_os_close(fd);
            message->control_truncated = true;
        }
    }
}

/* musl's CMSG_NXTHDR compares what is signed with what is not. */
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-compare"
#endif
static void take_control(struct bide_os_message *message, size_t room, struct msghdr *header)
{
    for (struct cmsghdr *piece = CMSG_FIRSTHDR(header); piece; piece = CMSG_NXTHDR(header, piece)) {
        if (piece->cmsg_level == SOL_SOCKET && piece->cmsg_type == SCM_RIGHTS)
            take_descriptors(message, room, piece);
        else if (message->credentials && bide_os_credentials_unpack(message->credentials, piece))
            message->has_credentials = true;
    }
}
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

void bide_os_take_header(struct bide_os_message *message, const struct msghdr *header, size_t length)
{
    message->length = length;
    message->truncated = (header->msg_flags & MSG_TRUNC) != 0;
    message->control_truncated = (header->msg_flags & MSG_CTRUNC) != 0;
    message->has_credentials = false;
    if (!message->address) return;
    unsigned char sender[BIDE_ADDRESS_SIZE];
    size_t size = header->msg_namelen < sizeof sender ? header->msg_namelen : sizeof sender;
    memcpy(sender, message->address->storage_.bytes_, size);
    if (bide_address_from_system(message->address, sender, size) != 0)
        memset(message->address, 0, sizeof *message->address);
}

bide_ssize bide_os_recv_message(bide_fd fd, struct bide_os_message *message)
{
    size_t room = message->fds ? message->fd_count : 0;
    size_t most = room < MOST_FDS ? room : MOST_FDS;
    size_t credentials = bide_os_credentials_size();
    union control control;
    for (;;) {
        struct msghdr header = bide_os_header_from(message);
        /* Credentials come first, also if only descriptors are wanted. */
        size_t space = 0;
        if (credentials > 0) space += CMSG_SPACE(credentials);
        if (most > 0) space += CMSG_SPACE(most * sizeof(int));
        if (space > 0 && (room > 0 || message->credentials)) {
            header.msg_control = &control;
            header.msg_controllen = (BIDE_OS_CONTROL_LENGTH)space;
        }
        int peek = message->peek ? MSG_PEEK : 0;
        ssize_t count = recvmsg(fd, &header, MSG_DONTWAIT | BIDE_OS_CMSG_CLOEXEC | peek);
        if (count < 0) {
            if (errno == EINTR) continue;
            return bide_last_error();
        }
        bide_os_take_header(message, &header, (size_t)count);
        message->fd_count = 0;
        take_control(message, room, &header);
        return count;
    }
}

/* --- one piece --- */

bide_ssize bide_os_send_datagram(bide_fd fd, const struct bide_os_datagram *datagram)
{
    size_t size = 0;
    const struct sockaddr *to = bide_address_sockaddr(datagram->to, &size);
    for (;;) {
        ssize_t sent = sendto(fd, datagram->data, datagram->length, BIDE_OS_NO_SIGNAL | MSG_DONTWAIT, to,
                              (socklen_t)size);
        if (sent >= 0 || errno != EINTR) return sent >= 0 ? sent : bide_last_error();
    }
}

bide_ssize bide_os_recv_datagram(bide_fd fd, const struct bide_os_datagram *datagram)
{
    union {
        struct sockaddr any;
        unsigned char bytes[BIDE_ADDRESS_SIZE];
    } sender;
    int flags = MSG_DONTWAIT | (datagram->peek ? MSG_PEEK : 0);
    for (;;) {
        socklen_t size = sizeof sender;
        ssize_t count = recvfrom(fd, datagram->data, datagram->length, flags,
                                 datagram->from ? &sender.any : NULL, datagram->from ? &size : NULL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return bide_last_error();
        if (datagram->from && bide_address_from_system(datagram->from, &sender, size) != 0)
            memset(datagram->from, 0, sizeof *datagram->from);
        return count;
    }
}

bide_ssize bide_os_each_message(bide_fd fd, struct bide_os_message *messages, size_t count,
                                bide_ssize (*move)(bide_fd, struct bide_os_message *))
{
    for (size_t i = 0; i < count; i++) {
        bide_ssize result = move(fd, &messages[i]);
        if (result < 0) return i > 0 ? (bide_ssize)i : result;
    }
    return (bide_ssize)count;
}
