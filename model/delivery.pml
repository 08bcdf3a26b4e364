/*
 * Checkpoint and delivery: from the stream to Marketo and back to the slot.
 *
 * One daemon (internal/delivery), its store (internal/checkpoint), a server
 * with a slot, and Marketo. Every option of the loop at the end is one atomic
 * step of one of them; all orders of steps are explored. Each check has a name
 * that says which invariant it stands for (docs/architecture.md).
 *
 * What is left out, and why nothing is lost by it:
 *
 *  - A value is the number of its change; every change carries its whole row.
 *    Partial rows, reading rows again, deletes and operations are not modelled.
 *  - A call carries one object. A batch is some such calls that are recorded,
 *    answered or lost one after the other, which allows more than a batch.
 *  - Time is what may happen next. Batches wait as long as they like. Of clocks
 *    one fact is kept: a hold lasts longer than a request can be in execution,
 *    so none is left when it ends.
 *  - A request is executed and its answer read in one step. An answer on its
 *    way is a request that is not executed yet, or an abandoned one.
 *  - An abandoned request (late) may be executed at any time, also more than
 *    once, until the hold for it ends.
 *  - A save begins as soon as there is something to save and none is under
 *    way; with SAVES_WAIT, any time after. It ends later, synced or not. One
 *    that fails has not begun: it waits. A save of a position alone is one step.
 *  - What is confirmed is at the server at once: a slot that lags is harmless.
 *  - In-flight records are, per key: one of the current call (call), and one
 *    for all calls that may still be executing (ghost). After a power loss
 *    they count for nothing, as everything is held.
 *  - Limits, splitting, bounds of memory, retries of parked objects and
 *    mappings that turn coalescing off are not modelled.
 *
 * The names that check defines with -D, other than the numbers below, each
 * break one rule: the checks must find that.
 *
 * Positions: change i is between boundaries i and i+1. The end of a commit at
 * boundary b is 2b; a keepalive before the next commit is 2b+1.
 */

#ifndef N
#define N 3			/* changes */
#endif
#ifndef ENDS
#define ENDS 7			/* bit i: change i ends its transaction */
#endif
#ifndef LIVES
#define LIVES 2			/* kills, power losses and stops */
#endif
#ifndef LOSSES
#define LOSSES 1		/* calls without an answer, or with "try again" */
#endif
#ifndef CRASHES
#define CRASHES 0		/* of the server */
#endif
#ifndef MARKS
#define MARKS 1			/* keepalives that are noted */
#endif

/* The names of the checks: never set, they only show up in a violation. */
hidden byte I1_confirmed_above_synced, I1_checkpoint_above_unsettled;
hidden byte I2_checkpoint_back, I3_not_converged, I3_not_parked;
hidden byte I4_older_after_newer, I4_late_write, I6_parked_apart;
hidden byte I8_gap, I9_sent_again, I9_more_than_in_flight, I9_call_unrecorded;
hidden byte I9_clean_end;
#define CHECK(name, cond) assert((cond) || name)

/* Where the first object of a key is. */
#define NONE	  0
#define WAIT	  1		/* ready, or until a hold ends */
#define DRAFTED	  2		/* in a call that the next save records */
#define RECORDING 3		/* in a call that the save under way records */
#define SENT	  4
#define ENDED	  5		/* settled, for the next save */
#define SAVING	  6		/* settled, in the save under way */

/* The scenario: which key each change has, and which one is rejected. */
byte keys, poison;

/* The daemon's memory. */
bit stopping;
byte received;			/* changes */
byte marks;			/* bit b: a keepalive at boundary b */
byte place[2], head[2], ref[2];	/* first object: value, oldest change */
bit again[2];			/* its outcome was unknown: same content goes again */
bit more[2];			/* an object behind it, with value and oldest change */
byte next[2], nextRef[2];
bit held[2], holdAll;
byte replayed[2];		/* 1 + newest change settled by the last life */
bit synced;			/* a synced save of this life is known */
byte settled;			/* the position below which everything is settled */
byte confirm;			/* what the stream reports */

/* The save under way: its position, and what else it was begun with. */
bit saving;
byte frontier;
bit keepGhost[2], endCall[2], keepAll;

/* The store: as it is now, and as a power loss would leave it (...S). */
byte ck, ckS;
byte through[2], throughS[2];	/* 1 + newest settled change above ck */
bit parked, parkedS;		/* the poison, in the parking lot */
bit call[2], ghost[2], ghostAll;
byte reached, reachedS;		/* 1 + newest change that a call has carried */
bit isClean = 1;
bit begun, otherBoot;		/* saved in this life; saved last by another boot */

/* The world. */
byte slot;			/* what the server takes for confirmed */
byte sink[2];			/* 1 + value */
byte late;			/* bit i: an abandoned request with value i */
byte lives = LIVES, losses = LOSSES, crashes = CRASHES, noted = MARKS;

/* What only the checks look at. */
byte known, knownS;		/* changes settled in the store */
byte sent;			/* values that went out in this life, and may be there */
byte newest[2];			/* 1 + newest value that went out, in any life */

hidden byte t, k;

#define BIT(i)	    (1 << (i))
#define KEY(i)	    ((keys >> (i)) & 1)
#define OF(k)	    ((k) -> keys : (~keys & (BIT(N)-1)))
#define UPTO(i)	    (BIT((i)+1)-1)
#define OPEN(k)	    (place[k] >= WAIT && place[k] <= SENT)
#define CALLING(k)  (place[k] >= DRAFTED && place[k] <= SENT)
#define OUTSIDE(b)  ((b) == 0 || ((ENDS >> ((b)-1)) & 1))
#define SYNCED	    (synced -> ckS : 0)
#define EXPOSED(k)  (sent & ~known & OF(k))
#define ONE(m)	    (((m) & ((m)-1)) == 0)	/* or none */

#ifdef NO_HOLD
#define MAYSEND(k)  1
#else
#define MAYSEND(k)  (again[k] || !held[k])
#endif
#ifdef MERGE_INTO_REPEAT
#define MERGES(k)   (place[k] == WAIT)
#else
#define MERGES(k)   (place[k] == WAIT && !again[k])
#endif

/* All that was sent, in any life, is known again: what was sent may stand for
 * several changes, and the first of them alone would be a step back. */
#if defined(FORGET_SENT) || defined(BACK_ALLOWED)
#define KNOWN_AGAIN 1
#else
#define KNOWN_AGAIN (received >= reached)
#endif

/* What the next save has to do for the calls of a key, and for all. */
#define CALLENDS(k) (call[k] && (place[k] <= DRAFTED || place[k] == ENDED))
#define DRAFTS(k)   (place[k] == DRAFTED || place[k] == ENDED || CALLENDS(k) || ghost[k] != held[k])
#ifdef HOLD_UNRECORDED
#define DRAFT	    (DRAFTS(0) || DRAFTS(1))
#define KEEPALL	    0
#else
#define DRAFT	    (DRAFTS(0) || DRAFTS(1) || ghostAll != holdAll)
#define KEEPALL	    holdAll
#endif

#ifdef PARK_APART
bit parking;
#define PARK(is)    parking = (is)
#else
#define PARK(is)    parked = (is)
#endif
/* The poison is settled, and nothing newer of its key is. */
#define MUSTPARK(m) (((m) & BIT(poison)) && !((m) & OF(KEY(poison)) & ~UPTO(poison)))

#ifdef FORGET_AT_ONCE
#define FORGET	    1
#else
#ifdef FORGET_EQUAL
#define PASSED(k)   (2*replayed[k] <= ck + 1)
#else
#define PASSED(k)   (2*replayed[k] <= ck)
#endif
#define FORGET	    (PASSED(0) && PASSED(1))
#endif

#include "daemon.pml"
#include "world.pml"

active proctype world() {
	select(keys : 0 .. BIT(N-1)-1);
	keys = 2*keys;
	select(poison : 0 .. N-1);
	do
	:: receive()
	:: keepalive()
	:: dispatch(0) :: dispatch(1)
#ifdef SAVES_WAIT
	:: beginSave()
#endif
	:: endSave(0) :: endSave(1) :: syncPosition()
	:: answer(0) :: answer(1)
	:: unanswered(0) :: unanswered(1)
	:: refusedForNow(0) :: refusedForNow(1)
#ifdef TWO_CALLS
	:: sendBeside(0) :: sendBeside(1)
#endif
	:: executeLate(0) :: executeLate(1) :: executeLate(2)
#if N > 3
	:: executeLate(3)
#endif
	:: endHold(0) :: endHold(1) :: endHoldAll()
	:: crash() :: report()
	:: kill() :: losePower() :: stop() :: leave()
	:: d_step { IDLE -> converged(0); converged(1); t = 0 } -> break
	od
}
