/* One that joins a task which is next, and is aside for it, again and again: the tasks that it joins have the same record,
 * one after the other. Somebody who cancels takes it back. The protocol of src/task/task.h, invariant 12; what else may
 * happen to the record when it ends is in task.pml. A step is one atomic operation on `life`, `aside`, `joining` or the
 * verdict.
 *
 * The joiner is under a shield in each round but the last, so that it joins on after it was told; in the last the task
 * that it joins may compute for ever, until the joiner is told.
 *
 * PROPERTIES
 * O  Who is aside is resumed by one alone. (`resumed` when it is resumed)
 * J  The handle is given up once: by the end for who is aside, or by himself. (HELD when it is given up)
 * M  One that runs is not marked as aside. (`joining` when it runs)
 * T  One that is not shielded is told of a cancel. (no invalid end state)
 *
 * CHECK: -DSAFETY -DCOLLAPSE -m100000
 * CHECK: -DSAFETY -DCOLLAPSE -m100000 -DCOMPUTES
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_NO_PIN
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_NO_QUEUED
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_ASIDE_BEFORE_JOINING
 * MUST-FAIL: -DSAFETY -m100000 -DBUG_ASIDE_BEFORE_SAVED
 * MUST-FAIL: -DSAFETY -m100000 -DCOMPUTES -DBUG_VERDICT_NOT_LOOKED_FOR
 * MUST-FAIL: -DSAFETY -m100000 -DCOMPUTES -DBUG_VERDICT_LAST
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#define ROUNDS 3

#define NOT_ASIDE 0
#define ASIDE 1
#define JOINED 2

/* The record's `life`, without the generation, and `aside`. */
bool RUNS = false;
bool HELD = false;
bool QUEUED = false;
byte pins = 0;
bool aside = false;

/* The joiner's. */
byte joining = NOT_ASIDE;
bool verdict = false;
bool shielded = true;
bool saved = false;
bool resumed = false;

bool begun = false; /* the joined one */
bool over = false;

#define IS_FREE (!RUNS && !HELD && pins == 0)

inline resume()
{
    atomic { assert(saved && !resumed); resumed = true }
}

/* take_aside, by the joined one. */
inline take_aside()
{
    atomic { mine = aside; aside = false }
    if
    :: mine -> joining = NOT_ASIDE; mine = false; resume()
    :: else
    fi
}

active proctype joiner()
{
    byte round = 0;
    do
    :: round < ROUNDS ->
        round++;
        /* It spawns: the record that it takes may be another one while somebody has this. */
        atomic {
            IS_FREE && !begun;
            shielded = round < ROUNDS;
            RUNS = true;
            HELD = true;
            QUEUED = false
        }
#ifdef BUG_ASIDE_BEFORE_SAVED
        aside = true;
#endif
        atomic { saved = true; begun = true }
        atomic { resumed -> resumed = false; saved = false }
        assert(joining != ASIDE);
        if
        :: joining == JOINED -> joining = NOT_ASIDE
        :: else ->
            /* It joins slowly, or is told of the cancel, and then joins under a shield. */
            if
            :: !shielded && verdict -> over = true
            :: else
            fi;
            !RUNS;
            atomic { assert(HELD); HELD = false }
        fi
    :: else -> break
    od;
    over = true;
    assert(joining == NOT_ASIDE)
}

/* The joined ones, one after the other. */
active proctype joined()
{
    bool mine, told;
    do
    :: begun ->
        /* put_aside */
#ifdef BUG_ASIDE_BEFORE_JOINING
        aside = true;
        joining = ASIDE;
#else
        joining = ASIDE;
        aside = true;
#endif
        told = !shielded && verdict;
#ifdef BUG_VERDICT_NOT_LOOKED_FOR
        told = false;
#endif
        if
        :: told -> take_aside()
        :: else
        fi;
        if
#ifdef COMPUTES
        :: !shielded -> over
        :: shielded -> take_aside()
        :: shielded
#else
        :: take_aside() /* it waits */
        :: skip
#endif
        fi;
        /* end_record */
        if
        :: aside ->
            atomic {
                if
                :: RUNS && HELD && !QUEUED && pins == 0 ->
                    RUNS = false;
                    HELD = false;
                    mine = true
                :: else
                fi
            }
            if
            :: mine ->
                aside = false;
                joining = JOINED;
                mine = false;
                begun = false;
                resume();
                goto next
            :: else -> take_aside()
            fi
        :: else
        fi;
        atomic { RUNS = false; begun = false }
next:
        skip
    :: over && !begun -> break
    od
}

active proctype canceller()
{
    bool mine, pinned;
#ifdef BUG_VERDICT_LAST
    if
    :: joining == ASIDE -> verdict = true
    :: else -> verdict = true; goto end
    fi;
#else
    verdict = true;
    if
    :: joining == ASIDE
    :: else -> goto end
    fi;
#endif
#ifdef BUG_NO_PIN
    pinned = RUNS;
#else
    atomic {
        if
        :: RUNS -> pins++; pinned = true
        :: else
        fi
    }
#endif
    if
    :: pinned ->
#ifndef BUG_NO_QUEUED
        atomic {
            if
            :: RUNS -> QUEUED = true
            :: else
            fi
        }
#endif
        atomic { mine = aside; aside = false }
        if
        :: mine -> joining = NOT_ASIDE
        :: else
        fi;
#ifndef BUG_NO_PIN
        pins--;
#endif
        if
        :: mine -> resume()
        :: else
        fi
    :: else
    fi;
end:
    skip
}
