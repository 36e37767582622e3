/* How a scheduler ends: what counts its tasks, who is told, and threads outside that spawn until the last moment. The
 * protocol of src/task/task.h, invariant 10, of src/task/door.c and of bide_run. A step is one atomic operation, one
 * change of a queue, or one look at a record.
 *
 * Two workers. The main task spawns one and ends; that one waits until it is cancelled, and may spawn another one when
 * it is. A thread outside spawns one by an old handle.
 *
 * PROPERTIES
 * L  The scheduler is finished when no task is left, neither queued nor running nor waiting, and not before; then
 *    none begins. (asserts; `running`)
 * F  All workers end, and bide_run returns. (no invalid end state)
 * C  Each task that waits is cancelled. (else the end is waited for in vain: no invalid end state)
 * D  Nobody uses the scheduler after it was freed. (`freed`)
 *
 * What is left out: memory orders, as changed orders of steps; how a task finds a worker (idle.pml): workers look for it
 * all the time. Each spawn counts by itself whether the worker has a credit.
 *
 * CHECK: -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_CANCEL_BEFORE_CLOSING
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_NO_LOOK_AFTER_PUBLISHING
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_COUNT_AFTER_LOOK
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_PARKED_WITH_CREDITS
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_DOOR_NOT_ENTERED
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_LOOK_BEFORE_PIN
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_CLOSE_LOOKS_FIRST
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#define WORKERS 2
#define CREDITS 2

#define NONE 0
#define QUEUED 1
#define RUNNING 2
#define WAITING 3
#define OVER 4

/* 0 is the main task, 1 what it spawns, 2 what that spawns, 3 what comes from outside. */
#define TASKS 4
byte task[TASKS];
bool verdict[TASKS];
bool published[TASKS]; /* RUNS: who cancels all finds it */

byte live = 1;
byte credits[WORKERS];
bool closing = false;
bool finished = false;
bool freed = false;
byte ended = 0; /* workers */
byte pins = 0;
bool open = true; /* the generation is that of the handle */

inline use()
{
    assert(!freed)
}

inline settle(count)
{
    atomic {
        use();
        assert(live >= count);
        live = live - count;
        last = (live == 0 && count > 0)
    }
    if
    :: last ->
        /* Property L. */
        atomic {
            assert(task[0] == OVER && (task[1] == NONE || task[1] == OVER) && (task[2] == NONE || task[2] == OVER) &&
                   (task[3] == NONE || task[3] == OVER));
            finished = true;
            last = false
        }
    :: else
    fi
}

inline settle_all()
{
    atomic { amount = credits[me]; credits[me] = 0 }
    settle(amount);
    amount = 0
}

inline gone()
{
    credits[me]++
}

inline come()
{
    if
    :: credits[me] == 0 -> atomic { use(); live = live + CREDITS; credits[me] = CREDITS }
    :: else
    fi;
    credits[me]--
}

/* Looks at each record by itself; a wake of one that waits queues it. */
inline cancel(i)
{
    atomic {
        if
        :: published[i] ->
            verdict[i] = true;
            if
            :: task[i] == WAITING -> task[i] = QUEUED
            :: else
            fi
        :: else
        fi
    }
}

inline cancel_all()
{
    cancel(0); cancel(1); cancel(2); cancel(3)
}

inline publish(i)
{
    published[i] = true;
    task[i] = QUEUED;
    use();
#ifndef BUG_NO_LOOK_AFTER_PUBLISHING
    if
    :: closing -> cancel_all()
    :: else
    fi
#endif
}

/* A worker's task spawns. */
inline spawn(i)
{
    come();
    if
    :: closing -> gone()
    :: else -> publish(i)
    fi
}

inline end_task(i)
{
    atomic { task[i] = OVER; published[i] = false }
    if
    :: i == 0 ->
#ifdef BUG_CANCEL_BEFORE_CLOSING
        cancel_all();
        closing = true
#else
        closing = true;
        cancel_all()
#endif
    :: else
    fi;
    gone()
}

inline run_task(i)
{
    if
    :: i == 0 -> spawn(1); end_task(0)
    :: i == 1 || i == 3 ->
        if
        :: verdict[i] ->
            if
            :: i == 1 -> spawn(2)
            :: true
            fi;
            end_task(i)
        :: else ->
            atomic {
                if
                :: verdict[i] -> task[i] = QUEUED
                :: else -> task[i] = WAITING
                fi
            }
        fi
    :: i == 2 -> end_task(2)
    fi
}

#define TAKE(i) atomic { task[i] == QUEUED -> assert(!finished); task[i] = RUNNING } run_task(i)

proctype worker(byte me)
{
    byte amount;
    bool last;
    do
    :: finished -> break
    :: TAKE(0)
    :: TAKE(1)
    :: TAKE(2)
    :: TAKE(3)
    :: credits[me] > 0 -> /* parks */
#ifdef BUG_PARKED_WITH_CREDITS
        finished -> break
#else
        settle_all()
#endif
    od;
    assert(credits[me] == 0);
    ended++
}

proctype outside()
{
    bool last, counted;
#ifdef BUG_LOOK_BEFORE_PIN
    bool seen = open;
    pins++;
    if
    :: seen ->
#else
#ifndef BUG_DOOR_NOT_ENTERED
    pins++;
#endif
    if
    :: open ->
#endif
        use();
#ifdef BUG_COUNT_AFTER_LOOK
        if
        :: closing
        :: else -> atomic { use(); live++ } publish(3)
        fi;
#else
        atomic { use(); live++ }
        if
        :: closing -> settle(1)
        :: else -> publish(3)
        fi;
#endif
        use()
    :: else
    fi;
#ifndef BUG_DOOR_NOT_ENTERED
    pins--
#endif
}

init {
    atomic {
        task[0] = QUEUED;
        published[0] = true;
        run worker(0);
        run worker(1);
        run outside()
    }
    /* bide_run: joins them, and closes the door. */
    ended == WORKERS;
#ifdef BUG_CLOSE_LOOKS_FIRST
    pins == 0;
    open = false;
#else
    open = false;
    pins == 0;
#endif
    freed = true
}
