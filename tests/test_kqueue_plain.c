/* Sources of bide/os/kqueue.h where timers count milliseconds alone (DragonFly, OpenBSD of old): the system layer's file
 * is built once more here, without the constant, and stands in for the library's.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_kqueue.h"

#undef NOTE_NSECONDS
#include "os/watch_kqueue.c"

TestSuite(kqueue_plain, .init = count_what_is_there, .fini = expect_no_more, .timeout = 60);

Test(kqueue_plain, a_timer_is_rounded_up_to_milliseconds_and_never_early)
{
    static const bide_duration periods[] = {1, BIDE_MICROSECONDS(1001), BIDE_MILLISECONDS(3)};
    static const bide_duration rounded[] = {BIDE_MILLISECONDS(1), BIDE_MILLISECONDS(2), BIDE_MILLISECONDS(3)};
    for (size_t i = 0; i < sizeof periods / sizeof *periods; i++) {
        bide_kqueue *source;
        const bide_instant start = bide_now();
        cr_assert_ok(bide_kqueue_timer(&source, periods[i], false));
        cr_assert_ok(bide_kqueue_wait(source, NULL, bide_after(LONG)));
        const bide_duration took = bide_instant_since(bide_now(), start);
        cr_assert_geq(took, rounded[i], "%lld ns: after %lld ns", (long long)periods[i], (long long)took);
        cr_assert_ok(bide_kqueue_free(source));
    }
}

Test(kqueue_plain, the_end_of_a_child_is_told_there_too)
{
    const pid_t id = fork();
    if (id == 0) _exit(7);
    bide_kqueue *source;
    bide_kqueue_event event;
    cr_assert_ok(bide_kqueue_process(&source, id));
    cr_assert_ok(bide_kqueue_wait(source, &event, bide_after(LONG)));
    cr_assert_eq(event.status, 7 << 8, "status %#x", (unsigned)event.status);
    cr_assert_eq(waitpid(id, NULL, 0), id);
    cr_assert_ok(bide_kqueue_free(source));
}
