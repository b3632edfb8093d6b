/* cmd_restore - bascule restore: the target as its backup found it, and no task. */
#include <string.h>

#include "cli/command.h"
#include "cli/confirm.h"
#include "cli/interrupt.h"
#include "cli/out.h"
#include "task/task_backup.h"

static const char *fate_name(const BackupTable *table)
{
    static const char *const NAMES[] = {"rows come back", "emptied", "dropped", "not there"};
    return NAMES[table->fate];
}

static const char *fate_word(const BackupTable *table)
{
    static const char *const WORDS[] = {"restored", "emptied", "dropped", "absent"};
    return WORDS[table->fate];
}

static json_t *backup_json(const Backup *backup)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "file", backup->file, "host", backup->host,
                     "sha256", backup->sha256, "bytes", (json_int_t)backup->bytes, "made_at",
                     backup->made_at, "state", backup->state);
}

static void show_json(const TaskRestore *restore, bool done)
{
    json_t *tables = json_array(), *backups = json_array();
    for (int i = 0; i < restore->plan.table_count; i++) {
        const BackupTable *t = &restore->plan.tables[i];
        json_array_append_new(tables, json_pack("{s:s, s:s, s:s, s:o}", "schema", t->schema, "name",
                                                t->name, "fate", fate_word(t), "rows",
                                                t->rows < 0 ? json_null() : json_integer(t->rows)));
    }
    for (int i = 0; i < restore->backups.count; i++)
        json_array_append_new(backups, backup_json(&restore->backups.all[i]));
    json_t *value = json_pack("{s:o, s:o, s:o, s:b}", "backup", backup_json(&restore->backup),
                              "tables", tables, "backups", backups, "done", done);
    out_json(value);
    json_decref(value);
}

static void show_text(const TaskRestore *restore, Arena *arena)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    static const char *const TITLES[] = {"Table", "What", ">Rows in the backup", NULL};
    OutTable *table = out_table_new(arena, TITLES);
    for (int i = 0; i < restore->plan.table_count; i++) {
        const BackupTable *t = &restore->plan.tables[i];
        const char *cells[] = {arena_printf(arena, "%s.%s", t->schema, t->name), fate_name(t),
                               t->was_oid == 0 ? ""
                               : t->rows < 0   ? NULL
                                               : out_count(arena, t->rows)};
        out_table_row(table, cells);
    }
    buf_printf(&out, "backup  %s\n        of %s, %s, sha256 %s\n\n", restore->backup.file,
               restore->backup.made_at, out_bytes(arena, restore->backup.bytes),
               restore->backup.sha256);
    out_table_put(table, &out);
    for (int i = 0; i < restore->backups.count; i++)
        if (restore->backups.all[i].id != restore->backup.id)
            buf_printf(&out, "\nother   %s, of %s, %s", restore->backups.all[i].file,
                       restore->backups.all[i].made_at, restore->backups.all[i].state);
    if (restore->backups.count > 1)
        buf_puts(&out, "\n");
    out_buf(&out);
}

static bool restore(const Config *config, Task *task, TaskRestore *what, Arena *arena, Error *err)
{
    bool json = config_flag(config, FLAG_JSON), look = config_flag(config, FLAG_DRY_RUN);
    if (!json)
        show_text(what, arena);
    if (look) {
        if (json)
            show_json(what, false);
        return true;
    }
    if (!confirm_always(config, "to end the task and give its tables the rows of the backup",
                        err) ||
        !task_restore_run(task, what, err))
        return false;
    if (json)
        show_json(what, true);
    else
        out_printf("\nrestored, the task is removed\n");
    return true;
}

static int run(const Config *config, Error *err)
{
    Task *task = NULL;
    Arena *arena = arena_new(0);
    TaskRestore what = {0};
    bool ok = task_open(config, interrupt_stop(), false, &task, err) &&
              task_restore_look(task, config_flag_text(config, FLAG_BACKUP), arena, &what, err) &&
              restore(config, task, &what, arena, err);
    task_restore_done(&what);
    task_free(task);
    arena_free(arena);
    return ok ? 0 : cli_failed(err);
}

const Command CMD_RESTORE = {
    .name = "restore",
    .summary = "bring the target back to the backup from before the load, and end the task",
    .usage = "",
    .help =
        "With backup: before_load 'run' begins a task with a pg_dump of the target. This gives the "
        "task's tables the\n"
        "rows of that file again: tables that were there are emptied and filled in one "
        "transaction, tables that the\n"
        "task has made (target.prepare: create) are dropped, nothing else is touched. The task is "
        "removed as 'cleanup'\n"
        "does it, with its slot. --dry-run shows what would be done.\n"
        "The target database's name is always asked for: typed, or --confirm=NAME. Refused while "
        "an engine runs, once\n"
        "the task was cut over, and when the file is not the one that was written (SHA-256). May "
        "be repeated after a\n"
        "crash at any point; until it has ended 'run' refuses.",
    .example = "bascule -c clinic.yaml restore --dry-run\n"
               "bascule -c clinic.yaml restore --confirm=clinic\n"
               "bascule -c clinic.yaml restore --backup /backup/clinic-20260131T020000Z-4711.dump",
    .uses = USE_TASK | USE_CONNECT | USE_PLAN | USE_ENGINE,
    .flags = FLAG_BIT(FLAG_BACKUP) | FLAG_BIT(FLAG_CONFIRM) | FLAG_BIT(FLAG_DRY_RUN) |
             FLAG_BIT(FLAG_JSON),
    .audit = COMMAND_AUDIT_FIRST,
    .exits = {1, 2, 3, 4, 6},
    .run = run,
};
