/*
 * dml_conflict - statements for rows that the target may have already (target_writes: dual-write).
 *
 * Equal    means the same output text in every column, NULL by itself: what a comparison of both sides
 *          would say, and what = of a column's type need not.
 * Names    in rows as JSON are those of the target.
 * Made     columns that a rule makes of others take no parameter here either (dml.h); they are held against the
 *          target's like the rest, as far as what they are made of is present.
 */
#pragma once

#include "sqltext/dml.h"

/* Where rows stand that are merged into the table: temporary, of the transaction, with the table's columns. */
#define DML_STAGE "bascule_stage"
void dml_stage_make(SqlText *st, const DmlTable *table);
/* Those that no unique index refuses go into the table. */
void dml_stage_insert(SqlText *st, const DmlTable *table);
/* A cursor `bascule_rest` over those that the table does not have, equal in every column. */
void dml_stage_rest(SqlText *st, const DmlTable *table);

/* As dml_insert_row and dml_insert_set; a row that a unique index refuses is passed over. */
void dml_insert_row_or_pass(SqlText *st, const DmlTable *table);
void dml_insert_set_or_pass(SqlText *st, const DmlTable *table);
/* Parameters as dml_insert_set: one row, without columns, for each that the table has equal. */
void dml_equal_set(SqlText *st, const DmlTable *table);

/* Is it known of a row of which the columns with present[i] came: it is one of them, or made of them. */
bool dml_in_row(const DmlTable *table, const bool *present, int column);

/* Parameters: the columns with present[i], among them the key. The row with this key, locked:
 *   columns text (array, those that differ), target jsonb, source jsonb, newer bool
 * newer: the source's `latest` is later or equal, NULL where one of them is; without latest (-1) NULL. */
void dml_look(SqlText *st, const DmlTable *table, const bool *present, int latest);
/* Parameters: the key. The row is locked, where there is one. */
void dml_lock_row(SqlText *st, const DmlTable *table);
/* Parameters: the columns with present[i]. One row: source jsonb. */
void dml_show_row(SqlText *st, const DmlTable *table, const bool *present);
/* Parameters: the columns with present[i], id int8. A row where the target's row of conflict id holds
 * these very values, and all columns that differed are among them. */
void dml_settles(SqlText *st, const DmlTable *table, const bool *present);
/* What one index of the target holds against a row that is like another (target_clash.sql): nothing here was
 * written by anybody but the server. */
typedef struct DmlClashPart {
    const char *element; /* column or expression */
    const char *operator_schema, *operator_name;
    const char *type_schema, *type_name; /* cast to; NULL: not */
} DmlClashPart;
typedef struct DmlClash {
    const DmlClashPart *parts;
    int count;
    const char *predicate; /* NULL: all rows */
    bool nulls_equal;
} DmlClash;
/* A foreign key of the target that points to the table. */
typedef struct DmlChildColumn {
    const char *name, *referenced;
    const char *operator_schema, *operator_name; /* referenced = name */
} DmlChildColumn;
typedef struct DmlChild {
    const char *schema, *name;
    const DmlChildColumn *columns;
    int count;
} DmlChild;
/* Parameters: the key. One row, bool: do rows of `child` point to the row with this key? */
void dml_has_children(SqlText *st, const DmlTable *table, const DmlChild *child);
/* Parameters: the columns with present[i], among them the key and what the index is made of. Another row that
 * the index would not have beside this one, locked: what dml_look returns, then the text of each key column. */
void dml_clash(SqlText *st, const DmlTable *table, const bool *present, const DmlClash *clash,
               int latest);
