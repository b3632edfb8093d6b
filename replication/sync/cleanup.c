/* cleanup - see the header. */
#include "sync/cleanup.h"

#include <stdio.h>
#include <string.h>

#include "apply/control.h"
#include "source/capture.h"
#include "source/slot.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"

#define MAX_ITEMS    4096
#define LOCK_TRIES   20
#define LOCK_WAIT_US 100000

static void add(CleanupPlan *plan, Arena *arena, const char *what, const char *statement)
{
    if (plan->what == NULL) {
        plan->what = arena_new_array(arena, const char *, MAX_ITEMS);
        plan->statement = arena_new_array(arena, const char *, MAX_ITEMS);
    }
    if (plan->count < MAX_ITEMS) {
        plan->what[plan->count] = what;
        plan->statement[plan->count++] = statement;
    }
}

/* The permanent slot and the temporary one of a load that may still be held by a dying session. */
static void slot_names(const SyncSpec *spec, char out[2][96])
{
    snprintf(out[0], 96, "%s", spec->slot_name);
    snprintf(out[1], 96, "%.50s_snap", spec->slot_name);
}

static bool publication_exists(PgConn *source, const char *name, bool *out_exists, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(source, SQL("SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = $1"),
                      PG_PARAMS(PG_TEXT(name)), &rows, err))
        return false;
    *out_exists = pgrows_count(rows) > 0;
    return true;
}

bool sync_cleanup_source_list(PgConn *source, const SyncSpec *spec, Arena *arena, CleanupPlan *out,
                              Error *err)
{
    *out = (CleanupPlan){0};
    char names[2][96];
    slot_names(spec, names);
    for (int i = 0; i < 2; i++) {
        SlotState slot;
        if (!slot_state(source, names[i], &slot, err))
            return false;
        if (slot.exists)
            add(out, arena, arena_printf(arena, "slot %s", names[i]),
                arena_printf(arena, "SELECT pg_catalog.pg_drop_replication_slot('%s')", names[i]));
    }
    bool exists = false;
    if (!publication_exists(source, spec->publication, &exists, err))
        return false;
    if (exists)
        add(out, arena, arena_printf(arena, "publication %s", spec->publication),
            arena_printf(arena, "DROP PUBLICATION IF EXISTS \"%s\"", spec->publication));
    const char *capture = NULL;
    if (!capture_removal(source, spec->task, arena, &capture, err))
        return false;
    if (capture != NULL)
        add(out, arena, "event triggers that tell of DDL", capture);
    return true;
}

bool sync_cleanup_source_run(PgConn *source, const SyncSpec *spec, Error *err)
{
    char names[2][96];
    slot_names(spec, names);
    bool exists = false;
    return capture_remove(source, spec->task, err) && slot_drop(source, names[0], err) &&
           slot_drop(source, names[1], err) &&
           publication_exists(source, spec->publication, &exists, err) &&
           (!exists || publication_drop(source, spec->publication, err));
}

static void enable_statement(SqlText *st, const PgRows *rows, int r)
{
    sqltext_put(st, "ALTER TABLE IF EXISTS ");
    sqltext_qualified(st, pgrows_text(rows, r, 0), pgrows_text(rows, r, 1));
    switch (pgrows_text(rows, r, 3)[0]) { /* pg_trigger.tgenabled */
    case 'A':
        sqltext_put(st, " ENABLE ALWAYS TRIGGER ");
        break;
    case 'R':
        sqltext_put(st, " ENABLE REPLICA TRIGGER ");
        break;
    default:
        sqltext_put(st, " ENABLE TRIGGER ");
        break;
    }
    sqltext_ident(st, pgrows_text(rows, r, 2));
}

static bool disabled_triggers(PgConn *target, const char *task, PgRows **out_rows, Error *err)
{
    return pgconn_query(target, SQL_SYNC_DISABLED_TRIGGERS, PG_PARAMS(PG_TEXT(task)), out_rows,
                        err);
}

bool sync_cleanup_target_list(PgConn *target, const char *task, Arena *arena, CleanupPlan *out,
                              Error *err)
{
    *out = (CleanupPlan){0};
    bool exists = false, found = false;
    ControlTask row;
    if (!control_exists(target, &exists, err))
        return false;
    if (!exists)
        return true;
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!control_read(target, task, &row, &found, err) ||
        !disabled_triggers(target, task, &rows, err))
        return false;
    for (int r = 0; r < pgrows_count(rows); r++) {
        CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
        enable_statement(&st, rows, r);
        add(out, arena,
            arena_printf(arena, "disabled trigger %s of %s.%s", pgrows_text(rows, r, 2),
                         pgrows_text(rows, r, 0), pgrows_text(rows, r, 1)),
            arena_printf(arena, "%s;", sqltext_sql(&st).text));
    }
    if (found)
        add(out, arena, arena_printf(arena, "control rows of task %s", task),
            "DELETE FROM bascule.* WHERE task = ...; DROP SCHEMA bascule CASCADE with the last "
            "task;");
    else
        add(out, arena, "schema bascule (removed when no other task uses it)",
            "DROP SCHEMA bascule CASCADE;");
    Error busy = ERROR_INIT;
    if (!control_lock(target, task, &busy))
        out->running = busy.cls == ERR_ALREADY_RUNNING;
    return true;
}

/* A session that has just ended may hold the lock for a moment longer on its server. */
bool sync_cleanup_target_lock(PgConn *target, const char *task, Error *err)
{
    StopToken *never = stop_new();
    bool ok = control_lock(target, task, err);
    for (int i = 0; !ok && err->cls == ERR_ALREADY_RUNNING && i < LOCK_TRIES; i++) {
        err_clear(err);
        stop_wait(never, LOCK_WAIT_US);
        ok = control_lock(target, task, err);
    }
    stop_free(never);
    return ok;
}

bool sync_cleanup_target_run(PgConn *target, const char *task, Error *err)
{
    bool exists = false;
    if (!control_exists(target, &exists, err))
        return false;
    if (!exists)
        return control_remove(target, task, err);
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!disabled_triggers(target, task, &rows, err))
        return false;
    for (int r = 0; r < pgrows_count(rows); r++) {
        CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
        enable_statement(&st, rows, r);
        if (!pgconn_script(target, sqltext_sql(&st), err))
            return err_context(err, "enabling trigger '%s' again", pgrows_text(rows, r, 2));
    }
    return control_remove(target, task, err);
}
