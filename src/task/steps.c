/* steps - see the header. */
#include "task/steps.h"

#include <string.h>

#include "audit/audit.h"
#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "config/endpoint.h"

bool steps_open(const Config *config, StopToken *stop, Arena *arena, Steps *out_steps, Error *err)
{
    const char *directory = config_text(config, OPT_SCHEMA_SCRIPTS);
    Steps steps = {.configured = directory != NULL};
    if (steps.configured) {
        /* Where nothing is loaded there is one moment only. */
        bool loads = strcmp(config_text(config, OPT_MODE), "cdc") != 0;
        steps.after_load = loads && config_choice(config, OPT_SCHEMA_WHEN) == 1;
        steps.automatic = config_bool(config, OPT_SCHEMA_AUTO);
        steps.timeout_us = config_duration_us(config, OPT_SCHEMA_TIMEOUT);
        if (!scripts_read(arena, directory, &steps.scripts, err) ||
            !config_endpoint(config, false, &steps.target, arena, err))
            return false;
        steps.target.stop = stop;
    }
    *out_steps = steps;
    return true;
}

bool steps_look(const Steps *steps, Arena *arena, History *out_history, Error *err)
{
    CLEANUP_PGCONN PgConn *target =
        pgconn_open(&steps->target, PG_SESSION_SQL, "schema-status", err);
    return target != NULL &&
           history_read(target, &steps->scripts, steps->after_load, arena, out_history, err);
}

/* Each script in the log and in the audit. */
static void on_script(void *arg, MigratePoint point, const Script *script, int64_t duration_us,
                      const Error *err)
{
    (void)arg;
    long long ms = (long long)(duration_us / 1000);
    CLEANUP_BUF Buf detail = BUF_INIT;
    AuditNote note = {.action = "schema", .event = "script"};
    switch (point) {
    case MIGRATE_BEGIN:
        log_info("running a schema script revision=%s name=%s statements=%d transaction=%s",
                 script->revision.text, script->name, script->statements.count,
                 script->transaction ? "yes" : "no");
        buf_printf(&detail, "%s begins, sha256 %s", script->name, script->sha256);
        break;
    case MIGRATE_DONE:
        log_info("schema script applied revision=%s name=%s ms=%lld", script->revision.text,
                 script->name, ms);
        buf_printf(&detail, "%s applied in %lld ms", script->name, ms);
        note.result = "done";
        break;
    case MIGRATE_FAILED:
        buf_printf(&detail, "%s failed after %lld ms: %s", script->name, ms, err->message);
        note.result = err_slug(err->cls);
        break;
    }
    note.detail = buf_str(&detail);
    audit_note(&note);
}

static MigrateSpec spec_of(const Steps *steps, const Revision *up_to)
{
    return (MigrateSpec){
        .target = &steps->target,
        .scripts = &steps->scripts,
        .tables_expected = steps->after_load,
        .up_to = up_to,
        .timeout_us = steps->timeout_us,
        .on_script = on_script,
    };
}

bool steps_migrate(const Steps *steps, const Revision *up_to, Arena *arena,
                   MigrateReport *out_report, Error *err)
{
    MigrateSpec spec = spec_of(steps, up_to);
    return migrate_run(&spec, arena, out_report, err);
}

bool steps_fix(const Steps *steps, const Revision *up_to, Arena *arena, MigrateFixes *out_fixes,
               Error *err)
{
    MigrateSpec spec = spec_of(steps, up_to);
    if (!migrate_fix(&spec, arena, out_fixes, err))
        return false;
    for (int i = 0; i < out_fixes->count; i++) {
        const MigrateFix *fix = &out_fixes->all[i];
        CLEANUP_BUF Buf detail = BUF_INIT;
        buf_printf(&detail, "%s: %s", fix->name, fix->what);
        audit_note(&(AuditNote){
            .action = "schema", .event = "history", .result = "done", .detail = buf_str(&detail)});
    }
    return true;
}

static const char *names_of(const History *history, Arena *arena)
{
    CLEANUP_BUF Buf names = BUF_INIT;
    for (int i = 0; i < history->pending_count; i++) {
        if (i == 20) {
            buf_printf(&names, " and %d more", history->pending_count - i);
            break;
        }
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", history->pending[i]->name);
    }
    return arena_strdup(arena, buf_str(&names));
}

bool steps_due(const Steps *steps, Arena *arena, Error *err)
{
    History history;
    MigrateReport report;
    if (!steps->configured)
        return true;
    if (!steps_look(steps, arena, &history, err))
        return err_context(err, "schema scripts");
    if (!history_refuse(&history, err))
        return false;
    if (history.pending_count == 0)
        return true;
    if (steps->automatic)
        return steps_migrate(steps, NULL, arena, &report, err) ||
               err_context(err, "schema scripts");
    ERR(err, ERR_SCHEMA_PENDING, "%d schema scripts are pending %s: %s", history.pending_count,
        steps->after_load ? "between load and stream" : "before the load",
        names_of(&history, arena));
    return false;
}

void steps_late(const Steps *steps, Arena *arena)
{
    History history;
    Error err = ERROR_INIT;
    if (!steps->configured)
        return;
    if (!steps_look(steps, arena, &history, &err))
        log_error_value(LOG_WARN, &err, "which schema scripts are applied is not known");
    else if (!history_refuse(&history, &err))
        log_error_value(LOG_WARN, &err, "schema scripts");
    else if (history.pending_count > 0)
        log_warn("schema scripts are pending, and their moment has passed: %s; 'bascule schema "
                 "migrate' runs them",
                 names_of(&history, arena));
}

StepsStatus steps_status(const Steps *steps, Arena *arena)
{
    History history;
    Error err = ERROR_INIT;
    StepsStatus status = {.configured = steps->configured, .last_ms = -1};
    if (!steps->configured)
        return status;
    if (!steps_look(steps, arena, &history, &err)) {
        log_debug("the state of schema scripts is not known: %s", err.message);
        return status;
    }
    const HistoryRow *current = history_current(&history);
    status.state = history_state_name(history.state);
    status.applied = history.row_count;
    status.pending = history.pending_count;
    for (int i = 0; i < history.row_count; i++)
        status.last_failed = status.last_failed || !history.rows[i].success;
    if (current != NULL) {
        status.revision = arena_strdup(arena, current->revision.text);
        status.last_ms = current->duration_ms;
    }
    return status;
}
