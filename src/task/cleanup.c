/* cleanup - see the header. */
#include "task/cleanup.h"

#include <stdlib.h>
#include <string.h>

#include "audit/audit_copy.h"
#include "bascule/base/log.h"
#include "source/capture.h"
#include "sync/cleanup.h"

static void append(TaskCleanup *out, Arena *arena, const char *side, const char *what,
                   const char *statement)
{
    /* Two lists may name one thing (a slot that cutover finds by prefix and sync by name). */
    for (int i = 0; i < out->count; i++) {
        if (strcmp(out->items[i].statement, statement) == 0 &&
            strncmp(out->items[i].what, side, strlen(side)) == 0)
            return;
    }
    CleanupItem *grown = arena_new_array(arena, CleanupItem, out->count + 1);
    if (out->count > 0)
        memcpy(grown, out->items, sizeof *grown * (size_t)out->count);
    grown[out->count] =
        (CleanupItem){.what = arena_printf(arena, "%s: %s", side, what), .statement = statement};
    out->items = grown;
    out->count++;
}

/* Each side may have been source and target: `from` is the direction that left it, `to` the other. */
static bool list_side(const SyncSpec *from, PgConn *conn, Arena *arena, TaskCleanup *out,
                      Error *err)
{
    CleanupItem *items = NULL;
    int count = 0;
    CleanupPlan stream, control;
    const char *side = from->source.side;
    if (!cutover_cleanup_list(conn, from->task, arena, &items, &count, err) ||
        !sync_cleanup_source_list(conn, from, arena, &stream, err) ||
        !sync_cleanup_target_list(conn, from->task, arena, &control, err))
        return false;
    for (int i = 0; i < count; i++)
        append(out, arena, side, items[i].what, items[i].statement);
    for (int i = 0; i < stream.count; i++)
        append(out, arena, side, stream.what[i], stream.statement[i]);
    for (int i = 0; i < control.count; i++)
        append(out, arena, side, control.what[i], control.statement[i]);
    out->running = out->running || control.running;
    return true;
}

bool task_cleanup_list(Task *task, Arena *arena, TaskCleanup *out, Error *err)
{
    const SyncSpec *spec = task_sync_spec(task);
    *out = (TaskCleanup){.decision = DECISION_UNKNOWN};
    Error side = ERROR_INIT;
    CLEANUP_PGCONN PgConn *source = pgconn_open(&spec->source, PG_SESSION_SQL, "cleanup", &side);
    if (source == NULL || !list_side(spec, source, arena, out, &side))
        out->source_error = arena_strdup(arena, side.message);
    CLEANUP_PGCONN PgConn *target = pgconn_open(&spec->target, PG_SESSION_SQL, "cleanup", &side);
    if (target == NULL || !list_side(task_back_spec(task), target, arena, out, &side))
        out->target_error = arena_strdup(arena, side.message);
    if (out->source_error != NULL && out->target_error != NULL)
        return ERR(err, ERR_UNDECIDED, "neither side answers; source: %s; target: %s",
                   out->source_error, out->target_error);
    int64_t epoch = 0;
    if (source != NULL && target != NULL &&
        !cutover_read_decision(source, target, task_name(task), &out->decision, &epoch, &side))
        out->decision = DECISION_UNKNOWN;
    return true;
}

/* The control rows know who owns a slot: they go last. */
static bool clean_side(const SyncSpec *from, PgConn *conn, Error *err)
{
    Error captured = ERROR_INIT;
    /* First, because schema bascule goes with its last user; but it stands in nobody's way. */
    bool ok = capture_remove(conn, from->task, &captured);
    if (!cutover_cleanup_run(conn, from->task, err) || !sync_cleanup_source_run(conn, from, err))
        return false;
    if (!ok)
        *err = captured;
    return ok;
}

/* The locks first: they say that no engine runs in either direction, and a restart would go on from
 * what is removed here. */
bool task_cleanup_run(Task *task, Error *err)
{
    const SyncSpec *spec = task_sync_spec(task), *back = task_back_spec(task);
    Error source_err = ERROR_INIT, target_err = ERROR_INIT;
    CLEANUP_PGCONN PgConn *target =
        pgconn_open(&spec->target, PG_SESSION_SQL, "cleanup", &target_err);
    CLEANUP_PGCONN PgConn *source =
        pgconn_open(&spec->source, PG_SESSION_SQL, "cleanup", &source_err);
    if ((target != NULL && !sync_cleanup_target_lock(target, task_name(task), err)) ||
        (source != NULL && !sync_cleanup_target_lock(source, task_name(task), err)))
        return false;
    audit_copy_keep(task_config(task));
    bool source_ok = source != NULL && clean_side(spec, source, &source_err);
    bool target_ok = target != NULL && clean_side(back, target, &target_err);
    if (source_ok)
        source_ok = sync_cleanup_target_run(source, task_name(task), &source_err);
    if (target_ok && source_ok)
        target_ok = sync_cleanup_target_run(target, task_name(task), &target_err);
    if (!source_ok) {
        *err = source_err;
        return err_context(err, "cleaning the source (run cleanup again when it answers)");
    }
    if (!target_ok) {
        *err = target_err;
        return err_context(err, "cleaning the target (run cleanup again when it answers)");
    }
    audit_copy_forget();
    return true;
}
