/**
 * @file bide.h
 * @brief All of Bide: includes every public header.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_H
#define BIDE_H

#include <bide/address.h>
#include <bide/async.h>
#include <bide/base.h>
#include <bide/debug.h>
#include <bide/error.h>
#include <bide/event.h>
#include <bide/file.h>
#include <bide/future.h>
#include <bide/group.h>
#include <bide/local.h>
#include <bide/log.h>
#include <bide/net.h>
#include <bide/poller.h>
#include <bide/pool.h>
#include <bide/promise.h>
#include <bide/reactor.h>
#include <bide/set.h>
#include <bide/sync.h>
#include <bide/task.h>
#include <bide/time.h>
#include <bide/timer.h>
#include <bide/wheel.h>

#endif
