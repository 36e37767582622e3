/* mmap(2), as far as POSIX systems agree on it: see pages.h.
 *
 * What is not to be had here: guards without a mapping of their own, and how much of a stack was used.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/pages.h"

#include <bide/error.h>

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* OpenBSD ends a process whose stack pointer is elsewhere than in such pages (mmap(2)). On FreeBSD the same
 * word means a mapping that grows, which these must not. */
#if defined(__OpenBSD__)
#define STACK MAP_STACK
#else
#define STACK 0
#endif

#define ACCESS (PROT_READ | PROT_WRITE)
#define KIND (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | STACK)

/* Nothing tells a limit, so that none is kept to before the system refuses. */
#define NO_LIMIT (SIZE_MAX / 4)

size_t bide_os_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

int bide_os_pages_map(void **pages, size_t length)
{
    int saved = errno;
    void *got = mmap(NULL, length, ACCESS, KIND, -1, 0);
    errno = saved;
    if (got == MAP_FAILED) return BIDE_ENOMEM;
    *pages = got;
    return 0;
}

void bide_os_pages_unmap(void *pages, size_t length)
{
    int saved = errno;
    (void)munmap(pages, length);
    errno = saved;
}

int bide_os_pages_guard(void *pages, size_t length, enum bide_os_guard *how)
{
    int saved = errno;
    *how = BIDE_OS_GUARD_SPLIT;
    int error = mprotect(pages, length, PROT_NONE) == 0 ? 0 : BIDE_ENOMEM;
    errno = saved;
    return error;
}

void bide_os_pages_discard(void *pages, size_t length)
{
    int saved = errno;
    /* New pages in place of the old ones: elsewhere than on Linux madvise(2) promises neither that the memory
     * is given back nor that it reads as zero. Takes no more of anything than there was before. */
    (void)mmap(pages, length, ACCESS, KIND | MAP_FIXED, -1, 0);
    errno = saved;
}

size_t bide_os_pages_untouched(const void *pages, size_t length)
{
    (void)pages, (void)length;
    return 0;
}

size_t bide_os_pages_map_limit(void)
{
    return NO_LIMIT;
}
