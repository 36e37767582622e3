/**
 * @file bide/net.h
 * @brief The network: includes the headers of addresses and sockets.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_NET_H
#define BIDE_NET_H

#include <bide/address.h>
#include <bide/bulk.h>
#include <bide/host.h>
#include <bide/message.h>
#include <bide/reader.h>
#include <bide/resolve.h>
#include <bide/socket.h>
#include <bide/stream.h>
#include <bide/tcp.h>
#include <bide/udp.h>
#include <bide/unix.h>

#endif
