/*
 * mapped - the names that the rules gave to the tables of a catalog: that no two are the same, and the
 * same names seen from the other side.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/model/rules.h"

/* Two tables, or two columns of a table, under one name of the target: CONFIG. */
MUST_CHECK bool mapped_tables_distinct(const Relations *rels, Error *err);
MUST_CHECK bool mapped_columns_distinct(const Relation *rel, Error *err);
/* A table or one of its columns has another name on the target. */
bool mapped_differs(const Relation *rel);
/* Rules that select exactly these tables by their names on the target and call them as the source
 * does. */
Rules mapped_turned_rules(Arena *arena, const Relations *rels);
/* Rules that select every table of the schemas of these, on either side. */
Rules mapped_schemas(Arena *arena, const Relations *rels, bool target);
/* Only the names of those rules: how what is on the target is called on the source. */
void mapped_turn_names(Arena *arena, const Relations *rels, Rules *rules);
