/**
 * @file bide/countdown.h
 * @brief A countdown that several programs share, such as one of work and rest: its model, and client and
 *   server as coroutines.
 *
 * Part of the library bide-countdown, not of bide itself. A countdown goes through *cycles* of a name and a
 * length, over and over or a number of times (*loops*). It is started, paused, resumed, set and stopped; each
 * of these, and the passing of time, makes *events*.
 *
 * **No clock.** Every function that depends on the time takes it as an argument: an instant of a clock of the
 * caller's that does not run backwards. Time is kept to the nanosecond, so that pausing loses nothing. A time
 * before the last one counts as the last one.
 *
 * **No input or output.** Client and server are coroutines of bide/sansio.h. What they speak is the format of
 * io-timer 0.0.1: one JSON value a line.
 *
 * @code
 * static const bide_countdown_cycle cycles[] = {{"Work", 25 * 60}, {"Rest", 5 * 60}};
 * bide_countdown_config config = {cycles, 2, 0};
 * bide_countdown countdown;
 * bide_countdown_event room[BIDE_COUNTDOWN_EVENTS];
 * bide_countdown_events events = {room, BIDE_COUNTDOWN_EVENTS, 0};
 * int err = bide_countdown_init(&countdown, &config);
 * if (!err) err = bide_countdown_start(&countdown, bide_now(), &events);
 * @endcode
 *
 * **Threads.** A struct of this page is used by one thread at a time. A countdown that several share is
 * protected by a lock of theirs, held for the time of a call. Nothing here waits. NULL gives BIDE_EINVAL, or
 * does nothing.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_COUNTDOWN_H
#define BIDE_COUNTDOWN_H

#include <bide/sansio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name The model */
/**@{*/

/** The longest cycle, and the most that one can be set to: 285 years, as the clock has nanoseconds. */
#define BIDE_COUNTDOWN_SECONDS_MAX INT64_C(9000000000)

/** The most loops, besides without end: what JSON's numbers hold exactly. */
#define BIDE_COUNTDOWN_LOOPS_MAX INT64_C(9007199254740991)

/** A cycle: in a configuration its length, in a status or an event what remains of it. */
typedef struct bide_countdown_cycle {
    const char *name; /**< UTF-8, may be empty */
    int64_t seconds;  /**< 0 to BIDE_COUNTDOWN_SECONDS_MAX; what remains is rounded up */
} bide_countdown_cycle;

/** What a countdown goes through. */
typedef struct bide_countdown_config {
    const bide_countdown_cycle *cycles; /**< at least one, not all of length 0 */
    size_t cycle_count;                 /**< how many */
    int64_t loops;                      /**< how often through them all; 0: without end */
} bide_countdown_config;

/** The states of a countdown. */
typedef enum bide_countdown_state {
    BIDE_COUNTDOWN_STOPPED = 0, /**< waits for a start, at the beginning of the first cycle */
    BIDE_COUNTDOWN_RUNNING = 1, /**< time passes */
    BIDE_COUNTDOWN_PAUSED = 2   /**< time does not count until it is resumed */
} bide_countdown_state;

/** What can happen to a countdown. */
typedef enum bide_countdown_event_kind {
    BIDE_COUNTDOWN_EVENT_STARTED = 0, /**< it was started */
    BIDE_COUNTDOWN_EVENT_BEGAN = 1,   /**< a cycle began */
    BIDE_COUNTDOWN_EVENT_RUNNING = 2, /**< the seconds that remain have changed */
    BIDE_COUNTDOWN_EVENT_SET = 3,     /**< what remains of the cycle was set */
    BIDE_COUNTDOWN_EVENT_PAUSED = 4,  /**< it was paused */
    BIDE_COUNTDOWN_EVENT_RESUMED = 5, /**< it was resumed */
    BIDE_COUNTDOWN_EVENT_ENDED = 6,   /**< a cycle ended, by itself with 0 seconds, or by a stop */
    BIDE_COUNTDOWN_EVENT_STOPPED = 7  /**< it stopped: asked to, or after the last loop */
} bide_countdown_event_kind;

/** An event. */
typedef struct bide_countdown_event {
    bide_countdown_event_kind kind; /**< what happened */
    size_t index;                   /**< the cycle's place in the configuration, from 0 */
    /** The cycle, and what remains of it; its name is the configuration's. For STARTED and STOPPED it is
     * the first one, whole. */
    bide_countdown_cycle cycle;
} bide_countdown_event;

/** Where events are appended. */
typedef struct bide_countdown_events {
    bide_countdown_event *list; /**< room of the caller's */
    size_t capacity;            /**< how many fit, at least 2 */
    size_t count;               /**< how many there are */
} bide_countdown_events;

/** Room for events that is seldom too small. */
#define BIDE_COUNTDOWN_EVENTS 16

/** What the functions that append events return when there is no room for more: take them out, then call
 * again with the same arguments. Nothing is lost; what was asked for has not been done yet. */
enum { BIDE_COUNTDOWN_MORE = 1 };

/** The countdown, in storage of the caller's. The fields are private. */
typedef struct bide_countdown {
    bide_countdown_config config_;
    bide_countdown_state state_;
    size_t index_;
    int64_t loop_;
    int64_t remaining_;
    int64_t elapsed_;
    int64_t seen_;
    int64_t shown_;
} bide_countdown;

/** What there is to know of a countdown. */
typedef struct bide_countdown_status {
    bide_countdown_config config; /**< what it goes through */
    bide_countdown_state state;   /**< its state */
    bide_countdown_cycle cycle;   /**< the present cycle, and what remains of it */
    int64_t loops;                /**< those of the configuration; 0: without end */
    int64_t elapsed;              /**< whole seconds since the start, without pauses */
} bide_countdown_status;

/**
 * @brief Makes it, stopped.
 *
 * @param config copied; its cycles and their names are not: they must stay.
 * @return 0; BIDE_EINVAL: no cycles, none of them longer than 0, a length or a number of loops out of range, a
 *   name that is NULL or no UTF-8.
 */
BIDE_API int bide_countdown_init(bide_countdown *countdown, const bide_countdown_config *config);

/**
 * @brief Starts it from the beginning: events STARTED and BEGAN. One that is not stopped goes on undisturbed.
 *
 * This and the functions below first account for the time that has passed: every end of a cycle since the last
 * call makes its events, also when several were jumped over.
 *
 * @param now the present time.
 * @param events what happened is appended to it.
 * @return 0, also when it did not apply, which makes no event; BIDE_COUNTDOWN_MORE; BIDE_EINVAL: NULL, or
 *   room for less than 2 events.
 */
BIDE_API int bide_countdown_start(bide_countdown *countdown, bide_instant now, bide_countdown_events *events);

/** @brief Pauses one that runs: event PAUSED. @return as bide_countdown_start(). */
BIDE_API int bide_countdown_pause(bide_countdown *countdown, bide_instant now, bide_countdown_events *events);

/** @brief Lets a paused one run on: event RESUMED. @return as bide_countdown_start(). */
BIDE_API int bide_countdown_resume(bide_countdown *countdown, bide_instant now,
                                   bide_countdown_events *events);

/** @brief Stops one that runs or is paused: events ENDED, with what remained, and STOPPED. It is at the
 *   beginning of its first cycle then. @return as bide_countdown_start(). */
BIDE_API int bide_countdown_stop(bide_countdown *countdown, bide_instant now, bide_countdown_events *events);

/**
 * @brief Sets what remains of the present cycle: event SET. What follows it is not changed, and neither is
 *   what has elapsed.
 *
 * It applies in each state; a start begins with the configured length whatever was set before it.
 *
 * @param seconds 0 to BIDE_COUNTDOWN_SECONDS_MAX.
 * @return as bide_countdown_start(); BIDE_EINVAL if out of range: then nothing happens.
 */
BIDE_API int bide_countdown_set(bide_countdown *countdown, bide_instant now, int64_t seconds,
                                bide_countdown_events *events);

/**
 * @brief Lets the time pass: events ENDED and BEGAN for each cycle that ended, ENDED and STOPPED at the end
 *   of the last loop; and RUNNING if the seconds that remain are others than the last event told: so at most
 *   once for each second of the countdown, with the new value.
 *
 * @return as bide_countdown_start().
 */
BIDE_API int bide_countdown_update(bide_countdown *countdown, bide_instant now,
                                   bide_countdown_events *events);

/** @brief When the next event of bide_countdown_update() is due; BIDE_NEVER while no time passes. */
BIDE_API bide_instant bide_countdown_next(const bide_countdown *countdown);

/** @brief What there is to know as of the last call that was given the time. The names are the
 *   configuration's. @return 0 or BIDE_EINVAL. */
BIDE_API int bide_countdown_get(const bide_countdown *countdown, bide_countdown_status *out);

/** @brief The state as the wire has it: "stopped", "running", "paused". Static storage. */
BIDE_API const char *bide_countdown_state_name(bide_countdown_state state);

/** @brief The event in a word: "started", "began", "running", "set", "paused", "resumed", "ended", "stopped".
 *   Static storage. */
BIDE_API const char *bide_countdown_event_name(bide_countdown_event_kind kind);
/**@}*/

/** @name Coroutines */
/**@{*/

/** The longest request that a server takes and answer that a client takes, with its line end, unless their
 * makers give them other buffers: 64 KiB. */
#define BIDE_COUNTDOWN_LINE_MAX 65536

/** Keeps a countdown's time: asks for the time, lets it pass, sleeps until something is due, and so on. */
typedef struct bide_countdown_ticker {
    bide_sansio_step step_;
    bide_duration period_;
    bide_instant until_;
    bide_countdown_event list_[BIDE_COUNTDOWN_EVENTS];
    bide_countdown_events events; /**< what the last resume caused */
} bide_countdown_ticker;

/**
 * @brief Prepares it.
 *
 * @param period the longest sleep, in nanoseconds: for drivers that sleep blindly while others start and set
 *   the countdown; a second will do. BIDE_DURATION_MAX: for drivers that end the sleep when somebody has
 *   changed something; then a countdown that does not run costs nothing.
 */
BIDE_API void bide_countdown_ticker_init(bide_countdown_ticker *ticker, bide_duration period);

/**
 * @brief Goes on.
 *
 * After each resume, whatever it returned, `events` has what it caused. A sleep that is ended early is followed
 * by a look at the time.
 *
 * @param countdown borrowed for this call.
 * @return BIDE_SANSIO_WANTS, without end; the driver's error; BIDE_EINVAL.
 */
BIDE_API int bide_countdown_ticker_resume(bide_countdown_ticker *ticker, bide_countdown *countdown,
                                          bide_sansio_io *io);

/** One connection of a server: reads requests, does them, answers them in their order. */
typedef struct bide_countdown_server {
    bide_sansio_step step_;
    bide_sansio_input input_;
    bide_sansio_read_line line_;
    bide_sansio_write_all write_;
    int state_;
    int request_;
    int64_t seconds_;
    char *answer_;
    char error_[96];
    bide_countdown_event list_[BIDE_COUNTDOWN_EVENTS];
    bide_countdown_events events; /**< what the last resume caused */
} bide_countdown_server;

/**
 * @brief Prepares it.
 *
 * @param buffer for requests; must stay.
 * @param capacity its bytes: the longest request that is taken, with its line end. BIDE_COUNTDOWN_LINE_MAX is
 *   the usual.
 */
BIDE_API void bide_countdown_server_init(bide_countdown_server *server, void *buffer, size_t capacity);

/**
 * @brief Goes on: resumed again after BIDE_SANSIO_DONE it serves the next request.
 *
 * A request that is malformed, unknown, or too long is answered `{"error":"…"}`, and the connection goes on.
 * One that is cut off by the end of the stream is not done.
 *
 * After each resume, whatever it returned, `events` has what it caused: take them before the next. So they
 * reach who wants them also if the answer never gets through.
 *
 * @param countdown borrowed for this call: a lock need not be held while the driver works.
 * @return BIDE_SANSIO_DONE: a request was answered; BIDE_SANSIO_WANTS; BIDE_END: the stream ended between two
 *   requests; BIDE_EEOF: it ended within one; the driver's error; BIDE_EINVAL.
 */
BIDE_API int bide_countdown_server_resume(bide_countdown_server *server, bide_countdown *countdown,
                                          bide_sansio_io *io);

/** @brief Whether it waits for a request of which no byte has come yet: to tell clients that have nothing to
 *   say from those that do not get it out. */
BIDE_API bool bide_countdown_server_is_idle(const bide_countdown_server *server);

/** @brief Frees what a server holds that is given up. */
BIDE_API void bide_countdown_server_fini(bide_countdown_server *server);

/** One connection of a client. */
typedef struct bide_countdown_client {
    bide_sansio_step step_;
    bide_sansio_input input_;
    bide_sansio_read_line line_;
    bide_sansio_write_all write_;
    int state_;
    int request_;
    int outcome_;
    char text_[40];
    void *memory_;
    /** After a get: the countdown of the server. The client's, until the next request. Else NULL. */
    const bide_countdown_status *status;
    /** The server's last answer as it came, without the line end; not terminated; until the next request. */
    const char *answer;
    size_t answer_length; /**< its bytes */
    /** After BIDE_EINVAL: what the server had to say; UTF-8; "" else. Not fit for terminals as it is. */
    char message[128];
} bide_countdown_client;

/**
 * @brief Prepares a client for a connection. It asks nothing yet.
 *
 * @param buffer for answers; must stay.
 * @param capacity its bytes: the longest answer that is taken, with its line end.
 */
BIDE_API void bide_countdown_client_init(bide_countdown_client *client, void *buffer, size_t capacity);

/**
 * @brief Asks the server to start the countdown: bide_countdown_client_resume() then does it.
 *
 * @return 0; BIDE_EBUSY: the last request has not been answered yet; the error with which the connection failed.
 */
BIDE_API int bide_countdown_ask_start(bide_countdown_client *client);
/** @brief Asks for the countdown: when done, `status` has it. @return as bide_countdown_ask_start(). */
BIDE_API int bide_countdown_ask_get(bide_countdown_client *client);
/** @brief Asks to pause it. @return as bide_countdown_ask_start(). */
BIDE_API int bide_countdown_ask_pause(bide_countdown_client *client);
/** @brief Asks to resume it. @return as bide_countdown_ask_start(). */
BIDE_API int bide_countdown_ask_resume(bide_countdown_client *client);
/** @brief Asks to stop it. @return as bide_countdown_ask_start(). */
BIDE_API int bide_countdown_ask_stop(bide_countdown_client *client);
/** @brief Asks to set what remains of its cycle. @param seconds as bide_countdown_set(). @return as
 *   bide_countdown_ask_start(), or BIDE_EINVAL: out of range. */
BIDE_API int bide_countdown_ask_set(bide_countdown_client *client, int64_t seconds);

/**
 * @brief Goes on.
 *
 * @return BIDE_SANSIO_DONE; BIDE_SANSIO_WANTS; BIDE_EINVAL: the server refuses, see `message`, or nothing was
 *   asked; BIDE_EPROTO: the answer is none; BIDE_EMSGSIZE: it is too long; BIDE_ENOMEM; BIDE_EEOF: the
 *   connection ended before the answer did; the driver's error. After the first four of these errors another
 *   request may be made.
 */
BIDE_API int bide_countdown_client_resume(bide_countdown_client *client, bide_sansio_io *io);

/** @brief Frees what a client holds that is given up. */
BIDE_API void bide_countdown_client_fini(bide_countdown_client *client);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
