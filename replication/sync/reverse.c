/*
 * reverse - what is different when the stream goes back: which tables it may touch. Nothing is loaded;
 * the tables, the slot and the position were recorded by the cutover that armed the way back.
 */
#include "apply/control.h"
#include "source/catalog.h"
#include "source/mapped.h"
#include "sql_files.h"
#include "sync/internal.h"

/* The way forward's names, turned: its catalog is read on the side that it left. */
static bool turn_names(Sync *sync, PgConn *source, Rules *rules, Error *err)
{
    Relations *forward = NULL;
    if (!rules_rename_anything(sync->spec.rules))
        return true;
    if (!catalog_read(sync->control, source, sync->spec.task, sync->spec.rules, &forward, err))
        return err_context(err, "reading how the tables are called on both sides");
    mapped_turn_names(sync->arena, forward, rules);
    relations_free(forward);
    return true;
}

/* Tables that were created since would come without the rows that they had: they are left out, and
 * the rollback refuses them by name. */
bool sync_reverse_rules(Sync *sync, PgConn *source, Rules *out_rules, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    Arena *arena = sync->arena;
    if (!pgconn_query(sync->control, SQL_CONTROL_TABLES_READ, PG_PARAMS(PG_TEXT(sync->spec.task)),
                      &rows, err))
        return err_context(err, "reading which tables come back");
    Rules rules = {.patterns = arena_new_array(arena, RulePattern, pgrows_count(rows) + 1)};
    for (int r = 0; r < pgrows_count(rows); r++) {
        const char *schema = pgrows_text(rows, r, 0), *name = pgrows_text(rows, r, 1);
        rules.patterns[rules.count++] = (RulePattern){
            .schema = rules_quote_glob(arena, schema),
            .table = rules_quote_glob(arena, name),
            .text = arena_printf(arena, "%s.%s", schema, name),
        };
    }
    if (!turn_names(sync, source, &rules, err))
        return false;
    *out_rules = rules;
    return true;
}
