/* Handles that can be waited for, by the system's thread pool.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_HANDLE_WINDOWS_H
#define BIDE_OS_HANDLE_WINDOWS_H

/* Takes the signal if it is there: 1, 0 or an error. */
int bide_os_handle_try(void *handle);

/* Calls function(arg) once, on a thread of the pool, when the handle is signalled. 0 or an error. */
int bide_os_handle_watch(void *handle, void (*function)(void *arg), void *arg, void **registration);

/* Ends that; when this returns the function is not running and will not. Not inside the function. */
void bide_os_handle_unwatch(void *registration);

#endif
