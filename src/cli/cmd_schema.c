/* cmd_schema - bascule schema: numbered SQL scripts on the target, each once, with their history. */
#include <string.h>

#include "bascule/base/clock.h"
#include "cli/command.h"
#include "cli/confirm.h"
#include "cli/exit_codes.h"
#include "cli/interrupt.h"
#include "cli/out.h"
#include "config/endpoint.h"
#include "task/steps.h"

typedef struct Call {
    const Config *config;
    Arena *arena;
    Steps steps;
    const Revision *up_to; /* --target-revision; NULL not given, or 0 */
    Revision revision;
    bool has_target, json;
} Call;

/* What there is --------------------------------------------------------------------------------- */

static json_t *row_json(const HistoryRow *row)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:b}", "revision", row->revision.text, "name",
        row->name, "sha256", row->sha256, "applied_at", row->applied_at, "duration_ms",
        row->duration_ms < 0 ? json_null() : json_integer(row->duration_ms), "applied_by",
        row->applied_by, "version", row->version, "how", row->how, "success", row->success);
}

static json_t *pending_json(const History *history, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        const Script *script = history->pending[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:i, s:b}", "revision", script->revision.text, "name",
                            script->name, "sha256", script->sha256, "statements",
                            script->statements.count, "transaction", script->transaction));
    }
    return list;
}

static json_t *status_of(const Call *call, const History *history)
{
    const HistoryRow *current = history_current(history);
    json_t *applied = json_array(), *problems = json_array(), *foreign = json_array();
    for (int i = 0; i < history->row_count; i++)
        json_array_append_new(applied, row_json(&history->rows[i]));
    for (int i = 0; i < history->problem_count; i++)
        json_array_append_new(problems, json_pack("{s:s, s:s, s:s}", "revision",
                                                  history->problems[i].revision, "name",
                                                  history->problems[i].name, "what",
                                                  history->problems[i].what));
    for (int i = 0; i < history->foreign_count; i++)
        json_array_append_new(
            foreign, json_pack("{s:s, s:s, s:s?, s:s?}", "tool", history->foreign[i].tool, "table",
                               history->foreign[i].table, "version", history->foreign[i].version,
                               "unknown_because", history->foreign[i].why));
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s?, s:o, s:o, s:o, s:o}", "state",
                     history_state_name(history->state), "action",
                     history_state_action(history->state), "scripts", call->steps.scripts.directory,
                     "when", call->steps.after_load ? "after-load" : "before-load", "auto",
                     call->steps.automatic, "revision",
                     current == NULL ? NULL : current->revision.text, "applied", applied, "pending",
                     pending_json(history, history->pending_count), "problems", problems,
                     "other_histories", foreign);
}

static const char *state_of_row(const HistoryRow *row)
{
    return !row->success ? "NOT ENDED" : strcmp(row->how, "recorded") == 0 ? "recorded" : "applied";
}

static void put_scripts(const Call *call, const History *history, Buf *out)
{
    static const char *const TITLES[] = {">Revision", "Name", "State",   "When",
                                         ">Took",     "By",   "bascule", NULL};
    OutTable *table = out_table_new(call->arena, TITLES);
    for (int i = 0; i < history->row_count; i++) {
        const HistoryRow *row = &history->rows[i];
        const char *took =
            row->duration_ms < 0 ? "" : out_duration(call->arena, row->duration_ms * 1000);
        const char *cells[] = {row->revision.text, row->name, state_of_row(row),
                               row->applied_at,    took,      row->applied_by,
                               row->version};
        out_table_row(table, cells);
    }
    for (int i = 0; i < history->pending_count; i++) {
        const Script *script = history->pending[i];
        const char *cells[] = {script->revision.text,
                               script->name,
                               script->transaction ? "pending" : "pending, no transaction",
                               "",
                               "",
                               "",
                               ""};
        out_table_row(table, cells);
    }
    out_table_put(table, out);
}

static void put_status(const Call *call, const History *history, Buf *out)
{
    put_scripts(call, history, out);
    buf_printf(out, "\nstate   %s\nto do   %s\n", history_state_name(history->state),
               history_state_action(history->state));
    for (int i = 0; i < history->problem_count; i++)
        buf_printf(out, "wrong   %s: %s\n", history->problems[i].name, history->problems[i].what);
    for (int i = 0; i < history->foreign_count; i++) {
        const HistoryForeign *f = &history->foreign[i];
        if (f->version != NULL)
            buf_printf(out, "note    %s has its history here (%s): %s\n", f->tool, f->table,
                       f->version);
        else
            buf_printf(out, "note    %s has its history here (%s), which could not be read: %s\n",
                       f->tool, f->table, f->why);
    }
}

static bool status(Call *call, int *out_code, Error *err)
{
    History history;
    if (!steps_look(&call->steps, call->arena, &history, err))
        return false;
    if (call->json) {
        json_t *value = status_of(call, &history);
        out_json(value);
        json_decref(value);
    } else {
        CLEANUP_BUF Buf text = BUF_INIT;
        put_status(call, &history, &text);
        out_buf(&text);
    }
    static const int CODES[HISTORY_STATE_COUNT] = {
        [HISTORY_EMPTY] = EXIT_WARNINGS,       [HISTORY_NONE] = EXIT_REFUSED,
        [HISTORY_PENDING] = EXIT_WARNINGS,     [HISTORY_UP_TO_DATE] = EXIT_DONE,
        [HISTORY_INCONSISTENT] = EXIT_REFUSED,
    };
    *out_code = CODES[history.state];
    return true;
}

/* migrate --------------------------------------------------------------------------------------- */

static bool dry_run(Call *call, Error *err)
{
    History history;
    int count = 0;
    if (!steps_look(&call->steps, call->arena, &history, err) || !history_refuse(&history, err) ||
        !migrate_count(&history, call->up_to, &count, err))
        return false;
    if (call->json) {
        json_t *value = json_pack("{s:s, s:b, s:o}", "state", history_state_name(history.state),
                                  "dry_run", true, "would_run", pending_json(&history, count));
        out_json(value);
        json_decref(value);
        return true;
    }
    for (int i = 0; i < count; i++)
        out_printf("would run %s (revision %s, %d statements%s)\n", history.pending[i]->name,
                   history.pending[i]->revision.text, history.pending[i]->statements.count,
                   history.pending[i]->transaction ? "" : ", no transaction");
    if (count == 0)
        out_printf("nothing to run\n");
    return true;
}

static void show_report(const Call *call, const MigrateReport *report, bool ok)
{
    if (call->json) {
        json_t *value = json_pack("{s:s, s:i, s:f, s:b}", "state_before",
                                  history_state_name(report->before), "run", report->run, "seconds",
                                  (double)report->duration_us / 1e6, "success", ok);
        out_json(value);
        json_decref(value);
    } else if (report->run > 0 || ok) {
        out_printf("%d scripts applied in %s\n", report->run,
                   out_duration(call->arena, report->duration_us));
    }
}

/* An interrupted run is no success: what it was asked for is not done. */
static bool not_stopped(Error *err)
{
    if (err->cls == ERR_STOPPED) {
        err->cls = ERR_ABORTED;
        if (err->hint[0] == '\0')
            err_hint(err, "What the running script did is undone, those before it stay applied.");
    }
    return false;
}

/* Only where there is something to run. */
static bool migrate_agreed(Call *call, Error *err)
{
    History history;
    int count = 0;
    if (!config_bool(call->config, OPT_CONFIRM))
        return true;
    return steps_look(&call->steps, call->arena, &history, err) && history_refuse(&history, err) &&
           migrate_count(&history, call->up_to, &count, err) &&
           (count == 0 || confirm_write(call->config, "to run schema scripts there", err));
}

static bool migrate(Call *call, Error *err)
{
    MigrateReport report;
    if (config_flag(call->config, FLAG_DRY_RUN))
        return dry_run(call, err);
    if (!migrate_agreed(call, err))
        return false;
    bool ok = steps_migrate(&call->steps, call->up_to, call->arena, &report, err);
    show_report(call, &report, ok);
    return ok || not_stopped(err);
}

/* fix-history ----------------------------------------------------------------------------------- */

static void show_fixes(const Call *call, const MigrateFixes *fixes, bool done)
{
    json_t *list = json_array();
    for (int i = 0; i < fixes->count; i++) {
        const MigrateFix *fix = &fixes->all[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "revision", fix->revision, "name",
                                              fix->name, "what", fix->what));
        if (!call->json && !done)
            out_printf("%s: %s\n", fix->name, fix->what);
    }
    if (call->json) {
        json_t *value = json_pack("{s:O, s:b}", "changes", list, "done", done);
        out_json(value);
        json_decref(value);
    } else if (fixes->count == 0) {
        out_printf("the history says that already, nothing to change\n");
    } else if (done) {
        out_printf("%d changes made\n", fixes->count);
    }
    json_decref(list);
}

static bool agreed(const Call *call, Error *err)
{
    if (config_bool(call->config, OPT_CONFIRM))
        return confirm_write(call->config, "to change the history", err);
    if (config_flag(call->config, FLAG_YES))
        return true;
    if (out_interactive() && !call->json) {
        if (out_confirm("No script is run. Type the target database's name to change the history: ",
                        config_database(call->config, false, call->arena)))
            return true;
        return ERR(err, ERR_ABORTED, "not confirmed, nothing was changed");
    }
    ERR(err, ERR_WRONG_STATE, "nothing was changed: this is a list only");
    return err_hint(err, "Say --yes to change the history.");
}

static bool fix_history(Call *call, Error *err)
{
    History history;
    MigrateFixes fixes;
    if (!call->has_target) {
        ERR(err, ERR_USAGE, "fix-history needs --target-revision");
        return err_hint(err, "Say up to which script the target is (0: none of them): those are "
                             "recorded as applied without being run. 'bascule schema status' shows "
                             "what Alembic or Flyway say of it.");
    }
    if (!steps_look(&call->steps, call->arena, &history, err))
        return false;
    migrate_fixes(&history, &call->steps.scripts, call->up_to, call->arena, &fixes);
    bool only_look = config_flag(call->config, FLAG_DRY_RUN) || fixes.count == 0;
    if (only_look || !config_flag(call->config, FLAG_YES))
        show_fixes(call, &fixes, false);
    if (only_look)
        return true;
    if (!agreed(call, err) || !steps_fix(&call->steps, call->up_to, call->arena, &fixes, err))
        return not_stopped(err);
    show_fixes(call, &fixes, true);
    return true;
}

/* The command ----------------------------------------------------------------------------------- */

static bool read_target(Call *call, Error *err)
{
    const char *text = config_flag_text(call->config, FLAG_TARGET_REVISION);
    const Scripts *scripts = &call->steps.scripts;
    call->has_target = text != NULL;
    if (text == NULL)
        return true;
    if (!revision_parse(text, strlen(text), &call->revision))
        return ERR(err, ERR_USAGE,
                   "'--target-revision %s': a revision like 4, 004 or 1.2 is needed", text);
    if (scripts_find(scripts, &call->revision) != NULL) {
        call->up_to = &call->revision;
        return true;
    }
    if (strcmp(call->revision.text, "0") == 0)
        return true;
    return ERR(err, ERR_USAGE,
               "'--target-revision %s': there is no such script, they go from %s to %s", text,
               scripts->all[0].name, scripts->all[scripts->count - 1].name);
}

static bool prepare(Call *call, StopToken *stop, Error *err)
{
    if (!steps_open(call->config, stop, call->arena, &call->steps, err))
        return false;
    if (!call->steps.configured) {
        ERR(err, ERR_CONFIG, "schema.scripts is not set: there are no schema scripts");
        return err_hint(err, "Name the folder of scripts in the configuration: schema: {scripts: "
                             "DIRECTORY}.");
    }
    return read_target(call, err);
}

static int run(const Config *config, Error *err)
{
    int count = 0, code = EXIT_DONE;
    const char *const *args = config_args(config, &count);
    const char *word = count > 0 ? args[0] : "status";
    Call call = {.config = config, .arena = arena_new(0), .json = config_flag(config, FLAG_JSON)};
    bool ok = prepare(&call, interrupt_stop(), err);
    if (!ok)
        ;
    else if (strcmp(word, "status") == 0)
        ok = status(&call, &code, err);
    else if (strcmp(word, "migrate") == 0 && call.has_target && call.up_to == NULL)
        ok = ERR(err, ERR_USAGE, "'--target-revision 0': there is nothing to run up to there");
    else if (strcmp(word, "migrate") == 0)
        ok = migrate(&call, err);
    else if (strcmp(word, "fix-history") == 0)
        ok = fix_history(&call, err);
    else
        ok = ERR(err, ERR_USAGE, "'bascule schema %s': there is status, migrate and fix-history",
                 word);
    arena_free(call.arena);
    return ok ? code : cli_failed(err);
}

const Command CMD_SCHEMA = {
    .name = "schema",
    .summary = "run numbered SQL scripts on the target, each once, and show which it has seen",
    .usage = "[status | migrate | fix-history]",
    .help =
        "The folder schema.scripts holds files named 001_what.sql or V1__what.sql. migrate runs "
        "those that the\n"
        "target has not seen, in the order of their numbers, each in one transaction with its row "
        "in\n"
        "bascule.schema_history; one at a time, a second run is refused. --dry-run shows them, "
        "--target-revision\n"
        "stops behind one, --timeout limits all of them together. A script whose first line is\n"
        "'-- bascule: no-transaction' is sent statement by statement (CREATE INDEX CONCURRENTLY).\n"
        "status shows one of five states: empty and pending_migrations (exit 5: migrate runs "
        "them),\n"
        "tables_without_migration_history (exit 3: fix-history first), up_to_date (exit 0), "
        "inconsistent (exit 3:\n"
        "a script was changed, is missing, out of order or did not end; nothing is run).\n"
        "fix-history --target-revision R makes the history say that everything up to R is applied "
        "as the files\n"
        "are now, and nothing else. It runs no script. It asks, or wants --yes.\n"
        "'run' does the same by itself with schema.auto: true, before the load or after it "
        "(schema.when).",
    .example = "bascule -c clinic.yaml schema\n"
               "bascule -c clinic.yaml schema migrate --dry-run\n"
               "bascule -c clinic.yaml schema migrate --target-revision 4 --timeout 10min\n"
               "bascule -c clinic.yaml schema fix-history --target-revision 3 --yes",
    .uses = USE_TASK | USE_CONNECT | USE_SCHEMA,
    .own = USE_SCHEMA,
    .flags = FLAG_BIT(FLAG_YES) | FLAG_BIT(FLAG_JSON) | FLAG_BIT(FLAG_DRY_RUN) |
             FLAG_BIT(FLAG_TARGET_REVISION) | FLAG_BIT(FLAG_CONFIRM),
    .max_args = 1,
    .audit = COMMAND_AUDIT,
    .look_word = "status",
    .exits = {1, 2, 3, 5, 7},
    .run = run,
};
