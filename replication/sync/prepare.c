/*
 * prepare - from nothing to a slot whose snapshot the load can use: catalog, guard, publication,
 * slot, and the first durable record of where the task starts.
 *
 * Order matters: guard locks before the slot (a rewriting ALTER between slot and copy would read
 * empty), the publication before the slot (pgoutput looks it up as of the decoded position), the
 * slot before the record. A kill before the record leaves a slot that the next start drops: nothing
 * was loaded from it.
 */
#include <stdio.h>
#include <string.h>

#include "apply/rules_mark.h"
#include "apply/suspension.h"
#include "apply/target_catalog.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "source/capture.h"
#include "source/mapped.h"
#include "source/others.h"
#include "source/shape.h"
#include "sql_files.h"
#include "sync/internal.h"
#include "sync/reverse.h"

/* `status` goes on counting when the catalog is read again. */
static void keep_counters(const Relations *before, Relations *rels)
{
    for (int i = 0; before != NULL && i < rels->count; i++) {
        Relation *rel = rels->all[i];
        const Relation *old = relations_by_oid(before, rel->oid);
        if (old == NULL)
            continue;
        atomic_store(&rel->remedy, atomic_load(&old->remedy));
        if (atomic_load(&old->suspended) != SUSPEND_NOT ||
            shape_compare(old->shape, rel->shape) == SHAPE_OTHER)
            rel->former = old->former != NULL ? old->former : old;
        atomic_store(&rel->inserts, atomic_load(&old->inserts));
        atomic_store(&rel->updates, atomic_load(&old->updates));
        atomic_store(&rel->deletes, atomic_load(&old->deletes));
        atomic_store(&rel->truncates, atomic_load(&old->truncates));
    }
}

/* On the way back nothing can be left out. */
static bool all_there(const Rules *rules, Error *err)
{
    for (int i = 0; i < rules->count; i++)
        if (!rules->patterns[i].exclude && rules->patterns[i].matched == 0)
            return ERR(err, ERR_CONFIG, "rule '%s' names no table", rules->patterns[i].text);
    return true;
}

/* living: there is a copy already; what a rule does not fit any more is suspended. */
static bool read_tables(Sync *sync, PgConn *source, bool living, Relations **out_rels, Error *err)
{
    Relations *rels = NULL;
    if (!sync_scope(sync, err))
        return false;
    Rules *rules = sync->spec.rules;
    bool ok;
    if (sync->spec.reverse) {
        ReverseSpec spec = {.arena = sync->arena,
                            .control = sync->control,
                            .source = source,
                            .task = sync->spec.task,
                            .rules = sync->spec.rules};
        if (!reverse_rules(&spec, &sync->reverse_rules, err))
            return false;
        rules = &sync->reverse_rules;
    }
    if (living)
        ok = catalog_read_living(source, sync->control, sync->spec.task, rules, &rels, err);
    else
        ok = catalog_read(source, sync->control, sync->spec.task, rules, &rels, err);
    if (!ok || (sync->spec.reverse && !all_there(rules, err))) {
        relations_free(rels);
        if (sync->spec.reverse && err->cls == ERR_CONFIG) {
            err->cls = ERR_SCHEMA_CHANGED;
            err_context(err, "a table was dropped or renamed since its side was opened");
        }
        return false;
    }
    if (rels->count == 0) {
        relations_free(rels);
        ERR(err, ERR_CONFIG, "no table of the source is in scope");
        return err_hint(err,
                        "Look at tables.include and tables.exclude; 'bascule plan' shows what each "
                        "pattern matches.");
    }
    keep_counters(sync_relations(sync), rels);
    *out_rels = rels;
    return true;
}

/* From here on others see them. */
static void show_tables(Sync *sync, Relations *rels)
{
    Relations *before = atomic_exchange(&sync->rels, rels);
    if (before != NULL) {
        sync->retired =
            mem_grow(sync->retired, sizeof *sync->retired * ((size_t)sync->retired_count + 1));
        sync->retired[sync->retired_count++] = before;
    }
}

static bool read_catalog(Sync *sync, PgConn *source, Error *err)
{
    Relations *rels = NULL;
    if (!read_tables(sync, source, false, &rels, err))
        return false;
    show_tables(sync, rels);
    return true;
}

static bool choose_plugin(Sync *sync, Error *err)
{
    const char *plugin = NULL;
    char why[512] = "";
    if (!slot_choose_plugin(&sync->spec.source, sync->spec.plugin, sync_relations(sync), &plugin,
                            why, sizeof why, err))
        return false;
    snprintf(sync->plugin, sizeof sync->plugin, "%s", plugin);
    log_info("plugin %s: %s", plugin, why);
    return true;
}

static bool write_row(Sync *sync, TaskState state, Error *err)
{
    ControlTask *row = &sync->row;
    snprintf(row->state, sizeof row->state, "%s", task_state_name(state));
    snprintf(row->source_system_id, sizeof row->source_system_id, "%s",
             sync->source_identity.system_id);
    snprintf(row->source_database, sizeof row->source_database, "%s",
             sync->source_identity.database);
    snprintf(row->slot_name, sizeof row->slot_name, "%s", sync->spec.slot_name);
    snprintf(row->plugin, sizeof row->plugin, "%s", sync->plugin);
    snprintf(row->mode, sizeof row->mode, "%s", sync_mode_name(sync->spec.mode));
    snprintf(row->prepare, sizeof row->prepare, "%s", sync_prepare_name(sync->spec.prepare));
    return control_write(sync->control, sync->spec.task, row, err);
}

/* A slot of an earlier, killed preparation holds WAL for nobody. One that we did not record is not
 * ours. */
static bool drop_leftovers(Sync *sync, PgConn *source, Error *err)
{
    SlotState slot;
    if (!slot_state(source, sync->spec.slot_name, &slot, err))
        return false;
    if (!slot.exists)
        return true;
    if (!sync->row_found || strcmp(sync->row.slot_name, sync->spec.slot_name) != 0) {
        ERR(err, ERR_SLOT,
            "replication slot '%s' exists on the source, but the target knows no task '%s' "
            "that owns it",
            sync->spec.slot_name, sync->spec.task);
        return err_hint(
            err, "Run 'bascule cleanup' if it is left over from an earlier run, or choose another "
                 "slot.name.");
    }
    log_info("dropping the slot of a preparation that did not finish slot=%s",
             sync->spec.slot_name);
    return slot_drop(source, sync->spec.slot_name, err);
}

static bool make_publication(Sync *sync, PgConn *source, Error *err)
{
    if (strcmp(sync->plugin, "pgoutput") != 0) {
        sync->row.publication[0] = '\0';
        sync->row.publication_ours = false;
        return true;
    }
    snprintf(sync->row.publication, sizeof sync->row.publication, "%s", sync->spec.publication);
    bool created = false;
    if (!publication_create(source, sync->spec.publication, sync_relations(sync), &created, err))
        return false;
    sync->row.publication_ours = sync->row.publication_ours || created;
    return true;
}

/* prepare: create makes the tables itself; one that is there already is somebody's. */
static bool check_absent(PgConn *target, const Relations *rels, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_SYNC_TARGET_TABLES, PG_NO_PARAMS, &rows, err))
        return false;
    Map there = MAP_INIT;
    for (int r = 0; r < pgrows_count(rows); r++)
        map_put(&there, pgrows_text(rows, r, 0), (size_t)pgrows_length(rows, r, 0), rows);
    const Relation *found = NULL;
    int count = 0;
    CLEANUP_BUF Buf key = BUF_INIT;
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        buf_clear(&key);
        buf_printf(&key, "%s.%s", rel->target_schema, rel->target_name);
        if (map_get(&there, key.data, key.len) != NULL && count++ == 0)
            found = rel;
    }
    map_done(&there);
    if (count == 0)
        return true;
    ERR(err, ERR_TARGET_NOT_EMPTY,
        "target.prepare is 'create', but %d of the tables exist on the target already, '%s.%s' "
        "among them",
        count, found->target_schema, found->target_name);
    return err_hint(
        err, "Drop them, or use target.prepare: truncate (destroys their rows) or nothing (they "
             "must be empty).");
}

/* The schema comes as the source has it: it cannot be made under other names. */
static bool check_create(const Relations *rels, Error *err)
{
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        if (!mapped_differs(rel))
            continue;
        ERR(err, ERR_BLOCKED,
            "target.prepare is 'create', which makes tables as the source has them, but by the "
            "rules table '%s' or its columns are not the same on the target ('%s.%s')",
            rel->display, rel->target_schema, rel->target_name);
        return err_hint(err, "Make the tables on the target under their names there, and use "
                             "target.prepare: nothing (they must be empty) or truncate.");
    }
    return true;
}

/* The target must be able to take what will come, before anything is created anywhere. */
static bool look_at_target(Sync *sync, Error *err)
{
    Relations *rels = sync_relations(sync);
    if (sync->spec.mode == SYNC_CDC)
        return target_catalog_match(sync->control, rels, MATCH_STREAM, err);
    switch (sync->spec.prepare) {
    case PREPARE_CREATE:
        return check_create(rels, err) && check_absent(sync->control, rels, err);
    case PREPARE_TRUNCATE:
        return target_catalog_match(sync->control, rels, MATCH_LOAD, err);
    case PREPARE_NOTHING:
        return target_catalog_match(sync->control, rels, MATCH_LOAD, err) &&
               target_catalog_check_empty(sync->control, rels, false, err);
    case PREPARE_MERGE:
        return target_catalog_match(sync->control, rels, MATCH_STREAM, err) &&
               target_catalog_check_empty(sync->control, rels, true, err);
    }
    return ERR(err, ERR_BUG, "unknown target.prepare");
}

static bool check_identities(const Relations *rels, Error *err)
{
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        if (rel->replica_identity == 'f' || rel->key_count > 0 ||
            atomic_load(&rel->suspended) != SUSPEND_NOT)
            continue;
        ERR(err, ERR_REPLICA_IDENTITY,
            "table '%s' has no replica identity: its updates and deletes would be lost",
            rel->display);
        return err_hint(
            err, "Give it a primary key, or on the source: ALTER TABLE %s REPLICA IDENTITY FULL;",
            rel->display);
    }
    return true;
}

static bool capture_not_possible(Sync *sync, Error *err)
{
    if (sync->spec.capture == CAPTURE_ON)
        return err_hint(err, "Event triggers need a superuser, or the role of the service that "
                             "stands for one; with ddl_capture: auto the task goes on without.");
    log_info("DDL of the source is not captured: %s", err->message);
    err_clear(err);
    return true;
}

bool sync_capture(Sync *sync, PgConn *source, Error *err)
{
    sync->captures = false;
    if (sync->spec.reverse || sync->spec.mode == SYNC_FULL_LOAD)
        return true;
    if (sync->spec.capture == CAPTURE_OFF) {
        Error ignored = ERROR_INIT;
        if (!capture_remove(source, sync->spec.task, &ignored))
            log_info("event triggers of an earlier run stay on the source: %s", ignored.message);
        return true;
    }
    if (!capture_install(source, sync->spec.task, err))
        return pgconn_usable(source) && capture_not_possible(sync, err);
    sync->captures = true;
    return true;
}

/* What rules make of columns must make sense to the source; the target's types are known by now. */
static bool try_values(Sync *sync, PgConn *source, Error *err)
{
    const Relations *rels = sync_relations(sync);
    for (int i = 0; i < rels->count; i++)
        if (rels->all[i]->added_count > 0 && !mapped_try_values(source, rels->all[i], err))
            return false;
    return true;
}

/* The conditions of rules about rows, and the foreign keys that the rows left behind would break: created
 * ones would fail after the load. */
static bool try_filters(Sync *sync, PgConn *source, Error *err)
{
    const Relations *rels = sync_relations(sync);
    for (int i = 0; i < rels->count; i++) {
        if (sync->spec.dual_write && rels->all[i]->filter != NULL)
            return ERR(err, ERR_CONFIG, "%s: target_writes: dual-write moves whole tables",
                       rels->all[i]->filter_rule);
        if (!mapped_try_filter(source, rels->all[i], err))
            return false;
    }
    for (int k = 0; k < rels->foreign_key_count; k++) {
        const ForeignKey *fk = &rels->foreign_keys[k];
        if (sync->spec.prepare != PREPARE_CREATE || sync->spec.mode == SYNC_CDC ||
            !mapped_cuts_reference(rels, fk))
            continue;
        ERR(err, ERR_BLOCKED,
            "table '%s' references '%s' (foreign key '%s'), of which not all rows move",
            rels->all[fk->from_id]->display, rels->all[fk->to_id]->display, fk->name);
        return err_hint(err, "Give the table a rule in rules.rows too, or make the target's tables "
                             "without the key and use target.prepare: nothing.");
    }
    return true;
}

/* Everything is refused here that can be refused before a trace is left. */
static bool look_first(Sync *sync, PgConn *source, Error *err)
{
    return read_catalog(sync, source, err) && rules_all_matched(sync->spec.rules, err) &&
           others_check(sync->control, sync->spec.task, sync_relations(sync), NULL, err) &&
           (sync->spec.mode == SYNC_FULL_LOAD || check_identities(sync_relations(sync), err)) &&
           try_filters(sync, source, err) && look_at_target(sync, err) &&
           try_values(sync, source, err) &&
           (sync->spec.mode == SYNC_FULL_LOAD || choose_plugin(sync, err)) &&
           drop_leftovers(sync, source, err);
}

/* cdc from a stated position: the slot must exist and must not have forgotten anything behind it.
 */
static bool start_at_position(Sync *sync, PgConn *source, Lsn *out_lsn, Error *err)
{
    SlotState slot;
    Lsn start = sync->spec.cdc_start_lsn;
    if (!slot_state(source, sync->spec.slot_name, &slot, err))
        return false;
    if (!slot.exists) {
        ERR(err, ERR_SLOT, "cdc.start_lsn needs the replication slot '%s', which does not exist",
            sync->spec.slot_name);
        return err_hint(
            err, "Name the slot that was created before the copy was taken in slot.name, or leave "
                 "cdc.start_lsn out to start with a new slot now.");
    }
    if (slot.confirmed_lsn > start)
        return ERR(err, ERR_SLOT_LOST,
                   "slot '%s' was confirmed up to " LSN_FMT ": the changes from " LSN_FMT
                   " on are gone",
                   sync->spec.slot_name, LSN_ARGS(slot.confirmed_lsn), LSN_ARGS(start));
    if (strcmp(slot.plugin, "wal2json") != 0 && strcmp(slot.plugin, "pgoutput") != 0)
        return ERR(err, ERR_UNSUPPORTED,
                   "slot '%s' decodes with plugin '%s'; bascule reads wal2json and pgoutput",
                   sync->spec.slot_name, slot.plugin);
    snprintf(sync->plugin, sizeof sync->plugin, "%.15s", slot.plugin);
    *out_lsn = start;
    return true;
}

static bool start_at_new_slot(Sync *sync, PgConn *source, Lsn *out_lsn, Error *err)
{
    SlotSnapshot *snapshot = NULL;
    if (!make_publication(sync, source, err) || !write_row(sync, TASK_PREPARING, err) ||
        !slot_create(&sync->spec.source, sync->spec.slot_name, sync->plugin, false,
                     sync->spec.slot_wait_us, &snapshot, err))
        return false;
    *out_lsn = slot_snapshot_lsn(snapshot);
    slot_snapshot_free(snapshot);
    return true;
}

static bool prepare_cdc(Sync *sync, PgConn *source, Error *err)
{
    Relations *rels;
    Lsn start = LSN_UNKNOWN;
    bool stated = sync->spec.cdc_start_lsn != LSN_UNKNOWN;
    if (!read_catalog(sync, source, err) || !rules_all_matched(sync->spec.rules, err) ||
        !others_check(sync->control, sync->spec.task, sync_relations(sync), NULL, err) ||
        !check_identities(sync_relations(sync), err) || !try_filters(sync, source, err) ||
        !look_at_target(sync, err) || !try_values(sync, source, err))
        return false;
    if (stated) {
        if (!start_at_position(sync, source, &start, err) || !make_publication(sync, source, err))
            return false;
    } else if (!choose_plugin(sync, err) || !drop_leftovers(sync, source, err) ||
               !sync_capture(sync, source, err) || !start_at_new_slot(sync, source, &start, err)) {
        return false;
    }
    rels = sync_relations(sync);
    for (int i = 0; i < rels->count; i++) {
        rels->all[i]->start_lsn = start;
        atomic_store(&rels->all[i]->load_state, TABLE_COMPLETED);
    }
    sync->row.consistent_lsn = start;
    if (!write_row(sync, TASK_PREPARING, err) ||
        !rules_mark_keep(sync->control, sync->spec.task, sync->spec.rules, err) ||
        !control_write_tables(sync->control, sync->spec.task, rels, err) ||
        !others_check(sync->control, sync->spec.task, sync_relations(sync), NULL, err) ||
        !control_set_resume(sync->control, sync->spec.task, start, err))
        return false;
    sync->row.resume_lsn = start;
    atomic_store(&sync->state, TASK_PREPARING);
    if (!sync_quiet_triggers(sync, err) ||
        !sync->spec.close_target(sync->spec.close_arg, sync->control, rels, err))
        return false;
    return sync_event(sync, TASK_EV_INDEXED, err);
}

/* The first snapshot of a load: of the permanent slot, or (full-load only) of nothing but itself.
 */
static bool first_snapshot(Sync *sync, PgConn *source, LoadStart *start, Error *err)
{
    if (sync->spec.mode == SYNC_FULL_LOAD) {
        sync->plugin[0] = '\0';
        return write_row(sync, TASK_PREPARING, err) && load_start_plain(sync, start, err);
    }
    if (!make_publication(sync, source, err) || !write_row(sync, TASK_PREPARING, err))
        return false;
    return load_start_slot(sync, start, false, err);
}

/* Guard locks on what the catalog said; what changed between reading and locking is read again. */
static bool guard_unchanged(Sync *sync, PgConn *source, LoadStart *start, Error *err)
{
    for (int attempt = 0; attempt < 5; attempt++) {
        char before[33], under[33];
        if (!catalog_fingerprint(source, sync_relations(sync), before, err) ||
            !load_start_guard(sync, start, err) ||
            !catalog_fingerprint(source, sync_relations(sync), under, err))
            return false;
        if (strcmp(before, under) == 0)
            return true;
        load_start_done(start);
        log_info("the tables changed while they were locked, reading the catalog again");
        if (!read_catalog(sync, source, err))
            return false;
    }
    return ERR(err, ERR_SCHEMA_CHANGED, "the tables in scope keep changing their shape");
}

bool sync_prepare(Sync *sync, Error *err)
{
    CLEANUP_PGCONN PgConn *source = pgconn_open(&sync->spec.source, PG_SESSION_SQL, "prepare", err);
    if (source == NULL)
        return false;
    if (sync->spec.mode == SYNC_CDC)
        return prepare_cdc(sync, source, err);
    if (!look_first(sync, source, err))
        return false;
    /* From here on traces are left: recorded before they are made. */
    if (!write_row(sync, TASK_PREPARING, err) ||
        !rules_mark_keep(sync->control, sync->spec.task, sync->spec.rules, err))
        return false;
    atomic_store(&sync->state, TASK_PREPARING);
    LoadStart *start = &sync->load_start;
    if (!sync_capture(sync, source, err))
        return false;
    if (!guard_unchanged(sync, source, start, err) || !first_snapshot(sync, source, start, err))
        return false;
    FAULT(SLOT_CREATED);
    sync->row.consistent_lsn = start->lsn;
    if (!control_write_tables(sync->control, sync->spec.task, sync_relations(sync), err) ||
        !others_check(sync->control, sync->spec.task, sync_relations(sync), NULL, err) ||
        !control_set_resume(sync->control, sync->spec.task, start->lsn, err) ||
        !write_row(sync, TASK_PREPARING, err))
        return false;
    sync->row.resume_lsn = start->lsn;
    FAULT(SNAPSHOT_RECORDED);
    log_info("snapshot taken consistent_lsn=" LSN_FMT " tables=%d", LSN_ARGS(start->lsn),
             sync_relations(sync)->count);
    return sync_event(sync, TASK_EV_SLOT_READY, err);
}

/* The table was copied in another shape than it has now. */
static void hold_against_copy(Sync *sync, Relation *rel)
{
    Lsn since = sync->row.resume_lsn;
    if (!rel->recorded && sync->may_suspend) {
        relation_suspend(rel, since, "it is new in scope");
        return;
    }
    if (rel->rule_trouble != NULL) {
        relation_suspend(rel, since, rel->rule_trouble);
        return;
    }
    ShapeChange change = shape_compare(rel->copied_shape, rel->shape);
    if (change == SHAPE_RENAMED && !sync_names_count(sync))
        change = SHAPE_TOUCHED;
    switch (change) {
    case SHAPE_LABELS:
        relation_suspend(rel, since, "an enum of its columns has other labels");
        break;
    case SHAPE_OTHER:
        relation_suspend(rel, since, "its columns, types, replica identity or partitions changed");
        break;
    case SHAPE_REWRITTEN:
        relation_suspend(rel, since, "an ALTER TABLE rewrote its values");
        break;
    case SHAPE_RENAMED:
        relation_suspend(rel, since, SYNC_RENAMED);
        break;
    case SHAPE_TOUCHED:
    case SHAPE_SAME:
        if (rel->copied_shape != NULL && atomic_load(&rel->load_state) == TABLE_COMPLETED)
            rel->shape = rel->copied_shape;
        break;
    }
}

/* What changed while nobody watched: durable before anything is streamed. */
static bool settle_suspensions(Sync *sync, Relations *rels, Error *err)
{
    bool due = false;
    for (int i = 0; i < rels->count; i++) {
        Relation *rel = rels->all[i];
        if (atomic_load(&rel->suspended) == SUSPEND_NOT)
            hold_against_copy(sync, rel);
        if (atomic_load(&rel->suspended) == SUSPEND_NOT)
            continue;
        if (atomic_load(&rel->suspended) == SUSPEND_DUE) {
            if (rel->suspended_lsn == LSN_UNKNOWN)
                rel->suspended_lsn = sync->row.resume_lsn;
            due = true;
        }
        if (!sync->may_suspend || sync->spec.mode == SYNC_FULL_LOAD) {
            ERR(err, ERR_SCHEMA_CHANGED, "table '%s': %s", rel->display, rel->suspend_reason);
            return err_hint(err,
                            "See docs/operations/ddl.md; one table alone cannot be left out here: "
                            "run 'bascule cleanup' and start again.");
        }
        atomic_store(&rel->load_state, TABLE_COMPLETED); /* no load takes it */
    }
    if (due && !suspension_write_due(sync->control, sync->spec.task, rels, err))
        return false;
    suspension_committed(rels);
    return true;
}

/* A restart after `preparing`: what was decided then stays decided. */
bool sync_recall(Sync *sync, Error *err)
{
    CLEANUP_PGCONN PgConn *source = pgconn_open(&sync->spec.source, PG_SESSION_SQL, "recall", err);
    if (source == NULL || !rules_mark_check(sync->control, sync->spec.task, sync->spec.rules, err))
        return false;
    /* Shown once their states are known: `status` may ask at any moment. */
    Relations *rels = NULL;
    if (!read_tables(sync, source, true, &rels, err))
        return false;
    bool known = control_read_tables(sync->control, sync->spec.task, rels, err);
    show_tables(sync, rels);
    snprintf(sync->plugin, sizeof sync->plugin, "%s", sync->row.plugin);
    if (!known || !settle_suspensions(sync, rels, err))
        return false;
    if (sync->spec.mode == SYNC_FULL_LOAD)
        return true;
    SlotState slot;
    if (!slot_state(source, sync->row.slot_name, &slot, err))
        return false;
    if (!slot.exists || strcmp(slot.wal_status, "lost") == 0)
        return ERR(err, ERR_SLOT_LOST, "replication slot '%s' of the source %s",
                   sync->row.slot_name,
                   slot.exists ? "was invalidated" : "does not exist any more");
    if (sync->row.resume_lsn != LSN_UNKNOWN && slot.confirmed_lsn > sync->row.resume_lsn)
        return ERR(err, ERR_SLOT_LOST,
                   "slot '%s' is confirmed up to " LSN_FMT ", the target has only " LSN_FMT
                   ": somebody moved or replaced it",
                   sync->row.slot_name, LSN_ARGS(slot.confirmed_lsn),
                   LSN_ARGS(sync->row.resume_lsn));
    return tables_recalled(sync, slot.confirmed_lsn, err) && check_identities(rels, err);
}

/* Slot and publication are ours once the row says so. */
static bool undo_source(Sync *sync, Error *err)
{
    if (sync->row.slot_name[0] == '\0')
        return true;
    CLEANUP_PGCONN PgConn *source = pgconn_open(&sync->spec.source, PG_SESSION_SQL, "undo", err);
    if (source == NULL)
        return false;
    if (sync->captures && !capture_remove(source, sync->spec.task, err))
        return false;
    /* A slot that was stated (mode cdc) is somebody else's. */
    if (sync->spec.cdc_start_lsn == LSN_UNKNOWN && !slot_drop(source, sync->row.slot_name, err))
        return false;
    return !sync->row.publication_ours || publication_drop(source, sync->row.publication, err);
}

void sync_undo_prepare(Sync *sync)
{
    Error err = ERROR_INIT;
    load_start_done(&sync->load_start);
    if (sync->control == NULL || !pgconn_usable(sync->control))
        return;
    if (!undo_source(sync, &err) || !control_remove(sync->control, sync->spec.task, &err)) {
        log_warn("what the preparation made is still there, 'bascule cleanup' removes it: %s",
                 err.message);
        return;
    }
    sync->row = (ControlTask){0};
    sync->row_found = false;
}
