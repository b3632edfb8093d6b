/*
 * dml_parts - pieces of statements that dml.c, dml_conflict.c and dml_filter.c share; nobody else includes it.
 */
#pragma once

#include "sqltext/dml.h"

/* The rows of the set: columns in the order of the parameters. */
typedef struct DmlSource {
    SqlText names, arrays;
    int count;
} DmlSource;

#define DML_COLUMNS_MOST 1664 /* that a list of the server may have */

/* Where the columns stand that others are made of: parameter number, 0: in the row `alias`. */
typedef struct DmlMade {
    const DmlTable *table;
    const char *alias;
    bool in_sets;
    int16_t place[DML_COLUMNS_MOST];
} DmlMade;

void dml_put_type(SqlText *st, const DmlColumn *col);
/* s.cN, converted when it came as text */
void dml_put_set_value(SqlText *st, const DmlColumn *col, int n);
/* $N as the column's type */
void dml_put_row_value(SqlText *st, const DmlColumn *col, int n);
void dml_put_comma(SqlText *st, int already);
void dml_source_add(DmlSource *source, const DmlColumn *col);
/* ROWS FROM (...) AS s (c1, ...); the source is given back. */
void dml_put_source(SqlText *st, DmlSource *source);
/* The same, with the number of each row as column o. */
void dml_put_numbered_source(SqlText *st, DmlSource *source);
/* ::base, where the operator = is one of the domain's base type */
void dml_put_base(SqlText *st, const DmlColumn *col);
/* alias.column = ; the value comes next, and then dml_put_base(). */
void dml_put_equal(SqlText *st, const char *alias, const DmlColumn *col);
/* The rows of this table alone, not those of tables that inherit from it. */
void dml_put_table(SqlText *st, const DmlTable *table);
void dml_put_column_list(SqlText *st, const DmlTable *table);
/* The value of a column that a rule makes. */
void dml_put_made(SqlText *st, const DmlMade *made, int column);
