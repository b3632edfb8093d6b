/*
 * conflict_rules - the policies for rows that both sides wrote, taken into the relations.
 */
#pragma once

#include "bascule/model/relation.h"
#include "bascule/model/rules.h"

/* CONFIG: two rules contradict each other, or a rule names a column that the table has not. */
MUST_CHECK bool conflict_rule_apply(const Rules *rules, Relation *rel, Error *err);
