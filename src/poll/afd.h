/* Polling sockets of Windows through the driver behind them, \Device\Afd, as select() and WSAPoll() do inside:
 * the one way to hear of a socket's readiness on a completion port.
 *
 * A request names one socket and the events that end it; it is issued on a helper handle of the driver, which
 * is associated with the port, and ends with one packet there. Undocumented, and as it is since Windows Vista.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_POLL_AFD_H
#define BIDE_POLL_AFD_H

#include "os/system_windows.h"

#include <winternl.h>

/* Events, as the driver numbers them. */
enum {
    BIDE_AFD_RECEIVE = 0x001,
    BIDE_AFD_RECEIVE_EXPEDITED = 0x002, /* urgent data */
    BIDE_AFD_SEND = 0x004,              /* room, or connected */
    BIDE_AFD_DISCONNECT = 0x008,        /* the other end writes no more */
    BIDE_AFD_ABORT = 0x010,             /* reset */
    BIDE_AFD_LOCAL_CLOSE = 0x020,       /* the socket was closed here */
    BIDE_AFD_ACCEPT = 0x080,
    BIDE_AFD_CONNECT_FAIL = 0x100
};

/* The driver's own structures. */
struct bide_afd_poll_handle {
    HANDLE handle;
    ULONG events;
    NTSTATUS status;
};

struct bide_afd_poll_info {
    LARGE_INTEGER timeout;
    ULONG count;
    ULONG exclusive;
    struct bide_afd_poll_handle handle;
};

/* A request. It stays where it is until its packet has come. */
struct bide_afd_request {
    IO_STATUS_BLOCK status; /* first: the packet carries its address */
    struct bide_afd_poll_info info;
};

/* The events to ask for with an interest, a sum of BIDE_POLL_READ and so on: errors, hang-ups and the socket's end
 * always. And the readiness that events are. */
ULONG bide_afd_wanted(unsigned interest);
unsigned bide_afd_ready(ULONG events);

/* A helper handle, whose packets come with `key`. 0 or an error. */
int bide_afd_open(HANDLE *out, HANDLE port, ULONG_PTR key);

/* The socket that the driver knows, below whatever layers other vendors put over it. 0; BIDE_EBADF;
 * BIDE_ENOTPOLLABLE: an open handle, but no socket. */
int bide_afd_base_socket(bide_fd fd, HANDLE *out);

/* Issues the request. 0: its packet will come, or is there; or an error, and none will. */
int bide_afd_poll(HANDLE helper, HANDLE base, ULONG events, struct bide_afd_request *request);

/* Asks for the request's end; its packet comes in any case, and soon. */
void bide_afd_cancel(HANDLE helper, struct bide_afd_request *request);

/* How a request ended whose packet has come: 0; BIDE_ECANCELED; or an error. */
int bide_afd_result(const struct bide_afd_request *request);

/* Whether it has ended already, with its packet still to be taken. */
bool bide_afd_has_ended(const struct bide_afd_request *request);

/* The events of one that ended with 0. */
ULONG bide_afd_events(const struct bide_afd_request *request);

#endif
