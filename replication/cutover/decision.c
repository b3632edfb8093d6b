/*
 * decision - reads the two rows that decide, and takes a fence back.
 *
 * The fence row counts while it is not released; the verdict of its epoch says what became of it.
 * An epoch that was taken and never fenced has a verdict row without verdict and means nothing.
 * The two directions have a pair of rows each, with the sides exchanged and epochs that only grow
 * over both: opening a side releases the fence that it has from the other direction.
 */
#include <string.h>

#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "cutover/internal.h"
#include "sql_files.h"

typedef struct FenceRow {
    bool in_force;
    int64_t epoch, newest;
} FenceRow;

static bool read_fence(PgConn *conn, const char *task, FenceRow *out_row, Error *err)
{
    CLEANUP_PGROWS PgRows *objects = NULL;
    CLEANUP_PGROWS PgRows *fence = NULL;
    *out_row = (FenceRow){0};
    if (!pgconn_query(conn, SQL_FENCE_OBJECTS, PG_NO_PARAMS, &objects, err))
        return false;
    if (!pgrows_bool(objects, 0, 1))
        return true;
    if (!pgconn_query(conn, SQL_FENCE_ROW_READ, PG_PARAMS(PG_TEXT(task)), &fence, err))
        return false;
    *out_row = (FenceRow){
        .in_force = !pgrows_null(fence, 0, 0),
        .epoch = pgrows_i64(fence, 0, 0),
        .newest = pgrows_i64(fence, 0, 1),
    };
    return true;
}

static void note_newest(DecisionRows *rows, int64_t epoch)
{
    if (epoch > rows->newest_known)
        rows->newest_known = epoch;
}

/* What the other direction has left: its fence on the target, its verdicts on the source. */
static bool read_other_direction(PgConn *source, PgConn *target, const char *task,
                                 DecisionRows *rows, Error *err)
{
    CLEANUP_PGROWS PgRows *present = NULL;
    CLEANUP_PGROWS PgRows *verdict = NULL;
    FenceRow fence;
    if (!read_fence(target, task, &fence, err))
        return false;
    rows->target_fenced = fence.in_force;
    note_newest(rows, fence.newest);
    if (source == NULL)
        return true;
    if (!pgconn_query(source, SQL_CUTOVER_VERDICT_EXISTS, PG_NO_PARAMS, &present, err))
        return false;
    if (!pgrows_bool(present, 0, 0))
        return true;
    if (!pgconn_query(source, SQL_CUTOVER_VERDICT_READ, PG_PARAMS(PG_TEXT(task), PG_TEXT(NULL)),
                      &verdict, err))
        return false;
    note_newest(rows, pgrows_i64(verdict, 0, 1));
    return true;
}

static bool read_verdict(PgConn *target, const char *task, DecisionRows *rows, Error *err)
{
    CLEANUP_PGROWS PgRows *present = NULL;
    CLEANUP_PGROWS PgRows *verdict = NULL;
    char epoch[24];
    if (!pgconn_query(target, SQL_CUTOVER_VERDICT_EXISTS, PG_NO_PARAMS, &present, err))
        return false;
    if (!pgrows_bool(present, 0, 0))
        return true;
    snprintf(epoch, sizeof epoch, "%lld", (long long)rows->fence_epoch);
    if (!pgconn_query(target, SQL_CUTOVER_VERDICT_READ, PG_PARAMS(PG_TEXT(task), PG_TEXT(epoch)),
                      &verdict, err))
        return false;
    snprintf(rows->verdict, sizeof rows->verdict, "%s", pgrows_text(verdict, 0, 0));
    rows->newest_epoch = pgrows_i64(verdict, 0, 1);
    snprintf(rows->newest_verdict, sizeof rows->newest_verdict, "%s", pgrows_text(verdict, 0, 2));
    return true;
}

bool decision_read_rows(PgConn *source, PgConn *target, const char *task, DecisionRows *out_rows,
                        Error *err)
{
    DecisionRows rows = {0};
    FenceRow fence;
    if (!read_fence(source, task, &fence, err))
        return err_context(err, "reading what was decided");
    rows.fenced = fence.in_force;
    rows.fence_epoch = fence.epoch;
    note_newest(&rows, fence.newest);
    if (!read_verdict(target, task, &rows, err) ||
        !read_other_direction(source, target, task, &rows, err))
        return err_context(err, "reading what was decided");
    *out_rows = rows;
    return true;
}

CutoverDecision decision_of(const DecisionRows *rows, int64_t *out_epoch)
{
    /* A target with a fence of its own was opened once and left again: that verdict is history. */
    if (!rows->target_fenced && strcmp(rows->newest_verdict, "OPENED") == 0) {
        *out_epoch = rows->newest_epoch;
        return DECISION_OPENED;
    }
    *out_epoch = rows->fenced ? rows->fence_epoch : rows->newest_epoch;
    if (!rows->fenced)
        return DECISION_NONE;
    if (strcmp(rows->verdict, "OPENED") == 0)
        return DECISION_OPENED;
    return strcmp(rows->verdict, "REVOKED") == 0 ? DECISION_REVOKED : DECISION_FENCED;
}

bool cutover_read_decision(PgConn *source, PgConn *target, const char *task,
                           CutoverDecision *out_decision, int64_t *out_epoch, Error *err)
{
    DecisionRows rows = {0};
    if (source == NULL || target == NULL) {
        if (target != NULL && (!read_verdict(target, task, &rows, err) ||
                               !read_other_direction(NULL, target, task, &rows, err)))
            return false;
        *out_decision = decision_of(&rows, out_epoch);
        if (*out_decision != DECISION_OPENED)
            *out_decision = DECISION_UNKNOWN;
        return true;
    }
    if (!decision_read_rows(source, target, task, &rows, err))
        return false;
    *out_decision = decision_of(&rows, out_epoch);
    return true;
}

bool cutover_open_since(PgConn *target, const char *task, int64_t epoch, int64_t *out_open_us,
                        Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)epoch);
    if (!pgconn_query(target, SQL_CUTOVER_OPEN_SINCE, PG_PARAMS(PG_TEXT(task), PG_TEXT(number)),
                      &rows, err))
        return false;
    bool open = pgrows_count(rows) > 0 && !pgrows_null(rows, 0, 0);
    *out_open_us = open ? pgrows_i64(rows, 0, 0) : PROGRESS_UNKNOWN;
    return true;
}

bool cutover_fence_state(PgConn *conn, const char *task, int *out_total, int *out_armed, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(conn, SQL_FENCE_TRIGGERS, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return false;
    int armed = 0;
    for (int r = 0; r < pgrows_count(rows); r++)
        armed += pgrows_text(rows, r, 3)[0] == 'A';
    *out_total = pgrows_count(rows);
    *out_armed = armed;
    return true;
}

static bool set_revoked(PgConn *target, const char *task, int64_t epoch, bool *out_mine, Error *err)
{
    char number[24];
    int64_t affected = 0;
    snprintf(number, sizeof number, "%lld", (long long)epoch);
    if (!pgconn_exec(target, SQL_CUTOVER_DURABLE, PG_NO_PARAMS, NULL, err) ||
        !pgconn_exec(target, SQL_CUTOVER_VERDICT_REVOKE, PG_PARAMS(PG_TEXT(task), PG_TEXT(number)),
                     &affected, err))
        return err_context(err, "revoking epoch %lld", (long long)epoch);
    *out_mine = affected == 1;
    return true;
}

bool cutover_revoke(PgConn *source, PgConn *target, const char *task, Error *err)
{
    DecisionRows rows = {0};
    int64_t epoch = 0;
    bool mine = false;
    if (!decision_read_rows(source, target, task, &rows, err))
        return false;
    CutoverDecision decision = decision_of(&rows, &epoch);
    if (decision == DECISION_NONE)
        return true;
    if (decision == DECISION_FENCED) {
        if (!set_revoked(target, task, epoch, &mine, err) ||
            !decision_read_rows(source, target, task, &rows, err))
            return false;
        decision = decision_of(&rows, &epoch);
    }
    if (decision == DECISION_OPENED) {
        ERR(err, ERR_WRONG_STATE, "the %s of task '%s' is open since epoch %lld: too late to abort",
            pgconn_side(target), task, (long long)epoch);
        return err_hint(err, "Writes may be there already: 'bascule rollback' takes them along.");
    }
    FAULT(CUTOVER_REVOKED);
    if (!fence_release(source, task, epoch, err))
        return false;
    if (mine)
        log_info("revoked, the %s takes writes again task=%s epoch=%lld", pgconn_side(source), task,
                 (long long)epoch);
    return true;
}
