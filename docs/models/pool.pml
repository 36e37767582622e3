/* The pool: jobs, the threads that come for them and leave, cancelling, detaching, shutdown. The protocol of
 * src/pool/pool.c, whose invariants these are. A step is a critical section of pool.lock, a futex call, or the
 * run of a job.
 *
 * PROPERTIES
 * I  Invariant 3: when nobody is in a critical section, each queued job has a thread coming, or no thread is
 *    asleep and no more may or can be started. (`balanced`)
 * L  No job waits for ever, no thread sleeps on that was called, and shutdown comes to its end. (invalid end
 *    states)
 * O  A job runs once at most, and not at all if it was cancelled before; its record is dropped exactly once if
 *    it was cancelled, and else not at all. (at the end of `owner`)
 * M  Nobody touches a job after its owner was told that it is over. (`alive`)
 * S  When shutdown returns no thread of an earlier life is left.
 *
 * CHECK: -DSAFETY -DCOLLAPSE -m100000
 * CHECK: -DSHUTDOWN -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_COMING_STAYS
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_LATE_STAYS_LINKED
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_CALLED_IS_LATE
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_DELIVER_WITHOUT_LOOK
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_CALL_WITHOUT_WAKE
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_STUCK_IS_QUEUED
 * MUST-FAIL: -DSHUTDOWN -DSAFETY -m100000 -DBUG_COMING_OUTLIVES
 * MUST-FAIL: -DSHUTDOWN -DSAFETY -m100000 -DBUG_SLEEPERS_FORGOTTEN
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#define NONE 255
#ifdef SHUTDOWN
#define JOBS 2
#define LIMIT 2
#else
#define JOBS 3
#define LIMIT 1
#endif
#define SLOTS 3  /* threads at a time, those of earlier lives included */
#define STARTS 3 /* in a run */

#define IDLE 0
#define QUEUED 1
#define RUNNING 2
#define DONE 3

/* What a thread does after a critical section. */
#define RUN 0
#define SLEEP 1
#define END 2

/* Jobs. */
byte stage[JOBS];
byte runner[JOBS];
bool alive[JOBS];
bool cancelled_by_shutdown[JOBS];
byte runs[JOBS];
byte drops[JOBS];

/* Threads. */
bool exists[SLOTS];
bool asleep[SLOTS];   /* the word, and being linked in pool.idle: invariant 2 */
bool in_futex[SLOTS]; /* sleeps in the kernel */
bool is_coming[SLOTS];
byte job[SLOTS];
byte life_of[SLOTS];

/* The pool. */
byte queued, coming, threads, leaving, life, started;
bool no_more; /* the last start has failed */

#define BALANCED (queued <= coming || (!(asleep[0] || asleep[1] || asleep[2]) && (threads >= LIMIT || no_more)))
#define balanced() assert(BALANCED)

/* call_thread(): `called` is to be woken. In a critical section. */
inline call_thread(called, slot, stuck)
{
    called = NONE;
    stuck = false;
    if
    :: queued <= coming
    :: else ->
        slot = 0;
        do
        :: slot < SLOTS && !asleep[slot] -> slot++
        :: else -> break
        od;
        if
        :: slot < SLOTS ->
            asleep[slot] = false;
            is_coming[slot] = true;
            coming++;
            called = slot
        :: slot == SLOTS && threads >= LIMIT
        :: slot == SLOTS && threads < LIMIT ->
            slot = 0;
            do
            :: slot < SLOTS && exists[slot] -> slot++
            :: else -> break
            od;
            if
            :: slot < SLOTS && started < STARTS ->
                exists[slot] = true;
                is_coming[slot] = true;
                life_of[slot] = life;
                job[slot] = NONE;
                started++;
                no_more = false;
                threads++;
                coming++;
                run thread(slot)
            :: no_more = true; /* the system has none */
                stuck = (threads == 0)
            fi
        fi
    fi
}

inline wake(called)
{
#ifndef BUG_CALL_WITHOUT_WAKE
    if
    :: called != NONE -> in_futex[called] = false
    :: else
    fi
#endif
    skip
}

/* The end of live(). In a critical section. */
inline leave(self)
{
    if
    :: life_of[self] == life -> threads--
    :: else -> leaving--
    fi;
    exists[self] = false;
    balanced()
}

/* live(), run_job(), sleep_idle() */
proctype thread(byte self)
{
    byte mine;
    byte next; /* what to do after a critical section */

look:
    atomic {
        if
        :: is_coming[self] && life_of[self] == life ->
#ifndef BUG_COMING_STAYS
            coming--;
#endif
            is_coming[self] = false
        :: else -> is_coming[self] = false
        fi;
        mine = 0;
        do
        :: mine < JOBS && stage[mine] != QUEUED -> mine++
        :: else -> break
        od;
        if
        :: life_of[self] == life && mine < JOBS ->
            assert(alive[mine]);
            stage[mine] = RUNNING;
            runner[mine] = self;
            job[self] = mine;
            queued--;
            next = RUN
        :: life_of[self] == life && mine == JOBS ->
            asleep[self] = true;
            next = SLEEP
        :: life_of[self] != life ->
            leave(self);
            next = END
        fi;
        balanced()
    }
    if
    :: next == END -> goto gone
    :: next == SLEEP -> goto sleep
    :: next == RUN
    fi;
    runs[mine]++;
    atomic {
#ifdef BUG_DELIVER_WITHOUT_LOOK
        job[self] = mine;
#endif
        if
        :: job[self] != NONE ->
            assert(alive[mine]);
            stage[mine] = DONE;
            job[self] = NONE;
            mine = NONE
        :: else
        fi
    }
    if
    :: mine != NONE -> drops[mine]++
    :: else
    fi;
    goto look;

sleep:
    atomic {
        if
        :: asleep[self] -> in_futex[self] = true
        :: else
        fi
    }
    if
    :: !in_futex[self]
        /* Its time is over. One that was called and not woken sleeps on: lateness is no substitute. */
    :: atomic { in_futex[self] && asleep[self] -> in_futex[self] = false }
    fi;
    atomic {
        if
#ifdef BUG_CALLED_IS_LATE
        :: leave(self); next = END
#else
        :: !asleep[self] -> next = RUN
        :: asleep[self] ->
#ifndef BUG_LATE_STAYS_LINKED
            asleep[self] = false;
#endif
            leave(self);
            next = END
#endif
        fi
    }
    if
    :: next == RUN -> goto look
    :: next == END
    fi;
gone:
    skip
}

/* Begins a job, and waits for it or cancels it. */
proctype owner(byte it)
{
    byte called, slot;
    bool stuck, cancelled;

    atomic {
        alive[it] = true;
        stage[it] = QUEUED;
        queued++;
        call_thread(called, slot, stuck);
#ifndef BUG_STUCK_IS_QUEUED
        if
        :: stuck ->
            queued--;
            stage[it] = IDLE;
            alive[it] = false
        :: else
        fi;
#else
        stuck = false;
#endif
        balanced()
    }
    wake(called);
    if
    :: stuck -> goto end
    :: else
    fi;
    if
    :: true -> (stage[it] == DONE) /* it waits, whatever comes */
    :: true -> atomic {
        /* job_cancel() of a detachable one */
        if
        :: stage[it] == DONE
        :: stage[it] == QUEUED ->
            queued--;
            drops[it]++;
            cancelled = true
        :: stage[it] == RUNNING ->
            job[runner[it]] = NONE;
            cancelled = true
        fi;
        alive[it] = false;
        stage[it] = IDLE
    }
    fi;
    alive[it] = false;
end:
    /* Whoever runs it still drops it in the end. */
    atomic {
        (!cancelled || drops[it] == 1);
        assert(runs[it] <= 1);
        assert(cancelled || drops[it] == 0);
        assert(cancelled || stuck || cancelled_by_shutdown[it] || runs[it] == 1);
        assert(!cancelled_by_shutdown[it] || runs[it] == 0)
    }
}

/* shut_down() */
proctype shutdown()
{
    byte slot, each;
    bool roused[SLOTS];
    atomic {
        life++;
        leaving = leaving + threads;
        threads = 0;
#ifndef BUG_COMING_OUTLIVES
        coming = 0;
#endif
        each = 0;
        do
        :: each < JOBS && stage[each] == QUEUED ->
            stage[each] = DONE;
            cancelled_by_shutdown[each] = true;
            queued--;
            each++
        :: each < JOBS && stage[each] != QUEUED -> each++
        :: each == JOBS -> break
        od;
#ifndef BUG_SLEEPERS_FORGOTTEN
        slot = 0;
        do
        :: slot < SLOTS ->
            roused[slot] = asleep[slot];
            asleep[slot] = false;
            slot++
        :: else -> break
        od;
#endif
        balanced()
    }
    slot = 0;
    do
    :: slot < SLOTS ->
        if
        :: roused[slot] -> in_futex[slot] = false
        :: else
        fi;
        slot++
    :: else -> break
    od;
    atomic {
        leaving == 0;
        slot = 0;
        do
        :: slot < SLOTS -> assert(!exists[slot] || life_of[slot] == life); slot++
        :: else -> break
        od
    }
}

init
{
    byte each;
    atomic {
        each = 0;
        do
        :: each < JOBS -> run owner(each); each++
        :: else -> break
        od;
#ifdef SHUTDOWN
        run shutdown()
#endif
    }
}
