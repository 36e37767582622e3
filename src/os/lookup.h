/* The system's resolver, getaddrinfo(3).
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_LOOKUP_H
#define BIDE_OS_LOOKUP_H

#include <bide/address.h>

struct bide_os_lookup {
    const char *host;
    const char *service; /* a name or a number; NULL: none, ports are 0 */
    bide_family family;  /* BIDE_FAMILY_NONE: both */
    /* Only families of which this machine has an address, the loopback's not counted. */
    bool configured;
};

/* Blocks, for half a minute where the name servers are silent; cannot be interrupted. Gives 0 and at least
 * one address, in the order of preference (RFC 6724 and gai.conf(5)), each once, in memory that is the
 * caller's to free(3); or BIDE_ERESOLVE_…, BIDE_ENOMEM, BIDE_EAFNOSUPPORT, an error of the system. */
int bide_os_look_up(const struct bide_os_lookup *lookup, bide_address **out, size_t *count);

#endif
