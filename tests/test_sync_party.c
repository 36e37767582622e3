/* Who it is that holds something, while the one that held it ends.
 *
 * A thread's record may be made when it is first asked for, and have the address of one that has ended meanwhile.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE

#include "test_async.h"

#include <bide/barrier.h>
#include <bide/rwlock.h>

#include "future/thread.h"
#include "sync/mutex.h"

TestSuite(sync_party, .timeout = 30);

static uintptr_t *held; /* what is left as soon as somebody asks who it is; NULL: nothing */

struct bide_thread *__real_bide_thread_self(void);
struct bide_thread *__wrap_bide_thread_self(void);

struct bide_thread *__wrap_bide_thread_self(void)
{
    if (held) *held = 0;
    held = NULL;
    return __real_bide_thread_self();
}

/* It is this thread's address that stands there, but it was another one's, which lets go of it in time. */
static void is_left_when_asked(uintptr_t *word)
{
    cr_assert_eq(*word, (uintptr_t)__real_bide_thread_self());
    held = word;
}

Test(sync_party, a_once_is_not_its_own_for_having_the_address_of_one_that_ran_it)
{
    bide_once once = BIDE_ONCE_INIT;
    cr_assert_gives(bide_once_enter(&once, BIDE_NEVER), BIDE_ONCE_RUN);
    uintptr_t owner = once.owner_;
    is_left_when_asked(&once.owner_);
    cr_assert_gives(bide_once_enter(&once, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_null(held);
    once.owner_ = owner;
    is_left_when_asked(&once.owner_);
    cr_assert_gives(bide_once_leave(&once, true), BIDE_EPERM);
    cr_assert_null(held);
}

Test(sync_party, a_lock_for_writing_is_not_its_own_for_having_the_address_of_one_that_held_it)
{
    bide_rwlock rwlock = BIDE_RWLOCK_INIT;
    cr_assert_ok(bide_rwlock_lock_write(&rwlock, BIDE_NEVER));
    uintptr_t owner = rwlock.owner_;
    is_left_when_asked(&rwlock.owner_);
    cr_assert_gives(bide_rwlock_lock_write(&rwlock, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_null(held);
    rwlock.owner_ = owner;
    is_left_when_asked(&rwlock.owner_);
    cr_assert_gives(bide_rwlock_unlock_write(&rwlock), BIDE_EPERM);
    cr_assert_null(held);
}

Test(sync_party, a_mutex_is_not_its_own_for_having_the_address_of_one_that_held_it)
{
    bide_mutex mutex = BIDE_MUTEX_INIT;
    cr_assert_ok(bide_mutex_lock(&mutex, BIDE_NEVER));
    is_left_when_asked(&mutex.word_);
    cr_assert_not(bide_mutex_is_mine(&mutex));
    cr_assert_null(held);
}
