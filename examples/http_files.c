/* See http_files.h. Each part of the path is opened in the folder before it, without following links: no check of the
 * path's text has to be right for the answer to stay inside, and none can be raced by who changes the folder meanwhile.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _XOPEN_SOURCE 700
#include "http_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".txt", "text/plain; charset=utf-8"},
        {".md", "text/plain; charset=utf-8"},
        {".json", "application/json"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".gif", "image/gif"},
        {".pdf", "application/pdf"},
        {".wasm", "application/wasm"},
    };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (strcasecmp(dot, types[i][0]) == 0) return types[i][1];
    return "application/octet-stream";
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes one part of a path, of `length` bytes. 0, or a status. */
static int decode(char name[NAME_MAX + 1], const char *part, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        char c = part[i];
        if (c == '%') {
            if (length - i < 3 || digit(part[i + 1]) < 0 || digit(part[i + 2]) < 0) return 400;
            c = (char)(digit(part[i + 1]) << 4 | digit(part[i + 2]));
            i += 2;
        }
        /* What is in no name, and what would be more than one. */
        if (c == '\0' || c == '/') return 404;
        if (count == NAME_MAX) return 404;
        name[count++] = c;
    }
    name[count] = '\0';
    /* "..", ".", what is hidden, and nothing: a path that begins with two slashes would name a host where a client is
     * sent on to it. */
    return name[0] == '.' || count == 0 ? 404 : 0;
}

static int status_of(int error)
{
    switch (error) {
    case EACCES:
    case EPERM: return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM: return 503;
    case EIO: return 500;
    default: return 404; /* ENOENT, ENOTDIR, ELOOP … */
    }
}

/* Opens `name` in the folder, which is closed unless it is the root. Returns the descriptor, or -1 with the status. */
static int descend(int folder, int root, const char *name, int *status)
{
    /* Without O_NONBLOCK a named pipe would be waited for. */
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) *status = status_of(errno);
    if (folder != root) (void)close(folder);
    return fd;
}

/* The file at the path, which ends in a name or in a slash; -1 with the status. */
static int walk(int root, const char *path, char name[NAME_MAX + 1], bool *slash, int *status)
{
    int fd = root;
    *slash = true;
    for (path++; *path; path += *slash) {
        size_t length = strcspn(path, "/");
        int wrong = decode(name, path, length);
        if (wrong) {
            *status = wrong;
            if (fd != root) (void)close(fd);
            return -1;
        }
        fd = descend(fd, root, name, status);
        if (fd < 0) return -1;
        path += length;
        *slash = *path == '/';
    }
    return fd;
}

void http_file_open(struct http_file *file, int root, const char *path)
{
    char name[NAME_MAX + 1] = "";
    struct stat status;
    bool slash;
    *file = (struct http_file){.status = 404, .fd = -1};
    int fd = walk(root, path, name, &slash, &file->status);
    if (fd < 0) return;
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        if (!slash) {
            file->status = 301;
            (void)close(fd);
            return;
        }
        (void)strcpy(name, "index.html");
        fd = descend(fd, root, name, &file->status);
        if (fd < 0) return;
        slash = false;
    }
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || slash) {
        file->status = 404;
        if (fd != root) (void)close(fd);
        return;
    }
    *file = (struct http_file){200, fd, (uint64_t)status.st_size, status.st_mtime, type_of(name)};
}
