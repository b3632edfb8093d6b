/*
 * applier - see the header.
 *
 * A batch runs in two or three round trips: everything up to the last statement goes through the
 * pipeline, its row counts are checked, then COMMIT. The plan is made when the batch is executed,
 * so that an interrupted transaction has left no trace in it.
 *
 * A transaction that outgrows the limits before its end is known is executed part by part in one
 * open target transaction. Each part stands behind a savepoint, so that a refused part can be
 * replayed row by row like a batch.
 */
#include "apply/applier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/ddl_notes.h"
#include "apply/dual.h"
#include "apply/filtering.h"
#include "apply/flushed.h"
#include "apply/rowwise.h"
#include "apply/setwise.h"
#include "apply/suspension.h"
#include "apply/waiting.h"
#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"

#define DEFAULT_BATCH_BYTES         ((size_t)16 << 20)
#define DEFAULT_BATCH_CHANGES       100000
#define DEFAULT_DURABLE_INTERVAL_US 100000
#define QUIET_US                    30000 /* nothing came for so long: a flush of our own holds nothing up */
#define LOCK_WAIT_LEAST_MS          1000    /* with dual writes */
#define WAL_WRITER_PATIENCE_US      1000000 /* its usual delay three times, and more */

static const char PENDING[] = "a row waits whether its conflict was one";
static const char ODD[] = "the changes of a row do not follow from each other";

/* A message whose transaction is not durable yet. */
typedef struct Message {
    struct Message *next;
    Lsn end_lsn; /* LSN_UNKNOWN: of the transaction that is open */
    size_t len;
    char content[];
} Message;

struct Applier {
    ApplierSpec spec;
    Session session;
    Dual *dual;           /* NULL: nobody else writes to the target */
    Filtering *filtering; /* NULL: all rows move */
    bool opened;
    bool deaf; /* ignores flows until FLOW_LOST */
    bool due;  /* some relation is SUSPEND_DUE: the next transaction says so */
    Plan *plan;
    Waiting waiting;
    bool skipping;  /* the transaction whose parts come was applied before */
    bool part_open; /* the target's transaction holds parts of the open one */
    bool *deleted;  /* by relation id, for rowwise_replay */
    Lsn applied_lsn, durable_lsn;
    int64_t last_durable_us, last_look_us, last_commit_us; /* monotonic */
    Flushed flushed;
    Message *messages, **message_tail;
};

Applier *applier_new(const ApplierSpec *spec)
{
    Applier *applier = mem_zalloc(sizeof *applier);
    applier->spec = *spec;
    if (applier->spec.batch_bytes == 0)
        applier->spec.batch_bytes = DEFAULT_BATCH_BYTES;
    if (applier->spec.batch_changes == 0)
        applier->spec.batch_changes = DEFAULT_BATCH_CHANGES;
    if (applier->spec.durable_interval_us == 0)
        applier->spec.durable_interval_us = DEFAULT_DURABLE_INTERVAL_US;
    if (spec->dual_write)
        applier->dual = dual_new(spec->task, spec->settle_us, spec->progress);
    applier->filtering = filtering_new(spec->rels);
    applier->deleted = mem_zalloc((size_t)spec->rels->count + 1);
    applier->message_tail = &applier->messages;
    return applier;
}

static void drop_messages(Applier *applier)
{
    for (Message *m = applier->messages, *next; m != NULL; m = next) {
        next = m->next;
        free(m);
    }
    applier->messages = NULL;
    applier->message_tail = &applier->messages;
}

static void close_session(Applier *applier)
{
    plan_free(applier->plan);
    applier->plan = NULL;
    if (applier->opened)
        session_close(&applier->session);
    applier->opened = false;
    applier->part_open = false;
    flushed_forget(&applier->flushed);
}

/* Everything that is not committed will come again. */
static void forget_uncommitted(Applier *applier)
{
    waiting_drop_all(&applier->waiting);
    applier->waiting.end_lsn = applier->applied_lsn;
    applier->skipping = false;
    applier->part_open = false;
    drop_messages(applier);
    dual_rolled_back(applier->dual);
    if (applier->plan != NULL) {
        plan_clear(applier->plan);
        plan_take_tallies(applier->plan, false);
    }
}

void applier_reset(Applier *applier)
{
    close_session(applier);
    forget_uncommitted(applier);
    applier->deaf = true;
}

void applier_free(Applier *applier)
{
    if (applier == NULL)
        return;
    applier_reset(applier);
    waiting_done(&applier->waiting);
    dual_free(applier->dual);
    filtering_free(applier->filtering);
    free(applier->deleted);
    free(applier);
}

/* An application that holds a row here while it waits for one of the source would hold the stream up for as
 * long as it likes: the batch is given back and tried again. */
static bool limit_waits(Applier *applier, Error *err)
{
    int64_t ms = applier->spec.settle_us / 1000;
    char text[24];
    snprintf(text, sizeof text, "%lld",
             (long long)(ms < LOCK_WAIT_LEAST_MS ? LOCK_WAIT_LEAST_MS : ms));
    return pgconn_exec(applier->session.conn,
                       SQL("SELECT pg_catalog.set_config('lock_timeout', $1, false)"),
                       PG_PARAMS(PG_TEXT(text)), NULL, err);
}

/* Foreign keys and triggers belong to the application's own writes here. */
static bool open_dual(Applier *applier, Error *err)
{
    Session *session = &applier->session;
    if (applier->dual == NULL)
        return true;
    if (session->live) {
        ERR(err, ERR_PRIVILEGE,
            "target_writes is 'dual-write', and the role on the target may not "
            "set session_replication_role");
        return err_hint(err, "GRANT SET ON PARAMETER session_replication_role TO it.");
    }
    session->dual = applier->dual;
    return limit_waits(applier, err) &&
           dual_load(applier->dual, session->conn, applier->spec.rels, err) &&
           dual_go_on(applier->dual, err);
}

bool applier_open(Applier *applier, Error *err)
{
    Lsn resume_lsn;
    if (applier->opened)
        return true;
    if (!session_open(&applier->session, &applier->spec.endpoint, applier->spec.task,
                      applier->spec.rels, &resume_lsn, err)) {
        session_reclass(err);
        return false;
    }
    if (!suspension_read(applier->session.conn, applier->spec.task, applier->spec.rels, err) ||
        !open_dual(applier, err)) {
        session_close(&applier->session);
        return false;
    }
    if (resume_lsn < applier->durable_lsn) {
        session_close(&applier->session);
        return ERR(err, ERR_TARGET_STATE,
                   "the target went back: its resume position is " LSN_FMT ", but " LSN_FMT
                   " was durable",
                   LSN_ARGS(resume_lsn), LSN_ARGS(applier->durable_lsn));
    }
    applier->opened = true;
    applier->plan = plan_new(applier->session.shapes, applier->session.live);
    plan_expect_others(applier->plan, applier->dual != NULL);
    applier->applied_lsn = applier->durable_lsn = applier->waiting.end_lsn = resume_lsn;
    applier->last_durable_us = clock_now_us();
    atomic_store(&applier->spec.progress->applied_lsn, resume_lsn);
    atomic_store(&applier->spec.progress->durable_lsn, resume_lsn);
    return true;
}

/* After a failure. What can be tried again with the same session and what waits stays; else
 * everything is dropped and only a stream that begins again is listened to. Returns false. */
static bool fail(Applier *applier, Error *err)
{
    bool lost_parts = applier->part_open;
    bool usable = applier->opened && session_rollback(&applier->session);
    bool retry = err_action(err->cls) == ERR_ACTION_RETRY;
    applier->part_open = false;
    if (retry && usable && !lost_parts) {
        plan_clear(applier->plan);
        plan_take_tallies(applier->plan, false);
        drop_messages(applier);
        dual_rolled_back(applier->dual);
        return false;
    }
    forget_uncommitted(applier);
    applier->deaf = true;
    /* A retry would go on with the next transaction: this one has to come again first. */
    if (retry)
        err->cls = ERR_CONN_LOST;
    return false;
}

/* True when it was the resume row that stood elsewhere: *err then says so. */
static bool check_resume(const Applier *applier, Error *err)
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
    if (check_resume(applier, err))
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
static void committed(Applier *applier, Lsn end_lsn, int64_t commit_time_us, int64_t transactions,
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

static bool write_suspensions(Applier *applier, Error *err)
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
    return write_suspensions(applier, err) && write_notes(applier, end_lsn, err) &&
           dual_settle(applier->dual, applier->session.conn, err) &&
           !FAULT_ERROR(APPLY_BEFORE_COMMIT, err) && session_commit(&applier->session, err);
}

bool applier_may_suspend(const Applier *applier)
{
    return applier->opened && !applier->session.live;
}

void applier_suspend(Applier *applier, Relation *rel, const char *why)
{
    relation_suspend(rel, applier->applied_lsn, why);
    applier->due = true;
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
    return fail(applier, err);
}

/* Applies and commits the whole transactions that wait. */
static bool apply_whole(Applier *applier, bool durable, Error *err)
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
        return fail(applier, err);
    }
    if (!execute_whole(applier, &batch, durable, err)) {
        if (!is_refusal(applier, err))
            return fail(applier, err);
        if (!batch.planned)
            return fail_unfiltered(applier, err);
        count_fallback(applier, err);
        dual_rolled_back(applier->dual);
        if (!session_rollback(&applier->session)) {
            ERR(err, ERR_CONN_LOST, "target: the session broke before a batch could be replayed");
            return fail(applier, err);
        }
        if (!replay_whole(applier, &batch, durable, err)) {
            session_reclass(err);
            if (!check_resume(applier, err) && suspend_refused(applier, err) &&
                session_rollback(&applier->session)) {
                plan_clear(applier->plan);
                plan_take_tallies(applier->plan, false);
                drop_messages(applier);
                dual_rolled_back(applier->dual);
                err_clear(err);
                return apply_whole(applier, durable, err);
            }
            return fail(applier, err);
        }
    }
    if (FAULT_ERROR(APPLY_AFTER_COMMIT, err))
        return fail(applier, err);
    committed(applier, w->end_lsn, w->commit_time_us, w->transactions, durable);
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
    if (!check_resume(applier, err) && suspend_refused(applier, err))
        err->cls = ERR_CONN_LOST;
    return fail(applier, err);
}

/* The open transaction has outgrown a batch: what has come of it is executed. */
static bool apply_parts(Applier *applier, Error *err)
{
    Waiting *w = &applier->waiting;
    if (!applier->part_open) {
        if (FAULT_ERROR(APPLY_BEGIN, err))
            return fail(applier, err);
        applier->part_open = true;
        memset(applier->deleted, 0, (size_t)applier->spec.rels->count);
        if (!session_begin(&applier->session, applier->applied_lsn, applier->applied_lsn, 0,
                           SESSION_ROWS_IN_PARTS, true, err))
            return fail(applier, err);
    }
    if (!execute_parts(applier, err) || FAULT_ERROR(APPLY_MID, err))
        return fail_parts(applier, err);
    waiting_drop_parts(w);
    return true;
}

/* Its last part has come: `last` is still among what waits. */
static bool finish_parts(Applier *applier, const Flow *last, Error *err)
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
        return fail(applier, err);
    for (Message *m = applier->messages; m != NULL; m = m->next)
        if (m->end_lsn == LSN_UNKNOWN)
            m->end_lsn = end_lsn;
    committed(applier, end_lsn, commit_time_us, 1, true);
    waiting_drop_all(&applier->waiting);
    applier->waiting.end_lsn = end_lsn;
    return dual_go_on(applier->dual, err);
}

static bool over(const Applier *applier, size_t bytes, int64_t changes)
{
    return bytes >= applier->spec.batch_bytes || changes >= applier->spec.batch_changes;
}

/* Was the transaction of this part applied before? Its end is not known in the first part; but one
 * that ends behind the resume position begins its commit record there or later. */
static bool is_old(const Applier *applier, const Flow *flow)
{
    return (flow->commit_lsn != LSN_UNKNOWN && flow->commit_lsn < applier->waiting.end_lsn) ||
           (flow->ends && flow->end_lsn <= applier->waiting.end_lsn);
}

static bool protocol_error(Applier *applier, Flow *flow, const char *what, Error *err)
{
    flow_free(flow);
    ERR(err, ERR_PROTOCOL, "%s", what);
    return fail(applier, err);
}

static bool put_part(Applier *applier, Flow *flow, Error *err)
{
    Waiting *w = &applier->waiting;
    if (flow->begins == (w->open || applier->skipping))
        return protocol_error(applier, flow,
                              flow->begins ? "a transaction begins inside another"
                                           : "a part of a transaction came without its beginning",
                              err);
    if (flow->begins)
        applier->skipping = is_old(applier, flow);
    if (flow->ends && flow->end_lsn == LSN_UNKNOWN)
        return protocol_error(applier, flow, "a transaction came without its end position", err);
    if (applier->skipping) {
        applier->skipping = !flow->ends;
        flow_free(flow);
        return true;
    }
    if (applier->part_open && flow->ends) {
        /* Not whole for `waiting`: the parts before it are gone into the open transaction. */
        flow->ends = false;
        waiting_add(w, flow, clock_now_us());
        return finish_parts(applier, flow, err);
    }
    waiting_add(w, flow, clock_now_us());
    if (over(applier, w->whole_bytes + w->part_bytes, w->whole_changes + w->part_changes) &&
        w->whole > 0 && !apply_whole(applier, false, err))
        return false;
    if (w->open && over(applier, w->part_bytes, w->part_changes))
        return apply_parts(applier, err);
    return true;
}

/* Everything before this position has come. */
static bool put_position(Applier *applier, Flow *flow, Error *err)
{
    Lsn end_lsn = flow->end_lsn;
    if (applier->waiting.open || applier->skipping)
        return protocol_error(applier, flow, "a position came inside a transaction", err);
    flow_free(flow);
    if (end_lsn <= applier->waiting.end_lsn)
        return true;
    waiting_move(&applier->waiting, end_lsn, clock_now_us());
    return apply_whole(applier, true, err);
}

static void put_lost(Applier *applier)
{
    bool must_roll_back = applier->part_open;
    forget_uncommitted(applier);
    applier->deaf = false;
    if (must_roll_back && !session_rollback(&applier->session))
        close_session(applier);
}

bool applier_put(Applier *applier, Flow **flow, Error *err)
{
    Flow *taken = *flow;
    *flow = NULL;
    if (taken->kind == FLOW_LOST) {
        flow_free(taken);
        put_lost(applier);
        return true;
    }
    if (applier->deaf) {
        flow_free(taken);
        return true;
    }
    if (!applier_open(applier, err)) {
        flow_free(taken);
        return fail(applier, err);
    }
    return taken->kind == FLOW_POSITION ? put_position(applier, taken, err)
                                        : put_part(applier, taken, err);
}

/* Makes what was committed asynchronously durable: a synchronous commit flushes all before it. */
static bool make_durable(Applier *applier, Error *err)
{
    if (!session_begin(&applier->session, applier->applied_lsn, applier->applied_lsn, 0,
                       SESSION_NO_ROWS, true, err) ||
        !lane_drain(applier->session.lane, err) || !write_suspensions(applier, err) ||
        !dual_settle(applier->dual, applier->session.conn, err) ||
        !session_commit(&applier->session, err)) {
        session_reclass(err);
        check_resume(applier, err);
        return fail(applier, err);
    }
    committed(applier, applier->applied_lsn, 0, 0, true);
    return true;
}

bool applier_in_transaction(const Applier *applier)
{
    return applier->part_open;
}

bool applier_deaf(const Applier *applier)
{
    return applier->deaf;
}

int64_t applier_next_flush_us(const Applier *applier)
{
    const Waiting *w = &applier->waiting;
    if (!applier->opened || applier->deaf || applier->part_open)
        return CLOCK_NEVER;
    if (applier->due || dual_due(applier->dual))
        return 0;
    if (w->end_lsn != applier->applied_lsn)
        return w->whole_changes > 0 ? 0 : w->since_us + applier->spec.durable_interval_us;
    if (applier->durable_lsn != applier->applied_lsn) {
        int64_t interval_us = applier->last_durable_us + applier->spec.durable_interval_us;
        int64_t quiet_us = applier->last_commit_us + QUIET_US;
        return interval_us > quiet_us ? interval_us : quiet_us;
    }
    return CLOCK_NEVER;
}

static bool flush(Applier *applier, bool idle, Error *err)
{
    int64_t due_us = applier_next_flush_us(applier);
    if (due_us == CLOCK_NEVER)
        return true;
    bool due = due_us <= clock_now_us();
    if (applier->waiting.end_lsn != applier->applied_lsn) {
        /* Transactions without a change for us are not worth a commit each. */
        if (idle && !due)
            return true;
        return apply_whole(applier, false, err);
    }
    return (!applier->due && (!idle || !due)) || make_durable(applier, err);
}

bool applier_flush(Applier *applier, bool idle, Error *err)
{
    return flush(applier, idle, err) && dual_go_on(applier->dual, err);
}
