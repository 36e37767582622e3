/* What illumos declares in headers that Linux has too, with other contents: to be included first. See port.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_ILLUMOS_H
#define BIDE_TEST_ILLUMOS_H

#undef __GLIBC__
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

int sem_reltimedwait_np(sem_t *semaphore, const struct timespec *timeout);
int issetugid(void);

#endif
