/* rules_conflict - which policy a table has for rows that both sides wrote (bascule/model/rules.h). */
#include <string.h>

#include "bascule/model/rules.h"

static int conflict_parts(const RuleConflict *rule)
{
    return !rules_glob_has_wildcard(rule->schema) + !rules_glob_has_wildcard(rule->table);
}

static bool say_the_same(const RuleConflict *a, const RuleConflict *b)
{
    return a->policy == b->policy && a->keep_extra == b->keep_extra &&
           a->one_side_numbers == b->one_side_numbers &&
           (a->policy != CONFLICT_LATEST || strcmp(a->column, b->column) == 0);
}

bool rules_conflict(const Rules *rules, const char *schema, const char *table,
                    RuleConflict *out_rule, bool *out_stated, Error *err)
{
    const RuleConflict *best = NULL;
    for (int i = 0; rules != NULL && i < rules->conflict_count; i++) {
        RuleConflict *rule = &rules->conflicts[i];
        if (!rules_glob_match(rule->schema, schema) || !rules_glob_match(rule->table, table))
            continue;
        rule->matched++;
        int more = best == NULL ? 1 : conflict_parts(rule) - conflict_parts(best);
        if (more == 0 && !say_the_same(rule, best)) {
            ERR(err, ERR_CONFIG, "%s: %s contradicts %s (%s) about %s.%s", rule->place, rule->text,
                best->text, best->place, schema, table);
            return err_hint(err, "Of the rules for a table those with the fewest wildcards are "
                                 "taken, and they must agree.");
        }
        if (more > 0)
            best = rule;
    }
    *out_stated = best != NULL;
    *out_rule = best != NULL ? *best : (RuleConflict){.policy = CONFLICT_ERROR};
    return true;
}
