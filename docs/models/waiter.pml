/* Waiters: how one is woken, and left alone when its owner was told so. The protocol of
 * src/future/waiter.[ch] as its users run it: src/reactor/source.c (SOURCE), src/reactor/timer.c (TIMER),
 * src/future/event.c (AUTO, MANUAL, PAIR). Each step names its function; role.pml has what comes before and
 * after, and README.md what is left out.
 *
 * PROPERTIES
 * Q  No wake of a waker that may be freed starts or runs after the poll that answered READY, after the poll
 *    that brought another waker, or after the cancel. (`valid`, `running`)
 * M  Nobody touches a waiter after its owner gave the storage back, nor an event after a wait for it returned
 *    that a last set released, nor the descriptor of a source that is closed. (`alive`, `event_alive`,
 *    `closed`)
 * L  No wake is lost: nobody sleeps on although there is what he waits for. (invalid end states)
 * A  An automatic event's set is consumed once at most, and released waits are never fewer than sets where as
 *    many waited. (`released`)
 *
 * Each scenario ends in every run, so that "eventually" is "in the end" here.
 *
 * CHECK: -DSOURCE -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DSOURCE -DSAFETY -m100000 -DBUG_READY_WITHOUT_QUIESCE
 * MUST-FAIL: -DSOURCE -DSAFETY -m100000 -DBUG_NOT_FIRING
 * MUST-FAIL: -DSOURCE -DSAFETY -m100000 -DBUG_QUIESCE_BEFORE_LINK
 * MUST-FAIL: -DSOURCE -DSAFETY -m100000 -DBUG_BATCH_WITHOUT_LOCK
 * MUST-FAIL: -DSOURCE -DSAFETY -m100000 -DBUG_BATCH_UNLINKED_AT_ONCE
 * MUST-FAIL: -DSOURCE -DSAFETY -m100000 -DBUG_LOWERED_IN_TWO_STEPS
 * MUST-FAIL: -DSOURCE -DSAFETY -m100000 -DBUG_NOBODY_WAKES_QUIESCE
 * MUST-FAIL: -DSOURCE -DSAFETY -m100000 -DBUG_LINK_WITHOUT_LOOK
 * MUST-FAIL: -DSOURCE -DSAFETY -m100000 -DBUG_TAKE_THEN_READY
 * MUST-FAIL: -DSOURCE -DSAFETY -m100000 -DBUG_DRAINED_OVER_EVENT
 * MUST-FAIL: -DSOURCE -DSAFETY -m100000 -DBUG_STORED_WHILE_FIRING
 * CHECK: -DCLOSE -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DCLOSE -DSAFETY -m100000 -DBUG_CLOSE_BEFORE_PINS
 * MUST-FAIL: -DCLOSE -DSAFETY -m100000 -DBUG_BATCH_UNLINKED_AT_ONCE
 * CHECK: -DTIMER -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DTIMER -DSAFETY -m100000 -DBUG_LINK_WHILE_FIRING
 * MUST-FAIL: -DTIMER -DSAFETY -m100000 -DBUG_CANCEL_WITHOUT_QUIESCE
 * CHECK: -DAUTO -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DAUTO -DSAFETY -m100000 -DBUG_READY_WITHOUT_QUIESCE
 * MUST-FAIL: -DAUTO -DSAFETY -m100000 -DBUG_NOT_SETTING
 * MUST-FAIL: -DAUTO -DSAFETY -m100000 -DBUG_LOOK_THEN_SET
 * MUST-FAIL: -DAUTO -DSAFETY -m100000 -DBUG_LOOK_THEN_WAITED
 * MUST-FAIL: -DAUTO -DSAFETY -m100000 -DBUG_GRANT_FORGOTTEN
 * MUST-FAIL: -DAUTO -DSAFETY -m100000 -DBUG_SET_LEFT_SET
 * CHECK: -DMANUAL -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DMANUAL -DSAFETY -m100000 -DBUG_NOT_SETTING
 * MUST-FAIL: -DMANUAL -DSAFETY -m100000 -DBUG_BATCH_UNLINKED_AT_ONCE
 * CHECK: -DPAIR -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DPAIR -DSAFETY -m100000 -DBUG_SETS_COALESCE
 * MUST-FAIL: -DPAIR -DSAFETY -m100000 -DBUG_COUNT_THEN_CLEAR
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#define NONE 255

/* What a poll answers, and what an owner does then. */
#define PENDING 0
#define READY 1
#define AGAIN 2
#define CANCELLING 3

/* CLOSE is SOURCE with somebody who frees the source. */
#ifdef CLOSE
#define SOURCE
#endif
/* PAIR is AUTO with both owners linked before the first set. */
#ifdef PAIR
#define AUTO
#endif
#if defined(AUTO) || defined(MANUAL)
#define EVENT
#endif

#ifdef TIMER
#define OWNERS 1
#else
#define OWNERS 2
#endif
/* How often an owner polls again although nothing has woken it. */
#if defined(CLOSE)
#define SPARE(me) 0
#elif defined(AUTO)
#define SPARE(me) (1 - (me))
#else
#define SPARE(me) 1
#endif

/* --- Waiters: src/future/waiter.h ---------------------------------------------------------------------- */

#define LINKED 1
#define GRANTED 2
#define AWAITED 4
#define FIRING 8

byte state[OWNERS];
byte waker[OWNERS]; /* the waker, and with it whether it is stable */
byte place[OWNERS]; /* which ring it is in */
bool asleep[OWNERS]; /* the owner sleeps in the futex of its state word */

/* Rings: none, the queue of the object, and the batch of the waking thread t. */
#define NOWHERE 0
#define QUEUE 1
#define BATCH(t) (2 + (t))

/* Wakers of an owner: its thread's parker, type-stable, and two of the user's own. */
#define STABLE 0
#define WAKERS 3
#define OF(w, k) ((w) * WAKERS + (k))

/* What the user knows. Of each waker: may be called; runs. Of each owner: its storage is there; whom it has
 * given to the last poll; that one was called since. */
bool valid[OWNERS * WAKERS];
byte running[OWNERS * WAKERS];
bool alive[OWNERS];
byte given[OWNERS];
bool woken[OWNERS];

/* The wait lock of the object; the reactor's lock for timers. */
bool lock;
#define ACQUIRE atomic { !lock -> lock = true }
#define RELEASE lock = false

#if OWNERS == 1
#define EMPTY(ring) (place[0] != (ring))
#else
#define EMPTY(ring) (place[0] != (ring) && place[1] != (ring))
#endif

/* Any waiter of a ring that is not empty: a queue is first in, first out, of which nothing here makes use. */
inline any(ring, w)
{
    if
    :: place[0] == (ring) -> w = 0
#if OWNERS > 1
    :: place[1] == (ring) -> w = 1
#endif
    fi
}

/* bide_waiter_change, with the lock held: a store, if there is nobody who may change the state in between. */
byte was; /* a local of whoever has the lock */
inline change(w, by)
{
    was = state[w];
    if
#ifdef BUG_STORED_WHILE_FIRING
    :: true ->
#else
    :: was < AWAITED ->
#endif
        d_step { assert(alive[w]); state[w] = was + (by); was = 0 }
#ifndef BUG_STORED_WHILE_FIRING
    :: else ->
        d_step { assert(alive[w]); state[w] = state[w] + (by); was = 0 }
#endif
    fi
}

/* bide_waiter_link */
inline link(w, k)
{
    d_step {
        assert(alive[w] && !(state[w] & LINKED) && place[w] == NOWHERE);
        waker[w] = k;
        place[w] = QUEUE
    }
    change(w, LINKED)
}

/* bide_waiter_unlink */
inline unlink(w)
{
    d_step {
        assert(alive[w] && (state[w] & LINKED) && place[w] != NOWHERE);
        place[w] = NOWHERE
    }
    change(w, -LINKED)
}

/* bide_waiter_take: the wake is (k, w) and what to lower afterwards, f. */
inline take(w, k, f)
{
#ifdef BUG_LOWERED_IN_TWO_STEPS
    state[w] = state[w] - LINKED;
#endif
    d_step {
        assert(alive[w] && place[w] != NOWHERE);
        k = waker[w];
        place[w] = NOWHERE;
        f = NONE;
#ifndef BUG_NOT_FIRING
        if
        :: k != STABLE -> f = w
        :: else
        fi
#endif
    }
#if !defined(BUG_LOWERED_IN_TWO_STEPS) && !defined(BUG_BATCH_UNLINKED_AT_ONCE)
    assert(state[w] & LINKED);
    change(w, (f == NONE -> 0 : FIRING) - LINKED)
#else
    change(w, (f == NONE -> 0 : FIRING))
#endif
}

/* bide_wake_run */
inline run_wake(w, k, f)
{
    d_step {
        if
        :: k != STABLE -> assert(valid[OF(w, k)]); running[OF(w, k)]++
        :: else
        fi
    }
    d_step {
        if
        :: k != STABLE -> assert(valid[OF(w, k)]); running[OF(w, k)]--
        :: else
        fi;
        if
        :: given[w] == k -> woken[w] = true
        :: else
        fi
    }
    if
    :: f != NONE ->
        d_step {
            assert(alive[f]);
            before = state[f];
            state[f] = before - FIRING
        }
#ifndef BUG_NOBODY_WAKES_QUIESCE
        /* The address alone: the storage may be gone. */
        if
        :: before & AWAITED -> asleep[f] = false
        :: else
        fi
#endif
    :: else
    fi
}

/* bide_batch_wake: with the lock held; returns with it released. */
inline batch_wake(me)
{
#ifdef BUG_BATCH_WITHOUT_LOCK
    RELEASE;
#endif
    do
    :: !EMPTY(BATCH(me)) ->
        any(BATCH(me), w);
        take(w, k, f);
        last = EMPTY(BATCH(me));
#ifndef BUG_BATCH_WITHOUT_LOCK
        RELEASE;
#endif
        run_wake(w, k, f);
        if
        :: last -> break
        :: else
        fi;
#ifndef BUG_BATCH_WITHOUT_LOCK
        ACQUIRE
#endif
    :: else ->
#ifndef BUG_BATCH_WITHOUT_LOCK
        RELEASE;
#endif
        break
    od;
    w = 0; k = 0; f = 0; before = 0; last = false;
    /* The head of the batch goes out of scope. */
    assert(EMPTY(BATCH(me)))
}

/* The locals of a thread that runs wakes. */
#define WAKING byte w, k, f, before; bool last

/* bide_waiter_quiesce. The spins before the sleep are left out: they only look. */
inline quiesce(w)
{
    do
    :: seen = state[w];
        if
        :: seen < FIRING ->
            if
            :: seen & AWAITED -> state[w] = state[w] & (LINKED | GRANTED | 248)
            :: else
            fi;
            break
        :: seen >= FIRING && (seen & AWAITED) ->
            /* futex_wait compares and sleeps in one step */
            d_step {
                if
                :: state[w] == seen -> asleep[w] = true
                :: else
                fi
            }
            !asleep[w]
        :: else ->
            d_step {
                if
                :: state[w] == seen -> state[w] = seen | AWAITED
                :: else
                fi
            }
        fi
    od;
    seen = 0
}

/* What the user may do as soon as a call has told it so: give up a waker, or the storage. */
inline give_up_waker(w, k)
{
    if
    :: k != STABLE -> assert(running[OF(w, k)] == 0); valid[OF(w, k)] = false
    :: else
    fi
}

inline give_up(w)
{
    d_step {
        give_up_waker(w, 1);
        give_up_waker(w, 2);
        assert(place[w] == NOWHERE && !(state[w] & LINKED));
        alive[w] = false;
        given[w] = NONE
    }
}

/* --- Sources: src/reactor/source.c --------------------------------------------------------------------- */

#ifdef SOURCE

#ifdef CLOSE
#define EVENTS 1
#define ENDINGS 2
#else
#define EVENTS 2
#define ENDINGS 1
#endif

byte data;    /* what the kernel has for us */
bool ready;   /* READY of the readiness word */
byte events;  /* the count in it */
bool closing; /* CLOSING of the pins word */
byte pins;
bool closed;  /* the descriptor is */
byte ended;   /* waking threads that have nothing more to do */

/* collect, bide_ring_splice */
inline collect(me)
{
    d_step {
        w = 0;
        do
        :: w < OWNERS ->
            if
            :: place[w] == QUEUE ->
                place[w] = BATCH(me);
#ifdef BUG_BATCH_UNLINKED_AT_ONCE
                state[w] = state[w] - LINKED
#endif
            :: else
            fi;
            w++
        :: else -> break
        od;
        w = 0
    }
}

/* The driver: bide_source_event, once for each thing that comes. */
proctype driver()
{
    WAKING;
    byte count;
    do
    :: count < EVENTS ->
        count++;
        data++;
        ACQUIRE;
        if
        :: !closing ->
#ifdef BUG_TAKE_THEN_READY
            collect(0);
            RELEASE;
            d_step { ready = true; events++ }
            ACQUIRE
#else
            d_step { ready = true; events++ } /* set_ready */
            collect(0)
#endif
        :: else
        fi;
        batch_wake(0)
    :: else -> break
    od;
    ended++
}

/* bide_source_end */
proctype closer()
{
    WAKING;
    ACQUIRE;
    closing = true;
    collect(1);
    batch_wake(1);
#ifndef BUG_CLOSE_BEFORE_PINS
    pins == 0; /* wait_for_pins */
#endif
    closed = true;
    ended++
}

/* bide_source_leave */
inline leave(w)
{
    if
    :: state[w] == 0 -> skip
    :: else ->
        ACQUIRE;
        if
        :: state[w] & LINKED -> unlink(w)
        :: else
        fi;
        RELEASE;
#ifndef BUG_READY_WITHOUT_QUIESCE
        quiesce(w)
#endif
    fi
}

/* bide_source_wait. answer: PENDING, AGAIN (ready after all), READY (gone) */
inline source_wait(w, k)
{
#ifdef BUG_QUIESCE_BEFORE_LINK
    if
    :: state[w] >= FIRING -> quiesce(w)
    :: else
    fi;
#endif
    /* link_waiter */
    ACQUIRE;
    if
    :: closing ->
        if
        :: state[w] & LINKED -> unlink(w)
        :: else
        fi;
        answer = READY
#ifdef BUG_LINK_WITHOUT_LOOK
    :: !closing && (state[w] & LINKED) && waker[w] == k -> answer = PENDING
#else
    :: !closing && ready -> answer = AGAIN
    :: !closing && !ready && (state[w] & LINKED) && waker[w] == k -> answer = PENDING
#endif
    :: else ->
        if
        :: state[w] & LINKED -> unlink(w)
        :: else
        fi;
        link(w, k);
        answer = PENDING
    fi;
    RELEASE;
#ifndef BUG_QUIESCE_BEFORE_LINK
    if
    :: state[w] >= FIRING -> quiesce(w)
    :: else
    fi
#endif
}

/* io_poll, readiness_poll: try, and wait if there was nothing. */
inline poll(w, k)
{
    do
    :: d_step { seen_ready = ready; seen_events = events }
        if
        :: seen_ready ->
            /* bide_source_pin: one step, then the look at CLOSING that came with it */
            d_step { pins++; gone = closing }
            if
            :: gone -> pins--; answer = READY
            :: else ->
                d_step {
                    assert(!closed);
                    if
                    :: data > 0 -> data--; answer = READY
                    :: else -> answer = AGAIN
                    fi
                }
                if
                :: answer == AGAIN ->
                    /* bide_source_drained */
                    d_step {
#ifdef BUG_DRAINED_OVER_EVENT
                        seen_events = events;
#endif
                        if
                        :: ready == seen_ready && events == seen_events -> ready = false
                        :: else
                        fi
                    }
                :: else
                fi;
                pins--
            fi
        :: else -> answer = AGAIN
        fi;
        if
        :: answer == AGAIN -> source_wait(w, k)
        :: else
        fi;
        if
        :: answer == AGAIN
        :: answer == PENDING -> break
        :: answer == READY -> leave(w); break
        fi
    od;
    atomic { seen_ready = false; seen_events = 0; gone = false }
}

inline cancel(w)
{
    leave(w)
}

#define LOCALS bool seen_ready, gone; byte seen_events
/* What is left in a closed source nobody gets; but its waiters are woken. */
#define NOTHING_TO_WAIT_FOR (ended == ENDINGS && data == 0 && !closing)
#define PENDING_NOW
#define FINISHED
#ifdef CLOSE
#define START run driver(); run closer()
#else
#define START run driver()
#endif

#endif

/* --- Timers: src/reactor/timer.c ----------------------------------------------------------------------- */

#ifdef TIMER

#define LAST 2

byte now;          /* the clock */
byte deadline = 1; /* deadline_ */
bool armed;        /* id_ is not 0: it is in the heap */
bool set_done;

/* bide_timer_dispatch whenever the timer is due; that the driver wakes up for it is not modelled here. */
proctype driver()
{
    WAKING;
    byte when;
end:
    do
    :: now < LAST -> now++
    :: armed && deadline <= now ->
        ACQUIRE;
        when = now;
        if
        :: armed && deadline <= when ->
            armed = false;
            take(w, k, f);
            RELEASE;
            run_wake(w, k, f);
            k = 0; f = 0; before = 0
        :: else -> RELEASE
        fi;
        when = 0
    od
}

/* bide_timer_set_after */
proctype setter()
{
    ACQUIRE;
    if
    :: deadline = LAST
    :: deadline = 0
    :: skip
    fi;
    RELEASE;
    set_done = true
}

/* timer_poll: look, under the lock. That an armed timer counts in the background is not modelled here. */
inline poll(w, k)
{
    do
    :: quiesce(w);
        time = now;
        ACQUIRE;
        if
#ifndef BUG_LINK_WHILE_FIRING
        :: state[w] >= FIRING -> answer = AGAIN
        :: state[w] < FIRING && deadline <= time ->
#else
        :: deadline <= time ->
#endif
            if
            :: armed -> armed = false; unlink(w)
            :: else
            fi;
            answer = READY
        :: else ->
            if
            :: armed && waker[w] == k
            :: else ->
                if
                :: armed -> unlink(w)
                :: else
                fi;
                armed = true;
                link(w, k)
            fi;
            answer = PENDING
        fi;
        RELEASE;
        if
        :: answer == AGAIN
        :: answer != AGAIN -> break
        fi
    od;
    time = 0
}

/* timer_cancel */
inline cancel(w)
{
    ACQUIRE;
    if
    :: armed -> armed = false; unlink(w)
    :: else
    fi;
    RELEASE;
#ifndef BUG_CANCEL_WITHOUT_QUIESCE
    quiesce(w)
#endif
}

#define LOCALS byte time
#define NOTHING_TO_WAIT_FOR false
#define PENDING_NOW
#define FINISHED
#define START run driver(); run setter()

#endif

/* --- Events: src/future/event.c ------------------------------------------------------------------------ */

#ifdef EVENT

#define SET 1
#define WAITED 2
#define SETTING 4
#define MORE 8 /* unit of the count of sets that came while SETTING */

#ifdef MANUAL
#define SETS 1
#define MANUAL_EVENT true
#else
#define MANUAL_EVENT false
#define SETS 2
#endif

byte word;
bool event_alive = true;
byte begun;    /* sets */
byte ended;
byte linked;   /* owners that are waiting or have waited */
byte released; /* waits that a set released */
byte left;     /* owners that need the event no more */

/* bide_event_set */
proctype setter(byte me)
{
    WAKING;
    byte seen, granted, wanted;
    bool handler; /* it interrupts a thread inside a wait lock, and cannot take one */
#ifdef PAIR
    linked == OWNERS;
#endif
#ifdef AUTO
    if
    :: handler = true
    :: handler = false
    fi;
#endif
#ifdef BUG_LOOK_THEN_SET
    seen = word & WAITED;
    d_step { assert(event_alive); begun++; seen = (word & (SET | SETTING)) | seen; word = word | SET }
    if
    :: seen & WAITED -> word = word | SETTING
    :: else
    fi;
#else
    d_step {
        begun == me; /* they are alike: in order is in any order */
        assert(event_alive);
        begun++;
        seen = word;
        if
#ifdef AUTO
        :: (seen & SETTING) && !handler
#endif
#ifdef BUG_SETS_COALESCE
        :: (seen & SETTING) && (handler || MANUAL_EVENT) -> word = seen | SET
#else
        :: (seen & SETTING) && (handler || MANUAL_EVENT) -> word = (seen | SET) + MORE
#endif
        :: !(seen & SETTING) && (seen & WAITED) -> word = seen | SET | SETTING
        :: else -> word = seen | SET
        fi
    }
#endif
#ifdef BUG_NOT_SETTING
    /* The bit is not there, or nobody heeds it. */
    d_step { word = word & (SET | WAITED); seen = seen & (SET | WAITED) }
#endif
    if
    :: (seen & WAITED) && !(seen & SETTING) ->
        /* release_waiters */
        ACQUIRE;
#ifdef MANUAL
        d_step {
            assert(event_alive);
            w = 0;
            do
            :: w < OWNERS ->
                if
                :: place[w] == QUEUE ->
                    place[w] = BATCH(me);
                    state[w] = state[w] | GRANTED;
#ifdef BUG_BATCH_UNLINKED_AT_ONCE
                    state[w] = state[w] - LINKED
#endif
                :: else
                fi;
                w++
            :: else -> break
            od;
            w = 0
        }
        d_step { assert(event_alive); word = word & SET }
#else
        /* hand_over */
        do
        :: seen = word;
            d_step {
                w = (place[0] == QUEUE) + (place[1] == QUEUE);
                granted = (w < 1 + seen / MORE -> w : 1 + seen / MORE);
                wanted = (w > granted -> WAITED : 0);
#ifdef BUG_SET_LEFT_SET
                wanted = wanted | (seen & SET);
#endif
                if
                :: granted < 1 + seen / MORE -> wanted = wanted | (seen & SET)
                :: else
                fi;
                w = 0
            }
            d_step {
                assert(event_alive);
#ifdef BUG_COUNT_THEN_CLEAR
                seen = word;
#endif
                if
                :: word == seen -> word = wanted; last = true
                :: else
                fi
            }
            if
            :: last -> last = false; break
            :: else
            fi
        od;
        wanted = 0;
        do
        :: granted > 0 ->
            any(QUEUE, w);
            d_step {
                place[w] = BATCH(me);
                state[w] = state[w] | GRANTED;
                w = 0;
                granted--
            }
        :: else -> break
        od;
#endif
        batch_wake(me)
#ifdef AUTO
    :: (seen & SETTING) && !handler ->
        /* release_one */
        ACQUIRE;
        if
        :: EMPTY(QUEUE) -> d_step { assert(event_alive); word = word | SET }
        :: else ->
            any(QUEUE, w);
            d_step {
                place[w] = BATCH(me);
                state[w] = state[w] | GRANTED;
                w = 0
            }
            if
            :: EMPTY(QUEUE) -> d_step { assert(event_alive); word = word & (255 - WAITED) }
            :: else
            fi
        fi;
        batch_wake(me)
#endif
    :: else
    fi;
    ended++
}

/* try_take */
inline try_take(result)
{
    d_step {
        assert(event_alive);
        if
        :: (word & (SET | SETTING)) == SET ->
#ifdef AUTO
            word = word - SET;
#endif
            result = true
        :: else -> result = false
        fi
    }
}

/* finish */
inline finish(w)
{
#ifndef BUG_READY_WITHOUT_QUIESCE
    quiesce(w);
#endif
    state[w] = 0
}

/* waiting_poll */
inline poll(w, k)
{
    got = false;
    if
    :: state[w] == 0 -> try_take(got)
    :: else
    fi;
    if
    :: got
    :: else ->
        ACQUIRE;
        if
        :: state[w] & GRANTED ->
            if
            :: state[w] & LINKED -> unlink(w)
            :: else
            fi;
            got = true
        :: !(state[w] & GRANTED) && (state[w] & LINKED) -> waker[w] = k
        :: else ->
            /* take_or_link */
#ifdef BUG_LOOK_THEN_WAITED
            try_take(got);
            if
            :: got
            :: else -> word = word | WAITED; link(w, k)
            fi
#else
            d_step {
                assert(event_alive);
                if
                :: (word & (SET | SETTING)) == SET ->
#ifdef AUTO
                    word = word - SET;
#endif
                    got = true
                :: else -> word = word | WAITED
                fi
            }
            if
            :: got
            :: else -> link(w, k)
            fi
#endif
        fi;
        RELEASE
    fi;
    if
    :: got -> finish(w); answer = READY
    :: else -> answer = PENDING
    fi
}

/* waiting_cancel */
inline cancel(w)
{
    ACQUIRE;
    got = (state[w] & GRANTED) != 0;
    if
    :: state[w] & LINKED ->
        unlink(w);
        if
        :: !got && EMPTY(QUEUE) -> d_step { assert(event_alive); word = word & (255 - WAITED) }
        :: else
        fi
    :: else
    fi;
    RELEASE;
#ifdef BUG_GRANT_FORGOTTEN
    got = false;
#endif
    if
    :: got -> finish(w)
    :: else
    fi
}

/* The event goes when the last set has released a wait: all owners are through, and each set released one. */
inline leave_event()
{
    d_step {
        if
        :: got -> released++
        :: else
        fi;
        got = false;
        left++;
#ifdef AUTO
        assert(released <= begun);
#endif
        if
#ifdef MANUAL
        :: left == OWNERS && released > 0 -> event_alive = false
#else
        :: left == OWNERS && released == SETS -> event_alive = false
#endif
        :: else
        fi
    }
}

/* Whoever gives up takes no set with him: what is not released in the end is still set. */
#ifdef PAIR
#define NOTHING_TO_WAIT_FOR false
#else
#define NOTHING_TO_WAIT_FOR (ended == SETS && !(word & SET))
#endif
#ifdef PAIR
#define PENDING_NOW if :: spare == 0 && !counted -> counted = true; linked++ :: else fi
#define LOCALS bool got, counted
#else
#define PENDING_NOW
#define LOCALS bool got
#endif
#define FINISHED leave_event()
#define START do :: count < SETS -> run setter(count); count++ :: else -> break od

#endif

/* --- The owner of a waiter ----------------------------------------------------------------------------- */

proctype owner(byte me)
{
    byte next, seen, spare;
    byte answer;
    LOCALS;
    do
    :: /* Poll, with any waker: the one of before or another. One owner has two of his own, one the parker
        * too. */
        if
        :: me == 0 -> next = 2
        :: me == 1 -> next = STABLE
        :: next = 1
#if OWNERS == 1
        :: next = STABLE
#endif
        fi;
        d_step {
            woken[me] = false;
            given[me] = next;
            if
            :: next != STABLE -> valid[OF(me, next)] = true
            :: else
            fi
        }
        poll(me, next);
        if
        :: answer == READY ->
            give_up(me);
            FINISHED;
            break
        :: answer == PENDING ->
            /* The wakers of before are the caller's again. */
            d_step {
                if
                :: next != 1 -> give_up_waker(me, 1)
                :: else
                fi;
                if
                :: next != 2 -> give_up_waker(me, 2)
                :: else
                fi
            }
            PENDING_NOW;
            if
            :: true ->
                if
                :: woken[me]
                :: NOTHING_TO_WAIT_FOR -> answer = CANCELLING
                fi
            :: spare < SPARE(me) -> spare++
#ifndef PAIR
            :: true -> answer = CANCELLING
#endif
            fi;
            if
            :: answer == CANCELLING ->
                cancel(me);
                give_up(me);
                FINISHED;
                break
            :: else
            fi
        fi
    od
}

init
{
    byte count;
    atomic {
        do
        :: count < OWNERS -> alive[count] = true; given[count] = NONE; run owner(count); count++
        :: else -> break
        od;
        count = 0;
        START
    }
}
