/*
 * cleanup - takes off one side what bascule left there. Statements can be shown before they run,
 * and run by hand with psql just as well.
 *
 * DROP TRIGGER waits behind every reader of its table, so it is bounded; a fence that cannot be
 * dropped is at least disabled, so that writes work, and the error names it.
 */
#include <stdio.h>
#include <string.h>

#include "bascule/base/log.h"
#include "cutover/internal.h"
#include "source/slot.h"
#include "sql_files.h"

typedef enum CleanupKind {
    CLEAN_TRIGGER,
    CLEAN_SLOT,
    CLEAN_PUBLICATION,
    CLEAN_STATEMENT,
} CleanupKind;

typedef struct CleanupWork {
    CleanupKind kind;
    const char *schema, *name;
    CleanupItem item;
} CleanupWork;

typedef struct CleanupList {
    Arena *arena;
    CleanupWork *all;
    int count, capacity;
} CleanupList;

static bool on_source(const PgConn *conn)
{
    return strcmp(pgconn_side(conn), "source") == 0;
}

static void add(CleanupList *list, CleanupKind kind, const char *schema, const char *name,
                const char *what, Sql statement)
{
    ASSERT(list->count < list->capacity);
    list->all[list->count++] = (CleanupWork){
        .kind = kind,
        .schema = arena_strdup(list->arena, schema),
        .name = arena_strdup(list->arena, name),
        .item = {arena_strdup(list->arena, what), arena_strdup(list->arena, statement.text)},
    };
}

static void build_statement(SqlText *out, CleanupKind kind, const char *schema, const char *name)
{
    sqltext_clear(out);
    switch (kind) {
    case CLEAN_TRIGGER:
        sqltext_put(out, "DROP TRIGGER IF EXISTS bascule_fence ON ");
        sqltext_qualified(out, schema, name);
        break;
    case CLEAN_SLOT:
        sqltext_put(out, "SELECT pg_catalog.pg_drop_replication_slot(");
        sqltext_string(out, name);
        sqltext_put(out, ")");
        break;
    case CLEAN_PUBLICATION:
        sqltext_put(out, "DROP PUBLICATION IF EXISTS ");
        sqltext_ident(out, name);
        break;
    case CLEAN_STATEMENT:
        ASSERT(!"has its own text");
    }
}

static void add_found(CleanupList *list, const PgRows *rows, int r)
{
    char what[256];
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    const char *kind = pgrows_text(rows, r, 0), *schema = pgrows_text(rows, r, 1);
    const char *name = pgrows_text(rows, r, 2);
    CleanupKind k = strcmp(kind, "trigger") == 0 ? CLEAN_TRIGGER
                    : strcmp(kind, "slot") == 0  ? CLEAN_SLOT
                                                 : CLEAN_PUBLICATION;
    if (k == CLEAN_TRIGGER)
        snprintf(what, sizeof what, "fence trigger on %s.%s", schema, name);
    else
        snprintf(what, sizeof what, "%s %s", kind, name);
    build_statement(&st, k, schema, name);
    add(list, k, schema, name, what, sqltext_sql(&st));
}

/* Schema bascule on the source goes with its last user; on the target the caller drops it. */
static bool add_shared(CleanupList *list, PgConn *conn, const char *task, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_PGROWS PgRows *fence = NULL;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    if (!pgconn_query(conn, SQL_CUTOVER_CLEANUP_SHARED, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return false;
    bool used = pgrows_bool(rows, 0, 0), has_function = pgrows_bool(rows, 0, 1);
    bool has_table = pgrows_bool(rows, 0, 2), has_schema = pgrows_bool(rows, 0, 3);
    if (has_table) {
        if (!pgconn_query(conn, SQL_FENCE_ROW_READ, PG_PARAMS(PG_TEXT(task)), &fence, err))
            return false;
        used = used || pgrows_bool(fence, 0, 2);
    }
    if (used) {
        sqltext_put(&st, "DELETE FROM bascule.fence WHERE task = ");
        sqltext_string(&st, task);
        if (has_table)
            add(list, CLEAN_STATEMENT, "", "", "fence rows of this task", sqltext_sql(&st));
        return true;
    }
    if (has_table)
        add(list, CLEAN_STATEMENT, "", "", "table bascule.fence",
            SQL("DROP TABLE IF EXISTS bascule.fence"));
    if (has_function)
        add(list, CLEAN_STATEMENT, "", "", "function bascule.fence_refuse",
            SQL("DROP FUNCTION IF EXISTS bascule.fence_refuse()"));
    if (has_schema && !pgrows_bool(rows, 0, 4))
        add(list, CLEAN_STATEMENT, "", "", "schema bascule (with the audit's copy)",
            SQL("DROP TABLE IF EXISTS bascule.audit; DROP FUNCTION IF EXISTS "
                "bascule.audit_refuse(); DROP SCHEMA IF EXISTS bascule"));
    return true;
}

static bool list_all(PgConn *conn, const char *task, CleanupList *list, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(conn, SQL_CUTOVER_CLEANUP, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return err_context(err, "looking for what is left on the %s", pgconn_side(conn));
    list->capacity = pgrows_count(rows) + 4;
    list->all = arena_new_array(list->arena, CleanupWork, list->capacity);
    for (int r = 0; r < pgrows_count(rows); r++)
        add_found(list, rows, r);
    return !on_source(conn) || add_shared(list, conn, task, err);
}

bool cutover_cleanup_list(PgConn *conn, const char *task, Arena *arena, CleanupItem **out_items,
                          int *out_count, Error *err)
{
    CleanupList list = {.arena = arena};
    if (!list_all(conn, task, &list, err))
        return false;
    CleanupItem *items = arena_new_array(arena, CleanupItem, list.count + 1);
    for (int i = 0; i < list.count; i++)
        items[i] = list.all[i].item;
    *out_items = items;
    *out_count = list.count;
    return true;
}

static bool disable_instead(PgConn *conn, const CleanupWork *work, Error *err)
{
    Error dropped = *err;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_put(&st, "ALTER TABLE ONLY ");
    sqltext_qualified(&st, work->schema, work->name);
    sqltext_put(&st, " DISABLE TRIGGER bascule_fence");
    if (pgconn_script(conn, sqltext_sql(&st), err)) {
        *err = dropped;
        err_context(err, "the fence trigger on %s.%s is disabled but still there", work->schema,
                    work->name);
    } else {
        err_context(err, "the fence trigger on %s.%s", work->schema, work->name);
    }
    return false;
}

static bool run_one(PgConn *conn, const CleanupWork *work, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    log_info("cleanup of the %s: %s", pgconn_side(conn), work->item.statement);
    if (work->kind == CLEAN_SLOT)
        return slot_drop(conn, work->name, err);
    if (work->kind == CLEAN_STATEMENT) {
        sqltext_append(&st, (Sql){work->item.statement});
        return pgconn_script(conn, sqltext_sql(&st), err) ||
               err_context(err, "%s", work->item.what);
    }
    build_statement(&st, work->kind, work->schema, work->name);
    if (pgconn_script(conn, sqltext_sql(&st), err))
        return true;
    if (work->kind == CLEAN_TRIGGER && err->cls == ERR_LOCK_TIMEOUT)
        return disable_instead(conn, work, err);
    return err_context(err, "%s", work->item.what);
}

bool cutover_cleanup_run(PgConn *conn, const char *task, Error *err)
{
    Arena *arena = arena_new(0);
    CleanupList list = {.arena = arena};
    bool ok = list_all(conn, task, &list, err) &&
              pgconn_script(conn, SQL("SET lock_timeout = '5s'"), err);
    bool all = true;
    Error first = ERROR_INIT;
    for (int i = 0; ok && i < list.count; i++) {
        Error one = ERROR_INIT;
        if (run_one(conn, &list.all[i], &one))
            continue;
        if (all)
            first = one;
        all = false;
        ok = pgconn_usable(conn);
    }
    arena_free(arena);
    if (!all)
        *err = first;
    return ok && all;
}
