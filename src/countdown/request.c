/* Requests as JSON: see wire.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "countdown/json.h"
#include "countdown/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const names[BIDE_COUNTDOWN_REQUESTS] = {"start", "get", "pause", "resume", "stop", "set"};

size_t bide_countdown_write_request(char *text, size_t room, enum bide_countdown_request request,
                                    int64_t seconds)
{
    int length = request == BIDE_COUNTDOWN_REQUEST_SET
                     ? snprintf(text, room, "{\"set\":%" PRId64 "}\n", seconds)
                     : snprintf(text, room, "\"%s\"\n", names[request]);
    return (size_t)length;
}

const char bide_countdown_no_memory[] = "out of memory";
static const char unknown[] = "unknown request";
static const char malformed[] = "not a JSON value";

/* "start", and {"start":null}. */
static const char *take_name(const char *name, enum bide_countdown_request *request)
{
    for (int i = 0; i < BIDE_COUNTDOWN_REQUESTS; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *request = (enum bide_countdown_request)i;
        return i == BIDE_COUNTDOWN_REQUEST_SET ? "set needs a number of seconds" : NULL;
    }
    return unknown;
}

static const char *take_set(const cJSON *value, bool whole, int64_t *seconds)
{
    if (!whole || !bide_countdown_json_count(value, BIDE_COUNTDOWN_SECONDS_MAX, seconds))
        return "set takes whole seconds from 0 to 9000000000";
    return NULL;
}

static const char *take(const cJSON *json, bool whole, enum bide_countdown_request *request, int64_t *seconds)
{
    if (cJSON_IsString(json)) return take_name(json->valuestring, request);
    const cJSON *member = cJSON_IsObject(json) ? json->child : NULL;
    if (!member || member->next) return unknown;
    if (strcmp(member->string, names[BIDE_COUNTDOWN_REQUEST_SET]) != 0)
        return cJSON_IsNull(member) ? take_name(member->string, request) : unknown;
    *request = BIDE_COUNTDOWN_REQUEST_SET;
    return take_set(member, whole, seconds);
}

const char *bide_countdown_read_request(const char *line, size_t length, enum bide_countdown_request *request,
                                        int64_t *seconds)
{
    bool whole;
    cJSON *json;
    int error = bide_countdown_json_parse(&json, line, length, &whole);
    if (error) return error == BIDE_ENOMEM ? bide_countdown_no_memory : malformed;
    const char *wrong = take(json, whole, request, seconds);
    cJSON_Delete(json);
    return wrong;
}
