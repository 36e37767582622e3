/* Sources of bide/os/kqueue.h: the ends of processes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_kqueue.h"

#include <sys/resource.h>

TestSuite(kqueue_process, .init = count_what_is_there, .fini = expect_no_more, .timeout = 60);

static void die_by_sigkill(void)
{
    (void)kill(getpid(), SIGKILL);
}

static void abort_without_a_core(void)
{
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    abort();
}

/* Until it is a zombie, which stays. */
static void await_zombie(pid_t id)
{
    siginfo_t info;
    cr_assert_done(waitid(P_PID, (id_t)id, &info, WEXITED | WNOWAIT));
}

static void assert_end(bide_kqueue *source, int status, bide_instant deadline)
{
    bide_kqueue_event event;
    cr_assert_ok(bide_kqueue_wait(source, &event, deadline));
    cr_assert_eq(event.status, status, "status %#x, not %#x", (unsigned)event.status, (unsigned)status);
    cr_assert_eq(event.count, 1);
    cr_assert_eq(event.number, 0);
}

Test(kqueue_process, the_end_of_a_child_is_told_with_its_status_which_stays_to_be_waited_for)
{
    static void (*const endings[])(void) = {exit_with_7, die_by_sigkill, abort_without_a_core};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        struct child child = start(endings[i]);
        bide_kqueue *source;
        bide_kqueue_event event;
        cr_assert_ok(bide_kqueue_process(&source, child.id));
        assert_quiet(source);
        let_go(&child);
        cr_assert_ok(bide_kqueue_wait(source, &event, bide_after(LONG)));
        const int status = reap(child.id);
        cr_assert_eq(event.status, status, "status %#x, not %#x", (unsigned)event.status, (unsigned)status);
        cr_assert_ok(bide_kqueue_free(source));
    }
}

/* Where cores are written to files and not handed to a program, this needs a folder for them. */
Test(kqueue_process, a_status_has_the_bit_of_a_core_if_there_is_one)
{
    char folder[] = "/tmp/bide-core-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    const pid_t id = fork();
    if (id == 0) {
        struct rlimit much = {RLIM_INFINITY, RLIM_INFINITY};
        (void)setrlimit(RLIMIT_CORE, &much);
        if (chdir(folder) != 0) _exit(1);
        (void)raise(SIGSTOP);
        abort();
    }
    int status;
    cr_assert_eq(waitpid(id, &status, WUNTRACED), id);
    bide_kqueue *source;
    bide_kqueue_event event;
    cr_assert_ok(bide_kqueue_process(&source, id));
    (void)kill(id, SIGCONT);
    cr_assert_ok(bide_kqueue_wait(source, &event, bide_after(LONG)));
    await_zombie(id);
    bide_kqueue *late;
    cr_assert_ok(bide_kqueue_process(&late, id));
    status = reap(id);
    cr_assert_eq(event.status, status, "status %#x, not %#x", (unsigned)event.status, (unsigned)status);
    assert_end(late, status, bide_after(LONG));
    cr_assert_ok(bide_kqueue_free(source));
    cr_assert_ok(bide_kqueue_free(late));
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
    if (!WCOREDUMP(status)) BIDE_SKIP("no core is written here");
}

Test(kqueue_process, a_child_that_has_ended_before_is_told_at_once)
{
    struct child child = start(exit_with_7);
    let_go(&child);
    await_zombie(child.id);
    bide_kqueue *source;
    cr_assert_ok(bide_kqueue_process(&source, child.id));
    assert_end(source, 7 << 8, bide_after(LONG));
    cr_assert_eq(reap(child.id), 7 << 8);
    cr_assert_ok(bide_kqueue_free(source));
}

Test(kqueue_process, the_end_is_told_to_all_who_wait_and_to_all_who_come_later)
{
    struct child child = start(exit_with_7);
    bide_kqueue *source;
    bide_kqueue_waiting waiting[3];
    struct counter counters[3] = {{0}};
    cr_assert_ok(bide_kqueue_process(&source, child.id));
    for (int i = 0; i < 3; i++) {
        bide_kqueue_waiting_init(&waiting[i], source);
        cr_assert_gives(poll_with(&waiting[i].future, counting(&counters[i])), BIDE_PENDING);
    }
    let_go(&child);
    for (int i = 0; i < 3; i++) {
        cr_assert_ok(bide_await(&waiting[i].future, bide_after(LONG)));
        cr_assert_ok(waiting[i].result);
        cr_assert_eq(waiting[i].event.status, 7 << 8);
    }
    cr_assert_eq(reap(child.id), 7 << 8);
    assert_end(source, 7 << 8, BIDE_NOW);
    assert_end(source, 7 << 8, bide_after(LONG));
    cr_assert_ok(bide_kqueue_free(source));
}

/* The event is gone before the driver has looked: the one who waits must hear of the end all the same. */
Test(kqueue_process, one_who_waits_hears_of_an_end_that_another_has_taken_from_the_kernel)
{
    struct child child = start(exit_with_7);
    bide_kqueue *source;
    bide_kqueue_waiting waiting;
    struct counter counter = {0};
    bide_reactor *reactor; /* driven below, and nowhere else */
    cr_assert_ok(bide_reactor_new(&reactor, NULL));
    bide_reactor *previous = bide_reactor_enter(reactor);
    cr_assert_ok(bide_kqueue_process(&source, child.id));
    bide_kqueue_waiting_init(&waiting, source);
    cr_assert_gives(poll_with(&waiting.future, counting(&counter)), BIDE_PENDING);
    let_go(&child);
    await_zombie(child.id);
    assert_end(source, 7 << 8, BIDE_NOW);
    while (atomic_load(&counter.wakes) == 0)
        cr_assert_geq(bide_reactor_run_once(reactor, bide_after(LONG)), 0);
    cr_assert_gives(poll_with(&waiting.future, counting(&counter)), BIDE_READY);
    cr_assert_ok(waiting.result);
    cr_assert_eq(reap(child.id), 7 << 8);
    cr_assert_ok(bide_kqueue_free(source));
    bide_reactor_leave(previous);
    cr_assert_ok(bide_reactor_free(reactor));
}

Test(kqueue_process, a_process_that_is_no_child_is_watched_too)
{
    /* The child tells the number of its own child, and ends only when that one has. */
    int numbers[2], leash[2];
    make_pipe(numbers);
    make_pipe(leash);
    const pid_t middle = fork();
    if (middle == 0) {
        const pid_t id = fork();
        char byte;
        (void)close(leash[1]);
        if (id == 0) {
            (void)!read(leash[0], &byte, 1);
            _exit(3);
        }
        (void)!write(numbers[1], &id, sizeof id);
        int status;
        (void)waitpid(id, &status, 0);
        _exit(0);
    }
    (void)close(leash[0]);
    pid_t id;
    cr_assert_eq(read(numbers[0], &id, sizeof id), (ssize_t)sizeof id);
    bide_kqueue *source;
    bide_kqueue_event event;
    cr_assert_ok(bide_kqueue_process(&source, id));
    assert_quiet(source);
    (void)close(leash[1]);
    cr_assert_ok(bide_kqueue_wait(source, &event, bide_after(LONG)));
    /* macOS does not tell a stranger's. */
    cr_assert(event.status == BIDE_KQUEUE_NO_STATUS || event.status == 3 << 8, "status %#x",
              (unsigned)event.status);
    cr_assert_eq(reap(middle), 0);
    cr_assert_ok(bide_kqueue_free(source));
    (void)close(numbers[0]);
    (void)close(numbers[1]);
}

Test(kqueue_process, one_that_is_not_there_is_not_found)
{
    struct child child = start(exit_with_7);
    let_go(&child);
    (void)reap(child.id);
    bide_kqueue *source;
    cr_assert_gives(bide_kqueue_process(&source, child.id), BIDE_ENOENT);
    cr_assert_null(source);
}

Test(kqueue_process, a_child_of_fork_cannot_wait_on_a_source_of_its_parents_and_frees_it)
{
    struct child child = start(exit_with_7);
    bide_kqueue *source;
    cr_assert_ok(bide_kqueue_process(&source, child.id));
    const pid_t forked = fork();
    if (forked == 0) {
        bide_kqueue_event event;
        if (bide_kqueue_wait(source, &event, BIDE_NEVER) != BIDE_EFORKED) _exit(1);
        if (bide_kqueue_free(source) != 0) _exit(2);
        _exit(0);
    }
    cr_assert_eq(reap(forked), 0);
    let_go(&child);
    assert_end(source, 7 << 8, bide_after(LONG));
    (void)reap(child.id);
    cr_assert_ok(bide_kqueue_free(source));
}

/* Its number may be another's there, such as the standard output's. */
Test(kqueue_process, a_child_of_fork_that_frees_a_source_closes_no_descriptor_of_its_own)
{
    bide_kqueue *source;
    const int next = dup(STDERR_FILENO);
    cr_assert_done(next);
    (void)close(next);
    cr_assert_ok(bide_kqueue_timer(&source, LONG, false)); /* the queue is `next` */
    const pid_t forked = fork();
    if (forked == 0) {
        if (dup2(STDERR_FILENO, next) != next) _exit(1);
        if (bide_kqueue_free(source) != 0) _exit(2);
        _exit(fcntl(next, F_GETFD) < 0 ? 3 : 0);
    }
    const int status = reap(forked);
    cr_assert_eq(status, 0, "status %#x", (unsigned)status);
    cr_assert_ok(bide_kqueue_free(source));
}
