/* dual_children - see the header. */
#include "apply/dual_children.h"

#include "sql_files.h"
#include "sqltext/dml_conflict.h"

/* columns of conflict_children.sql */
enum { C_OID, C_SCHEMA, C_TABLE, C_COLUMN, C_REFERENCED, C_OP_SCHEMA, C_OP, C_MAY_READ };

static bool ask(PgConn *target, const DmlTable *table, const PgParam *key, const DmlChild *child,
                bool *out_has, Error *err)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    CLEANUP_PGROWS PgRows *rows = NULL;
    dml_has_children(&st, table, child);
    if (!pgconn_query(target, sqltext_sql(&st), key, table->key_count, &rows, err))
        return false;
    *out_has = pgrows_bool(rows, 0, 0);
    return true;
}

/* The rows [first, end) are one foreign key. */
static bool look_at(PgConn *target, const DmlTable *table, const PgParam *key, const PgRows *rows,
                    int first, int end, bool *out_has, Error *err)
{
    DmlChildColumn columns[32]; /* that an index may have */
    int count = end - first;
    *out_has = true;
    if (!pgrows_bool(rows, first, C_MAY_READ) || count > 32)
        return true;
    for (int i = 0; i < count; i++)
        columns[i] = (DmlChildColumn){.name = pgrows_text(rows, first + i, C_COLUMN),
                                      .referenced = pgrows_text(rows, first + i, C_REFERENCED),
                                      .operator_schema = pgrows_text(rows, first + i, C_OP_SCHEMA),
                                      .operator_name = pgrows_text(rows, first + i, C_OP)};
    DmlChild child = {.schema = pgrows_text(rows, first, C_SCHEMA),
                      .name = pgrows_text(rows, first, C_TABLE),
                      .columns = columns,
                      .count = count};
    return ask(target, table, key, &child, out_has, err);
}

bool dual_has_children(PgConn *target, const DmlTable *table, const Value *row, Arena *arena,
                       bool *out_has, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    PgParam *key = arena_new_array(arena, PgParam, table->key_count + 1);
    *out_has = false;
    for (int k = 0; k < table->key_count; k++) {
        const Value *value = &row[table->key[k]];
        key[k] = PG_TEXT(arena_dup(arena, value->data, value->len));
    }
    bool ok = pgconn_query(target, SQL_CONFLICT_CHILDREN,
                           PG_PARAMS(PG_TEXT(table->schema), PG_TEXT(table->name)), &rows, err);
    for (int first = 0, end, total = ok ? pgrows_count(rows) : 0; ok && first < total && !*out_has;
         first = end) {
        for (end = first + 1;
             end < total && pgrows_i64(rows, end, C_OID) == pgrows_i64(rows, first, C_OID);)
            end++;
        ok = look_at(target, table, key, rows, first, end, out_has, err);
    }
    return ok || err_context(err, "looking for rows that refer to one of table '%s.%s'",
                             table->schema, table->name);
}
