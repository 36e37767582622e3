/* Names to addresses: see lookup.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE /* EAI_NODATA, EAI_ADDRFAMILY */
#include "os/lookup.h"

#include "os/sockets.h"

#include <stdlib.h>
#include <string.h>

/* In the words of getaddrinfo(3). To be called before anything else changes errno. */
static int error_of(int code)
{
    switch (code) {
#ifdef EAI_SYSTEM
    case EAI_SYSTEM: return bide_last_error();
#endif
    case EAI_NONAME:
        return BIDE_ERESOLVE_NONAME;
/* Extensions of the GNU C library and others, which have both or neither; on some systems EAI_NONAME by another
 * name. */
#if defined EAI_NODATA && EAI_NODATA != EAI_NONAME
    case EAI_NODATA:
#ifdef EAI_ADDRFAMILY
    case EAI_ADDRFAMILY:
#endif
        return BIDE_ERESOLVE_NODATA;
#endif
    case EAI_AGAIN: return BIDE_ERESOLVE_AGAIN;
    case EAI_SERVICE: return BIDE_ERESOLVE_SERVICE;
    case EAI_MEMORY: return BIDE_ENOMEM;
    case EAI_FAMILY: return BIDE_EAFNOSUPPORT;
    default: return BIDE_ERESOLVE_FAIL;
    }
}

static int system_family(bide_family family)
{
    switch (family) {
    case BIDE_FAMILY_IPV4: return AF_INET;
    case BIDE_FAMILY_IPV6: return AF_INET6;
    default: return AF_UNSPEC;
    }
}

static size_t length_of(const struct addrinfo *list)
{
    size_t length = 0;
    for (; list; list = list->ai_next)
        length++;
    return length;
}

static bool has(const bide_address *addresses, size_t count, const bide_address *one)
{
    for (size_t i = 0; i < count; i++)
        if (bide_address_equal(&addresses[i], one)) return true;
    return false;
}

/* A hosts file may name an address twice; other families cannot come. */
static size_t copy(bide_address *addresses, const struct addrinfo *list)
{
    size_t count = 0;
    for (; list; list = list->ai_next) {
        bide_address *next = &addresses[count];
        if (bide_address_from_system(next, list->ai_addr, list->ai_addrlen) == 0 &&
            !has(addresses, count, next))
            count++;
    }
    return count;
}

int bide_os_look_up(const struct bide_os_lookup *lookup, bide_address **out, size_t *count)
{
    /* One socket type, or each address comes once for each. */
    struct addrinfo hints, *list = NULL;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = system_family(lookup->family);
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = lookup->configured ? AI_ADDRCONFIG : 0;
    int error = bide_os_sockets_start();
    if (error) return error;
    int code = getaddrinfo(lookup->host, lookup->service, &hints, &list);
    if (code != 0) return error_of(code);
    size_t length = length_of(list);
    bide_address *addresses = calloc(length ? length : 1, sizeof *addresses);
    size_t found = addresses ? copy(addresses, list) : 0;
    if (!addresses) error = BIDE_ENOMEM;
    freeaddrinfo(list);
    if (!error && found == 0) error = BIDE_ERESOLVE_NODATA;
    if (error) {
        free(addresses);
        return error;
    }
    *out = addresses;
    *count = found;
    return 0;
}
