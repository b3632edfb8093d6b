/* complete - see the header. The state is stored first: from then on no engine streams back, so a
 * slot that is dropped is missed by nobody. */
#include "task/complete.h"

#include <string.h>

#include "bascule/base/log.h"
#include "sync/cleanup.h"

typedef struct Sides {
    PgConn *source, *target;
    Situation now;
} Sides;

static void sides_close(Sides *sides)
{
    pgconn_close(sides->source);
    pgconn_close(sides->target);
}

static bool sides_open(Task *task, Sides *sides, Error *err)
{
    const SyncSpec *spec = task_sync_spec(task);
    *sides = (Sides){0};
    sides->source = pgconn_open(&spec->source, PG_SESSION_SQL, "complete", err);
    if (sides->source == NULL)
        return err_context(err, "source");
    sides->target = pgconn_open(&spec->target, PG_SESSION_SQL, "complete", err);
    if (sides->target == NULL)
        return err_context(err, "target");
    return way_read_on(sides->source, sides->target, spec->task, &sides->now, err);
}

static bool check_state(const Situation *now, Error *err)
{
    if (now->forward != DECISION_OPENED) {
        ERR(err, ERR_WRONG_STATE, "the target is not open: there is nothing to complete");
        return err_hint(
            err, "'bascule cutover' opens it; 'bascule cleanup' ends a task that shall not.");
    }
    if (now->back != DECISION_NONE) {
        ERR(err, ERR_WRONG_STATE, "a rollback stopped between fence and opening");
        return err_hint(err, "'bascule rollback' finishes it, 'bascule abort' takes it back.");
    }
    return true;
}

static bool add_side(const SyncSpec *from, PgConn *conn, Arena *arena, TaskCleanup *out, Error *err)
{
    CleanupPlan plan;
    if (!sync_cleanup_source_list(conn, from, arena, &plan, err))
        return false;
    CleanupItem *items = arena_new_array(arena, CleanupItem, out->count + plan.count + 1);
    if (out->count > 0)
        memcpy(items, out->items, sizeof *items * (size_t)out->count);
    for (int i = 0; i < plan.count; i++)
        items[out->count++] = (CleanupItem){
            .what = arena_printf(arena, "%s: %s", from->source.side, plan.what[i]),
            .statement = plan.statement[i],
        };
    out->items = items;
    return true;
}

bool task_complete_list(Task *task, Arena *arena, TaskCleanup *out, Error *err)
{
    Sides sides;
    bool ok = sides_open(task, &sides, err) && check_state(&sides.now, err);
    if (ok) {
        *out = (TaskCleanup){.decision = sides.now.forward};
        ok = add_side(task_back_spec(task), sides.target, arena, out, err) &&
             add_side(task_sync_spec(task), sides.source, arena, out, err);
    }
    sides_close(&sides);
    return ok;
}

static bool store(const Sides *sides, const char *task, Error *err)
{
    if (strcmp(sides->now.back_state, "reversing") != 0)
        return true;
    return control_lock(sides->source, task, err) &&
           control_set_state(sides->source, task, task_state_name(TASK_COMPLETED), err) &&
           control_journal(sides->target, task, sides->now.forward_epoch, "completed",
                           "the way back was given up", err);
}

bool task_complete_run(Task *task, Error *err)
{
    Sides sides;
    bool ok = sides_open(task, &sides, err) && check_state(&sides.now, err) &&
              store(&sides, task_name(task), err) &&
              sync_cleanup_source_run(sides.target, task_back_spec(task), err) &&
              sync_cleanup_source_run(sides.source, task_sync_spec(task), err);
    sides_close(&sides);
    if (ok)
        log_info("the way back is closed task=%s", task_name(task));
    return ok;
}
