/* Pages of memory from the system: for stacks, which want guards and to be given back in part.
 *
 * Addresses and lengths are multiples of bide_os_page_size(). Nothing here changes errno.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_PAGES_H
#define BIDE_OS_PAGES_H

#include <stdbool.h>
#include <stddef.h>

size_t bide_os_page_size(void);

/* Maps pages that read as zero and take memory one by one as they are first written, without a promise that
 * there will be some; never as huge pages. Returns 0 and the lowest address, or BIDE_ENOMEM: no more
 * addresses, mappings (vm.max_map_count) or, where the system does not overcommit, memory. */
int bide_os_pages_map(void **pages, size_t length);

void bide_os_pages_unmap(void *pages, size_t length);

/* How guards are made. */
enum bide_os_guard {
    BIDE_OS_GUARD_LIGHT, /* in the page tables, within a mapping: MADV_GUARD_INSTALL, Linux 6.13 */
    BIDE_OS_GUARD_SPLIT  /* by protection: two mappings more each */
};

/* Whatever touches these pages of a mapping faults from now on. Tries the light way first, unless `how` says
 * already that it is not to be had, and tells how it was done. Returns 0 or BIDE_ENOMEM: too many mappings.
 * */
int bide_os_pages_guard(void *pages, size_t length, enum bide_os_guard *how);

/* Gives the memory back at once; the pages stay, and read as zero again. */
void bide_os_pages_discard(void *pages, size_t length);

/* How many bytes at the beginning were not written since they were mapped or discarded, as far as the system
 * can tell by pages: one that is swapped out counts as not written. One system call for 256 pages. */
size_t bide_os_pages_untouched(const void *pages, size_t length);

/* How many mappings the process may have; what most systems allow if it does not say. Reads a file. */
size_t bide_os_pages_map_limit(void);

#endif
