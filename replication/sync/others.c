/* others - see the header. */
#include "sync/others.h"

#include <string.h>

#include "sql_files.h"
#include "sync/internal.h"

static bool read_others(Sync *sync, PgRows **out_rows, Error *err)
{
    return pgconn_query(sync->control, SQL_TABLES_OF_OTHERS,
                        PG_PARAMS(PG_TEXT(sync->spec.task),
                                  PG_TEXT(sync->source_identity.system_id),
                                  PG_TEXT(sync->source_identity.database)),
                        out_rows, err) ||
           err_context(err, "looking for other tasks");
}

static bool refuse(const PgRows *rows, int row, Error *err)
{
    ERR(err, ERR_BLOCKED, "table '%s.%s' is moved into this target by task '%s' already",
        pgrows_text(rows, row, 1), pgrows_text(rows, row, 2), pgrows_text(rows, row, 0));
    return err_hint(err,
                    "Leave it out (tables.exclude), or end that task first: 'bascule cleanup' with "
                    "its configuration.");
}

bool others_check(Sync *sync, bool (*meant)(const Relation *rel), Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    const Relations *rels = sync_relations(sync);
    if (!read_others(sync, &rows, err))
        return false;
    for (int row = 0; row < pgrows_count(rows); row++)
        for (int i = 0; i < rels->count; i++)
            if (strcmp(rels->all[i]->name, pgrows_text(rows, row, 2)) == 0 &&
                strcmp(rels->all[i]->schema, pgrows_text(rows, row, 1)) == 0 &&
                (meant == NULL || meant(rels->all[i])))
                return refuse(rows, row, err);
    return true;
}

bool others_check_pattern(Sync *sync, const RulePattern *pattern, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!read_others(sync, &rows, err))
        return false;
    for (int row = 0; row < pgrows_count(rows); row++)
        if (rules_glob_match(pattern->schema, pgrows_text(rows, row, 1)) &&
            rules_glob_match(pattern->table, pgrows_text(rows, row, 2)))
            return refuse(rows, row, err);
    return true;
}
