/*
 * preflight - looks at both sides before anything is changed and names what stands in the way.
 *
 * Place    replication/source; called by `check`, by `run` before it begins, and by `plan`.
 * Does not change anything: the only thing it creates is a temporary slot, for a moment, to see
 * whether the plugin may be used. Reads catalogs only, no rows of user tables (but whether one is
 * there). Findings say what was looked at, why it matters, and the exact statement that mends it. A
 * side that cannot be reached is a finding too and does not stop the checks of the other side.
 * Errors   only what is no finding: the stop token, a rule that names no table (CONFIG).
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/model/rules.h"
#include "bascule/port/pgconn.h"
#include "source/slot.h"

typedef enum PreflightResult {
    PREFLIGHT_OK,
    PREFLIGHT_WARNING, /* the move works; the operator should know */
    PREFLIGHT_BLOCKER, /* the move would fail, or lose something */
    PREFLIGHT_UNKNOWN, /* could not be looked at: why says what refused */
} PreflightResult;

typedef struct PreflightFinding {
    PreflightResult result;
    const char *code;    /* slug, stable: docs/operations and JSON */
    const char *subject; /* "source", "target", "public.users", ...; never NULL */
    const char *what;    /* one line: the fact */
    const char *why;     /* what follows from it; "" for OK */
    const char *remedy;  /* statements (one a line) or the setting to change; "" for OK */
} PreflightFinding;

typedef enum PreflightPrepare {
    PREFLIGHT_CREATE,
    PREFLIGHT_TRUNCATE,
    PREFLIGHT_NOTHING,
    PREFLIGHT_MERGE
} PreflightPrepare;
typedef enum PreflightMode { PREFLIGHT_LOAD, PREFLIGHT_CDC, PREFLIGHT_LOAD_AND_CDC } PreflightMode;

typedef struct PreflightSpec {
    PgEndpoint source, target;
    const char *task; /* a task of this name on the target is resumed: not empty is then right */
    Rules *rules;
    PluginChoice plugin;
    PreflightPrepare prepare;
    PreflightMode mode;
    int jobs; /* sessions for the load */
    const char *slot_name;
    const char *publication;
    bool capture_may, capture_must; /* ddl_capture: auto or on; on */
    bool dual_write;                /* the application writes on both sides */
    bool only_dual;                 /* of a task that is under way: what that needs, nothing else */
    bool way_back;                  /* the target shall be able to stream back */
    bool way_back_required;         /* and without it the cutover is refused */
    int64_t
        slot_wait_us; /* how long the slot's creation may wait for running transactions; 0: 60 s */
} PreflightSpec;

typedef struct PreflightReport {
    PreflightFinding *findings; /* in the order of the checks */
    int count;
    int ok, warnings, blockers, unknowns;
    const char *plugin;   /* what the run would take; "" when none works */
    int tables;           /* in scope; -1 unknown */
    int64_t bytes;        /* of them, with toast, without indexes; -1 unknown */
    int64_t estimated_us; /* of the load; -1 unknown */
} PreflightReport;

const char *preflight_result_name(PreflightResult result); /* "ok" "warning" "blocker" "unknown" */
/* The report lives in `arena`. */
MUST_CHECK bool preflight_run(const PreflightSpec *spec, Arena *arena, PreflightReport *out_report,
                              Error *err);
