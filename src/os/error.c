/* Error codes: their names and words, and the way from and to the system's numbers.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "os/errors.h"

static const struct {
    int code;
    const char *name;
    const char *message;
} errors[] = {
#define ENTRY(name, value, message) {value, #name, message},
    BIDE_ERRORS(ENTRY)
#undef ENTRY
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

int bide_error_from_system(int system_error)
{
    if (system_error <= 0) return 0;
    for (size_t i = 0; i < bide_os_error_count; i++)
        if (bide_os_errors[i].system == system_error) return bide_os_errors[i].code;
    return BIDE_ESYSTEM_BASE - system_error;
}

int bide_system_error(bide_ssize error)
{
    if (error <= BIDE_ESYSTEM_BASE) return (int)(BIDE_ESYSTEM_BASE - error);
    for (size_t i = 0; i < bide_os_error_count; i++)
        if (bide_os_errors[i].code == error) return bide_os_errors[i].system;
    return 0;
}

const char *bide_strerror(bide_ssize error)
{
    if (error >= 0) return "success";
    if (error <= BIDE_ESYSTEM_BASE) return "unknown system error";
    for (size_t i = 0; i < COUNT(errors); i++)
        if (errors[i].code == error) return errors[i].message;
    return "not an error code of Bide";
}

const char *bide_error_name(bide_ssize error)
{
    if (error >= 0) return "BIDE_OK";
    if (error <= BIDE_ESYSTEM_BASE) return "BIDE_ESYSTEM";
    for (size_t i = 0; i < COUNT(errors); i++)
        if (errors[i].code == error) return errors[i].name;
    return "BIDE_E?";
}
