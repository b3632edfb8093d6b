/*
 * mapped - what the rules made of the tables of a catalog, their names, columns and rows: that it makes
 * sense, and the same seen from the other side.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/model/rules.h"
#include "bascule/port/pgconn.h"
#include "sqltext/sqltext.h"

/* Two tables, or two columns of a table, under one name of the target: CONFIG. */
MUST_CHECK bool mapped_tables_distinct(const Relations *rels, Error *err);
MUST_CHECK bool mapped_columns_distinct(const Relation *rel, Error *err);
/* Appends the columns that rules add to a table on the target. CONFIG when a value names a column that
 * does not go there. */
MUST_CHECK bool mapped_add_columns(Arena *arena, const Rules *rules, Relation *rel, Error *err);
/* A table of which columns are left out, added or of another type needs a key that allows it: CONFIG. */
MUST_CHECK bool mapped_key_travels(const Relation *rel, Error *err);
/* Lets the source's server read the values that rules add to a table: CONFIG when it cannot. */
MUST_CHECK bool mapped_try_values(PgConn *source, const Relation *rel, Error *err);
/* Which rows of the table move. CONFIG when the condition is none of its columns that go there. */
MUST_CHECK bool mapped_filter_rows(Arena *arena, const Rules *rules, Relation *rel, Error *err);
/* A partition that was never copied, without a condition beside others of its root that have one: which of
 * its rows are meant, no rule says. */
bool mapped_misses_filter(const Relations *rels, const Relation *rel);
/* Lets the source's server read the condition, if there is one: CONFIG when it cannot. */
MUST_CHECK bool mapped_try_filter(PgConn *source, const Relation *rel, Error *err);
/* The rows of this foreign key's parent are filtered, those of its child are not. */
bool mapped_cuts_reference(const Relations *rels, const ForeignKey *fk);
/* SELECT whether the source has any row that moves. */
void mapped_put_any_row(SqlText *st, const Relation *rel);
/* May the target's column have this type? */
bool mapped_type_fits(const Column *col, const char *schema, const char *name, const char *text);
/* A table or one of its columns is another one on the target: by name, by type, or not there. */
bool mapped_differs(const Relation *rel);
/* Rules that select exactly these tables by their names on the target and call them as the source
 * does. */
Rules mapped_turned_rules(Arena *arena, const Relations *rels);
/* Rules that select every table of the schemas of these, on either side. */
Rules mapped_schemas(Arena *arena, const Relations *rels, bool target);
/* Only the names of those rules: how what is on the target is called on the source. */
void mapped_turn_names(Arena *arena, const Relations *rels, Rules *rules);
