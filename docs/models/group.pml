/* Groups: their tasks are made, end and fail; a failing group cancels them one by one; its opener closes it and
 * frees its storage. The protocol of src/task/group.c, whose invariants these are. A step is a critical section
 * of the group's wait lock, or a wake.
 *
 * One task is there from the beginning, a second one is made meanwhile by a spawner that goes on whatever happens
 * to it (a task that spawns is itself counted: the spawner is). The deadline's waker may fire until the timer is
 * cancelled.
 *
 * PROPERTIES
 * F  Nobody touches the group after close has returned. (`touch`)
 * C  When the group has failed each of its tasks is cancelled, also one that was being made: none waits for ever.
 *    (invalid end states: a task waits until it is cancelled)
 * W  The opener is woken: close returns. (invalid end states)
 * E  The error is set once. (at the end of `opener`)
 *
 * CHECK: -DSAFETY -m100000
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_UNCOUNTED_FIRST
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_NEW_ONE_DOES_NOT_LOOK
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_TIMER_STAYS
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_WAKE_LAST_WITHOUT_LOCK
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_CLOSE_LOOKS_WITHOUT_LOCK
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#define TASKS 3 /* 0: there from the beginning; 1: spawns; 2: is spawned by it */

bool lock;
bool freed;
byte running;
byte errors; /* how often the error was set */
bool member[TASKS];
bool verdict[TASKS];
bool started[TASKS];
bool closer_linked, closer_woken;
bool armed = true, firing;

#define touch() assert(!freed)

inline acquire()
{
    atomic { !lock -> lock = true; touch() }
}

inline let_go()
{
    lock = false
}

/* fail(): one member in each critical section, as the lock is let go for its wake. A member that left in between
 * is not there any more. */
inline fail_group(i)
{
    acquire();
    if
    :: errors > 0 -> let_go()
    :: else ->
        errors++;
        i = 0;
        do
        :: i < TASKS ->
            if
            :: member[i] ->
                verdict[i] = true;
                let_go();
                acquire()
            :: else
            fi;
            i++
        :: else -> break
        od;
        let_go()
    fi;
    i = 0
}

/* uncount(): the last step of a task; the closer's wake is on the waking task's own stack. */
inline uncount(last)
{
    acquire();
    running--;
    last = running == 0 && closer_linked;
    if
    :: last -> closer_linked = false
    :: else
    fi;
    let_go();
#ifdef BUG_WAKE_LAST_WITHOUT_LOCK
    touch();
#endif
    if
    :: last -> closer_woken = true
    :: else
    fi
}

/* A task's body: it ends well, fails, or waits until it is cancelled. Task 1 spawns task 2 first. */
proctype task(byte me)
{
    byte i;
    bool last, failing;

    started[me];
    if
    :: me == 1 ->
        /* count(), bide_task_make(), and the task becomes a member */
        acquire();
        if
        :: errors > 0 -> let_go()
        :: else ->
            running++;
            let_go();
            acquire();
            member[2] = true;
#ifndef BUG_NEW_ONE_DOES_NOT_LOOK
            if
            :: errors > 0 -> verdict[2] = true
            :: else
            fi;
#endif
            let_go();
            started[2] = true;
            run task(2)
        fi
    :: else
    fi;
    /* It ends by itself, well or not; or waits until it is cancelled. */
    if
    :: failing = true
    :: failing = false
    :: true -> verdict[me]
    fi;
    /* bide_group_leave() */
    acquire();
    member[me] = false;
    let_go();
#ifdef BUG_UNCOUNTED_FIRST
    uncount(last);
    if
    :: failing -> fail_group(i)
    :: else
    fi
#else
    if
    :: failing -> fail_group(i)
    :: else
    fi;
    uncount(last)
#endif
}

/* The timer's waker. */
proctype deadline()
{
    byte i;
    do
    :: atomic { armed -> armed = false; firing = true };
        fail_group(i);
        firing = false;
        break
    :: break
    od
}

/* Opens, spawns, and closes. */
proctype opener()
{
    byte i;
    bool wait;

    running = 2;
    member[0] = true;
    member[1] = true;
    run deadline();
    started[0] = true;
    run task(0);
    started[1] = true;
    run task(1);

    acquire();
    wait = running > 0;
    let_go();
    if
    :: wait ->
        fail_group(i);
#ifdef BUG_CLOSE_LOOKS_WITHOUT_LOCK
        wait = running > 0;
        acquire();
#else
        acquire();
        wait = running > 0;
#endif
        if
        :: wait -> closer_linked = true
        :: else
        fi;
        let_go();
        if
        :: wait -> closer_woken
        :: else
        fi
    :: else
    fi;
#ifndef BUG_TIMER_STAYS
    /* The cancel of the timer waits for its waker. */
    armed = false;
    !firing;
#endif
    assert(running == 0 && !member[0] && !member[1] && !member[2]);
    assert(errors <= 1);
    freed = true
}

init
{
    run opener()
}
