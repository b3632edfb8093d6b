/* status - see the header. */
#include "sync/status.h"

#include <string.h>

#include "sql_files.h"
#include "sqltext/sqltext.h"
#include "sync/internal.h"

/* The statement is for the target; who wants to keep the table there excludes it. */
static SyncTableStatus gone_table(const GoneTable *gone, const HeardList *heard, Arena *arena)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_put(&st, "DROP TABLE ");
    sqltext_qualified(&st, gone->schema, gone->name);
    return (SyncTableStatus){
        .table = arena_strdup(arena, gone->display),
        .state = table_state_name(TABLE_ERROR),
        .rows_estimated = PROGRESS_UNKNOWN,
        .message = arena_printf(arena, "suspended: %s", gone->reason),
        .suspended = true,
        .suspended_lsn = gone->suspended_lsn,
        .remedy = arena_printf(arena, "%s;", sqltext_sql(&st).text),
        .source_statement = heard_of_table(heard, gone->oid, arena),
    };
}

static void fill_tables(Sync *sync, Arena *arena, SyncStatus *out)
{
    const Relations *rels = sync_relations(sync);
    if (rels == NULL)
        return;
    out->table_count = rels->count + rels->gone_count;
    out->tables = arena_new_array(arena, SyncTableStatus, out->table_count + 1);
    for (int i = 0; i < rels->gone_count; i++)
        out->tables[rels->count + i] = gone_table(&rels->gone[i], out->heard, arena);
    for (int i = 0; i < rels->count; i++) {
        Relation *rel = rels->all[i];
        bool suspended = atomic_load(&rel->suspended) != SUSPEND_NOT;
        const char *remedy = atomic_load(&rel->remedy);
        out->tables[i] = (SyncTableStatus){
            .table = arena_strdup(arena, rel->display),
            .state = relation_state_name(rel),
            .start_lsn = rel->start_lsn,
            .rows = atomic_load(&rel->loaded_rows),
            .bytes = atomic_load(&rel->loaded_bytes),
            .rows_estimated = rel->estimated_rows < 0 ? PROGRESS_UNKNOWN : rel->estimated_rows,
            .bytes_estimated = rel->bytes,
            .inserts = atomic_load(&rel->inserts),
            .updates = atomic_load(&rel->updates),
            .deletes = atomic_load(&rel->deletes),
            .truncates = atomic_load(&rel->truncates),
            .message = suspended
                           ? arena_printf(arena, "%s: %s", pause_word(atomic_load(&rel->paused)),
                                          rel->suspend_reason)
                           : "",
            .suspended = suspended,
            .paused = atomic_load(&rel->paused),
            .suspended_lsn = suspended ? rel->suspended_lsn : LSN_UNKNOWN,
            .remedy = suspended && remedy != NULL ? arena_strdup(arena, remedy) : "",
            .source_statement = suspended ? heard_of_table(out->heard, rel->oid, arena) : "",
        };
    }
}

static int64_t apply_part(int64_t lag, int64_t capture)
{
    if (lag == PROGRESS_UNKNOWN || capture == PROGRESS_UNKNOWN)
        return PROGRESS_UNKNOWN;
    return lag > capture ? lag - capture : 0;
}

void sync_status(Sync *sync, Arena *arena, SyncStatus *out)
{
    Progress *p = &sync->progress;
    char trouble[512], wal_status[32];
    pthread_mutex_lock(&sync->lock);
    const HeardList *heard = sync->heard != NULL ? heard_copy(sync->heard, arena) : NULL;
    pthread_mutex_unlock(&sync->lock);
    sync_trouble(sync, trouble, sizeof trouble);
    sync_wal_status(sync, wal_status, sizeof wal_status);
    bool streaming = atomic_load(&p->applied_lsn) != LSN_UNKNOWN;
    *out = (SyncStatus){
        .task = arena_strdup(arena, sync->spec.task),
        .phase = task_state_name(sync_state(sync)),
        .mode = sync_mode_name(sync->spec.mode),
        .plugin = arena_strdup(arena, sync->plugin),
        .slot = sync->spec.mode == SYNC_FULL_LOAD ? "" : arena_strdup(arena, sync->spec.slot_name),
        .engine_running = true,
        .lag_bytes = atomic_load(&p->lag_bytes),
        .capture_lag_bytes = atomic_load(&p->capture_lag_bytes),
        .lag_us = atomic_load(&p->apply_lag_us),
        .source_end_lsn = atomic_load(&p->source_end_lsn),
        .received_lsn = atomic_load(&p->received_lsn),
        .applied_lsn = atomic_load(&p->applied_lsn),
        .durable_lsn = atomic_load(&p->durable_lsn),
        .confirmed_lsn = atomic_load(&p->confirmed_lsn),
        .wal_retained_bytes = atomic_load(&p->wal_retained_bytes),
        .wal_left_bytes = atomic_load(&p->wal_left_bytes),
        .wal_status = arena_strdup(arena, wal_status),
        .transactions = streaming ? atomic_load(&p->applied_transactions) : PROGRESS_UNKNOWN,
        .changes = streaming ? atomic_load(&p->applied_changes) : PROGRESS_UNKNOWN,
        .fallback_batches = atomic_load(&p->fallback_batches),
        .queued_bytes = atomic_load(&p->queued_bytes),
        .spilled_bytes = atomic_load(&p->spilled_bytes),
        .epoch = sync->row.epoch,
        .trouble = arena_strdup(arena, trouble),
        .heard = heard,
    };
    out->apply_lag_bytes = apply_part(out->lag_bytes, out->capture_lag_bytes);
    fill_tables(sync, arena, out);
}

static int paused_of(const char *word)
{
    return strcmp(word, "kept") == 0 ? PAUSE_KEPT : *word != '\0' ? PAUSE_LOST : PAUSE_NOT;
}

static bool read_tables(PgConn *target, const char *task, Arena *arena, SyncStatus *out, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_SYNC_STATUS_TABLES, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return false;
    out->table_count = pgrows_count(rows);
    out->tables = arena_new_array(arena, SyncTableStatus, out->table_count);
    for (int r = 0; r < out->table_count; r++) {
        int paused = paused_of(pgrows_text(rows, r, 9));
        out->tables[r] = (SyncTableStatus){
            .table = arena_strdup(arena, pgrows_text(rows, r, 0)),
            .state = paused != PAUSE_NOT ? TABLE_PAUSED_NAME
                                         : arena_strdup(arena, pgrows_text(rows, r, 1)),
            .start_lsn = pgrows_lsn(rows, r, 2),
            .rows = pgrows_i64(rows, r, 3),
            .bytes = pgrows_i64(rows, r, 4),
            .rows_estimated = PROGRESS_UNKNOWN,
            .bytes_estimated = PROGRESS_UNKNOWN,
            .inserts = PROGRESS_UNKNOWN,
            .updates = PROGRESS_UNKNOWN,
            .deletes = PROGRESS_UNKNOWN,
            .truncates = PROGRESS_UNKNOWN,
            .message = pgrows_null(rows, r, 6) ? arena_strdup(arena, pgrows_text(rows, r, 5))
                                               : arena_printf(arena, "%s: %s", pause_word(paused),
                                                              pgrows_text(rows, r, 5)),
            .paused = paused,
            .suspended = !pgrows_null(rows, r, 6),
            .suspended_lsn = pgrows_lsn(rows, r, 6),
            .remedy = arena_strdup(arena, pgrows_text(rows, r, 7)),
            .source_statement = pgrows_null(rows, r, 6)
                                    ? ""
                                    : heard_of_table(out->heard, pgrows_u32(rows, r, 8), arena),
        };
    }
    return true;
}

/* The source may be frozen, dead or renamed: then its figures stay unknown. */
static void read_slot(const PgEndpoint *source, const ControlTask *row, Arena *arena,
                      SyncStatus *out)
{
    Error err = ERROR_INIT;
    SlotState slot;
    CLEANUP_PGCONN PgConn *conn = pgconn_open(source, PG_SESSION_SQL, "status", &err);
    if (conn == NULL || !slot_state(conn, row->slot_name, &slot, &err)) {
        out->trouble = arena_printf(arena, "source: %s", err.message);
        return;
    }
    if (!slot.exists) {
        out->wal_status = "no slot";
        return;
    }
    out->source_end_lsn = slot.wal_flushed_lsn;
    out->confirmed_lsn = slot.confirmed_lsn;
    out->wal_retained_bytes = slot.retained_bytes;
    out->wal_left_bytes = slot.safe_wal_bytes;
    out->wal_status = arena_strdup(arena, slot.wal_status);
    if (row->resume_lsn != LSN_UNKNOWN) {
        out->lag_bytes = slot.wal_flushed_lsn > row->resume_lsn
                             ? (int64_t)(slot.wal_flushed_lsn - row->resume_lsn)
                             : 0;
    }
}

bool sync_status_offline(const PgEndpoint *source, const PgEndpoint *target, const char *task,
                         Arena *arena, SyncStatus *out, bool *out_found, Error *err)
{
    ControlTask row;
    bool exists = false;
    *out_found = false;
    CLEANUP_PGCONN PgConn *conn = pgconn_open(target, PG_SESSION_SQL, "status", err);
    if (conn == NULL || !control_exists(conn, &exists, err))
        return false;
    if (!exists)
        return true;
    if (!control_read(conn, task, &row, out_found, err))
        return false;
    if (!*out_found)
        return true;
    *out = (SyncStatus){
        .task = arena_strdup(arena, task),
        .phase = arena_strdup(arena, row.state),
        .mode = arena_strdup(arena, row.mode),
        .plugin = arena_strdup(arena, row.plugin),
        .slot = arena_strdup(arena, row.slot_name),
        .lag_bytes = PROGRESS_UNKNOWN,
        .capture_lag_bytes = PROGRESS_UNKNOWN,
        .apply_lag_bytes = PROGRESS_UNKNOWN,
        .lag_us = PROGRESS_UNKNOWN,
        .applied_lsn = row.resume_lsn,
        .durable_lsn = row.resume_lsn,
        .wal_retained_bytes = PROGRESS_UNKNOWN,
        .wal_left_bytes = PROGRESS_UNKNOWN,
        .wal_status = "",
        .transactions = PROGRESS_UNKNOWN,
        .changes = PROGRESS_UNKNOWN,
        .fallback_batches = PROGRESS_UNKNOWN,
        .queued_bytes = PROGRESS_UNKNOWN,
        .spilled_bytes = PROGRESS_UNKNOWN,
        .epoch = row.epoch,
        .trouble = "",
    };
    HeardList *heard = NULL;
    if (!heard_read(conn, task, arena, &heard, err))
        return false;
    out->heard = heard;
    if (!read_tables(conn, task, arena, out, err))
        return false;
    if (strcmp(row.mode, "full-load") != 0)
        read_slot(source, &row, arena, out);
    return true;
}
