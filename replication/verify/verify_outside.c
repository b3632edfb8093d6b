/* verify_outside - rows of the target that a filter leaves out: they are others', and no difference. Nothing
 * depends on their number, so a failure leaves it unknown. */
#include "bascule/base/log.h"
#include "sqltext/reading.h"
#include "verify/verify_internal.h"

static bool count_outside(PgConn *target, const Relation *rel, int64_t *out, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    sqltext_put(&st, "SELECT pg_catalog.count(*) FROM ");
    if (rel->has_children)
        sqltext_put(&st, "ONLY ");
    sqltext_qualified(&st, rel->target_schema, rel->target_name);
    reading_outside(&st, rel, false);
    if (!pgconn_query(target, sqltext_sql(&st), PG_NO_PARAMS, &rows, err))
        return false;
    *out = pgrows_i64(rows, 0, 0);
    return true;
}

void verify_outside(VerifyRun *run)
{
    PgConn *target = run->probe[SIDE_TARGET];
    bool whole = run->spec.what == VERIFY_ROWS || run->spec.what == VERIFY_COUNTS;
    for (int i = 0; whole && i < run->plan_count; i++) {
        VerifyTable *out = run->plans[i].out;
        Error err = ERROR_INIT;
        if (run->plans[i].rel->filter == NULL || !pgconn_usable(target) ||
            pgconn_in_transaction(target))
            continue;
        if (!count_outside(target, run->plans[i].rel, &out->outside, &err))
            log_warn("rows of table '%s' outside of its filter are not counted: %s",
                     run->plans[i].rel->display, err.message);
    }
}
