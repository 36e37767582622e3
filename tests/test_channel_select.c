/* Select: one of several sends, receives and other futures is done, fairly, and no other.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "test_sync.h"

TestSuite(select, .timeout = 120);

static bide_channel a, b;
static int value;

static void open_both(size_t capacity)
{
    cr_assert_ok(bide_channel_init(&a, sizeof(int), capacity, NULL));
    cr_assert_ok(bide_channel_init(&b, sizeof(int), capacity, NULL));
}

static void done_with_both(void)
{
    cr_assert_ok(bide_channel_fini(&a));
    cr_assert_ok(bide_channel_fini(&b));
    cr_assert_ok(bide_shutdown());
}

static int send_now(bide_channel *channel, int what)
{
    return bide_channel_send(channel, &what, BIDE_NOW);
}

static int receive_now(bide_channel *channel)
{
    int got = -1;
    int error = bide_channel_receive(channel, &got, BIDE_NOW);
    return error ? error : got;
}

Test(select, does_what_is_possible_at_once_and_nothing_else)
{
    int out = 5;
    open_both(1);
    bide_case cases[] = {{.channel = &a, .receive = &value}, {.channel = &b, .send = &out}};
    cr_assert_gives(bide_select(cases, 2, BIDE_NEVER), 1);
    cr_assert_gives(cases[1].result, 0);
    cr_assert_gives(bide_select(cases, 2, BIDE_NOW), BIDE_EAGAIN);
    cr_assert_gives(bide_select(cases, 2, bide_after(SHORT)), BIDE_ETIMEDOUT);
    cr_assert_ok(send_now(&a, 3));
    cr_assert_gives(bide_select(cases, 2, BIDE_NEVER), 0);
    cr_assert_eq(value, 3);
    cr_assert_gives(receive_now(&b), 5);
    cr_assert_gives(receive_now(&b), BIDE_EAGAIN);
    done_with_both();
}

Test(select, refuses_bad_arguments)
{
    bide_case one = bide_case_receive(&a, NULL);
    open_both(0);
    cr_assert_gives(bide_select(NULL, 1, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_select(&one, 0, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_select(&one, 65536, BIDE_NEVER), BIDE_EINVAL);
    cr_assert_gives(bide_select(&one, 1, BIDE_NEVER), 0);
    cr_assert_gives(one.result, BIDE_EINVAL);
    bide_selecting_init(NULL, &one, 1);
    /* Neither a channel nor a future: never chosen. */
    memset(&one, 0, sizeof one);
    cr_assert_gives(bide_select(&one, 1, BIDE_NOW), BIDE_EAGAIN);
    done_with_both();
}

Test(select, gives_each_that_is_possible_the_same_chance)
{
    enum { ROUNDS_OF = 3000 };
    int chosen[3] = {0, 0, 0};
    int out = 1;
    open_both(1);
    cr_assert_ok(send_now(&a, 1));
    for (int i = 0; i < ROUNDS_OF; i++) {
        bide_timer due;
        bide_timer_after(&due, 0);
        bide_case cases[] = {bide_case_receive(&a, &value), bide_case_send(&b, &out),
                             bide_case_future(&due.future)};
        int which = bide_select(cases, 3, BIDE_NEVER);
        cr_assert(which >= 0 && which < 3, "%d", which);
        chosen[which]++;
        if (which == 0) cr_assert_ok(send_now(&a, 1));
        if (which == 1) cr_assert_gives(receive_now(&b), 1);
    }
    /* 1000 each; less than 800 has a chance of less than one in 10^13. */
    for (int i = 0; i < 3; i++)
        cr_assert_gt(chosen[i], 800, "case %d: %d of %d", i, chosen[i], ROUNDS_OF);
    done_with_both();
}

/* --- waiting, step by step ---------------------------------------------------------------------------------- */

static struct counter counter;
static bide_selecting selecting;

static void begin(bide_case *cases, size_t count)
{
    counter.wakes = 0;
    bide_selecting_init(&selecting, cases, count);
    cr_assert_gives(poll_with(&selecting.future, counting(&counter)), BIDE_PENDING);
}

static void expect_chosen(int which)
{
    cr_assert_geq(counter.wakes, 1);
    cr_assert_gives(poll_with(&selecting.future, counting(&counter)), BIDE_READY);
    cr_assert_gives(selecting.result, which);
}

Test(select, that_waits_takes_one_value_though_several_come_before_it_looks)
{
    int first = -1, second = -1;
    open_both(1);
    bide_case cases[] = {{.channel = &a, .receive = &first}, {.channel = &b, .receive = &second}};
    begin(cases, 2);
    cr_assert_ok(send_now(&b, 7));
    cr_assert_ok(send_now(&a, 8));
    cr_assert_eq(counter.wakes, 1, "%d wakes", counter.wakes);
    expect_chosen(1);
    cr_assert(first == -1 && second == 7, "%d %d", first, second);
    /* The other value is there for the next. */
    cr_assert_gives(receive_now(&a), 8);
    done_with_both();
}

Test(select, that_waits_sends_one_value_though_several_receivers_come)
{
    int one = 1, two = 2;
    open_both(0);
    bide_case cases[] = {{.channel = &a, .send = &one}, {.channel = &b, .send = &two}};
    begin(cases, 2);
    cr_assert_gives(receive_now(&a), 1);
    cr_assert_gives(receive_now(&b), BIDE_EAGAIN);
    expect_chosen(0);
    done_with_both();
}

Test(select, that_is_cancelled_has_done_nothing_or_says_what)
{
    int got = -1, out = 2;
    open_both(0);
    bide_case cases[] = {{.channel = &a, .receive = &got}, {.channel = &b, .send = &out}};
    begin(cases, 2);
    cr_assert_gives(bide_cancel(&selecting.future), BIDE_READY);
    cr_assert_gives(selecting.result, BIDE_ECANCELED);
    cr_assert_gives(send_now(&a, 1), BIDE_EAGAIN);
    cr_assert_gives(receive_now(&b), BIDE_EAGAIN);
    begin(cases, 2);
    cr_assert_ok(send_now(&a, 1));
    cr_assert_gives(bide_cancel(&selecting.future), BIDE_COMPLETED);
    cr_assert_gives(selecting.result, 0);
    cr_assert_eq(got, 1);
    done_with_both();
}

Test(select, may_send_and_receive_on_one_channel_but_not_to_itself)
{
    for (size_t capacity = 0; capacity <= 1; capacity++) {
        int got = -1, out = 2;
        open_both(capacity);
        bide_case cases[] = {{.channel = &a, .receive = &got}, {.channel = &a, .send = &out}};
        if (capacity) {
            cr_assert_gives(bide_select(cases, 2, BIDE_NEVER), 1);
            cr_assert_gives(bide_select(cases, 2, BIDE_NEVER), 0);
            cr_assert_eq(got, 2);
        } else {
            begin(cases, 2);
            cr_assert_gives(receive_now(&a), 2);
            expect_chosen(1);
            begin(cases, 2);
            cr_assert_ok(send_now(&a, 9));
            expect_chosen(0);
            cr_assert_eq(got, 9);
        }
        done_with_both();
    }
}

Test(select, meets_another_select)
{
    int got = -1, out = 3;
    open_both(0);
    bide_case receives[] = {{.channel = &b, .receive = &got}, {.channel = &a, .receive = &got}};
    bide_case sends[] = {{.channel = &a, .send = &out}, {.channel = &b, .send = &out}};
    begin(receives, 2);
    int sent = bide_select(sends, 2, BIDE_NEVER);
    cr_assert(sent == 0 || sent == 1, "%d", sent);
    expect_chosen(1 - sent);
    cr_assert_eq(got, 3);
    done_with_both();
}

Test(select, is_told_of_a_channel_that_is_closed)
{
    int out = 1;
    open_both(1);
    cr_assert_ok(send_now(&b, 1));
    bide_case cases[] = {{.channel = &a, .receive = &value}, {.channel = &b, .send = &out}};
    begin(cases, 2);
    cr_assert_ok(bide_channel_close(&a));
    expect_chosen(0);
    cr_assert_gives(cases[0].result, BIDE_END);
    cr_assert_gives(bide_select(cases, 1, BIDE_NEVER), 0);
    cr_assert_gives(cases[0].result, BIDE_END);
    begin(&cases[1], 1);
    cr_assert_ok(bide_channel_close(&b));
    expect_chosen(0);
    cr_assert_gives(cases[1].result, BIDE_ECLOSED);
    done_with_both();
}

Test(select, takes_any_future_beside_channels_and_cancels_those_that_lose)
{
    bide_event event;
    bide_event_waiting waiting;
    bide_timer timer;
    cr_assert_ok(bide_event_init(&event, BIDE_EVENT_AUTO));
    open_both(0);
    bide_event_waiting_init(&waiting, &event);
    bide_timer_after(&timer, LONG);
    bide_case cases[] = {bide_case_receive(&a, &value), bide_case_future(&waiting.future),
                         bide_case_future(&timer.future)};
    begin(cases, 3);
    bide_event_set(&event);
    expect_chosen(1);
    cr_assert_gives(cases[1].result, 0);
    cr_assert_gives(send_now(&a, 1), BIDE_EAGAIN);

    /* The event is given to a wait that loses to a value: that is told by the wait's own result. */
    bide_event_waiting_init(&waiting, &event);
    bide_timer_after(&timer, LONG);
    begin(cases, 3);
    cr_assert_ok(send_now(&a, 4));
    bide_event_set(&event);
    expect_chosen(0);
    cr_assert_eq(value, 4);
    cr_assert_gives(waiting.result, 0);
    cr_assert_ok(bide_event_fini(&event));

    bide_timer_after(&timer, BIDE_MILLISECONDS(1));
    cases[1] = bide_case_future(NULL);
    cr_assert_gives(bide_select(cases, 3, BIDE_NEVER), 2);
    cr_assert_ok(bide_channel_fini(&a));
    cr_assert_ok(bide_channel_fini(&b));
    cr_assert_ok(bide_shutdown());
}

/* Its cancel is put off by the kernel, as it were. */
static void answer_later(bide_case *cases, struct owned *owned)
{
    owned_init(owned, BIDE_READY);
    cases[0] = bide_case_receive(&a, &value);
    cases[1] = bide_case_future(&owned->future);
}

Test(select, waits_for_the_last_word_of_a_loser)
{
    struct owned owned;
    bide_case cases[2];
    open_both(0);
    answer_later(cases, &owned);
    begin(cases, 2);
    cr_assert_ok(send_now(&a, 4));
    cr_assert_gives(poll_with(&selecting.future, counting(&counter)), BIDE_PENDING);
    bide_event_set(&owned.answered);
    expect_chosen(0);
    answer_later(cases, &owned);
    begin(cases, 2);
    cr_assert_gives(cancel_with(&selecting.future, counting(&counter)), BIDE_PENDING);
    bide_event_set(&owned.answered);
    cr_assert_gives(bide_cancel(&selecting.future), BIDE_READY);
    done_with_both();
}

/* --- at the same moment ------------------------------------------------------------------------------------- */

static int theirs[2];

static void send_both(void)
{
    theirs[0] = send_now(&a, 1);
    theirs[1] = send_now(&b, 2);
}

Test(select, that_is_cancelled_while_two_values_come_has_one_or_none)
{
    open_both(0);
    partner_start(send_both);
    for (int round = 1; round <= ROUNDS; round++) {
        int got = -1;
        bide_case cases[] = {{.channel = &a, .receive = &got}, {.channel = &b, .receive = &got}};
        begin(cases, 2);
        meet(round);
        int answer = bide_cancel(&selecting.future);
        part(round);
        int sent = (theirs[0] == 0) + (theirs[1] == 0);
        cr_assert_eq(sent, answer == BIDE_COMPLETED ? 1 : 0, "%d sent, cancel gave %d", sent, answer);
        if (sent) {
            cr_assert_gives(theirs[selecting.result], 0);
            cr_assert_eq(got, selecting.result + 1);
        }
    }
    partner_stop();
    done_with_both();
}

/* --- parties ------------------------------------------------------------------------------------------------ */

/* Each sends its values and receives those of others, whatever comes first, by selects that meet selects. */
struct swapper {
    bide_channel *in, *out;
    uint64_t sent, received;
};

static atomic_int swaps_left;

static int swap(void *arg)
{
    struct swapper *swapper = arg;
    for (int i = 1; atomic_load(&swaps_left) > 0; i++) {
        int in = -1, out = i;
        bide_case cases[] = {{.channel = swapper->in, .receive = &in},
                             {.channel = swapper->out, .send = &out}};
        int which = bide_select(cases, 2, bide_after(BIDE_MILLISECONDS(1)));
        if (which == 0) swapper->received += (uint64_t)in;
        if (which == 1) swapper->sent += (uint64_t)out;
        if (which == BIDE_ETIMEDOUT) continue;
        MUST(which >= 0);
        MUST_GIVE(cases[which].result, 0);
        atomic_fetch_sub(&swaps_left, 1);
    }
    return 0;
}

static int swap_in_a_ring(void *arg)
{
    enum { SWAPPERS = 5 };
    bide_channel ring[SWAPPERS];
    struct swapper swappers[SWAPPERS];
    struct party parties[SWAPPERS];
    for (size_t capacity = 0; capacity < 2; capacity++) {
        memset(swappers, 0, sizeof swappers);
        atomic_store(&swaps_left, MANY_TIMES / 4);
        for (int i = 0; i < SWAPPERS; i++) {
            MUST_GIVE(bide_channel_init(&ring[i], sizeof(int), capacity, NULL), 0);
            swappers[i].in = &ring[i];
            swappers[i].out = &ring[(i + 1) % SWAPPERS];
        }
        MUST_GIVE(parties_run(parties, SWAPPERS, *(unsigned *)arg, swap, swappers, sizeof *swappers), 0);
        uint64_t sent = 0, received = 0;
        for (int i = 0; i < SWAPPERS; i++) {
            int left;
            sent += swappers[i].sent;
            received += swappers[i].received;
            while (bide_channel_receive(&ring[i], &left, BIDE_NOW) == 0)
                received += (uint64_t)left;
            MUST_GIVE(bide_channel_fini(&ring[i]), 0);
        }
        MUST(sent == received && sent > 0);
    }
    return 0;
}

Test(select, of_tasks_and_threads_that_all_select_loses_and_doubles_nothing)
{
    with_mixes(swap_in_a_ring);
}
