/* See json.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "countdown/json.h"
#include "countdown/text.h"

#include <bide/error.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int bide_countdown_json_parse(cJSON **out, const char *text, size_t length, bool *whole)
{
    if (!bide_countdown_is_plain_json(text, length, whole)) return BIDE_EPROTO;
    *out = cJSON_ParseWithLength(text, length);
    return *out ? 0 : BIDE_ENOMEM;
}

bool bide_countdown_json_count(const cJSON *value, int64_t most, int64_t *out)
{
    if (!cJSON_IsNumber(value)) return false;
    double number = value->valuedouble;
    if (!(number >= 0 && number <= (double)most)) return false;
    *out = (int64_t)number;
    return (double)*out == number;
}

const cJSON *bide_countdown_json_member(const cJSON *object, const char *name)
{
    const cJSON *found = NULL;
    const cJSON *member = cJSON_IsObject(object) ? object->child : NULL;
    for (; member; member = member->next) {
        if (strcmp(member->string, name) != 0) continue;
        if (found) return NULL;
        found = member;
    }
    return found;
}

bool bide_countdown_json_add(cJSON *object, const char *name, cJSON *value)
{
    if (value && cJSON_AddItemToObjectCS(object, name, value)) return true;
    cJSON_Delete(value);
    return false;
}

cJSON *bide_countdown_json_number(int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    return cJSON_CreateRaw(text);
}
