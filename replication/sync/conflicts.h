/*
 * conflicts - what people see of the rows that both sides wrote (bascule.conflict), and what they decide.
 *
 * Deciding needs no engine and may happen beside one: the record is locked from before the winner's row is
 * read until it says so, and the applier keeps later changes of the row back only while it does not. What
 * the stream brings afterwards it holds against the target like every other row.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/port/pgconn.h"

typedef struct ConflictRow { /* texts; NULL is NULL */
    const char *id, *table, *kind, *key, *source_row, *target_row, *columns, *lsn, *xid;
    const char *commit_time, *seen_at, *policy, *decision, *resolved_at, *resolved_by;
    bool settled;
} ConflictRow;

typedef struct ConflictFilter {
    const char *id, *kind; /* NULL: any */
    bool unresolved;
    int64_t limit;
} ConflictFilter;

/* The newest first. None when the task never had dual writes. */
MUST_CHECK bool conflicts_list(PgConn *target, const char *task, const ConflictFilter *filter,
                               Arena *arena, ConflictRow **out_rows, int *out_count, Error *err);
/* How many wait for a person. */
MUST_CHECK bool conflicts_waiting(PgConn *target, const char *task, int64_t *out_waiting,
                                  Error *err);

/* Holds the tables against the target: once, before conflicts_resolve(). */
MUST_CHECK bool conflicts_begin(PgConn *target, Relations *rels, Error *err);

typedef enum ConflictTake {
    CONFLICT_TAKE_NOTHING,
    CONFLICT_TAKE_OF_SOURCE,
    CONFLICT_TAKE_OF_TARGET
} ConflictTake;

/* SOURCE: the target gets the row that the source has now; TARGET: the other way round; NOTHING: both stay
 * as they are. USAGE: there is no such conflict. WRONG_STATE: it was decided, and nothing is to be taken.
 * *out_decision: a word for people. */
MUST_CHECK bool conflicts_resolve(PgConn *source, PgConn *target, const Relations *rels,
                                  const char *task, const char *id, ConflictTake take,
                                  const char *who, const char **out_decision, Error *err);
