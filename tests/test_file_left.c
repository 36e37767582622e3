/* Operations on files that are left behind while their system call runs: nothing of the caller's is in use, no
 * descriptor is lost, and what was asked for is done.
 *
 * The calls stop at a gate (wrapped by the linker), so that each is left at a known place.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_file.h"

#include "pool/pool.h"

#include <dirent.h>
#include <semaphore.h>
#include <stdarg.h>
#include <sys/mman.h>

enum gated { NONE, OPEN, PREAD, PWRITE, READDIR, CLOSE };

static struct {
    _Atomic int shut; /* for which call; the first that comes stops, and takes it away */
    sem_t reached, open;
    _Atomic int close_error;
} gate;

static void shut_gate(enum gated call)
{
    cr_assert_done(sem_init(&gate.reached, 0, 0));
    cr_assert_done(sem_init(&gate.open, 0, 0));
    atomic_store(&gate.shut, (int)call);
}

static void pass(enum gated call)
{
    int expected = (int)call;
    if (!atomic_compare_exchange_strong(&gate.shut, &expected, NONE)) return;
    (void)sem_post(&gate.reached);
    while (sem_wait(&gate.open) != 0)
        continue;
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    pass(OPEN);
    return __real_open64(path, flags, mode);
}

ssize_t __real_pread64(int fd, void *data, size_t size, off64_t offset);
ssize_t __wrap_pread64(int fd, void *data, size_t size, off64_t offset);
ssize_t __wrap_pread64(int fd, void *data, size_t size, off64_t offset)
{
    pass(PREAD);
    return __real_pread64(fd, data, size, offset);
}

ssize_t __real_pwrite64(int fd, const void *data, size_t size, off64_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off64_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    pass(PWRITE);
    return __real_pwrite64(fd, data, size, offset);
}

struct dirent64 *__real_readdir64(DIR *stream);
struct dirent64 *__wrap_readdir64(DIR *stream);
struct dirent64 *__wrap_readdir64(DIR *stream)
{
    pass(READDIR);
    return __real_readdir64(stream);
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    pass(CLOSE);
    int result = __real_close(fd);
    int error = atomic_exchange(&gate.close_error, 0);
    if (!error) return result;
    errno = error;
    return -1;
}

TestSuite(file_left, .timeout = 60);

/* Until the thread that was left with a call has nothing to do any more. */
static void await_idle_pool(void)
{
    struct bide_pool_counts counts;
    do {
        bide_pool_counts_read(&counts);
        pause_briefly();
    } while (counts.idle < counts.threads || counts.queued > 0);
}

static void open_gate(void)
{
    cr_assert_done(sem_post(&gate.open));
    await_idle_pool();
}

/* Gives the future up at a deadline, once its call has reached the gate. */
static void leave_behind(bide_future *future)
{
    struct counter counter = {0};
    cr_assert_eq(poll_with(future, counting(&counter)), BIDE_PENDING);
    while (sem_wait(&gate.reached) != 0)
        continue;
    cr_assert_gives(bide_await(future, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
}

static int leave_a_read(void *arg)
{
    (void)arg;
    cr_assert_ok(bide_path_save(in_folder("f"), "secret", 6, 0644, SOON));
    bide_file *file;
    cr_assert_ok(bide_file_open(&file, in_folder("f"), BIDE_FILE_READ, 0, SOON));
    char *buffer = malloc(6);
    cr_assert_not_null(buffer);
    bide_file_io io;
    shut_gate(PREAD);
    bide_file_io_pread(&io, file, buffer, 6, 0);
    leave_behind(&io.future);
    cr_assert_gives(io.result, BIDE_ECANCELED);
    memset(buffer, 'x', 6);
    open_gate();
    cr_assert_eq(memcmp(buffer, "xxxxxx", 6), 0);
    /* The address sanitizer would tell of a use. */
    shut_gate(PREAD);
    bide_file_io_pread(&io, file, buffer, 6, 0);
    leave_behind(&io.future);
    free(buffer);
    open_gate();
    cr_assert_ok(bide_file_close(file, SOON));
    cr_assert_ok(bide_path_unlink(in_folder("f"), SOON));
    return 0;
}

Test(file_left, a_read_at_its_deadline_leaves_the_buffer_alone)
{
    everywhere(leave_a_read);
}

static int leave_a_write(void *arg)
{
    char text[] = "before", got[6];
    bide_file *file;
    (void)arg;
    cr_assert_ok(bide_file_open(&file, in_folder("f"), BIDE_FILE_READ | BIDE_FILE_WRITE | BIDE_FILE_CREATE,
                                0644, SOON));
    bide_file_io io;
    shut_gate(PWRITE);
    bide_file_io_pwrite(&io, file, text, 6, 0);
    leave_behind(&io.future);
    memcpy(text, "after!", 6);
    open_gate();
    cr_assert_eq(bide_file_pread(file, got, 6, 0, SOON), 6);
    cr_assert_eq(memcmp(got, "before", 6), 0);
    cr_assert_ok(bide_file_close(file, SOON));
    cr_assert_ok(bide_path_unlink(in_folder("f"), SOON));
    return 0;
}

Test(file_left, a_write_at_its_deadline_has_a_copy_of_what_it_writes)
{
    everywhere(leave_a_write);
}

static int leave_an_open(void *arg)
{
    bide_file *file;
    bide_directory *directory;
    (void)arg;
    cr_assert_ok(bide_path_save(in_folder("f"), "x", 1, 0644, SOON));
    await_idle_pool();
    int fds = bide_test_fd_count();
    bide_file_io io;
    shut_gate(OPEN);
    bide_file_io_open(&io, in_folder("f"), BIDE_FILE_READ, 0);
    leave_behind(&io.future);
    cr_assert_null(io.file);
    open_gate();
    cr_assert_eq(bide_test_fd_count(), fds);
    /* Each of these may end before it is given up. */
    for (int i = 0; i < 200; i++) {
        int error = bide_file_open(&file, in_folder("f"), BIDE_FILE_READ, 0, BIDE_NOW);
        cr_assert_eq(error, file ? 0 : BIDE_EAGAIN);
        (void)bide_file_close(file, BIDE_NOW);
        error = bide_directory_open(&directory, folder, bide_after(BIDE_MICROSECONDS(i)));
        cr_assert_eq(error, directory ? 0 : BIDE_ETIMEDOUT);
        bide_directory_close(directory);
    }
    await_idle_pool();
    cr_assert_eq(bide_test_fd_count(), fds);
    cr_assert_ok(bide_path_unlink(in_folder("f"), SOON));
    return 0;
}

Test(file_left, an_open_at_its_deadline_leaves_no_descriptor)
{
    everywhere(leave_an_open);
}

static int close_under_a_read(void *arg)
{
    char byte;
    bide_file *file;
    (void)arg;
    cr_assert_ok(bide_path_save(in_folder("f"), "x", 1, 0644, SOON));
    cr_assert_ok(bide_file_open(&file, in_folder("f"), BIDE_FILE_READ, 0, SOON));
    int fd = bide_file_fd(file);
    bide_file_io io;
    shut_gate(PREAD);
    bide_file_io_pread(&io, file, &byte, 1, 0);
    leave_behind(&io.future);
    cr_assert_ok(bide_file_close(file, SOON));
    /* The number is not given to another file while the read may still use it. */
    cr_assert_done(fcntl(fd, F_GETFD));
    open_gate();
    cr_assert_eq(fcntl(fd, F_GETFD), -1);
    cr_assert_ok(bide_path_unlink(in_folder("f"), SOON));
    return 0;
}

Test(file_left, a_descriptor_stays_open_until_a_read_that_was_left_has_ended)
{
    everywhere(close_under_a_read);
}

static int leave_a_close(void *arg)
{
    bide_file *file;
    (void)arg;
    cr_assert_ok(bide_path_save(in_folder("f"), "x", 1, 0644, SOON));
    cr_assert_ok(bide_file_open(&file, in_folder("f"), BIDE_FILE_READ, 0, SOON));
    int fd = bide_file_fd(file);
    bide_file_io io;
    shut_gate(CLOSE);
    bide_file_io_close(&io, file);
    leave_behind(&io.future);
    open_gate();
    cr_assert_eq(fcntl(fd, F_GETFD), -1);
    cr_assert_ok(bide_file_open(&file, in_folder("f"), BIDE_FILE_READ, 0, SOON));
    fd = bide_file_fd(file);
    atomic_store(&gate.close_error, EIO);
    cr_assert_gives(bide_file_close(file, SOON), BIDE_EIO);
    cr_assert_eq(fcntl(fd, F_GETFD), -1);
    cr_assert_ok(bide_path_unlink(in_folder("f"), SOON));
    return 0;
}

Test(file_left, a_close_closes_whatever_it_returns)
{
    everywhere(leave_a_close);
}

static int close_when_cancelled(void *arg)
{
    bide_file *file;
    cr_assert_ok(bide_file_open(&file, "/dev/null", BIDE_FILE_READ, 0, SOON));
    int fd = bide_file_fd(file);
    atomic_store((atomic_int *)arg, fd);
    cr_assert_gives(bide_sleep_until(BIDE_NEVER), BIDE_ECANCELED);
    char byte;
    cr_assert_gives(bide_file_read(file, &byte, 1, SOON), BIDE_ECANCELED);
    cr_assert_ok(bide_file_close(file, SOON));
    return fcntl(fd, F_GETFD) == -1 ? 0 : 1;
}

static int cancel_one_with_a_file(void *arg)
{
    atomic_int fd = -1;
    bide_task task;
    int value = 1;
    (void)arg;
    cr_assert_ok(bide_spawn(&task, close_when_cancelled, &fd, NULL));
    while (atomic_load(&fd) < 0)
        cr_assert_ok(bide_sleep(BIDE_MICROSECONDS(100)));
    cr_assert_ok(bide_task_cancel(task));
    cr_assert_ok(bide_task_join(task, &value, SOON));
    cr_assert_ok(value);
    return 0;
}

Test(file_left, a_task_that_is_cancelled_closes_its_file)
{
    WITH_WORKERS(cancel_one_with_a_file, NULL, 0);
}

static int leave_a_listing(void *arg)
{
    bide_directory *directory;
    bide_directory_entry entry;
    bide_directory_reading reading;
    (void)arg;
    cr_assert_ok(bide_path_save(in_folder("f"), "x", 1, 0644, SOON));
    await_idle_pool();
    int fds = bide_test_fd_count();
    cr_assert_ok(bide_directory_open(&directory, folder, SOON));
    shut_gate(READDIR);
    bide_directory_reading_init(&reading, directory);
    leave_behind(&reading.future);
    cr_assert_gives(bide_directory_read(directory, &entry, SOON), BIDE_EBUSY);
    open_gate();
    /* Nothing is lost. */
    cr_assert_ok(bide_directory_read(directory, &entry, SOON));
    cr_assert_str_eq(entry.name, "f");
    cr_assert_gives(bide_directory_read(directory, &entry, SOON), BIDE_END);
    bide_directory_close(directory);
    /* Closed while it is read. */
    cr_assert_ok(bide_directory_open(&directory, folder, SOON));
    shut_gate(READDIR);
    bide_directory_reading_init(&reading, directory);
    leave_behind(&reading.future);
    bide_directory_close(directory);
    open_gate();
    cr_assert_eq(bide_test_fd_count(), fds);
    cr_assert_ok(bide_path_unlink(in_folder("f"), SOON));
    return 0;
}

Test(file_left, a_listing_at_its_deadline_goes_on_later)
{
    everywhere(leave_a_listing);
}

/* With one thread that is busy: what has not begun never happens. */
static int cancel_what_waits(void *arg)
{
    char byte;
    bide_file *file;
    bide_file_io removing, reading;
    bide_file_status status;
    (void)arg;
    cr_assert_ok(bide_pool_set_limit(1));
    cr_assert_ok(bide_path_save(in_folder("f"), "x", 1, 0644, SOON));
    cr_assert_ok(bide_file_open(&file, in_folder("f"), BIDE_FILE_READ, 0, SOON));
    bide_file_io io;
    shut_gate(PREAD);
    bide_file_io_pread(&io, file, &byte, 1, 0);
    leave_behind(&io.future);
    bide_path_io_unlink(&removing, in_folder("f"));
    bide_file_io_read(&reading, file, &byte, 1);
    cr_assert_gives(bide_await(&removing.future, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    cr_assert_gives(removing.result, BIDE_ECANCELED);
    cr_assert_gives(bide_await(&reading.future, bide_after(BIDE_MILLISECONDS(1))), BIDE_ETIMEDOUT);
    open_gate();
    cr_assert_ok(bide_path_stat(in_folder("f"), &status, SOON));
    cr_assert_eq(bide_file_read(file, &byte, 1, SOON), 1);
    cr_assert_ok(bide_file_close(file, SOON));
    cr_assert_ok(bide_path_unlink(in_folder("f"), SOON));
    return 0;
}

Test(file_left, what_no_thread_has_begun_never_happens)
{
    everywhere(cancel_what_waits);
}
