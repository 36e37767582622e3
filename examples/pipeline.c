/* A pipeline: one task lists a folder, several hash its files, one prints; channels carry the work from stage to
 * stage, and a group keeps the stages together. Whatever fails ends all of them, and nothing is left.
 *
 *   list --names--> hash, hash, hash … --lines--> print
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "common.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *folder;
static long hashers = 4;

static const struct example_option argument = {"FOLDER", EXAMPLE_STRING, &folder, ""};
static const struct example_option options[] = {
    {"--hashers", EXAMPLE_COUNT, &hashers, "how many files are read at once (4)"},
};

static const struct example_program program = {
    .name = "pipeline",
    .synopsis = "[--hashers COUNT] FOLDER",
    .about = "Prints hash (FNV-1a, 64 bits), length and name of each file in FOLDER, in no order.\n"
             "Exits with 0, or with 1 at the first file that cannot be read.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .argument = &argument,
};

#define PATH_ROOM 1024
#define MOST_OF_A_FILE ((size_t)1 << 30)
#define PATIENCE BIDE_MINUTES(1)

struct line {
    uint64_t hash;
    size_t length;
    char *name; /* owned by who has received the line */
};

struct pipeline {
    bide_channel names; /* of char *, owned by who has received one */
    bide_channel lines; /* of struct line */
    bide_mutex lock;
    long hashing;           /* stages that still send lines; under the lock */
    char failed[PATH_ROOM]; /* the file that could not be read; the same */
};

/* --- the stages --- */

static int send_name(struct pipeline *pipeline, const char *entry)
{
    char *name = malloc(strlen(entry) + 1);
    if (!name) return BIDE_ENOMEM;
    strcpy(name, entry);
    int error = bide_channel_send(&pipeline->names, &name, BIDE_NEVER);
    if (error) free(name);
    return error;
}

static int list(void *arg)
{
    struct pipeline *pipeline = arg;
    bide_directory *directory;
    bide_directory_entry entry;
    int error = bide_directory_open(&directory, folder, bide_after(PATIENCE));
    while (!error && (error = bide_directory_read(directory, &entry, bide_after(PATIENCE))) == 0)
        if (entry.kind == BIDE_KIND_FILE) error = send_name(pipeline, entry.name);
    bide_directory_close(directory);
    if (error != BIDE_END) return error;
    return bide_channel_close(&pipeline->names);
}

static uint64_t hash_of(const unsigned char *bytes, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static int hash_file(struct pipeline *pipeline, char *name)
{
    char path[PATH_ROOM];
    void *bytes = NULL;
    struct line line = {0, 0, name};
    int needed = snprintf(path, sizeof path, "%s/%s", folder, name);
    int error = needed < 0 || (size_t)needed >= sizeof path ? BIDE_ENAMETOOLONG : 0;
    if (!error) error = bide_path_load(path, &bytes, &line.length, MOST_OF_A_FILE, bide_after(PATIENCE));
    if (!error) {
        line.hash = hash_of(bytes, line.length);
        error = bide_channel_send(&pipeline->lines, &line, BIDE_NEVER);
    } else if (error != BIDE_ECANCELED && bide_mutex_lock(&pipeline->lock, BIDE_NEVER) == 0) {
        if (!*pipeline->failed) strcpy(pipeline->failed, needed < (int)sizeof path ? path : folder);
        (void)bide_mutex_unlock(&pipeline->lock);
    }
    free(bytes);
    if (error) free(name);
    return error;
}

static int hash(void *arg)
{
    struct pipeline *pipeline = arg;
    char *name;
    int error;
    while ((error = bide_channel_receive(&pipeline->names, &name, BIDE_NEVER)) == 0)
        if ((error = hash_file(pipeline, name)) != 0) break;
    if (error != BIDE_END) return error;
    /* The last one to end closes what all of them send into. */
    error = bide_mutex_lock(&pipeline->lock, BIDE_NEVER);
    if (error) return error;
    bool last = --pipeline->hashing == 0;
    (void)bide_mutex_unlock(&pipeline->lock);
    return last ? bide_channel_close(&pipeline->lines) : 0;
}

static int print(void *arg)
{
    struct pipeline *pipeline = arg;
    struct line line;
    int error;
    while ((error = bide_channel_receive(&pipeline->lines, &line, BIDE_NEVER)) == 0) {
        printf("%016" PRIx64 "  %zu  %s\n", line.hash, line.length, line.name);
        free(line.name);
    }
    return error == BIDE_END ? 0 : error;
}

/* --- all together --- */

static int run_stages(struct pipeline *pipeline)
{
    bide_group group;
    int error = bide_group_open(&group);
    if (error) return error;
    error = bide_group_spawn(&group, NULL, list, pipeline, NULL, BIDE_NEVER);
    for (long i = 0; i < hashers && !error; i++)
        error = bide_group_spawn(&group, NULL, hash, pipeline, NULL, BIDE_NEVER);
    if (!error) error = bide_group_spawn(&group, NULL, print, pipeline, NULL, BIDE_NEVER);
    if (!error) error = bide_group_wait(&group, BIDE_NEVER);
    int first = bide_group_close(&group);
    return first ? first : error;
}

/* What was under way when the stages ended. */
static void drain(struct pipeline *pipeline)
{
    char *name;
    struct line line;
    while (bide_channel_receive(&pipeline->names, &name, BIDE_NOW) == 0)
        free(name);
    while (bide_channel_receive(&pipeline->lines, &line, BIDE_NOW) == 0)
        free(line.name);
}

static int run(void *arg)
{
    struct pipeline *pipeline = arg;
    pipeline->hashing = hashers;
    bide_mutex_init(&pipeline->lock);
    int error = bide_channel_init(&pipeline->names, sizeof(char *), 16, NULL);
    if (error) return error;
    error = bide_channel_init(&pipeline->lines, sizeof(struct line), 16, NULL);
    if (!error) {
        error = run_stages(pipeline);
        drain(pipeline);
        (void)bide_channel_fini(&pipeline->lines);
    }
    (void)bide_channel_fini(&pipeline->names);
    (void)bide_mutex_fini(&pipeline->lock);
    return error;
}

int main(int argc, char **argv)
{
    example_arguments(&program, argc, argv);
    static struct pipeline pipeline;
    int error = bide_run(run, &pipeline, NULL);
    if (error) return example_end(example_fail(&program, *pipeline.failed ? pipeline.failed : folder, error));
    return example_end(EXAMPLE_OK);
}
