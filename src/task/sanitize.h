/* What sanitizers and Valgrind want to know of fibers. Without them all of this is nothing.
 *
 *   AddressSanitizer  which stack is current, and the fake stack of each (detect_stack_use_after_return)
 *   ThreadSanitizer   which fiber is current: each has a history of its own, and a switch orders what comes
 *                     before it and after it, as it does on one thread. It has room for some 8,000.
 *   Valgrind          which memory is a stack, so that it takes a switch for no giant frame; asked for by a
 *                     few instructions at each bide_fiber_make where valgrind.h was there at build time
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TASK_SANITIZE_H
#define BIDE_TASK_SANITIZE_H

#include "os/sanitize.h"

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define BIDE_SANITIZE_ADDRESS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BIDE_SANITIZE_ADDRESS 1
#endif
#endif
#if defined(__has_include) && !defined(NVALGRIND)
#if __has_include(<valgrind/valgrind.h>)
#define BIDE_SANITIZE_VALGRIND 1
#endif
#endif

#ifdef BIDE_SANITIZE_ADDRESS
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define BIDE_SANITIZE_ADDRESS_DO(...) __VA_ARGS__
#else
#define BIDE_SANITIZE_ADDRESS_DO(...)
#endif
#ifdef BIDE_SANITIZE_THREAD
#include <sanitizer/tsan_interface.h>
#define BIDE_SANITIZE_THREAD_DO(...) __VA_ARGS__
#else
#define BIDE_SANITIZE_THREAD_DO(...)
#endif
#ifdef BIDE_SANITIZE_VALGRIND
#include <valgrind/valgrind.h>
#define BIDE_SANITIZE_VALGRIND_DO(...) __VA_ARGS__
#else
#define BIDE_SANITIZE_VALGRIND_DO(...)
#endif

/* A part of each fiber. */
struct bide_sanitize {
    unsigned stack_id; /* Valgrind's */
#ifdef BIDE_SANITIZE_ADDRESS
    void *fake;                     /* while it does not run */
    const void *bottom;             /* of its stack; of an adopted one known once it was left */
    size_t size;                    /* of its stack */
    bool made;                      /* by bide_fiber_make */
    struct bide_sanitize *previous; /* who switched to it last */
#endif
#ifdef BIDE_SANITIZE_THREAD
    void *fiber;
    bool own; /* whether the sanitizer's fiber is ours to destroy */
#endif
};

/* Around a switch: a noted signal is its fiber's, which may rest or end. See os/sanitize.h. */
void bide_sanitize_block_signals(void);
void bide_sanitize_unblock_signals(void);

static inline void bide_sanitize_make(struct bide_sanitize *self, void *stack, size_t size)
{
    self->stack_id = 0;
    (void)stack;
    (void)size;
    BIDE_SANITIZE_ADDRESS_DO(self->fake = NULL; self->bottom = stack; self->size = size; self->made = true;
                             self->previous = NULL;)
    BIDE_SANITIZE_THREAD_DO(self->fiber = __tsan_create_fiber(0); self->own = true;)
    BIDE_SANITIZE_VALGRIND_DO(self->stack_id = VALGRIND_STACK_REGISTER(stack, (char *)stack + size);)
}

static inline void bide_sanitize_adopt(struct bide_sanitize *self)
{
    self->stack_id = 0;
    BIDE_SANITIZE_ADDRESS_DO(self->fake = NULL; self->bottom = NULL; self->size = 0; self->made = false;
                             self->previous = NULL;)
    BIDE_SANITIZE_THREAD_DO(self->fiber = __tsan_get_current_fiber(); self->own = false;
                            bide_os_sanitize_handle_signals();)
}

/* The frames that were left when the fiber ended have left their marks on the stack. */
static inline void bide_sanitize_retire(struct bide_sanitize *self)
{
    (void)self;
    BIDE_SANITIZE_ADDRESS_DO(if (self->made) __asan_unpoison_memory_region(self->bottom, self->size);)
    BIDE_SANITIZE_THREAD_DO(if (self->own) __tsan_destroy_fiber(self->fiber);)
    BIDE_SANITIZE_VALGRIND_DO(if (self->stack_id != 0) VALGRIND_STACK_DEREGISTER(self->stack_id);)
}

/* Right before the switch. `last`: `from` will not be switched to any more. */
static inline void bide_sanitize_leave(struct bide_sanitize *from, struct bide_sanitize *to, bool last)
{
    (void)from;
    (void)to;
    (void)last;
    BIDE_SANITIZE_ADDRESS_DO(to->previous = from;
                             __sanitizer_start_switch_fiber(last ? NULL : &from->fake, to->bottom, to->size);)
    BIDE_SANITIZE_THREAD_DO(bide_sanitize_block_signals(); __tsan_switch_to_fiber(to->fiber, 0);)
}

/* Right after it, in `self`. */
static inline void bide_sanitize_arrive(struct bide_sanitize *self)
{
    (void)self;
    BIDE_SANITIZE_ADDRESS_DO(
        __sanitizer_finish_switch_fiber(self->fake, &self->previous->bottom, &self->previous->size);)
    BIDE_SANITIZE_THREAD_DO(bide_sanitize_unblock_signals();)
}

#endif
