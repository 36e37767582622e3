/* Memory on a boundary of its own.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_OS_ALIGNED_H
#define BIDE_OS_ALIGNED_H

#include <stdlib.h>

#ifdef _WIN32
#include <malloc.h>
#endif

/* `size`: a multiple of `alignment`, a power of two. To be freed by the function below alone. */
static inline void *bide_os_aligned_alloc(size_t alignment, size_t size)
{
#ifdef _WIN32
    return _aligned_malloc(size, alignment);
#else
    return aligned_alloc(alignment, size);
#endif
}

static inline void bide_os_aligned_free(void *memory)
{
#ifdef _WIN32
    _aligned_free(memory);
#else
    free(memory);
#endif
}

#endif
