/* See stop.h. The system calls the handler on a thread of its own, from which an event may be set as from any.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "stop.h"

#include <windows.h>

static bide_event *asked;

static BOOL WINAPI on_control(DWORD what)
{
    (void)what;
    bide_event_set(asked);
    return TRUE;
}

int stop_by(bide_event *stop)
{
    asked = stop;
    return SetConsoleCtrlHandler(on_control, TRUE) ? 0 : bide_last_error();
}
