/* Files where the system has links, and numbers of its own for what is known of them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_file.h"

#include <sys/stat.h>

TestSuite(file_links, .timeout = 60);

static int follow(void *arg)
{
    bide_file *file;
    bide_file_status status;
    const char *name = in_folder("file"), *link = in_folder("link");
    (void)arg;
    cr_assert_ok(bide_path_save(name, "text", 4, 0600, SOON));
    cr_assert_done(symlink(name, link));
    cr_assert_gives(bide_file_open(&file, link, BIDE_FILE_READ | BIDE_FILE_NOFOLLOW, 0, SOON), BIDE_ELOOP);
    cr_assert_null(file);
    cr_assert_ok(bide_path_lstat(link, &status, SOON));
    cr_assert_eq(status.kind, BIDE_KIND_LINK);
    cr_assert_ok(bide_path_stat(link, &status, SOON));
    cr_assert_eq(status.kind, BIDE_KIND_FILE);
    cr_assert_eq(status.size, 4);
    cr_assert_ok(bide_file_open(&file, link, BIDE_FILE_WRITE | BIDE_FILE_TRUNCATE, 0, SOON));
    cr_assert_ok(bide_file_close(file, SOON));
    cr_assert_ok(bide_path_stat(name, &status, SOON));
    cr_assert_eq(status.size, 0);
    cr_assert_ok(bide_path_unlink(link, SOON));
    cr_assert_ok(bide_path_unlink(name, SOON));
    return 0;
}

Test(file_links, are_followed_unless_that_is_not_wanted)
{
    everywhere(follow);
}

static int compare(void *arg)
{
    bide_file_status status;
    struct stat theirs;
    const char *name = in_folder("file"), *inner = in_folder("inner");
    (void)arg;
    cr_assert_ok(bide_path_save(name, "12345", 5, 0640, SOON));
    cr_assert_ok(bide_path_stat(name, &status, SOON));
    cr_assert_done(stat(name, &theirs));
    cr_assert_eq(status.mode, theirs.st_mode & 07777);
    cr_assert_eq(status.number, theirs.st_ino);
    cr_assert_eq(status.device, theirs.st_dev);
    cr_assert_eq(status.uid, theirs.st_uid);
    cr_assert_eq(status.gid, theirs.st_gid);
    cr_assert_eq(status.modified.seconds, theirs.st_mtim.tv_sec);
    cr_assert_eq(status.modified.nanoseconds, (uint32_t)theirs.st_mtim.tv_nsec);
    cr_assert_eq(status.allocated, (uint64_t)theirs.st_blocks * 512);
    cr_assert_ok(bide_path_mkdir(inner, 0700, SOON));
    cr_assert_ok(bide_path_rename(name, in_folder("inner/file"), SOON));
    cr_assert_gives(bide_path_rmdir(inner, SOON), BIDE_ENOTEMPTY);
    cr_assert_eq(bide_system_error(BIDE_ENOTEMPTY), ENOTEMPTY);
    cr_assert_ok(bide_path_unlink(in_folder("inner/file"), SOON));
    cr_assert_ok(bide_path_rmdir(inner, SOON));
    return 0;
}

Test(file_links, what_is_known_of_a_file_is_what_the_system_says)
{
    everywhere(compare);
}

/* A size that says nothing, and more than fits at first. */
static int load_what_has_no_size(void *arg)
{
    char *text;
    size_t length;
    (void)arg;
    cr_assert_ok(bide_path_load("/proc/self/smaps", (void **)&text, &length, 100 << 20, SOON));
    cr_assert_gt(length, 4096);
    cr_assert_eq(strlen(text), length);
    free(text);
    cr_assert_gives(bide_path_load("/proc/self/smaps", (void **)&text, &length, 5000, SOON), BIDE_EOVERFLOW);
    return 0;
}

Test(file_links, a_file_without_a_size_is_loaded_to_its_end)
{
    everywhere(load_what_has_no_size);
}
