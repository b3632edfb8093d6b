/* views - see the header. */
#include "source/views.h"

#include <string.h>

#include "bascule/base/clock.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"

bool views_read(PgConn *source, Arena *arena, Views *out_views, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(source, SQL_SCHEMA_MATVIEWS, PG_NO_PARAMS, &rows, err))
        return err_context(err, "reading the materialized views of the source");
    Views views = {.count = pgrows_count(rows)};
    views.all = arena_new_array(arena, View, views.count + 1);
    for (int i = 0; i < views.count; i++) {
        View *view = &views.all[i];
        view->schema = arena_strdup(arena, pgrows_text(rows, i, 0));
        view->name = arena_strdup(arena, pgrows_text(rows, i, 1));
        view->display = arena_printf(arena, "%s.%s", view->schema, view->name);
        view->why = "";
    }
    *out_views = views;
    return true;
}

static void put_refresh(SqlText *st, const View *view, bool concurrently)
{
    sqltext_put(st, "REFRESH MATERIALIZED VIEW ");
    if (concurrently)
        sqltext_put(st, "CONCURRENTLY ");
    sqltext_qualified(st, view->schema, view->name);
}

const char *view_statement(const View *view, Arena *arena)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    put_refresh(&st, view, false);
    return arena_printf(arena, "%s;", sqltext_sql(&st).text);
}

/* Names that a function in the view leaves unqualified are found by the database's own path. */
static bool set_path(PgConn *target, bool own, Error *err)
{
    if (own)
        return pgconn_exec(target, SQL_VIEWS_PATH, PG_NO_PARAMS, NULL, err);
    return pgconn_script(target, SQL("SET search_path = pg_catalog"), err);
}

static bool limit_time(PgConn *target, int64_t left_us, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    if (left_us / 1000 > INT32_MAX)
        left_us = 0; /* for ever */
    sqltext_put(&st, "SET statement_timeout = ");
    sqltext_i64(&st, left_us == 0 ? 0 : left_us / 1000 + 1);
    return pgconn_script(target, sqltext_sql(&st), err);
}

static bool refresh_once(PgConn *target, const View *view, bool concurrently, bool own_path,
                         Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    put_refresh(&st, view, concurrently);
    return set_path(target, own_path, err) &&
           pgconn_exec(target, sqltext_sql(&st), PG_NO_PARAMS, NULL, err);
}

/* Undefined table, function, column, object, schema. */
static bool is_unknown_name(const Error *err)
{
    static const char *const STATES[] = {"42P01", "42883", "42703", "42704", "3F000"};
    for (size_t i = 0; i < sizeof STATES / sizeof *STATES; i++)
        if (strcmp(err->sqlstate, STATES[i]) == 0)
            return true;
    return false;
}

/* Is it there, and may it be refreshed while it is read? */
static bool look_at(PgConn *target, const View *view, bool *out_there, bool *out_concurrently,
                    Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_VIEWS_TARGET,
                      PG_PARAMS(PG_TEXT(view->schema), PG_TEXT(view->name)), &rows, err))
        return false;
    *out_there = pgrows_count(rows) > 0;
    *out_concurrently = *out_there && pgrows_bool(rows, 0, 0);
    return true;
}

static bool refresh(PgConn *target, View *view, bool open, Arena *arena, Error *err)
{
    bool there = false, concurrently = false;
    if (!look_at(target, view, &there, &concurrently, err))
        return false;
    if (!there) {
        view->why = "the target does not have it";
        return true;
    }
    concurrently = concurrently && open;
    int64_t begun_us = clock_now_us();
    bool ok = refresh_once(target, view, concurrently, false, err);
    if (!ok && is_unknown_name(err))
        ok = refresh_once(target, view, concurrently, true, err);
    view->elapsed_us = clock_now_us() - begun_us;
    view->refreshed = ok;
    if (ok)
        return true;
    /* What the server says of a refusal may quote a value; of a name or a right it does not. */
    view->why = strncmp(err->sqlstate, "22", 2) == 0 || strncmp(err->sqlstate, "23", 2) == 0
                    ? arena_printf(arena, "the target refused it (SQLSTATE %s)", err->sqlstate)
                    : arena_strdup(arena, err->message);
    return pgconn_usable(target) && err->cls != ERR_STOPPED;
}

bool views_refresh(PgConn *target, Views *views, bool open, int64_t deadline_us, Arena *arena,
                   Error *err)
{
    bool fine = true;
    for (int i = 0; i < views->count; i++) {
        View *view = &views->all[i];
        int64_t left_us = deadline_us - clock_now_us();
        if (!fine)
            view->why = "the connection was lost before";
        else if (left_us <= 0)
            view->why = "the time was over before";
        else
            fine = limit_time(target, left_us, err) && refresh(target, view, open, arena, err);
        if (!fine && view->why[0] == '\0')
            view->why = arena_strdup(arena, err->message);
    }
    return fine;
}
