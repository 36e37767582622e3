/**
 * @file bide/log.h
 * @brief An optional look at what no return value tells: why Bide goes on with something other than was
 *   expected.
 *
 * Bide prints nothing. A program that wants to know hands over a function:
 *
 * @code
 * static void log_line(void *arg, int error, const char *message)
 * {
 *     fprintf(arg, "bide: %s (%s)\n", message, bide_error_name(error));
 * }
 * …
 * bide_set_log(log_line, stderr);
 * @endcode
 *
 * What it is told of: a back end that the system does not permit, so that another one is used; a
 * `BIDE_BACKEND` that cannot be had; a helper thread that cannot be started; a listener that pauses because
 * descriptors or memory ran out.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_LOG_H
#define BIDE_LOG_H

#include <bide/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Takes one message: `message` is a line without its end, valid during the call; `error` the reason, a
 * negative constant. Called on whatever thread has something to tell, also on several at once, with no lock
 * of Bide's held, and never in a signal handler; it may call Bide. What it causes itself is not logged.
 */
typedef void (*bide_log_fn)(void *arg, int error, const char *message);

/**
 * @brief Hands messages to `log` from now on; before the first call nobody gets them.
 *
 * When it returns the function of before is not running and will not be called again: waits for that.
 *
 * @param log NULL: nobody.
 * @param arg handed to it; stays the caller's.
 * @return 0, BIDE_ENOMEM, or BIDE_EDEADLK inside a log function; after an error nothing has changed.
 * Thread-safe.
 */
BIDE_API int bide_set_log(bide_log_fn log, void *arg);

#ifdef __cplusplus
}
#endif

#endif
