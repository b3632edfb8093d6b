/* plan - what `run` would do; reads catalogs, changes nothing. */
#include <stdio.h>
#include <string.h>

#include "bascule/base/stop.h"
#include "cli/command.h"
#include "cli/out.h"
#include "task/task.h"

static json_t *bytes_or_null(int64_t value)
{
    return value == PROGRESS_UNKNOWN ? json_null() : json_integer(value);
}

static const char *column_action(ColumnAction action)
{
    static const char *const NAMES[] = {"omit column", "only column", "add column", "type"};
    return NAMES[action];
}

static json_t *plan_json(const Task *task, const SyncPlan *plan)
{
    json_t *tables = json_array(), *patterns = json_array(), *cycles = json_array();
    for (int i = 0; i < plan->table_count; i++) {
        const SyncPlanTable *t = &plan->tables[i];
        char identity[2] = {t->replica_identity, '\0'};
        json_array_append_new(
            tables,
            json_pack("{s:s,s:s,s:o,s:o,s:i,s:i,s:s,s:s,s:s,s:s,s:s}", "table", t->table, "target",
                      t->target[0] != '\0' ? t->target : t->table, "rows_estimated",
                      bytes_or_null(t->rows), "bytes", bytes_or_null(t->bytes), "chunks", t->chunks,
                      "level", t->level, "copy", t->binary ? "binary" : "text", "replica_identity",
                      identity, "columns", t->columns, "rows", t->rows_where, "note", t->note));
    }
    for (int i = 0; i < plan->pattern_count; i++) {
        const RulePattern *p = &plan->patterns[i];
        json_array_append_new(patterns,
                              json_pack("{s:s,s:s,s:i}", "pattern", p->text, "action",
                                        p->exclude ? "exclude" : "include", "matched", p->matched));
    }
    for (int i = 0; i < plan->rename_count; i++)
        json_array_append_new(patterns,
                              json_pack("{s:s,s:s,s:s,s:i}", "pattern", plan->renames[i].text,
                                        "action", "name", "place", plan->renames[i].place,
                                        "matched", plan->renames[i].matched));
    for (int i = 0; i < plan->column_rule_count; i++)
        json_array_append_new(patterns,
                              json_pack("{s:s,s:s,s:s,s:i}", "pattern", plan->column_rules[i].text,
                                        "action", column_action(plan->column_rules[i].action),
                                        "place", plan->column_rules[i].place, "matched",
                                        plan->column_rules[i].matched));
    for (int i = 0; i < plan->filter_count; i++)
        json_array_append_new(patterns,
                              json_pack("{s:s,s:s,s:s,s:i}", "pattern", plan->filters[i].text,
                                        "action", "rows", "place", plan->filters[i].place,
                                        "matched", plan->filters[i].matched));
    for (int i = 0; i < plan->cycle_count; i++)
        json_array_append_new(cycles, json_string(plan->cycles[i]));
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:o,s:o,s:o}", "task", task_name(task), "mode",
                     sync_mode_name(task_sync_spec(task)->mode), "prepare",
                     sync_prepare_name(task_sync_spec(task)->prepare), "plugin", plan->plugin,
                     "plugin_why", plan->plugin_why, "bytes", (json_int_t)plan->bytes, "tables",
                     tables, "rules", patterns, "cycles", cycles);
}

static const char *remarks_on(const SyncPlanTable *t, Arena *arena)
{
    const char *rows =
        t->rows_where[0] != '\0' ? arena_printf(arena, "rows where %s", t->rows_where) : "";
    const char *parts[] = {t->columns, rows, t->note};
    CLEANUP_BUF Buf text = BUF_INIT;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i][0] != '\0')
            buf_printf(&text, "%s%s", text.len > 0 ? "; " : "", parts[i]);
    return arena_strdup(arena, buf_str(&text));
}

static void put_tables(const SyncPlan *plan, Arena *arena, Buf *out)
{
    OutTable *table =
        out_table_new(arena, (const char *const[]){">level", "table", ">rows (est.)", ">size",
                                                   ">chunks", "copy", "note", NULL});
    for (int i = 0; i < plan->table_count; i++) {
        const SyncPlanTable *t = &plan->tables[i];
        const char *cells[] = {
            arena_printf(arena, "%d", t->level),
            t->target[0] == '\0' ? t->table : arena_printf(arena, "%s -> %s", t->table, t->target),
            out_count(arena, t->rows),
            out_bytes(arena, t->bytes),
            arena_printf(arena, "%d", t->chunks),
            t->binary ? "binary" : "text",
            remarks_on(t, arena)};
        out_table_row(table, cells);
    }
    out_table_put(table, out);
}

static void put_rules(const SyncPlan *plan, Buf *out)
{
    if (plan->pattern_count + plan->rename_count + plan->column_rule_count + plan->filter_count > 0)
        buf_puts(out, "\nrules\n");
    for (int i = 0; i < plan->pattern_count; i++) {
        const RulePattern *p = &plan->patterns[i];
        buf_printf(out, "  %s %s: %d table%s%s\n", p->exclude ? "exclude" : "include", p->text,
                   p->matched, p->matched == 1 ? "" : "s",
                   p->matched == 0 ? "  <- matches nothing" : "");
    }
    for (int i = 0; i < plan->rename_count; i++) {
        const RuleRename *r = &plan->renames[i];
        buf_printf(out, "  name %s: %d %s%s%s\n", r->text, r->matched,
                   r->column != NULL ? "column" : "table", r->matched == 1 ? "" : "s",
                   r->matched == 0 ? "  <- matches nothing" : "");
    }
    for (int i = 0; i < plan->column_rule_count; i++) {
        const RuleColumn *r = &plan->column_rules[i];
        buf_printf(out, "  %s %s: %d %s%s%s\n", column_action(r->action), r->text, r->matched,
                   r->action == COLUMN_ADD ? "table" : "column", r->matched == 1 ? "" : "s",
                   r->matched == 0 ? "  <- matches nothing" : "");
    }
    for (int i = 0; i < plan->filter_count; i++) {
        const RuleFilter *r = &plan->filters[i];
        buf_printf(out, "  rows %s: %d table%s%s\n", r->text, r->matched,
                   r->matched == 1 ? "" : "s", r->matched == 0 ? "  <- matches nothing" : "");
    }
    for (int i = 0; i < plan->note_count; i++)
        buf_printf(out, "  %s\n", plan->notes[i]);
}

static void plan_text(const Task *task, const SyncPlan *plan, Arena *arena, Buf *out)
{
    const SyncSpec *spec = task_sync_spec(task);
    buf_printf(out, "task    %s (%s, target.prepare %s)\n", spec->task, sync_mode_name(spec->mode),
               sync_prepare_name(spec->prepare));
    buf_printf(out, "source  %s\ntarget  %s\n", spec->source.shown, spec->target.shown);
    if (plan->plugin[0] != '\0')
        buf_printf(out, "plugin  %s: %s\n", plan->plugin, plan->plugin_why);
    buf_printf(out, "tables  %d, %s, %d at once\n\n", plan->table_count,
               out_bytes(arena, plan->bytes), spec->load_jobs);
    put_tables(plan, arena, out);
    for (int i = 0; i < plan->cycle_count; i++)
        buf_printf(out, "\ncycle of foreign keys: %s\n", plan->cycles[i]);
    put_rules(plan, out);
    buf_puts(out, "\nsteps\n");
    int n = 1;
    if (config_choice(task_config(task), OPT_BACKUP_WHEN) != 0)
        buf_printf(out, "  %d. write a pg_dump of the target to %s\n", n++,
                   config_text(task_config(task), OPT_BACKUP_DIR));
    buf_printf(out,
               "  %d. lock the tables against rewriting DDL, create slot %s and its snapshot\n",
               n++, spec->slot_name);
    if (spec->prepare == PREPARE_CREATE)
        buf_printf(out, "  %d. restore the schema without indexes and foreign keys\n", n++);
    if (spec->prepare == PREPARE_TRUNCATE)
        buf_printf(out, "  %d. EMPTY the tables on the target\n", n++);
    buf_printf(out, "  %d. copy the tables in the order above\n", n++);
    if (spec->prepare == PREPARE_CREATE)
        buf_printf(out, "  %d. build indexes, keys, foreign keys, triggers\n", n++);
    if (spec->mode != SYNC_FULL_LOAD)
        buf_printf(out, "  %d. apply changes until 'bascule cutover'\n", n++);
}

static int run(const Config *config, Error *err)
{
    Task *task = NULL;
    StopToken *stop = stop_new();
    Arena *arena = arena_new(0);
    SyncPlan plan;
    bool ok = task_open(config, stop, false, &task, err) &&
              sync_plan(task_sync_spec(task), arena, &plan, err);
    if (ok && config_flag(config, FLAG_JSON)) {
        json_t *json = plan_json(task, &plan);
        out_json(json);
        json_decref(json);
    } else if (ok) {
        CLEANUP_BUF Buf text = BUF_INIT;
        plan_text(task, &plan, arena, &text);
        out_buf(&text);
    }
    int code = ok ? 0 : cli_failed(err);
    task_free(task);
    arena_free(arena);
    stop_free(stop);
    return code;
}

const Command CMD_PLAN = {
    .name = "plan",
    .summary = "show what run would do: tables in order, sizes, rules, plugin, steps",
    .usage = "",
    .help = "Reads the source's catalog and prints the tables in the order of the load, how each "
            "would be copied,\n"
            "what every rule matched (also those that matched nothing), which plugin would be "
            "taken and why, and\n"
            "the steps. Changes nothing.",
    .example = "bascule --config clinic.yaml plan\n"
               "bascule -c clinic.yaml plan --json",
    .uses = USE_ALWAYS | USE_TASK | USE_CONNECT | USE_PLAN,
    .flags = FLAG_BIT(FLAG_JSON),
    .exits = {1, 2, 3},
    .run = run,
};
