/* task_steps - see the header. */
#include "task/task_steps.h"

#include "bascule/base/log.h"
#include "task/task_internal.h"

static StepsStatus copy_of(const StepsStatus *status, Arena *arena)
{
    StepsStatus copy = *status;
    copy.revision = arena_strdup(arena, status->revision);
    return copy; /* the state is a literal */
}

/* Kept for status: asking the target each time would cost more than it says. */
static void note(Task *task)
{
    Arena *scratch = arena_new(0);
    StepsStatus now = steps_status(&task->steps, scratch);
    pthread_mutex_lock(&task->lock);
    task->steps_seen = copy_of(&now, task->steps_arena);
    pthread_mutex_unlock(&task->lock);
    arena_free(scratch);
}

StepsStatus task_steps_status(Task *task, Arena *arena)
{
    pthread_mutex_lock(&task->lock);
    StepsStatus seen = copy_of(&task->steps_seen, arena);
    pthread_mutex_unlock(&task->lock);
    return seen;
}

StepsStatus task_steps_status_now(Task *task, Arena *arena)
{
    Steps steps;
    Error err = ERROR_INIT;
    if (steps_open(task->config, task->stop, arena, &steps, &err))
        return steps_status(&steps, arena);
    log_debug("the state of schema scripts is not known: %s", err.message);
    return (StepsStatus){.configured = true, .last_ms = -1};
}

/* The conductor's thread, between load and stream. */
static bool after_load(void *arg, Error *err)
{
    Task *task = arg;
    Arena *scratch = arena_new(0);
    bool ok = steps_due(&task->steps, scratch, err);
    arena_free(scratch);
    note(task);
    return ok;
}

/* What would stop the task hours later is told now. */
static bool foresee(Task *task, Error *err)
{
    History history;
    if (!steps_look(&task->steps, task->arena, &history, err))
        return err_context(err, "schema scripts");
    if (!history_refuse(&history, err))
        return false;
    if (history.pending_count > 0 && !task->steps.automatic)
        log_warn(
            "%d schema scripts are pending: between load and stream 'run' will end and ask for "
            "'bascule schema migrate' (schema.auto: true runs them by itself)",
            history.pending_count);
    return true;
}

bool task_steps_begin(Task *task, TaskState state, Error *err)
{
    Error unread = ERROR_INIT;
    bool past = state > TASK_INDEXING;
    if (!steps_open(task->config, task->stop, task->arena, &task->steps, &unread)) {
        if (!past) {
            *err = unread;
            return false;
        }
        /* A switch must not fail for a folder that nobody needs any more. */
        log_error_value(LOG_WARN, &unread, "schema scripts");
        return true;
    }
    if (!task->steps.configured)
        return true;
    bool ok = true;
    if (past || (!task->steps.after_load && state > TASK_PREPARING))
        steps_late(&task->steps, task->arena);
    else if (!task->steps.after_load)
        ok = steps_due(&task->steps, task->arena, err);
    else
        ok = foresee(task, err);
    if (!past && task->steps.after_load) {
        task->spec.after_load = after_load;
        task->spec.after_arg = task;
    }
    note(task);
    return ok;
}
