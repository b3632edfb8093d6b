/*
 * repair_internal - what the files of a repair share: one attempt.
 */
#pragma once

#include "apply/plan.h"
#include "apply/session.h"
#include "sync/repair.h"

typedef struct Repair {
    const RepairSpec *spec;
    RepairReport *report;
    Arena *arena; /* of the attempt */
    Arena *kept;  /* of the report */
    Twin *twin;
    PgConn *source,
        *target; /* each in its transaction at X; target is the session's when it writes */
    Session session;
    Plan *plan;
} Repair;

/* repair_rows.c: what is to be done with each row of the table, from both sides as they are at X. */
MUST_CHECK bool repair_judge(Repair *repair, const RepairTable *table, Error *err);
/* Writes what the actions say of a table. first: deletions (of what is replaced, too); else
 * insertions. While foreign keys are live: insertions and updates first, then deletions. */
MUST_CHECK bool repair_write(Repair *repair, const RepairTable *table, bool deletions, Error *err);
/* Read again in the same transaction: DIFFERENT when a row is not what the source has. */
MUST_CHECK bool repair_prove(Repair *repair, const RepairTable *table, Error *err);
