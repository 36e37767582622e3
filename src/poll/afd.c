/* \Device\Afd: see afd.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "poll/afd.h"

#include "os/sockets.h"

#include <bide/poller.h>

#define IOCTL_AFD_POLL 0x00012024

#define STATUS_IS_PENDING ((NTSTATUS)0x00000103L)
#define STATUS_WAS_CANCELLED ((NTSTATUS)0xC0000120L)

/* Of ntdll, and not in every compiler's headers. */
NTSTATUS NTAPI NtCancelIoFileEx(HANDLE file, IO_STATUS_BLOCK *of, IO_STATUS_BLOCK *result);

static int error_of(NTSTATUS status)
{
    return bide_error_from_system((int)RtlNtStatusToDosError(status));
}

int bide_afd_open(HANDLE *out, HANDLE port, ULONG_PTR key)
{
    /* Anything behind the device's name is taken. */
    static wchar_t path[] = L"\\Device\\Afd\\Bide";
    UNICODE_STRING name = {.Length = sizeof path - sizeof *path,
                           .MaximumLength = sizeof path,
                           .Buffer = path};
    OBJECT_ATTRIBUTES attributes = {.Length = sizeof attributes, .ObjectName = &name};
    IO_STATUS_BLOCK status;
    HANDLE handle = NULL;
    /* No FILE_SYNCHRONOUS_IO…: requests are asynchronous. */
    NTSTATUS opened = NtCreateFile(&handle, SYNCHRONIZE, &attributes, &status, NULL, 0,
                                   FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN, 0, NULL, 0);
    if (opened != 0) return error_of(opened);
    if (!CreateIoCompletionPort(handle, port, key, 0)) {
        int error = bide_last_error();
        (void)CloseHandle(handle);
        return error;
    }
    /* The handle itself is never waited for; only a saving. */
    (void)SetFileCompletionNotificationModes(handle, FILE_SKIP_SET_EVENT_ON_HANDLE);
    *out = handle;
    return 0;
}

static int ask_for_socket(SOCKET fd, DWORD code, SOCKET *out)
{
    DWORD size = 0;
    if (WSAIoctl(fd, code, NULL, 0, out, sizeof *out, &size, NULL, NULL) == 0) return 0;
    return bide_last_error();
}

int bide_afd_base_socket(bide_fd fd, HANDLE *out)
{
    SOCKET socket = fd;
    /* SIO_BASE_HANDLE goes down to the bottom at once, but some layered providers refuse it or take it for
     * their own; SIO_BSP_HANDLE_POLL goes down by one layer, and then there may be another to ask. */
    for (;;) {
        SOCKET base = INVALID_SOCKET;
        int error = ask_for_socket(socket, SIO_BASE_HANDLE, &base);
        if (!error && base != INVALID_SOCKET) {
            *out = (HANDLE)base;
            return 0;
        }
        if (error == BIDE_ENOTSOCK || error == BIDE_EBADF)
            return bide_os_is_handle(fd) ? BIDE_ENOTPOLLABLE : BIDE_EBADF;
        int refusal = ask_for_socket(socket, SIO_BSP_HANDLE_POLL, &base);
        if (refusal || base == INVALID_SOCKET || base == socket) return error ? error : BIDE_ENOTPOLLABLE;
        socket = base;
    }
}

int bide_afd_poll(HANDLE helper, HANDLE base, ULONG events, struct bide_afd_request *request)
{
    request->status.Status = STATUS_IS_PENDING;
    request->status.Information = 0;
    request->info = (struct bide_afd_poll_info){
        .timeout = {.QuadPart = INT64_MAX},
        .count = 1,
        .handle = {.handle = base, .events = events},
    };
    NTSTATUS status =
        NtDeviceIoControlFile(helper, NULL, NULL, request, &request->status, IOCTL_AFD_POLL, &request->info,
                              sizeof request->info, &request->info, sizeof request->info);
    if (status == 0 || status == STATUS_IS_PENDING) return 0;
    return error_of(status);
}

void bide_afd_cancel(HANDLE helper, struct bide_afd_request *request)
{
    IO_STATUS_BLOCK result;
    /* "Not found" when it has just ended. */
    (void)NtCancelIoFileEx(helper, &request->status, &result);
}

/* The kernel writes it at any time before the packet. */
static NTSTATUS status_of(const struct bide_afd_request *request)
{
    return *(const volatile NTSTATUS *)&request->status.Status;
}

int bide_afd_result(const struct bide_afd_request *request)
{
    NTSTATUS status = status_of(request);
    /* Wine leaves it when the thread that issued the request has ended, with which the request ended. */
    if (status == STATUS_WAS_CANCELLED || status == STATUS_IS_PENDING) return BIDE_ECANCELED;
    return status < 0 ? error_of(status) : 0;
}

bool bide_afd_has_ended(const struct bide_afd_request *request)
{
    return status_of(request) != STATUS_IS_PENDING;
}

ULONG bide_afd_events(const struct bide_afd_request *request)
{
    return request->info.count > 0 ? request->info.handle.events : 0;
}

ULONG bide_afd_wanted(unsigned interest)
{
    ULONG events = BIDE_AFD_ABORT | BIDE_AFD_CONNECT_FAIL | BIDE_AFD_LOCAL_CLOSE;
    if (interest & BIDE_POLL_READ) events |= BIDE_AFD_RECEIVE | BIDE_AFD_ACCEPT | BIDE_AFD_DISCONNECT;
    if (interest & BIDE_POLL_WRITE) events |= BIDE_AFD_SEND;
    if (interest & BIDE_POLL_PRI) events |= BIDE_AFD_RECEIVE_EXPEDITED;
    if (interest & BIDE_POLL_RDHUP) events |= BIDE_AFD_DISCONNECT;
    return events;
}

unsigned bide_afd_ready(ULONG events)
{
    unsigned ready = 0;
    if (events & (BIDE_AFD_RECEIVE | BIDE_AFD_ACCEPT)) ready |= BIDE_POLL_READ;
    if (events & BIDE_AFD_RECEIVE_EXPEDITED) ready |= BIDE_POLL_PRI;
    if (events & BIDE_AFD_SEND) ready |= BIDE_POLL_WRITE;
    if (events & BIDE_AFD_DISCONNECT) ready |= BIDE_POLL_READ | BIDE_POLL_RDHUP;
    if (events & BIDE_AFD_ABORT) ready |= BIDE_POLL_READ | BIDE_POLL_WRITE | BIDE_POLL_HUP | BIDE_POLL_ERR;
    if (events & BIDE_AFD_CONNECT_FAIL) ready |= BIDE_POLL_READ | BIDE_POLL_WRITE | BIDE_POLL_ERR;
    return ready;
}
