/* What must hold whatever the fuzzer sends.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef FUZZ_MUST_H
#define FUZZ_MUST_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST(what)                                               \
    do {                                                         \
        if (!(what)) {                                           \
            (void)fprintf(stderr, "does not hold: %s\n", #what); \
            abort();                                             \
        }                                                        \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
