/* The system under stacks, as tests want it: fails in its turn, counts, and is like an older one. For programs that are
 * linked with wraps of these calls (BIDE_STACK_WRAPS in CMakeLists.txt).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_STACK_H
#define BIDE_TEST_STACK_H

#include "bide_test.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

static int fail_mmap;       /* the n-th call from now on fails; 0: none */
static int fail_mprotect;   /* the same */
static int fail_alloc;      /* the same */
static bool guards_split;   /* as before Linux 6.13 */
static size_t map_limit;    /* 0: the system's */
static _Atomic long mapped; /* bytes */
static _Atomic int discards;

static bool fails(int *countdown)
{
    return *countdown > 0 && --*countdown == 0;
}

void *__real_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    if (fails(&fail_mmap)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    mapped += (long)length;
    return __real_mmap(address, length, protection, flags, fd, offset);
}

int __real_munmap(void *address, size_t length);
int __wrap_munmap(void *address, size_t length);
int __wrap_munmap(void *address, size_t length)
{
    mapped -= (long)length;
    return __real_munmap(address, length);
}

int __real_madvise(void *address, size_t length, int advice);
int __wrap_madvise(void *address, size_t length, int advice);
int __wrap_madvise(void *address, size_t length, int advice)
{
    if (advice == MADV_DONTNEED) discards++;
    if (advice == 102 && guards_split) {
        errno = EINVAL;
        return -1;
    }
    return __real_madvise(address, length, advice);
}

int __real_mprotect(void *address, size_t length, int protection);
int __wrap_mprotect(void *address, size_t length, int protection);
int __wrap_mprotect(void *address, size_t length, int protection)
{
    if (fails(&fail_mprotect)) {
        errno = ENOMEM;
        return -1;
    }
    return __real_mprotect(address, length, protection);
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails(&fail_alloc) ? NULL : __real_aligned_alloc(alignment, size);
}

size_t __real_bide_os_pages_map_limit(void);
size_t __wrap_bide_os_pages_map_limit(void);
size_t __wrap_bide_os_pages_map_limit(void)
{
    return map_limit > 0 ? map_limit : __real_bide_os_pages_map_limit();
}

#endif
