/* Channels: how a value gets from one party to another, whoever gives up, and how a select takes exactly one. The
 * protocol of src/sync/channel.c and select.c, whose invariants these are. A step is one within a critical section of
 * a channel's lock, or one that a party does without it.
 *
 * PROPERTIES
 * V  Each value is received once if it was sent, and not at all if not: also if either side gives up at that moment.
 *    (`sent`, `taken`, `stored`, at the end of `init`)
 * C  What is received was there when its receiver was told: it is copied first. (`receive_from`)
 * S  A select does one exchange at most. (`done_by_select`)
 * F  Nobody touches a channel after its last value was received. (`touch`)
 * L  Nobody waits although the other side waits too, or finds room, or a value. (at a `timeout` of `init`)
 *
 * Scenarios: two senders and two receivers, one of each of whom may give up (PAIRS), through a store of one value
 * (STORED); one of each, the receiver of which frees the channel (LAST); two senders, one of whom may give up, a
 * receiver that may, and a select of two channels (SELECT); two selects that want each other (MUTUAL).
 *
 * CHECK: -DPAIRS -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DPAIRS -DSAFETY -m100000 -DBUG_GRANT_LOST_AT_CANCEL
 * MUST-FAIL: -DPAIRS -DSAFETY -m100000 -DBUG_TOLD_BEFORE_COPIED
 * MUST-FAIL: -DPAIRS -DSAFETY -m100000 -DBUG_CANCEL_WITHOUT_LOCK
 * MUST-FAIL: -DPAIRS -DSAFETY -m100000 -DBUG_QUEUE_WITHOUT_LOOK
 * CHECK: -DSTORED -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DSTORED -DSAFETY -m100000 -DBUG_ROOM_LEFT_EMPTY
 * CHECK: -DLAST -DSAFETY -m100000
 * MUST-FAIL: -DLAST -DSAFETY -m100000 -DBUG_TOUCHED_AFTER_GRANT
 * CHECK: -DSELECT -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DSELECT -DSAFETY -m100000 -DBUG_CHOSEN_WITHOUT_COMPARING
 * MUST-FAIL: -DSELECT -DSAFETY -m100000 -DBUG_SELECT_QUEUES_WITHOUT_LOOK
 * MUST-FAIL: -DSELECT -DSAFETY -m100000 -DBUG_CHOSEN_IGNORED_AT_WITHDRAWAL
 * CHECK: -DMUTUAL -DSAFETY -DCOLLAPSE -m100000
 * MUST-FAIL: -DMUTUAL -DSAFETY -m100000 -DBUG_TRIES_WHILE_QUEUED
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#ifdef STORED
#define PAIRS
#define CAPACITY 1
#else
#define CAPACITY 0
#endif

#define CHANNELS 2
#define PARTIES 4
#define NOBODY 255

/* Each channel. */
byte lock[CHANNELS] = NOBODY;
byte stored[CHANNELS]; /* a value, a sender's number plus one */
bool alive[CHANNELS] = true;

/* Each party's exchange on each channel; who came first is served first. */
#define AT(who, c) ((who) * CHANNELS + (c))
byte place[PARTIES * CHANNELS]; /* 0: not queued, else the order of arrival */
bool granted[PARTIES * CHANNELS];
byte value[PARTIES * CHANNELS]; /* in the receiver's storage */
byte arrivals = 1;

/* Each party. */
bool sends[PARTIES], exists[PARTIES], selects[PARTIES];
byte chosen[PARTIES]; /* of a select: a channel plus one */
byte done_by_select[PARTIES];
byte sent[PARTIES];  /* times that a sender was told so */
byte taken[PARTIES + 1];
byte ended;

#define WAITS(who, c) (place[AT(who, c)] != 0 && (!selects[who] || chosen[who] == 0))
#define A_SENDER_WAITS(c) ((sends[0] && WAITS(0, c)) || (sends[1] && WAITS(1, c)))
#define A_RECEIVER_WAITS(c) \
    ((!sends[1] && WAITS(1, c)) || WAITS(2, c) || WAITS(3, c))
#define BOTH_WAIT(c) \
    ((A_SENDER_WAITS(c) && (A_RECEIVER_WAITS(c) || (CAPACITY == 1 && stored[c] == 0))) || \
     (A_RECEIVER_WAITS(c) && stored[c] != 0))

#define touch(c) assert(alive[c])

inline take_lock(c)
{
    atomic { lock[c] == NOBODY -> lock[c] = me }
}

inline leave_lock(c)
{
    lock[c] = NOBODY
}

/* The first of the other side that may be served, which is claimed; NOBODY. Those whose select has chosen otherwise
 * leave the queue. A claim is a compare-and-swap of the other's word. */
#ifdef BUG_CHOSEN_WITHOUT_COMPARING
#define MAY_BE_CHOSEN(who) true
#else
#define MAY_BE_CHOSEN(who) (!selects[who] || chosen[who] == 0)
#endif

inline first_of_others(c, found)
{
    atomic {
        touch(c);
        found = NOBODY;
        for (i : 0 .. PARTIES - 1) {
            if
            :: i != me && sends[i] != sends[me] && place[AT(i, c)] != 0 ->
                if
                :: !MAY_BE_CHOSEN(i) -> place[AT(i, c)] = 0
                :: MAY_BE_CHOSEN(i) && found == NOBODY -> found = i
                :: MAY_BE_CHOSEN(i) && found != NOBODY ->
                    if
                    :: place[AT(i, c)] < place[AT(found, c)] -> found = i
                    :: else
                    fi
                fi
            :: else
            fi
        }
        i = 0;
        if
        :: found != NOBODY ->
            if
            :: selects[found] -> chosen[found] = c + 1; done_by_select[found]++
            :: else
            fi
        :: else
        fi
    }
}

/* The other one is given its end: copied, then GRANTED, which is seen without the lock. */
inline give_to(c, who)
{
#ifdef BUG_TOLD_BEFORE_COPIED
    granted[AT(who, c)] = true;
    value[AT(who, c)] = me + 1;
#else
    value[AT(who, c)] = me + 1;
    atomic { place[AT(who, c)] = 0; granted[AT(who, c)] = true }
#endif
#ifdef BUG_TOUCHED_AFTER_GRANT
    touch(c);
#endif
    skip
}

/* With the lock. `out` tells whether it is done; what was received is in `got`. */
inline attempt(c, out)
{
    out = false;
    if
    :: sends[me] ->
        first_of_others(c, other);
        if
        :: other != NOBODY -> give_to(c, other); out = true
        :: other == NOBODY && CAPACITY == 1 && stored[c] == 0 -> stored[c] = me + 1; out = true
        :: else
        fi
    :: !sends[me] && stored[c] != 0 ->
        got = stored[c];
        stored[c] = 0;
        out = true;
        first_of_others(c, other);
        if
        :: other != NOBODY ->
#ifndef BUG_ROOM_LEFT_EMPTY
            stored[c] = other + 1;
#endif
            atomic { place[AT(other, c)] = 0; granted[AT(other, c)] = true }
        :: else
        fi
    :: !sends[me] && stored[c] == 0 ->
        first_of_others(c, other);
        if
        :: other != NOBODY ->
            got = other + 1;
            out = true;
            atomic { place[AT(other, c)] = 0; granted[AT(other, c)] = true }
        :: else
        fi
    fi;
    other = 0
}

inline queue_up(c)
{
    atomic { place[AT(me, c)] = arrivals; arrivals++ }
}

/* Told without the lock that it is over. */
inline collect(c)
{
    if
    :: !sends[me] -> got = value[AT(me, c)]
    :: else
    fi;
    success = true
}

inline settle()
{
    atomic {
        if
        :: success && sends[me] -> sent[me]++
        :: success && !sends[me] ->
            /* Property C. */
            assert(got != 0);
            taken[got]++;
#ifdef LAST
            alive[0] = false
#endif
        :: else
        fi;
        ended++;
        got = 0;
        me = 0;
        success = false
    }
}

proctype plain(byte me; byte on; bool gives_up)
{
    byte other, got, i;
    bool success;
#ifdef BUG_QUEUE_WITHOUT_LOOK
    take_lock(on);
    attempt(on, success);
    leave_lock(on);
    if
    :: !success -> take_lock(on); queue_up(on); leave_lock(on)
    :: else
    fi;
#else
    take_lock(on);
    attempt(on, success);
    if
    :: !success -> queue_up(on)
    :: else
    fi;
    leave_lock(on);
#endif
    if
    :: success
    :: !success ->
end_waits:
        if
        :: granted[AT(me, on)] -> collect(on)
        :: gives_up ->
#ifdef BUG_CANCEL_WITHOUT_LOCK
            if
            :: granted[AT(me, on)] -> collect(on)
            :: else -> place[AT(me, on)] = 0
            fi
#else
            take_lock(on);
            if
            :: granted[AT(me, on)] ->
#ifndef BUG_GRANT_LOST_AT_CANCEL
                collect(on)
#endif
            :: else -> place[AT(me, on)] = 0
            fi;
            leave_lock(on)
#endif
        fi
    fi;
    settle()
}

/* Queues on a channel unless the exchange could be had now: not with oneself. */
inline queue_unless(c, out)
{
    take_lock(c);
    atomic {
        out = true;
        for (i : 0 .. PARTIES - 1) {
            if
            :: i != me && sends[i] != sends[me] && place[AT(i, c)] != 0 -> out = false
            :: else
            fi
        }
        i = 0
    }
#ifdef BUG_SELECT_QUEUES_WITHOUT_LOOK
    out = true;
#endif
    if
    :: out -> queue_up(c)
    :: else
    fi;
    leave_lock(c)
}

inline withdraw(c)
{
    take_lock(c);
    if
    :: granted[AT(me, c)] -> collect(c)
    :: else -> place[AT(me, c)] = 0
    fi;
    leave_lock(c)
}

inline try_one(c)
{
    if
    :: !success ->
        take_lock(c);
        attempt(c, success);
        leave_lock(c);
        if
        :: success -> done_by_select[me]++
        :: else
        fi
    :: else
    fi
}

proctype selecting(byte me; byte first; bool gives_up)
{
    byte other, got, i;
    bool success, queued;
    do
    :: !success ->
        if
        :: true -> try_one(0); try_one(1)
        :: true -> try_one(1); try_one(0)
        fi;
        if
        :: success -> break
        :: else
        fi;
        queue_unless(first, queued);
#ifdef BUG_TRIES_WHILE_QUEUED
        if
        :: queued -> try_one(1 - first)
        :: else
        fi;
        if
        :: success -> withdraw(first); break
        :: else
        fi;
#endif
        if
        :: queued -> queue_unless(1 - first, queued)
        :: else
        fi;
        if
        :: queued ->
end_waits:
            if
            :: chosen[me] != 0
            :: gives_up
            fi
        :: else
        fi;
#ifdef BUG_CHOSEN_IGNORED_AT_WITHDRAWAL
        place[AT(me, 0)] = 0;
        place[AT(me, 1)] = 0;
        if
        :: granted[AT(me, 0)] -> collect(0)
        :: granted[AT(me, 1)] -> collect(1)
        :: else
        fi;
#else
        withdraw(0);
        withdraw(1);
#endif
        if
        :: queued || success -> break
        :: else
        fi
    od;
    /* Property S. */
    assert(done_by_select[me] <= 1);
    queued = false;
    settle()
}

init
{
    byte i, running;
    atomic {
#if defined(LAST)
        sends[0] = true;
        run plain(0, 0, false);
        run plain(1, 0, false);
        running = 2
#elif defined(SELECT)
        sends[0] = true;
        sends[1] = true;
        selects[2] = true;
        run plain(0, 0, false);
        run plain(1, 1, true);
        run selecting(2, 0, false);
        /* The one that the select may leave alone. */
        run plain(3, 0, true);
        running = 4
#elif defined(MUTUAL)
        sends[0] = true;
        selects[0] = true;
        selects[1] = true;
        run selecting(0, 0, false);
        run selecting(1, 1, false);
        running = 2
#else
        sends[0] = true;
        sends[1] = true;
        run plain(0, 0, false);
        run plain(1, 0, true);
        run plain(2, 0, false);
        run plain(3, 0, true);
        running = 4
#endif
    }
    do
    :: ended == running -> break
    /* Property L: those who are left wait for somebody who does not come. */
    :: timeout -> assert(!BOTH_WAIT(0) && !BOTH_WAIT(1)); break
    od;
    atomic {
        for (i : 0 .. PARTIES - 1) {
            /* Property V. */
            assert(!sends[i] || sent[i] == taken[i + 1] + (stored[0] == i + 1) + (stored[1] == i + 1))
        }
    }
}
