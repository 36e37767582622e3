/* Answers as JSON: see wire.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "countdown/json.h"
#include "countdown/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- writing --- */

static bool add_cycle(cJSON *cycle, const bide_countdown_cycle *from)
{
    return bide_countdown_json_add(cycle, "name", cJSON_CreateString(from->name)) &&
           bide_countdown_json_add(cycle, "duration", bide_countdown_json_number(from->seconds));
}

static cJSON *make_cycle(const bide_countdown_cycle *from)
{
    cJSON *cycle = cJSON_CreateObject();
    if (cycle && add_cycle(cycle, from)) return cycle;
    cJSON_Delete(cycle);
    return NULL;
}

static cJSON *make_loops(int64_t loops)
{
    if (loops == 0) return cJSON_CreateString("infinite");
    cJSON *fixed = cJSON_CreateObject();
    if (fixed && bide_countdown_json_add(fixed, "fixed", bide_countdown_json_number(loops))) return fixed;
    cJSON_Delete(fixed);
    return NULL;
}

static bool add_cycles(cJSON *cycles, const bide_countdown_config *from)
{
    for (size_t i = 0; i < from->cycle_count; i++) {
        cJSON *cycle = make_cycle(&from->cycles[i]);
        if (cycle && cJSON_AddItemToArray(cycles, cycle)) continue;
        cJSON_Delete(cycle);
        return false;
    }
    return true;
}

static cJSON *make_cycles(const bide_countdown_config *from)
{
    cJSON *cycles = cJSON_CreateArray();
    if (cycles && add_cycles(cycles, from)) return cycles;
    cJSON_Delete(cycles);
    return NULL;
}

static cJSON *make_config(const bide_countdown_config *from)
{
    cJSON *config = cJSON_CreateObject();
    if (config && bide_countdown_json_add(config, "cycles", make_cycles(from)) &&
        bide_countdown_json_add(config, "cycles-count", make_loops(from->loops)))
        return config;
    cJSON_Delete(config);
    return NULL;
}

static cJSON *make_timer(const bide_countdown_status *from)
{
    cJSON *timer = cJSON_CreateObject();
    const char *state = bide_countdown_state_name(from->state);
    if (timer && bide_countdown_json_add(timer, "config", make_config(&from->config)) &&
        bide_countdown_json_add(timer, "state", cJSON_CreateString(state)) &&
        bide_countdown_json_add(timer, "cycle", make_cycle(&from->cycle)) &&
        bide_countdown_json_add(timer, "cycles-count", make_loops(from->loops)) &&
        bide_countdown_json_add(timer, "elapsed", bide_countdown_json_number(from->elapsed)))
        return timer;
    cJSON_Delete(timer);
    return NULL;
}

char *bide_countdown_write_status(const bide_countdown_status *status)
{
    cJSON *answer = cJSON_CreateObject();
    char *text = NULL;
    if (answer && bide_countdown_json_add(answer, "timer", make_timer(status)))
        text = cJSON_PrintUnformatted(answer);
    cJSON_Delete(answer);
    if (!text) return NULL;
    size_t size = strlen(text) + 2;
    char *line = malloc(size);
    if (line) (void)snprintf(line, size, "%s\n", text);
    cJSON_free(text);
    return line;
}

/* --- reading --- */

static bool take_cycle(const cJSON *json, bide_countdown_cycle *out, char **names)
{
    const cJSON *name = bide_countdown_json_member(json, "name");
    const cJSON *seconds = bide_countdown_json_member(json, "duration");
    if (!cJSON_IsString(name) || !bide_countdown_json_count(seconds, BIDE_COUNTDOWN_LOOPS_MAX, &out->seconds))
        return false;
    size_t size = strlen(name->valuestring) + 1;
    out->name = memcpy(*names, name->valuestring, size);
    *names += size;
    return true;
}

static bool take_loops(const cJSON *json, int64_t *out)
{
    *out = 0;
    if (cJSON_IsString(json)) return strcmp(json->valuestring, "infinite") == 0;
    if (!cJSON_IsObject(json) || !json->child || json->child->next) return false;
    if (cJSON_IsNull(json->child)) return strcmp(json->child->string, "infinite") == 0;
    return bide_countdown_json_count(bide_countdown_json_member(json, "fixed"), BIDE_COUNTDOWN_LOOPS_MAX,
                                     out) &&
           *out > 0;
}

/* As a text, or {"running":null}. */
static bool take_state(const cJSON *json, bide_countdown_state *out)
{
    const char *name = cJSON_IsString(json) ? json->valuestring : NULL;
    if (cJSON_IsObject(json) && json->child && !json->child->next && cJSON_IsNull(json->child))
        name = json->child->string;
    for (int i = BIDE_COUNTDOWN_STOPPED; name && i <= BIDE_COUNTDOWN_PAUSED; i++) {
        *out = (bide_countdown_state)i;
        if (strcmp(name, bide_countdown_state_name(*out)) == 0) return true;
    }
    return false;
}

/* The room that the name of a cycle takes, if it has one. */
static size_t name_size(const cJSON *cycle)
{
    const cJSON *name = bide_countdown_json_member(cycle, "name");
    return cJSON_IsString(name) ? strlen(name->valuestring) + 1 : 0;
}

static bool take_timer(const cJSON *timer, bide_countdown_status *out, bide_countdown_cycle *cycles,
                       char *names)
{
    const cJSON *config = bide_countdown_json_member(timer, "config");
    const cJSON *cycle = bide_countdown_json_member(config, "cycles")->child;
    for (size_t i = 0; i < out->config.cycle_count; i++, cycle = cycle->next)
        if (!take_cycle(cycle, &cycles[i], &names)) return false;
    out->config.cycles = cycles;
    return take_loops(bide_countdown_json_member(config, "cycles-count"), &out->config.loops) &&
           take_state(bide_countdown_json_member(timer, "state"), &out->state) &&
           take_cycle(bide_countdown_json_member(timer, "cycle"), &out->cycle, &names) &&
           take_loops(bide_countdown_json_member(timer, "cycles-count"), &out->loops) &&
           bide_countdown_json_count(bide_countdown_json_member(timer, "elapsed"), BIDE_COUNTDOWN_LOOPS_MAX,
                                     &out->elapsed);
}

/* One block: the status, its cycles, their names. */
static int make_status(const cJSON *timer, bide_countdown_status **out)
{
    const cJSON *cycles = bide_countdown_json_member(bide_countdown_json_member(timer, "config"), "cycles");
    if (!cJSON_IsArray(cycles)) return BIDE_EPROTO;
    size_t count = 0;
    size_t names = name_size(bide_countdown_json_member(timer, "cycle"));
    for (const cJSON *cycle = cycles->child; cycle; cycle = cycle->next) {
        count++;
        names += name_size(cycle);
    }
    bide_countdown_status *status = malloc(sizeof *status + count * sizeof(bide_countdown_cycle) + names);
    if (!status) return BIDE_ENOMEM;
    (void)memset(status, 0, sizeof *status);
    status->config.cycle_count = count;
    bide_countdown_cycle *list = (bide_countdown_cycle *)(status + 1);
    if (!take_timer(timer, status, list, (char *)(list + count))) {
        free(status);
        return BIDE_EPROTO;
    }
    *out = status;
    return 0;
}

/* Cut where a character ends. */
static void copy_message(char *message, size_t room, const char *text)
{
    size_t length = strlen(text);
    if (length >= room) {
        length = room - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    (void)memcpy(message, text, length);
    message[length] = '\0';
}

static int take(const cJSON *json, enum bide_countdown_answer *answer, bide_countdown_status **status,
                char *message, size_t room)
{
    *answer = BIDE_COUNTDOWN_ANSWER_OK;
    if (cJSON_IsString(json)) return strcmp(json->valuestring, "ok") == 0 ? 0 : BIDE_EPROTO;
    const cJSON *member = cJSON_IsObject(json) ? json->child : NULL;
    if (!member || member->next) return BIDE_EPROTO;
    if (strcmp(member->string, "ok") == 0) return cJSON_IsNull(member) ? 0 : BIDE_EPROTO;
    if (strcmp(member->string, "timer") == 0) {
        *answer = BIDE_COUNTDOWN_ANSWER_TIMER;
        return make_status(member, status);
    }
    if (strcmp(member->string, "error") != 0 || !cJSON_IsString(member)) return BIDE_EPROTO;
    *answer = BIDE_COUNTDOWN_ANSWER_ERROR;
    copy_message(message, room, member->valuestring);
    return 0;
}

int bide_countdown_read_answer(const char *line, size_t length, enum bide_countdown_answer *answer,
                               bide_countdown_status **status, char *message, size_t room)
{
    bool whole;
    cJSON *json;
    int result = bide_countdown_json_parse(&json, line, length, &whole);
    if (result) return result;
    result = take(json, answer, status, message, room);
    cJSON_Delete(json);
    return result;
}
