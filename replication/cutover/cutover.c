/*
 * cutover - walks the table: event, row, keep, action, event. Also what all steps share: sessions,
 * events, phases, and why it ended.
 */
#include "cutover/cutover.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "cutover/internal.h"
#include "sql_files.h"

/* Shared by the steps
 * ------------------------------------------------------------------------------- */

static int64_t frozen_for_us(const Cutover *cut, int64_t now_us)
{
    const Freeze *freeze = &cut->freeze;
    if (freeze->begun_us == 0 || freeze->state == FREEZE_RELEASED || freeze->state == FREEZE_NONE ||
        cut->report->opened_wall_us != 0)
        return -1;
    return now_us - freeze->begun_us;
}

void cutover_tell(Cutover *cut, const char *step, bool failed, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_info("%s %s: %s", cutover_command(cut), step, text);
    if (cut->spec->on_event == NULL)
        return;
    int64_t now_us = clock_now_us();
    CutoverEvent event = {
        .step = step,
        .text = text,
        .elapsed_us = now_us - cut->started_us,
        .frozen_us = frozen_for_us(cut, now_us),
        .failed = failed,
    };
    cut->spec->on_event(cut->spec->event_arg, &event);
}

void cutover_phase(Cutover *cut, const char *name)
{
    CutoverReport *report = cut->report;
    int64_t now_us = clock_now_us();
    if (report->phase_count < (int)(sizeof report->phases / sizeof report->phases[0]))
        report->phases[report->phase_count++] = (CutoverPhase){name, now_us - cut->step_us};
    cut->step_us = now_us;
}

const char *cutover_command(const Cutover *cut)
{
    return cut->spec->back ? "rollback" : "cutover";
}

bool cutover_given_up(Cutover *cut, Error *err)
{
    pthread_mutex_lock(&cut->lock);
    bool given_up = cut->freeze.gave_up;
    if (given_up)
        *err = cut->freeze.why;
    pthread_mutex_unlock(&cut->lock);
    return given_up;
}

CutoverFsmEvent cutover_fail(Cutover *cut, Error *err)
{
    Error failed = *err;
    /* What the stop token made fail is not the reason. */
    if (cutover_given_up(cut, err) || freeze_asked_to_end(cut, err))
        return CUT_EV_FAILED;
    *err = failed;
    freeze_explain_silence(cut, err);
    return CUT_EV_FAILED;
}

PgConn *cutover_connect(const PgEndpoint *endpoint, StopToken *stop, const char *what, Error *err)
{
    PgEndpoint with_stop = *endpoint;
    with_stop.stop = stop;
    return pgconn_open(&with_stop, PG_SESSION_SQL, what, err);
}

/* Actions of the beginning and the end
 * --------------------------------------------------------------- */

static bool lock_task(Cutover *cut, Error *err)
{
    CLEANUP_PGROWS PgRows *locked = NULL;
    CLEANUP_BUF Buf what = BUF_INIT;
    if (cut->spec->dry_run)
        return true;
    buf_printf(&what, "cutover of %s", cut->spec->task);
    if (!pgconn_query(cut->target, SQL_CUTOVER_TRY_LOCK, PG_PARAMS(PG_TEXT(buf_str(&what))),
                      &locked, err))
        return false;
    return pgrows_bool(locked, 0, 0) ||
           ERR(err, ERR_ALREADY_RUNNING, "another cutover of task '%s' is under way",
               cut->spec->task);
}

static CutoverFsmEvent read_rows(Cutover *cut, Error *err)
{
    DecisionRows rows;
    if (!decision_read_rows(cut->source, cut->target, cut->spec->task, &rows, err))
        return CUT_EV_FAILED;
    CutoverDecision decision = decision_of(&rows, &cut->epoch);
    cut->report->epoch = cut->epoch;
    cut->newest_known = rows.newest_known;
    switch (decision) {
    case DECISION_NONE:
        return CUT_EV_NOTHING;
    case DECISION_FENCED:
        return CUT_EV_FENCED;
    case DECISION_OPENED:
        return CUT_EV_OPENED;
    case DECISION_REVOKED:
        return CUT_EV_REVOKED;
    case DECISION_UNKNOWN:
        break;
    }
    return CUT_EV_FAILED;
}

/* What waits for somebody's lock outside the freeze waits for a while only. */
static bool settle_session(PgConn *conn, Error *err)
{
    return pgconn_exec(conn, SQL_CUTOVER_DURABLE, PG_NO_PARAMS, NULL, err) &&
           pgconn_script(conn, SQL("SET lock_timeout = '5s'"), err);
}

CutoverFsmEvent cutover_look(Cutover *cut, Error *err)
{
    cut->target = cutover_connect(&cut->spec->target, cut->give_up, "cutover", err);
    if (cut->target == NULL || !lock_task(cut, err))
        return cutover_fail(cut, err);
    cut->source = cutover_connect(&cut->spec->source, cut->give_up, "cutover", err);
    if (cut->source == NULL || !settle_session(cut->source, err) ||
        !settle_session(cut->target, err))
        return cutover_fail(cut, err);
    CutoverFsmEvent event = read_rows(cut, err);
    return event == CUT_EV_FAILED ? cutover_fail(cut, err) : event;
}

CutoverFsmEvent cutover_unfence(Cutover *cut, Error *err)
{
    if (!fence_release(cut->source, cut->spec->task, cut->epoch, err))
        return cutover_fail(cut, err);
    return CUT_EV_NOTHING;
}

CutoverFsmEvent cutover_unfence_revoked(Cutover *cut, Error *err)
{
    Error why = *err, failed = ERROR_INIT;
    PgConn *conn = cutover_connect(&cut->spec->source, cut->opening_stop, "cutover", &failed);
    if (conn == NULL || !fence_release(conn, cut->spec->task, cut->epoch, &failed)) {
        why = failed;
        err_context(&why, "epoch %lld was revoked, but the fence is still on",
                    (long long)cut->epoch);
        err_hint(&why, "Run 'bascule abort' when the %s answers.", FROM_SIDE(cut));
    }
    pgconn_close(conn);
    *err = why;
    return CUT_EV_FAILED;
}

CutoverFsmEvent cutover_already(Cutover *cut, Error *err)
{
    (void)err;
    cutover_tell(cut, "done", false, "the %s is open since epoch %lld: nothing to do", TO_SIDE(cut),
                 (long long)cut->epoch);
    cutover_refresh_views(cut);
    return CUT_EV_DONE;
}

CutoverFsmEvent cutover_finish(Cutover *cut, Error *err)
{
    char shown[32] = "unknown";
    (void)err;
    prove_keep(cut);
    prove_hand_over(cut);
    left_behind_tell(cut);
    cutover_refresh_views(cut);
    if (cut->report->downtime_us >= 0)
        clock_format_duration(cut->report->downtime_us, shown, sizeof shown);
    if (cut->rolling_forward)
        cutover_tell(cut, "done", false, "the %s is open; the %s stays fenced", TO_SIDE(cut),
                     FROM_SIDE(cut));
    else
        cutover_tell(cut, "done", false, "%s; writes waited %s",
                     cut->spec->back ? "rolled back" : "cut over", shown);
    return CUT_EV_DONE;
}

/* The opening that was prepared on the target is undone with its session. */
CutoverFsmEvent cutover_give_back(Cutover *cut, Error *err)
{
    bool frozen = cut->freeze.begun_us != 0;
    freeze_give_back(cut);
    pgconn_close(cut->target);
    cut->target = NULL;
    if (frozen && cut->freeze.released_us != 0)
        cut->report->downtime_us = freeze_released_us(&cut->freeze) - cut->freeze.begun_us;
    (void)err;
    return CUT_EV_FAILED;
}

/* The walk
 * ------------------------------------------------------------------------------------------ */

static bool keep(Cutover *cut, const CutoverRow *row, Error *err)
{
    if (row->keep != CUT_JOURNAL)
        return true;
    return control_journal(cut->target, cut->spec->task, cut->epoch,
                           cutover_fsm_state_name(row->to), row->comment, err);
}

/* For people who read the journal later; the decision rows are what counts. */
static void note_end(Cutover *cut, CutoverState state, const Error *err)
{
    Error ignored = ERROR_INIT;
    if (cut->spec->dry_run || cut->epoch == 0 || state == CUT_UNDECIDED || state == CUT_REHEARSED)
        return;
    if (cut->target == NULL || !pgconn_usable(cut->target)) {
        pgconn_close(cut->target);
        cut->target = cutover_connect(&cut->spec->target, cut->opening_stop, "cutover", &ignored);
    }
    if (cut->target != NULL &&
        !control_journal(cut->target, cut->spec->task, cut->epoch, cutover_fsm_state_name(state),
                         err->cls == ERR_NONE ? "open" : err->message, &ignored))
        log_debug("journal: %s", ignored.message);
}

static CutoverState walk(Cutover *cut, Error *err)
{
    CutoverState state = CUT_STREAMING;
    CutoverFsmEvent event = CUT_EV_START;
    do {
        const CutoverRow *row = cutover_fsm_next(cut, state, event);
        ASSERT(row != NULL);
        log_debug("cutover: %s + %s -> %s: %s", cutover_fsm_state_name(state),
                  cutover_fsm_event_name(event), cutover_fsm_state_name(row->to), row->comment);
        if (!keep(cut, row, err)) {
            event = cutover_fail(cut, err);
            row = cutover_fsm_next(cut, state, event);
            ASSERT(row != NULL);
        }
        state = row->to;
        if (row->action != NULL)
            event = moment_act(cut, row, err);
    } while (!cutover_fsm_terminal(state));
    if ((state == CUT_PLANNED || state == CUT_REHEARSED) && event == CUT_EV_FAILED)
        state = CUT_STREAMING;
    return state;
}

static void set_outcome(Cutover *cut, CutoverState state, const Error *err)
{
    const char *outcome = "aborted";
    bool armed = cut->freeze.conn != NULL || cut->freeze.begun_us != 0;
    if (state == CUT_PLANNED)
        outcome = "dry-run";
    else if (state == CUT_REHEARSED)
        outcome = "rehearsed";
    else if (state == CUT_OPEN)
        outcome = !cut->rolling_forward && cut->freeze.begun_us == 0 ? "already-done"
                  : cut->spec->back                                  ? "rolled-back"
                                                                     : "cut-over";
    else if (state == CUT_UNDECIDED && err->cls == ERR_UNDECIDED)
        outcome = "undecided";
    else if (!armed && err->cls != ERR_ABORTED)
        outcome = "refused";
    snprintf(cut->report->outcome, sizeof cut->report->outcome, "%s", outcome);
}

static void finish_run(Cutover *cut)
{
    freeze_watch_stop(cut);
    if (cut->spec->discard != NULL)
        export_set_stop(cut->spec->discard->export, NULL);
    compare_close(cut->compare);
    way_back_done(&cut->way_back);
    pgconn_close(cut->freeze.conn);
    pgconn_close(cut->source);
    pgconn_close(cut->target);
    stop_free(cut->freeze.stop);
    stop_free(cut->give_up);
    stop_free(cut->watch_stop);
    stop_free(cut->opening_stop);
    pthread_mutex_destroy(&cut->lock);
}

static void set_hint(const Cutover *cut, CutoverState state, Error *err)
{
    if (err->hint[0] != '\0' || state != CUT_STREAMING)
        return;
    if (err_action(err->cls) != ERR_ACTION_STOP)
        err_hint(err, "The %s is open and nothing was changed: run 'bascule %s' again.",
                 FROM_SIDE(cut), cutover_command(cut));
    else if (err->cls == ERR_BLOCKED || err->cls == ERR_PRIVILEGE)
        err_hint(err, "Mend this; 'bascule %s --check' looks again and changes nothing.",
                 cutover_command(cut));
}

static void explain_end(Cutover *cut, CutoverState state, Error *err)
{
    set_hint(cut, state, err);
    if (state == CUT_UNDECIDED && cut->epoch != 0 && err->cls != ERR_UNDECIDED &&
        cut->rolling_forward)
        err->cls = ERR_UNDECIDED;
    if (state == CUT_STREAMING || state == CUT_UNDECIDED)
        cutover_tell(cut, "abort", true, "%s", err->message);
    if (state == CUT_STREAMING && cut->report->downtime_us >= 0) {
        char shown[32];
        cutover_tell(cut, "abort", false, "writes were given back after %s; nothing changed",
                     clock_format_duration(cut->report->downtime_us, shown, sizeof shown));
    }
}

void cutover_report_nothing(CutoverReport *out_report, const Error *err)
{
    *out_report = (CutoverReport){
        .lag_bytes_before = PROGRESS_UNKNOWN,
        .lag_us_before = PROGRESS_UNKNOWN,
        .downtime_us = -1,
        .paused_us = -1,
        .drained_bytes = PROGRESS_UNKNOWN,
        .started_wall_us = clock_wall_us(),
        .prediction =
            {.lock_us = -1, .drain_us = -1, .prove_us = -1, .prove_bytes = -1, .total_us = -1},
    };
    if (err->cls != ERR_NONE)
        snprintf(out_report->outcome, sizeof out_report->outcome, "%s",
                 err->cls == ERR_ABORTED ? "aborted" : "refused");
}

static bool went_well(CutoverState state)
{
    return state == CUT_OPEN || state == CUT_PLANNED || state == CUT_REHEARSED;
}

/* The application goes on writing to both sides. */
static void go_on_dual(Cutover *cut)
{
    Error err = ERROR_INIT;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&cut->spec->target, PG_SESSION_SQL, "fence", &err);
    if (target == NULL || !target_fence_lift(target, cut->spec->task, &err))
        cutover_tell(
            cut, "abort", true,
            "the target still refuses the application's writes, 'bascule run' mends it: %s",
            err.message);
}

bool cutover_run(const CutoverSpec *spec, Arena *arena, CutoverReport *out_report, Error *err)
{
    Cutover cut = {
        .spec = spec,
        .arena = arena,
        .report = out_report,
        .started_us = clock_now_us(),
        .give_up = stop_new(),
        .watch_stop = stop_new(),
        .opening_stop = stop_new(),
        .freeze = {.stop = stop_new()},
    };
    err_clear(err);
    cutover_report_nothing(out_report, err);
    out_report->back = spec->back;
    if (spec->compared_us > 0)
        out_report->phases[out_report->phase_count++] =
            (CutoverPhase){.name = "verify", .elapsed_us = spec->compared_us};
    pthread_mutex_init(&cut.lock, NULL);
    CutoverState state = CUT_STREAMING;
    if (freeze_watch_start(&cut, err)) {
        state = walk(&cut, err);
        freeze_watch_stop(&cut);
        if (went_well(state))
            err_clear(err);
        note_end(&cut, state, err);
        explain_end(&cut, state, err);
    }
    if (state == CUT_STREAMING || state == CUT_REHEARSED)
        way_back_drop(&cut);
    if (cut.target_fenced && (state == CUT_STREAMING || state == CUT_REHEARSED))
        go_on_dual(&cut);
    out_report->way_back = state == CUT_OPEN && cut.way_back.armed;
    set_outcome(&cut, state, err);
    moment_end(&cut, out_report->outcome);
    finish_run(&cut);
    return went_well(state);
}
