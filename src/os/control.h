/* Credentials as control data of messages on Unix sockets: each system has its own structure for them, or
 * none.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_CONTROL_H
#define BIDE_OS_CONTROL_H

#include <bide/base.h>

#include <sys/socket.h>

/* The most bytes of data that such a control message has. */
#define BIDE_OS_CREDENTIALS_MOST 16

struct bide_os_packed_credentials {
    int type; /* of SOL_SOCKET */
    size_t length;
    unsigned char bytes[BIDE_OS_CREDENTIALS_MOST];
};

/* What is to be sent; those of pid 0 are this process' own. 0, or BIDE_ENOTSUP. */
int bide_os_credentials_pack(struct bide_os_packed_credentials *packed, const bide_credentials *given);

/* How many bytes of data to make room for when receiving; 0 where none come. */
size_t bide_os_credentials_size(void);

/* Takes them out of a control message; false if it has none. */
bool bide_os_credentials_unpack(bide_credentials *sender, const struct cmsghdr *piece);

#endif
