/* POSIX for the tests: see posix.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "posix.h"

#include "os/sockets.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

/* Here the names mean the system's own. */
#undef close
#undef read
#undef write
#undef recv
#undef send
#undef recvfrom
#undef sendto
#undef socket
#undef bind
#undef connect
#undef listen
#undef accept
#undef shutdown
#undef getsockname
#undef getpeername
#undef getsockopt
#undef setsockopt
#undef dup
#undef open
#undef fileno

/* Handles are small positive numbers; -1 stays what it is. */
static SOCKET of(int fd)
{
    return (SOCKET)(intptr_t)fd;
}

static int to_errno(int error)
{
    static const struct {
        int system;
        int number;
    } map[] = {
        {WSAEWOULDBLOCK, EAGAIN},    {WSAEINPROGRESS, EINPROGRESS},
        {WSAEINTR, EINTR},           {WSAEINVAL, EINVAL},
        {WSAENOTSOCK, EBADF},        {WSAECONNREFUSED, ECONNREFUSED},
        {WSAECONNRESET, ECONNRESET}, {WSAECONNABORTED, ECONNABORTED},
        {WSAESHUTDOWN, EPIPE},       {WSAENOTCONN, ENOTCONN},
        {WSAEISCONN, EISCONN},       {WSAEADDRINUSE, EADDRINUSE},
        {WSAEMSGSIZE, EMSGSIZE},     {WSAEAFNOSUPPORT, EAFNOSUPPORT},
    };
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (map[i].system == error) return map[i].number;
    return EIO;
}

/* A result of winsock as POSIX has it. */
static int done(int result)
{
    if (result >= 0) return result;
    errno = to_errno(WSAGetLastError());
    return -1;
}

static bool is_socket(int fd)
{
    int type;
    int size = sizeof type;
    (void)bide_os_sockets_start();
    return getsockopt(of(fd), SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0;
}

static void ignore(const wchar_t *expression, const wchar_t *function, const wchar_t *file, unsigned line,
                   uintptr_t reserved)
{
    (void)expression, (void)function, (void)file, (void)line, (void)reserved;
}

/* A descriptor of the C library that is none gives an error rather than the end of the process. */
__attribute__((constructor)) static void tolerate(void)
{
    (void)_set_invalid_parameter_handler(ignore);
    (void)_setmode(1, _O_BINARY);
}

/* Of the C library's own descriptors there are the standard ones: no handle has their numbers. */
static bool is_standard(int fd)
{
    return fd >= 0 && fd <= 2;
}

/* A result of the system as POSIX has it. */
static ssize_t moved(BOOL result, DWORD count)
{
    if (result) return (ssize_t)count;
    errno = GetLastError() == ERROR_INVALID_HANDLE ? EBADF : EIO;
    return -1;
}

int bide_posix_close(int fd)
{
    if (is_socket(fd)) return done(closesocket(of(fd)));
    return is_standard(fd) ? _close(fd) : (int)moved(CloseHandle((HANDLE)of(fd)), 0);
}

ssize_t bide_posix_read(int fd, void *data, size_t size)
{
    DWORD count = 0;
    if (is_socket(fd)) return bide_posix_recv(fd, data, size, 0);
    if (is_standard(fd)) return _read(fd, data, (unsigned)size);
    BOOL result = ReadFile((HANDLE)of(fd), data, (DWORD)size, &count, NULL);
    return moved(result, count);
}

ssize_t bide_posix_write(int fd, const void *data, size_t size)
{
    DWORD count = 0;
    if (is_socket(fd)) return bide_posix_send(fd, data, size, 0);
    if (is_standard(fd)) return _write(fd, data, (unsigned)size);
    BOOL result = WriteFile((HANDLE)of(fd), data, (DWORD)size, &count, NULL);
    return moved(result, count);
}

int bide_posix_fileno(FILE *file)
{
    return (int)_get_osfhandle(_fileno(file));
}

/* What exists, or the device that swallows everything. */
int bide_posix_open(const char *path, int flags, ...)
{
    DWORD access = (flags & O_ACCMODE) == O_RDONLY ? GENERIC_READ : GENERIC_READ | GENERIC_WRITE;
    const char *name = strcmp(path, "/dev/null") == 0 ? "NUL" : path;
    HANDLE handle = CreateFileA(name, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                                OPEN_EXISTING, 0, NULL);
    if (handle != INVALID_HANDLE_VALUE) return (int)(intptr_t)handle;
    errno = ENOENT;
    return -1;
}

/* The folder is made where temporary files are kept; all of the template but its end is left as it is. */
char *mkdtemp(char *template)
{
    char *end = template + strlen(template) - 6;
    LARGE_INTEGER ticks;
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        (void)QueryPerformanceCounter(&ticks);
        unsigned number = (unsigned)ticks.QuadPart * 2654435761u ^ GetCurrentProcessId() ^ attempt;
        for (int i = 0; i < 6; i++, number /= 26)
            end[i] = (char)('a' + number % 26);
        if (CreateDirectoryA(template, NULL)) return template;
        if (GetLastError() == ERROR_PATH_NOT_FOUND) (void)CreateDirectoryA("/tmp", NULL);
    }
    errno = EEXIST;
    return NULL;
}

/* Whether a call with MSG_DONTWAIT may go on. */
static bool may_go_on(int fd, int flags, short events)
{
    struct pollfd entry = {.fd = of(fd), .events = events};
    if (!(flags & MSG_DONTWAIT) || WSAPoll(&entry, 1, 0) != 0) return true;
    errno = EAGAIN;
    return false;
}

static int plain(int flags)
{
    return flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t bide_posix_recv(int fd, void *data, size_t size, int flags)
{
    if (!may_go_on(fd, flags, POLLIN)) return -1;
    return done(recv(of(fd), data, (int)size, plain(flags)));
}

ssize_t bide_posix_send(int fd, const void *data, size_t size, int flags)
{
    if (!may_go_on(fd, flags, POLLOUT)) return -1;
    return done(send(of(fd), data, (int)size, plain(flags)));
}

ssize_t bide_posix_recvfrom(int fd, void *data, size_t size, int flags, void *address, socklen_t *length)
{
    if (!may_go_on(fd, flags, POLLIN)) return -1;
    return done(recvfrom(of(fd), data, (int)size, plain(flags), address, length));
}

ssize_t bide_posix_sendto(int fd, const void *data, size_t size, int flags, const void *address,
                          socklen_t length)
{
    if (!may_go_on(fd, flags, POLLOUT)) return -1;
    return done(sendto(of(fd), data, (int)size, plain(flags), address, length));
}

/* Applies what POSIX has as flags of a call. */
static int with_flags(SOCKET fd, int flags)
{
    u_long on = 1;
    if (fd == INVALID_SOCKET) return done(-1);
    if (flags & SOCK_NONBLOCK) (void)ioctlsocket(fd, (long)FIONBIO, &on);
    if (flags & SOCK_CLOEXEC) (void)SetHandleInformation((HANDLE)fd, HANDLE_FLAG_INHERIT, 0);
    return (int)fd;
}

int bide_posix_socket(int family, int type, int protocol)
{
    (void)bide_os_sockets_start();
    return with_flags(socket(family, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), protocol), type);
}

int bide_posix_bind(int fd, const void *address, socklen_t length)
{
    return done(bind(of(fd), address, length));
}

int bide_posix_connect(int fd, const void *address, socklen_t length)
{
    int result = done(connect(of(fd), address, length));
    if (result < 0 && errno == EAGAIN) errno = EINPROGRESS;
    return result;
}

int bide_posix_listen(int fd, int backlog)
{
    return done(listen(of(fd), backlog));
}

int accept4(int fd, void *address, socklen_t *length, int flags)
{
    return with_flags(accept(of(fd), address, length), flags);
}

int bide_posix_shutdown(int fd, int how)
{
    return done(shutdown(of(fd), how));
}

int bide_posix_getsockname(int fd, void *address, socklen_t *length)
{
    return done(getsockname(of(fd), address, length));
}

int bide_posix_getpeername(int fd, void *address, socklen_t *length)
{
    return done(getpeername(of(fd), address, length));
}

int bide_posix_getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    memset(value, 0, (size_t)*length); /* some options are one byte of an int */
    return done(getsockopt(of(fd), level, option, value, length));
}

int bide_posix_setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    return done(setsockopt(of(fd), level, option, value, length));
}

int bide_posix_dup(int fd)
{
    WSAPROTOCOL_INFOW about;
    if (!is_socket(fd)) return _dup(fd);
    if (WSADuplicateSocketW(of(fd), GetCurrentProcessId(), &about) != 0) return done(-1);
    return with_flags(WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &about, 0,
                                 WSA_FLAG_OVERLAPPED),
                      0);
}

static int stream_pair(int pair[2], int flags)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int length = sizeof where;
    BOOL on = TRUE;
    /* Fixed, so that what is full stays full. */
    int room = 128 * 1024;
    SOCKET listener = socket(AF_INET, SOCK_STREAM, 0);
    SOCKET one = socket(AF_INET, SOCK_STREAM, 0);
    SOCKET sized[] = {listener, one};
    for (int i = 0; i < 2; i++) {
        (void)setsockopt(sized[i], SOL_SOCKET, SO_SNDBUF, (char *)&room, sizeof room);
        (void)setsockopt(sized[i], SOL_SOCKET, SO_RCVBUF, (char *)&room, sizeof room);
    }
    SOCKET other = INVALID_SOCKET;
    if (bind(listener, (struct sockaddr *)&where, length) == 0 && listen(listener, 1) == 0 &&
        getsockname(listener, (struct sockaddr *)&where, &length) == 0 &&
        connect(one, (struct sockaddr *)&where, length) == 0)
        other = accept(listener, NULL, NULL);
    (void)closesocket(listener);
    if (other == INVALID_SOCKET) {
        (void)closesocket(one);
        return done(-1);
    }
    (void)setsockopt(one, IPPROTO_TCP, TCP_NODELAY, (char *)&on, sizeof on);
    (void)setsockopt(other, IPPROTO_TCP, TCP_NODELAY, (char *)&on, sizeof on);
    pair[0] = with_flags(one, flags);
    pair[1] = with_flags(other, flags);
    return 0;
}

static int datagram_pair(int pair[2], int flags)
{
    struct sockaddr_in where[2];
    for (int i = 0; i < 2; i++) {
        int length = sizeof where[i];
        where[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        pair[i] = bide_posix_socket(AF_INET, SOCK_DGRAM | (flags & (SOCK_NONBLOCK | SOCK_CLOEXEC)), 0);
        (void)bind(of(pair[i]), (struct sockaddr *)&where[i], length);
        (void)getsockname(of(pair[i]), (struct sockaddr *)&where[i], &length);
    }
    for (int i = 0; i < 2; i++)
        if (connect(of(pair[i]), (struct sockaddr *)&where[1 - i], sizeof *where) != 0) return done(-1);
    return 0;
}

int socketpair(int family, int type, int protocol, int pair[2])
{
    (void)family, (void)protocol;
    (void)bide_os_sockets_start();
    bool datagrams = (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_DGRAM;
    return datagrams ? datagram_pair(pair, type) : stream_pair(pair, type);
}

int pipe2(int ends[2], int flags)
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (flags & O_NONBLOCK ? SOCK_NONBLOCK : 0), 0,
                      ends);
}

int pipe(int ends[2])
{
    return pipe2(ends, 0);
}

/* Windows does not tell: a receive with a short limit does, if nothing is there. */
static bool is_nonblocking(int fd)
{
    DWORD before = 0;
    DWORD limit = 1;
    int size = sizeof before;
    char byte;
    (void)getsockopt(of(fd), SOL_SOCKET, SO_RCVTIMEO, (char *)&before, &size);
    (void)setsockopt(of(fd), SOL_SOCKET, SO_RCVTIMEO, (char *)&limit, sizeof limit);
    int got = recv(of(fd), &byte, 1, MSG_PEEK);
    int error = WSAGetLastError();
    (void)setsockopt(of(fd), SOL_SOCKET, SO_RCVTIMEO, (char *)&before, sizeof before);
    return got >= 0 || error != WSAETIMEDOUT;
}

int fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    int value = command == F_SETFL ? va_arg(arguments, int) : 0;
    va_end(arguments);
    DWORD flags;
    if (!GetHandleInformation((HANDLE)of(fd), &flags) || (command != F_GETFD && !is_socket(fd))) {
        errno = EBADF;
        return -1;
    }
    switch (command) {
    case F_GETFD: return flags & HANDLE_FLAG_INHERIT ? 0 : FD_CLOEXEC;
    case F_GETFL: return is_nonblocking(fd) ? O_RDWR | O_NONBLOCK : O_RDWR;
    case F_SETFL: {
        u_long on = (value & O_NONBLOCK) != 0;
        return done(ioctlsocket(of(fd), (long)FIONBIO, &on));
    }
    case F_DUPFD_CLOEXEC: {
        int copy = bide_posix_dup(fd);
        return copy < 0 ? copy : with_flags(of(copy), SOCK_CLOEXEC);
    }
    default: errno = EINVAL; return -1;
    }
}

int poll(struct pollfd *fds, nfds_t count, int milliseconds)
{
    for (nfds_t i = 0; i < count; i++)
        fds[i].events &= POLLIN | POLLOUT;
    return done(WSAPoll(fds, count, milliseconds));
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *limit, const void *signals)
{
    (void)signals;
    return poll(fds, count, limit ? (int)(limit->tv_sec * 1000 + (limit->tv_nsec + 999999) / 1000000) : -1);
}

int prctl(int option, ...)
{
    enum { SIZE = 16 };
    wchar_t *name;
    va_list arguments;
    va_start(arguments, option);
    char *to = va_arg(arguments, char *);
    va_end(arguments);
    HRESULT(WINAPI * ask)(HANDLE, wchar_t **);
    bide_os_function found = bide_os_find_function("kernel32.dll", "GetThreadDescription");
    memcpy(&ask, &found, sizeof ask);
    if (option != PR_GET_NAME || !ask || ask(GetCurrentThread(), &name) < 0) return -1;
    (void)snprintf(to, SIZE, "%ls", name);
    (void)LocalFree(name);
    return 0;
}

struct if_nameindex *if_nameindex(void)
{
    static char name[IF_NAMESIZE + 1];
    static struct if_nameindex all[2];
    for (unsigned index = 1; index < 64; index++) {
        all[0].if_index = index;
        all[0].if_name = if_indextoname(index, name);
        if (all[0].if_name) return all;
    }
    return NULL;
}

void if_freenameindex(struct if_nameindex *all)
{
    (void)all;
}

int gettid(void)
{
    return (int)GetCurrentThreadId();
}

int setenv(const char *name, const char *value, int overwrite)
{
    if (!overwrite && getenv(name)) return 0;
    return _putenv_s(name, value) == 0 ? 0 : -1;
}

int unsetenv(const char *name)
{
    return _putenv_s(name, "") == 0 ? 0 : -1;
}

int rand_r(unsigned *seed)
{
    *seed = *seed * 1103515245 + 12345;
    return (int)(*seed >> 16 & RAND_MAX);
}

static int none(void)
{
    errno = ENOSYS;
    return -1;
}

int sigaction(int signal, const struct sigaction *action, struct sigaction *before)
{
    (void)signal, (void)action, (void)before;
    return none();
}

int sigismember(const sigset_t *set, int signal)
{
    return (*set >> (unsigned)signal & 1) != 0;
}

const char *strsignal(int signal)
{
    (void)signal;
    return "a signal";
}

int sigemptyset(sigset_t *set)
{
    *set = 0;
    return 0;
}

unsigned alarm(unsigned seconds)
{
    (void)seconds;
    return 0;
}

pid_t fork(void)
{
    return none();
}

pid_t waitpid(pid_t child, int *status, int options)
{
    (void)child, (void)status, (void)options;
    return none();
}

/* Handles are limited by memory alone. */
int getrlimit(int resource, struct rlimit *limit)
{
    (void)resource;
    *limit = (struct rlimit){1UL << 20, 1UL << 20};
    return 0;
}

int setrlimit(int resource, const struct rlimit *limit)
{
    (void)resource, (void)limit;
    return 0;
}

int eventfd(unsigned count, int flags)
{
    (void)count, (void)flags;
    return none();
}
