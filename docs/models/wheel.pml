/* The threaded wheel: sleeps that owners start, move, cancel and await, requests for them to the wheel's thread,
 * waiting for room, and the end of a wheel. The protocol of src/wheel/thread.h, whose invariants these are. A
 * step is one atomic operation, or what is done under a lock that others look at only under the same one.
 *
 * PROPERTIES
 * E  No sleep ends before its deadline. (`end_next`)
 * L  No request is lost or slept over: each sleep ends or is cancelled, each that waits for room gets it, and
 *    the thread may sleep only when all that is armed is in the slots no later than at its deadline, or on
 *    the stack. (invalid end states; `placed`)
 * S  A record is on the stack once at most, and is freed when it is in neither stack nor slots. (`push`,
 *    `release`)
 * Q  Nobody touches a sleep after its owner was told that it is over. (`alive`)
 * F  When the wheel is freed nobody touches its records, and each sleep has ended. (`whole`)
 *
 * CHECK: -DSAFETY -DCOLLAPSE -m100000
 * CHECK: -DROOM -DSAFETY -DCOLLAPSE -m100000
 * CHECK: -DNARROW -DSAFETY -DCOLLAPSE -m100000
 * CHECK: -DEND -DSAFETY -DCOLLAPSE -m100000
 * CHECK: -DEND -DROOM -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_QUEUED_CLEARED_LATE
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_LOOK_BEFORE_PUBLISHING
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_CALL_BEFORE_PUSH
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_SEEN_LATE
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_DEADLINE_NOT_LOOKED_AT
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_PUSH_TWICE
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_FREE_QUEUED
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_NO_QUIESCE
 * MUST-FAIL: -DROOM -DSAFETY -m100000 -DBUG_CANCEL_CALLS_NOBODY
 * MUST-FAIL: -DROOM -DSAFETY -m100000 -DBUG_ROOM_NOT_LOOKED_FOR
 * MUST-FAIL: -DROOM -DTHREE -DSAFETY -m100000 -DBUG_WAKE_NOT_PASSED_ON
 * MUST-FAIL: -DNARROW -DSAFETY -m100000 -DBUG_CHANNEL_WAKES_NOBODY
 * MUST-FAIL: -DEND -DSAFETY -m100000 -DBUG_NO_GATE
 * MUST-FAIL: -DEND -DSAFETY -m100000 -DBUG_RECORDS_FREED_FIRST
 * MUST-FAIL: -DEND -DROOM -DSAFETY -m100000 -DBUG_ROOM_FORGOTTEN
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#ifdef THREE
#define SLEEPS 3 /* each an owner's */
#else
#define SLEEPS 2
#endif
#define NONE 255
#define NEVER 8

/* By default there is room for both. */
#ifdef ROOM /* one record for both, and who has none waits */
#define RECORDS 1
#define CHANNEL 3
#endif
#ifdef NARROW /* a channel for one; whose try to help fails waits */
#define RECORDS 2
#define CHANNEL 1
#endif
#ifndef RECORDS
#define RECORDS 2
#define CHANNEL 3
#endif

/* Records. */
#define FREE 0
#define ARMED 1
#define CANCELLED 2
#define DONE 3
byte state[RECORDS];
bool queued[RECORDS];
byte deadline[RECORDS];
byte named[RECORDS];   /* the sleep */
byte slot_of[RECORDS]; /* the tick at which it is looked at; NEVER: it is not in the slots */
bool is_free[RECORDS];
bool on_stack[RECORDS];
byte new_ones;         /* on the stack */
bool whole = true;     /* there are records: the wheel was not freed */

/* Sleeps. */
#define IDLE 0
#define IN_WHEEL 1
#define IN_ROOM 2
#define ENDED 3
byte stage[SLEEPS];
byte record[SLEEPS];
byte wanted[SLEEPS]; /* the deadline */
bool locked[SLEEPS]; /* its wait lock */
bool in_room[SLEEPS];
byte firing[SLEEPS];
bool woken[SLEEPS];
bool alive[SLEEPS];

/* The wheel. */
bool lock, stopping, closed, over;
byte inside, now;
bool called; /* the word is not what the thread has seen */
#define AWAKE 0
byte asleep_past; /* 1 more than the deadline; AWAKE */

#define WAITING (in_room[0] || in_room[1] || in_room[SLEEPS - 1])
#define STACK_EMPTY (!on_stack[0] && !on_stack[RECORDS - 1])

/* The inlines use these of who calls them: i, p, number, room, was, taken. What they leave behind is 0, so that
 * it makes no states of its own. */

inline push(r)
{
    assert(whole && !on_stack[r]);
    on_stack[r] = true
}

inline call_for(tick)
{
    p = asleep_past;
    if
    :: p != AWAKE && tick + 1 <= p ->
        atomic {
            if
            :: asleep_past == p ->
                asleep_past = AWAKE;
                called = true
            :: else
            fi;
            p = 0
        }
    :: else -> p = 0
    fi
}

/* In an atomic step. */
inline take_record()
{
    assert(whole);
    number = 0;
    do
    :: number < RECORDS && !is_free[number] -> number++
    :: else -> break
    od;
    if
    :: number < RECORDS -> is_free[number] = false
    :: else -> number = NONE
    fi
}

/* In an atomic step. */
inline give_record(r)
{
    assert(whole && !is_free[r]);
    is_free[r] = true
}

/* In an atomic step. */
inline release(r)
{
    assert(!on_stack[r] && slot_of[r] == NEVER && state[r] != FREE);
    state[r] = FREE;
    deadline[r] = 0;
    named[r] = 0;
    give_record(r)
}

/* In an atomic step. */
inline fire(s)
{
    assert(alive[s]);
    woken[s] = true;
    firing[s]--
}

/* wake_room(): so many as there are in `room`. */
inline wake_room()
{
    do
    :: atomic { room > 0 && WAITING ->
        room--;
        i = 0;
        do
        :: !in_room[i] -> i++
        :: else -> break
        od;
        in_room[i] = false;
        firing[i]++
        }
        atomic {
            fire(i);
            i = 0
        }
    :: atomic { else -> room = 0 }; break
    od
}

/* drain() with carry_out(): the lock is held. Adds to `room`. */
inline drain()
{
    atomic {
        room = new_ones;
        new_ones = 0;
        i = 0;
        do
        :: i < RECORDS ->
            taken = taken | (on_stack[i] << i);
            on_stack[i] = false;
            i++
        :: else -> break
        od;
        i = 0
    }
    do
    :: taken != 0 ->
        atomic {
            assert(whole);
            i = (taken & 1 -> 0 : 1);
            taken = taken & ~(1 << i);
#ifdef BUG_QUEUED_CLEARED_LATE
            p = deadline[i]
        }
        atomic {
#endif
            queued[i] = false;
            if
            :: state[i] != ARMED ->
                slot_of[i] = NEVER;
                release(i);
                room++;
                i = NONE
            :: else
            fi
        }
        atomic {
            if
            :: i != NONE ->
#ifdef BUG_QUEUED_CLEARED_LATE
                slot_of[i] = p
#else
                slot_of[i] = deadline[i]
#endif
            :: else
            fi;
            p = 0;
            i = 0
        }
    :: else -> break
    od
}

/* end_next(), until nothing is due at t; the lock is held. */
inline end_due()
{
    do
    :: atomic { slot_of[0] <= t || slot_of[RECORDS - 1] <= t ->
        number = (slot_of[0] <= t -> 0 : RECORDS - 1);
        slot_of[number] = NEVER
        }
        atomic { !locked[named[number]] -> /* and unlocked at the end of the step */
            s = named[number];
#ifdef BUG_DEADLINE_NOT_LOOKED_AT
            if
            :: state[number] == ARMED ->
#else
            if
            :: state[number] == ARMED && deadline[number] <= t ->
#endif
                assert(alive[s] && wanted[s] <= now);
                state[number] = DONE;
                stage[s] = ENDED;
                record[s] = NONE;
                firing[s]++;
#ifdef BUG_FREE_QUEUED
                room = 1
#else
                room = !queued[number]
#endif
            :: else ->
                assert(queued[number]);
                s = NONE
            fi
        }
        if
        :: s != NONE ->
            atomic {
                if
                :: room > 0 -> release(number)
                :: else
                fi;
                number = 0;
                lock = false
            }
            atomic {
                fire(s);
                s = 0
            }
            wake_room();
            atomic { !lock -> lock = true }
        :: else ->
            atomic {
                number = 0;
                s = 0
            }
        fi
    :: else -> break
    od
}

#define PLACED(r) (state[r] != ARMED || queued[r] || locked[named[r]] || slot_of[r] <= deadline[r])

/* live() */
proctype thread()
{
    byte t, s, i, p, number, room, taken;

    atomic { !lock -> lock = true }
    do
    :: stopping -> break
    :: else ->
#ifndef BUG_SEEN_LATE
        called = false;
#endif
        drain();
        if
        :: room > 0 && WAITING ->
#ifdef BUG_CHANNEL_WAKES_NOBODY
            room = 0;
#endif
            lock = false;
            wake_room();
            atomic { !lock -> lock = true }
        :: else -> room = 0
        fi;
        t = now;
        end_due();
#ifdef BUG_LOOK_BEFORE_PUBLISHING
        number = STACK_EMPTY;
#endif
        atomic {
            t = (slot_of[0] < slot_of[RECORDS - 1] -> slot_of[0] : slot_of[RECORDS - 1]);
            asleep_past = t /* the deadlines of the tick before, and so 1 more */
        }
        if
#ifdef BUG_LOOK_BEFORE_PUBLISHING
        :: number == 1 ->
#else
        :: STACK_EMPTY ->
#endif
            atomic {
                assert(PLACED(0) && PLACED(RECORDS - 1));
                number = 0;
#ifdef BUG_SEEN_LATE
                called = false;
#endif
                lock = false
            }
end_asleep:
            (called || now >= t);
            atomic { !lock -> lock = true }
        :: else
        fi;
        atomic {
            t = 0;
            asleep_past = AWAKE
        }
    od;
    atomic {
        lock = false;
        over = true
    }
}

/* In an atomic step: was = whether it had been woken. */
inline leave_room(s)
{
    was = !in_room[s];
    in_room[s] = false
}

/* submit(): sets `answer`, to IN_WHEEL, IN_ROOM, or ENDED if the wheel is. */
inline submit(s)
{
    answer = ENDED;
    if
    :: atomic { !closed ->
#ifndef BUG_NO_GATE
        inside++
#endif
        }
        atomic {
            take_record();
            mine = number;
            number = 0
        }
        if
        :: mine == NONE ->
            atomic { !lock -> lock = true }
            drain();
            atomic {
                take_record();
                mine = number;
                number = 0;
                lock = false;
                room = (room > 0 -> room - 1 : 0)
            }
            wake_room()
        :: else
        fi;
        do
        :: mine != NONE ->
#ifdef BUG_CALL_BEFORE_PUSH
            call_for(wanted[s]);
#endif
            atomic { !locked[s] ->
                locked[s] = true;
                named[mine] = s;
                deadline[mine] = wanted[s];
                state[mine] = ARMED;
                queued[mine] = true
            }
            atomic {
                if
                :: new_ones < CHANNEL ->
                    push(mine);
                    new_ones++;
                    number = (new_ones == (CHANNEL + 1) / 2 -> 1 : 2);
                    answer = IN_WHEEL
                :: else ->
                    locked[s] = false;
                    state[mine] = FREE;
                    queued[mine] = false
                fi
            }
            if
            :: answer == IN_WHEEL ->
                atomic {
                    stage[s] = IN_WHEEL;
                    record[s] = mine;
                    mine = NONE;
                    locked[s] = false
                }
#ifndef BUG_CALL_BEFORE_PUSH
                call_for((number == 1 -> 0 : wanted[s]));
#endif
                number = 0
            :: else ->
                if
                :: atomic { !lock -> lock = true };
                    drain();
                    atomic {
                        lock = false;
                        room = (room > 0 -> room - 1 : 0)
                    }
                    wake_room()
                :: lock ->
                    atomic {
                        give_record(mine);
                        mine = NONE
                    }
                fi
            fi
        :: else -> break
        od;
        if
        :: answer != IN_WHEEL -> begin_to_wait(s)
        :: else
        fi;
#ifndef BUG_NO_GATE
        inside--
#else
        skip
#endif
    :: closed
    fi;
    mine = 0
}

/* begin_to_wait() */
inline begin_to_wait(s)
{
    atomic {
        stage[s] = IN_ROOM;
        answer = IN_ROOM;
        in_room[s] = true
    }
#ifndef BUG_ROOM_NOT_LOOKED_FOR
    atomic {
        take_record();
        mine = number;
        number = 0
    }
    if
    :: mine != NONE ->
        atomic {
            give_record(mine);
            room = 1
        }
    :: else
    fi;
    atomic {
        was = !STACK_EMPTY;
        room = (new_ones < CHANNEL -> room : 0)
    }
    if
    :: was -> call_for(0)
    :: else
    fi;
    was = false;
    wake_room()
#endif
}

/* bide_wheel_thread_reset() while it is awaited. */
inline reset(s, tick)
{
    atomic { !locked[s] ->
        locked[s] = true;
        wanted[s] = tick; /* nobody's but the owner's while it has ended */
        mine = NONE;
        if
        :: stage[s] == IN_WHEEL ->
            mine = record[s];
            assert(whole);
            deadline[mine] = wanted[s]
        :: else
        fi
    }
    if
    :: mine != NONE ->
        atomic {
            was = queued[mine];
            queued[mine] = true
#ifdef BUG_PUSH_TWICE
            ;
            was = false
#endif
        }
        atomic {
            if
            :: !was -> push(mine)
            :: else
            fi;
            mine = 0;
            was = false;
            locked[s] = false
        }
        call_for(wanted[s])
    :: else ->
        atomic {
            mine = 0;
            locked[s] = false
        }
    fi
}

/* bide_wheel_thread_cancel() */
inline cancel(s)
{
    atomic { !locked[s] ->
        answer = stage[s];
        if
        :: answer == IN_WHEEL ->
            locked[s] = true;
            mine = record[s];
            record[s] = NONE;
            assert(whole);
            was = queued[mine];
            state[mine] = CANCELLED;
            queued[mine] = true
        :: else
        fi;
        stage[s] = (answer == ENDED -> ENDED : IDLE)
    }
    if
    :: answer == IN_WHEEL ->
        atomic {
            if
            :: !was -> push(mine)
            :: else
            fi;
            mine = 0;
            was = false;
            locked[s] = false
        }
    :: answer == IN_ROOM ->
        atomic { leave_room(s) }
#ifndef BUG_WAKE_NOT_PASSED_ON
        room = was;
        wake_room();
#endif
        was = false
    :: else
    fi;
#ifndef BUG_NO_QUIESCE
    (firing[s] == 0);
#endif
#ifndef BUG_CANCEL_CALLS_NOBODY
    if
    :: WAITING -> call_for(0)
    :: else
    fi
#else
    skip
#endif
}

/* Starts its sleep. The first one may move it, to later or earlier, and cancel it; the other one awaits it. Which
 * is decided before: who can still do something else is not seen to be waiting for ever. */
proctype owner(byte me)
{
    byte i, p, number, mine, room, answer, taken;
    bool moves, cancels, was;

    atomic {
        wanted[me] = 1;
        if
#if defined(ROOM) || defined(NARROW)
        :: me == 0 ->
            wanted[me] = 3; /* nobody wakes for it */
            cancels = true
        :: cancels = false
#else
#ifndef END
        :: me == 0 -> cancels = true
        :: me == 0 ->
            wanted[me] = 2;
            moves = true
        :: me == 0 -> moves = true
#endif
        :: me == 0 ->
            cancels = true;
            moves = true
        :: me != 0
#endif
        fi
    }
again:
    submit(me);
    do
    :: answer == ENDED -> break
    :: answer != ENDED && moves ->
        moves = false;
        reset(me, 3 - wanted[me])
    :: answer != ENDED && cancels && !moves ->
        cancel(me);
        break
    :: atomic { answer != ENDED && woken[me] && !locked[me] ->
        woken[me] = false;
        answer = stage[me]
        }
        if
        :: answer == ENDED -> break
        :: answer == IN_ROOM ->
            atomic {
                leave_room(me);
                was = false
            }
            (firing[me] == 0);
            stage[me] = IDLE;
            goto again
        :: else
        fi
    od;
    atomic {
#ifndef BUG_NO_QUIESCE
        (firing[me] == 0) ->
#endif
        assert(!in_room[me] && record[me] == NONE);
        alive[me] = false;
        woken[me] = false;
        stage[me] = IDLE;
        moves = false;
        cancels = false;
        answer = 0
    }
}

#ifdef END
/* bide_wheel_free() */
proctype end()
{
    byte i, room, number, s;

    closed = true;
#ifndef BUG_NO_GATE
    (inside == 0);
#endif
    atomic { !lock -> stopping = true } /* and unlocked */
    called = true;
    (over);
#ifdef BUG_RECORDS_FREED_FIRST
    whole = false;
#endif
    do
    :: number < RECORDS && state[number] != FREE ->
        atomic { !locked[named[number]] ->
            s = named[number];
            if
            :: state[number] == ARMED ->
                assert(alive[s]);
                state[number] = DONE;
                stage[s] = ENDED;
                record[s] = NONE;
                firing[s]++
            :: else -> s = NONE
            fi
        }
        atomic {
            if
            :: s != NONE -> fire(s)
            :: else
            fi;
            s = 0;
            number++
        }
    :: number < RECORDS && state[number] == FREE -> number++
    :: else -> break
    od;
    number = 0;
#ifndef BUG_ROOM_FORGOTTEN
    room = SLEEPS;
    wake_room();
#endif
    whole = false
}
#endif

/* Time goes by whenever it likes. */
proctype clock()
{
    now = 1;
    now = 2
}

init
{
    byte n;
    atomic {
        do
        :: n < RECORDS ->
            is_free[n] = true;
            slot_of[n] = NEVER;
            n++
        :: else -> break
        od;
        n = 0;
        do
        :: n < SLEEPS ->
            record[n] = NONE;
            alive[n] = true;
            n++
        :: else -> break
        od;
        run thread();
        run owner(0);
        run owner(1);
#ifdef THREE
        run owner(2);
#endif
        run clock();
#ifdef END
        run end()
#endif
    }
}
