/* cmd_complete - bascule complete: ends the time in which a rollback is possible. */
#include "bascule/base/stop.h"
#include "cli/command.h"
#include "cli/engine_gone.h"
#include "cli/out.h"
#include "task/complete.h"

static void list_text(const TaskCleanup *list)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    for (int i = 0; i < list->count; i++)
        buf_printf(&text, "%s\n    %s\n", list->items[i].what, list->items[i].statement);
    if (list->count == 0)
        buf_puts(&text, "no slot and no publication is left\n");
    out_buf(&text);
}

static bool agreed(const Config *config, const Task *task, Error *err)
{
    if (config_flag(config, FLAG_YES))
        return true;
    if (out_interactive() && !config_flag(config, FLAG_JSON)) {
        out_printf("After this there is no rollback any more.\n");
        return out_confirm("Type the task's name to give up the way back: ", task_name(task)) ||
               ERR(err, ERR_ABORTED, "not confirmed, nothing was removed");
    }
    ERR(err, ERR_WRONG_STATE, "nothing was removed: this is a list only");
    return err_hint(err, "Say --yes to give up the way back.");
}

static void say_done(const Config *config, const TaskCleanup *list)
{
    if (!config_flag(config, FLAG_JSON)) {
        out_printf("completed: nothing streams back any more. The source keeps its fence; 'bascule "
                   "cleanup' removes the rest.\n");
        return;
    }
    json_t *items = json_array();
    for (int i = 0; i < list->count; i++)
        json_array_append_new(items, json_pack("{s:s, s:s}", "what", list->items[i].what,
                                               "statement", list->items[i].statement));
    json_t *done = json_pack("{s:s, s:b, s:o}", "task", config_text(config, OPT_TASK), "completed",
                             1, "removed", items);
    out_json(done);
    json_decref(done);
}

static int run(const Config *config, Error *err)
{
    Task *task = NULL;
    StopToken *stop = stop_new();
    Arena *arena = arena_new(0);
    TaskCleanup list;
    bool ok =
        task_open(config, stop, false, &task, err) && task_complete_list(task, arena, &list, err);
    if (ok) {
        if (!config_flag(config, FLAG_JSON))
            list_text(&list);
        ok = agreed(config, task, err) && engine_gone(config, err) && task_complete_run(task, err);
    }
    if (ok)
        say_done(config, &list);
    int code = ok ? 0 : cli_failed(err);
    task_free(task);
    arena_free(arena);
    stop_free(stop);
    return code;
}

const Command CMD_COMPLETE = {
    .name = "complete",
    .summary = "end the time in which a rollback is possible: drop slots and publications",
    .usage = "",
    .help = "Once the target is open and all is well: lists the slots and publications of both "
            "directions with the\n"
            "statements that remove them, and removes them when told to (--yes, or by typing the "
            "task's name). A\n"
            "running engine is stopped first. From then on neither server keeps WAL for this task, "
            "and there is no\n"
            "rollback. The source keeps its fence, so that nobody writes to the wrong side; tables "
            "are never touched.",
    .example = "bascule --config clinic.yaml complete\n"
               "bascule -c clinic.yaml complete --yes",
    .uses = USE_ALWAYS | USE_TASK | USE_CONNECT | USE_PLAN,
    .flags = FLAG_BIT(FLAG_YES) | FLAG_BIT(FLAG_JSON),
    .audit = COMMAND_AUDIT_FIRST,
    .exits = {1, 2, 3, 6, 7},
    .run = run,
};
