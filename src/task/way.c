/* way - see the header. */
#include "task/way.h"

#include <stdio.h>
#include <string.h>

#include "sync/conflicts.h"

const char *way_back_name(Arena *arena, const char *name)
{
    return arena_printf(arena, "%.55s_reverse", name);
}

SyncSpec way_turned(const SyncSpec *forward, Arena *arena)
{
    SyncSpec back = *forward;
    back.source = forward->target;
    back.target = forward->source;
    back.slot_name = way_back_name(arena, forward->slot_name);
    back.publication = way_back_name(arena, forward->publication);
    /* A plugin that was asked for is a wish about the source; the target has its own. */
    if (forward->plugin == PLUGIN_WAL2JSON)
        back.plugin = PLUGIN_AUTO;
    if (forward->keys_dir != NULL)
        back.keys_dir = arena_printf(arena, "%s_reverse", forward->keys_dir);
    back.cdc_start_lsn = LSN_UNKNOWN;
    back.schema = NULL;
    back.close_target = NULL;
    back.dual_write = false; /* once it is open only the target is written */
    back.reverse = true;
    return back;
}

static const Situation UNKNOWN = {.forward = DECISION_UNKNOWN,
                                  .back = DECISION_UNKNOWN,
                                  .open_us = PROGRESS_UNKNOWN,
                                  .conflicts_waiting = PROGRESS_UNKNOWN,
                                  .fences = -1,
                                  .fences_armed = -1};

bool way_goes_on(const Situation *situation, TaskState end)
{
    if (!situation->known)
        return false;
    if (end == TASK_CUT_OVER)
        return situation->way == WAY_BACK && strcmp(situation->back_state, "reversing") == 0;
    return end == TASK_ROLLED_BACK && situation->way == WAY_FORWARD &&
           situation->forward == DECISION_NONE &&
           strcmp(situation->forward_state, "catching-up") == 0;
}

static bool read_state(PgConn *conn, const char *task, char out_state[32], bool *out_found,
                       Error *err)
{
    bool exists = false;
    ControlTask row;
    *out_found = false;
    out_state[0] = '\0';
    if (!control_exists(conn, &exists, err))
        return false;
    if (!exists)
        return true;
    if (!control_read(conn, task, &row, out_found, err))
        return false;
    if (*out_found)
        snprintf(out_state, 32, "%s", row.state);
    return true;
}

bool way_read_on(PgConn *source, PgConn *target, const char *task, Situation *out, Error *err)
{
    bool back_found = false;
    *out = UNKNOWN;
    if (!read_state(target, task, out->forward_state, &out->found, err) ||
        !conflicts_waiting(target, task, &out->conflicts_waiting, err) ||
        !read_state(source, task, out->back_state, &back_found, err) ||
        !cutover_read_decision(source, target, task, &out->forward, &out->forward_epoch, err) ||
        !cutover_read_decision(target, source, task, &out->back, &out->back_epoch, err))
        return false;
    bool armed = strcmp(out->back_state, "reversing") == 0;
    bool completed = strcmp(out->back_state, "completed") == 0;
    /* What the fence of this rollback left behind shall not come any more. */
    bool discarded = out->back == DECISION_FENCED && strcmp(out->forward_state, "rolled-back") == 0;
    out->way = out->forward == DECISION_OPENED && (armed || completed) && !discarded ? WAY_BACK
                                                                                     : WAY_FORWARD;
    if (out->forward == DECISION_OPENED &&
        (!cutover_open_since(target, task, out->forward_epoch, &out->open_us, err) ||
         !cutover_fence_state(source, task, &out->fences, &out->fences_armed, err)))
        return false;
    out->known = true;
    return true;
}

bool way_read(const SyncSpec *forward, Situation *out, Error *err)
{
    *out = UNKNOWN;
    CLEANUP_PGCONN PgConn *source = pgconn_open(&forward->source, PG_SESSION_SQL, "look", err);
    if (source == NULL)
        return err_context(err, "source");
    CLEANUP_PGCONN PgConn *target = pgconn_open(&forward->target, PG_SESSION_SQL, "look", err);
    if (target == NULL)
        return err_context(err, "target");
    return way_read_on(source, target, forward->task, out, err);
}
