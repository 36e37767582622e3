/* No credentials in messages: where they could be had, they come in other ways than Linux' (a flag of the
 * receiver's on NetBSD, filled in by the kernel on FreeBSD), and are not offered. See control.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/control.h"

#include <bide/error.h>

int bide_os_credentials_pack(struct bide_os_packed_credentials *packed, const bide_credentials *given)
{
    (void)packed, (void)given;
    return BIDE_ENOTSUP;
}

size_t bide_os_credentials_size(void)
{
    return 0;
}

bool bide_os_credentials_unpack(bide_credentials *sender, const struct cmsghdr *piece)
{
    (void)sender, (void)piece;
    return false;
}
