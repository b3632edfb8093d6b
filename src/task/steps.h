/*
 * steps - the schema scripts as the configuration means them: which folder, when, and whether by
 * themselves; each script in the log and in the audit.
 */
#pragma once

#include "config/config.h"
#include "schema/migrate.h"

typedef struct Steps {
    bool configured; /* schema.scripts is set; else nothing of what follows is */
    bool after_load; /* between load and stream */
    bool automatic;
    int64_t timeout_us;
    PgEndpoint target;
    Scripts scripts;
} Steps;

/* What `status` shows. */
typedef struct StepsStatus {
    bool configured;
    const char *state;    /* "pending_migrations", ...; NULL not known */
    const char *revision; /* newest that is applied; NULL none */
    int applied, pending;
    int64_t last_ms; /* duration of the newest one; -1 not known */
    bool last_failed;
} StepsStatus;

/* Reads the folder; connects to nothing. */
MUST_CHECK bool steps_open(const Config *config, StopToken *stop, Arena *arena, Steps *out_steps,
                           Error *err);
/* Where the target stands. */
MUST_CHECK bool steps_look(const Steps *steps, Arena *arena, History *out_history, Error *err);
/* Runs what is pending up to that revision (NULL: all). */
MUST_CHECK bool steps_migrate(const Steps *steps, const Revision *up_to, Arena *arena,
                              MigrateReport *out_report, Error *err);
MUST_CHECK bool steps_fix(const Steps *steps, const Revision *up_to, Arena *arena,
                          MigrateFixes *out_fixes, Error *err);

/* At the moment that schema.when names, for a `run`: nothing to do, done by itself, or refused with
 * the pending scripts named (SCHEMA_PENDING, SCHEMA_HISTORY). */
MUST_CHECK bool steps_due(const Steps *steps, Arena *arena, Error *err);
/* The moment has passed: what is pending is only told. */
void steps_late(const Steps *steps, Arena *arena);
/* Never fails: what cannot be learned is unknown. */
StepsStatus steps_status(const Steps *steps, Arena *arena);
