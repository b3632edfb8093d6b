/* conflict_rules - see the header. */
#include "source/conflict_rules.h"

#include <string.h>

static int column_of(const Relation *rel, const char *name)
{
    for (int i = 0; i < rel->column_count; i++)
        if (strcmp(rel->columns[i].name, name) == 0)
            return i;
    return -1;
}

bool conflict_rule_apply(const Rules *rules, Relation *rel, Error *err)
{
    RuleConflict rule;
    if (!rules_conflict(rules, rel->schema, rel->name, &rule, &rel->conflict_stated, err))
        return false;
    const char *column = rule.column;
    rel->conflict_policy = rule.policy;
    rel->keep_extra = rule.keep_extra;
    rel->one_side_numbers = rule.one_side_numbers;
    rel->conflict_column = column != NULL ? column_of(rel, column) : -1;
    if (column == NULL || rel->conflict_column >= 0)
        return true;
    ERR(err, ERR_CONFIG, "conflicts.rules: table '%s' has no column '%s' that latest() could ask",
        rel->display, column);
    return err_hint(err, "Name a column of every table that the rule fits, or give this table a "
                         "rule of its own.");
}
