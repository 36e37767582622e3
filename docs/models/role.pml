/* The role of the driver: who waits in the poller, who looks after the role while nobody does, and how a
 * thread sleeps and is woken meanwhile. The protocol of src/reactor/reactor.h, driver.c and background.c over
 * the parkers of src/future/context.h and the poller. What a waiter goes through is in waiter.pml; README.md
 * maps the steps to the functions, and tells what is left out.
 *
 * Two threads run block_on a few times, each for something that another thread wakes it for, that the poller
 * reports, or that a timer brings, perhaps with a deadline. Others arm waiters in the background, which the
 * helper serves when nobody else does.
 *
 * PROPERTIES
 * P1 One thread at a time is inside the poller. (assertion)
 * P2 No wake of a parked thread is lost, its deadline comes, and each waiter in the background is served
 *    although everybody else has gone away. (No run ends in an invalid end state, and with P7 each ends.)
 * P3 If the role is vacant, the poller open, and somebody needs service, then there is a standby that sleeps
 *    a period at most, or an offer to a thread that is awake, or somebody is on his way to call the standby.
 *    (monitor)
 * P4 Nobody in the poller sleeps past the first timer. (monitor)
 * P5 The helper does not stay in the poller while a thread in block_on is parked. (monitor)
 * P6 Who leaves block_on, and a helper that ends, has handed on what it had. (assertion)
 * P7 An idle system wakes nobody: the wake-ups of a standby come to an end. (No cycle, in the search for
 *    non-progress cycles with nothing labelled as progress. No fairness is assumed.)
 *
 * P2_ALONE leaves P3 to P5 out, for bugs that must be seen to lose a wait, and not only to break a rule that
 * is there to prevent it.
 *
 * CHECK: -DPAIR -DSAFETY -DCOLLAPSE -m100000
 * CHECK: -DPAIR -DNP -DCOLLAPSE -l -m100000
 * MUST-FAIL: -DPAIR -DP2_ALONE -DSAFETY -m100000 -DBUG_LEAVE_WITHOUT_RELEASE
 * MUST-FAIL: -DPAIR -DP2_ALONE -DSAFETY -m100000 -DBUG_NOBODY_SETTLES
 * MUST-FAIL: -DPAIR -DP2_ALONE -DSAFETY -m100000 -DBUG_NUDGE_KEEPS_WORD
 * MUST-FAIL: -DPAIR -DP2_ALONE -DSAFETY -m100000 -DBUG_DEEP_STANDBY_NOT_NUDGED
 * MUST-FAIL: -DPAIR -DSAFETY -m100000 -DBUG_FUTEX_STORED
 * MUST-FAIL: -DPAIR -DSAFETY -m100000 -DBUG_POLLER_STORED
 * MUST-FAIL: -DPAIR -DSAFETY -m100000 -DBUG_WAKE_IN_TWO_STEPS
 * MUST-FAIL: -DPAIR -DSAFETY -m100000 -DBUG_TAKE_WHAT_IS_HELD
 * MUST-FAIL: -DPAIR -DSAFETY -m100000 -DBUG_OPEN_WITHOUT_STANDBY
 * MUST-FAIL: -DPAIR -DSAFETY -m100000 -DBUG_PLACE_OF_STANDBY_KEPT
 * MUST-FAIL: -DPAIR -DNP -l -m100000 -DBUG_NEVER_DEEP
 * CHECK: -DTIMERS -DSAFETY -DCOLLAPSE -m100000
 * CHECK: -DTIMERS -DNP -DCOLLAPSE -l -m100000
 * MUST-FAIL: -DTIMERS -DSAFETY -m100000 -DBUG_BLOCKED_LATE
 * MUST-FAIL: -DTIMERS -DSAFETY -m100000 -DBUG_NO_INTERRUPT
 * CHECK: -DARMINGS -DSAFETY -DCOLLAPSE -m100000
 * CHECK: -DARMINGS -DNP -DCOLLAPSE -l -m100000
 * MUST-FAIL: -DARMINGS -DP2_ALONE -DSAFETY -m100000 -DBUG_NO_CALL_OF_STANDBY
 * MUST-FAIL: -DARMINGS -DP2_ALONE -DSAFETY -m100000 -DBUG_STANDBY_CALLED_FIRST
 * MUST-FAIL: -DARMINGS -DNP -l -m100000 -DBUG_STANDBY_FOR_NOBODY
 * CHECK: -DHELPED -DSAFETY -DCOLLAPSE -m100000
 * CHECK: -DHELPED -DNP -DCOLLAPSE -l -m100000
 * MUST-FAIL: -DHELPED -DSAFETY -m100000 -DBUG_NO_TAKE_BACK
 * MUST-FAIL: -DHELPED -DP2_ALONE -DSAFETY -m100000 -DBUG_WANTED_BUT_NOT_OFFERED
 * MUST-FAIL: -DHELPED -DP2_ALONE -DSAFETY -m100000 -DBUG_LEAVE_WITHOUT_RELEASE
 * CHECK: -DCROWD -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DCROWD -DP2_ALONE -DSAFETY -m100000 -DBUG_OFFER_DROPPED
 * CHECK: -DLOOP -DCOLLAPSE -DNFAIR=3 -a -f -m100000
 * MUST-FAIL: -DLOOP -DNFAIR=3 -a -f -m100000 -DBUG_NOBODY_SETTLES
 * MUST-FAIL: -DLOOP -DNFAIR=3 -a -f -m100000 -DBUG_LEAVE_WITHOUT_RELEASE
 * CHECK: -DSHUT -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DSHUT -DSAFETY -m100000 -DBUG_STOPPING_HELPER_SERVES
 * MUST-FAIL: -DSHUT -DSAFETY -m100000 -DBUG_CLOSE_WITHOUT_NOTIFY
 * CHECK: -DRACE -DSAFETY -DCOLLAPSE -m100000
 * CHECK: -DRACE -DNP -DCOLLAPSE -l -m100000
 * MUST-FAIL: -DRACE -DP2_ALONE -DSAFETY -m100000 -DBUG_HELPED_FOR_EVER
 * MUST-FAIL: -DRACE -DP2_ALONE -DSAFETY -m100000 -DBUG_OPEN_WITHOUT_STANDBY
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

/* Scenarios: what the threads may wait for, how often, and what the background does.
 *   PAIR     two threads, without timers: hand-over between threads; the poller is opened by whom needs it
 *   TIMERS   two threads with timers and deadlines
 *   ARMINGS  the helper, two armings that may be cancelled, nobody else
 *   HELPED   one thread, the helper, one arming of a source or timer
 *   CROWD    two threads, the helper, one arming
 *   LOOP     one thread that may go on for ever or go away, the helper, one arming
 *   SHUT     a shutdown when something is armed in the background, and a thread begins
 *   RACE     a shutdown, and two armings */
#if defined(PAIR)
#define ROUNDS(me) 2
#define MAY_WAKE
#define MAY_SOURCE
#define ARMERS 0
#elif defined(TIMERS)
#define ROUNDS(me) 1
#define MAY_SOURCE
#define MAY_TIMER
#define MAY_GIVE_UP
#define ARMERS 0
#elif defined(ARMINGS)
#define ROUNDS(me) 0
#define MAY_SOURCE
#define MAY_ARM_TIMER
#define MAY_CANCEL
#define ARMERS 2
#elif defined(HELPED)
#define ROUNDS(me) 2
#define MAY_WAKE
#define MAY_SOURCE
#define MAY_ARM_TIMER
#define ARMERS 1
#elif defined(CROWD)
#define ROUNDS(me) 1
#define MAY_SOURCE
#define ARMERS 1
#elif defined(LOOP)
#define ROUNDS(me) 1
#define MAY_SOURCE
#define ARMERS 1
#elif defined(SHUT)
#define ROUNDS(me) 2
#define MAY_SOURCE
#define ARMERS 1
#define SHUTDOWN
#elif defined(RACE)
#define ROUNDS(me) 0
#define MAY_SOURCE
#define ARMERS 2
#define SHUTDOWN
#endif

/* The parkers: of the two threads, and of the helper in each of two lives. A helper's is given back when its
 * thread has ended, and the next helper may be there before. */
#define THREADS 2
#define PARKERS 4
#define NONE 4

#define EMPTY 0
#define FUTEX 1
#define POLLER 2
#define NOTIFIED 3

byte state[PARKERS];
bool asleep[PARKERS];  /* in the kernel, on the state word */
bool untimed[PARKERS]; /* not for a standby's period: for P3 */

/* The reactor's lock, and what it guards. Steps that touch nothing else are one with the lock or unlock. */
bool lock;
#define LOCK !lock -> lock = true
#define UNLOCK lock = false

#if defined(PAIR) || defined(SHUTDOWN)
bool open; /* poller is not NULL */
#else
bool open = true;
#endif

byte holder = NONE;
bool blocked;
byte wait_deadline;
bool wanted;
byte standby = NONE;
bool standby_timed;
byte offered = NONE;
bool parked[THREADS];
byte front; /* who was parked first */
/* All that is ever asked of the epoch: whether it has moved on since a parker saw it. */
bool moved[PARKERS];

byte life; /* epoch_of_life: grows with each close */

byte helper = NONE;
bool stops[PARKERS];
bool runs[PARKERS]; /* the helper's thread with this parker */

/* Atomic variables. */
byte background;
bool helped;

#define ANY_PARKED (parked[0] || parked[1])
#define FIRST_PARKED (parked[front] -> front : 1 - front)

/* needs_service */
#define NEEDS_SERVICE (ANY_PARKED || (helper != NONE && background > 0))

/* Time, in three instants, and deadlines. */
#define NOW 0
#define LAST 2
#define NEVER 3
byte now;
#define EARLIER(a, b) ((a) < (b) -> (a) : (b))

/* What a thread waits for. */
#define NOTHING 0
#define WAKE 1
#define SOURCE 2
#define TIMER 3

byte waits_for[THREADS]; /* what a thread's future has registered for */
bool came[THREADS];      /* and that it came */
#define PLACES 4
/* Places: of a thread's source or timer, or of a waiter in the background and its source or timer. */
#define BACKGROUND THREADS
bool linked[PLACES];    /* waiters in the background */
byte timer[PLACES];     /* deadlines in the heap, 0 for none */
bool ready[PLACES];     /* what the kernel has to report: edges */
byte born[PLACES];      /* a source's life */
bool cancelled[PLACES]; /* a source is, for good */

#define DUE(place, when) (timer[place] != 0 && timer[place] <= (when))
#define DEADLINE(place) (timer[place] == 0 -> NEVER : timer[place])
#define FIRST EARLIER(EARLIER(DEADLINE(0), DEADLINE(1)), EARLIER(DEADLINE(2), DEADLINE(3)))
#define ANY_READY (ready[0] || ready[1] || ready[2] || ready[3])

/* The poller. */
byte inside = NONE; /* who waits in it */
byte until_when;    /* until when, while somebody does */
bool notified;
#define POLLER_RETURNS (notified || ANY_READY || until_when <= now)

/* For the properties alone: interrupts that were decided on under the lock and are on their way; whoever is
 * on his way to call the standby. */
byte interrupting;
byte arming;

/* --- Parkers ------------------------------------------------------------------------------------------- */

/* bide_driver_interrupt, if so decided under the lock */
inline interrupt()
{
    if
    :: interrupts -> d_step { notified = true; interrupting--; interrupts = false }
    :: else
    fi
}

/* parker_wake */
inline wake(p)
{
#ifdef BUG_WAKE_IN_TWO_STEPS
    before = state[p];
    state[p] = NOTIFIED;
#else
    d_step { before = state[p]; state[p] = NOTIFIED }
#endif
    if
    :: before == FUTEX -> asleep[p] = false
    :: before == POLLER -> notified = true
    :: else
    fi;
    before = 0
}

/* bide_parker_consume, within a step */
inline consume(result)
{
    result = state[me] == NOTIFIED;
    if
    :: result -> state[me] = EMPTY
    :: else
    fi
}

/* bide_parker_nudge, within a step; at most one in each critical section */
inline nudge(p)
{
    if
    :: state[p] == FUTEX ->
        rouse = p;
#ifndef BUG_NUDGE_KEEPS_WORD
        state[p] = EMPTY
#endif
    :: else
    fi
}

/* bide_parker_rouse, after the unlock */
inline rouse_nudged()
{
    if
    :: rouse != NONE -> asleep[rouse] = false; rouse = NONE
    :: else
    fi
}

/* --- The role: lock held, within a step ---------------------------------------------------------------- */

inline settle()
{
#ifdef BUG_NOBODY_SETTLES
    skip
#else
    if
    :: NEEDS_SERVICE && standby == NONE ->
        standby = (ANY_PARKED -> FIRST_PARKED : helper);
        if
        :: standby == holder -> standby = NONE
        :: else
        fi;
        standby_timed = false
    :: else
    fi;
    if
    :: NEEDS_SERVICE && standby != NONE && holder == NONE && open && !standby_timed ->
        standby_timed = true;
        moved[standby] = false;
#ifndef BUG_DEEP_STANDBY_NOT_NUDGED
        nudge(standby)
#endif
    :: else
    fi
#endif
}

inline all_moved()
{
    moved[0] = true; moved[1] = true; moved[2] = true; moved[3] = true
}

inline unpark()
{
    if
    :: me < THREADS && parked[me] ->
        parked[me] = false;
        front = (parked[1 - me] -> 1 - me : 0)
    :: else
    fi
}

inline take()
{
#ifndef BUG_TAKE_WHAT_IS_HELD
    assert(holder == NONE);
#endif
    holder = me;
    all_moved();
    offered = NONE
}

inline release()
{
    offer = wanted && ANY_PARKED;
    holder = NONE;
    all_moved();
    wanted = false;
    if
    :: offer ->
#ifndef BUG_WANTED_BUT_NOT_OFFERED
        offered = FIRST_PARKED;
        nudge(offered)
#endif
    :: else -> settle()
    fi;
    offer = false
}

inline leave()
{
    unpark();
    gives_back = offered == me;
    if
    :: gives_back -> offered = NONE
    :: else
    fi;
    if
#ifndef BUG_PLACE_OF_STANDBY_KEPT
    :: standby == me -> standby = NONE
#endif
    :: else
    fi;
    if
    :: holder == me ->
#ifdef BUG_LEAVE_WITHOUT_RELEASE
        holder = NONE
#else
        release()
#endif
#ifdef BUG_OFFER_DROPPED
    :: holder != me && gives_back
#endif
    :: else -> settle()
    fi;
    gives_back = false
}

/* bide_driver_call_standby */
inline call_standby()
{
    d_step { !lock -> settle(); arming-- }
    rouse_nudged()
}

/* bide_reactor_open */
inline open_reactor()
{
    if
    :: open
    :: else ->
        if
        :: d_step { !lock && !open -> open = true; arming++ }
#ifndef BUG_OPEN_WITHOUT_STANDBY
            call_standby()
#else
            arming--
#endif
        :: !lock && open /* too late */
        fi
    fi
}

/* bide_source_new, of which a close may come between the two halves */
inline new_source()
{
    open_reactor();
    atomic { born[me] = life; cancelled[me] = !open }
}

/* --- A turn -------------------------------------------------------------------------------------------- */

/* What is decided with the lock held, within a step, which it releases. */
inline sleep_until(limit)
{
    until = EARLIER(limit, FIRST);
#ifndef BUG_BLOCKED_LATE
    wait_deadline = until;
    blocked = true;
#endif
    UNLOCK
}

/* The first half, to the wait in the poller, which is the caller's. */
inline turn_begins()
{
#ifdef BUG_BLOCKED_LATE
    d_step { wait_deadline = until; blocked = true }
#endif
#ifdef BUG_POLLER_STORED
    if
    :: state[me] != EMPTY -> until = NOW
    :: else
    fi;
#endif
    d_step {
#ifdef BUG_POLLER_STORED
        state[me] = POLLER;
#else
        if
        :: state[me] == EMPTY -> state[me] = POLLER
        :: else -> until = NOW
        fi;
#endif
        assert(inside == NONE); /* P1 */
        inside = me;
        until_when = until;
        until = 0
    }
}

/* The second half: the return from the poller, the wakes, and the lock again. */
inline turn_ends()
{
    d_step {
        inside = NONE;
        until_when = 0;
        notified = false;
        place = 0;
        do
        :: place < PLACES ->
            if
            :: ready[place] -> ready[place] = false; events = events | (1 << place)
            :: else
            fi;
            place++
        :: else -> break
        od;
        place = 0
    }
    d_step {
        if
        :: state[me] == POLLER -> state[me] = EMPTY
        :: else
        fi
    }
    /* bide_source_event, for each */
    do
    :: d_step {
            events != 0 ->
            do
            :: !(events & (1 << place)) -> place++
            :: else -> break
            od;
            events = events - (1 << place);
            if
            :: place < THREADS ->
                found = waits_for[place] == SOURCE;
                came[place] = came[place] || found
            :: else ->
                background = background - linked[place];
                linked[place] = false
            fi
        }
        if
        :: found -> found = false; wake(place)
        :: else
        fi;
        place = 0
    :: else -> break
    od;
    /* bide_timer_dispatch */
    atomic { LOCK; blocked = false; when = now }
    do
    :: d_step {
            FIRST <= when ->
            do
            :: !DUE(place, when) -> place++
            :: else -> break
            od;
            timer[place] = 0;
            if
            :: place >= THREADS -> linked[place] = false; background--
            :: else
            fi;
            UNLOCK
        }
        if
        :: place < THREADS -> wake(place)
        :: else
        fi;
        place = 0;
        atomic { LOCK }
    :: else -> break
    od;
    when = 0
}

/* --- Parking ------------------------------------------------------------------------------------------- */

#define WOKEN 0
#define TIMED_OUT 1
#define STOPPED 2

/* may_take */
#define MAY_TAKE (open && ((fresh && me != helper) || offered == me || \
    (standby == me && looked && !moved[me] && NEEDS_SERVICE)))

/* look: lock held, within a step */
inline look()
{
    if
    :: standby == me && !NEEDS_SERVICE ->
#ifndef BUG_STANDBY_FOR_NOBODY
        standby = NONE
#endif
    :: standby == me && NEEDS_SERVICE ->
        if
#ifdef BUG_NEVER_DEEP
        :: !open -> standby_timed = false
#else
        :: !open || (looked && holder != NONE && !moved[me]) -> standby_timed = false
#endif
        :: else
        fi;
        moved[me] = false
    :: else
    fi
}

/* join_parked: lock held, within a step */
inline join_parked()
{
    if
    :: me == helper && standby == NONE && NEEDS_SERVICE ->
        standby = me;
        standby_timed = true;
        moved[me] = false
    :: me != helper ->
        if
        :: !parked[me] ->
            parked[me] = true;
            if
            :: !parked[1 - me] -> front = me
            :: else
            fi
        :: else
        fi;
        if
        :: standby == NONE || standby == helper ->
            standby = me;
            standby_timed = open;
            moved[me] = false
        :: else
        fi
    :: else
    fi
}

/* What the loop of park looks at, with the lock held: a wake, the time, the end of the helper, the role.
 * Nothing but the wake may change before the lock is released, or the count, which matters to nobody whom
 * wakes reach. */
inline look_around(give_up_at)
{
    consume(found);
    late = give_up_at <= now;
    dismissed = stops[me];
    takes = holder == me || ((holder == NONE
#ifdef BUG_TAKE_WHAT_IS_HELD
        || fresh
#endif
        ) && MAY_TAKE)
}

/* want_role: lock held, within a step */
inline want_role()
{
    if
    :: holder != NONE && holder == helper && !wanted ->
        wanted = true;
#ifndef BUG_NO_TAKE_BACK
        interrupts = blocked;
        interrupting = interrupting + blocked
#endif
    :: else
    fi
}

/* bide_driver_park */
inline park(until_at)
{
    fresh = true;
    atomic { LOCK; look_around(until_at) }
    do
    :: if
        :: found -> result = WOKEN; break
        :: !found && !fresh && late -> result = TIMED_OUT; break
        :: !found && (fresh || !late) && dismissed -> result = STOPPED; break
        :: else
        fi;
        if
        :: takes ->
            d_step {
                if
                :: holder != me ->
                    unpark();
                    if
                    :: standby == me -> standby = NONE
                    :: else
                    fi;
                    take();
                    settle();
                    assert(rouse == NONE)
                :: else
                fi;
                fresh = false;
                looked = false;
                takes = false;
                late = false;
                sleep_until(until_at)
            }
            turn_begins();
            if
            :: me < THREADS -> POLLER_RETURNS
            :: else ->
end_poller:
                POLLER_RETURNS
            fi;
            turn_ends();
            if
            :: me == helper && wanted ->
                d_step { release(); UNLOCK }
                rouse_nudged();
                atomic { LOCK; look_around(until_at) }
            :: else -> d_step { look_around(until_at) }
            fi
        :: else ->
            d_step {
                fresh = false;
                late = false;
                want_role();
                look();
                join_parked();
                looked = false;
                /* sleep_parked */
                timed = standby == me && standby_timed;
#ifdef BUG_FUTEX_STORED
                state[me] = FUTEX;
#endif
                if
                :: state[me] == EMPTY -> state[me] = FUTEX; untimed[me] = !timed
                :: else -> timed = false
                fi;
                UNLOCK
            }
            interrupt();
            /* futex_wait compares and sleeps in one step. Who was notified before does not call it; it would
             * not sleep there either. */
            d_step {
                if
                :: state[me] == FUTEX -> asleep[me] = true
                :: else
                fi
            }
            if
            :: me < THREADS ->
                if
                :: !asleep[me]
                :: timed -> looked = true
                :: until_at <= now
                fi
            :: else ->
end_asleep:
                if
                :: !asleep[me]
                :: timed -> looked = true
                fi
            fi;
            atomic {
                LOCK;
                asleep[me] = false;
                timed = false;
                untimed[me] = false;
                if
                :: state[me] == FUTEX -> state[me] = EMPTY
                :: else
                fi
                look_around(until_at)
            }
        fi
    od;
    atomic {
        found = false;
        late = false;
        dismissed = false;
        takes = false;
        looked = false;
        fresh = false;
        leave();
        /* P6 */
        assert(holder != me && offered != me && ((me == helper && result != STOPPED) || standby != me));
        assert(me >= THREADS || !parked[me]);
        UNLOCK
    }
    rouse_nudged()
}

/* bide_driver_yield: drive_once without waiting, or a word to the helper */
inline yield()
{
    atomic {
        !lock ->
        if
        :: holder != NONE || !open
        :: else -> lock = true; take(); sleep_until(NOW); found = true
        fi
    }
    if
    :: found ->
        found = false;
        turn_begins();
        turn_ends();
        d_step { leave(); UNLOCK }
        rouse_nudged()
    :: else ->
        atomic { !lock -> want_role() }
        interrupt()
    fi
}

#define LOCALS byte before, rouse = NONE, until, place, events, when, result; \
    bool fresh, looked, offer, gives_back, found, late, dismissed, takes, timed, interrupts

/* --- Whoever waits ------------------------------------------------------------------------------------- */

/* arm in timer.c, with the lock */
inline insert(which, at)
{
    d_step {
        !lock ->
#ifndef BUG_NO_INTERRUPT
        interrupts = at < FIRST && blocked && at < wait_deadline;
#endif
        interrupting = interrupting + interrupts;
        timer[which] = at;
        if
        :: which >= THREADS -> linked[which] = true
        :: else
        fi
    }
    interrupt()
}

/* A thread that calls block_on for one thing after another: await_with in src/reactor/await.c. */
proctype thread(byte me)
{
    LOCALS;
    byte round, kind, deadline, limit;
    do
    :: round < ROUNDS(me) ->
#ifndef LOOP
        round++;
#else
        if
        :: true
        :: round++ /* the last */
        fi;
#endif
        if
#ifdef MAY_WAKE
        :: kind = WAKE
#endif
#ifdef MAY_SOURCE
        :: kind = SOURCE; new_source()
#endif
#ifdef MAY_TIMER
        :: kind = TIMER; deadline = 1; open_reactor()
        :: kind = TIMER; deadline = 2; open_reactor()
#endif
        fi;
        if
        :: limit = NEVER
#ifdef MAY_GIVE_UP
        :: limit = 1
#endif
        fi;
        state[me] = EMPTY; /* bide_parker_acquire */
        do
        :: /* Poll: ready, or registered. */
            d_step {
                found = came[me] || cancelled[me] || (kind == TIMER && deadline <= now);
                if
                :: kind != TIMER && !found -> waits_for[me] = kind
                :: else
                fi
            }
            if
            :: found -> break
            :: !found && kind == TIMER && timer[me] == 0 -> insert(me, deadline)
            :: else
            fi;
            /* wait_for_wake */
            d_step { consume(found) }
            if
            :: found -> found = false; yield()
            :: else ->
                park(limit);
                if
                :: result == TIMED_OUT -> break
                :: else
                fi
            fi
        od;
        /* Ready, or cancelled: what it waited for is forgotten. */
        atomic {
            found = false;
            result = 0;
            waits_for[me] = NOTHING;
            came[me] = false;
            ready[me] = false;
            cancelled[me] = false
        }
        if
        :: timer[me] != 0 -> d_step { !lock -> timer[me] = 0 }
        :: else
        fi;
        d_step { kind = 0; deadline = 0; limit = 0 }
    :: else -> break
    od
}

/* The helper: bide_driver_help */
proctype async_io(byte me)
{
    LOCALS;
    do
    :: result != STOPPED -> park(NEVER)
    :: else -> break
    od;
    runs[me] = false
}

#if ARMERS > 0

/* What begins when something is armed. */
#ifdef CROWD
#define ARMED_NOW run thread(0); run thread(1)
#elif defined(SHUT)
#define ARMED_NOW run shutdown(); run thread(0)
#else
#define ARMED_NOW skip
#endif

/* A state machine of the user's polls a future with a waker of its own: a source's, or a timer's. */
proctype armer(byte me)
{
    byte seen, rouse = NONE;
    bool counted, interrupts;
    new_source();
    if
    :: cancelled[me] -> goto refused
    :: else
    fi;
    /* bide_background_arm */
    seen = background;
    do
    :: seen > 0 && helped ->
        d_step {
            if
            :: background == seen -> background++; counted = true
            :: else -> seen = background
            fi
        }
        if
        :: counted -> break
        :: else
        fi
    :: else -> break
    od;
    if
    :: counted -> counted = false
    :: else ->
        /* start_helper */
        atomic {
            !lock ->
            if
            :: helper == NONE ->
                helper = THREADS + life;
                stops[helper] = false;
                runs[helper] = true;
                helped = true;
                run async_io(helper)
            :: else
            fi;
#ifndef BUG_STANDBY_CALLED_FIRST
            background++;
#endif
            arming++
        }
#ifndef BUG_NO_CALL_OF_STANDBY
        call_standby();
#else
        arming--;
#endif
#ifdef BUG_STANDBY_CALLED_FIRST
        background++;
#endif
    fi;
    seen = 0;
    if
    :: atomic {
            if
            :: !cancelled[me] -> linked[me] = true
            :: else -> background--
            fi;
            ARMED_NOW
        }
#ifdef MAY_ARM_TIMER
    :: insert(me, 1)
#endif
    fi
#ifdef MAY_CANCEL
    ;
    if
    :: true
    :: d_step { !lock -> background = background - linked[me]; linked[me] = false; timer[me] = 0 }
    fi
#endif
    ;
refused:
    skip
}

#endif

#ifdef SHUTDOWN

/* bide_source_cancel_all, for the source of one place; a thread's is woken */
inline cancel_source(p)
{
    d_step {
        if
        :: born[p] != life ->
            cancelled[p] = true;
            background = background - linked[p];
            linked[p] = false;
            found = p < THREADS && waits_for[p] == SOURCE
        :: else
        fi
    }
    if
    :: found -> found = false; wake(p)
    :: else
    fi
}

/* bide_shutdown: close_reactor */
proctype shutdown()
{
    byte before, rouse = NONE, old = NONE;
    bool found;
    atomic {
        !lock ->
        if
        :: (holder != NONE && holder != helper) || ANY_PARKED -> goto busy
        :: else
        fi;
        open = false;
        blocked = false;
        life++;
        /* bide_background_dismiss */
        old = helper;
        if
        :: old != NONE ->
#ifndef BUG_HELPED_FOR_EVER
            helped = false;
#endif
#ifndef BUG_STOPPING_HELPER_SERVES
            helper = NONE;
#endif
            stops[old] = true;
            nudge(old)
        :: else
        fi
    }
#ifndef BUG_CLOSE_WITHOUT_NOTIFY
    /* The poller of the life that is over: nobody but its helper can be in there. */
    d_step {
        if
        :: old != NONE && holder == old -> notified = true
        :: else
        fi
    }
#endif
    /* bide_background_join */
    rouse_nudged();
    old == NONE || !runs[old];
#ifdef BUG_STOPPING_HELPER_SERVES
    atomic { !lock -> helper = NONE }
#endif
    cancel_source(2);
#if ARMERS > 1
    cancel_source(3);
#endif
    cancel_source(0);
    cancel_source(1);
busy:
    skip
}

#endif

/* The rest of the world: the clock, threads that wake, the kernel. */
active proctype world()
{
    byte before;
end:
    do
#if defined(MAY_TIMER) || defined(MAY_ARM_TIMER)
    :: now < LAST -> now++
#endif
#ifdef MAY_WAKE
    :: d_step { waits_for[0] == WAKE && !came[0] -> came[0] = true } wake(0)
    :: d_step { waits_for[1] == WAKE && !came[1] -> came[1] = true } wake(1)
#endif
#ifdef MAY_SOURCE
    :: waits_for[0] == SOURCE && !came[0] && !ready[0] -> ready[0] = true
    :: waits_for[1] == SOURCE && !came[1] && !ready[1] -> ready[1] = true
#endif
    :: linked[2] && timer[2] == 0 && !ready[2] -> ready[2] = true
    :: linked[3] && timer[3] == 0 && !ready[3] -> ready[3] = true
    od
}

#define STANDBY_LOOKS (standby != NONE && standby_timed && !(state[standby] == FUTEX && untimed[standby]))
#define OFFER_STANDS (offered != NONE && state[offered] != FUTEX)

#ifndef LOOP

active proctype monitor()
{
end:
    do
#ifndef P2_ALONE
    :: atomic {
            !lock && holder == NONE && open && NEEDS_SERVICE && arming == 0 &&
            !STANDBY_LOOKS && !OFFER_STANDS ->
            assert(false) /* P3 */
        }
    :: atomic {
            inside != NONE && until_when > FIRST && !notified && interrupting == 0 ->
            assert(false) /* P4 */
        }
    :: atomic {
            inside == helper && inside != NONE && ANY_PARKED && !notified && interrupting == 0 ->
            assert(false) /* P5 */
        }
#endif
    :: atomic { timeout -> assert(background == 0) } break /* P2 */
    od
}

#endif

init
{
    atomic {
#if ARMERS > 0
        run armer(2);
#endif
#if ARMERS > 1
        run armer(3);
#endif
#ifdef RACE
        run shutdown();
#endif
#if defined(PAIR) || defined(TIMERS) || defined(HELPED) || defined(LOOP)
        run thread(0);
#endif
#if defined(PAIR) || defined(TIMERS)
        run thread(1)
#endif
    }
}

#ifdef LOOP
/* P2 without an end: what is ready in the background is served, whatever the thread does. */
ltl served { [] (ready[BACKGROUND] -> <> !linked[BACKGROUND]) }
#endif
