/* Sending files: by the system's own call and by copies, with deadlines, cuts and errors.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_inventory.h"

#include "support/syscalls.h"

#include <signal.h>
#include <sys/mman.h>

TestSuite(sendfile, .init = take_inventory, .timeout = 60);

#define SIZE ((size_t)3 << 20)

static unsigned char content[SIZE], received[SIZE + 1];

/* A file without a name. */
static int make_file(void)
{
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (unsigned char)(i % 251);
    int fd = memfd_create("content", MFD_CLOEXEC);
    cr_assert_done(fd);
    for (size_t done = 0; done < SIZE;) {
        ssize_t count = pwrite(fd, content + done, SIZE - done, (off_t)done);
        cr_assert_gt(count, 0, "%s", strerror(errno));
        done += (size_t)count;
    }
    return fd;
}

/* Makes sendfile refuse from here on, or not. */
static void refuse(bool on, int error)
{
    if (on)
        bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_SENDFILE), 1, 1000000, error);
    else
        (void)bide_fault_clear();
}

static bide_ssize call_read_exact(struct call *call)
{
    return bide_read_exact(call->async, call->buffer, call->length, call->deadline, NULL);
}

Test(sendfile, a_file_larger_than_the_sockets_buffers_arrives_whole_also_by_copies)
{
    int file = make_file();
    static const int refusals[] = {0, EINVAL, ENOSYS};
    for (enum channel kind = 0; kind < CHANNELS; kind++)
        for (int i = 0; i < 3; i++) {
            bide_async *ends[2];
            open_channel(kind, ends);
            struct call call = {.function = call_read_exact,
                                .async = ends[0],
                                .buffer = received,
                                .length = SIZE,
                                .deadline = BIDE_NEVER};
            memset(received, 0, sizeof received);
            call_start(&call);
            refuse(i > 0, refusals[i]);
            uint64_t done = 0;
            bide_calls_reset();
            cr_assert_ok(bide_sendfile(ends[1], file, 0, SIZE, bide_after(LONG), &done));
            cr_assert_eq(bide_calls_of(BIDE_CALL_PREAD) > 0, i > 0, "%s", bide_calls_text());
            /* Refused once, it is not asked again. */
            if (i > 0) cr_assert_eq(bide_calls_of(BIDE_CALL_SENDFILE), 1, "%s", bide_calls_text());
            refuse(false, 0);
            cr_assert_eq(done, SIZE, "%llu bytes", (unsigned long long)done);
            cr_assert_ok(call_join(&call));
            cr_assert_eq(memcmp(content, received, SIZE), 0, "%s: other bytes", channel_names[kind]);
            free_both(ends);
        }
    (void)close(file);
    expect_nothing_left(before);
}

Test(sendfile, a_part_of_a_file_is_sent_and_the_files_own_offset_stays)
{
    int file = make_file();
    cr_assert_done(lseek(file, 5, SEEK_SET));
    for (int copies = 0; copies < 2; copies++) {
        bide_async *ends[2];
        open_channel(UNIX, ends);
        uint64_t done = 7;
        refuse(copies, EINVAL);
        cr_assert_ok(bide_sendfile(ends[1], file, 1000, 500, bide_after(LONG), &done));
        cr_assert_eq(done, 500);
        cr_assert_ok(bide_sendfile(ends[1], file, SIZE - 100, BIDE_TO_THE_END, bide_after(LONG), &done));
        cr_assert_eq(done, 100);
        cr_assert_gives(bide_sendfile(ends[1], file, SIZE - 100, 200, bide_after(LONG), &done), BIDE_EEOF);
        cr_assert_eq(done, 100);
        cr_assert_ok(bide_sendfile(ends[1], file, SIZE + 1, BIDE_TO_THE_END, bide_after(LONG), &done));
        cr_assert_eq(done, 0);
        cr_assert_gives(bide_sendfile(ends[1], file, SIZE, 1, bide_after(LONG), NULL), BIDE_EEOF);
        refuse(false, 0);
        cr_assert_ok(bide_read_exact(ends[0], received, 700, bide_after(LONG), NULL));
        cr_assert_eq(memcmp(received, content + 1000, 500), 0, "other bytes");
        cr_assert_eq(memcmp(received + 500, content + SIZE - 100, 100), 0, "another end");
        cr_assert_eq(memcmp(received + 600, content + SIZE - 100, 100), 0, "another end");
        cr_assert_eq(lseek(file, 0, SEEK_CUR), 5, "the offset moved");
        free_both(ends);
    }
    (void)close(file);
    expect_nothing_left(before);
}

/* A file that the system makes up as it is read cannot be sent by sendfile(2) on many kernels. */
Test(sendfile, a_file_of_proc_is_sent_to_its_end)
{
    int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    cr_assert_done(file);
    bide_async *ends[2];
    open_channel(UNIX, ends);
    uint64_t done = 0;
    cr_assert_ok(bide_sendfile(ends[1], file, 0, BIDE_TO_THE_END, bide_after(LONG), &done));
    cr_assert_gt(done, 10);
    cr_assert_ok(bide_read_exact(ends[0], received, (size_t)done, bide_after(LONG), NULL));
    cr_assert_eq(memcmp(received, "Name:", 5), 0, "\"%.5s\"", (char *)received);
    free_both(ends);
    (void)close(file);
    expect_nothing_left(before);
}

Test(sendfile, what_was_sent_before_a_deadline_or_a_cancel_is_told_and_the_rest_can_follow)
{
    int file = make_file();
    for (int copies = 0; copies < 2; copies++) {
        bide_async *ends[2];
        uint64_t done = 0;
        open_channel(UNIX, ends);
        refuse(copies, EINVAL);
        bide_instant deadline = bide_after(SHORT);
        cr_assert_gives(bide_sendfile(ends[1], file, 0, SIZE, deadline, &done), BIDE_ETIMEDOUT);
        cr_assert_not(bide_before(bide_now(), deadline));
        cr_assert(done > 0 && done < SIZE, "%llu bytes", (unsigned long long)done);
        uint64_t more = 7;
        cr_assert_gives(bide_sendfile(ends[1], file, done, SIZE - done, BIDE_NOW, &more), BIDE_EAGAIN);
        cr_assert_eq(more, 0, "%llu bytes", (unsigned long long)more);

        struct counter counter = {0};
        bide_sending_file sending;
        bide_sending_file_init(&sending, ends[1], file, done, BIDE_TO_THE_END);
        cr_assert_gives(poll_with(&sending.future, counting(&counter)), BIDE_PENDING);
        cr_assert_gives(cancel_with(&sending.future, counting(&counter)), BIDE_READY);
        cr_assert_gives(sending.result, BIDE_ECANCELED);

        /* Reading and sending at once, by one thread. */
        bide_bulk bulk;
        bide_bulk_read(&bulk, ends[0], received, SIZE);
        bide_sending_file_init(&sending, ends[1], file, done, BIDE_TO_THE_END);
        bide_future *both[] = {&bulk.future, &sending.future};
        cr_assert_ok(bide_join(both, 2, bide_after(LONG)));
        cr_assert_ok(sending.result);
        cr_assert_eq(sending.done, SIZE - done, "%llu bytes", (unsigned long long)sending.done);
        cr_assert_ok(bulk.result);
        refuse(false, 0);
        cr_assert_eq(memcmp(content, received, SIZE), 0, "other bytes");
        free_both(ends);
    }
    (void)close(file);
    expect_nothing_left(before);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals = signals + 1;
}

Test(sendfile, a_broken_connection_is_an_error_and_raises_no_signal)
{
    int file = make_file();
    struct sigaction action = {.sa_handler = count_signal}, old;
    cr_assert_done(sigaction(SIGPIPE, &action, &old));
    for (enum channel kind = UNIX; kind <= PIPE; kind++)
        for (int copies = 0; copies < 2; copies++) {
            bide_async *ends[2];
            open_channel(kind, ends);
            cr_assert_ok(bide_async_free(ends[0]));
            refuse(copies, EINVAL);
            cr_assert_gives(bide_sendfile(ends[1], file, 0, SIZE, bide_after(LONG), NULL), BIDE_EPIPE);
            refuse(false, 0);
            cr_assert_ok(bide_async_free(ends[1]));
        }
    cr_assert_eq(signals, 0, "%d signals", (int)signals);
    sigset_t mask, pending;
    cr_assert_done(pthread_sigmask(SIG_BLOCK, NULL, &mask));
    cr_assert_not(sigismember(&mask, SIGPIPE), "the signal is blocked still");
    /* One that the program has sent to itself, and keeps blocked, stays pending. */
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGPIPE);
    cr_assert_done(pthread_sigmask(SIG_BLOCK, &mask, NULL));
    (void)raise(SIGPIPE);
    bide_async *ends[2];
    open_channel(UNIX, ends);
    cr_assert_ok(bide_async_free(ends[0]));
    cr_assert_gives(bide_sendfile(ends[1], file, 0, SIZE, bide_after(LONG), NULL), BIDE_EPIPE);
    cr_assert_ok(bide_async_free(ends[1]));
    cr_assert_done(sigpending(&pending));
    cr_assert(sigismember(&pending, SIGPIPE), "the program's own signal is gone");
    (void)close(file);
    expect_nothing_left(before);
}

Test(sendfile, wrong_files_and_arguments_are_told)
{
    int file = make_file(), ends[2], folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_done(folder);
    make_pipe(ends);
    bide_async *pair[2];
    open_channel(UNIX, pair);
    uint64_t done = 7;
    cr_assert_gives(bide_sendfile(NULL, file, 0, 1, BIDE_NEVER, &done), BIDE_EINVAL);
    cr_assert_eq(done, 0);
    cr_assert_gives(bide_sendfile(pair[1], -1, 0, 1, BIDE_NEVER, &done), BIDE_EBADF);
    cr_assert_gives(bide_sendfile(pair[1], folder, 0, 1, BIDE_NEVER, &done), BIDE_EISDIR);
    cr_assert_gives(bide_sendfile(pair[1], ends[0], 0, 1, BIDE_NEVER, &done), bide_error_from_system(ESPIPE));
    cr_assert_gives(bide_sendfile(pair[1], file, UINT64_MAX, 1, BIDE_NEVER, &done), BIDE_EINVAL);
    cr_assert_gives(bide_sendfile(pair[1], file, (uint64_t)INT64_MAX, 1, BIDE_NEVER, &done), BIDE_EINVAL);
    cr_assert_gives(bide_sendfile(pair[1], file, 1, INT64_MAX, BIDE_NEVER, &done), BIDE_EINVAL);
    cr_assert_ok(bide_sendfile(pair[1], file, (uint64_t)INT64_MAX, BIDE_TO_THE_END, BIDE_NEVER, &done));
    cr_assert_ok(bide_sendfile(pair[1], file, 0, 0, BIDE_NEVER, &done));
    bide_sending_file_init(NULL, pair[1], file, 0, 1);
    bide_sending_file sending;
    bide_sending_file_init(&sending, NULL, file, 0, 1);
    cr_assert_ok(bide_block_on(&sending.future));
    cr_assert_gives(sending.result, BIDE_EINVAL);

    /* One that blocks would wait past any deadline. */
    int blocking[2];
    bide_async *borrowed;
    make_socketpair(blocking, SOCK_STREAM);
    cr_assert_ok(bide_async_borrow(&borrowed, blocking[0]));
    cr_assert_gives(bide_sendfile(borrowed, file, 0, 1, BIDE_NEVER, &done), BIDE_EINVAL);
    cr_assert_ok(bide_async_free(borrowed));
    close_all(blocking, 2);

    free_both(pair);
    cr_assert_gives(bide_sendfile(pair[1], file, 0, 1, BIDE_NEVER, &done), BIDE_EFREED);
    cr_assert_gives(bide_sendfile(pair[1], file, 0, 0, BIDE_NEVER, &done), BIDE_EFREED);
    close_all(ends, 2);
    (void)close(folder);
    (void)close(file);
    expect_nothing_left(before);
}

Test(sendfile, errors_of_the_file_are_told_and_interruptions_are_not)
{
    int file = make_file();
    bide_async *ends[2];
    uint64_t done;
    open_channel(UNIX, ends);
    bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_SENDFILE), 1, 1, EIO);
    cr_assert_gives(bide_sendfile(ends[1], file, 0, 10, BIDE_NEVER, &done), BIDE_EIO);
    cr_assert_eq(done, 0);
    bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_SENDFILE), 1, 5, EINTR);
    cr_assert_ok(bide_sendfile(ends[1], file, 0, 10, BIDE_NEVER, &done));
    cr_assert_eq(bide_fault_clear(), 5);
    bide_fault_set(BIDE_CALL_BIT(BIDE_CALL_SENDFILE) | BIDE_CALL_BIT(BIDE_CALL_PREAD), 1, 2, EINVAL);
    cr_assert_gives(bide_sendfile(ends[1], file, 0, 10, BIDE_NEVER, &done), BIDE_EINVAL);
    cr_assert_eq(bide_fault_clear(), 2);
    free_both(ends);
    (void)close(file);
    expect_nothing_left(before);
}
