/*
 * load - the full load as the conductor sees it: what it stands on (guard and snapshot), tables
 * that must be copied again under a newer snapshot, indexes, and what of the schema has to wait for
 * the stream.
 *
 * A table copied under a snapshot at X takes the stream from X on (Relation.start_lsn). The first
 * snapshot is the slot's own. After a kill, or when an application needed a table's lock, the
 * remaining tables are copied under the snapshot of a temporary slot: a later X for just those
 * tables.
 */
#include <stdio.h>
#include <string.h>

#include "apply/merge.h"
#include "apply/suspension.h"
#include "apply/target_catalog.h"
#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "source/sequences.h"
#include "source/shape.h"
#include "sync/internal.h"

#define GUARD_WAIT_US   30000000
#define MAX_LOAD_ROUNDS 12
#define MAX_PATIENCE_US 5000000

bool load_start_guard(Sync *sync, LoadStart *start, Error *err)
{
    return guard_take(&sync->spec.source, sync_relations(sync), GUARD_WAIT_US, &start->guard, err);
}

bool load_start_slot(Sync *sync, LoadStart *start, bool temporary, Error *err)
{
    char name[96];
    /* pgoutput is in every server: a temporary slot is only asked for its snapshot. */
    const char *plugin = temporary ? "pgoutput" : sync->plugin;
    snprintf(name, sizeof name, temporary ? "%.50s_snap" : "%s", sync->spec.slot_name);
    if (!slot_create(&sync->spec.source, name, plugin, temporary, sync->spec.slot_wait_us,
                     &start->slot, err))
        return false;
    start->lsn = slot_snapshot_lsn(start->slot);
    snprintf(start->snapshot_id, sizeof start->snapshot_id, "%s", slot_snapshot_id(start->slot));
    return true;
}

bool load_start_plain(Sync *sync, LoadStart *start, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    start->plain = pgconn_open(&sync->spec.source, PG_SESSION_SQL, "snapshot", err);
    if (start->plain == NULL ||
        !pgconn_script(start->plain,
                       SQL("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"), err) ||
        !pgconn_query(
            start->plain,
            SQL("SELECT pg_catalog.pg_export_snapshot(), pg_catalog.pg_current_wal_lsn()"),
            PG_NO_PARAMS, &rows, err))
        return false;
    snprintf(start->snapshot_id, sizeof start->snapshot_id, "%s", pgrows_text(rows, 0, 0));
    start->lsn = pgrows_lsn(rows, 0, 1);
    return true;
}

void load_start_done(LoadStart *start)
{
    slot_snapshot_free(start->slot);
    pgconn_close(start->plain);
    guard_free(start->guard);
    *start = (LoadStart){0};
}

static bool record_table(void *arg, PgConn *conn, Relation *rel, LoadState state, Lsn start_lsn,
                         int64_t rows, int64_t bytes, const char *message, Error *err)
{
    Sync *sync = arg;
    return control_write_table(conn, sync->spec.task, rel, state, start_lsn, rows, bytes, message,
                               err);
}

/* A table that is emptied all the time would be given up in every round: from the third on the
 * application waits, longer each time, but never longer than seconds. */
static int64_t patience_us(int round)
{
    int64_t us = round < 3 ? 0 : INT64_C(250000) << (round - 3);
    return us < MAX_PATIENCE_US ? us : MAX_PATIENCE_US;
}

/* While a table was not guarded it may have been altered; what we know of it must still be true. One
 * that has another shape now is left out until the stream runs. */
static bool same_shape(Sync *sync, Error *err)
{
    Relations *rels = sync_relations(sync);
    CLEANUP_PGCONN PgConn *source = pgconn_open(&sync->spec.source, PG_SESSION_SQL, "shape", err);
    TableShapes shapes;
    if (source == NULL || !shape_look(source, rels, rels->arena, &shapes, err))
        return false;
    for (int i = 0; i < shapes.count; i++) {
        Relation *rel = relations_by_oid(rels, shapes.all[i].oid);
        if (atomic_load(&rel->load_state) == TABLE_COMPLETED)
            continue;
        ShapeChange change = shape_compare(rel->shape, shapes.all[i].text);
        if (change != SHAPE_OTHER && change != SHAPE_LABELS) {
            rel->shape = shapes.all[i].text; /* it is guarded now: this is what is copied */
            continue;
        }
        if (!sync->may_suspend)
            return ERR(err, ERR_SCHEMA_CHANGED,
                       "table '%s' changed its shape while the tables were copied", rel->display);
        relation_suspend(rel, sync->row.consistent_lsn,
                         "it changed its shape while the tables were copied");
        if (!suspension_write(sync->control, sync->spec.task, rel, NULL, err))
            return false;
        suspension_committed(rels);
        atomic_store(&rel->load_state, TABLE_COMPLETED);
        /* A dump made across the change may lack what the change made anew: its indexes. */
        if (sync->spec.prepare == PREPARE_CREATE)
            sync->spec.schema->forget(sync->spec.schema->self);
    }
    return true;
}

/* What is locked and seen by the round: the first one was made by prepare. */
static bool begin_round(Sync *sync, int round, Error *err)
{
    LoadStart *start = &sync->load_start;
    if (start->guard != NULL)
        return true;
    if (!load_start_guard(sync, start, err))
        return false;
    guard_patience(start->guard, patience_us(round));
    return sync->spec.mode == SYNC_FULL_LOAD ? load_start_plain(sync, start, err)
                                             : load_start_slot(sync, start, true, err);
}

static bool truncate_target(Sync *sync, const LoadSpec *spec, Error *err)
{
    bool done = false;
    if (sync->spec.prepare != PREPARE_TRUNCATE)
        return true;
    if (!control_step_done(sync->control, sync->spec.task, "truncate", &done, err))
        return false;
    if (done)
        return true;
    log_info("emptying the tables on the target");
    return load_truncate(spec, sync->control, err) &&
           control_mark_step(sync->control, sync->spec.task, "truncate", err);
}

static bool restore_pre_data(Sync *sync, Error *err)
{
    bool done = false;
    if (sync->spec.prepare != PREPARE_CREATE)
        return true;
    if (!control_step_done(sync->control, sync->spec.task, "pre-data", &done, err))
        return false;
    if (done)
        return true;
    log_info("restoring the schema: pre-data");
    if (!sync->spec.schema->pre_data(sync->spec.schema->self, sync_relations(sync), err))
        return false;
    FAULT(SCHEMA_PRE_DONE);
    return control_mark_step(sync->control, sync->spec.task, "pre-data", err);
}

static void load_spec(Sync *sync, LoadSpec *out_spec, Arena *arena)
{
    const SyncSpec *spec = &sync->spec;
    Relations *rels = sync_relations(sync);
    *out_spec = (LoadSpec){
        .source = spec->source,
        .target = spec->target,
        .task = spec->task,
        .rels = rels,
        .plan = fk_plan_new(arena, rels),
        .snapshot_id = sync->load_start.snapshot_id,
        .start_lsn = sync->load_start.lsn,
        .guard = sync->load_start.guard,
        .schema = spec->prepare == PREPARE_CREATE ? spec->schema : NULL,
        .stop = spec->stop,
        .jobs = spec->load_jobs,
        .chunk_bytes = spec->load_chunk_bytes,
        .constraints_live = spec->prepare != PREPARE_CREATE,
        .binary = spec->load_binary,
        .tables_are_ours = spec->prepare == PREPARE_CREATE,
        .progress = &sync->progress,
        .record = record_table,
        .record_arg = sync,
        .redo = arena_new_array(arena, bool, rels->count),
    };
}

bool load_copy_again(Sync *sync, const LoadStart *start, StopToken *stop, Error *err)
{
    Arena *arena = arena_new(0);
    LoadSpec spec;
    load_spec(sync, &spec, arena);
    spec.source.stop = spec.target.stop = spec.stop = stop;
    spec.snapshot_id = start->snapshot_id;
    spec.start_lsn = start->lsn;
    spec.guard = start->guard;
    spec.schema = NULL; /* indexes are there */
    spec.constraints_live = true;
    spec.tables_are_ours = false;
    spec.record = NULL; /* until the stream is turned back the tables are suspended */
    bool ok = load_run(&spec, err);
    arena_free(arena);
    return ok;
}

/* full-load alone has no stream to bring tables of different snapshots together: it starts over. */
static bool forget_all(Sync *sync, Error *err)
{
    Relations *rels = sync_relations(sync);
    for (int i = 0; i < rels->count; i++) {
        /* "Begun", not "before": the copy empties what an earlier attempt left behind. */
        if (atomic_load(&rels->all[i]->load_state) != TABLE_BEFORE_LOAD)
            atomic_store(&rels->all[i]->load_state, TABLE_FULL_LOAD);
        atomic_store(&rels->all[i]->loaded_rows, 0);
        atomic_store(&rels->all[i]->loaded_bytes, 0);
    }
    return control_write_tables(sync->control, sync->spec.task, rels, err);
}

/* target.prepare: merge */
static bool open_merge(Sync *sync, LoadMerge *port, LoadSpec *spec, Error *err)
{
    if (sync->spec.prepare != PREPARE_MERGE)
        return true;
    Merge *merge = NULL;
    if (!merge_open(sync->control, sync->spec.task, spec->rels, &sync->progress, &merge, err))
        return false;
    *port = (LoadMerge){.self = merge, .begin = merge_begin, .end = merge_end};
    spec->merge = port;
    return true;
}

static bool load_round(Sync *sync, int *out_redo, Error *err)
{
    Arena *arena = arena_new(0);
    LoadMerge merge = {0};
    LoadSpec spec;
    load_spec(sync, &spec, arena);
    /* A table that was given up before its schema was dumped has been made in its new shape. */
    bool ok = restore_pre_data(sync, err) && same_shape(sync, err) &&
              target_catalog_match(sync->control, spec.rels, MATCH_LOAD, err) &&
              (sync->spec.prepare == PREPARE_CREATE || sync_quiet_triggers(sync, err)) &&
              truncate_target(sync, &spec, err) && open_merge(sync, &merge, &spec, err) &&
              load_run(&spec, err);
    merge_close(merge.self);
    *out_redo = 0;
    for (int i = 0; ok && i < spec.rels->count; i++)
        *out_redo += spec.redo[i];
    arena_free(arena);
    return ok;
}

bool sync_load(Sync *sync, Error *err)
{
    /* Without the snapshot that prepare took this is a restart. */
    bool restarted = sync->load_start.guard == NULL;
    for (int round = 1; round <= MAX_LOAD_ROUNDS; round++) {
        int redo = 0;
        if (sync->spec.mode == SYNC_FULL_LOAD && (restarted || round > 1) && !forget_all(sync, err))
            return false;
        if (!begin_round(sync, round, err)) {
            load_start_done(&sync->load_start);
            return false;
        }
        bool ok = load_round(sync, &redo, err);
        load_start_done(&sync->load_start);
        if (!ok)
            return false;
        if (redo == 0) {
            FAULT(HANDOFF);
            return sync_event(sync, TASK_EV_LOADED, err);
        }
        log_info("an application needed the lock of %d tables; copying them under a newer snapshot",
                 redo);
    }
    ERR(err, ERR_LOCK_TIMEOUT,
        "some tables were locked by applications in each of %d attempts to copy them",
        MAX_LOAD_ROUNDS);
    err->cls = ERR_BLOCKED;
    return err_hint(
        err, "Pause the jobs that TRUNCATE or ALTER them during the load, then run again; the "
             "finished tables stay.");
}

Lsn sync_newest_start(const Sync *sync)
{
    const Relations *rels = atomic_load(&sync->rels);
    Lsn newest = LSN_UNKNOWN;
    for (int i = 0; i < rels->count; i++) {
        if (atomic_load(&rels->all[i]->suspended) == SUSPEND_NOT &&
            relation_begins(rels->all[i]) > newest)
            newest = relation_begins(rels->all[i]);
    }
    return newest;
}

/* Lets the stream pass the newest snapshot, then holds the applier so that the schema work sees one
 * state. */
static bool stream_past_newest_start(Sync *sync, Error *err)
{
    Lsn newest = sync_newest_start(sync);
    if (sync->spec.mode == SYNC_FULL_LOAD || sync->row.resume_lsn >= newest)
        return true;
    log_info("tables were copied under different snapshots: streaming to " LSN_FMT
             " before foreign keys are made",
             LSN_ARGS(newest));
    if (!sync_stream_start(sync, err))
        return false;
    while (atomic_load(&sync->progress.applied_lsn) < newest) {
        if (sync_stream_failed(sync, err))
            return false;
        if (stop_wait(sync->spec.stop, 50000))
            return ERR(err, ERR_STOPPED, "stopped");
    }
    return sync_hold_apply_wait(sync, err);
}

/* Without a cutover nobody else would: rows came with their values, defaults must not collide. */
static bool raise_sequences(Sync *sync, Error *err)
{
    Arena *arena = arena_new(0);
    Sequences sequences;
    int raised = 0;
    CLEANUP_PGCONN PgConn *source = pgconn_open(&sync->spec.source, PG_SESSION_SQL, "load", err);
    bool ok = source != NULL && sequences_read(source, arena, &sequences, err);
    if (ok) {
        sequences_keep_scope(&sequences, sync_relations(sync));
        ok = sequences_raise(sync->control, &sequences, 0, false, &raised, err);
    }
    if (ok)
        log_info("sequences are set raised=%d", raised);
    else
        err_context(err, "setting the sequences");
    arena_free(arena);
    return ok;
}

/* Foreign keys, triggers and the rest; then nothing on the target may fire or be written by others.
 */
bool sync_finish_schema(Sync *sync, Error *err)
{
    const SchemaPort *schema = sync->spec.schema;
    bool done = false;
    if (sync->spec.prepare == PREPARE_CREATE) {
        if (!control_step_done(sync->control, sync->spec.task, "finish-schema", &done, err))
            return false;
        if (!done) {
            log_info("restoring the schema: foreign keys");
            if (!schema->foreign_keys(schema->self, err))
                return false;
            log_info("restoring the schema: triggers, rules, policies");
            if (!schema->last(schema->self, err))
                return false;
            if (!control_mark_step(sync->control, sync->spec.task, "finish-schema", err))
                return false;
        }
    }
    return (sync->spec.after_load == NULL ||
            (sync->spec.after_load(sync->spec.after_arg, err) && sync_keep_control(sync, err))) &&
           sync_quiet_triggers(sync, err);
}

/* Others' scripts have run since it was looked at. */
static bool still_matches(Sync *sync, Error *err)
{
    return sync->spec.after_load == NULL ||
           target_catalog_match(sync->control, sync_relations(sync), MATCH_STREAM, err);
}

static bool build_indexes(Sync *sync, Error *err)
{
    const SchemaPort *schema = sync->spec.schema;
    Arena *arena = arena_new(0);
    LoadSpec spec;
    load_spec(sync, &spec, arena);
    bool ok = true;
    if (sync->spec.prepare == PREPARE_CREATE) {
        FAULT(INDEX_BEFORE);
        log_info("building indexes and keys");
        ok = load_post_data(&spec, err) && schema->common_post_data(schema->self, err);
        FAULT(INDEX_AFTER);
    }
    if (ok && sync->spec.load_analyze) {
        log_info("collecting statistics");
        ok = load_analyze(&spec, err);
    }
    arena_free(arena);
    return ok;
}

bool sync_index(Sync *sync, Error *err)
{
    if (!build_indexes(sync, err) || !sync_keep_control(sync, err))
        return false;
    if (sync->spec.mode == SYNC_FULL_LOAD)
        return sync_finish_schema(sync, err) && raise_sequences(sync, err) &&
               sync_event(sync, TASK_EV_FINISHED, err);
    if (!target_catalog_match(sync->control, sync_relations(sync), MATCH_STREAM, err) ||
        !stream_past_newest_start(sync, err) || !sync_keep_control(sync, err) ||
        !sync_finish_schema(sync, err) || !still_matches(sync, err) ||
        !sync->spec.close_target(sync->spec.close_arg, sync->control, sync_relations(sync), err) ||
        !sync_event(sync, TASK_EV_INDEXED, err))
        return false;
    sync_hold_apply(sync, false);
    return true;
}
