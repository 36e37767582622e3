/**
 * @file bide/address.h
 * @brief Socket addresses as values: parsed, printed, compared, copied.
 *
 * An address owns nothing: it is copied by assignment and needs no cleaning up. The functions touch their
 * arguments alone, so any number of threads may call them, and none waits. No function here looks a name up.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_ADDRESS_H
#define BIDE_ADDRESS_H

#include <bide/base.h>
#include <bide/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The families an address can be of. */
typedef enum bide_family {
    BIDE_FAMILY_NONE = 0, /**< none: zeroed storage, or one that Bide does not know */
    BIDE_FAMILY_IPV4 = 1, /**< IPv4 and a port */
    BIDE_FAMILY_IPV6 = 2, /**< IPv6, a port, and perhaps a scope */
    BIDE_FAMILY_UNIX = 3  /**< a path, an abstract name (Linux), or unnamed */
} bide_family;

/** Room for any address as text, with the final zero byte: a Unix path of which each byte is written
 * "%XX". */
#define BIDE_ADDRESS_TEXT_MAX 336

/** The bytes that any socket address of the system fits into (sizeof(struct sockaddr_storage), POSIX). */
#define BIDE_ADDRESS_SIZE 128

/** A socket address, by value; zeroed storage is none. The fields are private. */
typedef struct bide_address {
    union {
        unsigned char bytes_[BIDE_ADDRESS_SIZE];
        uint64_t align_;
    } storage_;
    uint32_t length_;
} bide_address;

/**
 * @brief Parses a numeric address with a port: "127.0.0.1:80", "[::1]:80", "[fe80::1%lo]:80",
 *   "[fe80::1%2]:80"; or a Unix address: "unix:/run/my.sock", "unix:@name".
 *
 * Strict: four decimal parts of IPv4, brackets around IPv6, the port in decimal digits; no space, no sign, no
 * name but that of an interface after '%'.
 *
 * After "unix:" comes a path, absolute or relative; or '@' and an abstract name (Linux); or nothing: unnamed.
 * There "%XX" is the byte with that hexadecimal number, so that "%25" is '%', a path that begins with '@' is
 * written "unix:%40…", and an abstract name may hold any byte. Every other byte stands for itself.
 *
 * @param[out] out the address; unchanged after an error.
 * @param text ends with a zero byte.
 * @return 0, or
 *   - BIDE_EADDRSYNTAX: malformed, or the port is missing;
 *   - BIDE_EPORTRANGE: well-formed, with a port above 65535;
 *   - BIDE_ENODEV: no network interface has the scope's name;
 *   - BIDE_ENAMETOOLONG: a Unix path or name that the system has no room for;
 *   - BIDE_ENOTSUP: an abstract name, on a system without them;
 *   - BIDE_EINVAL: an argument is NULL.
 *
 * @code
 * bide_address addr;
 * int err = bide_address_parse(&addr, "127.0.0.1:7777");
 * @endcode
 */
BIDE_API int bide_address_parse(bide_address *out, const char *text);

/**
 * @brief An IPv4 address and a port.
 *
 * @param bytes the four bytes, in the order in which they are written: {127, 0, 0, 1}.
 * @param port 0 to 65535, in the order of the machine.
 * @return the address; none for NULL.
 *
 * @code
 * static const uint8_t bytes[4] = {192, 0, 2, 1};
 * bide_address address = bide_address_ipv4(bytes, 80);
 * @endcode
 */
BIDE_API bide_address bide_address_ipv4(const uint8_t bytes[4], uint16_t port);

/**
 * @brief An IPv6 address, a port, and a scope.
 *
 * @param bytes the sixteen bytes, in the order in which they are written.
 * @param port 0 to 65535, in the order of the machine.
 * @param scope the index of the interface that a link-local address belongs to; 0: none.
 * @return the address; none for NULL.
 */
BIDE_API bide_address bide_address_ipv6(const uint8_t bytes[16], uint16_t port, uint32_t scope);

/** @brief 127.0.0.1 and a port; with port 0 a listener gets any free one. */
BIDE_API bide_address bide_address_loopback(uint16_t port);

/** @brief 0.0.0.0, for a listener on all IPv4 interfaces, and a port. */
BIDE_API bide_address bide_address_any(uint16_t port);

/** @brief ::1 and a port; with port 0 a listener gets any free one. */
BIDE_API bide_address bide_address_loopback_ipv6(uint16_t port);

/** @brief ::, for a listener on all interfaces, and a port: by IPv6, and where the system is set so (Linux
 *   is), by IPv4 too. */
BIDE_API bide_address bide_address_any_ipv6(uint16_t port);

/**
 * @brief The address of a Unix socket that is a file.
 *
 * @param[out] out the address; unchanged after an error.
 * @param path absolute, or relative to the working folder of whoever uses the address; ends with a zero byte.
 *   It need not exist. What it looks like does not matter: "@x" is a file here.
 * @return 0, or
 *   - BIDE_ENAMETOOLONG: more bytes than the system has room for (Linux: 108 without the final zero byte);
 *   - BIDE_EINVAL: NULL or empty.
 *
 * @code
 * bide_address addr;
 * int err = bide_address_unix(&addr, "/run/my.sock");
 * @endcode
 */
BIDE_API int bide_address_unix(bide_address *out, const char *path);

/**
 * @brief The address of a Unix socket with an abstract name: no file, gone with the socket. Linux only.
 *
 * @param[out] out the address; unchanged after an error.
 * @param name its bytes, of any value: a zero byte is one like the others.
 * @param length how many, 0 to 107.
 * @return 0, or
 *   - BIDE_ENAMETOOLONG: more than 107;
 *   - BIDE_EINVAL: `out` is NULL, or `name` while `length` is not 0;
 *   - BIDE_ENOTSUP: the system has no abstract names.
 *
 * @code
 * int err = bide_address_abstract(&addr, "my-service", 10);
 * @endcode
 */
BIDE_API int bide_address_abstract(bide_address *out, const void *name, size_t length);

/** @brief The Unix address without a path or name: what sockets have that were not bound. Linux gives a
 *   socket that is bound to it a free abstract name. */
BIDE_API bide_address bide_address_unnamed(void);

/**
 * @brief From the system's `struct sockaddr`.
 *
 * @param[out] out the address; unchanged after an error.
 * @param sockaddr its bytes, aligned or not; the family must be AF_INET, AF_INET6 or AF_UNIX.
 * @param length its length, as the system gave it. A Unix path ends at its first zero byte or here; an
 *   abstract name has all bytes up to here.
 * @return 0, or
 *   - BIDE_EINVAL: a pointer is NULL, or the length is not one that the family allows;
 *   - BIDE_EAFNOSUPPORT: any other family.
 */
BIDE_API int bide_address_from_system(bide_address *out, const void *sockaddr, size_t length);

/**
 * @brief The address as the system's `struct sockaddr`.
 *
 * @param[out] length its length; may be NULL.
 * @return a pointer into `address`, aligned for any socket address; NULL for NULL and for none.
 */
BIDE_API const void *bide_address_sockaddr(const bide_address *address, size_t *length);

/** @brief The family. BIDE_FAMILY_NONE for NULL. */
BIDE_API bide_family bide_address_family(const bide_address *address);

/** @brief The port, 0 to 65535; 0 for families without one. */
BIDE_API uint16_t bide_address_port(const bide_address *address);

/**
 * @brief The path of a Unix address.
 *
 * @param[out] length its bytes, 0 where there is no path; may be NULL.
 * @return a pointer into `address`, with a zero byte at the end; NULL for NULL and for whatever has no path.
 */
BIDE_API const char *bide_address_path(const bide_address *address, size_t *length);

/**
 * @brief The abstract name of a Unix address.
 *
 * @param[out] length its bytes, which may be 0; may be NULL.
 * @return a pointer into `address`, without a zero byte at the end; NULL for NULL and for whatever has no
 *   abstract name.
 */
BIDE_API const void *bide_address_name(const bide_address *address, size_t *length);

/** @brief Changes the port. @return 0, or BIDE_EINVAL for NULL and families without one. */
BIDE_API int bide_address_set_port(bide_address *address, uint16_t port);

/**
 * @brief Whether both are the same place: family, address, port, and scope; not the flow label of IPv6.
 *
 * NULL counts as none, and none equals none. An IPv4 address does not equal the same one mapped into IPv6.
 */
BIDE_API bool bide_address_equal(const bide_address *a, const bide_address *b);

/**
 * @brief As text from which bide_address_parse() makes the same address again; "(none)" for none.
 *
 * Printable ASCII: in Unix paths and names every other byte, '%', and a '@' at the beginning of a path are
 * written "%XX". A scope is written as the interface's name, or where there is none that can be read back,
 * as its index.
 *
 * @param buffer room for `capacity` bytes; BIDE_ADDRESS_TEXT_MAX always suffices.
 * @return the length without the final zero byte; BIDE_ENOSPC if it does not fit (the buffer then holds ""),
 *   BIDE_EINVAL (NULL, or no capacity).
 */
BIDE_API int bide_address_format(const bide_address *address, char *buffer, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
