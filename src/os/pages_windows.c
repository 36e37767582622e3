/* VirtualAlloc and its like.
 *
 * Memory is committed as it is mapped, for stacks that would grow into reserved pages need the system's own
 * guards, which it moves only within the thread's first stack. Committed pages that nobody touched count
 * against the system's limit, but take no memory.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/pages.h"

#include "os/system_windows.h"

#include <psapi.h>
#include <stdint.h>
#include <string.h>

size_t bide_os_page_size(void)
{
    SYSTEM_INFO about;
    GetSystemInfo(&about);
    return about.dwPageSize;
}

int bide_os_pages_map(void **pages, size_t length)
{
    void *got = VirtualAlloc(NULL, length, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (!got) return BIDE_ENOMEM;
    *pages = got;
    return 0;
}

void bide_os_pages_unmap(void *pages, size_t length)
{
    (void)length;
    (void)VirtualFree(pages, 0, MEM_RELEASE);
}

/* Protections cost no mapping here: they are light. PAGE_GUARD would fault once and then let through. */
int bide_os_pages_guard(void *pages, size_t length, enum bide_os_guard *how)
{
    DWORD before;
    *how = BIDE_OS_GUARD_LIGHT;
    return VirtualProtect(pages, length, PAGE_NOACCESS, &before) ? 0 : BIDE_ENOMEM;
}

/* Not decommitted and committed again: that could fail, and the stack would be gone. What was reset reads as
 * it was or as zero, and so it is zeroed first. Unlocking what is not locked takes it out of the working
 * set. */
void bide_os_pages_discard(void *pages, size_t length)
{
    DWORD before = GetLastError();
    memset(pages, 0, length);
    (void)VirtualAlloc(pages, length, MEM_RESET, PAGE_READWRITE);
    (void)VirtualUnlock(pages, length);
    SetLastError(before);
}

size_t bide_os_pages_untouched(const void *pages, size_t length)
{
    PSAPI_WORKING_SET_EX_INFORMATION about[64];
    size_t page = bide_os_page_size();
    size_t count = length / page;
    size_t at = 0;
    while (at < count) {
        size_t part = count - at < sizeof about / sizeof *about ? count - at : sizeof about / sizeof *about;
        for (size_t i = 0; i < part; i++)
            about[i].VirtualAddress = (void *)((uintptr_t)pages + (at + i) * page);
        if (!K32QueryWorkingSetEx(GetCurrentProcess(), about, (DWORD)(part * sizeof *about))) break;
        size_t i = 0;
        while (i < part && !about[i].VirtualAttributes.Valid)
            i++;
        at += i;
        if (i < part) break;
    }
    return at * page;
}

size_t bide_os_pages_map_limit(void)
{
    return SIZE_MAX;
}
