/*
 * commit - the point of no return and what comes after it.
 *
 * Before the fence's COMMIT is sent, the target's transaction that opens it is complete but for its
 * own COMMIT: whatever can fail in it (a lock, a missing trigger) fails while a ROLLBACK still
 * gives everything back, and the time in which neither side takes writes is one round trip. A
 * COMMIT whose answer is lost is never guessed at: the lock session's advisory lock shows when that
 * session has ended, and then the row is there or it is not. On the target the verdict's row lock
 * does the same.
 */
#include <stdio.h>
#include <string.h>

#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "cutover/internal.h"
#include "sql_files.h"

#define ANSWER_US 10000000 /* a COMMIT that is not answered by then is taken for lost */
#define ASK_US    30000000 /* how long to look for what became of it */
#define OPEN_US   60000000 /* how long to try to open the target */
#define RETRY_US  100000

/* Ends the waits of a session when the time has come: for calls that must not hang for ever. */
typedef struct Alarm {
    StopToken *cancel, *fire;
    int64_t at_us;
    Worker *worker;
} Alarm;

static StepResult alarm_step(void *self, Error *err)
{
    Alarm *alarm = self;
    (void)err;
    stop_poll(alarm->cancel, -1, 0, alarm->at_us);
    if (!stop_requested(alarm->cancel))
        stop_request(alarm->fire);
    return STEP_DONE;
}

static void alarm_off(Alarm *alarm)
{
    if (alarm->cancel == NULL)
        return;
    stop_request(alarm->cancel);
    if (alarm->worker != NULL)
        worker_join(alarm->worker, NULL);
    stop_free(alarm->cancel);
    *alarm = (Alarm){0};
}

/* On failure there is nothing to switch off. */
static bool alarm_set(Alarm *alarm, StopToken *fire, int64_t in_us, Error *err)
{
    *alarm = (Alarm){.cancel = stop_new(), .fire = fire, .at_us = clock_now_us() + in_us};
    WorkerSpec spec = {.name = "cutover-alarm", .self = alarm, .step = alarm_step};
    alarm->worker = worker_start(&spec, alarm->cancel, err);
    if (alarm->worker == NULL)
        alarm_off(alarm);
    return alarm->worker != NULL;
}

/* The target's transaction
 * -------------------------------------------------------------------------- */

static void put_enable(SqlText *out, const PgRows *rows, int r)
{
    char was = pgrows_text(rows, r, 3)[0];
    sqltext_put(out, "ALTER TABLE ONLY ");
    sqltext_qualified(out, pgrows_text(rows, r, 0), pgrows_text(rows, r, 1));
    if (was == 'A')
        sqltext_put(out, " ENABLE ALWAYS TRIGGER ");
    else if (was == 'R')
        sqltext_put(out, " ENABLE REPLICA TRIGGER ");
    else
        sqltext_put(out, " ENABLE TRIGGER ");
    sqltext_ident(out, pgrows_text(rows, r, 2));
    sqltext_put(out, ";\n");
}

static bool write_triggers(Cutover *cut, SqlText *out, Error *err)
{
    CLEANUP_PGROWS PgRows *disabled = NULL;
    int fences = 0;
    if (!pgconn_query(cut->target, SQL_CUTOVER_DISABLED_TRIGGERS,
                      PG_PARAMS(PG_TEXT(cut->spec->task)), &disabled, err))
        return false;
    for (int r = 0; r < pgrows_count(disabled); r++)
        put_enable(out, disabled, r);
    return fence_write_disarm(cut->target, cut->spec->task, out, &fences, err);
}

/* Whoever still applies what comes back finds the position moved, and cannot commit. */
static bool end_stream_back(Cutover *cut, Error *err)
{
    int64_t affected = 0;
    if (cut->spec->discard == NULL)
        return true;
    const ExportTotals *totals = export_totals(cut->spec->discard->export);
    LsnText from = lsn_text(totals->from_lsn), to = lsn_text(totals->up_to_lsn);
    if (!pgconn_exec(cut->target, SQL_APPLY_RESUME_MOVE,
                     PG_PARAMS(PG_TEXT(cut->spec->task), PG_TEXT(from.text), PG_TEXT(to.text),
                               PG_TEXT(NULL), PG_TEXT("0")),
                     &affected, err))
        return false;
    return affected == 1 ||
           ERR(err, ERR_WRONG_STATE, "something was still applied on the %s after " LSN_FMT,
               TO_SIDE(cut), LSN_ARGS(totals->from_lsn));
}

static bool begin_opening(Cutover *cut, int64_t wait_us, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_put(&st, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\nSET LOCAL lock_timeout = ");
    sqltext_i64(&st, wait_us > 10000 ? wait_us / 1000 : 10);
    return pgconn_script(cut->target, sqltext_sql(&st), err);
}

static void roll_back_opening(Cutover *cut)
{
    Error ignored = ERROR_INIT;
    if (cut->target != NULL && pgconn_usable(cut->target) && pgconn_in_transaction(cut->target) &&
        !pgconn_script(cut->target, SQL("ROLLBACK"), &ignored))
        log_debug("rollback of the opening: %s", ignored.message);
    cut->opening_prepared = false;
}

/* All of it but the COMMIT. *out_mine false: the verdict had been decided. */
static bool prepare_opening(Cutover *cut, int64_t wait_us, bool *out_mine, Error *err)
{
    char epoch[24];
    int64_t affected = 0;
    CLEANUP_SQLTEXT SqlText triggers = SQLTEXT_INIT;
    const char *task = cut->spec->task;
    snprintf(epoch, sizeof epoch, "%lld", (long long)cut->epoch);
    bool ok = begin_opening(cut, wait_us, err) &&
              pgconn_exec(cut->target, SQL_CUTOVER_VERDICT_OPEN,
                          PG_PARAMS(PG_TEXT(task), PG_TEXT(epoch)), &affected, err);
    if (ok && affected == 1) {
        ok = write_triggers(cut, &triggers, err) &&
             (triggers.buf.len == 0 || pgconn_script(cut->target, sqltext_sql(&triggers), err)) &&
             pgconn_exec(cut->target, SQL_CUTOVER_DISABLED_FORGET, PG_PARAMS(PG_TEXT(task)), NULL,
                         err) &&
             fence_forget(cut->target, task, err) && end_stream_back(cut, err) &&
             pgconn_exec(
                 cut->target, SQL_CUTOVER_TASK_OPEN,
                 PG_PARAMS(PG_TEXT(task), PG_TEXT(cut->spec->back ? "rolled-back" : "cut-over")),
                 NULL, err);
    }
    if (!ok || affected != 1)
        roll_back_opening(cut);
    if (!ok)
        return err_context(err, "preparing to open the %s", TO_SIDE(cut));
    *out_mine = cut->opening_prepared = affected == 1;
    return true;
}

/* The rehearsal ends where the next step could not be taken back: with the opening prepared, as far
 * as it can be undone. */
CutoverFsmEvent cutover_end_rehearsal(Cutover *cut, Error *err)
{
    bool mine = false;
    char shown[32];
    cut->step_us = clock_now_us();
    int64_t wait_us = cut->freeze.watchdog_us - cut->step_us;
    if (!prepare_opening(cut, wait_us, &mine, err) || cutover_given_up(cut, err)) {
        cutover_fail(cut, err);
        return cutover_give_back(cut, err);
    }
    roll_back_opening(cut);
    cutover_phase(cut, "opening");
    freeze_give_back(cut);
    cut->report->downtime_us = freeze_released_us(&cut->freeze) - cut->freeze.begun_us;
    cutover_tell(cut, "done", false, "rehearsed: writes waited %s and were given back",
                 clock_format_duration(cut->report->downtime_us, shown, sizeof shown));
    if (!control_journal(cut->target, cut->spec->task, cut->epoch, "rehearsed",
                         cut->report->plan_hash, err))
        return cutover_fail(cut, err);
    return CUT_EV_DONE;
}

/* The source's COMMIT
 * ------------------------------------------------------------------------------- */

static bool raise_again(Cutover *cut, Error *err)
{
    /* nextval() is not stopped by any lock: what was drawn since is made up for. */
    int raised = 0;
    if (!cutover_raise_sequences(cut, &raised, err))
        return err_context(err, "setting the sequences again");
    cut->report->sequences_total = cut->sequences.count;
    cut->report->sequences_raised += raised;
    return true;
}

/* From this COMMIT on nothing may stream back any more what is in the file. */
static bool mark_discarded(Cutover *cut, Error *err)
{
    return cut->spec->discard == NULL ||
           pgconn_exec(cut->freeze.conn, SQL_CUTOVER_TASK_OPEN,
                       PG_PARAMS(PG_TEXT(cut->spec->task), PG_TEXT("rolled-back")), NULL, err);
}

static bool write_fence_row(Cutover *cut, Error *err)
{
    char epoch[24];
    LsnText barrier = lsn_text(cut->report->barrier_lsn);
    snprintf(epoch, sizeof epoch, "%lld", (long long)cut->epoch);
    return pgconn_exec(cut->freeze.conn, SQL_CUTOVER_DURABLE, PG_NO_PARAMS, NULL, err) &&
           pgconn_exec(cut->freeze.conn, SQL_FENCE_ROW_WRITE,
                       PG_PARAMS(PG_TEXT(cut->spec->task), PG_TEXT(epoch), PG_TEXT(barrier.text),
                                 PG_TEXT(cut->spec->new_primary)),
                       NULL, err) &&
           way_back_start(cut, cut->freeze.conn, err) && mark_discarded(cut, err);
}

static CutoverFsmEvent send_commit(Cutover *cut, Error *err)
{
    bool lose = FAULT_ERROR(CUTOVER_COMMIT_SENT, err); /* a test: the answer does not come */
    bool ok = pgconn_script(cut->freeze.conn, SQL("COMMIT"), err);
    if (ok)
        return lose ? CUT_EV_LOST : CUT_EV_COMMITTED;
    /* An answer that says no is an answer. */
    bool refused = err->sqlstate[0] != '\0' && strncmp(err->sqlstate, "08", 2) != 0 &&
                   pgconn_usable(cut->freeze.conn);
    return refused ? CUT_EV_FAILED : CUT_EV_LOST;
}

static CutoverFsmEvent commit_fence(Cutover *cut, Error *err)
{
    Alarm alarm;
    CutoverFsmEvent event = CUT_EV_FAILED;
    if (!freeze_take(cut, err))
        return CUT_EV_FAILED;
    if (alarm_set(&alarm, cut->freeze.stop, ANSWER_US, err) && write_fence_row(cut, err))
        event = send_commit(cut, err);
    alarm_off(&alarm);
    return event;
}

CutoverFsmEvent cutover_commit(Cutover *cut, Error *err)
{
    bool mine = false;
    cut->step_us = clock_now_us();
    int64_t wait_us = cut->freeze.watchdog_us - cut->step_us;
    if (!cut->spec->stop_apply(cut->spec->engine, err) || !raise_again(cut, err) ||
        !way_back_advance(cut, err) || !prepare_opening(cut, wait_us, &mine, err))
        return cutover_fail(cut, err);
    if (!mine) {
        ERR(err, ERR_WRONG_STATE, "epoch %lld was revoked while it was under way",
            (long long)cut->epoch);
        return cutover_fail(cut, err);
    }
    CutoverFsmEvent event = commit_fence(cut, err);
    if (event == CUT_EV_FAILED) {
        err_context(err, "committing the fence");
        return cutover_fail(cut, err);
    }
    if (event == CUT_EV_COMMITTED) {
        cutover_phase(cut, "commit");
        cutover_tell(cut, "commit", false, "the %s refuses writes for good", FROM_SIDE(cut));
        FAULT(CUTOVER_COMMITTED);
    } else {
        cutover_tell(cut, "commit", true, "the answer was lost (%s), asking the %s", err->message,
                     FROM_SIDE(cut));
    }
    return event;
}

/* A lost answer
 * ------------------------------------------------------------------------------------- */

static bool old_session_gone(PgConn *conn, const Cutover *cut, bool *out_gone, Error *err)
{
    CLEANUP_PGROWS PgRows *locked = NULL;
    CLEANUP_BUF Buf what = BUF_INIT;
    buf_printf(&what, "lock session of %s", cut->spec->task);
    if (!pgconn_query(conn, SQL_CUTOVER_TRY_LOCK, PG_PARAMS(PG_TEXT(buf_str(&what))), &locked, err))
        return false;
    *out_gone = pgrows_bool(locked, 0, 0);
    return true;
}

static bool terminate_old_session(PgConn *conn, const Cutover *cut, Error *err)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%u", cut->freeze.pid);
    return pgconn_exec(conn,
                       SQL("SELECT pg_catalog.pg_terminate_backend(a.pid) FROM "
                           "pg_catalog.pg_stat_activity a WHERE a.pid = $1::pg_catalog.int4 AND "
                           "a.application_name LIKE 'bascule:%'"),
                       PG_PARAMS(PG_TEXT(pid)), NULL, err);
}

static bool ask_once(Cutover *cut, PgConn *conn, bool *out_known, bool *out_committed, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    char epoch[24];
    bool gone = false;
    *out_known = false;
    if (!old_session_gone(conn, cut, &gone, err))
        return false;
    if (!gone)
        return terminate_old_session(conn, cut, err);
    snprintf(epoch, sizeof epoch, "%lld", (long long)cut->epoch);
    if (!pgconn_query(conn, SQL_CUTOVER_EPOCH_COMMITTED,
                      PG_PARAMS(PG_TEXT(cut->spec->task), PG_TEXT(epoch)), &rows, err))
        return false;
    *out_committed = pgrows_bool(rows, 0, 0);
    *out_known = true;
    return true;
}

CutoverFsmEvent cutover_ask(Cutover *cut, Error *err)
{
    bool known = false, committed = false;
    Error lost = *err;
    Alarm alarm;
    StopToken *stop = stop_new();
    pgconn_close(cut->freeze.conn);
    cut->freeze.conn = NULL;
    PgConn *conn = NULL;
    if (alarm_set(&alarm, stop, ASK_US, err)) {
        while (!known && !stop_requested(stop)) {
            if (conn == NULL || !pgconn_usable(conn)) {
                pgconn_close(conn);
                conn = cutover_connect(&cut->spec->source, stop, "cutover-ask", err);
            }
            if (conn != NULL && !ask_once(cut, conn, &known, &committed, err))
                log_debug("asking for the fence row: %s", err->message);
            if (!known)
                stop_wait(stop, RETRY_US);
        }
    }
    alarm_off(&alarm);
    pgconn_close(conn);
    stop_free(stop);
    if (!known) {
        char why[512];
        snprintf(why, sizeof why, "%.500s", err->message);
        ERR(err, ERR_UNDECIDED,
            "the fence's COMMIT of epoch %lld was sent, its answer was lost, and the %s does not "
            "say what became of it: %s",
            (long long)cut->epoch, FROM_SIDE(cut), why);
        err_hint(err,
                 "Do not write to either side. Run 'bascule %s' again when the %s answers: it "
                 "reads the decision and goes on, or 'bascule abort' to take the fence back.",
                 cutover_command(cut), FROM_SIDE(cut));
        return CUT_EV_UNKNOWN;
    }
    cutover_phase(cut, "commit");
    cutover_tell(cut, "commit", false, "the %s says: %scommitted", FROM_SIDE(cut),
                 committed ? "" : "not ");
    *err = lost;
    if (committed)
        return CUT_EV_COMMITTED;
    freeze_give_back(cut);
    freeze_explain_silence(cut, err);
    return cutover_fail(cut, err);
}

/* Opening
 * ------------------------------------------------------------------------------------------- */

static CutoverFsmEvent read_verdict(Cutover *cut, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    char epoch[24];
    snprintf(epoch, sizeof epoch, "%lld", (long long)cut->epoch);
    if (!pgconn_query(cut->target, SQL_CUTOVER_VERDICT_READ,
                      PG_PARAMS(PG_TEXT(cut->spec->task), PG_TEXT(epoch)), &rows, err))
        return CUT_EV_UNKNOWN;
    if (strcmp(pgrows_text(rows, 0, 0), "OPENED") == 0)
        return CUT_EV_OPENED;
    if (strcmp(pgrows_text(rows, 0, 0), "REVOKED") == 0) {
        ERR(err, ERR_ABORTED, "epoch %lld was revoked: the %s stays the primary",
            (long long)cut->epoch, FROM_SIDE(cut));
        return CUT_EV_REVOKED;
    }
    ERR(err, ERR_TARGET_STATE, "the %s has no verdict row for epoch %lld", TO_SIDE(cut),
        (long long)cut->epoch);
    return CUT_EV_UNKNOWN;
}

/* CUT_EV_UNKNOWN: not yet, *err says why. */
static CutoverFsmEvent open_once(Cutover *cut, int64_t wait_us, Error *err)
{
    bool mine = false;
    if (cut->target == NULL || !pgconn_usable(cut->target)) {
        pgconn_close(cut->target);
        cut->opening_prepared = false;
        cut->target = cutover_connect(&cut->spec->target, cut->opening_stop, "cutover-open", err);
        if (cut->target == NULL ||
            !pgconn_exec(cut->target, SQL_CUTOVER_DURABLE, PG_NO_PARAMS, NULL, err))
            return CUT_EV_UNKNOWN;
    }
    if (!cut->opening_prepared) {
        if (!prepare_opening(cut, wait_us, &mine, err))
            return CUT_EV_UNKNOWN;
        if (!mine)
            return read_verdict(cut, err);
    }
    cut->opening_prepared = false;
    return pgconn_script(cut->target, SQL("COMMIT"), err) ? CUT_EV_OPENED : CUT_EV_UNKNOWN;
}

static CutoverFsmEvent open_target(Cutover *cut, Error *err)
{
    CutoverFsmEvent event = CUT_EV_UNKNOWN;
    Alarm first, alarm;
    Error last = ERROR_INIT;
    /* The session that is open already waits on give_up, later ones on opening_stop. */
    if (alarm_set(&first, cut->give_up, ANSWER_US, err) &&
        alarm_set(&alarm, cut->opening_stop, OPEN_US, err)) {
        for (;;) {
            event = open_once(cut, ANSWER_US, err);
            if (event != CUT_EV_UNKNOWN || stop_requested(cut->opening_stop))
                break;
            last = *err;
            roll_back_opening(cut);
            log_info("the %s could not be opened yet, trying again: %s", TO_SIDE(cut),
                     err->message);
            stop_wait(cut->opening_stop, RETRY_US);
        }
        alarm_off(&alarm);
    }
    alarm_off(&first);
    if (event == CUT_EV_UNKNOWN) {
        const Error *why = last.cls != ERR_NONE ? &last : err;
        char text[512];
        snprintf(text, sizeof text, "%.500s", why->message);
        ERR(err, ERR_UNDECIDED, "the %s is fenced (epoch %lld), but the %s could not be opened: %s",
            FROM_SIDE(cut), (long long)cut->epoch, TO_SIDE(cut), text);
        err_hint(err,
                 "Run 'bascule %s' again when the %s answers: it opens it. To give writes back "
                 "to the %s instead, run 'bascule abort'; see docs/operations/rollback.md.",
                 cutover_command(cut), TO_SIDE(cut), FROM_SIDE(cut));
    }
    return event;
}

CutoverFsmEvent cutover_open(Cutover *cut, Error *err)
{
    cut->step_us = clock_now_us();
    CutoverFsmEvent event = open_target(cut, err);
    if (event == CUT_EV_OPENED) {
        cut->report->opened_wall_us = clock_wall_us();
        if (cut->freeze.begun_us != 0)
            cut->report->downtime_us = clock_now_us() - cut->freeze.begun_us;
        FAULT(CUTOVER_OPENED);
        cutover_phase(cut, "open");
        cutover_tell(cut, "open", false, "the %s takes writes", TO_SIDE(cut));
    }
    return event;
}

/* What a crash left between the fence's COMMIT and the verdict: all was proven before that COMMIT,
 * and nothing was written since but what nextval() drew. */
CutoverFsmEvent cutover_finish_open(Cutover *cut, Error *err)
{
    cut->rolling_forward = true;
    cutover_tell(cut, "open", false, "epoch %lld is fenced and not open: opening the %s",
                 (long long)cut->epoch, TO_SIDE(cut));
    if (!cut->spec->stop_apply(cut->spec->engine, err) || !raise_again(cut, err) ||
        !way_back_recall(cut, err)) {
        cutover_fail(cut, err);
        err_context(err, "rolling forward epoch %lld", (long long)cut->epoch);
        return CUT_EV_UNKNOWN;
    }
    freeze_watch_stop(cut);
    return cutover_open(cut, err);
}
