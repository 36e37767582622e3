/* What single messages (message.c) and batches of them (batch_mmsg.c) share: the system's message header, made
 * from ours and read back.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_MESSAGE_HEADER_H
#define BIDE_OS_MESSAGE_HEADER_H

#include "os/message.h"

#include <sys/socket.h>

/* Without control data; for sending, and for receiving: there the sender's address goes where it will stay, as
 * the system writes it. */
struct msghdr bide_os_header_to(const struct bide_os_message *message);
struct msghdr bide_os_header_from(const struct bide_os_message *message);

/* What a message that has come is, besides its control data; makes a proper address of the sender's. */
void bide_os_take_header(struct bide_os_message *message, const struct msghdr *header, size_t length);

/* A batch one by one. The error that ends it after the first is told by the next call, unless it was a message
 * of the network, which nobody can rely on. */
bide_ssize bide_os_each_message(bide_fd fd, struct bide_os_message *messages, size_t count,
                                bide_ssize (*move)(bide_fd, struct bide_os_message *));

#endif
