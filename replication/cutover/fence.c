/*
 * fence - objects and scripts. CREATE TRIGGER and ALTER TABLE ... TRIGGER take SHARE ROW EXCLUSIVE,
 * as the freeze does; DROP TRIGGER would need ACCESS EXCLUSIVE and wait behind every reader, so a
 * fence is taken off by disabling it. Only `cleanup` drops.
 */
#include "cutover/fence.h"

#include <stdio.h>

#include "bascule/base/log.h"
#include "cutover/cutover.h"
#include "sql_files.h"
#include "verify/arrays.h"

#define RELEASE_TRIES 10
#define ANY_EPOCH     "9223372036854775807" /* the verdict decides which: no other can open now */

bool fence_set_read(PgConn *conn, Arena *arena, const Relations *rels, FenceSide side,
                    FenceSet *out_set, Error *err)
{
    CLEANUP_BUF Buf schemas = BUF_INIT;
    CLEANUP_BUF Buf names = BUF_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    arrays_begin(&schemas);
    arrays_begin(&names);
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        arrays_put_text(&schemas, side == FENCE_SOURCE ? rel->schema : rel->target_schema);
        arrays_put_text(&names, side == FENCE_SOURCE ? rel->name : rel->target_name);
    }
    if (!pgconn_query(conn, SQL_FENCE_TABLES,
                      PG_PARAMS(PG_TEXT(arrays_end(&schemas)), PG_TEXT(arrays_end(&names))), &rows,
                      err))
        return false;
    int found = 0, count = pgrows_count(rows);
    Fence *all = arena_new_array(arena, Fence, count + 1);
    for (int r = 0; r < count; r++) {
        all[r] = (Fence){
            .schema = arena_strdup(arena, pgrows_text(rows, r, 0)),
            .name = arena_strdup(arena, pgrows_text(rows, r, 1)),
            .oid = pgrows_u32(rows, r, 2),
            .in_scope = pgrows_bool(rows, r, 3),
            .owned = pgrows_bool(rows, r, 4),
            .owner = arena_strdup(arena, pgrows_text(rows, r, 5)),
        };
        found += all[r].in_scope;
    }
    if (found != rels->count)
        return ERR(err, ERR_SCHEMA_CHANGED, "%d of %d tables in scope are not on the %s any more",
                   rels->count - found, rels->count, pgconn_side(conn));
    *out_set = (FenceSet){.count = count, .all = all};
    return true;
}

bool fence_read_others(PgConn *conn, Arena *arena, const char *task, FenceSet *set, Error *err)
{
    CLEANUP_BUF Buf oids = BUF_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    arrays_begin(&oids);
    for (int i = 0; i < set->count; i++) {
        arrays_put_u32(&oids, set->all[i].oid);
        set->all[i].taken_by = NULL;
    }
    if (!pgconn_query(conn, SQL_FENCE_OTHERS, PG_PARAMS(PG_TEXT(task), PG_TEXT(arrays_end(&oids))),
                      &rows, err))
        return err_context(err, "looking for fences of other tasks");
    for (int r = 0; r < pgrows_count(rows); r++)
        for (int i = 0; i < set->count; i++)
            if (set->all[i].oid == pgrows_u32(rows, r, 0)) {
                set->all[i].taken_by = arena_strdup(arena, pgrows_text(rows, r, 1));
                set->all[i].taken_opening = pgrows_bool(rows, r, 2);
            }
    return true;
}

void fence_taken_text(const Fence *fence, char *out, size_t size)
{
    snprintf(out, size,
             fence->taken_opening
                 ? "table '%s.%s' is written by task '%s' until its cutover"
                 : "table '%s.%s' was cut over by task '%s': roll that one back or clean it up",
             fence->schema, fence->name, fence->taken_by);
}

bool fence_check_others(PgConn *conn, Arena *arena, const char *task, FenceSet *set, Error *err)
{
    char text[400];
    if (!fence_read_others(conn, arena, task, set, err))
        return false;
    for (int i = 0; i < set->count; i++) {
        if (set->all[i].taken_by == NULL)
            continue;
        fence_taken_text(&set->all[i], text, sizeof text);
        ERR(err, ERR_BLOCKED, "%s", text);
        return err_hint(err, "One task at a time can close a table: see 'bascule tables' and "
                             "'bascule status' with the configuration of that one.");
    }
    return true;
}

static void roll_back(PgConn *conn)
{
    Error ignored = ERROR_INIT;
    if (pgconn_usable(conn) && pgconn_in_transaction(conn) &&
        !pgconn_script(conn, SQL("ROLLBACK"), &ignored))
        log_debug("rollback: %s", ignored.message);
}

/* Of two tasks that make the same object at one moment the server refuses one, IF NOT EXISTS or not. */
static bool make_shared(PgConn *conn, bool (*make)(PgConn *conn, Error *err), Error *err)
{
    if (pgconn_script(conn, SQL("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"), err) &&
        pgconn_exec(conn, SQL_CONTROL_SERIALIZE, PG_NO_PARAMS, NULL, err) && make(conn, err) &&
        pgconn_script(conn, SQL("COMMIT"), err))
        return true;
    roll_back(conn);
    return false;
}

/* A role that may not make a schema may do the rest in one that is there. */
static bool make_objects_in_schema(PgConn *source, Error *err)
{
    return pgconn_exec(source, SQL_FENCE_FUNCTION, PG_NO_PARAMS, NULL, err) &&
           pgconn_exec(source, SQL_FENCE_TABLE, PG_NO_PARAMS, NULL, err) &&
           pgconn_exec(source, SQL_FENCE_ONE, PG_NO_PARAMS, NULL, err);
}

static bool make_source_objects(PgConn *source, Error *err)
{
    return pgconn_exec(source, SQL_FENCE_SCHEMA, PG_NO_PARAMS, NULL, err) &&
           make_objects_in_schema(source, err);
}

bool fence_objects_create(PgConn *source, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(source, SQL_FENCE_OBJECTS, PG_NO_PARAMS, &rows, err))
        return false;
    return pgrows_bool(rows, 0, 2) ||
           make_shared(source,
                       pgrows_bool(rows, 0, 0) ? make_objects_in_schema : make_source_objects,
                       err) ||
           err_context(err, "creating the fence's objects in schema bascule on the source");
}

static void put_create(SqlText *out, const Fence *fence)
{
    sqltext_put(out, "CREATE OR REPLACE TRIGGER bascule_fence BEFORE INSERT OR UPDATE OR DELETE "
                     "OR TRUNCATE ON ");
    sqltext_qualified(out, fence->schema, fence->name);
    sqltext_put(out, " FOR EACH STATEMENT ");
}

static void put_always(SqlText *out, const Fence *fence)
{
    sqltext_put(out, "ALTER TABLE ONLY ");
    sqltext_qualified(out, fence->schema, fence->name);
    sqltext_put(out, " ENABLE ALWAYS TRIGGER bascule_fence;\n");
}

/* The role by name: session_user cannot be set by who is not it (but for superusers). The setting
 * besides it keeps out applications that log in as the same role. */
static void put_but_ours(SqlText *out, const char *task, const char *role)
{
    sqltext_put(out, "WHEN (SESSION_USER <> ");
    sqltext_string(out, role);
    sqltext_put(out, " OR pg_catalog.current_setting('bascule.apply', true) IS DISTINCT FROM ");
    sqltext_string(out, task);
    sqltext_put(out, ") ");
}

void fence_write_arm(SqlText *out, const FenceSet *set, const char *task, const char *new_primary,
                     const char *role)
{
    for (int i = 0; i < set->count; i++) {
        put_create(out, &set->all[i]);
        if (role != NULL)
            put_but_ours(out, task, role);
        sqltext_put(out, "EXECUTE FUNCTION bascule.fence_refuse(");
        sqltext_string(out, task);
        sqltext_put(out, ", ");
        sqltext_string(out, new_primary);
        sqltext_put(out, ");\n");
        put_always(out, &set->all[i]);
    }
}

bool fence_write_disarm(PgConn *conn, const char *task, SqlText *out, int *out_count, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(conn, SQL_FENCE_TRIGGERS, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return false;
    int count = 0;
    for (int r = 0; r < pgrows_count(rows); r++) {
        if (pgrows_text(rows, r, 3)[0] == 'D')
            continue;
        sqltext_put(out, "ALTER TABLE ONLY ");
        sqltext_qualified(out, pgrows_text(rows, r, 0), pgrows_text(rows, r, 1));
        sqltext_put(out, " DISABLE TRIGGER ");
        sqltext_ident(out, pgrows_text(rows, r, 2));
        sqltext_put(out, ";\n");
        count++;
    }
    *out_count = count;
    return true;
}

bool fence_forget(PgConn *conn, const char *task, Error *err)
{
    CLEANUP_PGROWS PgRows *objects = NULL;
    if (!pgconn_query(conn, SQL_FENCE_OBJECTS, PG_NO_PARAMS, &objects, err))
        return false;
    return !pgrows_bool(objects, 0, 1) ||
           pgconn_exec(conn, SQL_FENCE_ROW_RELEASE, PG_PARAMS(PG_TEXT(task), PG_TEXT(ANY_EPOCH)),
                       NULL, err);
}

/* Asked while the locks of the tables are held: no fence can be committed behind it. */
static bool no_newer_fence(PgConn *source, const char *task, const char *epoch, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(source, SQL_FENCE_ROW_READ, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return false;
    if (pgrows_null(rows, 0, 0))
        return true;
    return ERR(err, ERR_WRONG_STATE,
               "the fence of epoch %s was to be taken off, but that of epoch %s is in force", epoch,
               pgrows_text(rows, 0, 0));
}

static bool release_once(PgConn *source, const char *task, int64_t of_epoch, Error *err)
{
    char epoch[24];
    snprintf(epoch, sizeof epoch, "%lld", (long long)of_epoch);
    CLEANUP_SQLTEXT SqlText disarm = SQLTEXT_INIT;
    int count = 0;
    bool ok = pgconn_script(source,
                            SQL("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL "
                                "lock_timeout = '2s'; SET LOCAL synchronous_commit = on"),
                            err) &&
              fence_write_disarm(source, task, &disarm, &count, err) &&
              (count == 0 || pgconn_script(source, sqltext_sql(&disarm), err)) &&
              pgconn_exec(source, SQL_FENCE_ROW_RELEASE, PG_PARAMS(PG_TEXT(task), PG_TEXT(epoch)),
                          NULL, err) &&
              no_newer_fence(source, task, epoch, err) && pgconn_script(source, SQL("COMMIT"), err);
    if (!ok)
        roll_back(source);
    return ok;
}

bool fence_release(PgConn *source, const char *task, int64_t epoch, Error *err)
{
    for (int i = 1;; i++) {
        if (release_once(source, task, epoch, err))
            return true;
        if (i == RELEASE_TRIES || err->cls != ERR_LOCK_TIMEOUT)
            return err_context(err, "taking the fence off the %s", pgconn_side(source));
        log_info("fence: a table is locked by somebody, trying again try=%d", i);
    }
}

/* Own role exempted by name: a setting could be set by anybody, session_user by superusers only. */
static void write_target_arm(SqlText *out, const FenceSet *set, const char *task, const char *role)
{
    for (int i = 0; i < set->count; i++) {
        put_create(out, &set->all[i]);
        sqltext_put(out, "WHEN (SESSION_USER <> ");
        sqltext_string(out, role);
        sqltext_put(out, ") EXECUTE FUNCTION bascule.target_refuse(");
        sqltext_string(out, task);
        sqltext_put(out, ");\n");
        put_always(out, &set->all[i]);
    }
}

/* A table that waits for its place on the target is fenced when it comes back. */
static Relations without_left_out(Arena *arena, const Relations *rels)
{
    Relations there = {.all = arena_new_array(arena, Relation *, rels->count + 1)};
    for (int i = 0; i < rels->count; i++)
        if (!relation_left_out(rels->all[i]))
            there.all[there.count++] = rels->all[i];
    return there;
}

static bool install(PgConn *target, Arena *arena, const char *task, const Relations *rels,
                    bool *out_skipped, Error *err)
{
    FenceSet set;
    const Relations there = without_left_out(arena, rels);
    CLEANUP_PGROWS PgRows *role = NULL;
    CLEANUP_SQLTEXT SqlText arm = SQLTEXT_INIT;
    if (!fence_set_read(target, arena, &there, FENCE_TARGET, &set, err))
        return false;
    for (int i = 0; i < set.count; i++) {
        if (!set.all[i].owned) {
            log_info("target fence left out: table '%s.%s' belongs to another role",
                     set.all[i].schema, set.all[i].name);
            *out_skipped = true;
            return true;
        }
    }
    if (!fence_check_others(target, arena, task, &set, err) ||
        !pgconn_query(target, SQL("SELECT SESSION_USER"), PG_NO_PARAMS, &role, err))
        return false;
    write_target_arm(&arm, &set, task, pgrows_text(role, 0, 0));
    return set.count == 0 || pgconn_script(target, sqltext_sql(&arm), err);
}

static bool make_target_function(PgConn *target, Error *err)
{
    return pgconn_exec(target, SQL_FENCE_TARGET_FUNCTION, PG_NO_PARAMS, NULL, err);
}

bool target_fence_install(PgConn *target, const char *task, const Relations *rels,
                          bool *out_skipped, Error *err)
{
    bool skipped = false;
    Arena *arena = arena_new(0);
    bool ok = make_shared(target, make_target_function, err) &&
              pgconn_script(target,
                            SQL("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL "
                                "lock_timeout = '30s'"),
                            err) &&
              install(target, arena, task, rels, &skipped, err) &&
              pgconn_script(target, SQL("COMMIT"), err);
    if (!ok)
        roll_back(target);
    arena_free(arena);
    if (!ok && err->cls == ERR_PRIVILEGE) {
        log_info("target fence left out: %s", err->message);
        err_clear(err);
        skipped = ok = true;
    }
    if (ok)
        *out_skipped = skipped;
    return ok || err_context(err, "fencing the target until it opens");
}

bool target_fence_lift(PgConn *target, const char *task, Error *err)
{
    CLEANUP_SQLTEXT SqlText disarm = SQLTEXT_INIT;
    int count = 0;
    bool ok = pgconn_script(target,
                            SQL("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL "
                                "lock_timeout = '30s'"),
                            err) &&
              fence_write_disarm(target, task, &disarm, &count, err) &&
              (count == 0 || pgconn_script(target, sqltext_sql(&disarm), err)) &&
              pgconn_script(target, SQL("COMMIT"), err);
    if (!ok)
        roll_back(target);
    return ok || err_context(err, "taking the fence off the target");
}
