/*
 * sequence_names - which sequence of the target a sequence of the source becomes, where tables have
 * other names there (sequences.h). Rules speak of tables: a sequence goes where its table goes.
 */
#include <string.h>

#include "source/mapped.h"
#include "source/preflight_internal.h"
#include "source/sequences.h"
#include "sql_files.h"

/* The schema that all tables of this one move to; the same when they part. */
static const char *moved_schema(const Relations *rels, const char *schema)
{
    const char *moved = NULL;
    for (int i = 0; i < rels->count; i++) {
        const Relation *rel = rels->all[i];
        if (strcmp(rel->schema, schema) != 0)
            continue;
        if (moved != NULL && strcmp(moved, rel->target_schema) != 0)
            return schema;
        moved = rel->target_schema;
    }
    return moved != NULL ? moved : schema;
}

static const char *target_column(const Relation *rel, const char *name)
{
    for (int i = 0; i < relation_sent(rel); i++)
        if (strcmp(rel->columns[i].name, name) == 0)
            return rel->columns[i].target_name;
    return "";
}

enum { TABLE_SCHEMA, TABLE, COLUMN, MOVED, STAYED, NAME, ARRAYS };

static void put_wanted(Buf arrays[ARRAYS], const Relations *rels, const Sequence *seq)
{
    const Relation *rel = relations_by_oid(rels, seq->owner_oid);
    if (rel != NULL && !mapped_differs(rel))
        rel = NULL;
    preflight_array_put(&arrays[TABLE_SCHEMA], rel != NULL ? rel->target_schema : "");
    preflight_array_put(&arrays[TABLE], rel != NULL ? rel->target_name : "");
    preflight_array_put(&arrays[COLUMN], rel != NULL ? target_column(rel, seq->owner_column) : "");
    preflight_array_put(&arrays[MOVED], moved_schema(rels, seq->schema));
    preflight_array_put(&arrays[STAYED], seq->schema);
    preflight_array_put(&arrays[NAME], seq->name);
}

static bool ask_names(PgConn *target, Buf arrays[ARRAYS], PgRows **out_rows, Error *err)
{
    return pgconn_query(target, SQL_TARGET_SEQUENCES,
                        PG_PARAMS(PG_TEXT(preflight_array_end(&arrays[TABLE_SCHEMA])),
                                  PG_TEXT(preflight_array_end(&arrays[TABLE])),
                                  PG_TEXT(preflight_array_end(&arrays[COLUMN])),
                                  PG_TEXT(preflight_array_end(&arrays[MOVED])),
                                  PG_TEXT(preflight_array_end(&arrays[STAYED])),
                                  PG_TEXT(preflight_array_end(&arrays[NAME]))),
                        out_rows, err);
}

bool sequences_name(PgConn *target, Arena *arena, const Relations *rels, Sequences *sequences,
                    Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    Buf arrays[ARRAYS] = {0};
    bool any = false;
    for (int i = 0; i < rels->count && !any; i++)
        any = mapped_differs(rels->all[i]);
    if (!any)
        return true;
    for (int a = 0; a < ARRAYS; a++)
        preflight_array_begin(&arrays[a]);
    for (int i = 0; i < sequences->count; i++)
        put_wanted(arrays, rels, &sequences->all[i]);
    bool ok = ask_names(target, arrays, &rows, err);
    for (int a = 0; a < ARRAYS; a++)
        buf_done(&arrays[a]);
    if (!ok)
        return err_context(err, "looking for the sequences of the %s", pgconn_side(target));
    for (int r = 0; r < pgrows_count(rows); r++) {
        Sequence *seq = &sequences->all[pgrows_i64(rows, r, 0) - 1];
        seq->target_schema = arena_strdup(arena, pgrows_text(rows, r, 1));
        seq->target_name = arena_strdup(arena, pgrows_text(rows, r, 2));
    }
    return true;
}
