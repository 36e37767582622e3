/* The queue of a worker: who takes what, while its owner adds and takes and thieves take half. The protocol of
 * src/task/deque.c with a ring of four slots and counters of four bits, so that both wrap round. Each step is one
 * atomic operation there.
 *
 * PROPERTIES
 * O  Each task is had once: by the owner, by a thief or in the queue for all. (`had`, at most once at any time;
 *    exactly once at the end)
 * I  freed <= taken <= tail <= freed + SIZE. (`in_order`, after each change)
 * C  What a thief claims was there: not more than half the ring. (`claimed`)
 *
 * What is left out: memory orders. What they prevent is planted as changed orders of steps: BUG_TAIL_FIRST for a.,
 * BUG_TAIL_THEN_HEAD for b., BUG_FREED_BEFORE_COPY for c. of deque.c. The thief's own queue, which is such a
 * queue again, of which he is the owner.
 *
 * CHECK: -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_TAIL_FIRST
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_TAIL_THEN_HEAD
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_FREED_BEFORE_COPY
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_ROOM_FROM_TAKEN
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_TWO_THIEVES
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_SETTLE_BLINDLY
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_SETTLE_WHAT_WAS_CLAIMED
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_POP_FREES
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_POP_WITHOUT_COMPARING
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_CLAIM_WITHOUT_COMPARING
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_OVERFLOW_OVER_A_THIEF
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_OVERFLOW_WITHOUT_COMPARING
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#define SIZE 4
#define HALF 2
#define TASKS 7
#define THIEVES 2
#define THEFTS 2

/* Counters modulo 16; they begin where they will wrap round. */
#define WRAP(x) ((x) & 15)
#define START 14

/* The word head, and tail. */
byte freed = START;
byte taken = START;
byte tail = START;
byte slots[SIZE]; /* a task's number; 0: never written */

bool had[TASKS + 1];
byte finished; /* thieves */

inline in_order()
{
    assert(WRAP(taken - freed) <= SIZE && WRAP(tail - taken) <= SIZE && WRAP(tail - freed) <= SIZE)
}

inline have(task)
{
    assert(task != 0);
    assert(!had[task]);
    had[task] = true
}

/* --- The owner ------------------------------------------------------------------------------------------ */

inline write_tail()
{
    atomic { tail = WRAP(tail + 1); in_order() }
}

/* The older half and the new one, to the queue for all. Tells whether head was as it was read. */
inline overflow(task, done)
{
    atomic {
#ifdef BUG_OVERFLOW_WITHOUT_COMPARING
        done = true;
#else
        done = (freed == f && taken == t);
#endif
        if
        :: done -> taken = WRAP(t + HALF); freed = taken; in_order()
        :: else
        fi
    }
    if
    :: done ->
        atomic { have(slots[t % SIZE]) }
        atomic { have(slots[WRAP(t + 1) % SIZE]); have(task) }
    :: else
    fi
}

/* What a process remembers for nothing makes states of its own. */
inline forget()
{
    atomic { f = 0; t = 0; done = false }
}

inline push(task)
{
    do
    :: atomic { f = freed; t = taken }
#ifdef BUG_ROOM_FROM_TAKEN
        if
        :: WRAP(tail - t) < SIZE ->
#else
        if
        :: WRAP(tail - f) < SIZE ->
#endif
#ifdef BUG_TAIL_FIRST
            write_tail();
            slots[WRAP(tail - 1) % SIZE] = task;
#else
            slots[tail % SIZE] = task;
            write_tail();
#endif
            break
#ifndef BUG_OVERFLOW_OVER_A_THIEF
        :: WRAP(tail - f) >= SIZE && f != t ->
            atomic { have(task) }
            break
#endif
        :: else ->
            overflow(task, done);
            if
            :: done -> break
            :: else
            fi
        fi
    od;
    forget()
}

/* `got` is 0 if the queue is empty. */
inline pop(got)
{
    got = 0;
    do
    :: atomic { f = freed; t = taken }
        if
        :: t == tail -> break
        :: else ->
            atomic {
#ifdef BUG_POP_WITHOUT_COMPARING
                done = true;
#else
                done = (freed == f && taken == t);
#endif
                if
                :: done ->
                    taken = WRAP(t + 1);
#ifdef BUG_POP_FREES
                    freed = taken;
#else
                    if
                    :: f == t -> freed = taken
                    :: else -> freed = f
                    fi;
#endif
                    in_order()
                :: else
                fi
            }
            if
            :: done -> got = slots[t % SIZE]; break
            :: else
            fi
        fi
    od;
    forget()
}

active proctype owner()
{
    byte next = 1;
    byte f, t, got;
    bool done;
    do
    :: next <= TASKS ->
        push(next);
        next++
    :: next <= TASKS && taken != tail ->
        pop(got);
        if
        :: got != 0 -> atomic { have(got); got = 0 }
        :: else
        fi
    :: next > TASKS -> break
    od;
    finished == THIEVES;
    do
    :: pop(got);
        if
        :: got != 0 -> atomic { have(got); got = 0 }
        :: else -> break
        fi
    od;
    atomic {
        for (next : 1 .. TASKS) {
            assert(had[next])
        }
        next = 0
    }
}

/* --- Thieves -------------------------------------------------------------------------------------------- */

inline settle()
{
#if defined(BUG_SETTLE_BLINDLY)
    atomic { f = freed; t = taken }
    atomic { freed = t; taken = t; in_order() }
#elif defined(BUG_SETTLE_WHAT_WAS_CLAIMED)
    atomic { freed = WRAP(first + count); taken = freed; in_order() }
#elif defined(BUG_FREED_BEFORE_COPY)
    skip
#else
    do
    :: atomic { f = freed; t = taken }
        atomic {
            done = (freed == f && taken == t);
            if
            :: done -> freed = t; in_order()
            :: else
            fi
        }
        if
        :: done -> break
        :: else
        fi
    od
#endif
}

inline claim()
{
#ifdef BUG_TAIL_THEN_HEAD
    seen = tail;
    atomic { f = freed; t = taken }
#else
    atomic { f = freed; t = taken }
    seen = tail;
#endif
    count = 0;
#ifdef BUG_TWO_THIEVES
    if
    :: t == seen
#else
    if
    :: f != t || t == seen
#endif
    :: else ->
        count = WRAP(seen - t);
        count = count - count / 2;
        first = t;
        atomic {
#ifdef BUG_CLAIM_WITHOUT_COMPARING
            done = true;
#else
            done = (freed == f && taken == t);
#endif
            if
            :: done ->
                /* Property C. */
                assert(count <= HALF);
                taken = WRAP(t + count);
#ifdef BUG_FREED_BEFORE_COPY
                freed = taken;
#endif
                in_order()
            :: else -> count = 0
            fi
        }
    fi
}

active [THIEVES] proctype thief()
{
    byte tries, first, count, i, seen, f, t;
    bool done;
    for (tries : 1 .. THEFTS) {
        claim();
        atomic { f = 0; t = 0; seen = 0; done = false }
        if
        :: count > 0 ->
            do
            :: i < count ->
                atomic { have(slots[WRAP(first + i) % SIZE]) }
                i++
            :: else -> break
            od;
            settle();
            atomic { f = 0; t = 0; first = 0; count = 0; i = 0; done = false }
        :: else
        fi
    }
    atomic { finished++; tries = 0 }
}
