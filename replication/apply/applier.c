/*
 * applier - see the header: its life, and when what comes is applied. How: applier_batch.c.
 */
#include "apply/applier_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/suspension.h"
#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"

#define DEFAULT_BATCH_BYTES         ((size_t)16 << 20)
#define DEFAULT_BATCH_CHANGES       100000
#define DEFAULT_DURABLE_INTERVAL_US 100000
#define QUIET_US                    30000 /* nothing came for so long: a flush of our own holds nothing up */
#define LOCK_WAIT_LEAST_MS          1000 /* with dual writes */

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
void applier_forget_uncommitted(Applier *applier)
{
    waiting_drop_all(&applier->waiting);
    applier->waiting.end_lsn = applier->applied_lsn;
    applier->skipping = false;
    applier->part_open = false;
    applier_drop_messages(applier);
    dual_rolled_back(applier->dual);
    if (applier->plan != NULL) {
        plan_clear(applier->plan);
        plan_take_tallies(applier->plan, false);
    }
}

void applier_reset(Applier *applier)
{
    close_session(applier);
    applier_forget_uncommitted(applier);
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

bool applier_may_suspend(const Applier *applier)
{
    return applier->opened && !applier->session.live;
}

void applier_suspend(Applier *applier, Relation *rel, const char *why)
{
    relation_suspend(rel, applier->applied_lsn, why);
    applier->due = true;
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
    return applier_fail(applier, err);
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
        return applier_finish_parts(applier, flow, err);
    }
    waiting_add(w, flow, clock_now_us());
    if (over(applier, w->whole_bytes + w->part_bytes, w->whole_changes + w->part_changes) &&
        w->whole > 0 && !applier_apply_whole(applier, false, err))
        return false;
    if (w->open && over(applier, w->part_bytes, w->part_changes))
        return applier_apply_parts(applier, err);
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
    return applier_apply_whole(applier, true, err);
}

static void put_lost(Applier *applier)
{
    bool must_roll_back = applier->part_open;
    applier_forget_uncommitted(applier);
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
        return applier_fail(applier, err);
    }
    return taken->kind == FLOW_POSITION ? put_position(applier, taken, err)
                                        : put_part(applier, taken, err);
}

/* Makes what was committed asynchronously durable: a synchronous commit flushes all before it. */
static bool make_durable(Applier *applier, Error *err)
{
    if (!session_begin(&applier->session, applier->applied_lsn, applier->applied_lsn, 0,
                       SESSION_NO_ROWS, true, err) ||
        !lane_drain(applier->session.lane, err) || !applier_write_suspensions(applier, err) ||
        !dual_settle(applier->dual, applier->session.conn, err) ||
        !session_commit(&applier->session, err)) {
        session_reclass(err);
        applier_check_resume(applier, err);
        return applier_fail(applier, err);
    }
    applier_committed(applier, applier->applied_lsn, 0, 0, true);
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
        return applier_apply_whole(applier, false, err);
    }
    return (!applier->due && (!idle || !due)) || make_durable(applier, err);
}

bool applier_flush(Applier *applier, bool idle, Error *err)
{
    return flush(applier, idle, err) && dual_go_on(applier->dual, err);
}
