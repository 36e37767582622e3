/* Shows how late timers are: an interval, and one-shots in between, all in one set.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>

static long count = 10;
static bide_duration period = BIDE_MILLISECONDS(100);

static const struct example_option options[] = {
    {"--count", EXAMPLE_COUNT, &count, "ticks of the interval, and as many one-shots (10)"},
    {"--period", EXAMPLE_DURATION, &period, "between two ticks (100ms)"},
};

static const struct example_program program = {
    .name = "timers",
    .synopsis = "[--count COUNT] [--period DURATION]",
    .about =
        "Awaits an interval and, half a period after each of its ticks, a one-shot timer. Prints when each\n"
        "was due, counted from the start, and how late it came. Fails if one came early.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

/* A timer, and its place in the set. */
struct entry {
    bide_timer timer;
    bide_set_member member;
    const char *kind;
};

struct lateness {
    bide_duration least, most, sum;
    long seen;
};

static void note(struct lateness *lateness, bide_duration late)
{
    if (lateness->seen == 0 || late < lateness->least) lateness->least = late;
    if (lateness->seen == 0 || late > lateness->most) lateness->most = late;
    lateness->sum += late;
    lateness->seen++;
}

static const int widths[] = {-8, 12, 12};
static const struct example_table table = {3, widths};

static void print_firing(const struct entry *entry, bide_instant start, bide_duration late)
{
    char due[EXAMPLE_TEXT];
    char by[EXAMPLE_TEXT];
    example_row(&table, (const char *const[]){
                            entry->kind,
                            example_duration_text(due, bide_instant_since(entry->timer.result, start)),
                            example_duration_text(by, late),
                        });
}

static int run(struct entry *entries, size_t total)
{
    bide_instant start = bide_now();
    bide_set set;
    bide_set_init(&set);
    entries[0].kind = "interval";
    bide_timer_interval_at(&entries[0].timer, bide_instant_add(start, period), period);
    for (size_t i = 1; i < total; i++) {
        entries[i].kind = "one-shot";
        bide_instant due = bide_instant_add(start, period / 2 + (bide_duration)i * period);
        bide_timer_at(&entries[i].timer, due);
    }
    for (size_t i = 0; i < total; i++) {
        int error = bide_set_add(&set, &entries[i].member, &entries[i].timer.future, &entries[i]);
        if (error) return example_fail(&program, "adding a timer", error);
    }

    example_heading(&table, (const char *const[]){"timer", "due after", "late by"});
    struct lateness lateness = {0, 0, 0, 0};
    bide_set_member *ready;
    int error;
    long ticks = 0;
    while ((error = bide_set_next(&set, BIDE_NEVER, &ready)) == 0) {
        struct entry *entry = ready->tag;
        error = bide_timer_error(&entry->timer);
        if (error) break;
        bide_duration late = bide_instant_since(bide_now(), entry->timer.result);
        print_firing(entry, start, late);
        note(&lateness, late);
        /* A stream goes back into the set for its next item. */
        if (entry == &entries[0] && ++ticks < count)
            error = bide_set_add(&set, &entry->member, &entry->timer.future, entry);
        if (error) break;
    }
    if (error != BIDE_END) return example_fail(&program, "waiting", error);

    char least[EXAMPLE_TEXT];
    char mean[EXAMPLE_TEXT];
    char most[EXAMPLE_TEXT];
    (void)printf("\n%ld timers were late by %s at least, %s on average, %s at most.\n", lateness.seen,
                 example_duration_text(least, lateness.least),
                 example_duration_text(mean, lateness.sum / lateness.seen),
                 example_duration_text(most, lateness.most));
    return lateness.least < 0 ? EXAMPLE_FAILED : EXAMPLE_OK;
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);
    if (period == 0 || period > BIDE_DURATION_MAX / (count + 2)) {
        (void)fprintf(stderr, "%s: --period must be longer than nothing\n", program.name);
        return EXAMPLE_USAGE;
    }
    size_t total = (size_t)count + 1;
    struct entry *entries = calloc(total, sizeof *entries);
    if (!entries) return example_fail(&program, "making the timers", BIDE_ENOMEM);
    int status = run(entries, total);
    free(entries);
    return example_end(status);
}
