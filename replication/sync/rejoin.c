/*
 * rejoin - a suspended table comes back: it is copied again under a snapshot of its own while the stream
 * goes on with the others, and then the stream is turned back to that snapshot's position.
 *
 *   1. stop the stream; pin what the slot is told at the resume position; read the catalog again;
 *      start the stream
 *   2. guard the tables, take the snapshot of a temporary slot (position X), copy
 *   3. stop the stream at E; in one transaction: the others start at E, the copied tables at X, the
 *      resume row goes back to X; start the stream: between X and E only the copied tables take changes
 *
 * Nothing but that transaction is kept of the copy: killed before it, the tables are still suspended and
 * are copied again; killed after it, the stream simply goes on from X. The pin makes sure that the slot
 * still has everything from X on.
 */
#include <stdlib.h>
#include <string.h>

#include "apply/suspension.h"
#include "apply/target_catalog.h"
#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "source/mapped.h"
#include "source/others.h"
#include "source/shape.h"
#include "sql_files.h"
#include "sync/internal.h"

struct Rejoin {
    Sync *sync;
    LoadStart start;
    StopToken *stop;
    Worker *worker;
    atomic_bool over;
    Error err; /* the worker's, once it is over */
    int64_t begun_us;
};

static bool is_member(const Relation *rel)
{
    return atomic_load(&rel->suspended) != SUSPEND_NOT &&
           atomic_load(&rel->load_state) != TABLE_COMPLETED;
}

/* Stopping for a moment --------------------------------------------------------------------------- */

bool reshape_begin(Sync *sync, bool *out_proceed, Error *err)
{
    *out_proceed = false;
    if (sync_stream_failed(sync, err))
        return false;
    /* Set before the state is looked at; a cutover looks the other way round: one of the two sees. */
    atomic_store(&sync->reshaping, true);
    if (atomic_load(&sync->state) == TASK_STREAMING &&
        !sync_event(sync, TASK_EV_FELL_BEHIND, err)) {
        atomic_store(&sync->reshaping, false);
        return false;
    }
    if (atomic_load(&sync->state) != TASK_CATCHING_UP) {
        atomic_store(&sync->reshaping, false);
        return true;
    }
    sync_stream_stop(sync);
    *out_proceed = true;
    return true;
}

void reshape_end(Sync *sync)
{
    atomic_store(&sync->reshaping, false);
}

bool sync_refresh(Sync *sync, Error *err)
{
    bool found = false;
    if (!sync_keep_control(sync, err) ||
        !control_read(sync->control, sync->spec.task, &sync->row, &found, err))
        return false;
    if (!found)
        return ERR(err, ERR_TARGET_STATE, "task '%s' is gone from the target", sync->spec.task);
    return sync_recall(sync, err) &&
           target_catalog_match(sync->control, sync_relations(sync), MATCH_STREAM, err);
}

/* Copying ----------------------------------------------------------------------------------------- */

/* Under the guard: what was found to fit must still be what is there. */
static bool same_shapes(Rejoin *r, Error *err)
{
    Relations *rels = sync_relations(r->sync);
    CLEANUP_PGCONN PgConn *source =
        pgconn_open(&r->sync->spec.source, PG_SESSION_SQL, "shape", err);
    TableShapes shapes;
    if (source == NULL || !shape_look(source, rels, rels->arena, &shapes, err))
        return false;
    for (int i = 0; i < shapes.count; i++) {
        Relation *rel = relations_by_oid(rels, shapes.all[i].oid);
        if (!is_member(rel))
            continue;
        ShapeChange change = shape_compare(rel->shape, shapes.all[i].text);
        if (change == SHAPE_OTHER || change == SHAPE_LABELS ||
            strcmp(rel->name, shapes.all[i].name) != 0 ||
            strcmp(rel->schema, shapes.all[i].schema) != 0)
            return ERR(err, ERR_LOCK_TIMEOUT, "table '%s' changed once more", rel->display);
        rel->shape = shapes.all[i].text;
    }
    return true;
}

static bool copy(Rejoin *r, Error *err)
{
    Sync *sync = r->sync;
    return load_start_guard(sync, &r->start, err) && same_shapes(r, err) &&
           load_start_slot(sync, &r->start, true, err) &&
           load_copy_again(sync, &r->start, r->stop, err);
}

static StepResult copy_step(void *self, Error *err)
{
    Rejoin *r = self;
    (void)err;
    if (!copy(r, &r->err))
        (void)err_context(&r->err, "copying suspended tables again");
    atomic_store(&r->over, true);
    return STEP_DONE;
}

static void rejoin_free(Rejoin *r)
{
    if (r->worker != NULL) {
        stop_request(r->stop);
        (void)worker_join(r->worker, NULL);
    }
    load_start_done(&r->start);
    stop_free(r->stop);
    free(r);
}

/* Beginning --------------------------------------------------------------------------------------- */

/* A table that was not published before; what is written from now on is. */
static bool publish(Sync *sync, Error *err)
{
    if (strcmp(sync->plugin, "pgoutput") != 0)
        return true;
    CLEANUP_PGCONN PgConn *source = pgconn_open(&sync->spec.source, PG_SESSION_SQL, "publish", err);
    if (source == NULL)
        return false;
    const Relations *rels = sync_relations(sync);
    for (int i = 0; i < rels->count; i++)
        if (is_member(rels->all[i]) &&
            !publication_add(source, sync->row.publication, rels->all[i], err))
            return false;
    return true;
}

static int mark_members(Sync *sync, const uint32_t *oids, int count)
{
    int marked = 0;
    for (int i = 0; i < count; i++) {
        Relation *rel = relations_by_oid(sync_relations(sync), oids[i]);
        if (rel == NULL || atomic_load(&rel->suspended) == SUSPEND_NOT)
            continue;
        /* Its rule fitted when it was looked at, and does not now: it stays out. */
        if (rel->rule_trouble != NULL || mapped_misses_filter(sync_relations(sync), rel))
            continue;
        /* Not "before": whatever is on the target is emptied. */
        atomic_store(&rel->load_state, TABLE_FULL_LOAD);
        atomic_store(&rel->loaded_rows, 0);
        atomic_store(&rel->loaded_bytes, 0);
        log_info("table is copied again table=%s", rel->display);
        marked++;
    }
    return marked;
}

static void unmark_members(Sync *sync)
{
    const Relations *rels = sync_relations(sync);
    for (int i = 0; i < rels->count; i++)
        if (is_member(rels->all[i]))
            atomic_store(&rels->all[i]->load_state, TABLE_COMPLETED);
}

/* What is refused here concerns the tables that come back, not the stream of the others. */
static bool make_ready(Sync *sync, Error *err)
{
    return others_check(sync->control, sync->spec.task, sync_relations(sync), is_member, err) &&
           publish(sync, err) &&
           target_catalog_match(sync->control, sync_relations(sync), MATCH_STREAM, err) &&
           sync_quiet_triggers(sync, err) &&
           sync->spec.close_target(sync->spec.close_arg, sync->control, sync_relations(sync), err);
}

static bool start_copy(Sync *sync, Error *err)
{
    Rejoin *r = mem_zalloc(sizeof *r);
    r->sync = sync;
    r->stop = stop_new();
    r->begun_us = clock_now_us();
    WorkerSpec spec = {.name = "rejoin", .self = r, .step = copy_step};
    r->worker = worker_start(&spec, r->stop, err);
    if (r->worker == NULL) {
        rejoin_free(r);
        return false;
    }
    sync->rejoin = r;
    return true;
}

bool rejoin_begin(Sync *sync, const uint32_t *oids, int count, Error *err)
{
    bool proceed = false;
    if (!reshape_begin(sync, &proceed, err) || !proceed)
        return err->cls == ERR_NONE;
    ControlTask row;
    bool found = false;
    bool ok = sync_keep_control(sync, err) &&
              control_read(sync->control, sync->spec.task, &row, &found, err);
    if (ok)
        sync_pin_copy(sync, row.resume_lsn);
    ok = ok && sync_refresh(sync, err);
    int marked = ok ? mark_members(sync, oids, count) : 0;
    if (marked > 0 && !make_ready(sync, err)) {
        log_error_value(LOG_WARN, err, "the tables stay suspended");
        err_clear(err);
        unmark_members(sync);
        marked = 0;
    }
    ok = ok && sync_stream_start(sync, err);
    reshape_end(sync);
    FAULT(REJOIN_BEGIN);
    if (ok && marked > 0)
        return start_copy(sync, err);
    sync_pin_copy(sync, LSN_UNKNOWN);
    return ok;
}

/* Handing over ------------------------------------------------------------------------------------ */

static bool forget_former_row(Sync *sync, const Relation *rel, Error *err)
{
    return rel->row_name == NULL ||
           pgconn_exec(sync->control, SQL_REJOIN_FORGET,
                       PG_PARAMS(PG_TEXT(sync->spec.task), PG_TEXT(rel->row_schema),
                                 PG_TEXT(rel->row_name)),
                       NULL, err);
}

static bool write_member(Sync *sync, const Relation *rel, const char *lsn, Error *err)
{
    char oid[16], rows[24], bytes[24];
    snprintf(oid, sizeof oid, "%u", rel->oid);
    snprintf(rows, sizeof rows, "%lld", (long long)atomic_load(&rel->loaded_rows));
    snprintf(bytes, sizeof bytes, "%lld", (long long)atomic_load(&rel->loaded_bytes));
    return forget_former_row(sync, rel, err) &&
           pgconn_exec(sync->control, SQL_REJOIN_TABLE,
                       PG_PARAMS(PG_TEXT(sync->spec.task), PG_TEXT(rel->schema), PG_TEXT(rel->name),
                                 PG_TEXT(oid), PG_TEXT(lsn), PG_TEXT(rows), PG_TEXT(bytes),
                                 PG_TEXT(rel->shape), PG_TEXT(rel->target_schema),
                                 PG_TEXT(rel->target_name)),
                       NULL, err);
}

/* The transaction that everything hangs on: see the head. */
static bool write_handover(Sync *sync, const bool *copied, Lsn lsn, Error *err)
{
    const Relations *rels = sync_relations(sync);
    LsnText text = lsn_text(lsn);
    bool ok = pgconn_script(sync->control, SQL("BEGIN"), err) &&
              pgconn_exec(sync->control, SQL_REJOIN_OTHERS,
                          PG_PARAMS(PG_TEXT(sync->spec.task), PG_TEXT(text.text)), NULL, err);
    for (int i = 0; ok && i < rels->count; i++)
        ok = !copied[i] || write_member(sync, rels->all[i], text.text, err);
    ok = ok && pgconn_exec(sync->control, SQL_REJOIN_BACK,
                           PG_PARAMS(PG_TEXT(sync->spec.task), PG_TEXT(text.text)), NULL, err);
    ok = ok && !FAULT_ERROR(REJOIN_COPIED, err) && pgconn_script(sync->control, SQL("COMMIT"), err);
    if (ok)
        return true;
    sync_roll_back(sync);
    return err_context(err, "handing copied tables over to the stream");
}

static bool hand_over(Sync *sync, const bool *copied, Lsn lsn, bool *out_done, Error *err)
{
    if (!reshape_begin(sync, out_done, err) || !*out_done)
        return err->cls == ERR_NONE;
    bool ok = sync_keep_control(sync, err) && write_handover(sync, copied, lsn, err);
    FAULT(REJOIN_DONE);
    /* The next stream asks from the resume row on: nothing before that is needed any more. */
    sync_pin_copy(sync, LSN_UNKNOWN);
    ok = ok && sync_refresh(sync, err) && sync_stream_start(sync, err);
    reshape_end(sync);
    return ok;
}

static int count_copied(const Sync *sync, const Rejoin *r, bool *copied)
{
    const Relations *rels = atomic_load(&sync->rels);
    int count = 0;
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        copied[i] = atomic_load(&rel->suspended) != SUSPEND_NOT &&
                    atomic_load(&rel->load_state) == TABLE_COMPLETED &&
                    r->start.lsn != LSN_UNKNOWN && rel->start_lsn == r->start.lsn;
        count += copied[i];
    }
    return count;
}

bool rejoin_look(Sync *sync, bool *out_over, int *out_back, Error *err)
{
    Rejoin *r = sync->rejoin;
    *out_over = false;
    *out_back = 0;
    if (!atomic_load(&r->over))
        return true;
    bool done = true, ok = true;
    bool *copied = mem_zalloc((size_t)sync_relations(sync)->count + 1);
    int count = count_copied(sync, r, copied);
    if (count > 0)
        ok = hand_over(sync, copied, r->start.lsn, &done, err);
    free(copied);
    if (ok && !done)
        return true; /* a cutover looks at the task just now */
    *out_over = true;
    *out_back = ok ? count : 0;
    if (r->err.cls != ERR_NONE && r->err.cls != ERR_STOPPED)
        log_error_value(LOG_WARN, &r->err, "the tables stay suspended");
    if (ok && count > 0)
        log_info("tables copied again tables=%d lsn=" LSN_FMT
                 " ms=%lld: the stream goes back there",
                 count, LSN_ARGS(r->start.lsn), (long long)((clock_now_us() - r->begun_us) / 1000));
    rejoin_abandon(sync);
    return ok;
}

void rejoin_abandon(Sync *sync)
{
    if (sync->rejoin == NULL)
        return;
    rejoin_free(sync->rejoin);
    sync->rejoin = NULL;
    sync_pin_copy(sync, LSN_UNKNOWN);
}
