/* Event ports as port_create(3C) and its neighbours document them: enough to check src/poll/port.c where there is
 * no illumos.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_ILLUMOS_PORT_H
#define BIDE_TEST_ILLUMOS_PORT_H

#include <errno.h>
#include <stdint.h>
#include <time.h>

#define PORT_SOURCE_USER 3
#define PORT_SOURCE_FD 4

#ifndef EBADFD
#define EBADFD 81
#endif

typedef struct port_event {
    int portev_events;
    unsigned short portev_source;
    unsigned short portev_pad;
    uintptr_t portev_object;
    void *portev_user;
} port_event_t;

int port_create(void);
int port_associate(int port, int source, uintptr_t object, int events, void *user);
int port_dissociate(int port, int source, uintptr_t object);
int port_send(int port, int events, void *user);
int port_getn(int port, port_event_t list[], unsigned max, unsigned *nget, struct timespec *timeout);

#endif
