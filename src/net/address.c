/* Addresses: the system's sockaddr behind a value type. The storage always holds zeroes behind the
 * address, so that equal addresses of one family compare as bytes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/address.h>

#include "net/text.h"
#include "os/sockets.h"

#include <stdio.h>
#include <string.h>

/* A struct sockaddr_storage may be larger (OpenBSD): it has room for what is not taken. */
_Static_assert(BIDE_ADDRESS_SIZE >= sizeof(struct sockaddr_in6), "any internet address fits");
#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)
/* What a path may have without its zero byte, and an abstract name with the zero byte before it. */
#define PATH_MOST sizeof(((struct sockaddr_un *)0)->sun_path)

static const char unix_prefix[] = "unix:";

_Static_assert(BIDE_ADDRESS_SIZE > sizeof(struct sockaddr_un), "the longest path has a zero byte behind it");
_Static_assert(BIDE_ADDRESS_TEXT_MAX > sizeof unix_prefix + 3 * PATH_MOST, "any path fits as text");
_Static_assert(BIDE_ADDRESS_TEXT_MAX >= INET6_ADDRSTRLEN + IF_NAMESIZE + sizeof "[%]:65535",
               "IPv6 fits as text");

static bide_address from_bytes(const void *bytes, size_t length)
{
    bide_address address;
    memset(&address, 0, sizeof address);
    memcpy(address.storage_.bytes_, bytes, length);
    if (length > 0) bide_os_sockaddr_set_length(address.storage_.bytes_, length);
    address.length_ = (uint32_t)length;
    return address;
}

/* The sockaddr of a family, by copy: the storage has no declared type that could be read in place. */
static struct sockaddr_in as_ipv4(const bide_address *address)
{
    struct sockaddr_in result;
    memcpy(&result, address->storage_.bytes_, sizeof result);
    return result;
}

static struct sockaddr_in6 as_ipv6(const bide_address *address)
{
    struct sockaddr_in6 result;
    memcpy(&result, address->storage_.bytes_, sizeof result);
    return result;
}

bide_family bide_address_family(const bide_address *address)
{
    if (!address || address->length_ == 0) return BIDE_FAMILY_NONE;
    struct sockaddr head;
    memcpy(&head, address->storage_.bytes_, sizeof head);
    switch (head.sa_family) {
    case AF_INET: return BIDE_FAMILY_IPV4;
    case AF_INET6: return BIDE_FAMILY_IPV6;
    case AF_UNIX: return BIDE_FAMILY_UNIX;
    default: return BIDE_FAMILY_NONE;
    }
}

bide_address bide_address_ipv4(const uint8_t bytes[4], uint16_t port)
{
    struct sockaddr_in in;
    memset(&in, 0, sizeof in);
    if (!bytes) return from_bytes(&in, 0);
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    memcpy(&in.sin_addr, bytes, 4);
    return from_bytes(&in, sizeof in);
}

bide_address bide_address_ipv6(const uint8_t bytes[16], uint16_t port, uint32_t scope)
{
    struct sockaddr_in6 in;
    memset(&in, 0, sizeof in);
    if (!bytes) return from_bytes(&in, 0);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    in.sin6_scope_id = scope;
    memcpy(&in.sin6_addr, bytes, 16);
    return from_bytes(&in, sizeof in);
}

bide_address bide_address_loopback(uint16_t port)
{
    static const uint8_t bytes[4] = {127, 0, 0, 1};
    return bide_address_ipv4(bytes, port);
}

bide_address bide_address_any(uint16_t port)
{
    static const uint8_t bytes[4] = {0, 0, 0, 0};
    return bide_address_ipv4(bytes, port);
}

bide_address bide_address_loopback_ipv6(uint16_t port)
{
    static const uint8_t bytes[16] = {[15] = 1};
    return bide_address_ipv6(bytes, port, 0);
}

bide_address bide_address_any_ipv6(uint16_t port)
{
    static const uint8_t bytes[16] = {0};
    return bide_address_ipv6(bytes, port, 0);
}

/* --- Unix --- */

/* Paths get one zero byte behind them, if there is room, so that equal paths are equal bytes: getsockname(2)
 * counts it, and callers of bind(2) leave it away or give the whole structure. */
static bide_address from_unix(const void *bytes, size_t length)
{
    bide_address address = from_bytes(bytes, length);
    const unsigned char *path = address.storage_.bytes_ + PATH_OFFSET;
    if (length <= PATH_OFFSET || path[0] == '\0') return address;
    const unsigned char *end = memchr(path, '\0', length - PATH_OFFSET);
    if (end) length = (size_t)(end - address.storage_.bytes_);
    address = from_bytes(bytes, length);
    if (length < sizeof(struct sockaddr_un))
        bide_os_sockaddr_set_length(address.storage_.bytes_, ++address.length_);
    return address;
}

/* From what stands in sun_path. */
static bide_address from_unix_bytes(const void *bytes, size_t length)
{
    struct sockaddr_un un;
    memset(&un, 0, sizeof un);
    un.sun_family = AF_UNIX;
    memcpy(un.sun_path, bytes, length);
    return from_unix(&un, PATH_OFFSET + length);
}

int bide_address_unix(bide_address *out, const char *path)
{
    if (!out || !path || !*path) return BIDE_EINVAL;
    size_t length = strlen(path);
    if (length > PATH_MOST) return BIDE_ENAMETOOLONG;
    *out = from_unix_bytes(path, length);
    return 0;
}

int bide_address_abstract(bide_address *out, const void *name, size_t length)
{
    if (!out || (!name && length > 0)) return BIDE_EINVAL;
    if (!BIDE_OS_ABSTRACT_NAMES) return BIDE_ENOTSUP;
    if (length >= PATH_MOST) return BIDE_ENAMETOOLONG;
    char bytes[PATH_MOST] = {0};
    if (length > 0) memcpy(bytes + 1, name, length);
    *out = from_unix_bytes(bytes, length + 1);
    return 0;
}

bide_address bide_address_unnamed(void)
{
    return from_unix_bytes("", 0);
}

/* What stands in sun_path, and how much; NULL if there is nothing. */
static const char *unix_bytes(const bide_address *address, size_t *length)
{
    if (bide_address_family(address) != BIDE_FAMILY_UNIX || address->length_ <= PATH_OFFSET) return NULL;
    *length = address->length_ - PATH_OFFSET;
    return (const char *)address->storage_.bytes_ + PATH_OFFSET;
}

const char *bide_address_path(const bide_address *address, size_t *length)
{
    size_t size = 0;
    const char *bytes = unix_bytes(address, &size);
    if (bytes && !*bytes) bytes = NULL;
    if (length) *length = bytes ? strlen(bytes) : 0;
    return bytes;
}

const void *bide_address_name(const bide_address *address, size_t *length)
{
    size_t size = 0;
    const char *bytes = unix_bytes(address, &size);
    if (bytes && *bytes) bytes = NULL;
    if (length) *length = bytes ? size - 1 : 0;
    return bytes ? bytes + 1 : NULL;
}

/* --- From and to the system --- */

/* Linux counts a zero byte behind the longest path too (unix(7), "BUGS"). */
static bool is_unix_length(const void *sockaddr, size_t length)
{
    if (length <= sizeof(struct sockaddr_un)) return true;
    const char *path = (const char *)sockaddr + PATH_OFFSET;
    return length == sizeof(struct sockaddr_un) + 1 && *path && path[PATH_MOST] == '\0';
}

int bide_address_from_system(bide_address *out, const void *sockaddr, size_t length)
{
    struct sockaddr head;
    if (!out || !sockaddr || length < sizeof head.sa_family || length > BIDE_ADDRESS_SIZE) return BIDE_EINVAL;
    memset(&head, 0, sizeof head);
    memcpy(&head, sockaddr, length < sizeof head ? length : sizeof head);
    switch (head.sa_family) {
    case AF_INET:
        if (length != sizeof(struct sockaddr_in)) return BIDE_EINVAL;
        struct sockaddr_in in;
        memcpy(&in, sockaddr, sizeof in);
        /* Without the padding, which the system may leave as it was. */
        *out = bide_address_ipv4((const uint8_t *)&in.sin_addr, ntohs(in.sin_port));
        return 0;
    case AF_INET6:
        if (length != sizeof(struct sockaddr_in6)) return BIDE_EINVAL;
        *out = from_bytes(sockaddr, length);
        return 0;
    case AF_UNIX:
        if (!is_unix_length(sockaddr, length)) return BIDE_EINVAL;
        *out =
            from_unix(sockaddr, length <= sizeof(struct sockaddr_un) ? length : sizeof(struct sockaddr_un));
        return 0;
    default: return BIDE_EAFNOSUPPORT;
    }
}

const void *bide_address_sockaddr(const bide_address *address, size_t *length)
{
    if (length) *length = address ? address->length_ : 0;
    return address && address->length_ ? address->storage_.bytes_ : NULL;
}

uint16_t bide_address_port(const bide_address *address)
{
    switch (bide_address_family(address)) {
    case BIDE_FAMILY_IPV4: return ntohs(as_ipv4(address).sin_port);
    case BIDE_FAMILY_IPV6: return ntohs(as_ipv6(address).sin6_port);
    default: return 0;
    }
}

int bide_address_set_port(bide_address *address, uint16_t port)
{
    switch (bide_address_family(address)) {
    case BIDE_FAMILY_IPV4: {
        struct sockaddr_in in = as_ipv4(address);
        in.sin_port = htons(port);
        *address = from_bytes(&in, sizeof in);
        return 0;
    }
    case BIDE_FAMILY_IPV6: {
        struct sockaddr_in6 in = as_ipv6(address);
        in.sin6_port = htons(port);
        *address = from_bytes(&in, sizeof in);
        return 0;
    }
    default: return BIDE_EINVAL;
    }
}

bool bide_address_equal(const bide_address *a, const bide_address *b)
{
    bide_family family = bide_address_family(a);
    if (family != bide_address_family(b)) return false;
    if (family == BIDE_FAMILY_NONE) return true;
    if (family == BIDE_FAMILY_IPV6) {
        /* The flow label is no part of the place. */
        struct sockaddr_in6 left = as_ipv6(a);
        struct sockaddr_in6 right = as_ipv6(b);
        return memcmp(&left.sin6_addr, &right.sin6_addr, sizeof left.sin6_addr) == 0 &&
               left.sin6_port == right.sin6_port && left.sin6_scope_id == right.sin6_scope_id;
    }
    return a->length_ == b->length_ && memcmp(a->storage_.bytes_, b->storage_.bytes_, a->length_) == 0;
}

/* --- Parsing --- */

/* A decimal number of digits only, the whole text. */
static int parse_number(const char *text, uint32_t limit, int too_large, uint32_t *out)
{
    uint32_t value = 0;
    bool large = false;
    if (!*text) return BIDE_EADDRSYNTAX;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return BIDE_EADDRSYNTAX;
        uint32_t digit = (uint32_t)(*text - '0');
        if (value > (limit - digit) / 10)
            large = true;
        else
            value = value * 10 + digit;
    }
    if (large) return too_large;
    *out = value;
    return 0;
}

static int parse_scope(const char *text, uint32_t *scope)
{
    if (*text >= '0' && *text <= '9') return parse_number(text, UINT32_MAX, BIDE_EADDRSYNTAX, scope);
    if (!*text || strlen(text) >= IF_NAMESIZE) return BIDE_EADDRSYNTAX;
    *scope = if_nametoindex(text);
    return *scope ? 0 : BIDE_ENODEV;
}

static int parse_ipv6(bide_address *out, char *host, uint16_t port)
{
    uint32_t scope = 0;
    char *percent = strchr(host, '%');
    if (percent) {
        *percent = '\0';
        int error = parse_scope(percent + 1, &scope);
        if (error) return error;
    }
    uint8_t bytes[16];
    if (inet_pton(AF_INET6, host, bytes) != 1) return BIDE_EADDRSYNTAX;
    *out = bide_address_ipv6(bytes, port, scope);
    return 0;
}

static int hexadecimal(char digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

/* What follows "unix:". */
static int parse_unix(bide_address *out, const char *text)
{
    /* One byte more than there is room for: then it is too long. */
    char bytes[PATH_MOST + 1];
    bool abstract = *text == '@';
    size_t length = 0;
    for (const char *from = text + abstract; *from; from++) {
        int byte = (unsigned char)*from;
        if (*from == '%') {
            int high = hexadecimal(from[1]);
            int low = high < 0 ? -1 : hexadecimal(from[2]);
            if (low < 0) return BIDE_EADDRSYNTAX;
            byte = high * 16 + low;
            from += 2;
        }
        if (byte == 0 && !abstract) return BIDE_EADDRSYNTAX;
        if (length < sizeof bytes) bytes[length++] = (char)byte;
    }
    if (abstract) return bide_address_abstract(out, bytes, length);
    if (length > PATH_MOST) return BIDE_ENAMETOOLONG;
    *out = from_unix_bytes(bytes, length);
    return 0;
}

int bide_text_split(const char *text, char *host, size_t room, uint16_t *port, bool *bracketed)
{
    *bracketed = *text == '[';
    const char *from = *bracketed ? text + 1 : text;
    const char *end = strchr(from, *bracketed ? ']' : ':');
    if (!end || (*bracketed && end[1] != ':')) return BIDE_EADDRSYNTAX;
    uint32_t number = 0;
    int error = parse_number(*bracketed ? end + 2 : end + 1, UINT16_MAX, BIDE_EPORTRANGE, &number);
    if (error == BIDE_EADDRSYNTAX) return error;
    size_t length = (size_t)(end - from);
    if (length >= room) return BIDE_ENAMETOOLONG;
    memcpy(host, from, length);
    host[length] = '\0';
    if (!error) *port = (uint16_t)number;
    return error;
}

int bide_address_parse(bide_address *out, const char *text)
{
    if (!out || !text) return BIDE_EINVAL;
    if (strncmp(text, unix_prefix, sizeof unix_prefix - 1) == 0)
        return parse_unix(out, text + sizeof unix_prefix - 1);
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE];
    uint16_t port = 0;
    bool bracketed;
    int split = bide_text_split(text, host, sizeof host, &port, &bracketed);
    if (split && split != BIDE_EPORTRANGE) return BIDE_EADDRSYNTAX;
    bide_address address;
    if (bracketed) {
        int error = parse_ipv6(&address, host, port);
        if (error) return error;
    } else {
        uint8_t bytes[4];
        if (inet_pton(AF_INET, host, bytes) != 1) return BIDE_EADDRSYNTAX;
        address = bide_address_ipv4(bytes, port);
    }
    if (split) return split;
    *out = address;
    return 0;
}

/* --- Printing --- */

static int print_unix(const bide_address *address, char text[BIDE_ADDRESS_TEXT_MAX])
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length;
    const char *path = bide_address_path(address, &length);
    const unsigned char *bytes = (const unsigned char *)path;
    if (!path) bytes = bide_address_name(address, &length);
    size_t used = sizeof unix_prefix - 1;
    memcpy(text, unix_prefix, used);
    if (bytes && !path) text[used++] = '@';
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = bytes[i];
        if (byte >= ' ' && byte < 0x7f && byte != '%' && !(byte == '@' && path && i == 0)) {
            text[used++] = (char)byte;
            continue;
        }
        text[used++] = '%';
        text[used++] = digits[byte >> 4];
        text[used++] = digits[byte & 15];
    }
    text[used] = '\0';
    return (int)used;
}

/* Whether parse_scope would find the interface by that name: the system lets them be called "3" or "a]". */
static bool is_readable_scope(const char *name)
{
    return !(*name >= '0' && *name <= '9') && !strpbrk(name, "]%");
}

static int print_ipv6(const bide_address *address, char *text, size_t capacity)
{
    struct sockaddr_in6 in = as_ipv6(address);
    char host[INET6_ADDRSTRLEN];
    char name[IF_NAMESIZE];
    (void)inet_ntop(AF_INET6, &in.sin6_addr, host, sizeof host);
    unsigned port = ntohs(in.sin6_port);
    if (in.sin6_scope_id == 0) return snprintf(text, capacity, "[%s]:%u", host, port);
    if (if_indextoname(in.sin6_scope_id, name) && is_readable_scope(name))
        return snprintf(text, capacity, "[%s%%%s]:%u", host, name, port);
    return snprintf(text, capacity, "[%s%%%u]:%u", host, (unsigned)in.sin6_scope_id, port);
}

int bide_address_format(const bide_address *address, char *buffer, size_t capacity)
{
    if (!address || !buffer || capacity == 0) return BIDE_EINVAL;
    char text[BIDE_ADDRESS_TEXT_MAX];
    int length;
    switch (bide_address_family(address)) {
    case BIDE_FAMILY_IPV4: {
        struct sockaddr_in in = as_ipv4(address);
        char host[INET_ADDRSTRLEN];
        (void)inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
        length = snprintf(text, sizeof text, "%s:%u", host, (unsigned)ntohs(in.sin_port));
        break;
    }
    case BIDE_FAMILY_IPV6: length = print_ipv6(address, text, sizeof text); break;
    case BIDE_FAMILY_UNIX: length = print_unix(address, text); break;
    default: length = snprintf(text, sizeof text, "(none)"); break;
    }
    buffer[0] = '\0';
    if ((size_t)length >= capacity) return BIDE_ENOSPC;
    memcpy(buffer, text, (size_t)length + 1);
    return length;
}
