/*
 * cleanup - what a task left on either side besides the fences (those are cutover's): slot,
 * publication, disabled triggers, control rows. Listed first, then removed; each statement is
 * idempotent.
 */
#pragma once

#include "bascule/base/arena.h"
#include "bascule/port/pgconn.h"
#include "sync/sync.h"

typedef struct CleanupPlan {
    const char **what;      /* "replication slot bascule_x" */
    const char **statement; /* as shown to the operator */
    int count;
    bool running; /* somebody holds the task's lock: nothing may be removed */
} CleanupPlan;

/* Slots and publication of these names on the source. */
MUST_CHECK bool sync_cleanup_source_list(PgConn *source, const SyncSpec *spec, Arena *arena,
                                         CleanupPlan *out_plan, Error *err);
MUST_CHECK bool sync_cleanup_source_run(PgConn *source, const SyncSpec *spec, Error *err);
/* Disabled triggers, control rows, and the schema with the last task. Run takes the task's lock
 * first and is refused with ALREADY_RUNNING while an engine lives. */
MUST_CHECK bool sync_cleanup_target_list(PgConn *target, const char *task, Arena *arena,
                                         CleanupPlan *out_plan, Error *err);
MUST_CHECK bool sync_cleanup_target_lock(PgConn *target, const char *task, Error *err);
MUST_CHECK bool sync_cleanup_target_run(PgConn *target, const char *task, Error *err);
