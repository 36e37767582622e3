/* What files, names and directories have on Windows alone: kinds of handles, attributes, drives, long paths. What they
 * share with other systems is in test_file.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "test_file.h"

#include <bide/async.h>
#include <bide/bulk.h>
#include <bide/unix.h>

#include "os/path_windows.h"

TestSuite(windows_files, .timeout = 60, .init = make_folder, .fini = remove_folder);

static bide_file *adopt(HANDLE handle)
{
    bide_file *file;
    cr_assert_neq(handle, INVALID_HANDLE_VALUE);
    cr_assert_ok(bide_file_adopt(&file, (bide_fd)handle));
    return file;
}

/* --- handles that do not wait --- */

/* A handle on which nothing waits, of a new file that ends with it; its packets would come to the port. */
static HANDLE overlapped(const char *name, HANDLE port)
{
    HANDLE handle = CreateFileA(in_folder(name), GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, NULL,
                                CREATE_NEW, FILE_FLAG_OVERLAPPED | FILE_FLAG_DELETE_ON_CLOSE, NULL);
    cr_assert_neq(handle, INVALID_HANDLE_VALUE);
    cr_assert_eq(CreateIoCompletionPort(handle, port, 0, 0), port);
    return handle;
}

static bool has_packet(HANDLE port)
{
    DWORD size;
    ULONG_PTR key;
    OVERLAPPED *packet = NULL;
    return GetQueuedCompletionStatus(port, &size, &key, &packet, 50) || packet;
}

Test(windows_files, an_overlapped_handle_is_read_and_written_at_offsets)
{
    char text[16] = "";
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    bide_file *file = adopt(overlapped("overlapped", port));
    cr_assert_gives(bide_file_pwrite(file, "hello world", 11, 0, SOON), 11);
    cr_assert_gives(bide_file_pread(file, text, sizeof text, 6, SOON), 5);
    cr_assert_eq(memcmp(text, "world", 5), 0);
    cr_assert_gives(bide_file_pread(file, text, sizeof text, 11, SOON), 0);
    cr_assert_gives(bide_file_pread(file, text, sizeof text, 1000, SOON), 0);
    /* It has no position. */
    cr_assert_gives(bide_file_read(file, text, sizeof text, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_file_write(file, text, sizeof text, SOON), BIDE_EINVAL);
    cr_assert_not(has_packet(port));
    cr_assert_ok(bide_file_close(file, SOON));
    (void)CloseHandle(port);
}

Test(windows_files, an_overlapped_handle_is_sent)
{
    enum { LENGTH = 100000 };
    static char sent[LENGTH], got[LENGTH];
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    bide_address where = bide_address_loopback(0);
    bide_async *listener, *ends[2];
    uint64_t done = 0;
    for (size_t i = 0; i < LENGTH; i++)
        sent[i] = (char)(i * 31 + i / 4096);
    bide_file *file = adopt(overlapped("sent", port));
    cr_assert_gives(bide_file_pwrite(file, sent, LENGTH, 0, SOON), LENGTH);
    cr_assert_ok(bide_tcp_listen(&listener, &where, 0));
    cr_assert_ok(bide_async_local_address(listener, &where));
    cr_assert_ok(bide_tcp_connect(&ends[0], &where, SOON));
    cr_assert_ok(bide_accept(listener, &ends[1], NULL, SOON));
    cr_assert_ok(bide_sendfile(ends[0], bide_file_fd(file), 0, BIDE_TO_THE_END, SOON, &done));
    cr_assert_eq(done, LENGTH);
    cr_assert_ok(bide_read_exact(ends[1], got, LENGTH, SOON, NULL));
    cr_assert_eq(memcmp(sent, got, LENGTH), 0);
    cr_assert_not(has_packet(port));
    cr_assert_ok(bide_async_free(ends[0]));
    cr_assert_ok(bide_async_free(ends[1]));
    cr_assert_ok(bide_async_free(listener));
    cr_assert_ok(bide_file_close(file, SOON));
    (void)CloseHandle(port);
}

/* --- emptying --- */

/* The system's calls are imported, by pointers: to this the linker leads. As Windows, unlike Wine 8, it does not overwrite
 * what is hidden or the system's, nor empty what is not to be written ("CreateFileW"), nor take a long path that is not
 * extended, nor open what is
 * no file but as what it is. */
typedef HANDLE(WINAPI *create_call)(const wchar_t *, DWORD, DWORD, SECURITY_ATTRIBUTES *, DWORD, DWORD,
                                    HANDLE);
extern create_call __real___imp_CreateFileW;
static bool made_a_socket; /* all names are those of sockets, which Wine 8 has not */

static HANDLE WINAPI create(const wchar_t *path, DWORD access, DWORD share, SECURITY_ATTRIBUTES *security,
                            DWORD disposition, DWORD attributes, HANDLE like)
{
    DWORD there = GetFileAttributesW(path);
    if (disposition == CREATE_ALWAYS && there != INVALID_FILE_ATTRIBUTES &&
        there & (FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM)) {
        SetLastError(ERROR_ACCESS_DENIED);
        return INVALID_HANDLE_VALUE;
    }
    if (GetFullPathNameW(path, 0, NULL, NULL) > MAX_PATH && wcsncmp(path, L"\\\\?\\", 4) != 0) {
        SetLastError(ERROR_PATH_NOT_FOUND);
        return INVALID_HANDLE_VALUE;
    }
    if (made_a_socket && !(attributes & FILE_FLAG_OPEN_REPARSE_POINT)) {
        SetLastError(ERROR_CANT_ACCESS_FILE);
        return INVALID_HANDLE_VALUE;
    }
    if (disposition == TRUNCATE_EXISTING && !(access & GENERIC_WRITE)) {
        SetLastError(ERROR_INVALID_PARAMETER);
        return INVALID_HANDLE_VALUE;
    }
    return __real___imp_CreateFileW(path, access, share, security, disposition, attributes, like);
}

const create_call __wrap___imp_CreateFileW = create;

static void expect_size(const char *path, uint64_t size)
{
    bide_file_status status;
    cr_assert_ok(bide_path_stat(path, &status, SOON));
    cr_assert_eq(status.size, size);
}

Test(windows_files, a_hidden_file_is_emptied_as_any_other_and_stays_hidden)
{
    const char *path = in_folder("hidden");
    cr_assert_ok(bide_path_save(path, "hello", 5, 0644, SOON));
    cr_assert(SetFileAttributesA(path, FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM));
    DWORD before_it = GetFileAttributesA(path);
    if (!(before_it & FILE_ATTRIBUTE_HIDDEN)) {
        cr_assert_ok(bide_path_unlink(path, SOON));
        BIDE_SKIP("nothing is hidden in this file system");
    }
    cr_assert_ok(bide_path_save(path, "abc", 3, 0644, SOON));
    expect_size(path, 3);
    cr_assert_eq(GetFileAttributesA(path), before_it);
    cr_assert_ok(bide_path_unlink(path, SOON));
}

Test(windows_files, a_file_is_emptied_whatever_it_is_opened_for)
{
    static const unsigned purposes[] = {BIDE_FILE_READ, BIDE_FILE_WRITE, BIDE_FILE_READ | BIDE_FILE_WRITE,
                                        BIDE_FILE_WRITE | BIDE_FILE_APPEND,
                                        BIDE_FILE_READ | BIDE_FILE_WRITE | BIDE_FILE_APPEND};
    const char *path = in_folder("emptied");
    bide_file *file;
    for (size_t i = 0; i < sizeof purposes / sizeof *purposes; i++) {
        for (int creates = 0; creates < 2; creates++) {
            unsigned flags = purposes[i] | BIDE_FILE_TRUNCATE | (creates ? BIDE_FILE_CREATE : 0);
            cr_assert_ok(bide_path_save(path, "hello", 5, 0644, SOON));
            cr_assert_ok(bide_file_open(&file, path, flags, 0644, SOON));
            expect_size(path, 0);
            if (flags & BIDE_FILE_WRITE) {
                cr_assert_gives(bide_file_write(file, "ab", 2, SOON), 2);
                cr_assert_ok(bide_file_seek(file, 0, BIDE_FROM_START, NULL, SOON));
                cr_assert_gives(bide_file_write(file, "c", 1, SOON), 1);
                expect_size(path, flags & BIDE_FILE_APPEND ? 3 : 2);
            }
            cr_assert_ok(bide_file_close(file, SOON));
            cr_assert_ok(bide_path_unlink(path, SOON));
        }
    }
}

/* --- names of sockets --- */

Test(windows_files, a_name_of_a_socket_is_not_taken_for_that_of_a_file_or_a_link)
{
    const DWORD point = FILE_ATTRIBUTE_REPARSE_POINT;
    cr_assert_eq(bide_os_kind_of_attributes(point, IO_REPARSE_TAG_AF_UNIX), BIDE_KIND_SOCKET);
    cr_assert_eq(bide_os_kind_of_attributes(point, IO_REPARSE_TAG_SYMLINK), BIDE_KIND_LINK);
    cr_assert_eq(bide_os_kind_of_attributes(point | FILE_ATTRIBUTE_DIRECTORY, IO_REPARSE_TAG_MOUNT_POINT),
                 BIDE_KIND_LINK);
    cr_assert_eq(bide_os_kind_of_attributes(point, IO_REPARSE_TAG_DEDUP), BIDE_KIND_FILE);
    cr_assert_eq(bide_os_kind_of_attributes(FILE_ATTRIBUTE_DIRECTORY, 0), BIDE_KIND_DIRECTORY);
}

typedef BOOL(WINAPI *information_call)(HANDLE, FILE_INFO_BY_HANDLE_CLASS, void *, DWORD);
extern information_call __real___imp_GetFileInformationByHandleEx;

static BOOL WINAPI information(HANDLE handle, FILE_INFO_BY_HANDLE_CLASS kind, void *out, DWORD size)
{
    BOOL done = __real___imp_GetFileInformationByHandleEx(handle, kind, out, size);
    if (!made_a_socket || kind != FileAttributeTagInfo) return done;
    *(FILE_ATTRIBUTE_TAG_INFO *)out =
        (FILE_ATTRIBUTE_TAG_INFO){FILE_ATTRIBUTE_REPARSE_POINT, IO_REPARSE_TAG_AF_UNIX};
    return done;
}

const information_call __wrap___imp_GetFileInformationByHandleEx = information;

Test(windows_files, a_name_of_a_socket_is_looked_at_though_it_cannot_be_opened)
{
    const char *path = in_folder("socket");
    bide_file_status status;
    bide_file *file;
    cr_assert_ok(bide_path_save(path, "", 0, 0644, SOON));
    made_a_socket = true;
    cr_assert_ok(bide_path_stat(path, &status, SOON));
    cr_assert_eq(status.kind, BIDE_KIND_SOCKET);
    cr_assert_ok(bide_path_lstat(path, &status, SOON));
    cr_assert_eq(status.kind, BIDE_KIND_SOCKET);
    cr_assert_gives(bide_file_open(&file, path, BIDE_FILE_READ, 0, SOON), BIDE_EACCES);
    made_a_socket = false;
    cr_assert_ok(bide_path_unlink(path, SOON));
}

Test(windows_files, what_is_no_socket_is_not_stale_whatever_letters_its_path_has)
{
    const char *path = in_folder("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    bide_address where;
    cr_assert_ok(bide_address_unix(&where, path));
    cr_assert_gives(bide_unix_remove_stale(&where), BIDE_ENOENT);
    cr_assert_ok(bide_path_save(path, "x", 1, 0644, SOON));
    cr_assert_gives(bide_unix_remove_stale(&where), BIDE_ENOTSOCK);
    cr_assert_ok(bide_path_unlink(path, SOON));
}

/* --- drives --- */

static void expect_only(const char *directory_path, const char *name)
{
    bide_directory *directory;
    bide_directory_entry entry;
    cr_assert_ok(bide_directory_open(&directory, directory_path, SOON));
    cr_assert_ok(bide_directory_read(directory, &entry, SOON));
    cr_assert_str_eq(entry.name, name);
    cr_assert_gives(bide_directory_read(directory, &entry, SOON), BIDE_END);
    bide_directory_close(directory);
}

Test(windows_files, a_drive_without_a_path_is_its_current_directory)
{
    char there[MAX_PATH], here[MAX_PATH], drive[] = "C:", extended[MAX_PATH + 8];
    const char *path = in_folder("only");
    cr_assert_ok(bide_path_save(path, "x", 1, 0644, SOON));
    cr_assert(GetCurrentDirectoryA(sizeof there, there));
    cr_assert(SetCurrentDirectoryA(folder));
    cr_assert(GetCurrentDirectoryA(sizeof here, here));
    drive[0] = here[0];
    expect_only(drive, "only");
    expect_only(".", "only");
    cr_assert(SetCurrentDirectoryA(there));
    (void)snprintf(extended, sizeof extended, "%s/", here);
    expect_only(extended, "only");
    (void)snprintf(extended, sizeof extended, "\\\\?\\%s\\", here);
    expect_only(extended, "only");
    cr_assert_ok(bide_path_unlink(path, SOON));
}

/* --- long paths --- */

Test(windows_files, a_path_may_be_longer_than_plain_ones_and_relative)
{
    enum { LEVELS = 5 };
    static char paths[LEVELS][800], file[900], other[900], there[MAX_PATH];
    const char *relative = strrchr(folder, '/') + 1;
    cr_assert(GetCurrentDirectoryA(sizeof there, there));
    for (int i = 0; i < LEVELS; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "%s/../%s\\%.90s", i ? paths[i - 1] : folder,
                       i ? strrchr(paths[i - 1], '\\') + 1 : relative,
                       "a_directory_whose_name_is_long_enough_that_a_few_of_them_are_more_than_a_path_may_"
                       "have_elsewhere");
        cr_assert_ok(bide_path_mkdir(paths[i], 0755, SOON));
    }
    (void)snprintf(file, sizeof file, "%s/only", paths[LEVELS - 1]);
    (void)snprintf(other, sizeof other, "%s/other", paths[LEVELS - 1]);
    cr_assert_ok(bide_path_save(other, "hello", 5, 0644, SOON));
    cr_assert_ok(bide_path_rename(other, file, SOON));
    expect_size(file, 5);
    expect_only(paths[LEVELS - 1], "only");
    (void)SetCurrentDirectoryA("/tmp");
    expect_size(file + sizeof "/tmp", 5);
    cr_assert(SetCurrentDirectoryA(there));
    cr_assert_ok(bide_path_unlink(file, SOON));
    for (int i = LEVELS; i-- > 0;)
        cr_assert_ok(bide_path_rmdir(paths[i], SOON));
    /* What nothing can be called. */
    memset(file, 'x', sizeof file - 1);
    cr_assert_lt(bide_path_mkdir(file, 0755, SOON), 0);
}

/* Servers' names begin with two backslashes, of which one remains. */
Test(windows_files, a_long_path_on_a_server_is_extended_too)
{
    static char path[400] = "\\\\server\\share\\";
    wchar_t *wide;
    memset(path + strlen(path), 'x', 300);
    cr_assert_ok(bide_os_path_widen(path, &wide));
    cr_assert_eq(wcsncmp(wide, L"\\\\?\\UNC\\server\\share\\xxx", 24), 0, "%ls", wide);
    cr_assert_eq(wcslen(wide), strlen(path) + 6);
    bide_os_path_free(wide);
    (void)snprintf(path, 16, "\\\\?\\C:\\./x");
    path[10] = 'x';
    cr_assert_ok(bide_os_path_widen(path, &wide));
    cr_assert_eq(wcsncmp(wide, L"\\\\?\\C:\\./xxare", 14), 0, "%ls", wide);
    bide_os_path_free(wide);
}

/* --- what is read-only --- */

/* As Windows, unlike Wine 8, it replaces nothing that is read-only. */
typedef BOOL(WINAPI *move_call)(const wchar_t *, const wchar_t *, DWORD);
extern move_call __real___imp_MoveFileExW;

static BOOL WINAPI move(const wchar_t *from, const wchar_t *to, DWORD flags)
{
    DWORD there = GetFileAttributesW(to);
    if (there == INVALID_FILE_ATTRIBUTES || !(there & FILE_ATTRIBUTE_READONLY))
        return __real___imp_MoveFileExW(from, to, flags);
    SetLastError(GetFileAttributesW(from) == INVALID_FILE_ATTRIBUTES ? ERROR_FILE_NOT_FOUND
                                                                     : ERROR_ACCESS_DENIED);
    return FALSE;
}

const move_call __wrap___imp_MoveFileExW = move;

Test(windows_files, what_is_read_only_is_replaced_and_brought_to_the_disk_all_the_same)
{
    const char *old_name = in_folder("old"), *new_name = in_folder("new");
    bide_file_status status;
    bide_file *file;
    cr_assert_ok(bide_path_save(new_name, "read-only", 9, 0444, SOON));
    cr_assert_ok(bide_path_stat(new_name, &status, SOON));
    cr_assert_eq(status.mode & 0222, 0);
    cr_assert_ok(bide_path_save(old_name, "abc", 3, 0644, SOON));
    cr_assert_ok(bide_path_rename(old_name, new_name, SOON));
    cr_assert_ok(bide_path_stat(new_name, &status, SOON));
    cr_assert_eq(status.size, 3);
    cr_assert_ok(bide_file_open(&file, new_name, BIDE_FILE_READ, 0, SOON));
    cr_assert_ok(bide_file_sync(file, SOON));
    cr_assert_ok(bide_file_close(file, SOON));
    /* What cannot be renamed leaves its place as it was. */
    cr_assert(SetFileAttributesA(new_name, FILE_ATTRIBUTE_READONLY));
    cr_assert_gives(bide_path_rename(old_name, new_name, SOON), BIDE_ENOENT);
    cr_assert_ok(bide_path_stat(new_name, &status, SOON));
    cr_assert_eq(status.mode & 0222, 0);
    cr_assert_ok(bide_path_unlink(new_name, SOON));
}
