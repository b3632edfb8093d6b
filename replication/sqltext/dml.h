/*
 * dml - the statements that change rows on the target.
 *
 * Set forms   take one array parameter a column and work on all their rows in one statement; row
 *             forms take one parameter a column.
 * Exactness   every value passes through its type's own input (or receive) function, as in COPY:
 *             array parameters are declared as arrays of the column's type, single ones as the type
 *             itself, without a type modifier, so that the assignment to the column enforces it and
 *             never cuts silently. No cast function from text is ever involved. A type without an
 *             array type (arrays), or whose arrays unnest to several columns (composite), comes as
 *             text in set forms and is converted by the type's input function: there are no cast
 *             functions from text to these.
 * Names       are quoted, types and operators qualified.
 */
#pragma once

#include "bascule/model/relation.h"
#include "sqltext/sqltext.h"

typedef struct DmlColumn {
    const char *name;
    const char *type_schema, *type_name;
    /* the type in which values are compared; NULL: their own (Column.base_name) */
    const char *base_schema, *base_name;
    bool as_text;             /* in sets as text[] with a conversion: see above */
    bool identity_always;     /* cannot stand in SET */
    const char *equal_schema; /* schema of the type's = operator: key columns, and columns by which
                                 a row without a key is looked for; NULL: none */
    bool equal_is_exact;      /* = is true only for values with the same text */
    const Column *made; /* a rule makes it of other columns (of the same index here): it takes no
                                 parameter, and an update sets it with them, or when it is set; or NULL */
} DmlColumn;

typedef struct DmlTable {
    const char *schema, *name;
    int column_count;
    const DmlColumn *columns;
    int key_count;
    const int *key; /* index into columns */
    /* Columns that are compared with their new value as well, because they cannot stand in SET and
     * are no key (identity always): an update that really changes one finds no row. */
    int pinned_count;
    const int *pinned;
    /* Columns of the target that no column of ours fills: a row that is deleted and inserted again keeps
     * them. */
    int kept_count;
    const char *const *kept;
    bool is_root; /* partitioned: its partitions hold the rows, so without ONLY */
} DmlTable;

/* Parameters, in this order (each an array in set forms), always without columns that are made:
 *  insert            all columns
 *  update            key columns (old), pinned columns (new), columns with set[i] that may stand in
 * SET delete            key columns true when the update has a column to set; else the statement
 * only finds the rows. */
void dml_insert_set(SqlText *st, const DmlTable *table);
void dml_update_set(SqlText *st, const DmlTable *table, const bool *set);
void dml_delete_set(SqlText *st, const DmlTable *table);
void dml_insert_row(SqlText *st, const DmlTable *table);
/* Rows without any column: one int8 parameter, their number. */
void dml_insert_empty(SqlText *st, const DmlTable *table);
/* as dml_update_set, but set[] may hold key columns. moved: further parameters, the key columns
 * (new): a foreign key of the target may have moved the row there already; so it is looked for at
 * its old, then at its new place. */
void dml_update_row(SqlText *st, const DmlTable *table, const bool *set, bool moved);
void dml_delete_row(SqlText *st, const DmlTable *table);
/* Deletes and inserts again, also what no UPDATE may set. Parameters: key columns (old), columns
 * with set[]; the others keep their values. */
void dml_replace_row(SqlText *st, const DmlTable *table, const bool *set);
/* May an update of these columns set something? Key columns count only with `keys`. */
bool dml_sets_anything(const DmlTable *table, const bool *set, bool keys);

/* One row found by its values, for tables without a key. */
typedef enum DmlMatch { DML_ANY, DML_NULL, DML_VALUE } DmlMatch;
/* Parameters: columns with match VALUE (old), then columns with set[]. Changes one of the rows
 * found. */
void dml_update_match(SqlText *st, const DmlTable *table, const DmlMatch *match, const bool *set);
void dml_delete_match(SqlText *st, const DmlTable *table, const DmlMatch *match);

/* The same for many rows at once: parameters are arrays, all columns (old), then columns with set[].
 * Each row of the parameters changes a row of the table of its own, so that of rows with equal
 * values as many change as are asked for. join[]: columns that hold a value in every row of the
 * parameters and have an operator =, by which candidates are found; all columns are compared by
 * their output text. */
void dml_update_match_set(SqlText *st, const DmlTable *table, const bool *join, const bool *set);
void dml_delete_match_set(SqlText *st, const DmlTable *table, const bool *join);

void dml_copy(SqlText *st, const DmlTable *table, bool binary);
/* One statement for all: tables that reference each other can only be truncated together. */
void dml_truncate(SqlText *st, Relation *const *rels, int count);
