/* One task: how it is suspended, woken, looked at and ended, and how its record is joined, cancelled and used again.
 * The protocol of src/task/task.h, invariants 1 to 7. A step is one atomic operation on `state`, `life` or `joiner`,
 * one change of a queue, one read or write of what a waker publishes, or the saving of the registers.
 *
 * Without -DLIFE: two workers, one of which steals what the other has queued; two wakers, or one that wakes and one
 * that cancels; somebody who looks at the suspended stack. The task waits until it has seen all that was published,
 * or the verdict, and yields at will in between.
 *
 * With -DLIFE: the task ends while two join it (A is a task, and takes the slot of the joiner if it is free; B waits
 * in the ring, and is not there with -DALONE), one cancels it, and, with -DDETACH, somebody gives its handle up. The
 * record's next task begins at once. With -DASIDE another one that joins is aside for the task (invariant 12) when that
 * ends. With -DTAKE it is put aside first, and cancelled meanwhile, by somebody who may have seen it aside before; with
 * -DCOMPUTES as well, the task ends only when who is aside has been told: of the cancel, or, with -DDETACH and -DASKED_NOT,
 * that the handle was given up. aside.pml goes through several tasks of one record.
 *
 * PROPERTIES
 * S  No half context is resumed or looked at, and none runs twice. (`saved` when it is taken or looked at)
 * Q  The task is in one queue at most. (`queued`)
 * W  It sees all that was published before a wake: otherwise it sleeps for ever. (no invalid end state)
 * V  A verdict reaches the task it was meant for, and no later one. (`generation` when it is written)
 * J  The handle is given up once, all who join are told, and none sleeps for ever. (`handed`; no invalid end state)
 * A  Who is aside is resumed once, and if it is cancelled before the task ends. (`resumed`; no invalid end state)
 * F  The record is free once, and nobody touches its ring afterwards. (`released`)
 *
 * What is left out: memory orders. What they prevent is planted as changed orders of steps: BUG_NO_LOCKED_WAKE is a
 * wake that finds nothing to change and does so by a plain load, which passes the store before it.
 *
 * CHECK: -DSAFETY -DCOLLAPSE -m100000
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DCANCEL
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_PARKED_BEFORE_SAVED
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_QUEUED_BEFORE_SAVED
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_WAKE_QUEUES_AWAKE
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_PARK_BLINDLY
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_NO_LOCKED_WAKE
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_WAKE_BEFORE_VERDICT -DCANCEL
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_LET_GO_BLINDLY
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_EXAMINE_AWAKE
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DLIFE
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DLIFE -DDETACH
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DALONE -DBUG_LOOK_FOR_JOINER_FIRST
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DALONE -DBUG_JOIN_WITHOUT_A_SECOND_LOOK
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DBUG_CANCEL_WITHOUT_PIN
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DBUG_CLEAR_BEFORE_SPLICE
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DBUG_QUEUE_WITHOUT_COMPARING
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DDETACH -DBUG_TAKER_WAKES_NOBODY
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DDETACH -DBUG_LAST_WAKES_NOBODY
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DDETACH -DBUG_END_KEEPS_NOTHING
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DBUG_UNPIN_FREES_NOTHING
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DLIFE -DASIDE
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DLIFE -DASIDE -DDETACH
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DASIDE -DBUG_JOINED_WAKES_NOBODY
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DASIDE -DBUG_JOINED_WITHOUT_COMPARING
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DASIDE -DDETACH -DBUG_JOINED_WITHOUT_COMPARING
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DLIFE -DASIDE -DTAKE
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DLIFE -DASIDE -DTAKE -DALONE -DDETACH
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DLIFE -DASIDE -DTAKE -DCOMPUTES
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DLIFE -DASIDE -DTAKE -DCOMPUTES -DDETACH -DALONE
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DLIFE -DASIDE -DTAKE -DCOMPUTES -DDETACH -DALONE -DASKED_NOT
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DASIDE -DTAKE -DALONE -DBUG_ASIDE_BEFORE_JOINING
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DASIDE -DTAKE -DCOMPUTES -DDETACH -DALONE -DASKED_NOT -DBUG_HELD_NOT_LOOKED_FOR
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DASIDE -DTAKE -DALONE -DBUG_TAKEN_WITHOUT_QUEUED
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DASIDE -DTAKE -DALONE -DBUG_QUEUED_ASIDE_BLINDLY
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DASIDE -DTAKE -DALONE -DCOMPUTES -DBUG_VERDICT_NOT_LOOKED_FOR
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DASIDE -DTAKE -DALONE -DCOMPUTES -DBUG_VERDICT_LOOKED_FOR_FIRST
 * MUST-FAIL: -DSAFETY -m100000 -DLIFE -DASIDE -DTAKE -DALONE -DCOMPUTES -DBUG_VERDICT_LAST
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#ifndef LIFE

#define FREE 0
#define AWAKE 1
#define NOTIFIED 2
#define PARKED 3
#define EXAMINED 4
#define ROUSED 5

#define WAKERS 2

byte state = AWAKE;
byte queued = 1;
bool saved = true;
bool runs = false;
bool published[WAKERS];
bool verdict = false;
bool done = false;

inline put_in_queue()
{
    atomic { assert(queued == 0); queued++ }
}

/* What a wake makes of a state. */
#define WOKEN(s) (s == PARKED -> AWAKE : (s == AWAKE -> NOTIFIED : (s == EXAMINED -> ROUSED : s)))

inline wake(seen)
{
    seen = state;
    do
    :: atomic {
            if
            :: state == seen ->
                state = WOKEN(seen);
                break
            :: else -> seen = state
            fi
        }
    od;
    if
    :: seen == PARKED -> put_in_queue()
#ifdef BUG_WAKE_QUEUES_AWAKE
    :: seen == AWAKE -> put_in_queue()
#endif
    :: else
    fi
}

proctype waker(byte which)
{
    byte seen;
#ifdef BUG_NO_LOCKED_WAKE
    if
    :: state == NOTIFIED -> published[which] = true; goto end
    :: skip
    fi;
#endif
    published[which] = true;
    wake(seen);
end:
    skip
}

proctype canceller()
{
    byte seen;
#ifdef BUG_WAKE_BEFORE_VERDICT
    wake(seen);
    verdict = true
#else
    verdict = true;
    wake(seen)
#endif
}

proctype examiner()
{
    bool mine = false;
    atomic {
        if
        :: state == PARKED -> state = EXAMINED; mine = true
#ifdef BUG_EXAMINE_AWAKE
        :: state == AWAKE -> mine = true
#endif
        :: else
        fi
    }
    if
    :: mine ->
        /* Property S: the stack is still, twice. */
        assert(saved && !runs);
        assert(saved && !runs);
#ifdef BUG_LET_GO_BLINDLY
        state = PARKED
#else
        atomic {
            if
            :: state == EXAMINED -> state = PARKED; mine = false
            :: else
            fi
        }
        if
        :: mine -> state = AWAKE; put_in_queue()
        :: else
        fi
#endif
    :: else
    fi
}

/* The successor of the task that was left. */
inline arrive_to_park()
{
    atomic {
        if
        :: state == AWAKE -> state = PARKED
#ifdef BUG_PARK_BLINDLY
        :: state == NOTIFIED -> state = PARKED
#endif
        :: else -> again = true
        fi
    }
    if
    :: again -> state = AWAKE; again = false; put_in_queue()
    :: else
    fi
}

proctype worker()
{
    bool complete, again;
    byte i;
    do
    :: atomic { queued > 0 && !done -> queued--; assert(saved && !runs); runs = true; saved = false }
body:
        complete = true;
        for (i : 0 .. WAKERS - 1) {
#ifdef CANCEL
            if
            :: i == 0 -> complete = complete && published[i]
            :: else
            fi
#else
            complete = complete && published[i]
#endif
        }
        i = 0;
#ifdef CANCEL
        /* It waits on until it is told to end, whatever else wakes it. */
        complete = complete && verdict;
#endif
        if
        :: complete ->
            atomic { saved = true; runs = false }
            atomic { state = FREE; done = true }
            break
        :: !complete ->
#ifdef BUG_PARKED_BEFORE_SAVED
            arrive_to_park();
            atomic { saved = true; runs = false }
#else
            atomic { saved = true; runs = false }
            arrive_to_park()
#endif
        :: !complete -> /* yields */
#ifdef BUG_QUEUED_BEFORE_SAVED
            put_in_queue();
            atomic { saved = true; runs = false }
#else
            atomic { saved = true; runs = false }
            put_in_queue()
#endif
        fi
    :: done -> break
    od
}

init {
    atomic {
        run worker();
        run worker();
        run waker(0);
#ifdef CANCEL
        run canceller();
#else
        run waker(1);
#endif
        run examiner()
    }
}

#else /* LIFE */

/* `life`. A generation is counted up to one: the record's next task. */
bool RUNS = true;
bool HELD = true;
bool RING = false; /* QUEUED */
byte pins = 0;
byte generation = 0;

byte released = 0;
bool lock = false;
bool slot = false;   /* A is the joiner */
bool ring_b = false; /* B is in the ring */
bool woken_a = false;
bool woken_b = false;
byte handed = 0;

inline take_lock() { atomic { !lock -> lock = true } }
inline leave_lock() { lock = false }

#define NOBODY (!RUNS && !HELD && pins == 0)

/* The record's next task begins: a new life. */
inline release()
{
    atomic {
        assert(generation == 0 && NOBODY);
        released++;
        assert(released == 1);
        generation = 1;
        RING = false;
        slot = false
    }
}

/* The end of a task whose record somebody looks at keeps it until it has looked for a joiner. */
inline keep_it()
{
    if
#ifndef BUG_END_KEEPS_NOTHING
    :: pins > 0 -> pins++; kept = true
#endif
    :: else
    fi
}

/* Takes RUNS (true) or HELD out of life. `ok`: it was done; `last`: nobody has it now. */
inline clear(of_task, ok, last)
{
    ok = false;
    atomic {
        queue_it = RING && generation == 0;
        if
        :: !queue_it && generation == 0 && (of_task || HELD) ->
            ok = true;
            if
            :: of_task -> RUNS = false; keep_it()
            :: else -> HELD = false
            fi;
            last = NOBODY
        :: else
        fi
    }
    if
    :: queue_it ->
        take_lock();
#ifdef BUG_CLEAR_BEFORE_SPLICE
        atomic {
            if
            :: generation == 0 && RING && (of_task || HELD) ->
                ok = true;
                RING = false;
                if
                :: of_task -> RUNS = false; keep_it()
                :: else -> HELD = false
                fi;
                last = NOBODY
            :: else
            fi
        }
        if
        :: ok -> atomic { assert(generation == 0); batch_b = ring_b; ring_b = false }
        :: else
        fi;
#else
        if
        :: generation == 0 && RING && (of_task || HELD) ->
            atomic { batch_b = ring_b; ring_b = false }
            atomic {
                ok = true;
                RING = false;
                if
                :: of_task -> RUNS = false; keep_it()
                :: else -> HELD = false
                fi;
                last = NOBODY
            }
        :: else
        fi;
#endif
        leave_lock();
        atomic {
            if
            :: batch_b -> woken_b = true; batch_b = false
            :: else
            fi
        }
    :: else
    fi
}

#ifdef ASIDE
bool resumed = false;
bool joined = false;
bool verdict = false;
#ifdef TAKE
bool aside = false;   /* the record's */
bool joining = false; /* that of who is aside */
#else
bool aside = true;
bool joining = true;
#endif

inline resume()
{
    assert(!resumed);
    resumed = true
}

/* take_aside, by who runs the task. */
inline take_aside()
{
#ifdef BUG_QUEUED_ASIDE_BLINDLY
    if
    :: aside -> aside = false; joining = false; resume()
    :: else
    fi
#else
    atomic {
        if
        :: aside -> aside = false; mine = true
        :: else
        fi
    }
    if
    :: mine -> mine = false; joining = false; resume()
    :: else
    fi
#endif
}

#ifdef TAKE
/* put_aside, and who cancels. */
inline put_aside()
{
#ifdef BUG_VERDICT_LOOKED_FOR_FIRST
    told = verdict;
#endif
#ifdef BUG_ASIDE_BEFORE_JOINING
    aside = true;
    joining = true;
#else
    joining = true;
    aside = true;
#endif
#ifndef BUG_VERDICT_LOOKED_FOR_FIRST
    told = verdict;
#endif
#ifdef BUG_VERDICT_NOT_LOOKED_FOR
    told = false;
#endif
#ifndef BUG_HELD_NOT_LOOKED_FOR
    told = told || !HELD;
#endif
    if
    :: told -> take_aside()
    :: else
    fi
}

inline take_back()
{
    atomic {
        gone = generation != 0 || !RUNS;
        if
        :: !gone -> pins++
        :: else
        fi
    }
    if
    :: !gone ->
#ifndef BUG_TAKEN_WITHOUT_QUEUED
        take_lock();
        atomic {
            if
            :: RUNS -> RING = true
            :: else
            fi
        }
        leave_lock();
#endif
        take_aside();
        atomic { pins--; last = NOBODY }
        if
        :: last -> release()
        :: else
        fi
    :: else
    fi
}

proctype ask()
{
    bool mine, gone, last;
#ifdef BUG_VERDICT_LAST
    gone = !joining;
    verdict = true;
#else
    verdict = true;
    gone = !joining;
#endif
    if
    :: !gone -> take_back()
    :: else
    fi
}
#endif

/* bide_record_end_joined: RUNS and HELD at once, if there is nothing else. */
inline end_joined()
{
    joiner = slot;
    atomic {
        if
#ifdef BUG_JOINED_WITHOUT_COMPARING
        :: generation == 0 ->
#else
        :: generation == 0 && RUNS && HELD && !RING && pins == 0 ->
#endif
            RUNS = false;
            HELD = false;
            generation = 1;
            joined = true;
            /* Nobody has taken it, nor will. */
            assert(aside)
        :: else
        fi
    }
    if
    :: joined ->
        joiner = joiner || slot;
        aside = false;
        joining = false;
        /* Into a list of free ones. */
        atomic { assert(pins == 0 && !ring_b); released++; assert(released == 1); slot = false }
#ifndef BUG_JOINED_WAKES_NOBODY
        if
        :: joiner -> woken_a = true
        :: else
        fi
#endif
    :: else
    fi
}
#endif

proctype task()
{
    bool ok, last, queue_it, batch_b, kept, joiner;
#ifdef ASIDE
    bool mine, told;
#ifdef TAKE
    put_aside();
#ifdef COMPUTES
    resumed;
#endif
#endif
    if
    :: aside ->
        end_joined();
        if
        :: joined -> resume(); goto end
        :: else -> take_aside()
        fi
    :: else
    fi;
#endif
#ifdef BUG_LOOK_FOR_JOINER_FIRST
    joiner = slot;
#endif
    do
    :: clear(true, ok, last);
        if
        :: ok -> break
        :: else
        fi
    od;
#ifndef BUG_LOOK_FOR_JOINER_FIRST
#ifdef BUG_LAST_WAKES_NOBODY
    if
    :: !last -> joiner = slot
    :: else
    fi;
#else
    /* The record may be another task's by now, if it was held: whoever gave it up then has told A. */
    joiner = slot;
#endif
#endif
    if
    :: kept -> atomic { pins--; last = NOBODY }
    :: else
    fi;
    if
    :: last -> release()
    :: else
    fi;
    if
    :: joiner -> woken_a = true
    :: else
    fi;
end:
    skip
}

/* Whether the handle was given up by the caller: HANDED_OVER, or STILL_RUNS, or FREED. */
inline give_up(running, by_a, result)
{
    result = 0;
    do
    :: atomic {
            if
            :: generation != 0 || !HELD -> result = 2; break
            :: else ->
                if
                :: RUNS && !running -> result = 1; break
                :: else
                fi
            fi
        }
        joiner = slot;
        clear(false, ok, last);
        if
        :: ok ->
#ifndef BUG_TAKER_WAKES_NOBODY
            /* A may have come in between. */
            joiner = joiner || slot;
            if
            :: joiner && !by_a -> woken_a = true
            :: else
            fi;
#endif
            if
            :: last -> release()
            :: else
            fi;
            atomic { handed++; assert(handed == 1) }
            break
        :: else
        fi
    od
}

proctype join_a()
{
    bool ok, last, queue_it, batch_b, kept, joiner, awaited;
    byte result;
    do
    :: give_up(false, true, result);
        if
        :: result != 1 -> break
        :: else
        fi;
        slot = true;
#ifdef BUG_JOIN_WITHOUT_A_SECOND_LOOK
        awaited = true;
#else
        awaited = generation == 0 && RUNS && HELD;
#endif
        if
        :: awaited -> atomic { woken_a -> woken_a = false }
        :: else
        fi
    od
}

proctype join_b()
{
    bool ok, last, queue_it, batch_b, kept, joiner, awaited;
    byte result;
    do
    :: give_up(false, false, result);
        if
        :: result != 1 -> break
        :: else
        fi;
        take_lock();
#ifdef BUG_QUEUE_WITHOUT_COMPARING
        awaited = generation == 0 && RUNS && HELD;
        if
        :: awaited -> RING = true
        :: else
        fi;
#else
        atomic {
            awaited = generation == 0 && RUNS && HELD;
            if
            :: awaited -> RING = true
            :: else
            fi
        }
#endif
        if
        :: awaited -> atomic { assert(generation == 0); ring_b = true }
        :: else
        fi;
        leave_lock();
        if
        :: awaited -> atomic { woken_b -> woken_b = false }
        :: else
        fi
    od
}

#ifdef ASIDE
proctype join_aside()
{
    bool ok, last, queue_it, batch_b, kept, joiner;
    byte result;
    resumed;
    if
    :: joined -> atomic { handed++; assert(handed == 1) }
    :: else -> give_up(false, false, result)
    fi
}
#endif

proctype cancel()
{
    bool mine, last;
    atomic {
        mine = generation == 0 && RUNS;
#ifndef BUG_CANCEL_WITHOUT_PIN
        if
        :: mine -> pins++
        :: else
        fi
#endif
    }
    if
    :: mine ->
        /* The verdict: property V. */
        assert(generation == 0);
#ifndef BUG_CANCEL_WITHOUT_PIN
        atomic { pins--; last = NOBODY }
#ifndef BUG_UNPIN_FREES_NOTHING
        if
        :: last -> release()
        :: else
        fi
#endif
#endif
    :: else
    fi
}

#ifdef DETACH
proctype detach()
{
    bool ok, last, queue_it, batch_b, kept, joiner;
    byte result;
    give_up(true, false, result);
#ifdef TAKE
    bool mine, gone;
    if
    :: result == 0 && aside -> take_back()
    :: else
    fi
#endif
}
#endif

init {
    atomic {
        run task();
        run join_a();
#ifndef ALONE
        run join_b();
#endif
        run cancel();
#ifdef ASIDE
        run join_aside();
#endif
#if defined(TAKE) && !defined(ASKED_NOT)
        /* What was seen may be of an earlier time. */
        if
        :: joining = true
        :: skip
        fi;
        run ask();
#endif
#ifdef DETACH
        run detach()
#endif
    }
    /* When all have ended: the handle was given up, and the record is free. */
    _nr_pr == 1;
    assert(handed == 1 && released == 1);
#ifdef TAKE
    assert(!joining && !aside);
#endif
    skip
}

#endif
