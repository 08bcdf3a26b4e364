/* What happens to the daemon: late requests, the server, lives. */

/* An abandoned request is executed now. */
inline executeLate(i) {
	d_step { late & BIT(i) && i != poison && sink[KEY(i)] != i + 1 ->
#ifndef LATE_ALLOWED
		CHECK(I4_late_write, !(sent & OF(KEY(i)) & ~UPTO(i)));
#endif
		sink[KEY(i)] = i + 1
	}
}

/* The server crashes, and what was confirmed since its last checkpoint is gone
 * from the slot. The daemon goes on behind what it has received. */
inline crash()  { d_step { crashes && slot -> crashes--; slot = 0 } }
inline report() { d_step { slot < confirm -> slot = confirm } }

/* A life ends, whatever it was doing. Its requests go on without it. */
inline abandon(k) {
	CHECK(I9_more_than_in_flight, ONE(EXPOSED(k)));
	if
	:: place[k] == SENT -> late = late | BIT(head[k]); CHECK(I9_call_unrecorded, call[k])
	:: else
	fi
}

/* And the next begins with what is in the store. */
inline loadKey(k) {
	place[k] = NONE; head[k] = 0; ref[k] = 0; again[k] = 0;
	more[k] = 0; next[k] = 0; nextRef[k] = 0;
	endCall[k] = 0; keepGhost[k] = 0;
	replayed[k] = through[k];
	ghost[k] = ghost[k] || call[k];
	call[k] = 0;
#ifdef NO_HOLD_AFTER_KILL
	held[k] = 0
#else
	held[k] = ghost[k]
#endif
}

inline load() {
	saving = 0; frontier = 0; keepAll = 0;
	stopping = 0; begun = 0; synced = 0; sent = 0;
	loadKey(0);
	loadKey(1);
#ifdef NO_HOLD_AFTER_POWER_LOSS
	holdAll = ghostAll;
#else
	holdAll = ghostAll || (!isClean && otherBoot);
#endif
	received = ck/2;
	marks = (ck & 1) << received;
	settled = ck;
	confirm = 0;
#ifdef CONFIRM_LOADED
	confirming(ck);
#endif
	CHECK(I8_gap, slot <= ck);
	draftGrew()
}

inline kill() {
	d_step { lives -> lives--; abandon(0); abandon(1); load() }
}

inline losePower() {
	d_step { lives -> lives--;
		abandon(0); abandon(1);
		ck = ckS; through[0] = throughS[0]; through[1] = throughS[1];
		parked = parkedS; reached = reachedS; known = knownS;
		/* What the store forgot may be taken back in order. */
		newest[0] = 0; newest[1] = 0;
		call[0] = 0; call[1] = 0; ghost[0] = 0; ghost[1] = 0; ghostAll = 0;
		otherBoot = 1;
		load()
	}
}

inline stop() {
	d_step { lives && !stopping -> lives--; stopping = 1 }
}

/* An orderly end: all is sent, or the time for it is over. With all sent,
 * nothing is left for the next life. */
inline leave() {
	d_step { stopping && !saving && !DRAFT && !CALLING(0) && !CALLING(1) ->
		move(settled);
		syncStore();
		otherBoot = 0;
#ifdef CLEAN_WITH_GHOSTS
		isClean = 1;
#else
		isClean = !held[0] && !held[1] && !holdAll;
#endif
		if :: isClean -> call[0] = 0; call[1] = 0; ghost[0] = 0; ghost[1] = 0; ghostAll = 0 :: else fi;
		confirming(ck);
		CHECK(I9_clean_end, place[0] || place[1] || !((BIT(received)-1) & ~knownS));
		CHECK(I9_clean_end, place[0] || place[1] || !OUTSIDE(received) || slot/2 == received);
		load()
	}
}

/* Nothing is left to do: Marketo has the newest values, or they are parked. */
inline converged(k) {
	t = N;
	do :: t > 0 && KEY(t-1) != k -> t-- :: else -> break od;
	CHECK(I3_not_converged, t == 0 || t - 1 == poison || sink[k] == t);
	CHECK(I3_not_parked, t == 0 || t - 1 != poison || (parked && parkedS))
}

#define IDLE (received == N && !place[0] && !place[1] && !saving && !DRAFT && !stopping && \
	!held[0] && !held[1] && !holdAll && settled == SYNCED && slot == confirm)
