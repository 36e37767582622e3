/* The notifier: a poller that others use while its owner takes it away.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_future.h"

#include "future/context.h"

TestSuite(notifier, .timeout = 60);

static struct bide_notifier notifier;

static void withdraw(struct worker *worker)
{
    worker->arg = bide_notifier_withdraw(&notifier);
}

Test(notifier, is_withdrawn_when_nobody_uses_the_poller_and_sleeps_until_then)
{
    bide_poller *poller;
    cr_assert_ok(bide_poller_new(&poller, NULL));
    for (int users = 0; users <= 3; users++) {
        atomic_store(&notifier.poller, poller);
        for (int i = 0; i < users; i++)
            cr_assert_eq(bide_notifier_pin(&notifier), poller, "another poller");
        struct worker worker;
        worker_start(&worker, withdraw, NULL);
        await_asleep(&worker);
        AWAIT(!atomic_load(&notifier.poller));
        /* Those who come late find none, and leave the sleeper to the others. */
        cr_assert_null(bide_notifier_pin(&notifier), "taken away, and still there");
        bide_notifier_notify(&notifier);
        bide_notifier_unpin(&notifier);
        for (int i = 0; i < users; i++) {
            cr_assert(!worker.done, "withdrawn under %d users", users - i);
            bide_notifier_unpin(&notifier);
        }
        (void)worker_join(&worker);
        cr_assert_eq(worker.arg, poller, "another poller");
        cr_assert_eq(notifier.pins, 0, "%u pins", (unsigned)notifier.pins);
    }
    bide_poller_free(poller);
}
