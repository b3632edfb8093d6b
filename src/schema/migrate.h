/*
 * migrate - runs the scripts that a target has not seen, each once, and repairs the history.
 *
 * Holds    a lock on the target: one run at a time, a second one is refused with the first one's pid.
 * Atomic   a script and its row in the history are one transaction. One that is marked as unable to
 *          has its row (success false) before its first statement; while that is there the history
 *          is inconsistent.
 * Session  as the role's own: its search_path, nothing of an earlier script. A killed process is
 *          noticed by the server within seconds, also inside of a statement.
 */
#pragma once

#include "schema/history.h"

typedef enum MigratePoint { MIGRATE_BEGIN, MIGRATE_DONE, MIGRATE_FAILED } MigratePoint;

typedef struct MigrateSpec {
    const PgEndpoint *target;
    const Scripts *scripts;
    bool tables_expected;  /* see history_read */
    const Revision *up_to; /* the last one to run; NULL: all */
    int64_t timeout_us;    /* for all of them together; 0: none */
    /* err: of MIGRATE_FAILED */
    void (*on_script)(void *arg, MigratePoint point, const Script *script, int64_t duration_us,
                      const Error *err);
    void *arg;
} MigrateSpec;

typedef struct MigrateReport {
    HistoryState before;
    int run; /* scripts applied by this call */
    int64_t duration_us;
} MigrateReport;

/* SCHEMA_HISTORY: refused. SCHEMA_SCRIPT: one failed, its file and line stand in the message; those
 * before it are applied. DEADLINE, ALREADY_RUNNING. *out_report is filled in any case. */
MUST_CHECK bool migrate_run(const MigrateSpec *spec, Arena *arena, MigrateReport *out_report,
                            Error *err);
/* How many of what is pending are not above `up_to`. WRONG_STATE: the target is above it already. */
MUST_CHECK bool migrate_count(const History *history, const Revision *up_to, int *out_count,
                              Error *err);

typedef struct MigrateFix {
    const char *revision, *name;
    const char *what;     /* "recorded as applied", ... */
    const Script *record; /* NULL: the row goes */
} MigrateFix;

typedef struct MigrateFixes {
    MigrateFix *all;
    int count;
} MigrateFixes;

/* What must change for the history to say: everything up to `up_to` (NULL: nothing) is applied as the
 * files are now, and nothing else. */
void migrate_fixes(const History *history, const Scripts *scripts, const Revision *up_to,
                   Arena *arena, MigrateFixes *out_fixes);
/* Does that, in one transaction, and runs no script. `out_fixes`: what was changed. */
MUST_CHECK bool migrate_fix(const MigrateSpec *spec, Arena *arena, MigrateFixes *out_fixes,
                            Error *err);
