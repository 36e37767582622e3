/* How much memory things take: printed, and bounded.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bide_test.h"

#include "reactor/source.h"
#include "timer/heap.h"

#include <bide.h>

#include <malloc.h>

static void expect_at_most(const char *what, size_t size, size_t limit)
{
    cr_log_info("%-32s %4zu bytes, %4zu at most", what, size, limit);
    cr_assert_leq(size, limit, "%s: %zu bytes, not %zu at most", what, size, limit);
}

Test(sizes, a_source_takes_at_most_192_bytes)
{
    expect_at_most("a source", sizeof(struct bide_async), 192);
}

Test(sizes, a_timer_takes_at_most_96_bytes)
{
    expect_at_most("a bide_timer", sizeof(bide_timer), 96);
}

Test(sizes, an_idle_connection_takes_at_most_320_bytes)
{
    expect_at_most("a source and a read that waits", sizeof(struct bide_async) + sizeof(bide_io), 320);
}

Test(sizes, a_timer_takes_at_most_48_bytes_of_heap_and_tables)
{
    /* All that there is room for, when it has grown last: one id stands for no timer. */
    enum { TIMERS = (1 << 20) - 1 };
    static struct bide_heap heap;
    static char owner;
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < TIMERS; i++) {
        bide_heap_id id;
        bool earliest;
        cr_assert_eq(bide_heap_add(&heap, bide_instant_from_ns(i), &owner, &id, &earliest), 0);
    }
    struct mallinfo2 after = mallinfo2();
    size_t bytes = (after.uordblks + after.hblkhd) - (before.uordblks + before.hblkhd);
    bide_heap_clear(&heap);
    if (bytes == 0) BIDE_SKIP("this allocator keeps no account that could be asked");
    cr_log_info("%d timers: %zu bytes of heap and tables", TIMERS, bytes);
    /* Whole pages and the allocator's own heads come on top, for all of them together. */
    expect_at_most("a timer's share", (bytes - 16384 + TIMERS - 1) / TIMERS, 48);
}
