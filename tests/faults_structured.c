/* Scenarios of groups, promises, files and standing time-outs for test_faults.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "faults.h"

#include <bide/file.h>
#include <bide/group.h>
#include <bide/local.h>
#include <bide/promise.h>

static atomic_int ended, dropped;

static int nap(void *arg)
{
    (void)arg;
    int error = bide_sleep(BIDE_MICROSECONDS(1));
    atomic_fetch_add(&ended, 1);
    return error;
}

static void drop(void *arg)
{
    (void)arg;
    atomic_fetch_add(&dropped, 1);
}

/* Waits with a timer, which may not be armed. */
static int wait_for_group(bide_group *group)
{
    bide_group_waiting waiting;
    bide_group_waiting_init(&waiting, group);
    int error = bide_await(&waiting.future, bide_after(PATIENCE));
    return error ? error : waiting.result;
}

static int use_groups(void *arg)
{
    bide_task_options options = {.drop = drop};
    bide_group group;
    int spawned = 0;
    (void)arg;
    atomic_store(&ended, 0);
    atomic_store(&dropped, 0);
    int error = bide_group_open(&group);
    if (!error) error = bide_group_set_limit(&group, 2);
    if (!error) error = bide_group_set_deadline(&group, bide_after(PATIENCE));
    for (int i = 0; i < 4 && !error; i++) {
        error = bide_group_spawn(&group, NULL, nap, NULL, &options, BIDE_NEVER);
        spawned += !error;
    }
    bide_group_spawning spawning;
    bide_group_spawning_init(&spawning, &group, NULL, nap, NULL, &options);
    if (!error) error = bide_await(&spawning.future, bide_after(PATIENCE));
    if (!error) {
        error = spawning.result;
        spawned += !error;
    }
    if (!error) error = wait_for_group(&group);
    if (!error) error = bide_group_wait(&group, bide_after(PATIENCE));
    if (!error && (bide_group_error(&group) || bide_group_count(&group))) error = WRONG;
    if (error) (void)bide_group_cancel(&group);
    int first = bide_group_close(&group);
    if (first && first != BIDE_ECANCELED) error = first;
    /* Whatever has failed, nothing of it is left. */
    return atomic_load(&ended) + atomic_load(&dropped) == spawned ? error : WRONG;
}

static int run_groups(void)
{
    static const bide_run_options one = {.workers = 1}, two = {.workers = 2};
    int error = bide_run(use_groups, NULL, &one);
    if (!error) error = bide_run(use_groups, NULL, &two);
    end_of_faults();
    return error;
}

/* --- promises ------------------------------------------------------------------------------------------------ */

static atomic_int values_left;

static void drop_a_value(void *value)
{
    (void)value;
    atomic_fetch_sub(&values_left, 1);
}

static bide_outcome give(void *arg)
{
    atomic_fetch_add(&values_left, 1);
    return bide_outcome_value(arg, drop_a_value);
}

static bide_outcome hand_on(bide_outcome before, void *arg)
{
    (void)arg;
    return before;
}

static void drop_at_the_end(bide_outcome before, void *arg)
{
    (void)arg;
    bide_outcome_drop(before);
}

static int use_promises(void *arg)
{
    bide_promise *promise;
    bide_promise_syncing syncing;
    bide_outcome outcome;
    (void)arg;
    int error = bide_promise_spawn(&promise, give, NULL, NULL);
    if (!error) error = bide_promise_then(&promise, hand_on, hand_on, NULL, NULL);
    if (!error) error = bide_promise_chain(&promise, hand_on, NULL, NULL);
    if (!error) error = bide_promise_success(&promise, hand_on, NULL, NULL);
    if (!error) error = bide_promise_fail(&promise, hand_on, NULL, NULL);
    if (!error) error = bide_promise_sync(&promise, &outcome, bide_after(PATIENCE));
    if (!error) bide_outcome_drop(outcome);
    bide_promise_free(promise);
    if (error) return error;
    error = bide_promise_spawn(&promise, give, NULL, NULL);
    bide_promise_syncing_init(&syncing, &promise);
    if (!error) error = bide_await(&syncing.future, bide_after(PATIENCE));
    if (!error) bide_outcome_drop(syncing.outcome);
    bide_promise_free(promise);
    if (error) return error;
    error = bide_promise_spawn(&promise, give, NULL, NULL);
    if (!error) error = bide_promise_cancel(promise);
    if (!error) error = bide_promise_finally(&promise, drop_at_the_end, NULL, NULL);
    bide_promise_free(promise);
    return error;
}

static int run_promises(void)
{
    static const bide_run_options one = {.workers = 1}, two = {.workers = 2};
    int error = bide_run(use_promises, NULL, &one);
    if (!error) error = bide_run(use_promises, NULL, &two);
    if (atomic_load(&values_left)) error = WRONG;
    end_of_faults();
    return error;
}

/* --- values of tasks ----------------------------------------------------------------------------------------- */

static atomic_int locals_left;

static void drop_local(void *value)
{
    (void)value;
    atomic_fetch_sub(&locals_left, 1);
}

static void *inherit_local(void *value)
{
    atomic_fetch_add(&locals_left, 1);
    return value;
}

static const bide_local local_keys[8] = {{drop_local, inherit_local}, {drop_local, NULL},
                                         {drop_local, inherit_local}, {drop_local, NULL},
                                         {drop_local, inherit_local}, {drop_local, NULL},
                                         {drop_local, inherit_local}, {drop_local, NULL}};

static int set_locals(void)
{
    for (size_t i = 0; i < 8; i++) {
        if (bide_local_get(&local_keys[i])) continue;
        int error = bide_local_set(&local_keys[i], &locals_left);
        if (error) return error;
        atomic_fetch_add(&locals_left, 1);
    }
    return 0;
}

static int use_locals(void *arg)
{
    bide_task task;
    int error = set_locals(), value = 0;
    if (error || arg) return error;
    error = bide_spawn(&task, use_locals, &locals_left, NULL);
    if (!error) error = bide_task_join(task, &value, bide_after(PATIENCE));
    return error ? error : value;
}

static void *use_locals_on_a_thread(void *arg)
{
    *(int *)arg = set_locals();
    return NULL;
}

static int run_locals(void)
{
    static const bide_run_options one = {.workers = 1};
    pthread_t thread;
    int error = bide_run(use_locals, NULL, &one), result = 0;
    SCENE(if (pthread_create(&thread, NULL, use_locals_on_a_thread, &result) != 0) abort());
    SCENE(if (pthread_join(thread, NULL) != 0) abort());
    if (!error) error = result;
    end_of_faults();
    return atomic_load(&locals_left) ? WRONG : error;
}

/* --- files --------------------------------------------------------------------------------------------------- */

static char scene_folder[64], scene_file[96], scene_other[96];

static void scene_make_folder(void)
{
    SCENE({
        (void)snprintf(scene_folder, sizeof scene_folder, "/tmp/bide-fault-XXXXXX");
        if (!mkdtemp(scene_folder)) abort();
        (void)snprintf(scene_file, sizeof scene_file, "%s/file", scene_folder);
        (void)snprintf(scene_other, sizeof scene_other, "%s/other", scene_folder);
    });
}

static void scene_remove_folder(void)
{
    SCENE({
        (void)remove(scene_file);
        (void)remove(scene_other);
        if (rmdir(scene_folder) != 0) abort();
    });
}

/* Each operation on an open file. */
static int use_file(bide_file *file)
{
    bide_instant deadline = bide_after(PATIENCE);
    bide_file_status status;
    uint64_t position;
    size_t done;
    char text[8];
    int error = expect_count(bide_file_write(file, "0123", 4, deadline), 4);
    if (!error) error = bide_file_write_all(file, "4567", 4, deadline, &done);
    if (!error) error = expect_count(bide_file_pwrite(file, "x", 1, 2, deadline), 1);
    if (!error) error = expect_count(bide_file_pread(file, text, 3, 1, deadline), 3);
    if (!error && memcmp(text, "1x3", 3) != 0) error = WRONG;
    if (!error) error = bide_file_seek(file, 0, BIDE_FROM_START, &position, deadline);
    if (!error) error = expect_count(bide_file_read(file, text, 4, deadline), 4);
    if (!error) error = bide_file_read_exact(file, text, 4, deadline, &done);
    if (!error) error = bide_file_truncate(file, 3, deadline);
    if (!error) error = bide_file_stat(file, &status, deadline);
    if (!error && status.size != 3) error = WRONG;
    if (!error) error = bide_file_sync(file, deadline);
    if (!error) error = bide_file_sync_data(file, deadline);
    return error;
}

static int run_files(void)
{
    bide_file *file = NULL, *adopted = NULL;
    int ends[2];
    scene_make_folder();
    int error = bide_file_open(&file, scene_file, BIDE_FILE_READ | BIDE_FILE_WRITE | BIDE_FILE_CREATE, 0644,
                               bide_after(PATIENCE));
    if (!error) error = use_file(file);
    if (!error && bide_file_fd(file) < 0) error = WRONG;
    /* It is closed whatever is returned. */
    (void)bide_file_close(file, bide_after(PATIENCE));
    if (!error) {
        scene_pair(PIPE, ends);
        SCENE((void)close(ends[1]));
        error = bide_file_adopt(&adopted, ends[0]);
        if (error) SCENE((void)close(ends[0]));
        (void)bide_file_close(adopted, bide_after(PATIENCE));
    }
    end_of_faults();
    scene_remove_folder();
    return error;
}

/* A future of its own, awaited to the end. */
static int await_io(bide_file_io *io)
{
    int error = bide_await(&io->future, bide_after(PATIENCE));
    return error ? error : io->result < 0 ? (int)io->result : 0;
}

static int run_file_futures(void)
{
    bide_file_io io;
    bide_file *file = NULL;
    char text[4];
    scene_make_folder();
    bide_file_io_open(&io, scene_file, BIDE_FILE_READ | BIDE_FILE_WRITE | BIDE_FILE_CREATE, 0644);
    int error = await_io(&io);
    file = io.file;
    bide_file_io_write(&io, file, "ab", 2);
    if (!error) error = await_io(&io);
    bide_file_io_write_all(&io, file, "cd", 2);
    if (!error) error = await_io(&io);
    bide_file_io_pwrite(&io, file, "B", 1, 1);
    if (!error) error = await_io(&io);
    bide_file_io_seek(&io, file, 0, BIDE_FROM_START);
    if (!error) error = await_io(&io);
    bide_file_io_read(&io, file, text, 2);
    if (!error) error = await_io(&io);
    bide_file_io_read_exact(&io, file, text, 2);
    if (!error) error = await_io(&io);
    bide_file_io_pread(&io, file, text, 4, 0);
    if (!error) error = await_io(&io);
    if (!error && memcmp(text, "aBcd", 4) != 0) error = WRONG;
    bide_file_io_stat(&io, file);
    if (!error) error = await_io(&io);
    bide_file_io_truncate(&io, file, 1);
    if (!error) error = await_io(&io);
    bide_file_io_sync(&io, file);
    if (!error) error = await_io(&io);
    bide_file_io_sync_data(&io, file);
    if (!error) error = await_io(&io);
    bide_file_io_close(&io, file);
    if (file) {
        (void)await_io(&io);
        if (!io.closed_) (void)bide_file_close(file, BIDE_NEVER);
    }
    end_of_faults();
    scene_remove_folder();
    return error;
}

/* A close(2) that fails is told, here where all is written already. */
static int bear_close(int error)
{
    return error == BIDE_EIO ? 0 : error;
}

static int list_folder(bide_directory *directory)
{
    bide_directory_entry entry;
    bide_directory_reading reading;
    int error = bide_directory_read(directory, &entry, bide_after(PATIENCE));
    bide_directory_reading_init(&reading, directory);
    if (!error) error = bide_await(&reading.future, bide_after(PATIENCE));
    if (!error) error = reading.result == BIDE_END ? 0 : reading.result ? reading.result : WRONG;
    return error;
}

static int run_paths(void)
{
    bide_instant deadline = bide_after(PATIENCE);
    bide_file_status status;
    bide_directory *directory = NULL;
    void *bytes = NULL;
    size_t length;
    scene_make_folder();
    int error = bear_close(bide_path_save(scene_file, "abc", 3, 0644, deadline));
    if (!error) error = bide_path_load(scene_file, &bytes, &length, 100, deadline);
    free(bytes);
    if (!error) error = bide_path_stat(scene_file, &status, deadline);
    if (!error) error = bide_path_lstat(scene_file, &status, deadline);
    if (!error && status.size != 3) error = WRONG;
    if (!error) error = bide_path_rename(scene_file, scene_other, deadline);
    if (!error) error = bide_path_mkdir(scene_file, 0755, deadline);
    if (!error) error = bide_path_rmdir(scene_file, deadline);
    if (!error) error = bide_directory_open(&directory, scene_folder, deadline);
    if (!error) error = list_folder(directory);
    bide_directory_close(directory);
    if (!error) error = bide_path_unlink(scene_other, deadline);
    end_of_faults();
    scene_remove_folder();
    return error;
}

static int run_path_futures(void)
{
    bide_file_io io;
    scene_make_folder();
    bide_path_io_save(&io, scene_file, "abc", 3, 0644);
    int error = bear_close(await_io(&io));
    bide_path_io_load(&io, scene_file, 100);
    if (!error) error = await_io(&io);
    free(io.loaded);
    bide_path_io_stat(&io, scene_file);
    if (!error) error = await_io(&io);
    bide_path_io_lstat(&io, scene_file);
    if (!error) error = await_io(&io);
    bide_path_io_rename(&io, scene_file, scene_other);
    if (!error) error = await_io(&io);
    bide_path_io_mkdir(&io, scene_file, 0755);
    if (!error) error = await_io(&io);
    bide_path_io_rmdir(&io, scene_file);
    if (!error) error = await_io(&io);
    bide_path_io_unlink(&io, scene_other);
    if (!error) error = await_io(&io);
    bide_directory_io_open(&io, scene_folder);
    if (!error) error = await_io(&io);
    bide_directory_close(io.directory);
    end_of_faults();
    scene_remove_folder();
    return error;
}

/* --- standing time-outs -------------------------------------------------------------------------------------- */

static int run_timeouts(void)
{
    int peer;
    char byte;
    struct counter counter = {0};
    bide_context cx;
    bide_async *async = scene_handle(UNIX, &peer);
    int error = bide_async_set_timeout(async, BIDE_READ, BIDE_MILLISECONDS(1));
    if (!error && bide_async_timeout(async, BIDE_READ) != BIDE_MILLISECONDS(1)) error = WRONG;
    bide_context_init(&cx, counting(&counter));
    if (!bide_is_never(bide_context_limit(&cx))) error = WRONG;
    if (!error) error = (int)bide_read(async, &byte, 1, bide_after(PATIENCE));
    if (error == BIDE_ETIMEDOUT) error = 0;
    end_of_faults();
    (void)bide_async_free(async);
    SCENE((void)close(peer));
    return error;
}

static bide_ssize three(void *arg)
{
    (void)arg;
    return 3;
}

static int run_blocking(void)
{
    int error = expect_count(bide_blocking(three, NULL), 3);
    end_of_faults();
    return error;
}

const struct scenario scenarios_of_structured[] = {
    {"groups",
     "group_open group_close group_set_limit group_set_deadline group_spawn group_spawn_at "
     "group_spawning_init group_cancel group_error group_count group_wait group_waiting_init",
     run_groups},
    {"values of tasks", "local_get local_set", run_locals},
    {"promises",
     "promise_spawn promise_spawn_at promise_then promise_chain promise_success promise_fail promise_finally "
     "promise_sync "
     "promise_syncing_init promise_cancel promise_free",
     run_promises},
    {"files",
     "file_open file_adopt file_fd file_close file_read file_write file_pread file_pwrite file_read_exact "
     "file_write_all file_seek file_sync file_sync_data file_truncate file_stat",
     run_files},
    {"files as futures",
     "file_io_open file_io_close file_io_read file_io_write file_io_pread file_io_pwrite file_io_read_exact "
     "file_io_write_all file_io_seek file_io_sync file_io_sync_data file_io_truncate file_io_stat",
     run_file_futures},
    {"paths",
     "path_stat path_lstat path_unlink path_rename path_mkdir path_rmdir path_load path_save directory_open "
     "directory_read directory_close directory_reading_init",
     run_paths},
    {"paths as futures",
     "path_io_stat path_io_lstat path_io_unlink path_io_rename path_io_mkdir path_io_rmdir path_io_load "
     "path_io_save directory_io_open",
     run_path_futures},
    {"blocking", "blocking", run_blocking},
    {"standing time-outs", "async_set_timeout async_timeout context_limit", run_timeouts},
    {NULL, NULL, NULL},
};
