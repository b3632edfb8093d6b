/* conflicts - see the header. */
#include "sync/conflicts.h"

#include <stdio.h>
#include <string.h>

#include "apply/session.h"
#include "apply/target_catalog.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "bascule/model/progress.h"
#include "sql_files.h"
#include "sqltext/dml_conflict.h"
#include "verify/keydiff.h"

#define TAKES_MOST 10 /* of a row that the source changes again and again */

static bool table_exists(PgConn *target, bool *out_exists, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_CONFLICT_EXISTS, PG_NO_PARAMS, &rows, err))
        return false;
    *out_exists = pgrows_bool(rows, 0, 0);
    return true;
}

bool conflicts_waiting(PgConn *target, const char *task, int64_t *out_waiting, Error *err)
{
    bool exists = false;
    CLEANUP_PGROWS PgRows *rows = NULL;
    *out_waiting = 0;
    if (!table_exists(target, &exists, err))
        return false;
    if (!exists)
        return true;
    if (!pgconn_query(target, SQL_CONFLICT_COUNTS, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return err_context(err, "counting conflicts");
    *out_waiting = pgrows_i64(rows, 0, 1);
    return true;
}

static const char *text_of(Arena *arena, const PgRows *rows, int row, int column)
{
    return pgrows_null(rows, row, column) ? NULL
                                          : arena_strdup(arena, pgrows_text(rows, row, column));
}

bool conflicts_list(PgConn *target, const char *task, const ConflictFilter *filter, Arena *arena,
                    ConflictRow **out_rows, int *out_count, Error *err)
{
    bool exists = false;
    char limit[24];
    CLEANUP_PGROWS PgRows *rows = NULL;
    *out_rows = NULL;
    *out_count = 0;
    if (!table_exists(target, &exists, err))
        return false;
    if (!exists)
        return true;
    snprintf(limit, sizeof limit, "%lld", (long long)filter->limit);
    if (!pgconn_query(target, SQL_CONFLICT_LIST,
                      PG_PARAMS(PG_TEXT(task), PG_TEXT(filter->id), PG_TEXT(filter->kind),
                                PG_TEXT(filter->unresolved ? "t" : "f"), PG_TEXT(limit)),
                      &rows, err))
        return err_context(err, "reading conflicts");
    ConflictRow *all = arena_new_array(arena, ConflictRow, pgrows_count(rows) + 1);
    for (int r = 0; r < pgrows_count(rows); r++)
        all[r] = (ConflictRow){
            .id = text_of(arena, rows, r, 0),
            .table = arena_printf(arena, "%s.%s", pgrows_text(rows, r, 1), pgrows_text(rows, r, 2)),
            .kind = text_of(arena, rows, r, 3),
            .key = text_of(arena, rows, r, 4),
            .source_row = text_of(arena, rows, r, 5),
            .target_row = text_of(arena, rows, r, 6),
            .columns = text_of(arena, rows, r, 7),
            .lsn = text_of(arena, rows, r, 8),
            .xid = text_of(arena, rows, r, 9),
            .commit_time = text_of(arena, rows, r, 10),
            .seen_at = text_of(arena, rows, r, 11),
            .policy = text_of(arena, rows, r, 12),
            .decision = text_of(arena, rows, r, 13),
            .settled = pgrows_bool(rows, r, 14),
            .resolved_at = text_of(arena, rows, r, 15),
            .resolved_by = text_of(arena, rows, r, 16),
        };
    *out_rows = all;
    *out_count = pgrows_count(rows);
    return true;
}

/* One row from side to side -------------------------------------------------------------------- */

typedef struct RowPlace {
    PgConn *conn;
    DmlTable table;
    bool on_source;
} RowPlace;

static RowPlace place_of(PgConn *conn, const Relation *rel, bool on_source, Arena *arena)
{
    DmlColumn *columns = arena_new_array(arena, DmlColumn, rel->column_count + 1);
    for (int i = 0; i < rel->column_count; i++) {
        const Column *c = &rel->columns[i];
        columns[i] = (DmlColumn){
            .name = on_source ? c->name : c->target_name,
            .type_schema = on_source ? c->type_schema : c->target_type_schema,
            .type_name = on_source ? c->type_name : c->target_type_name,
            .identity_always = on_source ? c->identity_always : c->target_identity_always,
            .base_schema = on_source ? c->base_schema : c->target_base_schema,
            .base_name = on_source ? c->base_name : c->target_base_name,
            .equal_schema = on_source ? c->equal_schema : c->target_equal_schema,
        };
    }
    return (RowPlace){.conn = conn,
                      .on_source = on_source,
                      .table = {.schema = on_source ? rel->schema : rel->target_schema,
                                .name = on_source ? rel->name : rel->target_name,
                                /* what rules add is the last of them, and on the target only */
                                .column_count = on_source ? relation_sent(rel) : rel->column_count,
                                .columns = columns,
                                .key_count = rel->key_count,
                                .key = rel->key,
                                .is_root = on_source ? rel->is_root : rel->target_is_root}};
}

static bool run_row(const RowPlace *place, SqlText *st, const PgParam *params, int n,
                    int64_t *out_affected, Error *err)
{
    if (pgconn_exec(place->conn, sqltext_sql(st), params, n, out_affected, err))
        return true;
    if (err->cls == ERR_PRIVILEGE)
        err_hint(err, "GRANT SELECT, INSERT, UPDATE, DELETE ON the table TO bascule's role there, "
                      "or write the row yourself and resolve with --take nothing.");
    return err_context(err, "writing the row on the %s", place->on_source ? "source" : "target");
}

/* values NULL: there shall be no such row. */
static bool put_row(const RowPlace *place, const char *const *key, const char **values,
                    Arena *arena, Error *err)
{
    const DmlTable *table = &place->table;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    PgParam *params = arena_new_array(arena, PgParam, 2 * table->column_count + 1);
    bool *set = arena_new_array(arena, bool, table->column_count + 1);
    int64_t affected = 0;
    int n = 0;
    for (int k = 0; k < table->key_count; k++)
        params[n++] = PG_TEXT(key[k]);
    if (values == NULL) {
        dml_delete_row(&st, table);
        return run_row(place, &st, params, n, &affected, err);
    }
    for (int i = 0; i < table->column_count; i++)
        set[i] = !table->columns[i].identity_always;
    for (int k = 0; k < table->key_count; k++)
        set[table->key[k]] = false;
    for (int i = 0; i < table->column_count; i++)
        if (set[i])
            params[n++] = PG_TEXT(values[i]);
    dml_update_row(&st, table, set, false);
    if (!run_row(place, &st, params, n, &affected, err) || affected > 0)
        return affected > 0;
    for (int i = 0; i < table->column_count; i++)
        params[i] = PG_TEXT(values[i]);
    sqltext_clear(&st);
    dml_insert_row(&st, table);
    return run_row(place, &st, params, table->column_count, &affected, err);
}

static bool read_row(PgConn *conn, const Relation *rel, const char **key, bool on_source,
                     Arena *arena, const char ***out_row, Error *err)
{
    const char *const *keys[1] = {key};
    return keydiff_rows(conn, on_source, rel, keys, 1, arena, out_row, err);
}

static bool lock_row(const RowPlace *place, const char *const *key, Arena *arena, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    PgParam *params = arena_new_array(arena, PgParam, place->table.key_count + 1);
    for (int k = 0; k < place->table.key_count; k++)
        params[k] = PG_TEXT(key[k]);
    dml_lock_row(&st, &place->table);
    return run_row(place, &st, params, place->table.key_count, NULL, err);
}

static bool same_rows(const Relation *rel, const char **a, const char **b, Arena *arena)
{
    KeyDiff diff = {.source = a, .target = b};
    keydiff_judge(rel, &diff, arena);
    return diff.kind == KEYDIFF_EQUAL;
}

/* The target gets the source's row. The stream may apply a later change of it until it has been written
 * here and is locked by that: so the source is asked again afterwards. */
static bool take_source(PgConn *source, PgConn *target, const Relation *rel, const char **key,
                        Arena *arena, Error *err)
{
    RowPlace to = place_of(target, rel, false, arena);
    const char **row, **now;
    if (!lock_row(&to, key, arena, err) || !read_row(source, rel, key, true, arena, &row, err))
        return false;
    for (int tries = 0; tries < TAKES_MOST; tries++) {
        if (!put_row(&to, key, row, arena, err) ||
            !read_row(source, rel, key, true, arena, &now, err))
            return false;
        if (same_rows(rel, row, now, arena))
            return true;
        row = now;
    }
    return ERR(err, ERR_SERIALIZATION, "the source keeps changing the row: try again");
}

/* The source gets the target's row; nobody changes either meanwhile. The transaction there ends first: what
 * is lost then is the decision's record, and it may be said again. */
static bool take_target(PgConn *source, PgConn *target, const Relation *rel, const char **key,
                        bool overwritten, Arena *arena, Error *err)
{
    RowPlace to = place_of(source, rel, true, arena), from = place_of(target, rel, false, arena);
    const char **here, **there;
    if (!pgconn_script(source, SQL("BEGIN; SET LOCAL lock_timeout = '5s'"), err) ||
        !lock_row(&to, key, arena, err) || !lock_row(&from, key, arena, err) ||
        !read_row(source, rel, key, true, arena, &here, err) ||
        !read_row(target, rel, key, false, arena, &there, err))
        return false;
    if (overwritten && (there == NULL || same_rows(rel, here, there, arena))) {
        ERR(err, ERR_WRONG_STATE,
            "the target's row is there no more: it gave way to the source's when the conflict was "
            "met");
        return err_hint(err,
                        "'bascule conflicts show' has it: write on the source what shall be of "
                        "it, then it comes to the target with the stream.");
    }
    return put_row(&to, key, there, arena, err) &&
           pgconn_exec(source, SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
}

bool conflicts_begin(PgConn *target, Relations *rels, Error *err)
{
    bool live = false;
    return target_catalog_match(target, rels, MATCH_STREAM, err) &&
           session_be_replica(target, &live, err);
}

/* Deciding --------------------------------------------------------------------------------------- */

static const Relation *relation_named(const Relations *rels, const char *schema, const char *name)
{
    for (int i = 0; i < rels->count; i++)
        if (strcmp(rels->all[i]->schema, schema) == 0 && strcmp(rels->all[i]->name, name) == 0)
            return rels->all[i];
    return NULL;
}

static const char *decided(ConflictTake take)
{
    return take == CONFLICT_TAKE_OF_SOURCE   ? "took-source"
           : take == CONFLICT_TAKE_OF_TARGET ? "took-target"
                                             : "accepted";
}

static bool resolve_locked(PgConn *source, PgConn *target, const Relations *rels, const char *task,
                           const char *id, ConflictTake take, const char *who, Arena *arena,
                           Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_CONFLICT_LOCK, PG_PARAMS(PG_TEXT(task), PG_TEXT(id)), &rows, err))
        return err_context(err, "reading conflict %s", id);
    int count = pgrows_count(rows);
    if (count == 0)
        return ERR(err, ERR_USAGE, "task '%s' has no conflict %s", task, id);
    if (!pgrows_bool(rows, 0, 3) && take == CONFLICT_TAKE_NOTHING)
        return ERR(err, ERR_WRONG_STATE, "conflict %s is decided: %s", id, pgrows_text(rows, 0, 4));
    const Relation *rel = relation_named(rels, pgrows_text(rows, 0, 0), pgrows_text(rows, 0, 1));
    if (take != CONFLICT_TAKE_NOTHING && (rel == NULL || rel->key_count != count))
        return ERR(err, ERR_SCHEMA_CHANGED, "table '%s.%s' of conflict %s has changed since",
                   pgrows_text(rows, 0, 0), pgrows_text(rows, 0, 1), id);
    const char **key = arena_new_array(arena, const char *, count + 1);
    for (int k = 0; k < count; k++)
        key[k] = arena_strdup(arena, pgrows_text(rows, k, 5));
    if (take != CONFLICT_TAKE_NOTHING &&
        !(take == CONFLICT_TAKE_OF_SOURCE
              ? take_source(source, target, rel, key, arena, err)
              : take_target(source, target, rel, key,
                            strcmp(pgrows_text(rows, 0, 4), "took-source") == 0, arena, err)))
        return err_context(err, "conflict %s", id);
    if (!pgconn_exec(target, SQL_CONFLICT_RESOLVE,
                     PG_PARAMS(PG_TEXT(id), PG_TEXT(decided(take)), PG_TEXT(who)), NULL, err))
        return false;
    FAULT(CONFLICT_DECIDED);
    return pgconn_exec(target, SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
}

static void give_back(PgConn *conn)
{
    Error ignored = ERROR_INIT;
    if (pgconn_usable(conn) && pgconn_in_transaction(conn) &&
        !pgconn_script(conn, SQL("ROLLBACK"), &ignored))
        log_debug("rollback: %s", ignored.message);
}

bool conflicts_resolve(PgConn *source, PgConn *target, const Relations *rels, const char *task,
                       const char *id, ConflictTake take, const char *who,
                       const char **out_decision, Error *err)
{
    bool exists = false;
    if (!table_exists(target, &exists, err))
        return false;
    Arena *arena = arena_new(0);
    bool ok =
        exists ? pgconn_script(
                     target,
                     SQL("BEGIN; SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '5s'"),
                     err) &&
                     resolve_locked(source, target, rels, task, id, take, who, arena, err)
               : ERR(err, ERR_USAGE, "task '%s' has no conflict %s", task, id);
    give_back(target);
    give_back(source);
    arena_free(arena);
    if (ok)
        *out_decision = decided(take);
    return ok;
}
