/* mmap(2), madvise(2) and mincore(2) of Linux.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "os/pages.h"

#include <bide/error.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Headers older than the kernel lack it. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* The kernel's own default (DEFAULT_MAX_MAP_COUNT). */
#define USUAL_MAP_LIMIT 65530

size_t bide_os_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

int bide_os_pages_map(void **pages, size_t length)
{
    int saved = errno;
    void *got = mmap(NULL, length, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    bool mapped = got != MAP_FAILED;
    /* A huge page would make each of a dozen stacks resident as soon as one is touched. EINVAL: there are
     * none. */
    if (mapped) (void)madvise(got, length, MADV_NOHUGEPAGE);
    errno = saved;
    if (!mapped) return BIDE_ENOMEM;
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
    int error = 0;
    /* Not to be had: before Linux 6.13, and in memory that is locked. */
    if (*how == BIDE_OS_GUARD_LIGHT && madvise(pages, length, MADV_GUARD_INSTALL) != 0)
        *how = BIDE_OS_GUARD_SPLIT;
    if (*how == BIDE_OS_GUARD_SPLIT && mprotect(pages, length, PROT_NONE) != 0) error = BIDE_ENOMEM;
    errno = saved;
    return error;
}

void bide_os_pages_discard(void *pages, size_t length)
{
    int saved = errno;
    /* Not MADV_FREE, which is cheaper but leaves it to chance whether a page reads as zero. */
    (void)madvise(pages, length, MADV_DONTNEED);
    errno = saved;
}

size_t bide_os_pages_untouched(const void *pages, size_t length)
{
    unsigned char resident[256];
    int saved = errno;
    size_t page = bide_os_page_size();
    size_t count = length / page;
    size_t at = 0;
    while (at < count) {
        size_t part = count - at < sizeof resident ? count - at : sizeof resident;
        void *from = (void *)((uintptr_t)pages + at * page);
        if (mincore(from, part * page, resident) != 0) break;
        size_t i = 0;
        while (i < part && !(resident[i] & 1))
            i++;
        at += i;
        if (i < part) break;
    }
    errno = saved;
    return at * page;
}

size_t bide_os_pages_map_limit(void)
{
    int saved = errno;
    char text[24];
    ssize_t length = -1;
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        length = read(fd, text, sizeof text);
        (void)close(fd);
    }
    errno = saved;
    size_t limit = 0;
    for (ssize_t i = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++)
        limit = limit * 10 + (size_t)(text[i] - '0');
    return limit > 0 ? limit : USUAL_MAP_LIMIT;
}
