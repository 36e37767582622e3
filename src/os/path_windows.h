/* What files and names on Windows share.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_PATH_WINDOWS_H
#define BIDE_OS_PATH_WINDOWS_H

#include "os/system_windows.h"

#include <bide/file.h>

/* A path of UTF-8 as the system takes it, to be freed: 0, BIDE_EINVAL (no UTF-8), BIDE_ENAMETOOLONG, BIDE_ENOMEM. */
int bide_os_path_widen(const char *path, wchar_t **wide);
void bide_os_path_free(wchar_t *wide);

/* What an opened name is instead of a file: the tag of its reparse point, IO_REPARSE_TAG_…; 0: nothing. */
DWORD bide_os_handle_tag(HANDLE handle);

bide_file_kind bide_os_kind_of_attributes(DWORD attributes, DWORD tag);

#endif
