/* What the tests of files share: a temporary folder for them, and scenarios that run on a thread and in tasks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_FILE_H
#define BIDE_TEST_FILE_H

#include "test_task.h"

#include <bide/file.h>

#define SOON bide_after(BIDE_SECONDS(30))

static char folder[64];

static inline void make_folder(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/bide-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder), "%s: %s", folder, strerror(errno));
}

/* Only a folder that is empty can be removed: a test that leaves a file behind fails here. */
static inline void remove_folder(void)
{
    cr_assert_done(rmdir(folder));
}

/* Where `name` is in the folder; so many at once. Not one thread's own: a task may go on on another one, while the
 * compiler holds on to where the first one's were. */
enum { PATHS = 256 };

static inline const char *in_folder(const char *name)
{
    static char paths[PATHS][sizeof folder + 300];
    static _Atomic unsigned next;
    char *path = paths[atomic_fetch_add(&next, 1) % PATHS];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* On a plain thread, then as the main task with 1, 2 and 8 workers. */
static inline void everywhere(bide_task_function scenario)
{
    make_folder();
    cr_assert_ok(scenario(NULL));
    WITH_WORKERS(scenario, NULL, 0);
    remove_folder();
}

#endif
