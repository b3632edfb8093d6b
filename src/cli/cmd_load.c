/* cmd_load - bascule load --sample N: some rows of each table, before the load itself. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/confirm.h"
#include "cli/exit_codes.h"
#include "cli/interrupt.h"
#include "cli/out.h"
#include "cli/table_list.h"
#include "task/task_sample.h"

static bool read_options(const Config *config, Arena *arena, TaskSample *out, Error *err)
{
    const char *text = config_flag_text(config, FLAG_SAMPLE);
    const char *tables = config_flag_text(config, FLAG_TABLES);
    const char *table = config_flag_text(config, FLAG_TABLE);
    char *end = NULL;
    *out = (TaskSample){0};
    if (text == NULL && !config_flag(config, FLAG_SAMPLE_DROP)) {
        ERR(err, ERR_USAGE, "'bascule load' takes a sample: --sample N");
        return err_hint(err, "The load itself is the beginning of 'bascule run'.");
    }
    if (text == NULL)
        return true;
    out->rows = strtol(text, &end, 10);
    if (end == text || *end != '\0' || out->rows < 1 || out->rows > SAMPLE_ROWS_MOST)
        return ERR(err, ERR_USAGE, "'--sample %s': a number from 1 to %d is needed", text,
                   SAMPLE_ROWS_MOST);
    if (tables != NULL && table != NULL)
        tables = arena_printf(arena, "%s,%s", tables, table);
    else if (tables == NULL)
        tables = table;
    if (tables != NULL)
        out->tables = table_patterns(tables, arena, &out->table_count);
    return true;
}

static json_t *number_or_null(int64_t value)
{
    return value == PROGRESS_UNKNOWN ? json_null() : json_integer(value);
}

static json_t *seconds_or_null(int64_t us)
{
    return us == PROGRESS_UNKNOWN ? json_null() : json_real((double)us / 1e6);
}

static void show_json(const SampleReport *report, const char *dropped)
{
    json_t *tables = json_array(), *problems = json_array();
    for (int i = 0; i < report->table_count; i++) {
        const SampleTable *t = &report->tables[i];
        json_array_append_new(
            tables,
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:o}", "table",
                      t->table, "target", t->target, "rows", (json_int_t)t->chosen, "parents",
                      (json_int_t)t->parents, "loaded", (json_int_t)t->loaded, "refused",
                      (json_int_t)t->refused, "different", (json_int_t)t->different, "bytes",
                      (json_int_t)t->bytes, "copy_seconds", (double)t->copy_us / 1e6,
                      "rows_estimated", number_or_null(t->rows_estimated), "about_bytes",
                      number_or_null(t->about_bytes), "about_seconds",
                      seconds_or_null(t->about_us)));
    }
    for (int i = 0; i < report->problem_count; i++) {
        const SampleProblem *p = &report->problems[i];
        json_array_append_new(problems,
                              json_pack("{s:s, s:s, s:s, s:s}", "table", p->table, "sqlstate",
                                        p->sqlstate, "what", p->what, "row", p->row));
    }
    json_t *value =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:f, s:b}", "place", report->place, "tables", tables,
                  "problems", problems, "about_bytes", number_or_null(report->about_bytes),
                  "about_seconds", seconds_or_null(report->about_us), "seconds",
                  (double)report->us / 1e6, "dropped", dropped != NULL);
    out_json(value);
    json_decref(value);
}

static void put_tables(const SampleReport *report, Arena *arena, Buf *out)
{
    static const char *const TITLES[] = {"Table",     ">Rows",       ">Parents",
                                         ">Loaded",   ">Refused",    ">Differ",
                                         ">Of about", ">Load about", NULL};
    OutTable *table = out_table_new(arena, TITLES);
    for (int i = 0; i < report->table_count; i++) {
        const SampleTable *t = &report->tables[i];
        const char *cells[] = {t->table,
                               out_count(arena, t->chosen),
                               out_count(arena, t->parents),
                               out_count(arena, t->loaded),
                               out_count(arena, t->refused),
                               out_count(arena, t->different),
                               out_count(arena, t->rows_estimated),
                               out_duration(arena, t->about_us)};
        out_table_row(table, cells);
    }
    out_table_put(table, out);
}

static void show_text(const SampleReport *report, const char *dropped, Arena *arena)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    put_tables(report, arena, &out);
    for (int i = 0; i < report->problem_count; i++) {
        const SampleProblem *p = &report->problems[i];
        buf_printf(&out, "\nproblem %s%s%s%s%s: %s", p->table[0] != '\0' ? p->table : "the schema",
                   p->row[0] != '\0' ? ", row " : "", p->row, p->sqlstate[0] != '\0' ? " " : "",
                   p->sqlstate, p->what);
    }
    buf_printf(&out, "\nsample  taken in %s, in %s%s\n", out_duration(arena, report->us),
               report->place, dropped != NULL ? ", removed again" : "");
    if (report->about_us == PROGRESS_UNKNOWN)
        buf_puts(&out, "load    unknown: only some tables were sampled, or one has no statistics "
                       "(ANALYZE) or no row that was loaded\n");
    else
        buf_printf(&out, "load    about %s of rows, about %s\n",
                   out_bytes(arena, report->about_bytes), out_duration(arena, report->about_us));
    out_buf(&out);
}

static bool has_trouble(const SampleReport *report)
{
    bool trouble = report->problem_count > 0;
    for (int i = 0; i < report->table_count; i++)
        trouble = trouble || report->tables[i].different > 0 || report->tables[i].refused > 0;
    return trouble;
}

static bool take(const Config *config, Task *task, const TaskSample *options, Arena *arena,
                 int *out_code, Error *err)
{
    SampleReport report;
    const char *dropped = NULL;
    if (!confirm_write(config, "to load a sample there", err) ||
        !task_sample(task, options, arena, &report, err) ||
        (config_flag(config, FLAG_SAMPLE_DROP) && !task_sample_drop(task, arena, &dropped, err)))
        return false;
    if (config_flag(config, FLAG_JSON))
        show_json(&report, dropped);
    else
        show_text(&report, dropped, arena);
    *out_code = has_trouble(&report) ? EXIT_DIFFERENT : EXIT_DONE;
    return true;
}

static bool drop(const Config *config, Task *task, Arena *arena, Error *err)
{
    const char *what = "";
    if (!task_sample_drop(task, arena, &what, err))
        return false;
    if (config_flag(config, FLAG_JSON)) {
        json_t *value = json_pack("{s:s}", "removed", what);
        out_json(value);
        json_decref(value);
    } else {
        out_printf("%s%s\n", what[0] != '\0' ? "removed: " : "there is no sample", what);
    }
    return true;
}

static int run(const Config *config, Error *err)
{
    Task *task = NULL;
    TaskSample options;
    Arena *arena = arena_new(0);
    int code = EXIT_DONE;
    bool ok = read_options(config, arena, &options, err) &&
              task_open(config, interrupt_stop(), false, &task, err) &&
              (options.rows > 0 ? take(config, task, &options, arena, &code, err)
                                : drop(config, task, arena, err));
    task_free(task);
    arena_free(arena);
    return ok ? code : cli_failed(err);
}

const Command CMD_LOAD = {
    .name = "load",
    .summary = "load a sample of each table into a scratch place, and compare it",
    .usage = "",
    .help = "With --sample N it copies N random rows of each table (or of --tables), its first and "
            "its last\n"
            "key, and every row that these refer to by foreign keys and verify.references, through "
            "the rules,\n"
            "and compares both sides row by row. It reports what the load would meet: values that "
            "a type does\n"
            "not read, constraints, foreign keys, types and extensions that are missing; and about "
            "how long and\n"
            "how large the whole would be.\n"
            "\n"
            "The rows go to schema load.sample_name of the target, into tables like those that are "
            "there; with\n"
            "target.prepare: create to a database of that name, with the source's schema "
            "(CREATEDB). The task's\n"
            "own tables are not touched, the source is only read, and a running engine is not in "
            "the way. The\n"
            "sample stays for you to look at; the next one takes its place, and --sample-drop "
            "removes it. What a\n"
            "sample has not made is never removed.\n"
            "Exit 0: no trouble seen. 4: rows are refused or differ.",
    .example = "bascule -c clinic.yaml load --sample 500\n"
               "bascule -c clinic.yaml load --sample 50 --table public.orders --json\n"
               "bascule -c clinic.yaml load --sample-drop",
    .uses = USE_TASK | USE_CONNECT | USE_PLAN,
    .flags = FLAG_BIT(FLAG_SAMPLE) | FLAG_BIT(FLAG_SAMPLE_DROP) | FLAG_BIT(FLAG_TABLES) |
             FLAG_BIT(FLAG_TABLE) | FLAG_BIT(FLAG_CONFIRM) | FLAG_BIT(FLAG_JSON),
    .audit = COMMAND_AUDIT,
    .exits = {1, 2, 3, 4},
    .run = run,
};
