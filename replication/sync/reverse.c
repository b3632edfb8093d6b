/*
 * reverse - what is different when the stream goes back: which tables it may touch. Nothing is loaded;
 * the tables, the slot and the position were recorded by the cutover that armed the way back.
 */
#include <string.h>

#include "apply/control.h"
#include "sql_files.h"
#include "sync/internal.h"

/* A name as a pattern that matches nothing else. */
static const char *as_pattern(Arena *arena, const char *name)
{
    char *out = arena_bytes_alloc(arena, strlen(name) * 2 + 1), *to = out;
    for (; *name != '\0'; name++) {
        if (*name == '%' || *name == '*' || *name == '\\')
            *to++ = '\\';
        *to++ = *name;
    }
    *to = '\0';
    return out;
}

/* Tables that were created since would come without the rows that they had: they are left out, and
 * the rollback refuses them by name. */
bool sync_reverse_rules(Sync *sync, Rules *out_rules, Error *err)
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
            .schema = as_pattern(arena, schema),
            .table = as_pattern(arena, name),
            .text = arena_printf(arena, "%s.%s", schema, name),
        };
    }
    *out_rules = rules;
    return true;
}
