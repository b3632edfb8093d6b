/*
 * dml_filter - asking the target which rows are the task's, before they are written.
 *
 * Each statement returns one row with one text: a '1' or a '0' for each row of the parameters, in their
 * order; NULL when there are none.
 */
#pragma once

#include "sqltext/dml.h"

/* Does a row with these values pass the filter? Parameters: arrays of the columns of columns[], which
 * hold at least those that the filter names. */
void dml_passes(SqlText *st, const DmlTable *table, const Relation *rel, const int *columns,
                int count);
/* Does the table have a row with this key that passes? Parameters: arrays of the key columns. */
void dml_has(SqlText *st, const DmlTable *table, const Relation *rel);
