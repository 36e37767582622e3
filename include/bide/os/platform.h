/**
 * @file bide/os/platform.h
 * @brief What the other headers need that differs by system; bide/base.h includes it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_OS_PLATFORM_H
#define BIDE_OS_PLATFORM_H

#include <stdint.h>

#if defined(_WIN32) && defined(BIDE_SHARED)
#define BIDE_API __declspec(dllimport)
#elif defined(__GNUC__) && !defined(_WIN32)
/** Marks a function of the public interface. */
#define BIDE_API __attribute__((visibility("default")))
#else
#define BIDE_API
#endif

#ifdef _WIN32
typedef uintptr_t bide_fd;
#else
/** A descriptor of the operating system: int on POSIX systems, SOCKET or HANDLE on Windows. */
typedef int bide_fd;
#endif

#endif
