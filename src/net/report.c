/* Reports of connects as text.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <bide/host.h>

#include "os/compiler.h"

#include <stdarg.h>
#include <stdio.h>

/* A text that grows as long as it fits. */
struct text {
    char *at;
    size_t length;
    size_t capacity;
    bool full;
};

static void add(struct text *text, const char *format, ...) BIDE_OS_PRINTF(2, 3);
static void add(struct text *text, const char *format, ...)
{
    if (text->full) return;
    size_t room = text->capacity - text->length;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->at + text->length, room, format, arguments);
    va_end(arguments);
    text->full = length < 0 || (size_t)length >= room;
    if (!text->full) text->length += (size_t)length;
}

/* "0.4 ms", "12 ms", "10.0 s": by whole numbers, for no locale has a say in it. */
static void add_duration(struct text *text, bide_duration duration)
{
    long long us = duration / BIDE_MICROSECONDS(1);
    if (us < 10000)
        add(text, "%lld.%lld ms", us / 1000, us % 1000 / 100);
    else if (us < 1000000)
        add(text, "%lld ms", us / 1000);
    else
        add(text, "%lld.%lld s", us / 1000000, us % 1000000 / 100000);
}

static void add_address(struct text *text, const bide_address *address)
{
    char buffer[BIDE_ADDRESS_TEXT_MAX];
    add(text, "%s", bide_address_format(address, buffer, sizeof buffer) < 0 ? "?" : buffer);
}

static const char *words_for(int error)
{
    switch (error) {
    case BIDE_ECONNREFUSED: return "refused";
    case BIDE_ECANCELED:
    case BIDE_EINPROGRESS:
    case BIDE_ETIMEDOUT: return "no answer";
    default: return bide_strerror(error);
    }
}

static const bide_connect_try *winner_of(const bide_connect_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        if (report->tries[i].error == 0) return &report->tries[i];
    return NULL;
}

static void add_result(struct text *text, const bide_connect_report *report, const bide_connect_try *winner)
{
    if (report->result == 0 && winner) {
        add(text, "connected to ");
        add_address(text, &winner->address);
    } else {
        add(text, "%s", bide_strerror(report->result));
    }
    add(text, " after ");
    add_duration(text, report->took);
}

static bool gave_up(int result)
{
    return result == BIDE_ETIMEDOUT || result == BIDE_EAGAIN || result == BIDE_ECANCELED;
}

static void add_tries(struct text *text, const bide_connect_report *report, const bide_connect_try *winner)
{
    size_t named = 0;
    for (size_t i = 0; i < report->count; i++) {
        const bide_connect_try *one = &report->tries[i];
        if (one == winner) continue;
        add(text, named++ == 0 ? "; tried " : ", ");
        add_address(text, &one->address);
        add(text, " %s", words_for(one->error));
    }
    if (report->result != 0 && report->known > report->count)
        add(text, "%s%zu not tried", named ? ", " : "; ", report->known - report->count);
}

int bide_connect_report_format(const bide_connect_report *report, char *buffer, size_t capacity)
{
    if (!report || !buffer || capacity == 0) return BIDE_EINVAL;
    struct text text = {buffer, 0, capacity, false};
    const bide_connect_try *winner = winner_of(report);
    add_result(&text, report, winner);
    if (!report->resolved && gave_up(report->result)) add(&text, " of looking the name up");
    add_tries(&text, report, winner);
    if (text.full) {
        buffer[0] = '\0';
        return BIDE_ENOSPC;
    }
    return (int)text.length;
}
