/*
 * cutover - the protocol of a cutover as a model that spin searches whole.
 *
 * The transitions are not written here: cutover_fsm.pml is what `bascule inspect fsm cutover --format
 * promela` prints from the table that the program walks. Here is what each action does to the two
 * servers, one statement a step, and everything that may happen in between: writers, the applier, a
 * second instance, `abort`, killed tools, lost answers, servers that give up a silent session.
 *
 * What must hold, in every state that can be reached:
 *   - never is the source without fence while the target is open;
 *   - what the source has committed is on the target when that opens, and ever after; or, where it is
 *     discarded (rollback --discard-target-writes, in its own direction), it is in the file.
 *
 * -DMISTAKE=n plants one of the mistakes listed at the end; each must be found.
 */
#ifndef MISTAKE
#define MISTAKE 0
#endif

#define MAX_EPOCH   2
#define MAX_COMMITS 1
#define MAX_KILLS   1

#define GHOST 9

#define NONE    0
#define OPENED  1
#define REVOKED 2

#define G_dry_run     0
#define G_rehearse    (rehearsing)
#define G_only_trying (rehearsing)
#define G_discarding  (discarding)

#include "cutover_fsm.pml"

/* The source */
byte commits;       /* committed by the application */
bool inflight;      /* a transaction of the application has written, and is not committed */
byte fence;         /* epoch of the fence in force; 0: writes are taken */
byte newest_fenced;
byte locked;        /* who holds the lock transaction; 0: nobody */
byte lock_session;  /* who holds the advisory lock of the lock session */
byte commit_sent;   /* epoch of a COMMIT that has been sent and not been executed; 0: none */

/* The target */
byte applied;             /* of the source's commits */
byte verdict[MAX_EPOCH + 1];
byte epochs;              /* taken so far */
byte exported[MAX_EPOCH + 1]; /* of the source's commits: in the file of that epoch */
bool target_open;
byte opened_in;           /* epoch that opened it */
byte task_lock;           /* who holds the advisory lock of the task */
byte prepared;            /* who holds the verdict's row lock, with an opening that lacks its COMMIT */

byte kills;

#define SOURCE_WRITABLE (fence == 0)
#define MAY_WRITE       (SOURCE_WRITABLE && locked == 0)

inline read_decision()
{
    /* two statements, on two servers */
    seen_fence = fence;
    atomic {
        seen_verdict = (seen_fence > 0 -> verdict[seen_fence] : NONE);
        seen_opened = (epochs > 0 && verdict[epochs] == OPENED);
    }
}

/* What is not needed any more makes no new states. */
inline forget() { atomic { seen_fence = 0; seen_verdict = NONE; seen_opened = false } }

inline close_sessions()
{
    /* The servers notice, and roll back what was not committed. A COMMIT on its way may still arrive:
     * its session then lives on without anybody at the other end. */
    atomic {
        if :: task_lock == me -> task_lock = 0 :: else fi;
        if :: prepared == me -> prepared = 0 :: else fi;
        if
        :: lock_session == me && commit_sent > 0 ->
            lock_session = GHOST;
            if :: locked == me -> locked = GHOST :: else fi
        :: lock_session == me && commit_sent == 0 ->
            lock_session = 0;
            if :: locked == me -> locked = 0 :: else fi
        :: else
        fi
    }
}

inline roll_back_freeze()
{
    atomic {
        if :: locked == me -> locked = 0 :: else fi;
        if :: lock_session == me && commit_sent == 0 -> lock_session = 0 :: else fi
    }
}

/* The triggers are disabled and the row is marked in one transaction, which holds the tables' locks and
 * then looks whether a newer fence is in force. */
inline release_fence(of_epoch)
{
#if MISTAKE == 10
    atomic { locked == 0 -> fence = 0 }
#else
    atomic { locked == 0 -> if :: fence <= of_epoch -> fence = 0 :: else fi }
#endif
}

/* Actions: one for each name in the table. --------------------------------------------------- */

inline do_look(ev)
{
    atomic { if :: task_lock == 0 || task_lock == me -> task_lock = me; ev = E_nothing :: else -> ev = E_failed fi }
    if
    :: ev == E_failed
    :: else ->
        read_decision();
        if
        :: seen_opened -> epoch = epochs; ev = E_opened
        :: !seen_opened && seen_fence == 0 -> ev = E_nothing
        :: !seen_opened && seen_fence > 0 ->
            epoch = seen_fence;
            if
            :: seen_verdict == OPENED -> ev = E_opened
            :: seen_verdict == REVOKED -> ev = E_revoked
            :: seen_verdict == NONE -> ev = E_fenced
            fi
        fi;
        forget()
    fi
}

inline do_check(ev)
{
#if MISTAKE == 6
    barrier = commits;
#endif
    if :: ev = E_done :: ev = E_failed fi
}

inline do_check_discard(ev)
{
#if MISTAKE == 11
    barrier = commits;
#endif
    if :: ev = E_done :: ev = E_failed fi
}

inline do_plan(ev) { ev = E_done }
inline do_plan_rest(ev) { ev = E_done }
inline do_already(ev) { ev = E_done }
inline do_finish(ev) { ev = E_done }

inline do_arm(ev)
{
    atomic { if :: lock_session == 0 -> lock_session = me; ev = E_done :: else -> ev = E_failed fi }
    atomic {
        if
        :: ev == E_done && epochs < MAX_EPOCH && MISTAKE != 8 -> epochs++; epoch = epochs; verdict[epoch] = NONE
#if MISTAKE == 8
        :: ev == E_done -> epochs = 1; epoch = 1; verdict[epoch] = NONE
#endif
        :: else -> ev = E_failed
        fi
    }
}

inline do_freeze(ev)
{
    if
#if MISTAKE == 7
    :: atomic { locked == 0 -> locked = me; ev = E_done }
#else
    :: atomic { locked == 0 && !inflight -> locked = me; ev = E_done }
#endif
    :: ev = E_failed
    fi
}

inline do_drain(ev)
{
#if MISTAKE != 6
    barrier = commits;
#endif
    if
#if MISTAKE == 5
    :: ev = E_done
#else
    :: applied >= barrier -> ev = E_done
#endif
    :: ev = E_failed
    fi;
    barrier = 0
}

/* Read to the end of what is committed, and on disk. */
inline do_export(ev)
{
#if MISTAKE == 11
    exported[epoch] = barrier;
#else
    exported[epoch] = commits;
#endif
    barrier = 0;
    if :: ev = E_done :: ev = E_failed fi
}

inline do_raise(ev) { if :: ev = E_done :: ev = E_failed fi }
inline do_prove(ev) { if :: ev = E_done :: ev = E_failed fi }

/* The target's transaction, all of it but the COMMIT: the row lock keeps others from deciding. */
inline prepare_opening(mine)
{
    if
    :: atomic { prepared == 0 && (verdict[epoch] == NONE || MISTAKE == 2) -> prepared = me; mine = true }
    :: atomic { prepared == 0 && verdict[epoch] != NONE && MISTAKE != 2 -> mine = false }
    fi
}

inline commit_opening()
{
    atomic { prepared == me -> prepared = 0; verdict[epoch] = OPENED; target_open = true; opened_in = epoch }
}

inline do_commit(ev)
{
    prepare_opening(mine);
    if
    :: !mine -> ev = E_failed
    :: else ->
#if MISTAKE == 1
        commit_opening();
#endif
        if
        /* the fence's row cannot be written beside another one in force */
        :: locked == me && fence > 0 -> ev = E_failed
        :: atomic { locked == me && fence == 0 -> commit_sent = epoch };
#if MISTAKE == 3
            /* the lock is let go before the fence is on */
            locked = 0;
#endif
            if
            :: newest_fenced == epoch -> ev = E_committed  /* executed and answered */
            :: ev = E_lost                               /* executed or not: nobody knows */
            fi
        :: locked != me -> ev = E_lost                   /* the server ended the session long ago */
        :: ev = E_failed                                 /* given up before it was sent */
        fi
    fi
}

/* The old session is ended first; only then the row says what became of its COMMIT. */
inline do_ask(ev)
{
    if
#if MISTAKE == 4
    :: ev = E_committed
#else
    :: atomic {
            if :: lock_session == me -> lock_session = 0; commit_sent = 0;
                if :: locked == me -> locked = 0 :: else fi
            :: else
            fi
        };
        if :: fence == epoch -> ev = E_committed :: else -> ev = E_failed fi
#endif
    :: ev = E_unknown
    fi
}

inline do_open(ev)
{
    ev = E_start;
    do
    :: ev != E_start -> break
    :: ev == E_start && prepared == me ->
        commit_opening();
        if :: ev = E_opened :: skip /* the answer was lost: asked again */ fi
    :: ev == E_start && prepared != me ->
        prepare_opening(mine);
        if
        :: mine
        :: !mine && verdict[epoch] == OPENED -> ev = E_opened
        :: !mine && verdict[epoch] == REVOKED -> ev = E_revoked
        fi
    :: ev == E_start -> atomic { if :: prepared == me -> prepared = 0 :: else fi }; ev = E_unknown
    od
}

inline do_finish_open(ev) { do_open(ev) }
inline do_unfence(ev) { if :: release_fence(epoch); ev = E_nothing :: ev = E_failed fi }
inline do_unfence_revoked(ev) { if :: release_fence(epoch) :: skip fi; ev = E_failed }

inline do_give_back(ev)
{
    roll_back_freeze();
    atomic { if :: prepared == me -> prepared = 0 :: else fi };
    ev = E_failed
}

inline do_end_rehearsal(ev)
{
    prepare_opening(mine);
    do_give_back(ev);
    ev = E_done
}

/* The tool; twice. ---------------------------------------------------------------------------- */

proctype Tool(byte me)
{
    byte st, ev, act, epoch, barrier, seen_fence, seen_verdict;
    bool mine, seen_opened, rehearsing, discarding;
again:
    atomic {
        st = S_streaming; ev = E_start; act = A_none; epoch = 0; mine = false; barrier = 0;
        rehearsing = false; discarding = false;
        if :: skip :: me == 2 -> rehearsing = true :: me == 2 -> discarding = true fi
    }
    do
    :: FSM_TERMINAL(st) && ev != E_start -> break
    :: else ->
        fsm_next(st, ev, act);
        {
            fsm_act(act, ev)
        }
        unless { atomic { kills < MAX_KILLS -> kills++; goto killed } }
    od;
    close_sessions();
    if :: goto again :: skip fi;
    goto end;
killed:
    close_sessions();
    goto again;
end:
    skip
}

/* `bascule abort` without an engine. */
proctype Abort()
{
    byte fenced, seen_fence, seen_verdict;
    bool seen_opened;
    read_decision();
    if
    :: seen_opened || seen_fence == 0 -> goto end
    :: else -> fenced = seen_fence
    fi;
#if MISTAKE == 9
    release_fence(fenced);
#endif
    if
    :: seen_verdict == NONE ->
        /* waits for the row lock of an opening under way */
        atomic { prepared == 0 -> if :: verdict[fenced] == NONE -> verdict[fenced] = REVOKED :: else fi }
    :: else
    fi;
    read_decision();
    if
    :: seen_opened || (seen_fence > 0 && seen_verdict == OPENED)
    :: else -> release_fence(fenced)
    fi;
end:
    skip
}

/* The servers and the application. ------------------------------------------------------------- */

active proctype Source()
{
end:
    do
    /* a COMMIT that has arrived is executed, by a session that is there still */
    :: atomic { commit_sent > 0 && lock_session > 0 && (locked == lock_session || MISTAKE == 3) ->
            fence = commit_sent; newest_fenced = commit_sent; commit_sent = 0; locked = 0;
            if :: lock_session == GHOST -> lock_session = 0 :: else fi }
    /* or it never arrives: the session has ended */
    :: atomic { commit_sent > 0 -> commit_sent = 0; locked = 0; lock_session = 0 }
    /* a silent session is ended, its transaction rolled back */
    :: atomic { locked > 0 && commit_sent == 0 -> locked = 0; lock_session = 0 }
    /* the target ends an opening that was not committed (crash, lost session) */
    :: atomic { prepared > 0 -> prepared = 0 }
    od
}

active proctype Writer()
{
end:
    do
    :: atomic { MAY_WRITE && !inflight && commits < MAX_COMMITS -> inflight = true }
    /* It got its lock when it wrote; the freeze waits for it. */
    :: atomic { inflight && (MAY_WRITE || MISTAKE == 7) -> inflight = false; commits++ }
    :: atomic { inflight -> inflight = false }
    od
}

active proctype Applier()
{
end:
    do
    :: atomic { applied < commits -> applied++ }
    od
}

active proctype Always()
{
end:
    do
    :: atomic { SOURCE_WRITABLE && target_open -> assert(!(SOURCE_WRITABLE && target_open)) }
    :: atomic { target_open && applied != commits && exported[opened_in] != commits ->
            assert(applied == commits) }
    od
}

init
{
    atomic {
        run Tool(1);
        run Tool(2);
        run Abort()
    }
}

/*
 * Mistakes:
 *  1  the target is opened before the fence's COMMIT
 *  2  the verdict is set without looking whether it was set
 *  3  the lock is let go before the fence is on
 *  4  a lost answer to the COMMIT is taken for a yes
 *  5  the drain does not wait for the barrier
 *  6  the barrier is written before the lock is held
 *  7  the freeze does not wait for transactions that have written already
 *  8  an epoch is used twice
 *  9  abort takes the fence off before it revokes
 * 10  a fence is taken off without looking whether it still is the one that was revoked
 * 11  what is discarded is read before the lock is held
 */
