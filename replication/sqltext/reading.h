/*
 * reading - how a column reads, so that both sides give the same text for it.
 *
 * On the target it is the column. On the source it may be another column, the same value in another
 * type, or a value that a rule makes of other columns: then the expression stands there which the target
 * evaluates when it writes (dml.h), with the same cast to the column's type.
 * Types    the target's must be known (target_catalog_match()); else values stand as they are.
 */
#pragma once

#include "bascule/model/relation.h"
#include "sqltext/sqltext.h"

/* What is compared: the column as the target should have it. alias NULL: none. */
void reading_column(SqlText *st, const Column *col, const Relation *rel, bool on_source,
                    const char *alias);
/* What is copied from the source: the target's type reads it by itself. */
void reading_copied(SqlText *st, const Column *col, const Relation *rel);

/* An added column's value; `operand` puts a column of the relation. */
typedef void ReadingOperand(SqlText *st, const void *arg, int column);
void reading_value(SqlText *st, const Column *col, bool on_source, ReadingOperand *operand,
                   const void *arg);

/* Which rows are the task's: the condition of a rule, in parentheses. There must be one. */
void reading_condition(SqlText *st, const Relation *rel, ReadingOperand *operand, const void *arg);
/* Puts it behind WHERE (*first, which becomes false) or AND; nothing when all rows are. */
void reading_filter(SqlText *st, const Relation *rel, bool on_source, const char *alias,
                    bool *first);
/* As the only condition of a statement. */
void reading_where(SqlText *st, const Relation *rel, bool on_source, const char *alias);
/* The other rows of a table that has a filter. */
void reading_outside(SqlText *st, const Relation *rel, bool on_source);
