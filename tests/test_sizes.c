/* What things take in memory: printed, and within the bounds that are promised.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "bide_test.h"

#include "reactor/source.h"
#include "timer/heap.h"

#include <bide.h>

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#define PRINT(type) cr_log_info("%-22s %4zu bytes", #type, sizeof(type))

static void expect_within(const char *what, size_t size, size_t limit)
{
    cr_log_info("%s: %zu bytes, at most %zu", what, size, limit);
    cr_assert_leq(size, limit, "%s takes %zu bytes, more than %zu", what, size, limit);
}

Test(sizes, of_sources_connections_and_timers)
{
    expect_within("a source", sizeof(struct bide_async), 128);
    expect_within("an idle connection", sizeof(struct bide_async) + sizeof(bide_io), 264);
    expect_within("a timer", sizeof(bide_timer), 96);
    PRINT(bide_batch);
    PRINT(bide_channel);
    PRINT(bide_context);
    PRINT(bide_event);
    PRINT(bide_event_waiting);
    PRINT(bide_io);
    PRINT(bide_joining);
    PRINT(bide_message);
    PRINT(bide_mutex);
    PRINT(bide_mutex_locking);
    PRINT(bide_racing);
    PRINT(bide_readiness);
    PRINT(bide_rwlock);
    PRINT(bide_semaphore);
    PRINT(bide_sending);
    PRINT(bide_set);
    PRINT(bide_set_member);
    PRINT(bide_connecting);
    PRINT(bide_incoming);
    PRINT(bide_timeout);
}

#if !defined(BIDE_TEST_ASAN) && !defined(BIDE_TEST_TSAN)

/* What the allocator has given out. */
static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* What the process has in memory. */
static size_t resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    cr_assert_not_null(file, "/proc/self/statm");
    unsigned long size, pages = 0;
    int found = fscanf(file, "%lu %lu", &size, &pages);
    (void)fclose(file);
    cr_assert_eq(found, 2, "%d numbers", found);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void fill_heap(struct bide_heap *heap, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        bide_heap_id id;
        bool earliest;
        int error = bide_heap_add(heap, bide_instant_from_ns(i * 7919 % count), heap, &id, &earliest);
        cr_assert_eq(error, 0, "%s", bide_error_name(error));
    }
}

/* Its tables grow to powers of two, less the id that is none: that many fill them. */
Test(sizes, of_a_timers_share_of_the_heap, .timeout = 60)
{
    enum { FULL = (1 << 20) - 1 };
    struct bide_heap heap = {0};
    size_t before = allocated();
    fill_heap(&heap, FULL);
    expect_within("a timer's share of full tables", (allocated() - before) / FULL, 45);
    bide_heap_clear(&heap);
    cr_assert_leq(allocated(), before + 4096, "%zu bytes are left", allocated() - before);
}

/* What lies unused in larger tables is never touched. */
Test(sizes, of_the_memory_that_a_million_timers_touch, .timeout = 60)
{
    enum { MILLION = 1000000 };
    struct bide_heap heap = {0};
    size_t before = resident();
    fill_heap(&heap, MILLION);
    expect_within("a timer's share of the memory in use", (resident() - before) / MILLION, 45);
    bide_heap_clear(&heap);
}

#endif
