/* The example that hears of signals by kqueue(2); `process` is with the others of its kind in test_examples_more.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_examples_run.h"
#include "test_examples_signals.h"

TestSuite(examples, .timeout = 60);

#define SIGNALS_KQUEUE BIDE_EXAMPLES "/signals_kqueue"

Test(examples, signals_kqueue_hears_each_signal_beside_other_work)
{
    talk_by_signals(SIGNALS_KQUEUE);
}

Test(examples, signals_kqueue_works_on_until_it_is_stopped)
{
    stop_by_signal(SIGNALS_KQUEUE);
}

Test(examples, signals_kqueue_names_its_options_and_wrong_usage)
{
    struct run r;
    RUN(&r, SIGNALS_KQUEUE, "--help");
    assert_status(&r, 0);
    assert_has(r.out, "--period");
    assert_has(r.out, "SIGTERM");
    RUN(&r, SIGNALS_KQUEUE, "--period=0s");
    assert_status(&r, 2);
    assert_has(r.err, "--period: must be longer than nothing");
}
