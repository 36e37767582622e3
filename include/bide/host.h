/**
 * @file bide/host.h
 * @brief TCP connections to a host by its name: looked up, then tried address by address, without waiting for
 *   one that does not answer (Happy Eyeballs, RFC 8305).
 *
 * The addresses are tried in the resolver's order of preference, with the families in turn, so that a broken
 * IPv6 (or IPv4) costs a quarter of a second and not the system's two minutes. The next attempt begins when
 * one has failed, or when 250 ms have passed without an answer; those before go on. The first to connect
 * wins, the others are cancelled and closed. IPv6 comes first unless the resolver says otherwise: where this
 * machine has no route for it, or gai.conf(5) prefers IPv4. (The resolution delay of RFC 8305 has no place
 * here: getaddrinfo(3) gives both families at once.)
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_HOST_H
#define BIDE_HOST_H

#include <bide/resolve.h>
#include <bide/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/** At most so many addresses of a host are tried, half of each family where it has as many. */
#define BIDE_CONNECT_TRIES 16

/** One address that was tried. */
typedef struct bide_connect_try {
    bide_address address; /**< where to, with the port */
    bide_duration began;  /**< when: how long after the whole had begun */
    bide_duration took;   /**< until it ended */
    /** 0: connected; BIDE_ECANCELED: there was no answer when another one had connected, or when the whole
     * ended; else why not. */
    int error;
} bide_connect_try;

/** How a connect to a host went. Room of the caller's, some three kilobytes; nothing in it is to be freed. */
typedef struct bide_connect_report {
    int result;         /**< of the whole; BIDE_EINPROGRESS while it lasts */
    bide_duration took; /**< from its first poll to its end, the look-up included */
    bool resolved;      /**< the name has been looked up */
    size_t known;       /**< addresses of the host; some may not have been tried */
    size_t count;       /**< how many of the following are in use, in the order in which they began */
    bide_connect_try tries[BIDE_CONNECT_TRIES]; /**< the addresses tried */
} bide_connect_report;

/** Room for any report as text, with the final zero byte. */
#define BIDE_CONNECT_REPORT_TEXT_MAX 4096

/**
 * @brief A report as one line: "timed out after 10.0 s; tried [2001:db8::1]:80 no answer, 192.0.2.1:80
 *   refused" or "connected to 192.0.2.1:80 after 252 ms; tried [2001:db8::1]:80 no answer".
 *
 * @param buffer room for `capacity` bytes; BIDE_CONNECT_REPORT_TEXT_MAX always suffices.
 * @return the length without the final zero byte; BIDE_ENOSPC if it does not fit (the buffer then holds ""),
 *   BIDE_EINVAL (NULL, or no capacity). Thread-safe; does not wait.
 */
BIDE_API int bide_connect_report_format(const bide_connect_report *report, char *buffer, size_t capacity);

/**
 * @brief Connects to a host by TCP.
 *
 * @param[out] out the connection; NULL after an error, and no descriptor is left open.
 * @param host a name or a numeric address: see bide/resolve.h.
 * @param port 0 to 65535, in the order of the machine.
 * @param deadline for the look-up and all attempts together; it is kept also while the system's resolver
 *   hangs.
 * @param[out] report NULL, or how it went, on every outcome.
 * @return 0; BIDE_ETIMEDOUT (BIDE_EAGAIN for BIDE_NOW) at the deadline; an error of bide_resolve(); if all
 *   addresses failed, the error of the last one to fail, as bide_tcp_connect() gives it (the report has
 *   each); BIDE_ECANCELED: bide_shutdown(); BIDE_ENOMEM; BIDE_EINVAL for NULL.
 *
 * The thread waits, and serves the others' I/O meanwhile.
 *
 * @code
 * bide_connect_report report;
 * int err = bide_tcp_connect_host(&conn, "www.example.org", 80, bide_after(BIDE_SECONDS(10)), &report);
 * @endcode
 */
BIDE_API int bide_tcp_connect_host(bide_async **out, const char *host, uint16_t port, bide_instant deadline,
                                   bide_connect_report *report);

/** Connecting to a host as a future. The connection joins the reactor that was current where this was
 * prepared. Allocates one block when the addresses are known, and frees it when it is ready or cancelled. */
typedef struct bide_host_connecting {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_resolving resolving_;
    bide_timer delay_;
    struct bide_connect_attempts *attempts_;
    bide_connect_report *report_;
    struct bide_reactor *reactor_;
    bide_instant began_;
    bide_duration between_;
    int misuse_;
    bide_async *conn; /**< when ready with result 0: the connection, the caller's from then on */
    int result;       /**< when ready: 0 or an error as bide_tcp_connect_host() returns */
} bide_host_connecting;

/**
 * @brief Prepares a connect; arguments as bide_tcp_connect_host(). Cancelling it never waits, and closes
 *   everything.
 *
 * @param host is copied.
 * @param report must stay as long; may be NULL. One that was cancelled is complete, with BIDE_ECANCELED.
 *
 * @code
 * bide_host_connecting connecting;
 * bide_tcp_host_connecting_init(&connecting, "www.example.org", 80, NULL);
 * @endcode
 */
BIDE_API void bide_tcp_host_connecting_init(bide_host_connecting *connecting, const char *host, uint16_t port,
                                            bide_connect_report *report);

/**
 * @brief Sets how long an attempt may be without an answer before the next one begins beside it: 250 ms
 *   otherwise.
 *
 * To be called before the first poll. For NULL nothing happens. Does not wait.
 *
 * @param delay 10 ms to 2 s (RFC 8305, section 5); what is outside counts as the nearer end.
 */
BIDE_API void bide_host_connecting_set_delay(bide_host_connecting *connecting, bide_duration delay);

/** Room for any host name, or numeric address, and its zero byte. */
#define BIDE_HOST_MAX 256

/**
 * @brief Splits "host:port", as command lines and configuration files have it, for bide_tcp_connect_host().
 *
 * "www.example.org:80", "192.0.2.1:80"; an address of IPv6 stands in brackets, "[2001:db8::1]:80", which are
 * left out in `host`. Whether the host is one is for the look-up to say.
 *
 * @param[out] host room for `room` bytes, BIDE_HOST_MAX suffices; "" after an error.
 * @param[out] port in the order of the machine; unchanged after an error.
 * @return 0; BIDE_EADDRSYNTAX (no host, no port, colons without brackets), BIDE_EPORTRANGE (above 65535),
 *   BIDE_ENAMETOOLONG (it does not fit), BIDE_EINVAL (NULL, no room). Touches its arguments alone; does not
 *   wait.
 *
 * @code
 * char host[BIDE_HOST_MAX];
 * uint16_t port;
 * int err = bide_host_split(argv[1], host, sizeof host, &port);
 * @endcode
 */
BIDE_API int bide_host_split(const char *text, char *host, size_t room, uint16_t *port);

#ifdef __cplusplus
}
#endif

#endif
