/* capture - see the header. */
#include "source/capture.h"

#include <stdio.h>

#include "bascule/base/log.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"

enum { C_WORKS, C_ANY, C_FUNCTION_USED, C_FUNCTION, C_SCHEMA, C_SCHEMA_HOLDS_MORE };

static const char *const EVENTS[] = {"ddl", "drop"};
enum { EVENT_DDL, EVENT_DROP, EVENT_COUNT };

static bool look(PgConn *source, const char *task, PgRows **out_rows, Error *err)
{
    return pgconn_query(source, SQL_CAPTURE_LOOK, PG_PARAMS(PG_TEXT(task)), out_rows, err) ||
           err_context(err, "looking for the event triggers of task '%s'", task);
}

static void put_trigger(SqlText *st, int event, const char *task)
{
    char name[64];
    snprintf(name, sizeof name, "bascule_%s_%.40s", EVENTS[event], task);
    sqltext_ident(st, name);
}

static void put_drops(SqlText *st, const char *task)
{
    sqltext_put(st, "DROP EVENT TRIGGER IF EXISTS ");
    put_trigger(st, EVENT_DDL, task);
    sqltext_put(st, "; DROP EVENT TRIGGER IF EXISTS ");
    put_trigger(st, EVENT_DROP, task);
}

static bool create(PgConn *source, const char *task, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    put_drops(&st, task);
    sqltext_put(&st, "; CREATE EVENT TRIGGER ");
    put_trigger(&st, EVENT_DDL, task);
    sqltext_put(&st, " ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', "
                     "'SELECT INTO', 'ALTER TABLE', 'CREATE INDEX', 'ALTER INDEX', 'CREATE TYPE', "
                     "'ALTER TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN', 'CREATE SEQUENCE', "
                     "'ALTER SEQUENCE', 'CREATE SCHEMA') EXECUTE FUNCTION bascule.ddl_note(); "
                     "CREATE EVENT TRIGGER ");
    put_trigger(&st, EVENT_DROP, task);
    sqltext_put(&st, " ON sql_drop WHEN TAG IN ('DROP TABLE', 'DROP INDEX', 'DROP TYPE', "
                     "'DROP DOMAIN', 'DROP SEQUENCE', 'DROP SCHEMA', 'DROP OWNED') "
                     "EXECUTE FUNCTION bascule.ddl_note()");
    return pgconn_exec(source, SQL_CONTROL_SERIALIZE, PG_NO_PARAMS, NULL, err) &&
           pgconn_exec(source, SQL_FENCE_SCHEMA, PG_NO_PARAMS, NULL, err) &&
           pgconn_exec(source, SQL_CAPTURE_FUNCTION, PG_NO_PARAMS, NULL, err) &&
           pgconn_script(source, sqltext_sql(&st), err);
}

bool capture_install(PgConn *source, const char *task, Error *err)
{
    bool works = false;
    if (!capture_works(source, task, &works, err))
        return false;
    if (works)
        return true;
    bool ok = pgconn_script(source, SQL("BEGIN; SET LOCAL lock_timeout = '5s'"), err) &&
              create(source, task, err) && pgconn_script(source, SQL("COMMIT"), err);
    if (ok) {
        log_info("DDL of the source is captured by event triggers");
        return true;
    }
    Error ignored = ERROR_INIT;
    if (pgconn_usable(source) && !pgconn_script(source, SQL("ROLLBACK"), &ignored))
        log_debug("rollback: %s", ignored.message);
    return err_context(err, "installing the capture of DDL");
}

bool capture_works(PgConn *source, const char *task, bool *out_works, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!look(source, task, &rows, err))
        return false;
    *out_works = pgrows_bool(rows, 0, C_WORKS);
    return true;
}

bool capture_removal(PgConn *source, const char *task, Arena *arena, const char **out_statements,
                     Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    *out_statements = NULL;
    if (!look(source, task, &rows, err))
        return false;
    bool unused = pgrows_bool(rows, 0, C_FUNCTION) && !pgrows_bool(rows, 0, C_FUNCTION_USED);
    if (!pgrows_bool(rows, 0, C_ANY) && !unused)
        return true;
    put_drops(&st, task);
    if (unused)
        sqltext_put(&st, "; DROP FUNCTION IF EXISTS bascule.ddl_note()");
    if (unused && !pgrows_bool(rows, 0, C_SCHEMA_HOLDS_MORE))
        sqltext_put(&st, "; DROP SCHEMA IF EXISTS bascule");
    *out_statements = arena_strdup(arena, sqltext_sql(&st).text);
    return true;
}

bool capture_remove(PgConn *source, const char *task, Error *err)
{
    Arena *arena = arena_new(0);
    const char *statements = NULL;
    bool ok = capture_removal(source, task, arena, &statements, err);
    if (ok && statements != NULL) {
        CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
        sqltext_append(&st, (Sql){statements});
        ok = pgconn_script(source, sqltext_sql(&st), err) ||
             err_context(err, "removing the event triggers of task '%s'", task);
    }
    arena_free(arena);
    return ok;
}
