/* reverse - see the header. */
#include "sync/reverse.h"

#include "apply/added.h"
#include "apply/control.h"
#include "source/catalog.h"
#include "source/mapped.h"
#include "sql_files.h"
#include "sync/internal.h"

/* The way forward's names, turned: its catalog is read on the side that it left. */
static bool turn_names(const ReverseSpec *spec, Rules *rules, Error *err)
{
    Relations *forward = NULL;
    Rules *all = spec->rules;
    if (!rules_map_anything(spec->rules))
        return true;
    if (!added_read(spec->source, spec->task, spec->rules, spec->arena, &all, err) ||
        !catalog_read(spec->control, spec->source, spec->task, all, &forward, err))
        return err_context(err, "reading how the tables are called on both sides");
    mapped_turn_names(spec->arena, forward, rules);
    relations_free(forward);
    return true;
}

static bool is_there(PgConn *conn, const char *schema, const char *table, bool *out_there,
                     Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(conn, SQL_REMEDY_TABLE_EXISTS, PG_PARAMS(PG_TEXT(schema), PG_TEXT(table)),
                      &rows, err))
        return false;
    *out_there = pgrows_bool(rows, 0, 0);
    return true;
}

bool reverse_rules(const ReverseSpec *spec, Rules *out_rules, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    Arena *arena = spec->arena;
    if (!pgconn_query(spec->control, SQL_CONTROL_TABLES_READ, PG_PARAMS(PG_TEXT(spec->task)), &rows,
                      err))
        return err_context(err, "reading which tables come back");
    Rules rules = {.patterns = arena_new_array(arena, RulePattern, pgrows_count(rows) + 1)};
    for (int r = 0; r < pgrows_count(rows); r++) {
        const char *schema = pgrows_text(rows, r, 0), *name = pgrows_text(rows, r, 1);
        bool there = true;
        if (spec->only_existing && !is_there(spec->source, schema, name, &there, err))
            return false;
        if (!there)
            continue;
        rules.patterns[rules.count++] = (RulePattern){
            .schema = rules_quote_glob(arena, schema),
            .table = rules_quote_glob(arena, name),
            .text = arena_printf(arena, "%s.%s", schema, name),
        };
    }
    if (!turn_names(spec, &rules, err))
        return false;
    *out_rules = rules;
    return true;
}

bool reverse_relations(const ReverseSpec *spec, Relations **out_rels, Error *err)
{
    Rules rules;
    return reverse_rules(spec, &rules, err) &&
           catalog_read(spec->source, spec->control, spec->task, &rules, out_rels, err);
}
