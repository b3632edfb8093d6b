/*
 * internal - the Cutover itself, for the files of replication/cutover only.
 *
 * Threads  the caller's thread walks the table; one worker, the watcher, keeps the frozen
 * transaction alive and gives it up when the time is over or somebody aborts. Guard    `lock`
 * guards freeze (state, why, and the use of freeze.conn from FROZEN on). Everything else belongs to
 * the caller's thread; the watcher only reads spec and started_us.
 */
#pragma once

#include <pthread.h>

#include "apply/control.h"
#include "bascule/base/clock.h"
#include "bascule/base/worker.h"
#include "cutover/cutover.h"
#include "cutover/cutover_fsm.h"
#include "cutover/fence.h"
#include "cutover/way_back.h"
#include "sqltext/sqltext.h"

typedef enum FreezeState {
    FREEZE_NONE,     /* nothing is locked */
    FREEZE_HELD,     /* locks and fence triggers, not committed; the watcher may give them up */
    FREEZE_RELEASED, /* given up: `why` says why */
    FREEZE_FINAL,    /* the COMMIT is ours: the watcher has stood down */
} FreezeState;

typedef struct Freeze {
    PgConn *conn;    /* the lock session */
    StopToken *stop; /* ends its waits */
    FreezeState state;
    bool gave_up;        /* with or without a freeze: nothing goes on */
    Error why;           /* ERR_NONE until given up */
    int64_t begun_us;    /* writers wait from here on; 0: never frozen */
    int64_t released_us; /* 0: not */
    int64_t watchdog_us; /* 80 % of the budget */
    int64_t next_beat_us;
    int64_t silent_until_us; /* then the server rolls back by itself */
    bool silenced;           /* it did */
    uint32_t pid;
} Freeze;

/* The side that is left and the side that is gone to, as people call them: a rollback goes from the
 * target to the source. */
#define FROM_SIDE(cut) ((cut)->spec->source.side)
#define TO_SIDE(cut)   ((cut)->spec->target.side)

struct Cutover {
    const CutoverSpec *spec;
    Arena *arena;
    CutoverReport *report;
    int64_t started_us, step_us;
    pthread_mutex_t lock;
    Freeze freeze;
    StopToken *give_up; /* ends every wait but the lock session's */
    StopToken *watch_stop;
    Worker *watcher;
    PgConn *source, *target; /* everything but locks and comparison */
    Compare *compare;
    double prove_us_per_byte; /* measured by the prediction; 0: it was not */
    FenceSet fences;          /* of the source */
    bool *unguarded; /* by relation: others may write to it on the target; NULL: not known yet */
    const bool
        *first; /* by relation: a prediction takes them for compared a moment ago; NULL: none */
    WayBack way_back;
    Sequences sequences;
    char fingerprint[33];
    char barrier[128]; /* content of the barrier message */
    Lsn applied_at_freeze;
    int64_t epoch, newest_known;
    bool opening_prepared; /* the target's transaction is complete but for its COMMIT */
    bool rolling_forward;
    bool target_fenced; /* dual_write: by this run */
    bool deadlock_timeout_set;
    int64_t server_deadlock_us;
    StopToken *opening_stop; /* of sessions opened after the fence's COMMIT */
};

/* cutover.c */
void cutover_tell(Cutover *cut, const char *step, bool failed, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void cutover_phase(Cutover *cut, const char *name); /* ends the phase that began at step_us */
/* "cutover" or "rollback": what the operator typed. */
const char *cutover_command(const Cutover *cut);
/* The reason of the watcher in place of what its stop made fail. Returns CUT_EV_FAILED. */
CutoverFsmEvent cutover_fail(Cutover *cut, Error *err);
bool cutover_given_up(Cutover *cut, Error *err);
MUST_CHECK PgConn *cutover_connect(const PgEndpoint *endpoint, StopToken *stop, const char *what,
                                   Error *err);

/* freeze.c */
MUST_CHECK bool freeze_open_session(Cutover *cut, Error *err);
MUST_CHECK bool freeze_watch_start(Cutover *cut, Error *err);
void freeze_watch_stop(Cutover *cut);
/* Takes the transaction from the watcher for good; false: it has been given up already. */
MUST_CHECK bool freeze_take(Cutover *cut, Error *err);
/* When the writers could go on: ours, or the server's own doing. */
int64_t freeze_released_us(const Freeze *freeze);
/* Rolls back what is held; writers go on. Idempotent. */
void freeze_give_back(Cutover *cut);
/* true, with the reason, when the operator or the program wants it to end. */
bool freeze_asked_to_end(const Cutover *cut, Error *err);
/* The server ended the session because we were silent: that is the budget's doing. */
void freeze_explain_silence(Cutover *cut, Error *err);

/* prove.c: how each table is proved if the freeze came now; *out_us what it costs, as far as known.
 * Tables that cannot be proved in time are named in out_left (may be NULL). */
void prove_choose(const Cutover *cut, int64_t budget_us, CompareTable *tables, int64_t *out_us,
                  Buf *out_left);

/* It can be compared before the freeze, and then needs no more than its changed keys in it. */
bool prove_may_come_first(const Cutover *cut, const Relation *rel);

/* steps.c */
/* The last transaction of the side that is left; its position goes into the report. */
MUST_CHECK bool cutover_write_barrier(Cutover *cut, Error *err);
/* Those in scope: the source's values as they are now, the target's ahead of them. */
MUST_CHECK bool cutover_raise_sequences(Cutover *cut, int *out_raised, Error *err);

/* decision.c */
typedef struct DecisionRows {
    bool fenced;
    int64_t fence_epoch;
    char verdict[16]; /* of fence_epoch; "" none */
    int64_t newest_epoch;
    char newest_verdict[16];
    bool target_fenced;   /* the target has a fence in force, of the other direction */
    int64_t newest_known; /* epoch of either direction, wherever it is written */
} DecisionRows;
MUST_CHECK bool decision_read_rows(PgConn *source, PgConn *target, const char *task,
                                   DecisionRows *out_rows, Error *err);
CutoverDecision decision_of(const DecisionRows *rows, int64_t *out_epoch);

/* A session that was in the way at an attempt; its start tells it from a later one of that pid. */
typedef struct Blocker {
    char pid[16], started[48];
} Blocker;

typedef struct BlockersSeen {
    int count;
    Blocker all[64];
} BlockersSeen;

/* blockers.c */
/* Ends the sessions that are in the way now and were already in *seen, one event each, and then puts
 * what is there now into *seen. Never autovacuum, prepared transactions, replication or ourselves. */
MUST_CHECK bool blockers_terminate(Cutover *cut, bool may_end, BlockersSeen *seen, Error *err);
/* A query without what may be somebody's data: literals become ?, cut after 60 characters. */
void blockers_mask(Buf *out, const char *query);
/* Lists who holds the tables, for an error's message; "" when nobody is seen. *out_all_yield:
 * nobody but autovacuum, as far as our role can see. */
MUST_CHECK bool blockers_describe(PgConn *conn, const FenceSet *fences, uint32_t but_pid, Buf *out,
                                  bool *out_all_yield, Error *err);
/* Those that a cutover should not even try to wait for (idle in transaction for long) and those to
 * know of. */
MUST_CHECK bool blockers_judge(PgConn *conn, const FenceSet *fences, Buf *out_hopeless,
                               Buf *out_slow, Error *err);

/* left_behind.c */
/* Lists the sessions of others that are still connected to the side that was left. */
void left_behind_tell(Cutover *cut);

/* moment.c */
/* The action of a row with what the program does before and after it. */
CutoverFsmEvent moment_act(Cutover *cut, const CutoverRow *row, Error *err);
/* All is over. */
void moment_end(Cutover *cut, const char *outcome);

/* prove.c */
/* How each table was proved, as rows of bascule.proof on the side that is open now: for the
 * certificate. What fails is told. */
void prove_keep(Cutover *cut);
/* Those that were proved by their rows or keys, for the stream in the other direction: on the side that
 * was left. What fails costs the next switch a reading. */
void prove_hand_over(Cutover *cut);

/* plan.c */
/* Needs the sessions and what the preflight has read. */
MUST_CHECK bool plan_make(Cutover *cut, Error *err);
/* PLAN_CHANGED with what has changed, when another plan was confirmed. */
MUST_CHECK bool plan_confirmed(Cutover *cut, Error *err);
/* Tells when this very plan has never been rehearsed. */
MUST_CHECK bool plan_rehearsed(Cutover *cut, bool *out_rehearsed, Error *err);
void plan_changes(const char *before, const char *now, Buf *out);

/* preflight.c: the rules with what was added to the task while it lived, in the cutover's arena; NULL: none */
MUST_CHECK bool cutover_rules(const Cutover *cut, Rules **out, Error *err);

/* Actions of the table: cutover.c, preflight.c, freeze.c, steps.c, discard.c, commit.c */
CutoverFsmEvent cutover_look(Cutover *cut, Error *err);
CutoverFsmEvent cutover_check(Cutover *cut, Error *err);
CutoverFsmEvent cutover_check_discard(Cutover *cut, Error *err);
CutoverFsmEvent cutover_plan(Cutover *cut, Error *err);
/* The sessions of the comparison, once: for the prediction or, without one, before the freeze. BLOCKED
 * when somebody holds a table. */
MUST_CHECK bool cutover_open_comparison(Cutover *cut, Error *err);
CutoverFsmEvent cutover_plan_rest(Cutover *cut, Error *err);
CutoverFsmEvent cutover_arm(Cutover *cut, Error *err);
CutoverFsmEvent cutover_freeze(Cutover *cut, Error *err);
CutoverFsmEvent cutover_drain(Cutover *cut, Error *err);
CutoverFsmEvent cutover_export(Cutover *cut, Error *err);
CutoverFsmEvent cutover_raise(Cutover *cut, Error *err);
CutoverFsmEvent cutover_prove(Cutover *cut, Error *err);
CutoverFsmEvent cutover_end_rehearsal(Cutover *cut, Error *err);
CutoverFsmEvent cutover_commit(Cutover *cut, Error *err);
CutoverFsmEvent cutover_ask(Cutover *cut, Error *err);
CutoverFsmEvent cutover_open(Cutover *cut, Error *err);
CutoverFsmEvent cutover_finish_open(Cutover *cut, Error *err);
CutoverFsmEvent cutover_finish(Cutover *cut, Error *err);
/* views.c: once the target is open; nothing of it is a failure of the cutover. */
void cutover_refresh_views(Cutover *cut);
CutoverFsmEvent cutover_already(Cutover *cut, Error *err);
CutoverFsmEvent cutover_unfence(Cutover *cut, Error *err);
CutoverFsmEvent cutover_unfence_revoked(Cutover *cut, Error *err);
CutoverFsmEvent cutover_give_back(Cutover *cut, Error *err);
