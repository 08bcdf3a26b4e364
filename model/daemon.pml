/* The machine and its saves: internal/delivery, internal/checkpoint. */

/* Where the window has come to. Called by every step that may move it. */
inline advance() {
	t = received;
	if :: OPEN(0) && ref[0] < t -> t = ref[0] :: else fi;
	if :: OPEN(1) && ref[1] < t -> t = ref[1] :: else fi;
	if :: more[0] && nextRef[0] < t -> t = nextRef[0] :: else fi;
	if :: more[1] && nextRef[1] < t -> t = nextRef[1] :: else fi;
#ifdef CHECKPOINT_MAX
	if :: place[0] == ENDED && head[0] >= t -> t = head[0] + 1 :: else fi;
	if :: place[1] == ENDED && head[1] >= t -> t = head[1] + 1 :: else fi;
#endif
#ifdef KEEPALIVE_EARLY
	if :: marks & BIT(received) -> t = received :: else fi;
#endif
	do :: !OUTSIDE(t) -> t-- :: else -> break od;
	t = 2*t + ((marks >> t) & 1);
	if :: t > settled -> settled = t :: else fi
}

/* A change comes: suppressed, merged, behind another, or the first. */
inline receive() {
	d_step { !stopping && received < N ->
		k = KEY(received);
		if
		:: replayed[k] > received
		:: else ->
			if
			:: place[k] == NONE -> place[k] = WAIT; head[k] = received; ref[k] = received
			:: more[k] -> next[k] = received
			:: !more[k] && MERGES(k) -> head[k] = received
			:: !more[k] && place[k] != NONE && !MERGES(k) ->
				more[k] = 1; next[k] = received; nextRef[k] = received
			fi
		fi;
		received++;
		advance()
	}
}

/* A keepalive outside a transaction. */
inline keepalive() {
	d_step { !stopping && noted && OUTSIDE(received) && !(marks & BIT(received)) ->
		noted--;
		marks = marks | BIT(received);
		advance()
	}
}

inline sending(k) {
	CHECK(I9_sent_again, !(known & OF(k) & ~(BIT(head[k])-1)));
#ifndef BACK_ALLOWED
	CHECK(I4_older_after_newer, head[k] + 1 >= newest[k]);
#endif
	newest[k] = head[k] + 1;
	sent = sent | BIT(head[k])
}

inline reaching(k) {
	if :: reached <= head[k] -> reached = head[k] + 1 :: else fi
}

/* An object becomes part of a call. */
inline dispatch(k) {
	d_step { place[k] == WAIT && KNOWN_AGAIN && !holdAll && MAYSEND(k) ->
#ifdef SEND_UNRECORDED
		place[k] = SENT; sending(k); reaching(k);
#else
		place[k] = DRAFTED;
#endif
		draftGrew()
	}
}

/* A save takes what the store does not have yet. */
inline capture(k) {
	endCall[k] = CALLENDS(k);
	keepGhost[k] = held[k];
	if
	:: place[k] == DRAFTED -> place[k] = RECORDING
	:: place[k] == ENDED -> place[k] = SAVING
	:: else
	fi
}

inline takeDraft() {
	saving = 1; frontier = settled; keepAll = KEEPALL;
	capture(0);
	capture(1);
#ifdef CONFIRM_FIRST
	confirming(frontier)
#endif
}

/* The store may be asked to save. */
#ifdef SAVES_WAIT
inline draftGrew() { skip }
inline beginSave() { d_step { !saving && DRAFT -> takeDraft() } }
#else
inline draftGrew() { if :: !saving && DRAFT -> takeDraft() :: else fi }
#endif

inline confirming(p) {
	CHECK(I1_confirmed_above_synced, p <= ckS);
	confirm = p; slot = p
}

/* What the save does to one key, in the store and then in memory. */
inline savedKey(k) {
	if :: endCall[k] -> call[k] = 0; endCall[k] = 0 :: else fi;
	ghost[k] = keepGhost[k] || held[k];
	keepGhost[k] = 0;
	if
	:: place[k] == RECORDING ->
		call[k] = 1; place[k] = SENT; sending(k); reaching(k)
	:: place[k] == SAVING ->
		through[k] = head[k] + 1;
		known = known | (OF(k) & UPTO(head[k]));
		if :: KEY(poison) == k -> PARK(head[k] == poison) :: else fi;
		release(k)
	:: else
	fi
}

/* The value behind takes the place of the first. */
inline takeOver(k) {
	head[k] = next[k];
	more[k] = 0; next[k] = 0; nextRef[k] = 0
}

/* The next object of the key goes on. */
inline release(k) {
	place[k] = (more[k] -> WAIT : NONE);
	ref[k] = nextRef[k];
	takeOver(k)
}

/* A position comes into the store. */
inline move(p) {
	CHECK(I2_checkpoint_back, p >= ck);
	ck = p;
	prune(0);
	prune(1);
	CHECK(I1_checkpoint_above_unsettled, !((BIT(ck/2)-1) & ~known));
	CHECK(I6_parked_apart, parked == MUSTPARK(known));
	if :: FORGET -> replayed[0] = 0; replayed[1] = 0 :: else fi
}

inline prune(k) {
	if :: through[k] <= ck/2 -> through[k] = 0 :: else fi
}

inline syncStore() {
	ckS = ck; throughS[0] = through[0]; throughS[1] = through[1];
	parkedS = parked; reachedS = reached; knownS = known
}

inline endSave(sync) {
	d_step { saving && (!sync || frontier > SYNCED) ->
#ifdef PARK_APART
		parked = parking;
#endif
		savedKey(0);
		savedKey(1);
		ghostAll = keepAll; keepAll = 0;
		move(frontier);
		if :: sync || !begun -> syncStore() :: else fi;
		begun = 1; otherBoot = 0; isClean = 0;
		saving = 0; frontier = 0;
#ifdef CONFIRM_UNSYNCED
		confirming(ck);
#endif
		if :: sync -> synced = 1; confirming(ck) :: else fi;
		draftGrew()
	}
}

/* A synced save of nothing but a position. */
inline syncPosition() {
	d_step { !saving && !DRAFT && settled > SYNCED ->
		move(settled);
		syncStore();
		begun = 1; otherBoot = 0; isClean = 0; synced = 1;
		confirming(ck)
	}
}

/* Marketo executes the call, and its statuses are read. */
inline answer(k) {
	d_step { place[k] == SENT ->
		if :: head[k] != poison -> sink[k] = head[k] + 1 :: else fi;
#ifdef EXCLUSIVE_UNTIL_ANSWER
		if
		:: more[k] && !held[k] -> takeOver(k); sending(k)
		:: else -> place[k] = ENDED
		fi;
#else
		place[k] = ENDED;
#endif
		again[k] = 0;
		advance();
		draftGrew()
	}
}

/* No answer comes: the call may have been executed, may be later, or never. */
inline unanswered(k) {
	d_step { place[k] == SENT && losses ->
		losses--;
		late = late | BIT(head[k]);
		call[k] = 0; ghost[k] = 1; held[k] = 1;
#ifdef TIMEOUT_SETTLES
		place[k] = ENDED; advance();
#else
		place[k] = WAIT; again[k] = 1;
#endif
		draftGrew()
	}
}

/* The answer is: not now. What has come since takes its place. */
inline refusedForNow(k) {
	d_step { place[k] == SENT && losses ->
		losses--;
		place[k] = WAIT;
		if
		:: !again[k] ->
			sent = sent & ~BIT(head[k]);
			if
			:: more[k] -> takeOver(k); advance()
			:: else
			fi
		:: else
		fi;
		draftGrew()
	}
}

/* By now no abandoned request of the key can be in execution. */
inline endHold(k) {
	d_step { held[k] -> held[k] = 0; late = late & ~OF(k); draftGrew() }
}

inline endHoldAll() {
	d_step { holdAll -> holdAll = 0; held[0] = 0; held[1] = 0; late = 0; draftGrew() }
}

#ifdef TWO_CALLS
/* The next object of the key is sent beside the first. */
inline sendBeside(k) {
	d_step { place[k] == SENT && more[k] ->
		late = late | BIT(head[k]);
		takeOver(k);
		sending(k)
	}
}
#endif
