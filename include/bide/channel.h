/**
 * @file bide/channel.h
 * @brief Channels: values handed from those who send to those who receive, between tasks, threads, or both.
 *
 * A channel carries values of one size, which are copied in and out, first in, first out. It is *bounded*: a send
 * waits while it is full; *unbounded*: a send never waits; or of capacity 0, a *rendezvous*: a send waits until a
 * receiver has the value. Any number of parties may send and receive at once; those who wait are served in order.
 *
 * No value is lost or given twice. A send or receive that is cancelled, also by its deadline, either took place
 * (its cancel answers BIDE_COMPLETED, and the call returns 0) or did not.
 *
 * **Closing** tells receivers that no more will come: they get what is stored, and then BIDE_END. Sends that are
 * waiting, or come later, get BIDE_ECLOSED: their values were not sent. Who sends should close.
 *
 * Values are copied while a lock is held: they should be small. Send pointers to what is large; whoever receives
 * one has what it points to. What the sender wrote before it sent is seen by the one that receives.
 *
 * **Fork.** In the child of a fork initialise anew what parties of the parent may have been waiting on.
 *
 * @code
 * static int produce(void *arg)
 * {
 *     for (int i = 0; i < 10; i++) bide_channel_send(arg, &i, BIDE_NEVER);
 *     return bide_channel_close(arg);
 * }
 * int number;
 * while (bide_channel_receive(&numbers, &number, BIDE_NEVER) == 0) printf("%d\n", number);
 * @endcode
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BIDE_CHANNEL_H
#define BIDE_CHANNEL_H

#include <bide/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name The channel */
/**@{*/

/** The capacity of a channel that grows as it must. */
#define BIDE_CHANNEL_UNBOUNDED SIZE_MAX

struct bide_fifo_chunk;

/** What is stored in a channel: part of it. The fields are private. */
typedef struct bide_fifo {
    size_t size_;
    size_t capacity_;
    size_t count_;
    size_t head_;
    size_t tail_;
    size_t chunk_values_;
    unsigned char *ring_;
    struct bide_fifo_chunk *first_;
    struct bide_fifo_chunk *last_;
    struct bide_fifo_chunk *spare_;
} bide_fifo;

/** A channel, in storage of the caller's, where it must stay. The fields are private. */
typedef struct bide_channel {
    bide_link senders_;
    bide_link receivers_;
    uint32_t stage_;
    bide_fifo store_;
    void *owned_;
} bide_channel;

/**
 * @brief Opens a channel; nobody may use it yet. Does not wait.
 *
 * @param size of a value in bytes; 0: there is nothing in it, it only tells that it came.
 * @param capacity how many values it stores; 0: none, each is handed over; BIDE_CHANNEL_UNBOUNDED: any number.
 * @param storage for a bounded one, `size * capacity` bytes that outlive it; NULL: allocated here.
 * @return 0; BIDE_ENOMEM; BIDE_EINVAL: NULL, or storage for a channel that needs none.
 *
 * @code
 * bide_channel jobs;
 * int err = bide_channel_init(&jobs, sizeof(struct job *), 64, NULL);
 * @endcode
 */
BIDE_API int bide_channel_init(bide_channel *channel, size_t size, size_t capacity, void *storage);

/**
 * @brief Gives up a channel, open or closed, and frees what was allocated for it. What is still stored is dropped:
 *   receive it first if it is anybody's.
 *
 * It may go as soon as nobody waits and nobody will call, also if a send whose value was received, or a receive
 * whose sender knows of it, has not returned yet; and bide_channel_close() once its effect was seen.
 *
 * @return 0; BIDE_EBUSY while somebody waits: nothing is changed; BIDE_EFREED if it was given up before; BIDE_EINVAL
 *   for NULL. Thread-safe; does not wait.
 */
BIDE_API int bide_channel_fini(bide_channel *channel);

/**
 * @brief Sends one value.
 *
 * @param value is copied before the call returns 0; may be NULL if values have no bytes.
 * @param deadline BIDE_NOW tries only: also allowed in a waker.
 * @return 0: it was stored, or a receiver has it. Else it was not sent: BIDE_ECLOSED; BIDE_EAGAIN (for BIDE_NOW) or
 *   BIDE_ETIMEDOUT at the deadline; BIDE_ENOMEM (of an unbounded one); BIDE_ECANCELED in a cancelled task;
 *   BIDE_EDEADLK in a waker; BIDE_EFREED (given up); BIDE_EINVAL for NULL; or as bide_await().
 *
 * May wait, and lets others have a turn now and then when it need not. Thread-safe.
 */
BIDE_API int bide_channel_send(bide_channel *channel, const void *value, bide_instant deadline);

/**
 * @brief Receives one value.
 *
 * @param[out] into where it is copied; untouched unless 0 is returned; may be NULL if values have no bytes.
 * @param deadline BIDE_NOW tries only: also allowed in a waker.
 * @return 0; BIDE_END: closed, and all has been received; else errors as bide_channel_send().
 *
 * May wait, and lets others have a turn now and then when it need not. Thread-safe.
 */
BIDE_API int bide_channel_receive(bide_channel *channel, void *into, bide_instant deadline);

/**
 * @brief Closes it: see the top of this page. Wakes all who wait.
 *
 * @return 0; BIDE_ECLOSED if it was closed before; BIDE_EFREED, BIDE_EINVAL. Thread-safe; does not wait.
 */
BIDE_API int bide_channel_close(bide_channel *channel);

/** @brief How many values are stored at this moment; 0 for NULL. Thread-safe; does not wait. */
BIDE_API size_t bide_channel_count(const bide_channel *channel);

/** @brief Whether it was closed, or is no channel. Thread-safe; does not wait. */
BIDE_API bool bide_channel_is_closed(const bide_channel *channel);
/**@}*/

/** @name Sending and receiving as futures */
/**@{*/

/** One party's end of a hand-over: part of Bide's futures. The fields are private. */
typedef struct bide_exchange {
    bide_waiter waiter_;
    void *value_;
    uint32_t *chosen_;
    uint32_t index_;
    int outcome_;
} bide_exchange;

/** Sending a value, as a future. */
typedef struct bide_sending {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_channel *channel_;
    bide_exchange exchange_;
    int result; /**< when ready: as bide_channel_send(); BIDE_ECANCELED after a cancel: it was not sent. One whose
                     cancel answered BIDE_COMPLETED has sent it, or got BIDE_ECLOSED. */
} bide_sending;

/** @brief Prepares it; the channel and the value must stay until it is over. Does not wait. */
BIDE_API void bide_sending_init(bide_sending *sending, bide_channel *channel, const void *value);

/** Receiving a value, as a future. */
typedef struct bide_receiving {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_channel *channel_;
    bide_exchange exchange_;
    int result; /**< when ready: as bide_channel_receive(); BIDE_ECANCELED after a cancel: nothing was received. One
                     whose cancel answered BIDE_COMPLETED has received, or got BIDE_END. */
} bide_receiving;

/** @brief Prepares it, for one value; the channel and `into` must stay until it is over. Does not wait. */
BIDE_API void bide_receiving_init(bide_receiving *receiving, bide_channel *channel, void *into);

/**
 * @brief Prepares it as a stream: ready for each value, which is in `into` until it is polled again, and at last with
 *   BIDE_END. Does not wait.
 *
 * @code
 * bide_receiving_init_stream(&receiving, &jobs, &job);
 * while (bide_block_on(&receiving.future) == 0 && receiving.result == 0) run(job);
 * @endcode
 */
BIDE_API void bide_receiving_init_stream(bide_receiving *receiving, bide_channel *channel, void *into);
/**@}*/

/** @name Select
 * Sends, receives and any other futures can be raced with bide_race_until(), which tells which losers had taken place
 * before they could be cancelled. A select goes further: of its sends and receives exactly one takes place. */
/**@{*/

/**
 * One of the things of which a select does one: receive, send or another future. In C, zeroed but for its purpose:
 * `{.channel = &jobs, .receive = &job}`, `{.channel = &results, .send = &result}`, `{.future = &timer.future}`. One
 * with neither a channel nor a future is never chosen.
 */
typedef struct bide_case {
    bide_channel *channel; /**< on which to send or receive */
    void *receive;         /**< where to receive, if `send` is NULL */
    const void *send;      /**< what to send; not NULL, even if values have no bytes */
    bide_future
        *future; /**< without a channel: what to await. When another case was chosen it has been cancelled,
                                as by bide_race(): it may have completed all the same, which its result tells */
    int result;  /**< of the chosen one: of a send or receive as bide_channel_send() and
                                bide_channel_receive() (0, BIDE_END, BIDE_ECLOSED, BIDE_ENOMEM …); of a future 0 */
    bide_exchange exchange_; /**< private */
} bide_case;

/** @brief A case for a select; those of C++ have no other way before C++20. */
static inline bide_case bide_case_receive(bide_channel *channel, void *into)
{
    bide_case chosen = {channel, into, NULL, NULL, 0, {{{NULL, NULL}, {NULL, NULL}, 0, 0}, NULL, NULL, 0, 0}};
    return chosen;
}

/** @brief As bide_case_receive(), to send. */
static inline bide_case bide_case_send(bide_channel *channel, const void *value)
{
    bide_case chosen = bide_case_receive(channel, NULL);
    chosen.send = value;
    return chosen;
}

/** @brief As bide_case_receive(), to await another future: a timer, I/O, the end of a task. */
static inline bide_case bide_case_future(bide_future *future)
{
    bide_case chosen = bide_case_receive(NULL, NULL);
    chosen.future = future;
    return chosen;
}

/**
 * @brief Does the first of several things that is possible, and none of the others.
 *
 * Among several that are possible at once each has the same chance.
 *
 * @param cases `count` of them; they may be used again for the next select as they are, but for futures that are no
 *   streams.
 * @param count 1 to 65535.
 * @param deadline BIDE_NOW: what is possible at once, as Go's `default`.
 * @return the index of the case that was done, with its `result`; BIDE_EAGAIN for BIDE_NOW and BIDE_ETIMEDOUT for any
 *   other deadline: none was; BIDE_EINVAL for NULL, none, or too many; or as bide_await().
 *
 * @code
 * bide_case cases[] = {{.channel = &jobs, .receive = &job}, {.channel = &quit, .receive = &why}};
 * switch (bide_select(cases, 2, BIDE_NEVER)) {
 * case 0: if (cases[0].result == 0) run(job); break;
 * case 1: return why;
 * }
 * @endcode
 */
BIDE_API int bide_select(bide_case *cases, size_t count, bide_instant deadline);

/** A select as a future. */
typedef struct bide_selecting {
    bide_future future; /**< this as a future: what others poll, race and cancel */
    bide_case *cases_;
    size_t count_;
    uint32_t chosen_;
    int stage_;
    int result; /**< when ready: as bide_select(); BIDE_ECANCELED after a cancel: none was done */
} bide_selecting;

/** @brief Prepares it; the cases must stay until it is over. Does not wait. */
BIDE_API void bide_selecting_init(bide_selecting *selecting, bide_case *cases, size_t count);
/**@}*/

#ifdef __cplusplus
}
#endif

#endif
