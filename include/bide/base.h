/**
 * @file bide/base.h
 * @brief Version, export macro and the basic types that every other header uses.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_BASE_H
#define BIDE_BASE_H

#include <bide/os/platform.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Version of these headers. Compare with bide_version() to see what was linked. @{ */
#define BIDE_VERSION_MAJOR 0
#define BIDE_VERSION_MINOR 1
#define BIDE_VERSION_PATCH 0
/** @} */
/** The version as one number, MAJOR * 10000 + MINOR * 100 + PATCH. */
#define BIDE_VERSION_NUMBER (BIDE_VERSION_MAJOR * 10000 + BIDE_VERSION_MINOR * 100 + BIDE_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/** No descriptor. */
#define BIDE_INVALID_FD ((bide_fd)-1)

/** A count of bytes, or a negative `BIDE_E…` constant. */
typedef ptrdiff_t bide_ssize;

/** A piece of a vectored read or write; laid out as the system's struct iovec. */
typedef struct bide_buffer {
    void *base;    /**< where it begins */
    size_t length; /**< its bytes */
} bide_buffer;

/** A process, as the system vouches for it on Unix sockets. */
typedef struct bide_credentials {
    int32_t pid;  /**< the process; 0: unknown, or outside of this process' namespace */
    uint32_t uid; /**< its user */
    uint32_t gid; /**< its group */
} bide_credentials;

/** The two directions of a descriptor. */
typedef enum bide_direction {
    BIDE_READ = 0, /**< bytes or connections to take in */
    BIDE_WRITE = 1 /**< room to give bytes to */
} bide_direction;

/**
 * @brief The version of the library that is linked, as BIDE_VERSION_NUMBER is for the headers.
 *
 * Thread-safe; does not wait.
 */
BIDE_API unsigned bide_version(void);

/** @brief The same as text, such as "0.1.0": static storage. Thread-safe. */
BIDE_API const char *bide_version_string(void);

#ifdef __cplusplus
}
#endif

#endif
