/* getpeerucred(3C) as it is documented: see port.h.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_TEST_ILLUMOS_UCRED_H
#define BIDE_TEST_ILLUMOS_UCRED_H

#include <sys/types.h>

typedef struct ucred_s ucred_t;

int getpeerucred(int fd, ucred_t **ucred);
pid_t ucred_getpid(const ucred_t *ucred);
uid_t ucred_geteuid(const ucred_t *ucred);
gid_t ucred_getegid(const ucred_t *ucred);
void ucred_free(ucred_t *ucred);

#endif
