/*
 * lane - the applier's way to the server: prepared statements by key, queued in pipeline mode, and
 * the row count of each held against what it must be.
 *
 * Holds    nothing is known to have worked before lane_drain() returned true.
 * Cache    one prepared statement a key, made when first used; when LANE_STATEMENTS of them exist
 *          all are given up. What failed or was skipped is prepared again.
 * Threads  the applier's.
 * Errors   the server's, or APPLY_MISSING_ROW for a wrong row count; lane_failed() tells of which
 *          statement. Then the session is out of pipeline mode, and the transaction is the
 * caller's.
 */
#pragma once

#include "bascule/model/change.h"
#include "bascule/port/pgconn.h"

#define LANE_STATEMENTS 2000

typedef struct Lane Lane;
typedef struct LaneStatement LaneStatement;

/* What a statement is and does; copied. */
typedef struct LaneExpect {
    const char *what;           /* "INSERT", ...: a literal */
    const Relation *rel;        /* may be NULL */
    const Change *change;       /* when it stands for one change; may be NULL */
    int64_t min_rows, max_rows; /* max_rows < 0: any number */
    int64_t *add_rows;          /* the row count is added to it; may be NULL */
} LaneExpect;

Lane *lane_new(PgConn *conn); /* borrows the session */
void lane_free(Lane *lane);   /* NULL is fine; the session may be closed already */

/* The statement of this key; when *out_new, lane_prepare() must follow at once. */
MUST_CHECK bool lane_statement(Lane *lane, const void *key, size_t key_len,
                               LaneStatement **out_statement, bool *out_new, Error *err);
MUST_CHECK bool lane_prepare(Lane *lane, LaneStatement *statement, const Relation *rel, Sql sql,
                             Error *err);
MUST_CHECK bool lane_execute(Lane *lane, LaneStatement *statement, const PgParam *params,
                             int nparams, const LaneExpect *expect, Error *err);
/* Without a prepared statement. */
MUST_CHECK bool lane_send(Lane *lane, Sql sql, const PgParam *params, int nparams,
                          const LaneExpect *expect, Error *err);
/* Waits for all answers and leaves pipeline mode. */
MUST_CHECK bool lane_drain(Lane *lane, Error *err);
/* After a failure: drops what is queued and leaves pipeline mode as well as it goes. */
void lane_abandon(Lane *lane);
/* What failed last: NULL when it was no statement; *out_rows is its row count, -1 when the server
 * refused. */
const LaneExpect *lane_failed(const Lane *lane, int64_t *out_rows);
void lane_forget_failure(Lane *lane);
