/* Names and directories on Windows: see file.h. Paths are UTF-8 outside, UTF-16 inside; both slashes part them.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/path_windows.h"

#include "os/file.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* A name of MAX_PATH units has at most so many bytes: a unit outside of pairs has up to three. */
#define NAME_SIZE (3 * MAX_PATH + 1)

/* What a path may have at most unless it is extended: a directory of that length has room for a name of 8.3. */
#define PLAIN_MOST (MAX_PATH - 12)

/* One of the system's own names, \\?\… and \\.\…, is left as it is. */
static bool is_special(const wchar_t *path)
{
    return path[0] == L'\\' && path[1] == L'\\' && (path[2] == L'?' || path[2] == L'.') && path[3] == L'\\';
}

/* Behind \\?\ (for \\server\share: \\?\UNC\server\share) a path may have any length, and is taken as it is: so it
 * has to be a full one ("Naming Files, Paths, and Namespaces"). `room`: of that, with its zero. */
static int extend(wchar_t **path, DWORD room)
{
    const size_t longest = sizeof "\\\\?\\UNC";
    wchar_t *extended = malloc((longest + room) * sizeof *extended);
    if (!extended) return BIDE_ENOMEM;
    wchar_t *full = extended + longest;
    DWORD length = GetFullPathNameW(*path, room, full, NULL);
    if (length == 0 || length >= room) { /* the current directory is another by now */
        free(extended);
        return BIDE_ENAMETOOLONG;
    }
    bool shared = full[0] == L'\\' && full[1] == L'\\';
    const wchar_t *prefix = shared ? L"\\\\?\\UNC" : L"\\\\?\\";
    size_t before = wcslen(prefix);
    if (shared) full++; /* of its two backslashes the prefix has the first */
    memmove(extended + before, full, (wcslen(full) + 1) * sizeof *full);
    memcpy(extended, prefix, before * sizeof *prefix);
    free(*path);
    *path = extended;
    return 0;
}

int bide_os_path_widen(const char *path, wchar_t **wide)
{
    int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    if (length <= 0) return BIDE_EINVAL;
    *wide = malloc((size_t)length * sizeof **wide);
    if (!*wide) return BIDE_ENOMEM;
    (void)MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, *wide, length);
    if (is_special(*wide)) return 0;
    DWORD room = GetFullPathNameW(*wide, 0, NULL, NULL);
    int error = room > PLAIN_MOST ? extend(wide, room) : 0;
    if (error) free(*wide);
    return error;
}

void bide_os_path_free(wchar_t *wide)
{
    DWORD error = GetLastError();
    free(wide);
    SetLastError(error);
}

DWORD bide_os_handle_tag(HANDLE handle)
{
    FILE_ATTRIBUTE_TAG_INFO found;
    if (!GetFileInformationByHandleEx(handle, FileAttributeTagInfo, &found, sizeof found)) return 0;
    return found.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT ? found.ReparseTag : 0;
}

bide_file_kind bide_os_kind_of_attributes(DWORD attributes, DWORD tag)
{
    switch (tag) {
    case IO_REPARSE_TAG_SYMLINK:
    case IO_REPARSE_TAG_MOUNT_POINT: return BIDE_KIND_LINK;
    case IO_REPARSE_TAG_AF_UNIX: return BIDE_KIND_SOCKET;
    default: break;
    }
    if (attributes & FILE_ATTRIBUTE_DIRECTORY) return BIDE_KIND_DIRECTORY;
    return attributes & FILE_ATTRIBUTE_DEVICE ? BIDE_KIND_CHARACTER : BIDE_KIND_FILE;
}

/* --- Names --- */

static HANDLE open_to_look(const wchar_t *path, bool follow)
{
    return CreateFileW(path, FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                       NULL, OPEN_EXISTING,
                       FILE_FLAG_BACKUP_SEMANTICS | (follow ? 0 : FILE_FLAG_OPEN_REPARSE_POINT), NULL);
}

int bide_os_path_stat(const char *path, bool follow, bide_file_status *status)
{
    wchar_t *wide;
    int error = bide_os_path_widen(path, &wide);
    if (error) return error;
    HANDLE handle = open_to_look(wide, follow);
    /* A socket's name can be opened by itself alone. */
    if (handle == INVALID_HANDLE_VALUE && GetLastError() == ERROR_CANT_ACCESS_FILE)
        handle = open_to_look(wide, false);
    bide_os_path_free(wide);
    if (handle == INVALID_HANDLE_VALUE) return bide_last_error();
    error = bide_os_file_stat((bide_fd)handle, status);
    (void)CloseHandle(handle);
    return error;
}

/* A file that may not be written can be removed or replaced all the same, as elsewhere: call(from, path). */
static bool without_guard(const wchar_t *path, bool (*call)(const wchar_t *from, const wchar_t *path),
                          const wchar_t *from)
{
    DWORD attributes = GetFileAttributesW(path);
    bool guarded = attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_READONLY;
    if (guarded) (void)SetFileAttributesW(path, attributes & ~(DWORD)FILE_ATTRIBUTE_READONLY);
    if (call(from, path)) return true;
    DWORD error = GetLastError();
    if (guarded) (void)SetFileAttributesW(path, attributes);
    SetLastError(error);
    return false;
}

static bool delete_file(const wchar_t *from, const wchar_t *path)
{
    (void)from;
    return DeleteFileW(path) != 0;
}

static bool replace_file(const wchar_t *from, const wchar_t *path)
{
    return MoveFileExW(from, path, MOVEFILE_REPLACE_EXISTING) != 0;
}

static int unlink_wide(const wchar_t *path)
{
    DWORD attributes = GetFileAttributesW(path);
    if (attributes == INVALID_FILE_ATTRIBUTES) return bide_last_error();
    bool directory = (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    if (directory && !(attributes & FILE_ATTRIBUTE_REPARSE_POINT)) return BIDE_EISDIR;
    /* A link to a directory is removed as one. */
    bool done = directory ? RemoveDirectoryW(path) != 0 : without_guard(path, delete_file, NULL);
    return done ? 0 : bide_last_error();
}

int bide_os_path_unlink(const char *path)
{
    wchar_t *wide;
    int error = bide_os_path_widen(path, &wide);
    if (error) return error;
    error = unlink_wide(wide);
    bide_os_path_free(wide);
    return error;
}

int bide_os_path_rename(const char *from, const char *to)
{
    wchar_t *old_name;
    wchar_t *new_name;
    int error = bide_os_path_widen(from, &old_name);
    if (error) return error;
    error = bide_os_path_widen(to, &new_name);
    if (!error) {
        bool done = replace_file(old_name, new_name) || (GetLastError() == ERROR_ACCESS_DENIED &&
                                                         without_guard(new_name, replace_file, old_name));
        if (!done) error = bide_last_error();
        bide_os_path_free(new_name);
    }
    bide_os_path_free(old_name);
    return error;
}

int bide_os_path_mkdir(const char *path, unsigned mode)
{
    wchar_t *wide;
    (void)mode; /* directories have none */
    int error = bide_os_path_widen(path, &wide);
    if (error) return error;
    if (!CreateDirectoryW(wide, NULL)) error = bide_last_error();
    bide_os_path_free(wide);
    return error;
}

int bide_os_path_rmdir(const char *path)
{
    wchar_t *wide;
    int error = bide_os_path_widen(path, &wide);
    if (error) return error;
    if (!RemoveDirectoryW(wide)) error = bide_last_error();
    bide_os_path_free(wide);
    return error;
}

/* --- Directories --- */

struct bide_os_directory {
    HANDLE search;
    bool fresh; /* `found` has not been given out */
    WIN32_FIND_DATAW found;
    char name[NAME_SIZE];
};

/* A drive without a path means its current directory, which a backslash would make its root. */
static bool needs_backslash(const wchar_t *path, size_t length)
{
    wchar_t last = length > 0 ? path[length - 1] : L'\0';
    return last != L'\\' && last != L'/' && !(length == 2 && last == L':');
}

/* What is searched for, to be freed: all that is in it. NULL without memory. */
static wchar_t *pattern_of(const wchar_t *path)
{
    size_t length = wcslen(path);
    wchar_t *pattern = malloc((length + 3) * sizeof *pattern);
    if (!pattern) return NULL;
    memcpy(pattern, path, length * sizeof *pattern);
    if (needs_backslash(path, length)) pattern[length++] = L'\\';
    memcpy(pattern + length, L"*", 2 * sizeof *pattern);
    return pattern;
}

static int begin(bide_os_directory *directory, const wchar_t *path)
{
    DWORD attributes = GetFileAttributesW(path);
    if (attributes == INVALID_FILE_ATTRIBUTES) return bide_last_error();
    if (!(attributes & FILE_ATTRIBUTE_DIRECTORY)) return BIDE_ENOTDIR;
    wchar_t *pattern = pattern_of(path);
    if (!pattern) return BIDE_ENOMEM;
    directory->search = FindFirstFileExW(pattern, FindExInfoBasic, &directory->found, FindExSearchNameMatch,
                                         NULL, FIND_FIRST_EX_LARGE_FETCH);
    bide_os_path_free(pattern);
    directory->fresh = directory->search != INVALID_HANDLE_VALUE;
    if (directory->fresh) return 0;
    /* The root of a volume may be empty. */
    DWORD error = GetLastError();
    return error == ERROR_FILE_NOT_FOUND || error == ERROR_NO_MORE_FILES ? 0 : bide_last_error();
}

int bide_os_directory_open(bide_os_directory **out, const char *path)
{
    wchar_t *wide;
    *out = NULL;
    int error = bide_os_path_widen(path, &wide);
    if (error) return error;
    bide_os_directory *directory = malloc(sizeof *directory);
    error = directory ? begin(directory, wide) : BIDE_ENOMEM;
    bide_os_path_free(wide);
    if (error)
        free(directory);
    else
        *out = directory;
    return error;
}

static bool is_dots(const wchar_t *name)
{
    return name[0] == L'.' && (name[1] == L'\0' || (name[1] == L'.' && name[2] == L'\0'));
}

int bide_os_directory_read(bide_os_directory *directory, const char **name, bide_file_kind *kind)
{
    WIN32_FIND_DATAW *found = &directory->found;
    if (directory->search == INVALID_HANDLE_VALUE) return BIDE_END;
    do {
        if (!directory->fresh && !FindNextFileW(directory->search, found))
            return GetLastError() == ERROR_NO_MORE_FILES ? BIDE_END : bide_last_error();
        directory->fresh = false;
    } while (is_dots(found->cFileName));
    if (WideCharToMultiByte(CP_UTF8, 0, found->cFileName, -1, directory->name, NAME_SIZE, NULL, NULL) <= 0)
        return bide_last_error();
    /* The tag is where other systems have something reserved (WIN32_FIND_DATA). */
    DWORD tag = found->dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT ? found->dwReserved0 : 0;
    *name = directory->name;
    *kind = bide_os_kind_of_attributes(found->dwFileAttributes, tag);
    return 0;
}

void bide_os_directory_close(bide_os_directory *directory)
{
    if (directory->search != INVALID_HANDLE_VALUE) (void)FindClose(directory->search);
    free(directory);
}
