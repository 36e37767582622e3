/* Stacks: their sizes and guards, what pools keep and give back, shortages, and who overflowed.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_stack.h"

#include "os/pages.h"
#include "task/context.h"
#include "task/stack.h"

#include <bide/error.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

TestSuite(stack, .timeout = 60);

/* --- tools ---------------------------------------------------------------------------------------------- */

static struct bide_stack_pool pool;
static struct bide_stack_cache cache;

static void open_pool(size_t size, size_t low, size_t high)
{
    cr_assert_eq(bide_stack_pool_init(&pool, size, low, high), 0);
    bide_stack_cache_init(&cache, &pool);
}

static void close_pool(void)
{
    bide_stack_cache_drain(&cache);
    bide_stack_pool_destroy(&pool);
    cr_assert_eq(mapped, 0, "%ld bytes still mapped", mapped);
}

static struct bide_stack *take(void)
{
    struct bide_stack *stack = NULL;
    int error = bide_stack_take(&cache, &stack);
    cr_assert_eq(error, 0, "%s", bide_error_name(error));
    return stack;
}

#define MANY 200

static struct bide_stack *many[MANY];

static void take_many(void)
{
    for (int i = 0; i < MANY; i++)
        many[i] = take();
}

static void give_many(void)
{
    for (int i = 0; i < MANY; i++)
        bide_stack_give(&cache, many[i]);
}

static sigjmp_buf after_fault;
static void *volatile fault_address;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    fault_address = info->si_addr;
    siglongjmp(after_fault, 1);
}

static void catch_faults(void (*handler)(int, siginfo_t *, void *))
{
    static char signal_stack[65536];
    stack_t other = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    cr_assert_eq(sigaltstack(&other, NULL), 0);
    cr_assert_eq(sigaction(SIGSEGV, &action, NULL), 0);
}

static bool write_faults(volatile char *address)
{
    if (sigsetjmp(after_fault, 1) == 0) {
        *address = 1;
        return false;
    }
    cr_assert_eq((void *)address, fault_address, "%p, fault at %p", (void *)address, fault_address);
    return true;
}

/* --- shape ---------------------------------------------------------------------------------------------- */

Test(stack, sizes_are_rounded_up_to_pages_and_to_the_least)
{
    size_t page = bide_os_page_size();
    static const struct {
        size_t asked, got;
    } cases[] = {{0, BIDE_STACK_SIZE},
                 {1, BIDE_STACK_LEAST},
                 {100000, 0},
                 {(size_t)1 << 20, (size_t)1 << 20}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t expected = cases[i].got ? cases[i].got : (cases[i].asked + page - 1) / page * page;
        open_pool(cases[i].asked, 0, 0);
        struct bide_stack *stack = take();
        cr_assert_eq(stack->size, expected, "%zu, expected %zu", stack->size, expected);
        cr_assert_eq((uintptr_t)stack->low % page, 0, "%p", (void *)stack->low);
        stack->low[0] = stack->low[stack->size - 1] = 1;
        bide_stack_give(&cache, stack);
        close_pool();
    }
}

Test(stack, sizes_and_marks_that_cannot_be_are_refused)
{
    cr_assert_eq(bide_stack_pool_init(&pool, SIZE_MAX, 0, 0), BIDE_EINVAL);
    cr_assert_eq(bide_stack_pool_init(&pool, 0, 2, 1), BIDE_EINVAL);
}

static void guards_fault(void)
{
    catch_faults(on_fault);
    open_pool(0, 0, 1000);
    take_many();
    for (int i = 0; i < MANY; i++) {
        char *low = many[i]->low;
        cr_assert(write_faults(low - 1), "the guard's last byte, stack %d", i);
        cr_assert(write_faults(low - BIDE_STACK_GUARD), "the guard's first byte, stack %d", i);
        cr_assert_not(write_faults(low), "the lowest byte, stack %d", i);
        cr_assert_not(write_faults(low + many[i]->size - 1), "the highest byte, stack %d", i);
    }
    give_many();
    close_pool();
}

Test(stack, has_a_guard_below_it)
{
    guards_fault();
}

Test(stack, has_a_guard_below_it_where_guards_split_mappings)
{
    guards_split = true;
    guards_fault();
}

/* --- who overflowed ------------------------------------------------------------------------------------- */

Test(stack, an_address_in_a_live_guard_names_its_stack)
{
    open_pool(0, 0, 1000);
    take_many();
    for (int i = 0; i < MANY; i++) {
        const char *low = many[i]->low;
        cr_assert_eq(bide_stack_guarding(low - 1), many[i]);
        cr_assert_eq(bide_stack_guarding(low - BIDE_STACK_GUARD), many[i]);
        cr_assert_null(bide_stack_guarding(low));
        cr_assert_null(bide_stack_guarding(low + many[i]->size - 1));
        cr_assert_neq(bide_stack_guarding(low - BIDE_STACK_GUARD - 1), many[i]);
    }
    int local = 0;
    cr_assert_null(bide_stack_guarding(&local));
    cr_assert_null(bide_stack_guarding(NULL));
    cr_assert_null(bide_stack_guarding((void *)UINTPTR_MAX));
    give_many();
    for (int i = 0; i < MANY; i++)
        cr_assert_null(bide_stack_guarding(many[i]->low - 1), "given back, %d", i);
    char *gone = many[0]->low - 1;
    close_pool();
    cr_assert_null(bide_stack_guarding(gone));
}

enum { FOUND = 42 };

static struct bide_stack *overflowing;

static void tell_overflow(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    _exit(bide_stack_guarding(info->si_addr) == overflowing ? FOUND : 1);
}

static volatile uint64_t depth;

static uint64_t overflow(uint64_t n)
{
    volatile char frame[4000];
    frame[0] = (char)n;
    depth = n;
    return depth == 0 ? (uint64_t)frame[0] : overflow(n + 1) + (uint64_t)frame[0];
}

static void overflow_in_fiber(void *arg)
{
    (void)arg;
    (void)overflow(1);
}

Test(stack, a_handler_tells_whose_overflow_it_was, .exit_code = FOUND)
{
    struct bide_fiber thread;
    struct bide_fiber fiber;
    catch_faults(tell_overflow);
    open_pool(0, 0, 1000);
    take_many();
    overflowing = many[77];
    bide_fiber_adopt(&thread);
    bide_fiber_make(&fiber, overflowing->low, overflowing->size, overflow_in_fiber, NULL, false);
    bide_fiber_switch(&thread, &fiber);
}

/* --- memory --------------------------------------------------------------------------------------------- */

Test(stack, tells_how_much_of_it_was_used)
{
    size_t page = bide_os_page_size();
    open_pool(0, 0, 1000);
    struct bide_stack *stack = take();
    cr_assert_eq(bide_stack_used(stack), 0, "%zu", bide_stack_used(stack));
    stack->low[stack->size - 1] = 1;
    cr_assert_eq(bide_stack_used(stack), page, "%zu", bide_stack_used(stack));
    stack->low[stack->size - 5 * page] = 1;
    cr_assert_eq(bide_stack_used(stack), 5 * page, "%zu", bide_stack_used(stack));
    stack->low[0] = 1;
    cr_assert_eq(bide_stack_used(stack), stack->size, "%zu", bide_stack_used(stack));
    bide_stack_give(&cache, stack);
    close_pool();
}

Test(stack, the_one_given_last_is_taken_first)
{
    open_pool(0, 0, 1000);
    struct bide_stack *first = take();
    struct bide_stack *second = take();
    bide_stack_give(&cache, first);
    bide_stack_give(&cache, second);
    cr_assert_eq(take(), second);
    cr_assert_eq(take(), first);
    bide_stack_give(&cache, first);
    bide_stack_give(&cache, second);
    close_pool();
}

static size_t with_memory(void)
{
    size_t count = 0;
    for (int i = 0; i < MANY; i++)
        count += bide_stack_used(many[i]) > 0;
    return count;
}

static void use_many(void)
{
    for (int i = 0; i < MANY; i++)
        many[i]->low[many[i]->size - 1] = 1;
}

Test(stack, memory_stays_up_to_the_high_mark)
{
    open_pool(0, 10, MANY);
    take_many();
    use_many();
    give_many();
    cr_assert_eq(discards, 0, "%d", discards);
    cr_assert_eq(with_memory(), MANY, "%zu", with_memory());
    close_pool();
}

Test(stack, memory_goes_down_to_the_low_mark_once_the_high_one_is_passed)
{
    open_pool(0, 40, 100);
    take_many();
    use_many();
    for (int i = 0; i < MANY; i++) {
        bide_stack_give(&cache, many[i]);
        cr_assert_leq(pool.warm_count, 100 + BIDE_STACK_BATCH, "%zu", pool.warm_count);
    }
    cr_assert_eq(pool.warm_count + pool.cold_count + cache.count, 256, "%zu and %zu", pool.warm_count,
                 pool.cold_count);
    /* Among the warm ones some were never used. */
    size_t left = with_memory();
    cr_assert_leq(left, pool.warm_count + cache.count, "%zu, %zu warm", left, pool.warm_count);
    cr_assert_leq(left, 100 + 2 * BIDE_STACK_BATCH, "%zu", left);
    cr_assert_gt(discards, 0);
    close_pool();
}

Test(stack, none_is_mapped_while_there_are_free_ones)
{
    open_pool(0, 1000, 1000);
    for (int round = 0; round < 5; round++) {
        take_many();
        give_many();
    }
    long chunks = (MANY + 63) / 64;
    long chunk = 64 * (long)(BIDE_STACK_SIZE + BIDE_STACK_GUARD);
    cr_assert_eq(mapped, chunks * chunk, "%ld, expected %ld", mapped, chunks * chunk);
    close_pool();
}

/* --- shortages ------------------------------------------------------------------------------------------ */

static void take_fails(void)
{
    struct bide_stack *stack = NULL;
    long before = mapped;
    int error = bide_stack_take(&cache, &stack);
    cr_assert_eq(error, BIDE_ENOMEM, "%s", bide_error_name(error));
    cr_assert_eq(mapped, before, "%ld bytes more mapped", mapped - before);
}

Test(stack, a_shortage_is_an_error_that_leaves_nothing_behind)
{
    open_pool(0, 0, 0);
    fail_alloc = 1;
    take_fails();
    fail_mmap = 1;
    take_fails();
    guards_split = true;
    for (int nth = 1; nth < 64; nth += 20) {
        fail_mprotect = nth;
        take_fails();
    }
    fail_mprotect = 0;
    bide_stack_give(&cache, take());
    close_pool();
}

Test(stack, the_limit_of_mappings_is_an_error_before_it_is_met)
{
    guards_split = true;
    map_limit = 1200;
    open_pool(0, 0, 1000);
    /* 8 chunks of 64 stacks with two mappings each are 1,024: with one more 150 of 1,200 would not be left. */
    static struct bide_stack *all[512];
    for (int i = 0; i < 512; i++)
        all[i] = take();
    take_fails();
    bide_stack_give(&cache, all[0]);
    cr_assert_eq(take(), all[0]);
    for (int i = 0; i < 512; i++)
        bide_stack_give(&cache, all[i]);
    close_pool();
    /* Unmapped ones do not count. */
    open_pool(0, 0, 1000);
    bide_stack_give(&cache, take());
    close_pool();
}

static int count_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    cr_assert_not_null(maps);
    int lines = 0;
    for (int c = fgetc(maps); c != EOF; c = fgetc(maps))
        lines += c == '\n';
    (void)fclose(maps);
    return lines;
}

#define CROWD 100000

Test(stack, a_hundred_thousand_need_few_mappings_where_guards_are_light)
{
    static struct bide_stack *crowd[CROWD];
    enum bide_os_guard how = BIDE_OS_GUARD_LIGHT;
    void *page;
    cr_assert_eq(bide_os_pages_map(&page, bide_os_page_size()), 0);
    cr_assert_eq(bide_os_pages_guard(page, bide_os_page_size(), &how), 0);
    bide_os_pages_unmap(page, bide_os_page_size());
    if (how != BIDE_OS_GUARD_LIGHT) BIDE_SKIP("the kernel has no light guards");

    open_pool(BIDE_STACK_LEAST, 0, 0);
    int before = count_mappings();
    for (int i = 0; i < CROWD; i++)
        crowd[i] = take();
    int more = count_mappings() - before;
    /* A chunk and, under the thread sanitizer, its shadow. */
    cr_assert_lt(more, CROWD / 20, "%d", more);
    for (int i = 0; i < CROWD; i++)
        bide_stack_give(&cache, crowd[i]);
    close_pool();
}

/* --- threads -------------------------------------------------------------------------------------------- */

#define TRADERS 4
#define DEALS 20000
#define SHELF 64

static struct bide_stack *_Atomic shelf[SHELF];

/* Puts stacks on a shelf and takes others', with caches of its own: a stack is always one thread's. */
static void *trade(void *arg)
{
    struct bide_stack_cache own;
    uint64_t random = (uintptr_t)arg;
    bide_stack_cache_init(&own, &pool);
    for (int i = 0; i < DEALS; i++) {
        struct bide_stack *stack = NULL;
        if (bide_stack_take(&own, &stack) != 0) return arg;
        char *top = stack->low + stack->size - 1;
        *top = (char)random;
        random = random * 6364136223846793005u + 1442695040888963407u;
        stack = atomic_exchange(&shelf[(random >> 33) % SHELF], stack);
        if (!stack) continue;
        stack->low[stack->size - 1] = 0;
        bide_stack_give(&own, stack);
    }
    bide_stack_cache_drain(&own);
    return NULL;
}

Test(stack, stacks_go_from_thread_to_thread)
{
    pthread_t threads[TRADERS];
    open_pool(BIDE_STACK_LEAST, 20, 40);
    for (uintptr_t i = 0; i < TRADERS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, trade, (void *)(i + 1)), 0);
    for (int i = 0; i < TRADERS; i++) {
        void *failed;
        cr_assert_eq(pthread_join(threads[i], &failed), 0);
        cr_assert_null(failed, "a take failed");
    }
    for (int i = 0; i < SHELF; i++)
        if (shelf[i]) bide_stack_give(&cache, shelf[i]);
    close_pool();
}
