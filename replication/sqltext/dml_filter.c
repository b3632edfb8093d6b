/* dml_filter - see the header. As in dml.c t is the table and s the set of rows that comes. */
#include "sqltext/dml_filter.h"

#include "sqltext/dml_parts.h"
#include "sqltext/reading.h"

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
        dml_put_set_value(st, &row->table->columns[column], i + 1);
        return;
    }
    sqltext_put(st, "t.");
    sqltext_ident(st, row->table->columns[column].name);
}

/* FROM the rows of the parameters, numbered */
static void put_numbered(SqlText *st, const DmlTable *table, const int *columns, int count)
{
    DmlSource source = {SQLTEXT_INIT, SQLTEXT_INIT, 0};
    sqltext_put(st, " THEN '1' ELSE '0' END, '' ORDER BY s.o) FROM ");
    for (int i = 0; i < count; i++)
        dml_source_add(&source, &table->columns[columns[i]]);
    dml_put_numbered_source(st, &source);
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
    dml_put_table(st, table);
    sqltext_put(st, " AS t WHERE ");
    for (int k = 0; k < table->key_count; k++) {
        const DmlColumn *col = &table->columns[table->key[k]];
        dml_put_equal(st, "t", col);
        dml_put_set_value(st, col, k + 1);
        dml_put_base(st, col);
        sqltext_put(st, " AND ");
    }
    reading_condition(st, rel, put_filtered, &row);
    /* OFFSET: or the server may read the whole table once instead of looking each key up. */
    sqltext_put(st, " OFFSET 0)");
    put_numbered(st, table, table->key, table->key_count);
}
