/**
 * @file bide/local.h
 * @brief Values of a task's own: what thread-local variables are to threads.
 *
 * A key is a variable of yours; under it each task keeps a value. Thread-local variables of the language are of no
 * use in tasks, which go on on other threads.
 *
 * @code
 * static const bide_local request = {free, NULL};
 * …
 * bide_local_set(&request, strdup(id));         // in the task that serves it
 * …
 * const char *id = bide_local_get(&request);    // anywhere below
 * @endcode
 *
 * On a plain thread the values are the thread's; a thread and the tasks that run on it have theirs apart. The child
 * of a task that forks is plain code, and has not the task's.
 *
 * **The end.** When a task has ended, and all is done that it put off with bide_defer(), each value that is set is
 * taken away and given to the key's `drop`, in no order, until none is left; and when a thread ends that has any. The
 * main thread's are not dropped when the process ends.
 *
 * **Inheritance.** A task that is spawned begins without values, but for keys with `inherit`: that is called by who
 * spawns, with the value of the spawning task or thread, and gives the new task's.
 *
 * There is no limit to keys or values; a get costs a look into a small table. The functions touch what is the calling
 * task's alone, and do not wait.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_LOCAL_H
#define BIDE_LOCAL_H

#include <bide/base.h>
#include <bide/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A key: its address is what counts, so it must be the same object for all, and last. */
typedef struct bide_local {
    void (*drop)(
        void *value); /**< at the end; may wait under a shield, and set values. NULL: nothing is done */
    void *(*inherit)(
        void *
            value); /**< a spawned task's value, NULL for none; must not wait, nor set new keys of who spawns. NULL: it
                           has none */
} bide_local;

/**
 * @brief Sets the calling task's value, or the thread's. What was set before is the caller's: see bide_local_get().
 *
 * @param value NULL: none, which is so at first.
 * @return 0; BIDE_EINVAL (no key); BIDE_ENOMEM, BIDE_EDEADLK (in an `inherit`, if there is no room for a new key): as it
 *   was. A key that has had a value before finds room again.
 */
BIDE_API int bide_local_set(const bide_local *key, void *value);

/** @brief The calling task's value, or the thread's; NULL if there is none. */
BIDE_API void *bide_local_get(const bide_local *key);

#ifdef __cplusplus
}
#endif

#endif
