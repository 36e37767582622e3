/**
 * @file bide/resolve.h
 * @brief Names to addresses, by the system's resolver, without blocking a thread of yours.
 *
 * getaddrinfo(3) runs as a blocking job (bide/pool.h): /etc/hosts, DNS, and whatever nsswitch.conf(5) names,
 * in the order of preference of RFC 6724 and gai.conf(5). It cannot be interrupted, so that a deadline or a
 * cancel leaves it behind: the call answers at once, and the look-up ends by itself on its thread, where its
 * result is dropped.
 *
 * Numeric addresses ("192.0.2.1", "2001:db8::1", "fe80::1%eth0") are answered at once, without a thread.
 * Families of which this machine has no address are left out (AI_ADDRCONFIG), but not for "localhost" and
 * names below it, whose addresses this machine always has.
 *
 * **Names.** A host name has labels of up to 63 letters, digits, hyphens and underscores with dots between
 * them, 253 bytes at most, perhaps one more dot at the end; it does not begin with a hyphen, and its last
 * label is no number: "127.1" and "0x7f000001" are neither names nor addresses here, though the C library
 * takes them for addresses. Names with other letters go in their encoded form ("xn--bcher-kva.example"). A
 * name ends at its zero byte.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_RESOLVE_H
#define BIDE_RESOLVE_H

#include <bide/address.h>
#include <bide/future.h>
#include <bide/pool.h>
#include <bide/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Addresses on the heap: bide_addresses_free() frees them. Zeroed storage is none. */
typedef struct bide_addresses {
    bide_address *at; /**< `count` of them, the preferred one first; NULL if there is none */
    size_t count;     /**< 1 or more after a success */
} bide_addresses;

/**
 * @brief Frees them; there are none afterwards. For NULL, and for none, nothing happens. Does not wait;
 *   different lists may be freed by different threads.
 */
BIDE_API void bide_addresses_free(bide_addresses *addresses);

/**
 * @brief Looks a host's addresses up.
 *
 * @param[out] out the addresses, all with that port: the caller's, to be given to bide_addresses_free(). None
 *   after an error.
 * @param host a name or a numeric address, as the top of this page says; no brackets.
 * @param port 0 to 65535, in the order of the machine.
 * @return 0, or
 *   - BIDE_ERESOLVE_NONAME: there is no such host;
 *   - BIDE_ERESOLVE_NODATA: there is, without an address of a family that can be used;
 *   - BIDE_ERESOLVE_AGAIN: the name servers do not answer at the moment (no network, perhaps);
 *   - BIDE_ERESOLVE_FAIL: they answer with a failure;
 *   - BIDE_ERESOLVE_SYNTAX, BIDE_ENAMETOOLONG: `host` is no name; nothing was asked;
 *   - BIDE_ENODEV: no network interface has the name behind '%';
 *   - BIDE_ETIMEDOUT, BIDE_EAGAIN (for BIDE_NOW): the deadline came first;
 *   - BIDE_ENOTSUP, BIDE_ENOTHREAD: no thread may or can be had; BIDE_ENOMEM, BIDE_EMFILE …: the machine has
 *     run out of something; BIDE_ECANCELED: bide_shutdown(); BIDE_EINVAL: NULL; or an error of bide_await().
 *
 * Any number of threads may call it; the calling one waits, and serves the others' I/O meanwhile.
 *
 * @code
 * bide_addresses found;
 * int err = bide_resolve(&found, "www.example.org", 80, bide_after(BIDE_SECONDS(5)));
 * for (size_t i = 0; i < found.count; i++) show(&found.at[i]);
 * bide_addresses_free(&found);
 * @endcode
 */
BIDE_API int bide_resolve(bide_addresses *out, const char *host, uint16_t port, bide_instant deadline);

/** Room for a host name or a numeric address, with its zero byte. */
#define BIDE_HOST_MAX 256

/** Room for a service's name, with its zero byte: RFC 6335 allows 15 letters, systems' tables have longer
 * ones. */
#define BIDE_SERVICE_MAX 32

/** A look-up as a future. Cancelling it never waits. */
typedef struct bide_resolving {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_job job_;
    struct bide_lookup *lookup_;
    bide_family family_;
    int misuse_;
    uint16_t port_;
    char host_[BIDE_HOST_MAX];
    char service_[BIDE_SERVICE_MAX];
    /** When ready with result 0: the addresses, the caller's from then on (bide_addresses_free()). None
     * otherwise, also when it was cancelled. */
    bide_addresses addresses;
    int result; /**< when ready: 0, or an error as bide_resolve() returns */
} bide_resolving;

/**
 * @brief Prepares a look-up; arguments as bide_resolve().
 *
 * @param host is copied.
 * @param family BIDE_FAMILY_NONE: addresses of both; BIDE_FAMILY_IPV4 or BIDE_FAMILY_IPV6: of that one alone
 *   (BIDE_ERESOLVE_NODATA for a numeric address of the other). Any other gives BIDE_EINVAL.
 *
 * @code
 * bide_resolving resolving;
 * bide_resolving_init(&resolving, "www.example.org", 80, BIDE_FAMILY_NONE);
 * @endcode
 */
BIDE_API void bide_resolving_init(bide_resolving *resolving, const char *host, uint16_t port,
                                  bide_family family);

/**
 * @brief The same with a service in place of the port: "http", or "80". It is looked up as one of TCP, with
 *   the host: BIDE_ERESOLVE_SERVICE if there is none of that name, or it is malformed, or a number above
 *   65535.
 *
 * @param service is copied; no longer than BIDE_SERVICE_MAX allows, else BIDE_ENAMETOOLONG.
 *
 * Only a number is answered without a thread for a numeric host.
 */
BIDE_API void bide_resolving_init_service(bide_resolving *resolving, const char *host, const char *service,
                                          bide_family family);

#ifdef __cplusplus
}
#endif

#endif
