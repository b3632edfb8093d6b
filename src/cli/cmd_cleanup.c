/* cleanup - lists, then removes, what a task left on both sides. */
#include "bascule/base/stop.h"
#include "cli/command.h"
#include "cli/confirm.h"
#include "cli/out.h"
#include "task/cleanup.h"

static json_t *list_json(const TaskCleanup *list, bool removed)
{
    json_t *items = json_array();
    for (int i = 0; i < list->count; i++)
        json_array_append_new(items, json_pack("{s:s,s:s}", "what", list->items[i].what,
                                               "statement", list->items[i].statement));
    return json_pack("{s:o,s:b,s:b,s:s?,s:s?}", "items", items, "removed", removed, "running",
                     list->running, "source_error", list->source_error, "target_error",
                     list->target_error);
}

static void list_text(const TaskCleanup *list, Buf *out)
{
    for (int i = 0; i < list->count; i++)
        buf_printf(out, "%s\n    %s\n", list->items[i].what, list->items[i].statement);
    if (list->count == 0)
        buf_puts(out, "nothing is left\n");
    if (list->source_error != NULL)
        buf_printf(out, "source: unknown, %s\n", list->source_error);
    if (list->target_error != NULL)
        buf_printf(out, "target: unknown, %s\n", list->target_error);
    if (list->decision == DECISION_OPENED)
        buf_puts(out, "NOTE: the target is open. Removing the fence lets the old source take "
                      "writes again.\n");
    if (list->decision == DECISION_FENCED)
        buf_puts(out, "NOTE: the source is fenced and the target is not open; removing the fence "
                      "gives writes "
                      "back to the source.\n");
}

static void show(const TaskCleanup *list, bool json, bool removed)
{
    if (json) {
        json_t *value = list_json(list, removed);
        out_json(value);
        json_decref(value);
    } else if (!removed) {
        CLEANUP_BUF Buf text = BUF_INIT;
        list_text(list, &text);
        out_buf(&text);
    }
}

static bool agreed(const Config *config, const TaskCleanup *list, const Task *task, Error *err)
{
    if (list->count == 0)
        return true;
    if (config_bool(config, OPT_CONFIRM))
        return confirm_write(config, "to remove all of this", err);
    if (config_flag(config, FLAG_YES))
        return true;
    if (out_interactive() && !config_flag(config, FLAG_JSON)) {
        if (out_confirm("Type the task's name to remove all of this: ", task_name(task)))
            return true;
        return ERR(err, ERR_ABORTED, "not confirmed, nothing was removed");
    }
    ERR(err, ERR_WRONG_STATE, "nothing was removed: this is a list only");
    return err_hint(err, "Say --yes to remove it.");
}

static int run(const Config *config, Error *err)
{
    Task *task = NULL;
    StopToken *stop = stop_new();
    Arena *arena = arena_new(0);
    TaskCleanup list;
    bool json = config_flag(config, FLAG_JSON);
    bool ok =
        task_open(config, stop, false, &task, err) && task_cleanup_list(task, arena, &list, err);
    if (ok) {
        bool remove = config_flag(config, FLAG_YES) || config_flag(config, FLAG_CONFIRM);
        if (!json || !remove)
            show(&list, json, false);
        if (list.running && list.count > 0)
            ok = ERR(err, ERR_ALREADY_RUNNING, "an engine runs this task; nothing was removed");
        else
            ok = agreed(config, &list, task, err) &&
                 (list.count == 0 || task_cleanup_run(task, err));
        if (ok && json && remove)
            show(&list, json, true);
        else if (ok && !json && list.count > 0)
            out_printf("removed\n");
    }
    int code = ok ? 0 : cli_failed(err);
    task_free(task);
    arena_free(arena);
    stop_free(stop);
    return code;
}

const Command CMD_CLEANUP = {
    .name = "cleanup",
    .summary = "list and remove slot, publication, fences and control schema on both sides",
    .usage = "",
    .help =
        "Lists everything that the task left on source and target, with the statement that "
        "removes it, then\n"
        "removes it when told to (--yes, or by typing the task's name on a terminal). Works "
        "without an engine,\n"
        "with the source frozen, and with one side unreachable (that side is then reported as "
        "unknown).\n"
        "The tables themselves are never touched. Refused while an engine runs. With confirm: true "
        "(a profile named\n"
        "production) it is the target database's name that is typed, or given with --confirm.",
    .example = "bascule --config clinic.yaml cleanup\n"
               "bascule -c clinic.yaml cleanup --yes",
    .uses = USE_ALWAYS | USE_TASK | USE_CONNECT | USE_PLAN,
    .flags = FLAG_BIT(FLAG_YES) | FLAG_BIT(FLAG_CONFIRM) | FLAG_BIT(FLAG_JSON),
    .audit = COMMAND_AUDIT,
    .exits = {1, 2, 3, 6, 7},
    .run = run,
};
