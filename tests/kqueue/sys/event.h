/* kqueue(2) as FreeBSD documents it, and of processes as macOS does, for running what stands on it on Linux: see
 * kqueue.c and sources.c beside this folder. The numbers are our own.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_KQUEUE_SYS_EVENT_H
#define BIDE_TEST_KQUEUE_SYS_EVENT_H

#include <stdint.h>
#include <time.h>
#include <unistd.h>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_VNODE (-4)
#define EVFILT_PROC (-5)
#define EVFILT_SIGNAL (-6)
#define EVFILT_TIMER (-7)
#define EVFILT_EXCEPT (-9) /* OpenBSD, macOS */
#define EVFILT_USER (-11)

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISABLE 0x0008
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_DISPATCH 0x0080
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

#define NOTE_LOWAT 0x0001
#define NOTE_OOB 0x0004
#define NOTE_TRIGGER 0x01000000
#define NOTE_EXIT 0x80000000
#define NOTE_EXITSTATUS 0x04000000
#define NOTE_NSECONDS 0x0008
#define NOTE_DELETE 0x0001
#define NOTE_WRITE 0x0002
#define NOTE_EXTEND 0x0004
#define NOTE_ATTRIB 0x0008
#define NOTE_LINK 0x0010
#define NOTE_RENAME 0x0020
#define NOTE_REVOKE 0x0040

struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned fflags;
    int64_t data;
    void *udata;
};

#define EV_SET(event, ident_, filter_, flags_, fflags_, data_, udata_) \
    (*(event) = (struct kevent){(ident_), (filter_), (flags_), (fflags_), (data_), (udata_)})

int kqueue(void);
int kevent(int queue, const struct kevent *changes, int change_count, struct kevent *events, int event_count,
           const struct timespec *timeout);

/* A queue is more than one descriptor here: code that includes this header closes them all. */
int bide_test_kqueue_close(int fd);
#define close(fd) bide_test_kqueue_close(fd)

#endif
