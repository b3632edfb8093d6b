/* copier - see the header. */
#include "load/copier.h"

#include <stdlib.h>
#include <string.h>

#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "sql_files.h"
#include "sqltext/dml_conflict.h"
#include "sqltext/reading.h"
#include "sqltext/sqltext.h"

/* COPY OUT brings one message a row; so many bytes of them become one message to the target. */
#define BUFFER_BYTES ((size_t)128 * 1024)
/* Emptying a table makes COPY FREEZE possible; below this it costs more than it saves. */
#define FREEZE_FROM_BYTES (INT64_C(1) << 20)

void copier_init(Copier *copier, const LoadSpec *spec)
{
    *copier = (Copier){.spec = spec, .stop = stop_new()};
    copier->source_at = spec->source;
    copier->source_at.stop = copier->stop;
    copier->target_at = spec->target;
    copier->target_at.stop = copier->stop;
    copier->buffer = mem_alloc(BUFFER_BYTES);
}

void copier_close(Copier *copier)
{
    atomic_store(&copier->source_pid, 0);
    pgconn_close(copier->source);
    pgconn_close(copier->target);
    copier->source = copier->target = NULL;
    copier->buffer_len = 0;
}

void copier_done(Copier *copier)
{
    copier_close(copier);
    stop_free(copier->stop);
    free(copier->buffer);
}

/* Sessions ------------------------------------------------------------------------------------- */

static bool open_source(Copier *c, Error *err)
{
    c->source = pgconn_open(&c->source_at, PG_SESSION_SQL, "copy", err);
    /* COPY opens indexes and TOAST tables too: behind a REINDEX it would wait while it holds the
     * table. Shorter than the server's deadlock_timeout, so that we lose and not the application.
     */
    if (c->source == NULL || !pgconn_script(c->source, SQL("SET lock_timeout = 700"), err))
        return false;
    atomic_store(&c->source_pid, pgconn_backend_pid(c->source));
    return true;
}

/* 42501 is no error here: then triggers and foreign keys stay on. */
static bool try_replica_role(PgConn *target, bool *out_may, Error *err)
{
    *out_may = pgconn_script(target, SQL("SET session_replication_role = replica"), err);
    if (*out_may)
        return true;
    if (err->cls != ERR_PRIVILEGE)
        return false;
    err_clear(err);
    return true;
}

static bool open_target(Copier *c, Error *err)
{
    bool may = false;
    c->target = pgconn_open(&c->target_at, PG_SESSION_SQL, "copy", err);
    return c->target != NULL &&
           pgconn_script(c->target, SQL("SET synchronous_commit = off"), err) &&
           try_replica_role(c->target, &may, err);
}

bool copier_probe_replica_role(const LoadSpec *spec, bool *out_may, Error *err)
{
    CLEANUP_PGCONN PgConn *conn = pgconn_open(&spec->target, PG_SESSION_SQL, "load", err);
    return conn != NULL && try_replica_role(conn, out_may, err);
}

static bool open_both(Copier *c, Error *err)
{
    return (c->source != NULL || open_source(c, err)) && (c->target != NULL || open_target(c, err));
}

/* Source side ---------------------------------------------------------------------------------- */

static CopyResult source_begin(Copier *c, const Relation *rel, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_put(&st, "SET TRANSACTION SNAPSHOT ");
    sqltext_string(&st, c->spec->snapshot_id);
    if (!pgconn_script(c->source, SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"), err))
        return COPY_FAILED;
    if (!pgconn_exec(c->source, sqltext_sql(&st), PG_NO_PARAMS, NULL, err)) {
        if (err->sqlstate[0] == '\0' || !pgconn_usable(c->source))
            return COPY_FAILED;
        Error cause = *err;
        ERR(err, ERR_CONN_LOST, "the snapshot of the load is gone: %s", cause.message);
        err_hint(err, "The session that held it ended; finished tables stay, the others are copied "
                      "under a new snapshot.");
        return COPY_SNAPSHOT;
    }
    sqltext_clear(&st);
    sqltext_put(&st, "LOCK TABLE ");
    if (!rel->is_root)
        sqltext_put(&st, "ONLY ");
    sqltext_qualified(&st, rel->schema, rel->name);
    sqltext_put(&st, " IN ACCESS SHARE MODE NOWAIT");
    if (pgconn_exec(c->source, sqltext_sql(&st), PG_NO_PARAMS, NULL, err))
        return COPY_DONE;
    return err->cls == ERR_LOCK_TIMEOUT ? COPY_LOCKED : COPY_FAILED;
}

static void put_columns(SqlText *st, const Relation *rel, bool target)
{
    for (int i = 0; i < rel->column_count; i++) {
        if (i > 0)
            sqltext_put(st, ", ");
        if (target)
            sqltext_ident(st, rel->columns[i].target_name);
        else
            reading_copied(st, &rel->columns[i], rel);
    }
}

static void put_tid(SqlText *st, int64_t block)
{
    sqltext_put(st, "'(");
    sqltext_i64(st, block);
    sqltext_put(st, ",0)'::pg_catalog.tid");
}

/* COPY of a table by name reads the table alone (not its children) and needs no plan; a piece of it
 * is a range of row addresses, which the server scans without looking at the rest. A partitioned table
 * has no rows by its name; a range of addresses is one of each partition. */
static void put_copy_out(SqlText *st, const Job *job, const Relation *rel, bool binary)
{
    sqltext_put(st, "COPY ");
    if (job->unit->pieces == 1 && !rel->is_root && rel->added_count == 0 &&
        !relation_filtered(rel)) {
        sqltext_qualified(st, rel->schema, rel->name);
        if (rel->column_count > 0) {
            sqltext_put(st, " (");
            put_columns(st, rel, false);
            sqltext_put(st, ")");
        }
    } else {
        sqltext_put(st, "(SELECT ");
        put_columns(st, rel, false);
        sqltext_put(st, " FROM ");
        if (!rel->is_root)
            sqltext_put(st, "ONLY ");
        sqltext_qualified(st, rel->schema, rel->name);
        bool first = true;
        if (job->unit->pieces > 1 || rel->is_root) {
            sqltext_put(st, " WHERE ctid >= ");
            put_tid(st, job->first_block);
            first = false;
        }
        if (job->end_block >= 0) {
            sqltext_put(st, " AND ctid < ");
            put_tid(st, job->end_block);
        }
        reading_filter(st, rel, true, NULL, &first);
        sqltext_put(st, ")");
    }
    sqltext_put(st, " TO STDOUT");
    if (binary)
        sqltext_put(st, " (FORMAT binary)");
}

/* Target side ---------------------------------------------------------------------------------- */

static void put_copy_in(SqlText *st, const Relation *rel, bool staged, bool binary, bool freeze)
{
    sqltext_put(st, "COPY ");
    if (staged)
        sqltext_qualified(st, "pg_temp", DML_STAGE);
    else
        sqltext_qualified(st, rel->target_schema, rel->target_name);
    if (rel->column_count > 0) {
        sqltext_put(st, " (");
        put_columns(st, rel, true);
        sqltext_put(st, ")");
    }
    sqltext_put(st, " FROM STDIN");
    if (binary && freeze)
        sqltext_put(st, " (FORMAT binary, FREEZE)");
    else if (binary)
        sqltext_put(st, " (FORMAT binary)");
    else if (freeze)
        sqltext_put(st, " (FREEZE)");
}

static bool same_type(const Column *col)
{
    return col->target_type_name != NULL && col->target_type_schema != NULL &&
           strcmp(col->target_type_name, col->type_name) == 0 &&
           strcmp(col->target_type_schema, col->type_schema) == 0;
}

static bool binary_fits(const LoadSpec *spec, const Relation *rel)
{
    if (!spec->binary || rel->column_count == 0)
        return false;
    for (int i = 0; i < rel->column_count; i++) {
        if (!rel->columns[i].binary_safe || !same_type(&rel->columns[i]))
            return false;
    }
    return true;
}

static bool run_on_table(PgConn *target, SqlText *st, Error *err)
{
    return pgconn_exec(target, sqltext_sql(st), PG_NO_PARAMS, NULL, err);
}

static bool delete_rows(PgConn *target, const Relation *rel, bool only, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_put(&st, "DELETE FROM ");
    if (only)
        sqltext_put(&st, "ONLY ");
    sqltext_qualified(&st, rel->target_schema, rel->target_name);
    reading_where(&st, rel, false, NULL);
    return run_on_table(target, &st, err);
}

/* TRUNCATE where it is possible: not when foreign keys of other tables refer to this one, nor
 * without the right to; nor where other rows than the task's may be. */
static bool empty_table(PgConn *target, const Relation *rel, const char *kind, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    bool only = kind[0] != 'p';
    /* The COMMIT whose answer was lost may still be on its way: its rows must be seen. */
    sqltext_put(&st, "LOCK TABLE ");
    if (only)
        sqltext_put(&st, "ONLY ");
    sqltext_qualified(&st, rel->target_schema, rel->target_name);
    sqltext_put(&st, " IN SHARE ROW EXCLUSIVE MODE");
    if (!run_on_table(target, &st, err))
        return false;
    sqltext_clear(&st);
    sqltext_put(&st, "SELECT EXISTS (SELECT FROM ");
    if (only)
        sqltext_put(&st, "ONLY ");
    sqltext_qualified(&st, rel->target_schema, rel->target_name);
    reading_where(&st, rel, false, NULL);
    sqltext_put(&st, ")");
    if (!pgconn_query(target, sqltext_sql(&st), PG_NO_PARAMS, &rows, err))
        return false;
    if (!pgrows_bool(rows, 0, 0))
        return true;
    if (relation_filtered(rel))
        return delete_rows(target, rel, only, err);
    sqltext_clear(&st);
    sqltext_put(&st, "SAVEPOINT empty; TRUNCATE ");
    if (only)
        sqltext_put(&st, "ONLY ");
    sqltext_qualified(&st, rel->target_schema, rel->target_name);
    sqltext_put(&st, "; RELEASE empty");
    if (pgconn_script(target, sqltext_sql(&st), err))
        return true;
    if (strcmp(err->sqlstate, "0A000") != 0 && err->cls != ERR_PRIVILEGE)
        return false;
    log_debug("table cannot be truncated, its rows are deleted table=%s (%s)", rel->display,
              err->message);
    err_clear(err);
    return pgconn_script(target, SQL("ROLLBACK TO SAVEPOINT empty"), err) &&
           delete_rows(target, rel, only, err);
}

/* relkind of the target's table: a partitioned one can neither be emptied with ONLY nor be frozen.
 */
static bool target_kind(PgConn *target, const Relation *rel, char out_kind[2], Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_LOAD_TARGET_KIND,
                      PG_PARAMS(PG_TEXT(rel->target_schema), PG_TEXT(rel->target_name)), &rows,
                      err))
        return false;
    if (pgrows_count(rows) != 1)
        return ERR(err, ERR_SCHEMA_DIFFERS, "the target has no table '%s.%s'", rel->target_schema,
                   rel->target_name);
    out_kind[0] = pgrows_text(rows, 0, 0)[0];
    out_kind[1] = '\0';
    return true;
}

static bool truncate_ours(PgConn *target, const Relation *rel, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_put(&st, "TRUNCATE ONLY ");
    sqltext_qualified(&st, rel->target_schema, rel->target_name);
    return run_on_table(target, &st, err);
}

/* Makes the table ready inside the open transaction; *out_freeze: COPY FREEZE is possible. */
static bool make_ready(Copier *c, const Job *job, const Relation *rel, bool *out_freeze, Error *err)
{
    const Unit *unit = job->unit;
    bool whole = unit->pieces == 1;
    const LoadMerge *merge = c->spec->merge;
    if (merge != NULL)
        return merge->begin(merge->self, c->target, rel, err);
    *out_freeze = whole && c->spec->tables_are_ours && !relation_filtered(rel) &&
                  rel->bytes >= FREEZE_FROM_BYTES;
    if (!*out_freeze && (!unit->dirty || !whole))
        return true;
    char kind[2];
    if (!target_kind(c->target, rel, kind, err))
        return false;
    *out_freeze = *out_freeze && kind[0] == 'r';
    return *out_freeze ? truncate_ours(c->target, rel, err)
                       : empty_table(c->target, rel, kind, err);
}

/* The pipe ------------------------------------------------------------------------------------- */

/* What `count` holds has been added to the relation's figures, nothing else: see take_back(). */
static bool send(Copier *c, Relation *rel, const char *data, size_t len, CopyCount *count,
                 Error *err)
{
    atomic_fetch_add_explicit(&rel->loaded_bytes, (int64_t)len, memory_order_relaxed);
    count->bytes += (int64_t)len;
    return pgconn_copy_put(c->target, data, (int)len, err);
}

static bool flush(Copier *c, Relation *rel, CopyCount *count, Error *err)
{
    size_t len = c->buffer_len;
    c->buffer_len = 0;
    return len == 0 || send(c, rel, c->buffer, len, count, err);
}

static bool pass_on(Copier *c, Relation *rel, const char *data, size_t len, CopyCount *count,
                    Error *err)
{
    if (++c->messages % 1000 == 0 && FAULT_ERROR(COPY_MID, err))
        return false;
    if (c->buffer_len + len > BUFFER_BYTES && !flush(c, rel, count, err))
        return false;
    if (len > BUFFER_BYTES)
        return send(c, rel, data, len, count, err);
    memcpy(c->buffer + c->buffer_len, data, len);
    c->buffer_len += len;
    return true;
}

static void show_rows(Relation *rel, CopyCount *count, int64_t rows)
{
    atomic_fetch_add_explicit(&rel->loaded_rows, rows - count->rows, memory_order_relaxed);
    count->rows = rows;
}

/* Moves all rows. A message is a row, nearly (binary has one more): the true number comes last. */
static bool pump(Copier *c, Relation *rel, CopyCount *count, Error *err)
{
    for (int64_t messages = 1;; messages++) {
        char *data;
        int len;
        PgRead read = pgconn_copy_get(c->source, &data, &len, err);
        if (read == PG_READ_CLOSED)
            break;
        if (read != PG_READ_MESSAGE)
            return false;
        bool ok = pass_on(c, rel, data, (size_t)len, count, err);
        pgconn_copy_free(data);
        if (!ok)
            return false;
        if (messages % 4096 == 0)
            show_rows(rel, count, messages);
    }
    show_rows(rel, count, pgconn_copy_rows(c->source));
    return flush(c, rel, count, err);
}

static bool pipe_rows(Copier *c, const Job *job, Relation *rel, bool freeze, CopyCount *count,
                      Error *err)
{
    CLEANUP_SQLTEXT SqlText out = SQLTEXT_INIT;
    CLEANUP_SQLTEXT SqlText in = SQLTEXT_INIT;
    bool binary = binary_fits(c->spec, rel);
    int64_t taken = 0;
    put_copy_out(&out, job, rel, binary);
    put_copy_in(&in, rel, c->spec->merge != NULL, binary, freeze);
    if (!pgconn_copy_out(c->source, sqltext_sql(&out), err) ||
        !pgconn_copy_in(c->target, sqltext_sql(&in), err) || !pump(c, rel, count, err) ||
        !pgconn_copy_end(c->target, &taken, err))
        return false;
    if (taken != count->rows)
        return ERR(err, ERR_PROTOCOL, "the source sent %lld rows, the target took %lld",
                   (long long)count->rows, (long long)taken);
    return true;
}

/* One table --------------------------------------------------------------------------------------
 */

static CopyResult copy_table(Copier *c, const Job *job, Relation *rel, CopierStillGuarded guarded,
                             void *guarded_arg, CopyCount *count, Error *err)
{
    bool freeze = false;
    CopyResult result = source_begin(c, rel, err);
    if (result != COPY_DONE)
        return result;
    if (!guarded(guarded_arg, job->unit))
        return COPY_LOCKED;
    if (!make_ready(c, job, rel, &freeze, err) || FAULT_ERROR(COPY_BEGIN, err))
        return COPY_FAILED;
    /* Only the source's session has a lock_timeout. */
    if (!pipe_rows(c, job, rel, freeze, count, err))
        return err->cls == ERR_LOCK_TIMEOUT ? COPY_LOCKED : COPY_FAILED;
    const LoadMerge *merge = c->spec->merge;
    if (!pgconn_exec(c->source, SQL("COMMIT"), PG_NO_PARAMS, NULL, err) ||
        (merge != NULL &&
         !merge->end(merge->self, c->target, rel, count->rows, c->spec->start_lsn, err)))
        return COPY_FAILED;
    return COPY_DONE;
}

static CopyResult commit(Copier *c, Error *err)
{
    if (FAULT_ERROR(COPY_BEFORE_COMMIT, err))
        return COPY_FAILED;
    if (!pgconn_exec(c->target, SQL("COMMIT"), PG_NO_PARAMS, NULL, err) ||
        FAULT_ERROR(COPY_AFTER_COMMIT, err)) {
        /* Merged rows cannot be taken out again: what is recorded has to be read first. */
        bool lost = c->spec->merge != NULL && err_action(err->cls) == ERR_ACTION_RECONNECT;
        return lost ? COPY_SNAPSHOT : COPY_UNKNOWN;
    }
    return COPY_DONE;
}

static bool record(Copier *c, Relation *rel, LoadState state, int64_t rows, int64_t bytes,
                   Error *err)
{
    const LoadSpec *spec = c->spec;
    return spec->record == NULL || spec->record(spec->record_arg, c->target, rel, state,
                                                spec->start_lsn, rows, bytes, "", err);
}

static CopyResult run_copy(Copier *c, const Job *job, CopierStillGuarded guarded, void *guarded_arg,
                           CopyCount *counts, Error *err)
{
    const Unit *unit = job->unit;
    if (!pgconn_script(c->target, SQL("BEGIN ISOLATION LEVEL READ COMMITTED"), err))
        return COPY_FAILED;
    if (unit->deferred &&
        !pgconn_exec(c->target, SQL("SET CONSTRAINTS ALL DEFERRED"), PG_NO_PARAMS, NULL, err))
        return COPY_FAILED;
    for (int i = 0; i < unit->member_count; i++) {
        Relation *rel = unit->members[i];
        CopyResult result = copy_table(c, job, rel, guarded, guarded_arg, &counts[i], err);
        if (result == COPY_DONE && unit->pieces == 1 &&
            !record(c, rel, TABLE_COMPLETED, counts[i].rows, counts[i].bytes, err))
            result = COPY_FAILED;
        if (result != COPY_DONE) {
            (void)err_context(err, "copying table '%s'", rel->display);
            return result;
        }
    }
    return commit(c, err);
}

/* A cut table: emptied and marked as begun, so that a restart knows that it may hold rows. */
static CopyResult run_begin(Copier *c, const Job *job, Error *err)
{
    char kind[2];
    if (!pgconn_script(c->target, SQL("BEGIN ISOLATION LEVEL READ COMMITTED"), err) ||
        (job->unit->dirty && (!target_kind(c->target, job->rel, kind, err) ||
                              !empty_table(c->target, job->rel, kind, err))) ||
        !record(c, job->rel, TABLE_FULL_LOAD, 0, 0, err)) {
        (void)err_context(err, "preparing table '%s'", job->rel->display);
        return COPY_FAILED;
    }
    return commit(c, err);
}

static CopyResult run_finish(Copier *c, const Job *job, Error *err)
{
    if (!pgconn_script(c->target, SQL("BEGIN ISOLATION LEVEL READ COMMITTED"), err) ||
        !record(c, job->rel, TABLE_COMPLETED, job->unit->rows, job->unit->bytes, err))
        return COPY_FAILED;
    return commit(c, err);
}

/* Takes back what the figures showed of rows that are not on the target. */
static void take_back(const Job *job, const CopyCount *counts)
{
    for (int i = 0; i < job->unit->member_count; i++) {
        atomic_fetch_sub(&job->unit->members[i]->loaded_rows, counts[i].rows);
        atomic_fetch_sub(&job->unit->members[i]->loaded_bytes, counts[i].bytes);
    }
}

CopyResult copier_run(Copier *c, const Job *job, CopierStillGuarded guarded, void *guarded_arg,
                      CopyCount *out_counts, Error *err)
{
    CopyResult result = COPY_FAILED;
    memset(out_counts, 0, sizeof *out_counts * (size_t)job->unit->member_count);
    if (open_both(c, err)) {
        result = job->kind == JOB_BEGIN ? run_begin(c, job, err)
                 : job->kind == JOB_FINISH
                     ? run_finish(c, job, err)
                     : run_copy(c, job, guarded, guarded_arg, out_counts, err);
    }
    if (result == COPY_DONE)
        return result;
    take_back(job, out_counts);
    /* A backend that is still sending holds its lock until it notices. */
    if (c->source != NULL && !pgconn_usable(c->source))
        pgconn_cancel(c->source);
    copier_close(c);
    return result;
}
