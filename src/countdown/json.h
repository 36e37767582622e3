/* cJSON, with what this protocol asks of it besides.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BIDE_COUNTDOWN_JSON_H
#define BIDE_COUNTDOWN_JSON_H

#include <cjson/cJSON.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parses one value and nothing else. Returns 0, BIDE_EPROTO: it is none, BIDE_ENOMEM. `*whole`: see text.h. */
int bide_countdown_json_parse(cJSON **out, const char *text, size_t length, bool *whole);

/* Whether it is a whole number from 0 to `most`, at most 2^53 - 1, which a double holds exactly. */
bool bide_countdown_json_count(const cJSON *value, int64_t most, int64_t *out);

/* The member of that name, if there is exactly one; else NULL. */
const cJSON *bide_countdown_json_member(const cJSON *object, const char *name);

/* Adds a member. `name` is static. Whether it could: else the value is freed. A NULL value is a failure too. */
bool bide_countdown_json_add(cJSON *object, const char *name, cJSON *value);

/* The number in digits: cJSON writes large ones as 1e+15. */
cJSON *bide_countdown_json_number(int64_t value);

#endif
