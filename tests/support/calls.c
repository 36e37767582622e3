/* Counting calls and making them fail: see syscalls.h. The calls come here from the wraps in syscalls.c, or
 * windows/calls.c.
 *
 * INVARIANTS
 *  1. Counters only grow between resets. The process's are atomics, since any thread may call.
 *  2. Of the calls while a fault is set, the nth to the (nth + burst - 1)th fail, whichever threads make them:
 *     each takes its number from one atomic counter.
 *  3. Nothing here allocates, locks or changes errno of a call that goes through.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/calls.h"
#include "support/check.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

/* Far more calls than any scenario makes: a scenario that never gets through ends here. */
#define MOST_RUNS 100000

static _Atomic unsigned long counts[BIDE_CALL_COUNT];
static _Thread_local unsigned long own_counts[BIDE_CALL_COUNT];
static _Thread_local unsigned paused;

static struct {
    _Atomic uint64_t kinds; /* 0: no fault is set; written last, read first */
    _Atomic unsigned long seen;
    _Atomic unsigned long failed;
    unsigned long first;
    unsigned long last;
    int error;
} fault;

static unsigned long run_number;

/* --- counting ---------------------------------------------------------------------------------------------- */

void bide_calls_reset(void)
{
    for (int kind = 0; kind < BIDE_CALL_COUNT; kind++) {
        atomic_store_explicit(&counts[kind], 0, memory_order_relaxed);
        own_counts[kind] = 0;
    }
}

unsigned long bide_calls_of(enum bide_call kind)
{
    return atomic_load_explicit(&counts[kind], memory_order_relaxed);
}

unsigned long bide_calls_thread_of(enum bide_call kind)
{
    return own_counts[kind];
}

/* With ThreadSanitizer each switch of fibers changes the mask of signals, for it: see src/task/sanitize.h. */
#ifdef BIDE_TEST_TSAN
#define IN_TOTAL (BIDE_CALLS_SYSTEM & ~BIDE_CALL_BIT(BIDE_CALL_SIGMASK))
#else
#define IN_TOTAL BIDE_CALLS_SYSTEM
#endif

static unsigned long total(unsigned long (*of)(enum bide_call))
{
    unsigned long sum = 0;
    for (int kind = 0; kind < BIDE_CALL_COUNT; kind++)
        if (IN_TOTAL & BIDE_CALL_BIT(kind)) sum += of((enum bide_call)kind);
    return sum;
}

unsigned long bide_calls_total(void)
{
    return total(bide_calls_of);
}

unsigned long bide_calls_thread_total(void)
{
    return total(bide_calls_thread_of);
}

void bide_calls_pause(void)
{
    paused++;
}

void bide_calls_resume(void)
{
    paused--;
}

const char *bide_calls_text(void)
{
    static const char *const words[] = {
#define WORD(name, word) word,
        BIDE_CALL_KINDS(WORD)
#undef WORD
    };
    static char text[1024];
    size_t length = 0;
    text[0] = '\0';
    for (int kind = 0; kind < BIDE_CALL_COUNT; kind++) {
        unsigned long count = bide_calls_of((enum bide_call)kind);
        if (count == 0 || length >= sizeof text) continue;
        int added =
            snprintf(text + length, sizeof text - length, "%s%s %lu", length ? ", " : "", words[kind], count);
        if (added > 0) length += (size_t)added;
    }
    return text;
}

/* --- failing ----------------------------------------------------------------------------------------------- */

void bide_fault_set(uint64_t kinds, unsigned long nth, unsigned long burst, int error)
{
    atomic_store(&fault.kinds, 0);
    atomic_store(&fault.seen, 0);
    atomic_store(&fault.failed, 0);
    fault.first = nth;
    fault.last = nth + burst - 1;
    fault.error = error;
    atomic_store(&fault.kinds, kinds);
}

unsigned long bide_fault_clear(void)
{
    atomic_store(&fault.kinds, 0);
    return atomic_load(&fault.failed);
}

unsigned long bide_fault_run(void)
{
    return run_number;
}

unsigned long bide_fault_each(void (*scenario)(void *arg), void *arg, uint64_t kinds, int error)
{
    for (run_number = 1; run_number <= MOST_RUNS; run_number++) {
        bide_fault_set(kinds, run_number, 1, error);
        scenario(arg);
        if (bide_fault_clear() == 0) break;
    }
    return run_number - 1;
}

/* Counts a call; returns the error number it must fail with, or 0. */
int bide_call_enter(enum bide_call kind)
{
    if (paused) return 0;
    atomic_fetch_add_explicit(&counts[kind], 1, memory_order_relaxed);
    own_counts[kind]++;
    if (!(atomic_load(&fault.kinds) & BIDE_CALL_BIT(kind))) return 0;
    unsigned long number = atomic_fetch_add(&fault.seen, 1) + 1;
    if (number < fault.first || number > fault.last) return 0;
    atomic_fetch_add(&fault.failed, 1);
    if (BIDE_CALLS_ALLOC & BIDE_CALL_BIT(kind)) return ENOMEM;
    return fault.error ? fault.error : bide_call_likely_error(kind);
}

bool bide_call_fails(enum bide_call kind)
{
    int error = bide_call_enter(kind);
    if (error) errno = error;
    return error != 0;
}
