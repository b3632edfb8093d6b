/* migrate - see the header. */
#include "schema/migrate.h"

#include <stdio.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "source/advisory.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"

typedef struct Migration {
    const MigrateSpec *spec;
    PgConn *conn;
    bool history_exists;
    int64_t deadline_us; /* CLOCK_NEVER: none */
} Migration;

/* The session ---------------------------------------------------------------------------------- */

static bool take_lock(PgConn *conn, Error *err)
{
    bool taken = false;
    AdvisoryHolder holder;
    if (!advisory_try_lock(conn, "bascule:schema:scripts", &taken, &holder, err))
        return false;
    if (taken)
        return true;
    if (holder.known)
        ERR(err, ERR_ALREADY_RUNNING,
            "schema scripts are being run by the session with pid %u on the target (application "
            "name '%s')",
            holder.pid, holder.application);
    else
        ERR(err, ERR_ALREADY_RUNNING,
            "schema scripts were being run by another session a moment "
            "ago");
    return err_hint(err, "Wait for it; on the target: SELECT * FROM pg_stat_activity WHERE pid = "
                         "...");
}

/* What a script may have set, opened or prepared is not the next one's; the lock stays. */
static bool fresh_session(PgConn *conn, Error *err)
{
    return pgconn_script(conn,
                         SQL("CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; "
                             "DEALLOCATE ALL; UNLISTEN *; DISCARD PLANS; DISCARD SEQUENCES; "
                             "DISCARD TEMP; SET standard_conforming_strings = on; "
                             "SET client_min_messages = warning"),
                         err) &&
           pgconn_exec(conn, SQL("SET client_connection_check_interval = '2s'"), PG_NO_PARAMS, NULL,
                       err);
}

static PgConn *open_session(const PgEndpoint *target, Error *err)
{
    PgConn *conn = pgconn_open(target, PG_SESSION_SCRIPT, "schema-scripts", err);
    if (conn == NULL || !take_lock(conn, err) || !fresh_session(conn, err)) {
        pgconn_close(conn);
        return NULL;
    }
    return conn;
}

/* One script ----------------------------------------------------------------------------------- */

static bool out_of_time(const Migration *m, Error *err)
{
    char time[32];
    ERR(err, ERR_DEADLINE, "the scripts took longer than %s",
        clock_format_duration(m->spec->timeout_us, time, sizeof time));
    return err_hint(err,
                    "What the running script did is undone, those before it stay applied. Give "
                    "more time with --timeout.");
}

static bool limit_statement(const Migration *m, bool local, Error *err)
{
    char ms[24];
    if (m->deadline_us == CLOCK_NEVER)
        return true;
    int64_t left_us = m->deadline_us - clock_now_us();
    if (left_us <= 0)
        return out_of_time(m, err);
    snprintf(ms, sizeof ms, "%lld", (long long)(left_us / 1000 + 1));
    return pgconn_exec(m->conn, SQL("SELECT pg_catalog.set_config('statement_timeout', $1, $2)"),
                       PG_PARAMS(PG_TEXT(ms), PG_TEXT(local ? "t" : "f")), NULL, err);
}

/* A statement of the operator's that failed: where, and what of the script is left. */
static bool failed_at(const Migration *m, const Script *script, const SqlStatement *st, Error *err)
{
    bool timed_out = m->deadline_us != CLOCK_NEVER && strcmp(err->sqlstate, "57014") == 0 &&
                     err->cls != ERR_STOPPED && clock_now_us() >= m->deadline_us;
    if (timed_out)
        out_of_time(m, err);
    else if (err->cls != ERR_CONN_LOST && err->cls != ERR_STOPPED && err->cls != ERR_DEADLINE)
        err->cls = ERR_SCHEMA_SCRIPT;
    if (!script->transaction)
        err_hint(err, "The script is not in a transaction: what stands in front of that line is "
                      "done. Look at what is left, undo or finish it, then say which with 'bascule "
                      "schema fix-history'.");
    else if (err->cls == ERR_SCHEMA_SCRIPT && err->hint[0] == '\0')
        err_hint(err, "Nothing of this script is left on the target; those before it stay applied. "
                      "Mend it and run 'bascule schema migrate' again.");
    if (st == NULL)
        return err_context(err, "%s/%s: at its end", m->spec->scripts->directory, script->name);
    int line = sqlsplit_line(st, pgconn_error_position(m->conn));
    return err_context(err, "%s/%s:%d", m->spec->scripts->directory, script->name, line);
}

static bool run_statements(const Migration *m, const Script *script, Error *err)
{
    for (int i = 0; i < script->statements.count; i++) {
        const SqlStatement *st = &script->statements.all[i];
        CLEANUP_SQLTEXT SqlText text = SQLTEXT_INIT;
        bool limit = script->transaction || !pgconn_in_transaction(m->conn);
        sqltext_operators(&text, st->text);
        if ((limit && !limit_statement(m, script->transaction, err)) ||
            !pgconn_script(m->conn, sqltext_sql(&text), err))
            return failed_at(m, script, st, err);
        if (!script->transaction)
            FAULT(STEP_OPEN);
    }
    return true;
}

static bool ensure_history(Migration *m, Error *err)
{
    return m->history_exists || history_create(m->conn, err);
}

static int64_t ms_since(int64_t begin_us)
{
    return (clock_now_us() - begin_us) / 1000;
}

static bool in_transaction(Migration *m, const Script *script, int64_t begin_us, Error *err)
{
    HistoryEntry entry = {.script = script, .success = true};
    if (!pgconn_exec(m->conn, SQL("BEGIN"), PG_NO_PARAMS, NULL, err) || !ensure_history(m, err) ||
        !run_statements(m, script, err))
        return false;
    if (!pgconn_in_transaction(m->conn)) {
        ERR(err, ERR_SCHEMA_SCRIPT, "it ended the transaction that it was run in");
        return failed_at(m, script, NULL, err);
    }
    /* Deferred constraints speak here, where it is known whose they are; and the history is written
     * as ourselves. */
    if (!pgconn_script(m->conn,
                       SQL("SET CONSTRAINTS ALL IMMEDIATE; SET SESSION AUTHORIZATION DEFAULT; SET "
                           "LOCAL synchronous_commit = on"),
                       err))
        return failed_at(m, script, NULL, err);
    entry.duration_ms = ms_since(begin_us);
    if (!history_write(m->conn, &entry, err))
        return false;
    FAULT(STEP_BEFORE_COMMIT);
    if (!pgconn_exec(m->conn, SQL("COMMIT"), PG_NO_PARAMS, NULL, err))
        return failed_at(m, script, NULL, err);
    FAULT(STEP_AFTER_COMMIT);
    return true;
}

static bool one_by_one(Migration *m, const Script *script, int64_t begin_us, Error *err)
{
    HistoryEntry entry = {.script = script, .success = false, .duration_ms = -1};
    if (!ensure_history(m, err) || !history_write(m->conn, &entry, err))
        return false;
    m->history_exists = true;
    if (!run_statements(m, script, err))
        return false;
    if (pgconn_in_transaction(m->conn)) {
        ERR(err, ERR_SCHEMA_SCRIPT, "it leaves a transaction open, which is rolled back");
        return failed_at(m, script, NULL, err);
    }
    entry.success = true;
    entry.duration_ms = ms_since(begin_us);
    return fresh_session(m->conn, err) && history_write(m->conn, &entry, err);
}

static void roll_back(PgConn *conn)
{
    Error ignored = ERROR_INIT;
    /* Also after a stop: the server is told, so that nothing of it lingers. */
    pgconn_set_stop(conn, NULL);
    if (pgconn_usable(conn) && pgconn_in_transaction(conn) &&
        !pgconn_exec(conn, SQL("ROLLBACK"), PG_NO_PARAMS, NULL, &ignored))
        log_debug("rolling a script back: %s", ignored.message);
}

static void tell(const Migration *m, MigratePoint point, const Script *script, int64_t begin_us,
                 const Error *err)
{
    if (m->spec->on_script != NULL)
        m->spec->on_script(m->spec->arg, point, script, clock_now_us() - begin_us, err);
}

static bool run_script(Migration *m, const Script *script, Error *err)
{
    int64_t begin_us = clock_now_us();
    tell(m, MIGRATE_BEGIN, script, begin_us, NULL);
    bool ok = script->transaction ? in_transaction(m, script, begin_us, err)
                                  : one_by_one(m, script, begin_us, err);
    if (!ok) {
        roll_back(m->conn);
        tell(m, MIGRATE_FAILED, script, begin_us, err);
        return false;
    }
    m->history_exists = true;
    tell(m, MIGRATE_DONE, script, begin_us, NULL);
    return fresh_session(m->conn, err);
}

/* All of them ---------------------------------------------------------------------------------- */

bool migrate_count(const History *history, const Revision *up_to, int *out_count, Error *err)
{
    const HistoryRow *current = history_current(history);
    int count = 0;
    if (up_to != NULL && current != NULL && revision_compare(&current->revision, up_to) > 0) {
        ERR(err, ERR_WRONG_STATE, "the target is at revision %s already, which is above %s",
            current->revision.text, up_to->text);
        return err_hint(err, "There are no scripts that lead back; restore a backup.");
    }
    while (count < history->pending_count &&
           (up_to == NULL || revision_compare(&history->pending[count]->revision, up_to) <= 0))
        count++;
    *out_count = count;
    return true;
}

static bool run_pending(Migration *m, Arena *arena, MigrateReport *report, Error *err)
{
    History history;
    int count = 0;
    if (!history_read(m->conn, m->spec->scripts, m->spec->tables_expected, arena, &history, err))
        return false;
    report->before = history.state;
    m->history_exists = history.exists;
    if (!history_refuse(&history, err) || !migrate_count(&history, m->spec->up_to, &count, err))
        return false;
    for (int i = 0; i < count; i++) {
        if (!run_script(m, history.pending[i], err))
            return false;
        report->run++;
    }
    return true;
}

bool migrate_run(const MigrateSpec *spec, Arena *arena, MigrateReport *out_report, Error *err)
{
    int64_t begin_us = clock_now_us();
    *out_report = (MigrateReport){.before = HISTORY_INCONSISTENT};
    CLEANUP_PGCONN PgConn *conn = open_session(spec->target, err);
    if (conn == NULL)
        return false;
    Migration m = {.spec = spec, .conn = conn, .deadline_us = CLOCK_NEVER};
    if (spec->timeout_us > 0)
        m.deadline_us = begin_us + spec->timeout_us;
    bool ok = run_pending(&m, arena, out_report, err);
    out_report->duration_us = clock_now_us() - begin_us;
    return ok;
}

/* Repairing the history ------------------------------------------------------------------------ */

static void add_fix(MigrateFixes *fixes, const char *revision, const char *name, const char *what,
                    const Script *record)
{
    fixes->all[fixes->count++] =
        (MigrateFix){.revision = revision, .name = name, .what = what, .record = record};
}

void migrate_fixes(const History *history, const Scripts *scripts, const Revision *up_to,
                   Arena *arena, MigrateFixes *out_fixes)
{
    MigrateFixes fixes = {
        .all = arena_new_array(arena, MigrateFix, history->row_count + scripts->count + 1)};
    for (int i = 0; i < scripts->count; i++) {
        const Script *script = &scripts->all[i];
        const HistoryRow *row = history_find(history, &script->revision);
        bool applied = up_to != NULL && revision_compare(&script->revision, up_to) <= 0;
        if (applied && row == NULL)
            add_fix(&fixes, script->revision.text, script->name, "recorded as applied", script);
        else if (applied && (!row->success || strcmp(row->sha256, script->sha256) != 0))
            add_fix(&fixes, script->revision.text, script->name, "recorded as the file is now",
                    script);
        else if (!applied && row != NULL)
            add_fix(&fixes, script->revision.text, script->name,
                    "taken out, so that it is pending again", NULL);
    }
    for (int i = 0; i < history->row_count; i++) {
        const HistoryRow *row = &history->rows[i];
        if (scripts_find(scripts, &row->revision) == NULL)
            add_fix(&fixes, row->revision.text, row->name, "taken out, the folder has no such file",
                    NULL);
    }
    *out_fixes = fixes;
}

static bool write_fixes(PgConn *conn, const MigrateFixes *fixes, bool history_exists, Error *err)
{
    if (!pgconn_exec(conn, SQL("BEGIN"), PG_NO_PARAMS, NULL, err) ||
        (!history_exists && !history_create(conn, err)))
        return false;
    for (int i = 0; i < fixes->count; i++) {
        const MigrateFix *fix = &fixes->all[i];
        HistoryEntry entry = {
            .script = fix->record, .recorded = true, .success = true, .duration_ms = -1};
        if (fix->record != NULL ? !history_write(conn, &entry, err)
                                : !history_forget(conn, fix->revision, err))
            return false;
    }
    return pgconn_exec(conn, SQL("COMMIT"), PG_NO_PARAMS, NULL, err);
}

bool migrate_fix(const MigrateSpec *spec, Arena *arena, MigrateFixes *out_fixes, Error *err)
{
    History history;
    CLEANUP_PGCONN PgConn *conn = open_session(spec->target, err);
    if (conn == NULL ||
        !history_read(conn, spec->scripts, spec->tables_expected, arena, &history, err))
        return false;
    migrate_fixes(&history, spec->scripts, spec->up_to, arena, out_fixes);
    if (out_fixes->count == 0 || write_fixes(conn, out_fixes, history.exists, err))
        return true;
    roll_back(conn);
    return false;
}
