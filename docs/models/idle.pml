/* Workers that have nothing to do: how each task that is queued gets one. The protocol of src/task/task.h, invariants 8
 * and 9. A step is one atomic operation, one change of a queue, one critical section of the idle lock, or a wake.
 *
 * Two workers. The tasks are two, and each runs until the other has begun: so one that is queued while a worker sleeps
 * needs that worker. They come
 *   -DOUTSIDE   from a thread outside, one after the other;
 *   -DSPAWN     one from outside, which spawns the other;
 *   -DEVENTS    both from the reactor, in which a worker was parked, and which calls nobody for them;
 *   -DPINNED    from outside, one of them pinned to the second worker.
 *
 * PROPERTIES
 * R  Both run. (no invalid end state, in which workers sleep or look in vain and `monitor` waits)
 * C  No worker is counted as searching twice, or while it sleeps. (asserts)
 * I  Once both are done, the workers fall asleep. (no non-progress cycle: a worker that finds work makes progress)
 *
 * What is left out: memory orders; what they prevent is planted as changed orders of steps. The reactor's role: a wake
 * of a parker is never lost (role.pml). The slot, which is as the ring is for this, and half of a ring being stolen:
 * deque.pml. The pause of a worker that was called in vain: it counts as one that searches, as if it was slow. More than
 * two workers.
 *
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DOUTSIDE
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DSPAWN
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DEVENTS
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DPINNED
 * CHECK: -DNP -DCOLLAPSE -l -m100000 -DOUTSIDE
 * MUST-FAIL: -DSAFETY -m100000 -DOUTSIDE -DBUG_CALL_BEFORE_PUSH
 * MUST-FAIL: -DSAFETY -m100000 -DOUTSIDE -DBUG_LOOK_BEFORE_BIT
 * MUST-FAIL: -DSAFETY -m100000 -DOUTSIDE -DBUG_NO_SECOND_LOOK
 * MUST-FAIL: -DSAFETY -m100000 -DOUTSIDE -DBUG_LAST_CALLS_NOBODY
 * MUST-FAIL: -DSAFETY -m100000 -DSPAWN -DBUG_SPAWN_CALLS_NOBODY
 * MUST-FAIL: -DSAFETY -m100000 -DEVENTS -DBUG_EVENTS_CALL_NOBODY
 * MUST-FAIL: -DSAFETY -m100000 -DPINNED -DBUG_INBOX_NOT_LOOKED_AT
 * MUST-FAIL: -DSAFETY -m100000 -DPINNED -DBUG_PINNED_CALLS_ANYBODY
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#define WORKERS 2

byte inject = 0;
byte ring[WORKERS];
byte inbox = 0; /* of the second worker */
bool idle[WORKERS];
bool searches[WORKERS];
byte searching = 0;
bool notified[WORKERS];
byte begun = 0;
byte done = 0;
#ifdef EVENTS
byte events = 2;
#endif
#ifdef SPAWN
bool spawned = false;
#endif

/* bide_idle_call_one: looks, then once more under the lock. */
inline call_one()
{
    if
    :: idle[0] || idle[1] ->
        if
        :: searching > 0
        :: else ->
            atomic {
                if
                :: searching == 0 && idle[0] -> other = 0
                :: searching == 0 && !idle[0] && idle[1] -> other = 1
                :: else -> other = WORKERS
                fi;
                if
                :: other < WORKERS ->
                    assert(!searches[other]);
                    searches[other] = true;
                    searching++;
                    idle[other] = false
                :: else
                fi
            }
            if
            :: other < WORKERS -> notified[other] = true
            :: else
            fi;
            other = 0
        fi
    :: else
    fi
}

/* Each queue is looked at by itself. */
inline look_for_work(found)
{
    found = false;
    if
    :: inject > 0 -> found = true
    :: else ->
        if
        :: ring[0] > 0 -> found = true
        :: else ->
            if
            :: ring[1] > 0 -> found = true
            :: else
            fi
        fi
    fi
}

inline take(queue)
{
    atomic {
        if
        :: queue > 0 -> queue--; got = true
        :: else
        fi
    }
}

inline find()
{
    got = false;
    take(ring[me]);
    if
    :: !got && me == 1 -> take(inbox)
    :: else
    fi;
    if
    :: !got -> take(inject)
    :: else
    fi;
    if
    :: !got ->
        atomic {
            if
            :: !searches[me] && searching * 2 < WORKERS -> searches[me] = true; searching++
            :: else
            fi
        }
        if
        :: searches[me] ->
            take(ring[1 - me]);
            if
            :: !got -> take(inject)
            :: else
            fi
        :: else
        fi
    :: else
    fi
}

inline park()
{
#ifdef BUG_LOOK_BEFORE_BIT
    look_for_work(more);
#endif
    atomic {
        if
        :: searches[me] -> searches[me] = false; searching--
        :: else
        fi;
        idle[me] = true
    }
#ifdef BUG_NO_SECOND_LOOK
    more = false;
#else
#ifndef BUG_LOOK_BEFORE_BIT
    look_for_work(more);
#endif
#endif
    if
    :: more -> call_one(); more = false
    :: else
    fi;
    if
#ifndef BUG_INBOX_NOT_LOOKED_AT
    :: me == 1 && inbox > 0
#endif
    :: else ->
end_parked:
        if
        :: atomic { notified[me] -> notified[me] = false }
#ifdef EVENTS
        :: atomic { events > 0 -> ring[me] = ring[me] + events; events = 0 }
#endif
        fi;
        dispatched = true
    fi;
    idle[me] = false
}

/* Others may be needed too. */
inline call_others()
{
    last = false;
    atomic {
        if
        :: searches[me] -> searches[me] = false; searching--; last = (searching == 0)
        :: else
        fi
    }
#ifdef BUG_EVENTS_CALL_NOBODY
    more = false;
#else
    more = dispatched && ring[me] > 0;
#endif
    dispatched = false;
#ifndef BUG_LAST_CALLS_NOBODY
    if
    :: last && !more -> look_for_work(more)
    :: else
    fi;
#endif
    if
    :: more -> call_one()
    :: else
    fi;
    atomic { more = false; last = false }
}

inline run_task()
{
#ifdef SPAWN
    if
    :: atomic { !spawned -> spawned = true }
        ring[me]++;
#ifndef BUG_SPAWN_CALLS_NOBODY
        call_one()
#endif
    :: spawned
    fi;
#endif
    begun++;
#ifndef PINNED /* which may have to wait for the other's end */
    begun == 2;
#endif
progress:
    done++
}

active [WORKERS] proctype worker()
{
    byte me = _pid, other;
    bool got, more, last, dispatched;
    do
    :: find();
        if
        :: got ->
            got = false;
            call_others();
            run_task()
        :: else -> park()
        fi
    od
}

inline queue_for_all()
{
#ifdef BUG_CALL_BEFORE_PUSH
    call_one();
    inject++
#else
    inject++;
    call_one()
#endif
}

#ifndef EVENTS
active proctype outside()
{
    byte other;
#ifdef PINNED
    inbox++;
#ifdef BUG_PINNED_CALLS_ANYBODY
    call_one();
#else
    if
    :: idle[1] -> notified[1] = true
    :: else
    fi;
#endif
#endif
    queue_for_all();
#ifdef OUTSIDE
    queue_for_all()
#endif
}
#endif

/* Property R. */
active proctype monitor()
{
    done == 2
}
