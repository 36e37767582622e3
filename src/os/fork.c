/* Handlers of fork(2): see fork.h.
 *
 * One registration with pthread_atfork serves all layers, whose tables are kept in a small array: the order
 * is ours then, and registering another layer cannot fail.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/fork.h"

#include "os/assert.h"
#include "os/mutex.h"

#include <bide/error.h>

#include <pthread.h>

uint32_t bide_os_forks;

/* The layers that keep locks: future, reactor, pool, and room for more. */
#define MOST_LAYERS 8

static bide_os_mutex lock; /* guards the table; held during each fork */
static const struct bide_os_fork_handlers *layers[MOST_LAYERS];
static unsigned layer_count;

/* Not under the lock: the C library may hold one of its own around both pthread_atfork and the handlers. */
static _Atomic unsigned registered;

static void prepare(void)
{
    bide_os_mutex_lock(&lock);
    for (unsigned i = layer_count; i > 0; i--)
        layers[i - 1]->prepare();
}

static void parent(void)
{
    for (unsigned i = 0; i < layer_count; i++)
        layers[i]->parent();
    bide_os_mutex_unlock(&lock);
}

static void child(void)
{
    bide_os_forks++;
    bide_os_futex_forked();
    for (unsigned i = 0; i < layer_count; i++)
        layers[i]->child();
    bide_os_mutex_unlock(&lock);
}

int bide_os_at_fork(const struct bide_os_fork_handlers *handlers, _Atomic bool *done)
{
    if (atomic_load(done)) return 0;
    if (atomic_exchange(&registered, 1) == 0 && pthread_atfork(prepare, parent, child) != 0) {
        atomic_store(&registered, 0);
        return BIDE_ENOMEM;
    }
    bide_os_mutex_lock(&lock);
    if (!atomic_load(done)) {
        atomic_store(done, true);
        BIDE_ASSERT(layer_count < MOST_LAYERS);
        layers[layer_count++] = handlers;
    }
    bide_os_mutex_unlock(&lock);
    return 0;
}
