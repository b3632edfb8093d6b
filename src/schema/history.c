/* history - see the header. Each statement stands in replication/sql/steps_*.sql. */
#include "schema/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql_files.h"
#include "sqltext/sqltext.h"

static const struct {
    const char *name, *action;
} STATES[HISTORY_STATE_COUNT] = {
    [HISTORY_EMPTY] = {"empty", "run all scripts: bascule schema migrate"},
    [HISTORY_NONE] = {"tables_without_migration_history",
                      "say up to which revision the tables are: bascule schema fix-history "
                      "--target-revision R; then bascule schema migrate"},
    [HISTORY_PENDING] = {"pending_migrations", "run what is pending: bascule schema migrate"},
    [HISTORY_UP_TO_DATE] = {"up_to_date", "nothing"},
    [HISTORY_INCONSISTENT] = {"inconsistent",
                              "nothing is run until history and folder agree: bring the files back "
                              "that were applied, or bascule schema fix-history"},
};

const char *history_state_name(HistoryState state)
{
    return STATES[state].name;
}

const char *history_state_action(HistoryState state)
{
    return STATES[state].action;
}

/* Reading -------------------------------------------------------------------------------------- */

static int by_revision(const void *a, const void *b)
{
    const HistoryRow *x = a, *y = b;
    return revision_compare(&x->revision, &y->revision);
}

static bool read_rows(PgConn *target, Arena *arena, History *history, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_STEPS_READ, PG_NO_PARAMS, &rows, err))
        return false;
    history->rows = arena_new_array(arena, HistoryRow, pgrows_count(rows) + 1);
    for (int r = 0; r < pgrows_count(rows); r++) {
        HistoryRow row = {
            .name = arena_strdup(arena, pgrows_text(rows, r, 1)),
            .sha256 = arena_strdup(arena, pgrows_text(rows, r, 2)),
            .how = arena_strdup(arena, pgrows_text(rows, r, 3)),
            .success = pgrows_bool(rows, r, 4),
            .applied_at = arena_strdup(arena, pgrows_text(rows, r, 5)),
            .duration_ms = pgrows_null(rows, r, 6) ? -1 : pgrows_i64(rows, r, 6),
            .applied_by = arena_strdup(arena, pgrows_text(rows, r, 7)),
            .version = arena_strdup(arena, pgrows_text(rows, r, 8)),
        };
        const char *revision = pgrows_text(rows, r, 0);
        if (!revision_parse(revision, strlen(revision), &row.revision))
            return ERR(err, ERR_TARGET_STATE,
                       "bascule.schema_history has a revision '%s' that is none", revision);
        history->rows[history->row_count++] = row;
    }
    if (history->row_count > 1)
        qsort(history->rows, (size_t)history->row_count, sizeof *history->rows, by_revision);
    return true;
}

static void read_version(PgConn *target, const char *schema, const char *table, Arena *arena,
                         HistoryForeign *out)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf versions = BUF_INIT;
    Error err = ERROR_INIT;
    bool alembic = strcmp(table, "alembic_version") == 0;
    *out = (HistoryForeign){.tool = alembic ? "Alembic" : "Flyway",
                            .table = arena_printf(arena, "%s.%s", schema, table)};
    if (alembic)
        sqltext_put(&st, "SELECT version_num, true FROM ");
    else
        sqltext_put(&st, "SELECT COALESCE(version, description), success FROM ");
    sqltext_qualified(&st, schema, table);
    if (!alembic)
        sqltext_put(&st, " ORDER BY installed_rank DESC LIMIT 1");
    if (!pgconn_query(target, sqltext_sql(&st), PG_NO_PARAMS, &rows, &err)) {
        out->why = arena_strdup(arena, err.message);
        return;
    }
    for (int r = 0; r < pgrows_count(rows); r++)
        buf_printf(&versions, "%s%s%s", r > 0 ? ", " : "", pgrows_text(rows, r, 0),
                   pgrows_bool(rows, r, 1) ? "" : " (failed)");
    if (pgrows_count(rows) == 0)
        out->why = "it is empty";
    else
        out->version = arena_strdup(arena, buf_str(&versions));
}

static bool read_foreign(PgConn *target, Arena *arena, History *history, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(target, SQL_STEPS_FOREIGN, PG_NO_PARAMS, &rows, err))
        return false;
    history->foreign_count = pgrows_count(rows);
    history->foreign = arena_new_array(arena, HistoryForeign, history->foreign_count + 1);
    for (int r = 0; r < history->foreign_count; r++)
        read_version(target, pgrows_text(rows, r, 0), pgrows_text(rows, r, 1), arena,
                     &history->foreign[r]);
    return true;
}

const HistoryRow *history_find(const History *history, const Revision *revision)
{
    for (int i = 0; i < history->row_count; i++)
        if (revision_compare(&history->rows[i].revision, revision) == 0)
            return &history->rows[i];
    return NULL;
}

const HistoryRow *history_current(const History *history)
{
    for (int i = history->row_count - 1; i >= 0; i--)
        if (history->rows[i].success)
            return &history->rows[i];
    return NULL;
}

/* Judging -------------------------------------------------------------------------------------- */

static void problem(History *history, const Revision *revision, const char *name, const char *what)
{
    history->problems[history->problem_count++] =
        (HistoryProblem){.revision = revision->text, .name = name, .what = what};
}

static void judge_rows(History *history, const Scripts *scripts, Arena *arena)
{
    for (int i = 0; i < history->row_count; i++) {
        const HistoryRow *row = &history->rows[i];
        const Script *script = scripts_find(scripts, &row->revision);
        if (!row->success)
            problem(history, &row->revision, row->name,
                    "it was begun outside of a transaction and did not end: look at what it left");
        if (script == NULL)
            problem(history, &row->revision, row->name,
                    arena_printf(arena, "it was applied at %s, and the folder has no such script",
                                 row->applied_at));
        else if (strcmp(script->sha256, row->sha256) != 0)
            problem(history, &row->revision, script->name,
                    arena_printf(arena, "the file was changed since it was applied at %s",
                                 row->applied_at));
    }
}

static void judge_scripts(History *history, const Scripts *scripts, Arena *arena)
{
    const HistoryRow *newest =
        history->row_count > 0 ? &history->rows[history->row_count - 1] : NULL;
    for (int i = 0; i < scripts->count; i++) {
        const Script *script = &scripts->all[i];
        if (history_find(history, &script->revision) != NULL)
            continue;
        history->pending[history->pending_count++] = script;
        if (newest != NULL && revision_compare(&script->revision, &newest->revision) < 0)
            problem(history, &script->revision, script->name,
                    arena_printf(arena, "it is out of order: %s, which is newer, was applied at %s",
                                 newest->name, newest->applied_at));
    }
}

static HistoryState judge(const History *history, bool tables_expected)
{
    if (history->problem_count > 0)
        return HISTORY_INCONSISTENT;
    if (history->row_count > 0)
        return history->pending_count > 0 ? HISTORY_PENDING : HISTORY_UP_TO_DATE;
    if (history->tables == 0)
        return HISTORY_EMPTY;
    return tables_expected ? HISTORY_PENDING : HISTORY_NONE;
}

bool history_read(PgConn *target, const Scripts *scripts, bool tables_expected, Arena *arena,
                  History *out_history, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    History history = {0};
    if (!pgconn_query(target, SQL_STEPS_LOOK, PG_NO_PARAMS, &rows, err))
        return err_context(err, "looking for the history of schema scripts");
    history.exists = pgrows_bool(rows, 0, 1);
    history.tables = pgrows_i64(rows, 0, 2);
    if (history.exists && !read_rows(target, arena, &history, err))
        return err_context(err, "reading the history of schema scripts");
    if (!read_foreign(target, arena, &history, err))
        return err_context(err, "looking for other histories");
    history.pending = arena_new_array(arena, const Script *, scripts->count + 1);
    history.problems =
        arena_new_array(arena, HistoryProblem, 2 * history.row_count + scripts->count + 1);
    judge_rows(&history, scripts, arena);
    judge_scripts(&history, scripts, arena);
    history.state = judge(&history, tables_expected);
    *out_history = history;
    return true;
}

bool history_refuse(const History *history, Error *err)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    if (history->state == HISTORY_NONE) {
        ERR(err, ERR_SCHEMA_HISTORY,
            "the target has %lld tables and no history of schema scripts (%s)",
            (long long)history->tables, STATES[HISTORY_NONE].name);
        for (int i = 0; i < history->foreign_count; i++)
            if (history->foreign[i].version != NULL)
                buf_printf(&text, " %s (%s) is at %s.", history->foreign[i].tool,
                           history->foreign[i].table, history->foreign[i].version);
        return err_hint(err,
                        "Say what is applied there with 'bascule schema fix-history "
                        "--target-revision R', or let after-load scripts be run by schema.when: "
                        "after-load.%s",
                        buf_str(&text));
    }
    if (history->state != HISTORY_INCONSISTENT)
        return true;
    for (int i = 0; i < history->problem_count; i++)
        buf_printf(&text, "%s%s: %s", i > 0 ? "; " : "", history->problems[i].name,
                   history->problems[i].what);
    return ERR(err, ERR_SCHEMA_HISTORY, "the history of schema scripts is inconsistent: %s",
               buf_str(&text));
}

/* Writing -------------------------------------------------------------------------------------- */

bool history_create(PgConn *target, Error *err)
{
    return pgconn_script(target, SQL_STEPS_SCHEMA, err) ||
           err_context(err, "creating bascule.schema_history");
}

bool history_write(PgConn *target, const HistoryEntry *entry, Error *err)
{
    char duration[24];
    const Script *script = entry->script;
    snprintf(duration, sizeof duration, "%lld", (long long)entry->duration_ms);
    return pgconn_exec(target, SQL_STEPS_WRITE,
                       PG_PARAMS(PG_TEXT(script->revision.text), PG_TEXT(script->name),
                                 PG_TEXT(script->sha256),
                                 PG_TEXT(entry->recorded ? "recorded" : "run"),
                                 PG_TEXT(entry->success ? "t" : "f"),
                                 PG_TEXT(entry->duration_ms < 0 ? NULL : duration),
                                 PG_TEXT(BASCULE_VERSION)),
                       NULL, err) ||
           err_context(err, "recording script '%s'", script->name);
}

bool history_forget(PgConn *target, const char *revision, Error *err)
{
    return pgconn_exec(target, SQL_STEPS_FORGET, PG_PARAMS(PG_TEXT(revision)), NULL, err) ||
           err_context(err, "taking revision %s out of the history", revision);
}
