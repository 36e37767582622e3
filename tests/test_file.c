/* Files, names and directories: what each call does, on a thread and in tasks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_file.h"

#include <semaphore.h>

TestSuite(file, .timeout = 60);

enum { MAKE = BIDE_FILE_READ | BIDE_FILE_WRITE | BIDE_FILE_CREATE };

static bide_file *open_file(const char *path, unsigned flags)
{
    bide_file *file;
    cr_assert_ok(bide_file_open(&file, path, flags, 0644, SOON));
    return file;
}

/* What was left behind may have the file open for a moment longer, and so its name stays on Wine 8. */
static void remove_file(const char *name)
{
    bide_file_status status;
    cr_assert_ok(bide_path_unlink(in_folder(name), SOON));
    while (bide_path_lstat(in_folder(name), &status, SOON) != BIDE_ENOENT)
        cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(100)));
}

/* --- reading and writing ------------------------------------------------------------------------------------ */

static int write_and_read(void *arg)
{
    char text[16] = "";
    uint64_t position = 0;
    (void)arg;
    bide_file *file = open_file(in_folder("a"), MAKE);
    cr_assert_eq(bide_file_write(file, "hello world", 11, SOON), 11);
    cr_assert_eq(bide_file_read(file, text, sizeof text, SOON), 0);
    cr_assert_ok(bide_file_seek(file, -5, BIDE_FROM_POSITION, &position, SOON));
    cr_assert_eq(position, 6);
    cr_assert_eq(bide_file_read(file, text, sizeof text, SOON), 5);
    cr_assert_eq(memcmp(text, "world", 5), 0);
    cr_assert_eq(bide_file_pwrite(file, "W", 1, 6, SOON), 1);
    cr_assert_eq(bide_file_pread(file, text, 5, 6, SOON), 5);
    cr_assert_eq(memcmp(text, "World", 5), 0);
    cr_assert_ok(bide_file_seek(file, 0, BIDE_FROM_POSITION, &position, SOON));
    cr_assert_eq(position, 11);
    cr_assert_ok(bide_file_seek(file, 3, BIDE_FROM_END, NULL, SOON));
    cr_assert_gives(bide_file_seek(file, -1, BIDE_FROM_START, NULL, SOON), BIDE_EINVAL);
    cr_assert_ok(bide_file_sync(file, SOON));
    cr_assert_ok(bide_file_sync_data(file, SOON));
    cr_assert_ok(bide_file_close(file, SOON));
    remove_file("a");
    return 0;
}

Test(file, what_is_written_is_read_at_positions_and_offsets)
{
    everywhere(write_and_read);
}

static int move_much(void *arg)
{
    const size_t length = 2 * BIDE_FILE_PIECE + 12345;
    unsigned char *sent = malloc(length), *got = calloc(1, length + 1);
    size_t done = 0;
    (void)arg;
    cr_assert(sent && got);
    for (size_t i = 0; i < length; i++)
        sent[i] = (unsigned char)(i * 31 + i / 4096);
    bide_file *file = open_file(in_folder("much"), MAKE);
    cr_assert_ok(bide_file_write_all(file, sent, length, SOON, &done));
    cr_assert_eq(done, length);
    cr_assert_eq(bide_file_pread(file, got, length, 0, SOON), (bide_ssize)BIDE_FILE_PIECE);
    cr_assert_ok(bide_file_seek(file, 0, BIDE_FROM_START, NULL, SOON));
    cr_assert_ok(bide_file_read_exact(file, got, length, SOON, &done));
    cr_assert_eq(memcmp(sent, got, length), 0);
    cr_assert_gives(bide_file_read_exact(file, got, 1, SOON, &done), BIDE_EEOF);
    cr_assert_eq(done, 0);
    cr_assert_ok(bide_file_seek(file, 0, BIDE_FROM_START, NULL, SOON));
    cr_assert_gives(bide_file_read_exact(file, got, length + 1, SOON, &done), BIDE_EEOF);
    cr_assert_eq(done, length);
    cr_assert_ok(bide_file_read_exact(file, NULL, 0, SOON, &done));
    cr_assert_eq(done, 0);
    cr_assert_ok(bide_file_close(file, SOON));
    remove_file("much");
    free(sent);
    free(got);
    return 0;
}

Test(file, read_exact_and_write_all_move_more_than_a_piece)
{
    everywhere(move_much);
}

static int go_far(void *arg)
{
    const uint64_t far = (UINT64_C(5) << 30) + 7;
    uint64_t position;
    bide_file_status status;
    char byte = 0;
    (void)arg;
    bide_file *file = open_file(in_folder("far"), MAKE);
    cr_assert_eq(bide_file_pwrite(file, "x", 1, far, SOON), 1);
    cr_assert_eq(bide_file_pread(file, &byte, 1, far, SOON), 1);
    cr_assert_eq(byte, 'x');
    cr_assert_ok(bide_file_seek(file, 0, BIDE_FROM_END, &position, SOON));
    cr_assert_eq(position, far + 1);
    cr_assert_ok(bide_file_stat(file, &status, SOON));
    cr_assert_eq(status.size, far + 1);
    cr_assert_ok(bide_file_truncate(file, far + 10, SOON));
    cr_assert_ok(bide_path_stat(in_folder("far"), &status, SOON));
    cr_assert_eq(status.size, far + 10);
    cr_assert_ok(bide_file_truncate(file, 3, SOON));
    cr_assert_ok(bide_file_stat(file, &status, SOON));
    cr_assert_eq(status.size, 3);
    cr_assert_gives(bide_file_pread(file, &byte, 1, (uint64_t)INT64_MAX, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_file_truncate(file, UINT64_MAX, SOON), BIDE_EINVAL);
    cr_assert_ok(bide_file_close(file, SOON));
    remove_file("far");
    return 0;
}

Test(file, offsets_go_beyond_four_gigabytes)
{
    everywhere(go_far);
}

static int open_in_every_way(void *arg)
{
    bide_file *file;
    char text[8] = "";
    const char *name = in_folder("flags");
    (void)arg;
    cr_assert_gives(bide_file_open(&file, name, BIDE_FILE_READ, 0, SOON), BIDE_ENOENT);
    cr_assert_null(file);
    file = open_file(name, BIDE_FILE_WRITE | BIDE_FILE_CREATE | BIDE_FILE_EXCLUSIVE);
    cr_assert(fcntl(bide_file_fd(file), F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(bide_file_write(file, "one", 3, SOON), 3);
    cr_assert_gives(bide_file_read(file, text, 3, SOON), BIDE_EBADF);
    cr_assert_ok(bide_file_close(file, SOON));
    cr_assert_gives(bide_file_open(&file, name, BIDE_FILE_WRITE | BIDE_FILE_CREATE | BIDE_FILE_EXCLUSIVE,
                                   0644, SOON),
                    BIDE_EEXIST);
    file = open_file(name, BIDE_FILE_READ | BIDE_FILE_WRITE | BIDE_FILE_APPEND);
    cr_assert_ok(bide_file_write_all(file, "two", 3, SOON, NULL));
    cr_assert_eq(bide_file_pread(file, text, sizeof text, 0, SOON), 6);
    cr_assert_eq(memcmp(text, "onetwo", 6), 0);
    cr_assert_ok(bide_file_close(file, SOON));
    file = open_file(name, BIDE_FILE_READ);
    cr_assert_gives(bide_file_write(file, "x", 1, SOON), BIDE_EBADF);
    cr_assert_ok(bide_file_close(file, SOON));
    file = open_file(name, BIDE_FILE_READ | BIDE_FILE_NOFOLLOW);
    cr_assert_ok(bide_file_close(file, SOON));
    file = open_file(name, BIDE_FILE_READ | BIDE_FILE_WRITE | BIDE_FILE_APPEND | BIDE_FILE_TRUNCATE);
    cr_assert_eq(bide_file_write(file, "three", 5, SOON), 5);
    cr_assert_eq(bide_file_pwrite(file, "!", 1, 5, SOON), 1);
    cr_assert_eq(bide_file_pread(file, text, sizeof text, 0, SOON), 6);
    cr_assert_eq(memcmp(text, "three!", 6), 0);
    cr_assert_ok(bide_file_close(file, SOON));
    file = open_file(name, BIDE_FILE_WRITE | BIDE_FILE_TRUNCATE);
    cr_assert_ok(bide_file_close(file, SOON));
    bide_file_status status;
    cr_assert_ok(bide_path_stat(name, &status, SOON));
    cr_assert_eq(status.size, 0);
    cr_assert_ok(bide_path_unlink(name, SOON));
    return 0;
}

Test(file, is_opened_as_the_flags_say_and_close_on_exec)
{
    everywhere(open_in_every_way);
}

/* --- names --------------------------------------------------------------------------------------------------- */

static int name_things(void *arg)
{
    const char *inner = in_folder("inner"), *file_name = in_folder("inner/file"), *moved = in_folder("moved");
    bide_file_status status;
    (void)arg;
    cr_assert_ok(bide_path_mkdir(inner, 0700, SOON));
    cr_assert_gives(bide_path_mkdir(inner, 0700, SOON), BIDE_EEXIST);
    cr_assert_ok(bide_path_save(file_name, "12345", 5, 0640, SOON));
    cr_assert_gives(bide_path_rmdir(inner, SOON), BIDE_ENOTEMPTY);
    cr_assert_ok(bide_path_stat(file_name, &status, SOON));
    cr_assert_eq(status.size, 5);
    cr_assert_eq(status.kind, BIDE_KIND_FILE);
    cr_assert_eq(status.links, 1);
    cr_assert_lt(status.modified.nanoseconds, 1000000000);
    cr_assert_ok(bide_path_stat(inner, &status, SOON));
    cr_assert_eq(status.kind, BIDE_KIND_DIRECTORY);
    cr_assert_ok(bide_path_rename(file_name, moved, SOON));
    cr_assert_gives(bide_path_stat(file_name, &status, SOON), BIDE_ENOENT);
    cr_assert_gives(bide_path_rename(file_name, moved, SOON), BIDE_ENOENT);
    cr_assert_gives(bide_path_rmdir(moved, SOON), BIDE_ENOTDIR);
    cr_assert_gives(bide_path_unlink(inner, SOON), BIDE_EISDIR);
    cr_assert_ok(bide_path_lstat(moved, &status, SOON));
    cr_assert_eq(status.kind, BIDE_KIND_FILE);
    cr_assert_ok(bide_path_rmdir(inner, SOON));
    cr_assert_ok(bide_path_unlink(moved, SOON));
    cr_assert_gives(bide_path_unlink(moved, SOON), BIDE_ENOENT);
    return 0;
}

Test(file, names_are_made_moved_looked_at_and_removed)
{
    everywhere(name_things);
}

static int load_and_save(void *arg)
{
    char *text;
    size_t length;
    (void)arg;
    cr_assert_ok(bide_path_save(in_folder("whole"), "some text", 9, 0644, SOON));
    cr_assert_ok(bide_path_load(in_folder("whole"), (void **)&text, &length, 9, SOON));
    cr_assert_eq(length, 9);
    cr_assert_str_eq(text, "some text");
    free(text);
    cr_assert_gives(bide_path_load(in_folder("whole"), (void **)&text, &length, 8, SOON), BIDE_EOVERFLOW);
    cr_assert_null(text);
    cr_assert_ok(bide_path_save(in_folder("whole"), NULL, 0, 0644, SOON));
    cr_assert_ok(bide_path_load(in_folder("whole"), (void **)&text, &length, 100, SOON));
    cr_assert_eq(length, 0);
    cr_assert_str_eq(text, "");
    free(text);
    cr_assert_gives(bide_path_load(folder, (void **)&text, &length, 100, SOON), BIDE_EISDIR);
    cr_assert_gives(bide_path_save(folder, "x", 1, 0644, SOON), BIDE_EISDIR);
    remove_file("whole");
    return 0;
}

Test(file, whole_files_are_loaded_and_saved_in_one_call)
{
    everywhere(load_and_save);
}

static int list(void *arg)
{
    enum { ENTRIES = 1500 };
    static bool seen[ENTRIES + 1];
    bide_directory *directory;
    bide_directory_entry entry;
    int error;
    (void)arg;
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < ENTRIES; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "a-name-of-some-length-%d", i);
        cr_assert_ok(bide_path_save(in_folder(name), "", 0, 0600, SOON));
    }
    cr_assert_ok(bide_path_mkdir(in_folder("a-name-of-some-length-1500"), 0700, SOON));
    cr_assert_ok(bide_directory_open(&directory, folder, SOON));
    while ((error = bide_directory_read(directory, &entry, SOON)) == 0) {
        int number = -1;
        cr_assert_eq(sscanf(entry.name, "a-name-of-some-length-%d", &number), 1, "%s", entry.name);
        cr_assert(number >= 0 && number <= ENTRIES && !seen[number], "%s", entry.name);
        seen[number] = true;
        if (entry.kind != BIDE_KIND_UNKNOWN)
            cr_assert_eq(entry.kind, number == ENTRIES ? BIDE_KIND_DIRECTORY : BIDE_KIND_FILE);
    }
    cr_assert_gives(error, BIDE_END);
    cr_assert_gives(bide_directory_read(directory, &entry, SOON), BIDE_END);
    bide_directory_close(directory);
    for (int i = 0; i <= ENTRIES; i++) {
        char name[64];
        cr_assert(seen[i], "%d", i);
        (void)snprintf(name, sizeof name, "a-name-of-some-length-%d", i);
        cr_assert_ok(i < ENTRIES ? bide_path_unlink(in_folder(name), SOON)
                                 : bide_path_rmdir(in_folder(name), SOON));
    }
    cr_assert_ok(bide_path_save(in_folder("file"), "", 0, 0600, SOON));
    cr_assert_gives(bide_directory_open(&directory, in_folder("file"), SOON), BIDE_ENOTDIR);
    remove_file("file");
    cr_assert_gives(bide_directory_open(&directory, in_folder("none"), SOON), BIDE_ENOENT);
    cr_assert_null(directory);
    return 0;
}

Test(file, a_directory_is_listed_each_entry_once)
{
    everywhere(list);
}

/* --- futures, tasks ------------------------------------------------------------------------------------------ */

static int race_two_reads(void *arg)
{
    char first[4] = "", second[4] = "";
    bide_file_io io[2];
    bide_future *both[] = {&io[0].future, &io[1].future};
    (void)arg;
    cr_assert_ok(bide_path_save(in_folder("f"), "abcdef", 6, 0644, SOON));
    bide_file *file = open_file(in_folder("f"), BIDE_FILE_READ);
    bide_file_io_pread(&io[0], file, first, 3, 0);
    bide_file_io_pread(&io[1], file, second, 3, 3);
    cr_assert_ok(bide_join(both, 2, SOON));
    cr_assert_eq(io[0].result, 3);
    cr_assert_eq(io[1].result, 3);
    cr_assert_str_eq(first, "abc");
    cr_assert_str_eq(second, "def");
    bide_file_io_pread(&io[0], file, first, 3, 3);
    bide_file_io_pread(&io[1], file, second, 3, 0);
    bool completed[2];
    int winner = bide_race_until(both, 2, SOON, completed);
    cr_assert(winner == 0 || winner == 1, "%d", winner);
    cr_assert_eq(io[winner].result, 3);
    cr_assert_eq(io[!winner].result, completed[!winner] ? 3 : BIDE_ECANCELED);
    cr_assert_ok(bide_file_close(file, SOON));
    remove_file("f");
    return 0;
}

Test(file, operations_are_futures_that_are_joined_and_raced)
{
    everywhere(race_two_reads);
}

struct blocking {
    sem_t begun, end;
};

static bide_ssize wait_for_end(void *arg)
{
    struct blocking *blocking = arg;
    (void)sem_post(&blocking->begun);
    while (sem_wait(&blocking->end) != 0)
        continue;
    return 5;
}

static int block(void *arg)
{
    return (int)bide_blocking(wait_for_end, arg);
}

/* Starts a task with a function that runs now, and is not over. */
static bide_task spawn_blocking(struct blocking *blocking)
{
    bide_task task;
    cr_assert_ok(bide_spawn(&task, block, blocking, NULL));
    while (sem_trywait(&blocking->begun) != 0)
        cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(100)));
    cr_assert_gives(bide_task_join(task, NULL, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    return task;
}

static void end_blocking(struct blocking *blocking, bide_task task)
{
    int value = 0;
    cr_assert_done(sem_post(&blocking->end));
    cr_assert_ok(bide_task_join(task, &value, SOON));
    cr_assert_eq(value, 5);
}

static int run_beside_a_blocking_one(void *arg)
{
    struct blocking *blocking = arg;
    end_blocking(blocking, spawn_blocking(blocking));
    /* One that is cancelled is waited for, and keeps its result. */
    bide_task task = spawn_blocking(blocking);
    cr_assert_ok(bide_task_cancel(task));
    cr_assert_gives(bide_task_join(task, NULL, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    end_blocking(blocking, task);
    return 0;
}

Test(file, a_function_that_blocks_suspends_its_task_alone)
{
    struct blocking blocking;
    cr_assert_done(sem_init(&blocking.begun, 0, 0));
    cr_assert_done(sem_init(&blocking.end, 0, 0));
    WITH_WORKERS(run_beside_a_blocking_one, &blocking, 0);
    cr_assert_done(sem_post(&blocking.end));
    cr_assert_eq(bide_blocking(wait_for_end, &blocking), 5);
    cr_assert_gives(bide_blocking(NULL, NULL), BIDE_EINVAL);
    cr_assert_done(sem_destroy(&blocking.begun));
    cr_assert_done(sem_destroy(&blocking.end));
}

/* --- bad input ----------------------------------------------------------------------------------------------- */

static int adopt(void *arg)
{
    int ends[2];
    char text[4] = "";
    bide_file *in, *out;
    (void)arg;
    cr_assert_done(pipe2(ends, O_CLOEXEC));
    cr_assert_ok(bide_file_adopt(&in, ends[0]));
    cr_assert_ok(bide_file_adopt(&out, ends[1]));
    cr_assert_eq(bide_file_fd(in), ends[0]);
    cr_assert_eq(bide_file_write(out, "abc", 3, SOON), 3);
    cr_assert_eq(bide_file_read(in, text, 3, SOON), 3);
    cr_assert_str_eq(text, "abc");
    cr_assert_gives(bide_file_seek(in, 0, BIDE_FROM_START, NULL, SOON), BIDE_ESPIPE);
    cr_assert_ok(bide_file_close(in, SOON));
    /* No signal. */
    cr_assert_gives(bide_file_write(out, "abc", 3, SOON), BIDE_EPIPE);
    cr_assert_ok(bide_file_close(out, SOON));
    cr_assert_gives(bide_file_adopt(&in, ends[0]), BIDE_EBADF);
    cr_assert_null(in);
    return 0;
}

Test(file, is_made_of_any_descriptor_and_raises_no_signal)
{
    everywhere(adopt);
}

static int refuse(void *arg)
{
    bide_file *file;
    bide_directory *directory;
    bide_file_status status;
    bide_file_io io;
    void *bytes;
    size_t length;
    (void)arg;
    cr_assert_gives(bide_file_open(NULL, "x", BIDE_FILE_READ, 0, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_file_open(&file, NULL, BIDE_FILE_READ, 0, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_file_open(&file, "x", 0, 0, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_file_open(&file, "x", 1u << 20 | BIDE_FILE_READ, 0, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_file_adopt(NULL, 0), BIDE_EINVAL);
    cr_assert_eq(bide_file_fd(NULL), BIDE_INVALID_FD);
    cr_assert_ok(bide_file_close(NULL, SOON));
    cr_assert_gives(bide_file_read(NULL, &io, 1, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_file_stat(NULL, &status, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_path_stat("/", NULL, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_path_stat(NULL, &status, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_path_rename("x", NULL, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_path_load("x", NULL, &length, 1, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_path_load("x", &bytes, NULL, 1, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_path_save("x", NULL, 1, 0, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_directory_open(NULL, "/", SOON), BIDE_EINVAL);
    cr_assert_gives(bide_directory_open(&directory, NULL, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_directory_read(NULL, NULL, SOON), BIDE_EINVAL);
    bide_directory_close(NULL);
    file = open_file("/dev/null", BIDE_FILE_READ);
    cr_assert_gives(bide_file_read(file, NULL, 1, SOON), BIDE_EINVAL);
    cr_assert_gives(bide_file_seek(file, 0, (bide_file_origin)3, NULL, SOON), BIDE_EINVAL);
    cr_assert_eq(bide_file_read(file, &io, 1, SOON), 0);
    cr_assert_ok(bide_file_close(file, SOON));
    bide_file_io_open(NULL, "x", BIDE_FILE_READ, 0);
    bide_file_io_close(NULL, NULL);
    bide_file_io_read(NULL, NULL, NULL, 0);
    bide_file_io_pread(NULL, NULL, NULL, 0, 0);
    bide_path_io_load(NULL, "x", 1);
    bide_directory_reading_init(NULL, NULL);
    return 0;
}

Test(file, bad_arguments_are_refused)
{
    everywhere(refuse);
}
