/**
 * @file bide/sync.h
 * @brief Channels and locks, between tasks, between threads, and between both: includes their headers.
 *
 * | header | has |
 * |---|---|
 * | bide/channel.h | channels: bounded, unbounded, rendezvous; select |
 * | bide/mutex.h | mutex, condition |
 * | bide/rwlock.h | read-write lock |
 * | bide/semaphore.h | semaphore, wait group |
 * | bide/barrier.h | barrier, once |
 *
 * Each wait is a future, and a call that awaits it: it takes a deadline, it can be raced and cancelled, and works on
 * plain threads, in tasks and in state machines, also in a library that was built without tasks. Each object is a
 * struct of yours. The wake-up from a signal handler is bide/event.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_SYNC_H
#define BIDE_SYNC_H

#include <bide/barrier.h>
#include <bide/channel.h>
#include <bide/mutex.h>
#include <bide/rwlock.h>
#include <bide/semaphore.h>

#endif
