/* dml_filter - see the header. As in dml.c t is the table and s the set of rows that comes. */
#include "sqltext/dml_filter.h"

#include "sqltext/reading.h"

/* s.cN, converted when it came as text */
static void put_value(SqlText *st, const DmlColumn *col, int n)
{
    sqltext_put(st, "s.c");
    sqltext_i64(st, n);
    if (col->as_text) {
        sqltext_put(st, "::");
        sqltext_qualified(st, col->type_schema, col->type_name);
    }
}

/* Where the values of a row stand: parameters of the set, or the table's own columns. */
typedef struct Filtered {
    const DmlTable *table;
    const int *columns; /* NULL: the table's */
    int count;
} Filtered;

static void put_filtered(SqlText *st, const void *arg, int column)
{
    const Filtered *row = arg;
    for (int i = 0; row->columns != NULL && i < row->count; i++) {
        if (row->columns[i] != column)
            continue;
        put_value(st, &row->table->columns[column], i + 1);
        return;
    }
    sqltext_put(st, "t.");
    sqltext_ident(st, row->table->columns[column].name);
}

/* FROM the rows of the parameters, numbered */
static void put_numbered(SqlText *st, const DmlTable *table, const int *columns, int count)
{
    sqltext_put(st, " THEN '1' ELSE '0' END, '' ORDER BY s.o) FROM ROWS FROM (");
    for (int i = 0; i < count; i++) {
        const DmlColumn *col = &table->columns[columns[i]];
        if (i > 0)
            sqltext_put(st, ", ");
        sqltext_put(st, "pg_catalog.unnest(");
        sqltext_param(st, i + 1);
        sqltext_put(st, "::");
        if (col->as_text)
            sqltext_put(st, "pg_catalog.text");
        else
            sqltext_qualified(st, col->type_schema, col->type_name);
        sqltext_put(st, "[])");
    }
    sqltext_put(st, ") WITH ORDINALITY AS s (");
    for (int i = 0; i < count; i++) {
        sqltext_put(st, "c");
        sqltext_i64(st, i + 1);
        sqltext_put(st, ", ");
    }
    sqltext_put(st, "o)");
}

static void put_base_type(SqlText *st, const DmlColumn *col)
{
    if (col->base_name == NULL)
        return;
    sqltext_put(st, "::");
    sqltext_qualified(st, col->base_schema, col->base_name);
}

void dml_passes(SqlText *st, const DmlTable *table, const Relation *rel, const int *columns,
                int count)
{
    const Filtered row = {.table = table, .columns = columns, .count = count};
    sqltext_put(st, "SELECT pg_catalog.string_agg(CASE WHEN ");
    reading_condition(st, rel, put_filtered, &row);
    put_numbered(st, table, columns, count);
}

void dml_has(SqlText *st, const DmlTable *table, const Relation *rel)
{
    const Filtered row = {.table = table};
    sqltext_put(st, "SELECT pg_catalog.string_agg(CASE WHEN EXISTS (SELECT FROM ");
    if (!table->is_root)
        sqltext_put(st, "ONLY ");
    sqltext_qualified(st, table->schema, table->name);
    sqltext_put(st, " AS t WHERE ");
    for (int k = 0; k < table->key_count; k++) {
        const DmlColumn *col = &table->columns[table->key[k]];
        sqltext_ident(st, "t");
        sqltext_put(st, ".");
        sqltext_ident(st, col->name);
        put_base_type(st, col);
        sqltext_put(st, " OPERATOR(");
        sqltext_ident(st, col->equal_schema != NULL ? col->equal_schema : "pg_catalog");
        sqltext_put(st, ".=) ");
        put_value(st, col, k + 1);
        put_base_type(st, col);
        sqltext_put(st, " AND ");
    }
    reading_condition(st, rel, put_filtered, &row);
    /* OFFSET: or the server may read the whole table once instead of looking each key up. */
    sqltext_put(st, " OFFSET 0)");
    put_numbered(st, table, table->key, table->key_count);
}
