/* See stop.h. The system calls the handler on a thread of its own, from which an event may be set as from any.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "stop.h"

#include <windows.h>

static bide_event *asked;

static BOOL WINAPI on_control(DWORD what)
{
    bide_event_set(asked);
    /* The console closes, the user leaves, or the system ends: that ends the process as soon as this returns. So it does
     * not, and the process ends when the program's work is done, or the system's patience. */
    if (what != CTRL_C_EVENT && what != CTRL_BREAK_EVENT) Sleep(INFINITE);
    return TRUE;
}

int stop_by(bide_event *stop)
{
    asked = stop;
    return SetConsoleCtrlHandler(on_control, TRUE) ? 0 : bide_last_error();
}
