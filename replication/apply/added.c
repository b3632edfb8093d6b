/* added - see the header. */
#include "apply/added.h"

#include <string.h>

#include "sql_files.h"

bool added_has_includes(const Rules *base)
{
    for (int i = 0; i < base->count; i++)
        if (!base->patterns[i].exclude)
            return true;
    return false;
}

static Rules *extended(Rules *base, int more, Arena *arena)
{
    Rules *rules = arena_new_object(arena, Rules);
    *rules = *base;
    rules->patterns = arena_new_array(arena, RulePattern, base->count + more);
    memcpy(rules->patterns, base->patterns, sizeof *base->patterns * (size_t)base->count);
    return rules;
}

bool added_read(PgConn *target, const char *task, Rules *base, Arena *arena, Rules **out,
                Error *err)
{
    CLEANUP_PGROWS PgRows *there = NULL, *rows = NULL;
    *out = base;
    if (!pgconn_query(target, SQL_CONTROL_PARTS, PG_NO_PARAMS, &there, err))
        return false;
    if (!pgrows_bool(there, 0, 0) || !added_has_includes(base))
        return true;
    if (!pgconn_query(target, SQL_TABLES_ADDED_READ, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return err_context(err, "reading which tables were added");
    int count = pgrows_count(rows);
    if (count == 0)
        return true;
    Rules *rules = extended(base, count, arena);
    for (int i = 0; i < count; i++) {
        RulePattern *pattern = &rules->patterns[rules->count++];
        if (!rules_parse_pattern(arena, pgrows_text(rows, i, 0), false, pattern, err))
            return err_context(err, "bascule.added_tables");
        pattern->optional = true; /* nobody could take its line away when the table is dropped */
    }
    *out = rules;
    return true;
}
