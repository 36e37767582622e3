/* Values of tasks and threads: a table each, from the first set on.
 *
 * INVARIANTS
 * 1. A table is its task's or thread's alone, but before the task begins, when it is the spawner's.
 * 2. It is open-addressed: from a key's first place on there is no empty one before the key (Knuth, TAOCP 6.4,
 *    algorithm L). An entry without a value keeps its place until the table is made anew.
 * 3. At least one place is empty, so that every search ends.
 * 4. It is not made anew while it is passed on: `inherit` is called on the way through it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "task/local.h"

#include "future/context.h"
#include "task/task.h"

#include <bide/local.h>

#include <stdlib.h>

struct entry {
    const bide_local *key; /* NULL: empty */
    void *value;
};

struct bide_locals {
    size_t room; /* a power of two */
    size_t used; /* places with a key */
    bool passed_on;
    struct entry at[];
};

#define FIRST_ROOM 4

/* Where the caller's table is; NULL: a thread that has had none. */
static struct bide_locals **own(const struct bide_thread *thread)
{
    if (thread->awaiter) return &bide_task_of(thread->awaiter)->locals;
    return thread->end ? &thread->end->locals : NULL;
}

/* The key's entry, or the empty one where it would be. Fibonacci hashing (Knuth, TAOCP 6.4). */
static struct entry *find(struct bide_locals *locals, const bide_local *key)
{
    uint64_t hash = ((uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
    for (size_t i = (size_t)hash;; i++) {
        struct entry *entry = &locals->at[i & (locals->room - 1)];
        if (entry->key == key || !entry->key) return entry;
    }
}

static struct bide_locals *make(size_t room)
{
    struct bide_locals *locals = calloc(1, sizeof *locals + room * sizeof *locals->at);
    if (locals) locals->room = room;
    return locals;
}

static size_t count_values(const struct bide_locals *locals)
{
    size_t count = 0;
    for (size_t i = 0; locals && i < locals->room; i++)
        count += locals->at[i].value != NULL;
    return count;
}

/* Makes room for one more: at most half of the places are taken then. */
static bool grow(struct bide_locals **locals)
{
    size_t room = FIRST_ROOM;
    while (room < 2 * (count_values(*locals) + 1))
        room *= 2;
    struct bide_locals *grown = make(room);
    if (!grown) return false;
    for (size_t i = 0; *locals && i < (*locals)->room; i++) {
        const struct entry *entry = &(*locals)->at[i];
        if (!entry->value) continue;
        *find(grown, entry->key) = *entry;
        grown->used++;
    }
    free(*locals);
    *locals = grown;
    return true;
}

static int set(struct bide_locals **locals, const bide_local *key, void *value)
{
    struct entry *entry = *locals ? find(*locals, key) : NULL;
    if (entry && entry->key) {
        entry->value = value;
        return 0;
    }
    if (!value) return 0;
    bool full = !*locals || (*locals)->used + 1 >= (*locals)->room;
    if (full && *locals && (*locals)->passed_on) return BIDE_EDEADLK;
    if (full && !grow(locals)) return BIDE_ENOMEM;
    entry = find(*locals, key);
    entry->key = key;
    entry->value = value;
    (*locals)->used++;
    return 0;
}

void bide_locals_end(struct bide_locals **locals)
{
    /* The table may be made anew by a drop; what was passed over then is found in the next round. */
    for (bool found = true; found;) {
        found = false;
        for (size_t i = 0; *locals && i < (*locals)->room; i++) {
            struct entry *entry = &(*locals)->at[i];
            void *value = entry->value;
            if (!value) continue;
            found = true;
            entry->value = NULL;
            if (entry->key->drop) entry->key->drop(value);
        }
    }
    free(*locals);
    *locals = NULL;
}

/* Into the table of the new task; takes the value in any case. */
static int pass_on(const bide_local *key, void *value, struct bide_locals **inherited)
{
    int error = value ? set(inherited, key, value) : 0;
    if (error && key->drop) key->drop(value);
    return error;
}

int bide_locals_inherit(struct bide_locals *locals, struct bide_locals **inherited)
{
    int error = 0;
    /* An `inherit` may spawn, too. */
    bool passed_on = locals->passed_on;
    locals->passed_on = true;
    for (size_t i = 0; i < locals->room && !error; i++) {
        const struct entry *entry = &locals->at[i];
        if (!entry->value || !entry->key->inherit) continue;
        error = pass_on(entry->key, entry->key->inherit(entry->value), inherited);
    }
    locals->passed_on = passed_on;
    if (error) bide_locals_end(inherited);
    return error;
}

/* A thread that has values drops them at its end. */
static int watch_end(struct bide_thread *thread)
{
    int error = bide_thread_watch_end(thread);
    if (!error) thread->end->end_locals = bide_locals_end;
    return error;
}

int bide_local_set(const bide_local *key, void *value)
{
    if (!key) return BIDE_EINVAL;
    struct bide_thread *thread = bide_thread_self();
    int error = thread->awaiter ? 0 : watch_end(thread);
    return error ? error : set(own(thread), key, value);
}

void *bide_local_get(const bide_local *key)
{
    struct bide_locals **locals = own(bide_thread_self());
    return key && locals && *locals ? find(*locals, key)->value : NULL;
}
