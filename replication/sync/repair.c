/*
 * repair - one attempt after another, until both sides could be had at one position. See the header.
 */
#include "sync/repair.h"

#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "sql_files.h"
#include "sync/repair_internal.h"
#include "verify/arrays.h"

#define ATTEMPTS_MOST  6
#define FIRST_WAIT_US  200000
#define STATEMENT_US   ((int64_t)10000000)
#define ONE_TABLE_ONLY "the target has no unique index on its key: make it, then repair"

const char *repair_action_name(RepairAction action)
{
    static const char *const NAMES[REPAIR_ACTION_COUNT] = {"equal", "insert", "replace", "delete",
                                                           "keep"};
    return NAMES[action];
}

static bool takes_part(const RepairTable *table)
{
    return table->refused[0] == '\0' && table->count > 0;
}

/* Nobody may wait for us longer than the applier may stand. */
static bool limit_statements(const Repair *repair, PgConn *conn, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    int64_t us = repair->spec->twin.hold_us > 0 ? repair->spec->twin.hold_us : STATEMENT_US;
    sqltext_put(&st, "SET LOCAL statement_timeout = ");
    sqltext_i64(&st, us / 1000);
    sqltext_put(&st, "; SET LOCAL lock_timeout = ");
    sqltext_i64(&st, us / 1000);
    sqltext_put(&st, "; SET LOCAL enable_hashjoin = on; SET LOCAL enable_seqscan = on");
    return pgconn_script(conn, sqltext_sql(&st), err);
}

/* A statement that ran into the limit: what stood in its way may be gone the next time. */
static bool too_long(Error *err)
{
    if (strcmp(err->sqlstate, "57014") == 0 && err->cls != ERR_STOPPED)
        err->cls = ERR_LAG;
    return false;
}

static void count_actions(RepairReport *report)
{
    memset(report->counts, 0, sizeof report->counts);
    for (int t = 0; t < report->table_count; t++) {
        const RepairTable *table = &report->tables[t];
        for (int i = 0; takes_part(table) && i < table->count; i++) {
            const RepairRow *row = &report->rows[table->first + i];
            report->counts[row->action] += row->action == REPAIR_EQUAL ? 1 : row->copies;
        }
    }
}

static bool judge_all(Repair *repair, Error *err)
{
    for (int t = 0; t < repair->report->table_count; t++)
        if (takes_part(&repair->report->tables[t]) &&
            !repair_judge(repair, &repair->report->tables[t], err))
            return false;
    return true;
}

static void close_all(Repair *repair)
{
    plan_free(repair->plan);
    pgconn_close(repair->source);
    if (repair->session.conn != NULL)
        session_close(&repair->session);
    else
        pgconn_close(repair->target);
    twin_free(repair->twin);
    arena_free(repair->arena);
}

static bool open_source(Repair *repair, Error *err)
{
    PgEndpoint source = repair->spec->twin.source;
    source.stop = repair->spec->stop;
    repair->source = pgconn_open(&source, PG_SESSION_SQL, "repair", err);
    return repair->source != NULL;
}

/* Looking ----------------------------------------------------------------------------------------- */

static bool look_once(Repair *repair, Error *err)
{
    PgEndpoint target = repair->spec->twin.target;
    target.stop = repair->spec->stop;
    if (!open_source(repair, err) ||
        (repair->target = pgconn_open(&target, PG_SESSION_SQL, "repair", err)) == NULL ||
        !twin_take(&repair->spec->twin, &repair->twin, err))
        return false;
    repair->report->lsn = twin_lsn(repair->twin);
    repair->report->held_us = twin_held_us(repair->twin);
    return twin_begin(repair->twin, repair->source, true, err) &&
           twin_begin(repair->twin, repair->target, false, err) &&
           limit_statements(repair, repair->source, err) &&
           limit_statements(repair, repair->target, err) && judge_all(repair, err);
}

/* Writing ----------------------------------------------------------------------------------------- */

static bool open_session(Repair *repair, Error *err)
{
    Lsn resume_lsn = LSN_UNKNOWN;
    PgEndpoint target = repair->spec->twin.target;
    target.stop = repair->spec->stop;
    if (!session_open(&repair->session, &target, repair->spec->twin.task, repair->spec->rels,
                      &resume_lsn, err))
        return false;
    repair->target = repair->session.conn;
    repair->plan = plan_new(repair->session.shapes, repair->session.live);
    for (int t = 0; t < repair->report->table_count; t++) {
        RepairTable *table = &repair->report->tables[t];
        const Relation *rel = table->rel;
        if (rel->key_unique && rel->key_count > 0 && !repair->session.shapes->all[rel->id].keyed)
            snprintf(table->refused, sizeof table->refused, ONE_TABLE_ONLY);
    }
    return true;
}

/* The resume row is ours until the transaction ends: nothing of the stream can be committed. */
static bool lock_the_stream(Repair *repair, void *hold, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    const TwinEngine *engine = &repair->spec->twin.engine;
    if (!pgconn_query(repair->target, SQL_VERIFY_RESUME,
                      PG_PARAMS(PG_TEXT(repair->spec->twin.task)), &rows, err))
        return false;
    if (pgrows_count(rows) != 1)
        return ERR(err, ERR_TARGET_STATE, "the target has no resume position for task '%s'",
                   repair->spec->twin.task);
    Lsn lsn = pgrows_lsn(rows, 0, 0);
    if (!session_begin(&repair->session, lsn, lsn, 0, SESSION_ROWS, true, err) ||
        !lane_drain(repair->session.lane, err)) {
        if (session_failed_at_resume(&repair->session) && err->cls == ERR_APPLY_MISSING_ROW)
            ERR(err, ERR_LAG, "the applier went on before the rows could be repaired");
        return false;
    }
    /* Still held now, so it stood at X when the row became ours. */
    return engine->check(hold, err);
}

static bool write_each(Repair *repair, bool deletions, Error *err)
{
    const Shapes *shapes = repair->session.shapes;
    int count = shapes->rels->count;
    for (int i = 0; i < count; i++) {
        int id = shapes->by_rank[deletions ? count - 1 - i : i];
        for (int t = 0; t < repair->report->table_count; t++) {
            const RepairTable *table = &repair->report->tables[t];
            if ((int)table->rel->id == id && takes_part(table) &&
                !repair_write(repair, table, deletions, err))
                return false;
        }
    }
    return true;
}

static bool mark(Repair *repair, const RepairTable *table, Error *err)
{
    CLEANUP_BUF Buf keys = BUF_INIT;
    CLEANUP_BUF Buf actions = BUF_INIT;
    LsnText lsn = lsn_text(repair->report->lsn);
    arrays_begin(&keys);
    arrays_begin(&actions);
    for (int i = 0; i < table->count; i++) {
        const RepairRow *row = &repair->report->rows[table->first + i];
        if (row->action == REPAIR_KEEP) /* nothing was done about it: it stays recorded */
            continue;
        arrays_put_text(&keys, row->key);
        arrays_put_text(&actions, repair_action_name(row->action));
    }
    return pgconn_exec(repair->target, SQL_REPAIR_MARK,
                       PG_PARAMS(PG_TEXT(repair->spec->twin.task), PG_TEXT(table->rel->schema),
                                 PG_TEXT(table->rel->name), PG_TEXT(arrays_end(&keys)),
                                 PG_TEXT(arrays_end(&actions)), PG_TEXT(lsn.text)),
                       NULL, err) ||
           err_context(err, "recording what was repaired");
}

static bool prove_and_mark(Repair *repair, Error *err)
{
    for (int t = 0; t < repair->report->table_count; t++) {
        const RepairTable *table = &repair->report->tables[t];
        if (takes_part(table) && (!repair_prove(repair, table, err) || !mark(repair, table, err)))
            return false;
    }
    return pgconn_exec(repair->target, SQL_REPAIR_STALE_RUNS,
                       PG_PARAMS(PG_TEXT(repair->spec->twin.task)), NULL, err);
}

static bool note(Repair *repair, Error *err)
{
    const int64_t *counts = repair->report->counts;
    LsnText lsn = lsn_text(repair->report->lsn);
    const char *text = arena_printf(
        repair->kept, "at %s: %lld rows inserted, %lld replaced, %lld deleted, %lld equal already",
        lsn.text, (long long)counts[REPAIR_INSERT], (long long)counts[REPAIR_REPLACE],
        (long long)counts[REPAIR_DELETE], (long long)counts[REPAIR_EQUAL]);
    return control_journal(repair->target, repair->spec->twin.task, repair->spec->epoch, "repair",
                           text, err);
}

static bool write_all(Repair *repair, void *hold, Error *err)
{
    bool live = repair->session.live;
    if (FAULT_ERROR(REPAIR_HELD, err) || !twin_begin(repair->twin, repair->source, true, err) ||
        !limit_statements(repair, repair->source, err) || !lock_the_stream(repair, hold, err) ||
        !limit_statements(repair, repair->target, err) || !judge_all(repair, err))
        return false;
    count_actions(repair->report);
    return write_each(repair, !live, err) && write_each(repair, live, err) &&
           prove_and_mark(repair, err) && note(repair, err) &&
           !FAULT_ERROR(REPAIR_BEFORE_COMMIT, err) && session_commit(&repair->session, err) &&
           !FAULT_ERROR(REPAIR_AFTER_COMMIT, err);
}

static bool write_once(Repair *repair, Error *err)
{
    const TwinSpec *twin = &repair->spec->twin;
    void *hold = NULL;
    /* What takes time and needs no standing applier comes first. */
    if (!open_source(repair, err) || !open_session(repair, err) ||
        !twin_take_standing(twin, &repair->twin, &hold, err))
        return false;
    int64_t begin_us = clock_now_us();
    repair->report->lsn = twin_lsn(repair->twin);
    bool ok = write_all(repair, hold, err);
    if (!ok)
        session_rollback(&repair->session);
    twin->engine.go_on(hold);
    repair->report->held_us = twin_held_us(repair->twin) + clock_now_us() - begin_us;
    return ok;
}

/* Attempts ---------------------------------------------------------------------------------------- */

static bool worth_another(const Error *err)
{
    ErrorAction action = err_action(err->cls);
    return action == ERR_ACTION_RETRY || action == ERR_ACTION_RECONNECT || err->cls == ERR_LAG ||
           err->cls == ERR_SLOT;
}

static bool attempt(const RepairSpec *spec, Arena *arena, RepairReport *report,
                    bool (*once)(Repair *repair, Error *err), Error *err)
{
    int64_t wait_us = FIRST_WAIT_US;
    for (int n = 1;; n++) {
        Repair repair = {.spec = spec, .report = report, .arena = arena_new(0), .kept = arena};
        bool ok = once(&repair, err) || too_long(err);
        close_all(&repair);
        if (ok || !worth_another(err) || n == ATTEMPTS_MOST ||
            (spec->stop != NULL && stop_requested(spec->stop)))
            return ok;
        log_error_value(LOG_WARN, err, "the repair is tried again");
        err_clear(err);
        if (stop_wait(spec->stop, wait_us))
            return ERR(err, ERR_STOPPED, "stopped before anything was repaired");
        wait_us *= 2;
    }
}

bool repair_plan(const RepairSpec *spec, Arena *arena, RepairReport *report, Error *err)
{
    if (!attempt(spec, arena, report, look_once, err))
        return err_context(err, "looking at the rows that differ");
    count_actions(report);
    return true;
}

static bool writes_row(const RepairRow *row)
{
    return row->action != REPAIR_EQUAL && row->action != REPAIR_KEEP;
}

static void tell(const RepairReport *report)
{
    for (int t = 0; t < report->table_count; t++) {
        const RepairTable *table = &report->tables[t];
        int64_t written = 0;
        for (int i = 0; takes_part(table) && i < table->count; i++)
            written += writes_row(&report->rows[table->first + i]);
        if (table->refused[0] != '\0')
            log_warn("table '%s' is not repaired: %s", table->rel->display, table->refused);
        else
            log_info("table repaired table=%s rows=%lld of=%d lsn=" LSN_FMT, table->rel->display,
                     (long long)written, table->count, LSN_ARGS(report->lsn));
    }
}

bool repair_apply(const RepairSpec *spec, Arena *arena, RepairReport *report, Error *err)
{
    if (!attempt(spec, arena, report, write_once, err))
        return err_context(err, "repairing");
    report->applied = true;
    tell(report);
    return true;
}
