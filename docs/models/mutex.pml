/* The mutex: who holds it, who waits, who was roused; overtaking and handing over; cancelling. The protocol of
 * src/sync/mutex.c, whose invariants these are. A step is one atomic operation on the word, or a critical section of
 * the wait lock, which is taken and left in steps of its own where the word is changed without it too.
 *
 * PROPERTIES
 * X  One party holds it at a time. (`holders`)
 * Q  Invariant 1: WAITED equals "queue not empty" when the wait lock is free. (`consistent`)
 * R  Invariants 2 and 3: at most one is roused; free and WAITED, there is one. (`consistent`)
 * L  Nobody waits for ever: each party locks and unlocks, or gives up, twice. (invalid end states)
 * E  In the end it is free: nothing that was given is lost. (at the end of `party`)
 * O  Nobody is overtaken more often than MOST times after it was roused. (`overtaken`)
 * F  Nobody touches the mutex after all have left it, so that the last one may free it. (`alive`)
 *
 * CHECK: -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_ROUSED_FORGOTTEN_AT_CANCEL
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_PASS_ON_NOT
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_LINK_WITHOUT_COMPARING
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_UNLOCK_WITHOUT_COMPARING
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_WAITED_STAYS
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_GRANT_BEFORE_WORD
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_NEVER_HANDED_OVER
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_GRANT_LOST_AT_CANCEL
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#define PARTIES 3
#define MOST 1
#define ROUNDS 2
#define FREE 0
#define NOBODY 255

/* The word. */
byte owner = FREE; /* a party's number plus one */
bool waited, roused;

/* The wait lock, and the queue: who is in it, in order. */
byte lock = NOBODY;
byte queue[PARTIES];
byte length;

/* Of each party's wait. */
bool linked[PARTIES], granted[PARTIES], is_roused[PARTIES];
byte overtaken[PARTIES];
bool woken[PARTIES];

byte holders;
byte left; /* parties that will not touch the mutex any more */

#define ME (_pid)
#define alive() assert(left < PARTIES)

inline acquire_lock()
{
    atomic { lock == NOBODY -> lock = ME }
}

inline consistent()
{
    assert(waited == (length > 0));
    assert(!(owner == FREE && waited) || roused)
}

inline release_lock()
{
    atomic { consistent(); lock = NOBODY }
}

inline hold()
{
    atomic { holders++; assert(holders == 1 && owner == ME + 1) }
}

/* The first leaves the queue. */
inline pop_first(who)
{
    who = queue[0];
    queue[0] = queue[1];
    queue[1] = queue[2];
    length--;
    linked[who] = false
}

inline append_last()
{
    queue[length] = ME;
    length++;
    linked[ME] = true
}

inline append_first()
{
    queue[2] = queue[1];
    queue[1] = queue[0];
    queue[0] = ME;
    length++;
    linked[ME] = true
}

inline leave_queue()
{
    if
    :: queue[0] == ME -> queue[0] = queue[1]; queue[1] = queue[2]
    :: queue[0] != ME && queue[1] == ME -> queue[1] = queue[2]
    :: else
    fi;
    length--;
    linked[ME] = false
}

/* unlock: the fast way, or unlock_waited. */
inline unlock()
{
    atomic { holders-- }
    do
    :: atomic {
#ifdef BUG_UNLOCK_WITHOUT_COMPARING
            true ->
#else
            (!waited || roused) ->
#endif
            alive();
            owner = FREE;
            break
        }
    :: atomic { (waited && !roused) -> alive() }
        acquire_lock();
        if
        :: atomic { (!waited || roused) -> owner = FREE }
            release_lock()
        :: else ->
            atomic {
                who = queue[0];
                handed = (overtaken[who] >= MOST);
#ifdef BUG_NEVER_HANDED_OVER
                handed = false;
#endif
            }
            if
            :: handed ->
#ifdef BUG_GRANT_BEFORE_WORD
                atomic { pop_first(who); granted[who] = true; woken[who] = true }
                atomic { alive(); owner = who + 1; waited = (length > 0) }
                release_lock()
#else
                atomic { alive(); owner = who + 1; waited = (length > 1) }
                atomic { pop_first(who); granted[who] = true; consistent(); lock = NOBODY }
                woken[who] = true
#endif
            :: else ->
                atomic { pop_first(who); is_roused[who] = true }
                atomic { alive(); owner = FREE; roused = true; waited = (length > 0); consistent(); lock = NOBODY }
                woken[who] = true
            fi
        fi;
        break
    od;
    atomic { who = 0; handed = false }
}

/* The one that was roused does not come. With the lock. */
inline pass_on()
{
    atomic { alive(); roused = false; free = (owner == FREE && waited) }
#ifdef BUG_PASS_ON_NOT
    free = false;
#endif
    if
    :: free ->
        atomic { pop_first(who); is_roused[who] = true }
        roused = true;
        atomic {
            if
            :: length == 0 -> waited = false
            :: else
            fi
        }
        passed = who
    :: else
    fi;
    atomic { free = false; who = 0 }
}

/* The critical section of a poll: takes it or queues. */
inline queue_unless_free()
{
#ifdef BUG_LINK_WITHOUT_COMPARING
    got = (owner == FREE);
    atomic {
#else
    atomic {
        got = (owner == FREE);
#endif
        alive();
        if
        :: got -> owner = ME + 1
        :: else -> waited = true
        fi;
        if
        :: is_roused[ME] -> roused = false
        :: else
        fi
    }
    if
    :: !got ->
        atomic {
            if
            :: is_roused[ME] ->
                overtaken[ME]++;
                assert(overtaken[ME] <= MOST);
                append_first()
            :: else -> append_last()
            fi
        }
    :: else
    fi;
    is_roused[ME] = false
}

inline wake_passed()
{
    if
    :: passed != NOBODY -> woken[passed] = true
    :: else
    fi;
    passed = NOBODY
}

active [PARTIES] proctype party()
{
    byte round, who, passed = NOBODY;
    bool handed, free, got;
    for (round : 1 .. ROUNDS) {
        do
        /* The fast way, and overtaking. */
        :: atomic { owner == FREE -> alive(); owner = ME + 1; got = true; break }
        :: atomic { owner != FREE -> got = false }
            acquire_lock();
            queue_unless_free();
            release_lock();
            break
        od;
        do
        :: got -> break
        :: !got && granted[ME] ->
            atomic { granted[ME] = false; got = true; break }
        :: !got && woken[ME] ->
            woken[ME] = false;
            acquire_lock();
            if
            :: granted[ME] -> release_lock()
            :: !granted[ME] && linked[ME] -> release_lock()
            :: else ->
                queue_unless_free();
                release_lock()
            fi
        /* It gives up; one never does. */
        :: !got && !granted[ME] && ME > 0 ->
            acquire_lock();
            if
            :: granted[ME] ->
#ifdef BUG_GRANT_LOST_AT_CANCEL
                granted[ME] = false
#else
                atomic { granted[ME] = false; got = true }
#endif
            :: !granted[ME] && linked[ME] ->
                atomic { leave_queue() }
#ifndef BUG_WAITED_STAYS
                atomic {
                    if
                    :: length == 0 -> waited = false
                    :: else
                    fi
                }
#endif
            :: else ->
#ifndef BUG_ROUSED_FORGOTTEN_AT_CANCEL
                if
                :: is_roused[ME] -> is_roused[ME] = false; pass_on()
                :: else
                fi
#endif
            fi;
            release_lock();
            wake_passed();
            break
        od;
        if
        :: got -> hold(); unlock()
        :: else
        fi;
        atomic { got = false; overtaken[ME] = 0; woken[ME] = false }
    }
    atomic {
        left++;
        round = 0;
        /* Property E. */
        assert(left < PARTIES || (owner == FREE && !waited && !roused))
    }
}
