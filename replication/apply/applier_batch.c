/*
 * applier_batch - how a batch is executed.
 *
 * A batch runs in two or three round trips: everything up to the last statement goes through the
 * pipeline, its row counts are checked, then COMMIT. The plan is made when the batch is executed,
 * so that an interrupted transaction has left no trace in it.
 *
 * A transaction that outgrows the limits before its end is known is executed part by part in one
 * open target transaction. Each part stands behind a savepoint, so that a refused part can be
 * replayed row by row like a batch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/applier_internal.h"
#include "apply/ddl_notes.h"
#include "apply/rowwise.h"
#include "apply/setwise.h"
#include "apply/suspension.h"
#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"

#define WAL_WRITER_PATIENCE_US 1000000 /* its usual delay three times, and more */

static const char PENDING[] = "a row waits whether its conflict was one";
static const char ODD[] = "the changes of a row do not follow from each other";

void applier_drop_messages(Applier *applier)
{
    for (Message *m = applier->messages, *next; m != NULL; m = next) {
        next = m->next;
        free(m);
    }
    applier->messages = NULL;
    applier->message_tail = &applier->messages;
}

/* After a failure. What can be tried again with the same session and what waits stays; else
 * everything is dropped and only a stream that begins again is listened to. Returns false. */
bool applier_fail(Applier *applier, Error *err)
{
    bool lost_parts = applier->part_open;
    bool usable = applier->opened && session_rollback(&applier->session);
    bool retry = err_action(err->cls) == ERR_ACTION_RETRY;
    applier->part_open = false;
    if (retry && usable && !lost_parts) {
        plan_clear(applier->plan);
        plan_take_tallies(applier->plan, false);
        applier_drop_messages(applier);
        dual_rolled_back(applier->dual);
        return false;
    }
    applier_forget_uncommitted(applier);
    applier->deaf = true;
    /* A retry would go on with the next transaction: this one has to come again first. */
    if (retry)
        err->cls = ERR_CONN_LOST;
    return false;
}

/* True when it was the resume row that stood elsewhere: *err then says so. */
bool applier_check_resume(const Applier *applier, Error *err)
{
    if (!session_failed_at_resume(&applier->session))
        return false;
    if (err->cls == ERR_APPLY_MISSING_ROW)
        ERR(err, ERR_TARGET_STATE,
            "the resume position of task '%s' is not at " LSN_FMT
            " any more: somebody else applies to this target",
            applier->spec.task, LSN_ARGS(applier->applied_lsn));
    return true;
}

/* May a replay row by row help, or at least tell what is wrong? */
static bool is_refusal(const Applier *applier, Error *err)
{
    session_reclass(err);
    if (applier_check_resume(applier, err))
        return false;
    if (err_action(err->cls) != ERR_ACTION_STOP || err->cls == ERR_STOPPED ||
        err->cls == ERR_FAULT || err->cls == ERR_BUG)
        return false;
    if (pgconn_usable(applier->session.conn))
        return true;
    /* The refusal was real, but the session broke behind it: only a replay may say what is wrong.
     */
    ERR(err, ERR_CONN_LOST, "target: the session broke before a batch could be replayed");
    return false;
}

/* Messages outlive their flow. */
static void keep_messages(Applier *applier)
{
    for (const PlanMessage *m = plan_messages(applier->plan); m != NULL; m = m->next) {
        size_t len = m->change->content.len;
        Message *message = mem_zalloc(sizeof *message + len + 1);
        message->end_lsn = m->flow->end_lsn;
        message->len = len;
        if (len > 0)
            memcpy(message->content, m->change->content.data, len);
        *applier->message_tail = message;
        applier->message_tail = &message->next;
    }
}

static void tell_messages(Applier *applier)
{
    while (applier->messages != NULL && applier->messages->end_lsn <= applier->durable_lsn) {
        Message *message = applier->messages;
        applier->messages = message->next;
        if (applier->messages == NULL)
            applier->message_tail = &applier->messages;
        if (applier->spec.on_message != NULL)
            applier->spec.on_message(applier->spec.message_arg, message->content, message->len,
                                     message->end_lsn);
        free(message);
    }
}

/* Everything up to end_lsn is committed and flushed. */
static void became_durable(Applier *applier, Lsn end_lsn)
{
    applier->durable_lsn = end_lsn;
    applier->last_durable_us = clock_now_us();
    atomic_store(&applier->spec.progress->durable_lsn, end_lsn);
    tell_messages(applier);
}

/* The target's transaction up to end_lsn is committed. */
void applier_committed(Applier *applier, Lsn end_lsn, int64_t commit_time_us, int64_t transactions,
                       bool durable)
{
    Progress *progress = applier->spec.progress;
    int64_t changes = plan_take_tallies(applier->plan, true);
    plan_clear(applier->plan);
    applier->applied_lsn = end_lsn;
    applier->last_commit_us = clock_now_us();
    atomic_fetch_add(&progress->applied_changes, changes);
    atomic_fetch_add(&progress->applied_transactions, transactions);
    if (commit_time_us != 0)
        atomic_store(&progress->applied_commit_time_us, commit_time_us);
    atomic_store(&progress->applied_lsn, end_lsn);
    dual_committed(applier->dual);
    if (applier->due) {
        suspension_committed(applier->spec.rels);
        applier->due = false;
    }
    if (!durable)
        return;
    flushed_forget(&applier->flushed);
    became_durable(applier, end_lsn);
}

/* While changes keep coming: what the server has flushed by itself need not be flushed by us, while
 * they wait. *out_durable: the next commit has to do it. */
static bool look_for_durable(Applier *applier, bool *out_durable, Error *err)
{
    int64_t now_us = clock_now_us();
    Lsn durable_lsn;
    if (applier->durable_lsn == applier->applied_lsn)
        applier->last_durable_us = now_us;
    *out_durable = now_us - applier->last_durable_us >= WAL_WRITER_PATIENCE_US;
    if (*out_durable || now_us - applier->last_durable_us < applier->spec.durable_interval_us ||
        now_us - applier->last_look_us < applier->spec.durable_interval_us)
        return true;
    applier->last_look_us = now_us;
    if (!flushed_look(&applier->flushed, applier->session.conn, applier->applied_lsn, &durable_lsn,
                      err))
        return false;
    if (durable_lsn != LSN_UNKNOWN)
        became_durable(applier, durable_lsn);
    return true;
}

bool applier_write_suspensions(Applier *applier, Error *err)
{
    return !applier->due ||
           suspension_write_due(applier->session.conn, applier->spec.task, applier->spec.rels, err);
}

/* What the source told of its own statements becomes durable with the position behind them. */
static bool write_notes(Applier *applier, Lsn end_lsn, Error *err)
{
    int number = 0;
    for (const Message *m = applier->messages; m != NULL; m = m->next) {
        DdlNote note;
        if (ddl_note_parse(m->content, m->len, &note) &&
            !ddl_note_write(applier->session.conn, applier->spec.task,
                            m->end_lsn != LSN_UNKNOWN ? m->end_lsn : end_lsn, number++, &note, err))
            return false;
    }
    return true;
}

static bool commit(Applier *applier, Lsn end_lsn, Error *err)
{
    return applier_write_suspensions(applier, err) && write_notes(applier, end_lsn, err) &&
           dual_settle(applier->dual, applier->session.conn, err) &&
           !FAULT_ERROR(APPLY_BEFORE_COMMIT, err) && session_commit(&applier->session, err);
}

/* A row of which the target cannot say whether it passes: its table alone stands still. */
static bool suspend_unanswered(Applier *applier, Relation *rel, const Error *err)
{
    if (applier->session.live || atomic_load(&rel->suspended) != SUSPEND_NOT)
        return false;
    applier_suspend(applier, rel, err->message);
    return true;
}

/* The target refused a row because its table has another shape, or because the rows are another table's
 * (wal2json gives names only): it is left out from here on. */
static bool suspend_refused(Applier *applier, const Error *err)
{
    const ApplierSpec *spec = &applier->spec;
    int64_t rows;
    char buf[SUSPEND_REASON_SIZE];
    Relation *unanswered = filtering_take_failed(applier->filtering);
    if (unanswered != NULL)
        return suspend_unanswered(applier, unanswered, err);
    const LaneExpect *failed = lane_failed(applier->session.lane, &rows);
    if (applier->session.live || failed == NULL || failed->rel == NULL)
        return false;
    Relation *rel = spec->rels->all[failed->rel->id];
    if (atomic_load(&rel->suspended) != SUSPEND_NOT)
        return false;
    if (rows < 0 && suspension_is_shape(err))
        snprintf(buf, sizeof buf, "%.*s", (int)sizeof buf - 1, err->message);
    else if (spec->changed == NULL || !spec->changed(spec->changed_arg, rel, buf, sizeof buf))
        return false;
    applier_suspend(applier, rel, buf);
    return true;
}

/* Why these flows cannot go as sets; NULL: they can. */
static const char *row_by_row(const Applier *applier, int64_t first, int64_t end)
{
    if (plan_odd(applier->plan))
        return ODD;
    for (int64_t i = first; i < end; i++)
        if (dual_touches(applier->dual, applier->waiting.flows[i]))
            return PENDING;
    return NULL;
}

/* What is to be applied, and how. Which rows are the task's is known inside the transaction only. */
typedef struct Batch {
    Flow *const *flows;
    int64_t count;
    const PlanStep *steps;
    bool filtered; /* some of its tables have a row filter */
    bool planned;
} Batch;

static void plan_batch(Applier *applier, Batch *batch)
{
    for (int64_t i = 0; i < batch->count; i++)
        plan_add(applier->plan, batch->flows[i]);
    batch->steps = plan_finish(applier->plan);
    batch->planned = true;
    applier->due |= plan_take_suspends(applier->plan);
    keep_messages(applier);
}

static bool filter_batch(Applier *applier, Flow *const *flows, Batch *batch, Error *err)
{
    bool suspended;
    if (!lane_drain(applier->session.lane, err) ||
        !filtering_run(applier->filtering, &applier->session, flows, batch->count, &batch->flows,
                       &suspended, err))
        return false;
    applier->due |= suspended;
    return true;
}

static bool holds_messages(const Batch *batch)
{
    for (int64_t i = 0; i < batch->count; i++)
        for (const Change *change = batch->flows[i]->first; change != NULL; change = change->next)
            if (change->kind == CHANGE_MESSAGE)
                return true;
    return false;
}

static bool execute_whole(Applier *applier, Batch *batch, bool durable, Error *err)
{
    const Waiting *w = &applier->waiting;
    if (FAULT_ERROR(APPLY_BEGIN, err) ||
        !session_begin(&applier->session, applier->applied_lsn, w->end_lsn, w->commit_time_us,
                       batch->filtered || batch->steps != NULL ? SESSION_ROWS : SESSION_NO_ROWS,
                       durable, err))
        return false;
    if (batch->filtered) {
        if (!filter_batch(applier, w->flows, batch, err))
            return false;
        plan_batch(applier, batch);
    }
    const char *why = row_by_row(applier, 0, w->whole);
    if (why != NULL)
        return lane_drain(applier->session.lane, err) && ERR(err, ERR_APPLY_CONFLICT, "%s", why);
    return setwise_run(&applier->session, batch->steps, err) && !FAULT_ERROR(APPLY_MID, err) &&
           commit(applier, w->end_lsn, err);
}

/* A repair may have stood between: rows are filtered again. */
static bool replay_whole(Applier *applier, Batch *batch, bool durable, Error *err)
{
    const Waiting *w = &applier->waiting;
    return session_begin(&applier->session, applier->applied_lsn, w->end_lsn, w->commit_time_us,
                         SESSION_ROWS, durable, err) &&
           (!batch->filtered || filter_batch(applier, w->flows, batch, err)) &&
           rowwise_replay(&applier->session, batch->flows, batch->count, applier->deleted, err) &&
           commit(applier, w->end_lsn, err);
}

static void count_fallback(Applier *applier, const Error *why)
{
    atomic_fetch_add(&applier->spec.progress->fallback_batches, 1);
    log_debug("a batch is replayed row by row: %s", why->message);
}

/* Without the table whose rows cannot be told apart the transactions come again. */
static bool fail_unfiltered(Applier *applier, Error *err)
{
    Relation *rel = filtering_take_failed(applier->filtering);
    if (rel != NULL && suspend_unanswered(applier, rel, err))
        err->cls = ERR_CONN_LOST;
    return applier_fail(applier, err);
}

/* Applies and commits the whole transactions that wait. */
bool applier_apply_whole(Applier *applier, bool durable, Error *err)
{
    Waiting *w = &applier->waiting;
    if (w->whole == 0 && w->end_lsn == applier->applied_lsn)
        return true;
    Batch batch = {.flows = w->flows,
                   .count = w->whole,
                   .filtered = filtering_concerns(applier->filtering, w->flows, w->whole)};
    if (batch.filtered)
        durable = durable || holds_messages(&batch);
    else
        plan_batch(applier, &batch);
    durable = durable || applier->messages != NULL;
    if (!durable && !look_for_durable(applier, &durable, err)) {
        session_reclass(err);
        return applier_fail(applier, err);
    }
    if (!execute_whole(applier, &batch, durable, err)) {
        if (!is_refusal(applier, err))
            return applier_fail(applier, err);
        if (!batch.planned)
            return fail_unfiltered(applier, err);
        count_fallback(applier, err);
        dual_rolled_back(applier->dual);
        if (!session_rollback(&applier->session)) {
            ERR(err, ERR_CONN_LOST, "target: the session broke before a batch could be replayed");
            return applier_fail(applier, err);
        }
        if (!replay_whole(applier, &batch, durable, err)) {
            session_reclass(err);
            if (!applier_check_resume(applier, err) && suspend_refused(applier, err) &&
                session_rollback(&applier->session)) {
                plan_clear(applier->plan);
                plan_take_tallies(applier->plan, false);
                applier_drop_messages(applier);
                dual_rolled_back(applier->dual);
                err_clear(err);
                return applier_apply_whole(applier, durable, err);
            }
            return applier_fail(applier, err);
        }
    }
    if (FAULT_ERROR(APPLY_AFTER_COMMIT, err))
        return applier_fail(applier, err);
    applier_committed(applier, w->end_lsn, w->commit_time_us, w->transactions, durable);
    waiting_drop_whole(w);
    /* Under load the queue is never empty: no later change goes over a row that waits. */
    return dual_go_on(applier->dual, err);
}

/* A refused part: back to its savepoint, and row by row. */
static bool replay_parts(Applier *applier, const Batch *batch, Error *err)
{
    Session *session = &applier->session;
    lane_abandon(session->lane);
    pgconn_copy_fail(session->conn, "rolled back");
    lane_forget_failure(session->lane);
    return pgconn_exec(session->conn, SQL("ROLLBACK TO SAVEPOINT bascule_part"), PG_NO_PARAMS, NULL,
                       err) &&
           rowwise_replay(session, batch->flows, batch->count, applier->deleted, err);
}

/* For later parts of the transaction: what the target may delete by itself. */
static void note_deletes(Applier *applier, const Batch *batch)
{
    for (int64_t i = 0; i < batch->count; i++)
        for (const Change *change = batch->flows[i]->first; change != NULL; change = change->next)
            if (change->kind == CHANGE_DELETE && plan_applies(change->rel, batch->flows[i]))
                applier->deleted[change->rel->id] = true;
}

/* Executes the parts that wait, inside the open transaction. */
static bool execute_parts(Applier *applier, Error *err)
{
    const Waiting *w = &applier->waiting;
    Session *session = &applier->session;
    LaneExpect any = {.what = "setting a savepoint", .max_rows = -1};
    Batch batch = {.flows = w->flows + w->whole, .count = w->count - w->whole};
    batch.filtered = filtering_concerns(applier->filtering, batch.flows, batch.count);
    if (batch.filtered && !filter_batch(applier, batch.flows, &batch, err))
        return false;
    plan_batch(applier, &batch);
    if (!lane_send(session->lane, SQL("SAVEPOINT bascule_part"), PG_NO_PARAMS, &any, err) ||
        !lane_drain(session->lane, err))
        return false;
    int64_t already = applier->dual != NULL ? dual_counts(applier->dual)->already : 0;
    const char *why = row_by_row(applier, w->whole, w->count);
    bool fine = why != NULL ? ERR(err, ERR_APPLY_CONFLICT, "%s", why)
                            : setwise_run(session, batch.steps, err);
    if (!fine) {
        if (!is_refusal(applier, err))
            return false;
        if (applier->dual != NULL)
            dual_counts(applier->dual)->already = already;
        count_fallback(applier, err);
        if (!replay_parts(applier, &batch, err))
            return false;
    }
    if (session->live)
        note_deletes(applier, &batch);
    plan_clear(applier->plan);
    return pgconn_exec(session->conn, SQL("RELEASE SAVEPOINT bascule_part"), PG_NO_PARAMS, NULL,
                       err);
}

/* A part failed. Without the table that has another shape the transaction comes again. */
static bool fail_parts(Applier *applier, Error *err)
{
    session_reclass(err);
    if (!applier_check_resume(applier, err) && suspend_refused(applier, err))
        err->cls = ERR_CONN_LOST;
    return applier_fail(applier, err);
}

/* The open transaction has outgrown a batch: what has come of it is executed. */
bool applier_apply_parts(Applier *applier, Error *err)
{
    Waiting *w = &applier->waiting;
    if (!applier->part_open) {
        if (FAULT_ERROR(APPLY_BEGIN, err))
            return applier_fail(applier, err);
        applier->part_open = true;
        memset(applier->deleted, 0, (size_t)applier->spec.rels->count);
        if (!session_begin(&applier->session, applier->applied_lsn, applier->applied_lsn, 0,
                           SESSION_ROWS_IN_PARTS, true, err))
            return applier_fail(applier, err);
    }
    if (!execute_parts(applier, err) || FAULT_ERROR(APPLY_MID, err))
        return fail_parts(applier, err);
    waiting_drop_parts(w);
    return true;
}

/* Its last part has come: `last` is still among what waits. */
bool applier_finish_parts(Applier *applier, const Flow *last, Error *err)
{
    Lsn end_lsn = last->end_lsn;
    int64_t commit_time_us = last->commit_time_us;
    if (!execute_parts(applier, err) ||
        !session_move(&applier->session, applier->applied_lsn, end_lsn, commit_time_us,
                      SESSION_ROWS_IN_PARTS, err) ||
        !lane_drain(applier->session.lane, err) || !commit(applier, end_lsn, err))
        return fail_parts(applier, err);
    applier->part_open = false;
    if (FAULT_ERROR(APPLY_AFTER_COMMIT, err))
        return applier_fail(applier, err);
    for (Message *m = applier->messages; m != NULL; m = m->next)
        if (m->end_lsn == LSN_UNKNOWN)
            m->end_lsn = end_lsn;
    applier_committed(applier, end_lsn, commit_time_us, 1, true);
    waiting_drop_all(&applier->waiting);
    applier->waiting.end_lsn = end_lsn;
    return dual_go_on(applier->dual, err);
}
