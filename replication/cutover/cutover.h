/*
 * cutover - freeze, drain, prove, commit, open: the switch of one task from source to target.
 *
 * Protocol  ../docs/operations/cutover.md; states and rows in cutover/cutover_fsm.h. Journal first,
 * action second. Two rows decide: bascule.fence on the source (written in the transaction that arms
 * the fence triggers), bascule.verdict on the target (compare-and-set NULL -> OPENED | REVOKED).
 * Invariant never (source un-fenced and target OPEN) in one epoch, whatever crashes.
 * Abort     before the fence's COMMIT: ROLLBACK gives writes back at once. Between COMMIT and
 * OPENED: verdict REVOKED first, then the fence is disabled. After OPENED: refused. Budget
 * max_downtime is enforced by a watchdog at 80 % and by the server: the lock session's
 *           idle_in_transaction_session_timeout is re-set by each heartbeat to min(2 s, time left).
 */
#pragma once

#include "bascule/base/buf.h"
#include "bascule/base/stop.h"
#include "bascule/model/progress.h"
#include "bascule/model/relation.h"
#include "bascule/model/rules.h"
#include "bascule/port/pgconn.h"
#include "cutover/export.h"
#include "source/sequences.h"
#include "source/slot.h"
#include "source/views.h"
#include "verify/compare.h"

/* In the order of the option's words. */
typedef enum CutoverVerify {
    CUTOVER_VERIFY_AUTO, /* every row where it fits the budget, else verified plus changed keys */
    CUTOVER_VERIFY_FULL,
    CUTOVER_VERIFY_KEYS, /* changed keys wherever a table is verified, else every row */
    CUTOVER_VERIFY_COUNT,
    CUTOVER_VERIFY_WORDS,
} CutoverVerify;
const char *cutover_verify_name(CutoverVerify verify);

/* What is known of a table's equality without reading it. */
typedef struct CutoverBase {
    bool proved; /* equal at lsn, and every key changed since is in the log */
    Lsn lsn;
    int64_t at_wall_us; /* with proved: when */
    int64_t open_keys;
    int64_t differing; /* rows that the background check found different */
    char why[128];     /* when not */
} CutoverBase;

typedef struct CutoverEvent {
    const char *step;   /* "preflight", "plan", "arm", "freeze", "drain", "sequences", "prove",
                           "commit",   "open", "views", "abort", "done" */
    const char *text;   /* one line for people */
    int64_t elapsed_us; /* since the command began */
    int64_t frozen_us;  /* since writes were frozen; -1 when they are not */
    bool failed;
} CutoverEvent;

typedef struct CutoverPhase {
    const char *name;
    int64_t elapsed_us;
} CutoverPhase;

typedef enum CutoverCheckResult {
    CUTOVER_CHECK_OK,
    CUTOVER_CHECK_WARN,
    CUTOVER_CHECK_BLOCK
} CutoverCheckResult;

typedef struct CutoverCheck {
    CutoverCheckResult result;
    const char *name, *text; /* text: "" when there is nothing to say */
} CutoverCheck;

/* A session that is still connected to the side that was left. */
typedef struct CutoverSession {
    int64_t pid;
    const char *role, *application, *address, *state; /* "" unknown */
    int64_t since_us;                                 /* its last statement; PROGRESS_UNKNOWN */
} CutoverSession;

/* What the program ran at a moment. */
typedef struct CutoverHookRun {
    char point[40];
    const char *name, *why; /* why: "" it went well */
    int64_t elapsed_us;
} CutoverHookRun;

#define CUTOVER_CHECKS_MAX 256
#define CUTOVER_PLAN_HASH  17 /* 16 hex digits and a NUL */

/* What the freeze would cost; -1 or PROGRESS_UNKNOWN: not known. */
typedef struct CutoverPrediction {
    int64_t lock_us, drain_us, prove_us, prove_bytes, total_us;
    int64_t prove_keys, prove_tables_by_keys;
    /* What `auto` would read in whole in the freeze, and is compared before it, while writers go on. */
    int64_t first_tables, first_bytes;
    const bool *first; /* by relation; in the arena given; NULL: none */
} CutoverPrediction;

typedef struct CutoverReport {
    char outcome
        [24]; /* "cut-over", "rolled-back", "dry-run", "aborted", "refused", "already-done", "undecided" */
    int64_t epoch;
    int64_t lag_bytes_before, lag_us_before; /* PROGRESS_UNKNOWN when unknown */
    Lsn barrier_lsn;                         /* on the source */
    int64_t downtime_us; /* LOCK sent .. target opened (or writes given back); -1 when never frozen,
                            or not known because an earlier run froze */
    CutoverPhase phases[16];
    int phase_count;
    int table_count;
    CompareTable *tables; /* in the arena given */
    int64_t rows_compared, bytes_compared, keys_compared;
    int64_t rows_kept; /* that only the side that opens has, and a rule keeps */
    int sequences_raised, sequences_total;
    int64_t drained_bytes; /* of WAL: from what was applied at the freeze to the barrier;
                              PROGRESS_UNKNOWN */
    bool left_known;
    CutoverSession *left; /* in the arena given */
    int left_count;
    CutoverHookRun *hooks; /* filled by the program; in the arena given */
    int hook_count;
    Views views; /* materialized views: what became of each once the target was open */
    int64_t started_wall_us, frozen_wall_us, opened_wall_us;
    CutoverCheck *checks; /* in the arena given */
    int check_count;
    CutoverPrediction prediction;
    int64_t paused_us; /* clients were held back by a pooler for so long; -1: by none */
    int terminated;    /* sessions that were in the way and were ended */
    int most_waiting;  /* sessions that waited behind the freeze, the most that was seen */
    char plan_hash[CUTOVER_PLAN_HASH]; /* "" not made */
    const char *plan_text;             /* lines; NULL not made */
    bool back;                         /* a rollback */
    bool way_back; /* the other direction is armed: `rollback` (or `cutover`) is possible */
    const char *no_way_back; /* in the arena given: why not; NULL when armed or not looked at */
    const ExportTotals *given_up; /* of CutoverDiscard: what was discarded; NULL nothing was */
} CutoverReport;

/* A rollback that leaves behind what did not stream back, instead of bringing it. */
typedef struct CutoverDiscard {
    Export *export; /* what is left behind; open, with what it has read so far */
    const char *plan_hash;
    /* In the freeze, with the file on disk: false gives up. */
    bool (*written)(void *arg, const ExportTotals *totals, int64_t epoch, Error *err);
    void *written_arg;
} CutoverDiscard;

/* Whether the stream in the other direction is armed before the target opens. */
typedef enum WayBackWish { WAY_BACK_OFF, WAY_BACK_AUTO, WAY_BACK_REQUIRED } WayBackWish;

/* A moment of the walk at which the program may do something of its own. */
typedef struct CutoverMoment {
    bool before;         /* the phase begins; else it has ended well */
    const char *phase;   /* NULL: all is over */
    int64_t epoch;       /* 0: none taken yet */
    int64_t frozen_us;   /* how long writes have waited; -1: they do not */
    int64_t deadline_us; /* monotonic; be back by then; 0: no hurry */
    bool may_abort;      /* false from the fence's COMMIT on: what fails then is only told */
    const char *plan_hash;
    const char *outcome;         /* "" before the end */
    const CutoverReport *report; /* as far as it has come */
    void (*tell)(void *tell_arg, bool failed, const char *fmt, ...) PRINTF_LIKE(3, 4);
    void *tell_arg;
} CutoverMoment;

/* How the program tells what it found: text with the remedy behind the last colon. */
typedef struct CutoverFindings {
    void *self;
    void (*block)(void *self, const char *text);
    void (*warn)(void *self, const char *text);
    void (*fine)(void *self, const char *text);
} CutoverFindings;

typedef struct CutoverSpec {
    PgEndpoint source, target;
    bool back; /* a rollback: source and target have changed places, endpoints keep their `side` */
    WayBackWish way_back;
    const char *back_slot, *back_publication; /* of the other direction, on the target */
    PluginChoice back_plugin;
    int64_t back_slot_wait_us;
    const char *mode, *prepare; /* as the task's row of the other direction shall say */
    const char *task;
    const char *slot_name;
    Relations *rels;
    bool dual_write; /* the target takes the application's writes until the cutover arms */
    Rules *rules;    /* to see tables that are new or changed since the load; NULL: not looked at */
    Progress *progress;
    StopToken *stop;               /* the program ends */
    StopToken *abort;              /* the operator aborts */
    const CutoverDiscard *discard; /* NULL: everything is brought along */
    bool dry_run;                  /* preflight and plan only; changes nothing */
    bool rehearse;                 /* everything but the commit, then writes are given back */
    CutoverVerify verify;
    int jobs;
    const char *spill_dir; /* of the comparison (verify/compare.h) */
    int64_t max_downtime_us;
    int64_t max_lag_us, max_lag_bytes;
    int64_t max_verify_age_us; /* a verification that is older is told; 0: not looked at */
    int64_t lock_timeout_us;   /* per attempt, 700 ms: below the server's deadlock_timeout */
    int lock_tries;            /* 30 */
    int terminate_after;       /* attempts, then sessions listed twice are ended; 0: never */
    int max_waiting;           /* give up when more sessions wait behind the freeze; 0: no limit */
    int64_t sequence_margin;
    bool sequences_apart; /* both sides may draw numbers of their own, and shall go on to */
    int64_t refresh_us;   /* for the materialized views once the target is open; 0: not refreshed */
    const char *confirm;  /* the plan that was confirmed; NULL: any */
    /* A second person has agreed to the plan; NULL: not needed. */
    bool (*approved)(void *arg, const char *plan_hash, Error *err);
    void *approved_arg;
    const char *plan_extra; /* lines of what the program adds ("hook ...: ..."); NULL none */
    /* Plans that were made here, to say what has changed since; may be NULL. */
    void *plan_arg;
    bool (*plan_keep)(void *arg, const char *hash, const char *text, Error *err);
    bool (*plan_find)(void *arg, const char *hash, Buf *out_text);
    const char
        *new_primary; /* shown in the hint of refused writes: host:port/database of the target */
    /* Asked of the engine (replication/sync). */
    void *engine;
    /* Steady CDC? false with WRONG_STATE saying what is missing (load running, table suspended,
     * ...). */
    bool (*ready)(void *engine, Error *err);
    /* Waits until the message with this content has been applied and is durable on the target. The
     * engine answers at once when it failed. */
    bool (*wait_message)(void *engine, const char *content, int64_t deadline_us, Error *err);
    /* No change is applied after this returns; the slot stays. Only called right before OPENED. */
    bool (*stop_apply)(void *engine, Error *err);
    Keylog *keylog; /* changed keys; NULL: none are kept */
    void (*base)(void *engine, const Relation *rel, CutoverBase *out_base); /* with keylog */
    /* The caller compares the tables that a dry run names (CutoverPrediction) before the real run... */
    bool compares_first;
    /* ...and began so then; what was proved since is read in whole in the freeze only where that is next
     * to nothing. 0: it has not. */
    int64_t compared_since_wall_us;
    int64_t compared_us; /* how long that took */
    void (*on_event)(void *arg, const CutoverEvent *event);
    void *event_arg;
    /* Before and after every phase, and at the end; not in a dry run. false gives up, where that is
     * still possible. May be NULL. */
    bool (*on_phase)(void *arg, const CutoverMoment *moment, Error *err);
    /* Since when (monotonic) clients have been held back by what on_phase did; 0: they are not. It
     * counts against max_downtime. May be NULL. */
    int64_t (*waiting_since)(void *traffic_arg);
    /* What the program adds to the preflight; may be NULL. */
    bool (*check_more)(void *traffic_arg, const CutoverFindings *findings, Error *err);
    void *traffic_arg;
    void *phase_arg;
} CutoverSpec;

/* How a table was proved: "full-hash", "contained", "keys", "count", "none"; and in a sentence. */
const char *cutover_proof_method(const CompareTable *table);
void cutover_proof_text(const CutoverReport *report, const CompareTable *table, Buf *out);

/* Runs the whole protocol, or finishes one that a crash left between COMMIT and OPENED. The report
 * is filled as far as it came, also on failure. Exit classes: DEADLINE, ABORTED, DIFFERENT, LAG,
 * WRONG_STATE. */
MUST_CHECK bool cutover_run(const CutoverSpec *spec, Arena *arena, CutoverReport *out_report,
                            Error *err);

/* `auto`, and enough to read for it to be worth while. */
bool cutover_may_compare_first(const CutoverSpec *spec);

/* The report of a cutover that ended before it began, because of *err. */
void cutover_report_nothing(CutoverReport *out_report, const Error *err);

/* What the two decision rows say, without an engine: for recovery, status, abort and cleanup. */
typedef enum CutoverDecision {
    DECISION_NONE,   /* no fence in this epoch: the source is open */
    DECISION_FENCED, /* fence committed, no verdict */
    DECISION_OPENED,
    DECISION_REVOKED,
    DECISION_UNKNOWN, /* a side could not be read: printed "unknown" */
} CutoverDecision;
/* source or target may be NULL (does not answer): UNKNOWN, unless the other side alone decides it.
 */
MUST_CHECK bool cutover_read_decision(PgConn *source, PgConn *target, const char *task,
                                      CutoverDecision *out_decision, int64_t *out_epoch,
                                      Error *err);
/* How long the target has been open; PROGRESS_UNKNOWN when it is not in that epoch. */
MUST_CHECK bool cutover_open_since(PgConn *target, const char *task, int64_t epoch,
                                   int64_t *out_open_us, Error *err);
/* The task's fence triggers on a side, and how many of them are in force: somebody who may do DDL can
 * disable one. */
MUST_CHECK bool cutover_fence_state(PgConn *conn, const char *task, int *out_total, int *out_armed,
                                    Error *err);
/* FENCED -> REVOKED + fence disabled. NONE: nothing to do. OPENED: WRONG_STATE. */
MUST_CHECK bool cutover_revoke(PgConn *source, PgConn *target, const char *task, Error *err);

/* The fence on the target keeps everybody but our own session_user from writing until it opens.
 * Installed by sync when the load is done; skipped with *out_skipped when the role may not. */
MUST_CHECK bool target_fence_install(PgConn *target, const char *task, const Relations *rels,
                                     bool *out_skipped, Error *err);

/* Lets the application write to the target again (target_writes: dual-write). */
MUST_CHECK bool target_fence_lift(PgConn *target, const char *task, Error *err);

/* For `cleanup`: what bascule left on the source (fence triggers, function, schema), as statements
 * to show and to run; works while frozen. */
typedef struct CleanupItem {
    const char *what;      /* "slot bascule_x", "fence trigger on public.t", ... */
    const char *statement; /* shown to the operator */
} CleanupItem;
MUST_CHECK bool cutover_cleanup_list(PgConn *conn, const char *task, Arena *arena,
                                     CleanupItem **out_items, int *out_count, Error *err);
MUST_CHECK bool cutover_cleanup_run(PgConn *conn, const char *task, Error *err);
