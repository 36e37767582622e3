/* Tasks under random load: spawned, stolen, pinned, joined, detached, cancelled, asleep, waiting for events, channels and
 * sockets with deadlines, spawned and woken by threads outside; in one scheduler after the other, with various numbers of
 * workers. What is sent must be received, and each task that began must end.
 *
 *   stress_tasks [--seconds N] [--seed S] [--workers W]
 *
 * --seconds 10; --seed: from the clock, and printed; --workers: 1, 2, 4 and 8 in turns. Which task does what follows
 * from the seed; what runs when does not. Ends with 0 and a line of counts, or tells what was wrong and ends with 1. One
 * that hangs is ended by a signal.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include <bide.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ACTORS = 48, OUTSIDERS = 2, RUN_MILLISECONDS = 500 };

static uint64_t seed;
static bide_instant end_of_run;

static _Atomic uint64_t spawned, ended, dropped, sent, received, messages, wakes, cancels, pairs;

static void fail(const char *what, long value)
{
    (void)fprintf(stderr, "stress_tasks: seed %llu: %s: %ld\n", (unsigned long long)seed, what, value);
    exit(1);
}

static void must(bool good, const char *what, long value)
{
    if (!good) fail(what, value);
}

/* Sooner or later a task is cancelled, and then every call says so. */
static bool went_on(int error, const char *what)
{
    must(error >= 0 || error == BIDE_ECANCELED || error == BIDE_ETIMEDOUT, what, error);
    return error >= 0;
}

/* --- random numbers: each actor has its own (xorshift64: G. Marsaglia, 2003) --- */

struct random {
    uint64_t state;
};

static struct random random_for(uint64_t number)
{
    struct random random = {(seed + 1) * UINT64_C(0x9e3779b97f4a7c15) ^
                            number * UINT64_C(0xbf58476d1ce4e5b9)};
    if (random.state == 0) random.state = 1;
    return random;
}

static unsigned draw(struct random *random, unsigned below)
{
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return (unsigned)(random->state >> 33) % below;
}

static bide_duration draw_time(struct random *random)
{
    return BIDE_MICROSECONDS(draw(random, 300));
}

/* --- tasks, counted --- */

struct job {
    bide_task_function function;
    void *arg;
};

static int run_job(void *arg)
{
    struct job job = *(struct job *)arg;
    free(arg);
    int value = job.function(job.arg);
    atomic_fetch_add(&ended, 1);
    return value;
}

static void drop_job(void *arg)
{
    free(arg);
    atomic_fetch_add(&dropped, 1);
}

static int spawn(bide_task *task, bide_task_function function, void *arg, bide_task_options options)
{
    struct job *job = malloc(sizeof *job);
    must(job != NULL, "malloc", 0);
    *job = (struct job){function, arg};
    options.drop = drop_job;
    int error = bide_spawn(task, run_job, job, &options);
    must(error == 0 || error == BIDE_ECANCELED, "spawn", error);
    if (error)
        free(job);
    else
        atomic_fetch_add(&spawned, 1);
    return error;
}

static bide_task_options draw_options(struct random *random)
{
    bide_task_options options = {0};
    options.pinned = draw(random, 8) == 0;
    if (draw(random, 8) == 0) options.stack_size = (size_t)32 << 10;
    return options;
}

/* What it returned; it is joined whatever happens, for its argument is on this stack. */
static int join(bide_task task)
{
    int value = 0;
    bide_shield();
    int error = bide_task_join(task, &value, BIDE_NEVER);
    bide_unshield();
    must(error == 0, "join", error);
    return value;
}

static void cancel(bide_task task)
{
    int error = bide_task_cancel(task);
    must(error == 0, "cancel", error);
    atomic_fetch_add(&cancels, 1);
}

/* --- over a socket: what is sent is received --- */

struct pair {
    bide_async *ends[2];
    struct random random;
    unsigned rounds;
    uint64_t written, read;
    bool whole;
};

static int write_some(void *arg)
{
    struct pair *pair = arg;
    unsigned char bytes[3000];
    for (unsigned i = 0; i < pair->rounds; i++) {
        size_t length = draw(&pair->random, sizeof bytes) + 1, done = 0;
        for (size_t k = 0; k < length; k++)
            bytes[k] = (unsigned char)draw(&pair->random, 256);
        int error = bide_write_all(pair->ends[1], bytes, length, bide_after(BIDE_SECONDS(60)), &done);
        for (size_t k = 0; k < done; k++)
            pair->written += bytes[k] + 1u;
        if (!went_on(error, "write")) return error;
        atomic_fetch_add(&messages, 1);
        if (draw(&pair->random, 4) == 0 && !went_on(bide_yield(), "yield")) return BIDE_ECANCELED;
    }
    pair->whole = true;
    return bide_async_shutdown(pair->ends[1], BIDE_WRITE);
}

static int read_all(void *arg)
{
    struct pair *pair = arg;
    unsigned char bytes[2000];
    for (;;) {
        bide_ssize count = bide_read(pair->ends[0], bytes, sizeof bytes, bide_after(BIDE_SECONDS(60)));
        if (!went_on((int)count, "read")) return (int)count;
        if (count == 0) return 1;
        for (bide_ssize k = 0; k < count; k++)
            pair->read += bytes[k] + 1u;
    }
}

static void talk(struct random *random)
{
    struct pair pair = {.random = {random->state | 1}, .rounds = draw(random, 40)};
    int fds[2];
    bide_task writer, reader;
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "socketpair", 0);
    for (int i = 0; i < 2; i++) {
        int error = bide_async_new(&pair.ends[i], fds[i]);
        must(error == 0, "async", error);
    }
    if (spawn(&reader, read_all, &pair, draw_options(random)) == 0) {
        int error = spawn(&writer, write_some, &pair, draw_options(random));
        bool cut = error != 0;
        if (draw(random, 4) == 0) {
            (void)bide_sleep(draw_time(random));
            cancel(reader);
            cut = true;
        }
        if (!error) {
            if (cut) cancel(writer);
            (void)join(writer);
        } else {
            cancel(reader);
        }
        /* The end of a cancelled writer must not be waited for in vain. */
        if (!pair.whole) cancel(reader);
        bool all = join(reader) == 1;
        must(pair.read <= pair.written, "more was read than written", (long)(pair.read - pair.written));
        if (all && pair.whole) {
            atomic_fetch_add(&sent, pair.written);
            atomic_fetch_add(&received, pair.read);
            atomic_fetch_add(&pairs, 1);
        }
    }
    for (int i = 0; i < 2; i++)
        (void)bide_async_free(pair.ends[i]);
}

/* --- by events --- */

struct table {
    bide_event events[2];
    unsigned rounds;
    _Atomic bool over;
};

static int play(struct table *table, int side)
{
    for (unsigned i = 0; i < table->rounds; i++) {
        int error;
        if (side == 0) bide_event_set(&table->events[1]);
        do
            error = bide_event_wait(&table->events[side], bide_after(BIDE_MILLISECONDS(i % 3 ? 1000 : 1)));
        while (error == BIDE_ETIMEDOUT && !atomic_load(&table->over));
        if (!went_on(error, "event")) break;
        if (side == 1) bide_event_set(&table->events[0]);
        atomic_fetch_add(&wakes, 1);
    }
    atomic_store(&table->over, true);
    for (int i = 0; i < 2; i++)
        bide_event_set(&table->events[i]);
    return 0;
}

static int play_second(void *arg)
{
    return play(arg, 1);
}

static void play_with_another(struct random *random)
{
    struct table table = {.rounds = draw(random, 200)};
    bide_task other;
    for (int i = 0; i < 2; i++)
        must(bide_event_init(&table.events[i], BIDE_EVENT_AUTO) == 0, "event", 0);
    if (spawn(&other, play_second, &table, draw_options(random)) != 0) return;
    if (draw(random, 5) == 0) {
        cancel(other);
        /* It may never have begun. */
        atomic_store(&table.over, true);
    }
    (void)play(&table, 0);
    (void)join(other);
}

/* --- over a channel --- */

enum { PARTIES = 3 };

struct market {
    bide_channel channel;
    unsigned rounds;
    uint64_t seed;
    _Atomic uint64_t sold, bought;
};

static int sell(void *arg)
{
    struct market *market = arg;
    struct random random = random_for(market->seed);
    for (unsigned i = 0; i < market->rounds; i++) {
        uint64_t value = draw(&random, 1000) + 1;
        bide_instant limit = draw(&random, 4) ? BIDE_NEVER : bide_after(draw_time(&random));
        int error = bide_channel_send(&market->channel, &value, limit);
        if (error == 0) atomic_fetch_add(&market->sold, value);
        if (!went_on(error, "send") && error != BIDE_ETIMEDOUT) return error;
    }
    return 0;
}

static int buy(void *arg)
{
    struct market *market = arg;
    uint64_t value;
    int error;
    while ((error = bide_channel_receive(&market->channel, &value, bide_after(BIDE_SECONDS(1)))) == 0 ||
           error == BIDE_ETIMEDOUT)
        if (error == 0) atomic_fetch_add(&market->bought, value);
    must(error == BIDE_END || error == BIDE_ECANCELED, "receive", error);
    return error;
}

static void trade(struct random *random)
{
    static const size_t capacities[] = {0, 1, 16, BIDE_CHANNEL_UNBOUNDED};
    struct market market = {.rounds = draw(random, 200), .seed = random->state};
    bide_task sellers[PARTIES], buyers[PARTIES];
    unsigned selling = 0, buying = 0;
    must(bide_channel_init(&market.channel, sizeof(uint64_t), capacities[draw(random, 4)], NULL) == 0,
         "channel", 0);
    for (; buying < PARTIES; buying++)
        if (spawn(&buyers[buying], buy, &market, draw_options(random)) != 0) break;
    for (; selling < PARTIES; selling++)
        if (spawn(&sellers[selling], sell, &market, draw_options(random)) != 0) break;
    if (draw(random, 3) == 0) (void)bide_sleep(draw_time(random));
    if (selling > 0 && draw(random, 3) == 0) cancel(sellers[0]);
    /* The last buyer stays, for the sellers to come to an end. */
    for (unsigned i = 1; i < buying; i++)
        if (draw(random, 3) == 0) cancel(buyers[i]);
    if (buying == 0)
        for (unsigned i = 0; i < selling; i++)
            cancel(sellers[i]);
    for (unsigned i = 0; i < selling; i++)
        (void)join(sellers[i]);
    must(bide_channel_close(&market.channel) == 0, "close", 0);
    for (unsigned i = 0; i < buying; i++)
        (void)join(buyers[i]);
    /* What they were cancelled before. */
    uint64_t value;
    bide_shield();
    while (bide_channel_receive(&market.channel, &value, BIDE_NOW) == 0)
        atomic_fetch_add(&market.bought, value);
    bide_unshield();
    must(bide_channel_fini(&market.channel) == 0, "fini", 0);
    must(atomic_load(&market.sold) == atomic_load(&market.bought), "sold and not bought",
         (long)(atomic_load(&market.sold) - atomic_load(&market.bought)));
    atomic_fetch_add(&sent, atomic_load(&market.sold));
    atomic_fetch_add(&received, atomic_load(&market.bought));
}

/* --- trees --- */

struct branch {
    struct random random;
    unsigned depth;
};

static int grow(void *arg)
{
    struct branch *branch = arg;
    struct random *random = &branch->random;
    struct branch below[4];
    bide_task tasks[4];
    unsigned count = branch->depth ? draw(random, 4) + 1 : 0, made = 0;
    for (; made < count; made++) {
        below[made] = (struct branch){{random->state + made}, branch->depth - 1};
        if (spawn(&tasks[made], grow, &below[made], draw_options(random)) != 0) break;
    }
    if (draw(random, 3) == 0) (void)bide_sleep(draw_time(random));
    for (unsigned i = 0; i < made; i++)
        if (draw(random, 6) == 0) cancel(tasks[i]);
    for (unsigned i = 0; i < made; i++)
        (void)join(tasks[i]);
    return 0;
}

/* --- detached ones --- */

static int yield_a_while(void *arg)
{
    struct random random = random_for((uint64_t)(uintptr_t)arg);
    for (unsigned rounds = draw(&random, 50); rounds > 0; rounds--)
        if (!went_on(draw(&random, 10) ? bide_yield() : bide_sleep(draw_time(&random)), "yield or sleep"))
            break;
    return 0;
}

static void spawn_detached(struct random *random)
{
    for (unsigned count = draw(random, 20); count > 0; count--) {
        bide_task task;
        void *number = (void *)(uintptr_t)draw(random, 1u << 30);
        if (draw(random, 2) == 0) {
            (void)spawn(NULL, yield_a_while, number, draw_options(random));
        } else if (spawn(&task, yield_a_while, number, draw_options(random)) == 0) {
            int error = bide_task_detach(task);
            must(error == 0, "detach", error);
            error = bide_task_cancel(task);
            must(error == 0 || error == BIDE_EFREED, "cancel of one that was detached", error);
        }
    }
}

/* --- who does all that --- */

static int act(void *arg)
{
    struct random random = random_for((uint64_t)(uintptr_t)arg);
    while (bide_before(bide_now(), end_of_run)) {
        switch (draw(&random, 5)) {
        case 0: talk(&random); break;
        case 1: play_with_another(&random); break;
        case 2: {
            struct branch root = {{random.state}, 3};
            (void)grow(&root);
            break;
        }
        case 3: trade(&random); break;
        default: spawn_detached(&random);
        }
        if (!went_on(bide_yield(), "yield")) break;
    }
    return 0;
}

struct outsider {
    bide_scheduler scheduler;
    uint64_t number;
};

/* A thread that spawns until it is told that the scheduler has ended. */
static void *spawn_from_outside(void *arg)
{
    const struct outsider *outsider = arg;
    struct random random = random_for(outsider->number);
    bide_task_options options = {.scheduler = outsider->scheduler};
    bide_task task;
    for (int error = 0; error == 0;) {
        error = spawn(&task, yield_a_while, (void *)(uintptr_t)draw(&random, 1000), options);
        if (error) break;
        if (draw(&random, 2)) {
            int joined = bide_task_join(task, NULL, BIDE_NEVER);
            must(joined == 0, "join by a thread", joined);
        } else {
            must(bide_task_detach(task) == 0, "detach by a thread", 0);
            struct timespec pause = {0, 100000};
            (void)nanosleep(&pause, NULL);
        }
    }
    return NULL;
}

struct run {
    uint64_t number;
    struct outsider outsiders[OUTSIDERS];
    pthread_t threads[OUTSIDERS];
};

static int run(void *arg)
{
    struct run *this_run = arg;
    bide_task actors[ACTORS];
    unsigned made = 0;
    end_of_run = bide_after(BIDE_MILLISECONDS(RUN_MILLISECONDS));
    for (int i = 0; i < OUTSIDERS; i++) {
        this_run->outsiders[i] =
            (struct outsider){bide_scheduler_current(), this_run->number * 1000 + (unsigned)i};
        must(pthread_create(&this_run->threads[i], NULL, spawn_from_outside, &this_run->outsiders[i]) == 0,
             "pthread_create", 0);
    }
    for (; made < ACTORS; made++) {
        void *number = (void *)(uintptr_t)(this_run->number * 1000 + 100 + made);
        must(spawn(&actors[made], act, number, (bide_task_options){0}) == 0, "spawn", 0);
    }
    /* Some are joined, the others are cancelled by the end. */
    for (unsigned i = 0; i < made; i += 2)
        (void)join(actors[i]);
    for (unsigned i = 1; i < made; i += 2)
        must(bide_task_detach(actors[i]) == 0, "detach", 0);
    return 0;
}

static unsigned long option(int argc, char **argv, const char *name, unsigned long otherwise)
{
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], name) == 0) return strtoul(argv[i + 1], NULL, 10);
    return otherwise;
}

int main(int argc, char **argv)
{
    static const unsigned counts[] = {1, 2, 4, 8};
    unsigned long seconds = option(argc, argv, "--seconds", 10);
    unsigned long workers = option(argc, argv, "--workers", 0);
    seed = option(argc, argv, "--seed", (unsigned long)(bide_now().ns / 1000));
    (void)printf("stress_tasks: --seconds %lu --seed %llu --workers %lu\n", seconds, (unsigned long long)seed,
                 workers);
    (void)fflush(stdout);
    (void)alarm((unsigned)(seconds * 3 + 120));

    bide_instant end = bide_after(BIDE_SECONDS(seconds));
    uint64_t number = 0;
    for (; bide_before(bide_now(), end); number++) {
        struct run this_run = {.number = number};
        bide_run_options options = {.workers = workers ? (unsigned)workers : counts[number % 4]};
        must(bide_run(run, &this_run, &options) == 0, "run", 0);
        for (int i = 0; i < OUTSIDERS; i++)
            must(pthread_join(this_run.threads[i], NULL) == 0, "pthread_join", 0);
        long left = (long)(atomic_load(&spawned) - atomic_load(&ended) - atomic_load(&dropped));
        must(left == 0, "tasks that neither ended nor were dropped", left);
    }
    must(atomic_load(&sent) == atomic_load(&received), "sent and not received",
         (long)(atomic_load(&sent) - atomic_load(&received)));
    (void)printf("%llu schedulers, %llu tasks (%llu never began, %llu cancels), %llu messages, %llu events, "
                 "%llu whole "
                 "transfers: sum %llu sent and received\n",
                 (unsigned long long)number, (unsigned long long)atomic_load(&spawned),
                 (unsigned long long)atomic_load(&dropped), (unsigned long long)atomic_load(&cancels),
                 (unsigned long long)atomic_load(&messages), (unsigned long long)atomic_load(&wakes),
                 (unsigned long long)atomic_load(&pairs), (unsigned long long)atomic_load(&received));
    return 0;
}
