/* Error codes: their names and words, and the way from and to the system's numbers.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/error.h>

#include <errno.h>

static const struct {
    int system;
    int code;
} map[] = {
    {EAGAIN, BIDE_EAGAIN},
#if EWOULDBLOCK != EAGAIN
    {EWOULDBLOCK, BIDE_EAGAIN},
#endif
    {EINVAL, BIDE_EINVAL},
    {ENOMEM, BIDE_ENOMEM},
    {EBADF, BIDE_EBADF},
    {EEXIST, BIDE_EEXIST},
    {ENOENT, BIDE_ENOENT},
    {EBUSY, BIDE_EBUSY},
    {EPERM, BIDE_EPERM},
    {EACCES, BIDE_EACCES},
    {EIO, BIDE_EIO},
    {EMFILE, BIDE_EMFILE},
    {ENFILE, BIDE_ENFILE},
    {ENOSPC, BIDE_ENOSPC},
    {EPIPE, BIDE_EPIPE},
    {EINTR, BIDE_EINTR},
    {EFAULT, BIDE_EFAULT},
    {ENOSYS, BIDE_ENOTSUP},
    {EOPNOTSUPP, BIDE_ENOTSUP},
#if ENOTSUP != EOPNOTSUPP
    {ENOTSUP, BIDE_ENOTSUP},
#endif
    {EOVERFLOW, BIDE_EOVERFLOW},
    {ENOTSOCK, BIDE_ENOTSOCK},
    {EADDRINUSE, BIDE_EADDRINUSE},
    {EADDRNOTAVAIL, BIDE_EADDRNOTAVAIL},
    {EAFNOSUPPORT, BIDE_EAFNOSUPPORT},
    {EALREADY, BIDE_EALREADY},
    {ECONNABORTED, BIDE_ECONNABORTED},
    {ECONNREFUSED, BIDE_ECONNREFUSED},
    {ECONNRESET, BIDE_ECONNRESET},
    {EDESTADDRREQ, BIDE_EDESTADDRREQ},
    {EHOSTUNREACH, BIDE_EHOSTUNREACH},
    {EINPROGRESS, BIDE_EINPROGRESS},
    {EISCONN, BIDE_EISCONN},
    {EMSGSIZE, BIDE_EMSGSIZE},
    {ENETDOWN, BIDE_ENETDOWN},
    {ENETUNREACH, BIDE_ENETUNREACH},
    {ENOBUFS, BIDE_ENOBUFS},
    {ENOTCONN, BIDE_ENOTCONN},
    {EPROTO, BIDE_EPROTO},
    {EPROTONOSUPPORT, BIDE_EPROTONOSUPPORT},
    {EPROTOTYPE, BIDE_EPROTOTYPE},
    {ENOPROTOOPT, BIDE_ENOPROTOOPT},
    {ENODEV, BIDE_ENODEV},
    {ENAMETOOLONG, BIDE_ENAMETOOLONG},
    {ENOTDIR, BIDE_ENOTDIR},
    {EISDIR, BIDE_EISDIR},
    {ETIMEDOUT, BIDE_ETIMEDOUT},
    {ECANCELED, BIDE_ECANCELED},
    {EDEADLK, BIDE_EDEADLK},
};

static const struct {
    int code;
    const char *name;
    const char *message;
} errors[] = {
#define ENTRY(name, value, message) {value, #name, message},
    BIDE_ERRORS(ENTRY)
#undef ENTRY
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

int bide_error_from_system(int system_error)
{
    if (system_error <= 0) return 0;
    for (size_t i = 0; i < COUNT(map); i++)
        if (map[i].system == system_error) return map[i].code;
    return BIDE_ESYSTEM_BASE - system_error;
}

int bide_system_error(bide_ssize error)
{
    if (error <= BIDE_ESYSTEM_BASE) return (int)(BIDE_ESYSTEM_BASE - error);
    for (size_t i = 0; i < COUNT(map); i++)
        if (map[i].code == error) return map[i].system;
    return 0;
}

int bide_last_error(void)
{
    return bide_error_from_system(errno);
}

const char *bide_strerror(bide_ssize error)
{
    if (error >= 0) return "success";
    if (error <= BIDE_ESYSTEM_BASE) return "unknown system error";
    for (size_t i = 0; i < COUNT(errors); i++)
        if (errors[i].code == error) return errors[i].message;
    return "not an error code of Bide";
}

const char *bide_error_name(bide_ssize error)
{
    if (error >= 0) return "BIDE_OK";
    if (error <= BIDE_ESYSTEM_BASE) return "BIDE_ESYSTEM";
    for (size_t i = 0; i < COUNT(errors); i++)
        if (errors[i].code == error) return errors[i].name;
    return "BIDE_E?";
}
