/*
 * triggers - the target's own triggers must not fire for rows that already carry their effect (an
 * audit trigger would write its row twice). session_replication_role=replica silences ordinary
 * ones; where the role may not set it, and for ENABLE ALWAYS / REPLICA triggers, they are disabled
 * and noted in bascule.disabled_trigger; opening the target restores them in the same transaction.
 */
#include <string.h>

#include "bascule/base/log.h"
#include "bascule/port/pgconn.h"
#include "sql_files.h"
#include "sqltext/sqltext.h"
#include "sync/internal.h"

bool sync_may_silence(PgConn *target)
{
    Error refused = ERROR_INIT;
    bool may = pgconn_script(target, SQL("SET session_replication_role = replica"), &refused);
    if (may && !pgconn_script(target, SQL("RESET session_replication_role"), &refused))
        log_debug("session_replication_role: %s", refused.message);
    return may;
}

static bool disable_one(Sync *sync, const PgRows *rows, int r, Error *err)
{
    const char *schema = pgrows_text(rows, r, 1), *table = pgrows_text(rows, r, 2);
    const char *trigger = pgrows_text(rows, r, 3), *enabled = pgrows_text(rows, r, 4);
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_put(&st, "ALTER TABLE ");
    sqltext_qualified(&st, schema, table);
    sqltext_put(&st, " DISABLE TRIGGER ");
    sqltext_ident(&st, trigger);
    if (!pgconn_script(sync->control, SQL("BEGIN"), err))
        return false;
    if (!pgconn_exec(sync->control, SQL_SYNC_NOTE_TRIGGER,
                     PG_PARAMS(PG_TEXT(sync->spec.task), PG_TEXT(schema), PG_TEXT(table),
                               PG_TEXT(trigger), PG_TEXT(enabled)),
                     NULL, err) ||
        !pgconn_script(sync->control, sqltext_sql(&st), err) ||
        !pgconn_script(sync->control, SQL("COMMIT"), err)) {
        Error ignored = ERROR_INIT;
        if (pgconn_usable(sync->control) &&
            !pgconn_script(sync->control, SQL("ROLLBACK"), &ignored))
            log_debug("rollback: %s", ignored.message);
        err_context(err, "disabling trigger '%s' of table '%s.%s' on the target", trigger, schema,
                    table);
        if (err->cls == ERR_PRIVILEGE)
            err_hint(err,
                     "The target role must own the table, or be granted: GRANT SET ON PARAMETER "
                     "session_replication_role TO the role;");
        return false;
    }
    log_info("trigger disabled until the target opens table=%s.%s trigger=%s", schema, table,
             trigger);
    return true;
}

/* A rule would add to, or replace, what we write; disabling it is not noted anywhere, so it is left
 * to the operator. */
static bool refuse_rules(Sync *sync, const char *silenced, const Map *scope, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(sync->control, SQL_SYNC_FIRING_RULES, PG_PARAMS(PG_TEXT(silenced)), &rows,
                      err))
        return false;
    for (int r = 0; r < pgrows_count(rows); r++) {
        if (map_get(scope, pgrows_text(rows, r, 0), (size_t)pgrows_length(rows, r, 0)) == NULL)
            continue;
        CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
        sqltext_put(&st, "ALTER TABLE ");
        sqltext_qualified(&st, pgrows_text(rows, r, 1), pgrows_text(rows, r, 2));
        sqltext_put(&st, " DISABLE RULE ");
        sqltext_ident(&st, pgrows_text(rows, r, 3));
        ERR(err, ERR_UNSUPPORTED,
            "rule '%s' of table '%s' on the target would change what is written",
            pgrows_text(rows, r, 3), pgrows_text(rows, r, 0));
        return err_hint(err, "On the target: %s; run again, and enable it after the cutover.",
                        sqltext_sql(&st).text);
    }
    return true;
}

bool sync_quiet_triggers(Sync *sync, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    const Relations *rels = sync_relations(sync);
    const char *silenced = sync_may_silence(sync->control) ? "t" : "f";
    if (!pgconn_query(sync->control, SQL_SYNC_FIRING_TRIGGERS, PG_PARAMS(PG_TEXT(silenced)), &rows,
                      err))
        return false;
    Map scope = MAP_INIT;
    Arena *arena = arena_new(0);
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        char *name = arena_printf(arena, "%s.%s", rel->target_schema, rel->target_name);
        map_put(&scope, name, strlen(name), rels->all[i]);
    }
    bool ok = refuse_rules(sync, silenced, &scope, err);
    for (int r = 0; ok && r < pgrows_count(rows); r++) {
        if (map_get(&scope, pgrows_text(rows, r, 0), (size_t)pgrows_length(rows, r, 0)) != NULL)
            ok = disable_one(sync, rows, r, err);
    }
    map_done(&scope);
    arena_free(arena);
    return ok;
}
