/* Sources of bide/os/kqueue.h: signals, timers, files, and what holds of all of them. Processes are in
 * test_kqueue_process.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_kqueue.h"

#include "future/future.h"

#include <sys/stat.h>

TestSuite(kqueue, .init = count_what_is_there, .fini = expect_no_more, .timeout = 60);

/* --- all of them --- */

static void poke(int number)
{
    cr_assert_done(kill(getpid(), number));
}

/* One that hears SIGUSR1 and SIGUSR2, which are ignored. */
static bide_kqueue *hear_users(void)
{
    static const int numbers[] = {SIGUSR1, SIGUSR2};
    bide_kqueue *source;
    (void)signal(SIGUSR1, SIG_IGN);
    (void)signal(SIGUSR2, SIG_IGN);
    cr_assert_ok(bide_kqueue_signals(&source, numbers, 2));
    return source;
}

Test(kqueue, without_an_event_a_wait_ends_at_its_deadline)
{
    bide_kqueue *source = hear_users();
    bide_kqueue_event event;
    cr_assert_gives(bide_kqueue_wait(source, &event, BIDE_NOW), BIDE_EAGAIN);
    const bide_instant deadline = bide_after(SHORT);
    cr_assert_gives(bide_kqueue_wait(source, &event, deadline), BIDE_ETIMEDOUT);
    cr_assert_geq(bide_now().ns, deadline.ns);
    cr_assert_eq(event.number, 0, "signal %d", event.number);
    cr_assert_ok(bide_kqueue_free(source));
}

Test(kqueue, is_awaited_beside_other_futures)
{
    bide_kqueue *source = hear_users();
    bide_kqueue_waiting waiting;
    bide_timer timer;
    bide_future *both[] = {&waiting.future, &timer.future};
    bide_kqueue_waiting_init(&waiting, source);
    bide_timer_after(&timer, SHORT);
    cr_assert_gives(bide_race(both, 2), 1);
    cr_assert_gives(waiting.result, BIDE_ECANCELED);

    poke(SIGUSR1);
    bide_kqueue_waiting_init(&waiting, source);
    bide_timer_never(&timer);
    cr_assert_gives(bide_race(both, 2), 0);
    cr_assert_ok(waiting.result);
    cr_assert_eq(waiting.event.number, SIGUSR1, "signal %d", waiting.event.number);
    cr_assert_ok(bide_kqueue_free(source));
}

Test(kqueue, a_wait_that_is_cancelled_takes_no_event)
{
    bide_kqueue *source = hear_users();
    bide_kqueue_waiting waiting;
    struct counter counter = {0};
    bide_kqueue_waiting_init(&waiting, source);
    cr_assert_gives(poll_with(&waiting.future, counting(&counter)), BIDE_PENDING);
    poke(SIGUSR1);
    AWAIT(atomic_load(&counter.wakes) > 0);
    cr_assert_gives(bide_cancel(&waiting.future), BIDE_READY);
    cr_assert_gives(waiting.result, BIDE_ECANCELED);
    assert_signal(source, SIGUSR1, 1);
    cr_assert_ok(bide_kqueue_free(source));
}

Test(kqueue, of_two_who_wait_one_gets_an_event_and_the_other_waits_on)
{
    bide_kqueue *source = hear_users();
    bide_kqueue_waiting waiting[2];
    struct counter counters[2] = {{0}};
    for (int i = 0; i < 2; i++) {
        bide_kqueue_waiting_init(&waiting[i], source);
        cr_assert_gives(poll_with(&waiting[i].future, counting(&counters[i])), BIDE_PENDING);
    }
    poke(SIGUSR1);
    AWAIT(atomic_load(&counters[0].wakes) > 0 && atomic_load(&counters[1].wakes) > 0);
    cr_assert_gives(poll_with(&waiting[0].future, counting(&counters[0])), BIDE_READY);
    cr_assert_ok(waiting[0].result);
    cr_assert_gives(poll_with(&waiting[1].future, counting(&counters[1])), BIDE_PENDING);
    poke(SIGUSR2);
    cr_assert_ok(bide_await(&waiting[1].future, bide_after(LONG)));
    cr_assert_eq(waiting[1].event.number, SIGUSR2, "signal %d", waiting[1].event.number);
    cr_assert_ok(bide_kqueue_free(source));
}

Test(kqueue, freeing_wakes_who_waits_with_ecanceled_and_closes_the_queue)
{
    const int before = bide_test_fd_count();
    bide_kqueue *source = hear_users();
    bide_kqueue_waiting waiting;
    struct counter counter = {0};
    bide_kqueue_waiting_init(&waiting, source);
    cr_assert_gives(poll_with(&waiting.future, counting(&counter)), BIDE_PENDING);
    cr_assert_ok(bide_kqueue_free(source));
    AWAIT(atomic_load(&counter.wakes) > 0);
    cr_assert_gives(poll_with(&waiting.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(waiting.result, BIDE_ECANCELED);
    cr_assert_ok(bide_shutdown());
    const int after = bide_test_fd_count();
    cr_assert_eq(after, before, "%d descriptors before, %d after", before, after);
}

Test(kqueue, misuse_is_an_error_and_leaves_nothing_open)
{
    static const int numbers[] = {SIGUSR1, SIGKILL, 0};
    bide_kqueue *source;
    bide_kqueue_event event = {.number = 1};
    bide_kqueue_waiting waiting;
    const int before = bide_test_fd_count();
    const int closed = dup(STDERR_FILENO);
    cr_assert_done(closed);
    (void)close(closed);
    cr_assert_gives(bide_kqueue_signals(NULL, numbers, 1), BIDE_EINVAL);
    cr_assert_gives(bide_kqueue_signals(&source, NULL, 1), BIDE_EINVAL);
    cr_assert_gives(bide_kqueue_signals(&source, numbers, 0), BIDE_EINVAL);
    cr_assert_gives(bide_kqueue_signals(&source, numbers, 2), BIDE_EINVAL);
    cr_assert_gives(bide_kqueue_signals(&source, numbers + 2, 1), BIDE_EINVAL);
    cr_assert_null(source);
    cr_assert_gives(bide_kqueue_process(NULL, getpid()), BIDE_EINVAL);
    cr_assert_gives(bide_kqueue_process(&source, 0), BIDE_EINVAL);
    cr_assert_gives(bide_kqueue_process(&source, -1), BIDE_EINVAL);
    cr_assert_gives(bide_kqueue_timer(NULL, SHORT, false), BIDE_EINVAL);
    cr_assert_gives(bide_kqueue_timer(&source, 0, false), BIDE_EINVAL);
    cr_assert_gives(bide_kqueue_timer(&source, -1, true), BIDE_EINVAL);
    cr_assert_gives(bide_kqueue_file(NULL, STDIN_FILENO, BIDE_KQUEUE_WRITE), BIDE_EINVAL);
    cr_assert_gives(bide_kqueue_file(&source, STDIN_FILENO, 0), BIDE_EINVAL);
    cr_assert_gives(bide_kqueue_file(&source, STDIN_FILENO, 128 | BIDE_KQUEUE_WRITE), BIDE_EINVAL);
    cr_assert_gives(bide_kqueue_file(&source, -1, BIDE_KQUEUE_WRITE), BIDE_EBADF);
    cr_assert_gives(bide_kqueue_file(&source, closed, BIDE_KQUEUE_WRITE), BIDE_EBADF);
    cr_assert_null(source);
    cr_assert_gives(bide_kqueue_wait(NULL, &event, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_eq(event.number, 0);
    bide_kqueue_waiting_init(NULL, NULL);
    bide_kqueue_waiting_init(&waiting, NULL);
    cr_assert_ok(bide_block_on(&waiting.future));
    cr_assert_gives(waiting.result, BIDE_EINVAL);
    cr_assert_ok(bide_kqueue_free(NULL));
    cr_assert_ok(bide_shutdown());
    const int after = bide_test_fd_count();
    cr_assert_eq(after, before, "%d descriptors before, %d after", before, after);
}

Test(kqueue, a_dump_tells_what_a_source_is)
{
    bide_kqueue *sources[2];
    bide_kqueue_waiting waiting[2];
    char texts[2][64] = {"kqueue signals"};
    (void)snprintf(texts[1], sizeof texts[1], "kqueue process %ld", (long)getpid());
    sources[0] = hear_users();
    cr_assert_ok(bide_kqueue_process(&sources[1], getpid()));
    for (int i = 0; i < 2; i++) {
        struct counter counter = {0};
        char text[64];
        bide_kqueue_waiting_init(&waiting[i], sources[i]);
        cr_assert_gives(poll_with(&waiting[i].future, counting(&counter)), BIDE_PENDING);
        bide_future_describe(&waiting[i].future, text, sizeof text);
        cr_assert_str_eq(text, texts[i], "%s", text);
        cr_assert_gives(bide_cancel(&waiting[i].future), BIDE_READY);
        cr_assert_ok(bide_kqueue_free(sources[i]));
    }
}

/* Each system says EINVAL of EVFILT_WRITE there. */
Test(kqueue, another_queue_can_be_polled_and_is_never_writable)
{
    const int queue = kqueue();
    cr_assert_done(queue);
    bide_async *async;
    cr_assert_ok(bide_async_borrow(&async, queue));
    cr_assert_gives(bide_wait_readable(async, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_gives(bide_wait_writable(async, bide_after(SHORT)), BIDE_ETIMEDOUT);
    struct kevent change;
    EV_SET(&change, 7, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 1, 0);
    cr_assert_done(kevent(queue, &change, 1, NULL, 0, NULL));
    cr_assert_ok(bide_wait_readable(async, bide_after(LONG)));
    cr_assert_ok(bide_async_free(async));
    (void)close(queue);
}

/* --- signals --- */

Test(kqueue, a_signal_that_is_ignored_is_told)
{
    bide_kqueue *source = hear_users();
    poke(SIGUSR1);
    assert_signal(source, SIGUSR1, 1);
    assert_quiet(source);
    cr_assert_ok(bide_kqueue_free(source));
}

Test(kqueue, signals_of_one_number_are_one_event_with_their_count)
{
    bide_kqueue *source = hear_users();
    poke(SIGUSR2);
    poke(SIGUSR2);
    poke(SIGUSR2);
    assert_signal(source, SIGUSR2, 3);
    assert_quiet(source);
    cr_assert_ok(bide_kqueue_free(source));
}

Test(kqueue, each_number_is_an_event_of_its_own)
{
    bide_kqueue *source = hear_users();
    bide_kqueue_event events[2];
    poke(SIGUSR1);
    poke(SIGUSR2);
    for (int i = 0; i < 2; i++)
        cr_assert_ok(bide_kqueue_wait(source, &events[i], bide_after(LONG)));
    cr_assert_eq(events[0].number + events[1].number, SIGUSR1 + SIGUSR2);
    cr_assert_neq(events[0].number, events[1].number);
    assert_quiet(source);
    cr_assert_ok(bide_kqueue_free(source));
}

static volatile sig_atomic_t caught;

static void catch (int number)
{
    caught += number;
}

Test(kqueue, a_signal_that_is_caught_is_told_and_its_handler_runs)
{
    bide_kqueue *source = hear_users();
    struct sigaction action = {.sa_handler = catch}, before;
    cr_assert_done(sigaction(SIGUSR1, &action, &before));
    cr_assert(before.sa_handler == SIG_IGN);
    poke(SIGUSR1);
    cr_assert_eq(caught, SIGUSR1);
    assert_signal(source, SIGUSR1, 1);
    cr_assert_ok(bide_kqueue_free(source));
    poke(SIGUSR1);
    cr_assert_eq(caught, 2 * SIGUSR1);
}

Test(kqueue, a_signal_that_is_blocked_is_told)
{
    sigset_t one;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &one, NULL);
    bide_kqueue *source = hear_users();
    (void)signal(SIGUSR1, SIG_DFL);
    poke(SIGUSR1);
    assert_signal(source, SIGUSR1, 1);
    assert_quiet(source);
    cr_assert_ok(bide_kqueue_free(source));
}

Test(kqueue, two_sources_both_hear_a_signal)
{
    bide_kqueue *first = hear_users(), *second = hear_users();
    poke(SIGUSR1);
    assert_signal(first, SIGUSR1, 1);
    assert_signal(second, SIGUSR1, 1);
    cr_assert_ok(bide_kqueue_free(first));
    poke(SIGUSR1);
    assert_signal(second, SIGUSR1, 1);
    cr_assert_ok(bide_kqueue_free(second));
}

Test(kqueue, a_signal_whose_default_is_to_end_the_process_does_so)
{
    const pid_t child = fork();
    if (child == 0) {
        bide_kqueue *source;
        (void)signal(SIGTERM, SIG_DFL);
        if (bide_kqueue_signals(&source, (const int[]){SIGTERM}, 1) != 0) _exit(1);
        (void)kill(getpid(), SIGTERM);
        _exit(2);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "status %#x", (unsigned)status);
}

/* --- timers --- */

Test(kqueue, a_timer_fires_once_and_not_before_its_time)
{
    bide_kqueue *source;
    bide_kqueue_event event;
    const bide_instant start = bide_now();
    cr_assert_ok(bide_kqueue_timer(&source, SHORT, false));
    cr_assert_gives(bide_kqueue_wait(source, &event, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_ok(bide_kqueue_wait(source, &event, bide_after(LONG)));
    const bide_duration took = bide_instant_since(bide_now(), start);
    cr_assert_geq(took, SHORT, "after %lld ns", (long long)took);
    cr_assert_eq(event.count, 1);
    assert_quiet(source);
    cr_assert_ok(bide_kqueue_free(source));
}

Test(kqueue, a_timer_repeats_and_counts_what_was_missed)
{
    bide_kqueue *source;
    bide_kqueue_event event;
    const bide_instant start = bide_now();
    cr_assert_ok(bide_kqueue_timer(&source, BIDE_MILLISECONDS(2), true));
    uint64_t count = 0;
    for (int i = 0; i < 3; i++) {
        cr_assert_ok(bide_kqueue_wait(source, &event, bide_after(LONG)));
        count += event.count;
    }
    cr_assert_ok(bide_sleep(SHORT));
    cr_assert_ok(bide_kqueue_wait(source, &event, bide_after(LONG)));
    cr_assert_gt(event.count, 1);
    count += event.count;
    const bide_duration took = bide_instant_since(bide_now(), start);
    cr_assert_leq((bide_duration)count * BIDE_MILLISECONDS(2), took, "%u periods of 2 ms in %lld ns",
                  (unsigned)count, (long long)took);
    cr_assert_ok(bide_kqueue_free(source));
}

Test(kqueue, a_timer_of_a_nanosecond_fires)
{
    bide_kqueue *source;
    cr_assert_ok(bide_kqueue_timer(&source, 1, false));
    cr_assert_ok(bide_kqueue_wait(source, NULL, bide_after(LONG)));
    cr_assert_ok(bide_kqueue_free(source));
}

/* --- files --- */

enum { ALL = 2 * BIDE_KQUEUE_REVOKE - 1 };

static struct {
    char folder[32], file[64], other[64];
    int fd;
} files;

static void make_files(void)
{
    (void)snprintf(files.folder, sizeof files.folder, "/tmp/bide-kqueue-XXXXXX");
    cr_assert_not_null(mkdtemp(files.folder));
    (void)snprintf(files.file, sizeof files.file, "%s/file", files.folder);
    (void)snprintf(files.other, sizeof files.other, "%s/other", files.folder);
    files.fd = open(files.file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_done(files.fd);
}

static void remove_files(void)
{
    (void)close(files.fd);
    (void)unlink(files.file);
    (void)unlink(files.other);
    cr_assert_done(rmdir(files.folder));
}

/* The next event has those, and of these nothing; what else differs between systems. */
static void assert_changes(bide_kqueue *source, unsigned changes, unsigned none)
{
    bide_kqueue_event event;
    cr_assert_ok(bide_kqueue_wait(source, &event, bide_after(LONG)));
    cr_assert_eq(event.changes & (changes | none), changes, "%#x, not %#x", event.changes, changes);
}

Test(kqueue, writes_and_growth_of_a_file_are_told)
{
    make_files();
    bide_kqueue *source;
    cr_assert_ok(bide_kqueue_file(&source, files.fd, ALL));
    assert_quiet(source);
    cr_assert_eq(pwrite(files.fd, "grown", 5, 0), 5);
    assert_changes(source, BIDE_KQUEUE_WRITE | BIDE_KQUEUE_EXTEND, BIDE_KQUEUE_DELETE | BIDE_KQUEUE_LINK);
    cr_assert_eq(pwrite(files.fd, "again", 5, 0), 5);
    assert_changes(source, BIDE_KQUEUE_WRITE, BIDE_KQUEUE_EXTEND | BIDE_KQUEUE_DELETE);
    assert_quiet(source);
    cr_assert_ok(bide_kqueue_free(source));
    remove_files();
}

Test(kqueue, a_change_of_mode_is_one_of_attributes_and_no_deletion)
{
    make_files();
    bide_kqueue *source;
    cr_assert_ok(bide_kqueue_file(&source, files.fd, ALL));
    cr_assert_done(fchmod(files.fd, 0400));
    assert_changes(source, BIDE_KQUEUE_ATTRIB,
                   BIDE_KQUEUE_DELETE | BIDE_KQUEUE_LINK | BIDE_KQUEUE_WRITE | BIDE_KQUEUE_RENAME);
    cr_assert_ok(bide_kqueue_free(source));
    remove_files();
}

Test(kqueue, links_renames_and_deletion_are_told_apart)
{
    make_files();
    bide_kqueue *source;
    cr_assert_ok(bide_kqueue_file(&source, files.fd, ALL));
    cr_assert_done(link(files.file, files.other));
    assert_changes(source, BIDE_KQUEUE_LINK, BIDE_KQUEUE_DELETE | BIDE_KQUEUE_RENAME);
    cr_assert_done(unlink(files.other));
    bide_kqueue_event event;
    cr_assert_ok(bide_kqueue_wait(source, &event, bide_after(LONG)));
    cr_assert(event.changes & (BIDE_KQUEUE_LINK | BIDE_KQUEUE_DELETE), "%#x", event.changes);
    cr_assert_done(rename(files.file, files.other));
    assert_changes(source, BIDE_KQUEUE_RENAME, BIDE_KQUEUE_DELETE);
    cr_assert_done(unlink(files.other));
    assert_changes(source, BIDE_KQUEUE_DELETE, BIDE_KQUEUE_RENAME);
    cr_assert_ok(bide_kqueue_free(source));
    remove_files();
}

Test(kqueue, only_what_was_asked_for_is_told_of_a_file)
{
    make_files();
    bide_kqueue *source;
    cr_assert_ok(bide_kqueue_file(&source, files.fd, BIDE_KQUEUE_ATTRIB));
    cr_assert_eq(pwrite(files.fd, "text", 4, 0), 4);
    cr_assert_done(link(files.file, files.other));
    cr_assert_done(fchmod(files.fd, 0400));
    bide_kqueue_event event;
    cr_assert_ok(bide_kqueue_wait(source, &event, bide_after(LONG)));
    cr_assert_eq(event.changes, BIDE_KQUEUE_ATTRIB, "%#x", event.changes);
    cr_assert_ok(bide_kqueue_free(source));
    remove_files();
}

Test(kqueue, that_the_entries_of_a_folder_change_is_a_write_to_it)
{
    make_files();
    const int folder = open(files.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_done(folder);
    bide_kqueue *source;
    cr_assert_ok(bide_kqueue_file(&source, folder, BIDE_KQUEUE_WRITE));
    cr_assert_eq(pwrite(files.fd, "text", 4, 0), 4);
    assert_quiet(source);
    cr_assert_done(link(files.file, files.other));
    assert_changes(source, BIDE_KQUEUE_WRITE, 0);
    cr_assert_done(unlink(files.other));
    assert_changes(source, BIDE_KQUEUE_WRITE, 0);
    cr_assert_ok(bide_kqueue_free(source));
    (void)close(folder);
    remove_files();
}
