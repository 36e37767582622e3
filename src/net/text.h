/* Addresses as text: what numeric addresses and names have in common.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_NET_TEXT_H
#define BIDE_NET_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Splits "host:port" or "[host]:port" into the host, without brackets, and the port. 0, BIDE_EADDRSYNTAX, BIDE_ENAMETOOLONG,
 * or, when all else is right, BIDE_EPORTRANGE: then `host` is there. `port` is written after a success alone. */
int bide_text_split(const char *text, char *host, size_t room, uint16_t *port, bool *bracketed);

#endif
