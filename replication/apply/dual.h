/*
 * dual - what the applier knows of rows that the application writes on both sides (target_writes:
 * dual-write): counts, and the conflicts that may still turn out to be none.
 *
 * Motion   a row of the target may be ahead of the stream: then a later change of the source brings the
 *          very row that the target had. Until the settle time has passed and the stream has come to
 *          what the source had written by then, each later change of the row is held against the
 *          record, and a record that it explains is taken back.
 * Held     a conflict that waits for a person leaves the target's row alone, later changes of it too, until
 *          it is decided; once one of policy `error` has settled dual_go_on() says so.
 * Undo     what a transaction of the target did to this is kept by dual_committed(), or undone by
 *          dual_rolled_back().
 * NULL     stands for "nobody else writes here": the functions that take it where nothing is met yet do
 *          nothing then.
 * Threads  the applier's.
 */
#pragma once

#include "bascule/model/flow.h"
#include "bascule/model/progress.h"
#include "bascule/port/pgconn.h"

typedef struct DualPending {
    int64_t id;
    uint32_t rel_id;
    bool missing; /* the target has no row with this key: the source's DELETE explains it */
    bool held;
    bool stops;                /* policy `error` */
    int64_t found_us;          /* monotonic */
    Lsn until_lsn;             /* what the source had written when the settle time had passed */
    bool added, taken;         /* in the transaction that is open */
    bool settled;              /* likewise */
    bool stays;                /* it has settled before and is still held */
    struct DualPending *older; /* of the same row */
    size_t key_len;
    char key[];
} DualPending;

typedef struct DualCounts {
    int64_t already; /* inserts that the target had, equal in every column */
    int64_t ahead;   /* conflicts taken back */
    int64_t gone;    /* deletes of rows that were not there */
    int64_t recorded, waiting;
} DualCounts;

typedef struct Dual Dual;

Dual *dual_new(const char *task, int64_t settle_us, Progress *progress);
void dual_free(Dual *dual); /* NULL is fine */
const char *dual_task(const Dual *dual);
/* What the target has recorded; makes the table when it is not there. */
MUST_CHECK bool dual_load(Dual *dual, PgConn *target, const Relations *rels, Error *err);
MUST_CHECK bool dual_make_table(PgConn *target, Error *err);
/* Counts of the transaction that is open. */
DualCounts *dual_counts(Dual *dual);

/* `key` is a row in which the key columns are set. The newest, and by it the older ones; NULL: no conflict of
 * this row is pending. */
DualPending *dual_find(Dual *dual, const Relation *rel, const Value *key);
void dual_add(Dual *dual, const Relation *rel, const Value *key, const DualPending *like);
void dual_take_back(Dual *dual, DualPending *pending);
/* Somebody has decided it: nothing is held against it any more. */
void dual_forget(Dual *dual, DualPending *pending);
/* Does it change a row of which a conflict is pending? */
bool dual_touches(Dual *dual, const Flow *flow);

bool dual_due(Dual *dual);
/* Inside the transaction: records what has settled. */
MUST_CHECK bool dual_settle(Dual *dual, PgConn *target, Error *err);
void dual_committed(Dual *dual);
void dual_rolled_back(Dual *dual);
/* CONFLICT when one that has settled waits for a person. */
MUST_CHECK bool dual_go_on(const Dual *dual, Error *err);
