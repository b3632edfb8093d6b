/*
 * decision - reads the two rows that decide, and takes a fence back.
 *
 * The fence row counts while it is not released; the verdict of its epoch says what became of it.
 * An epoch that was taken and never fenced has a verdict row without verdict and means nothing.
 */
#include <string.h>

#include "bascule/base/log.h"
#include "cutover/internal.h"
#include "sql_files.h"

static bool read_fence(PgConn *source, const char *task, DecisionRows *rows, Error *err)
{
    CLEANUP_PGROWS PgRows *objects = NULL;
    CLEANUP_PGROWS PgRows *fence = NULL;
    if (!pgconn_query(source, SQL_FENCE_OBJECTS, PG_NO_PARAMS, &objects, err))
        return false;
    if (!pgrows_bool(objects, 0, 1))
        return true;
    if (!pgconn_query(source, SQL_FENCE_ROW_READ, PG_PARAMS(PG_TEXT(task)), &fence, err))
        return false;
    rows->fenced = !pgrows_null(fence, 0, 0);
    rows->fence_epoch = pgrows_i64(fence, 0, 0);
    rows->newest_fenced = pgrows_i64(fence, 0, 1);
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
    if (!read_fence(source, task, &rows, err) || !read_verdict(target, task, &rows, err))
        return err_context(err, "reading what was decided");
    *out_rows = rows;
    return true;
}

CutoverDecision decision_of(const DecisionRows *rows, int64_t *out_epoch)
{
    if (strcmp(rows->newest_verdict, "OPENED") == 0) {
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
        if (target != NULL && !read_verdict(target, task, &rows, err))
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
        ERR(err, ERR_WRONG_STATE,
            "the target of task '%s' is open since epoch %lld: too late to abort", task,
            (long long)epoch);
        return err_hint(err,
                        "Writes may be on the target already. See docs/operations/rollback.md.");
    }
    if (!fence_release(source, task, err))
        return false;
    if (mine)
        log_info("cutover revoked, the source takes writes again task=%s epoch=%lld", task,
                 (long long)epoch);
    return true;
}
