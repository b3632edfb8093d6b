/* rules_filters - which rows of a table move (bascule/model/rules.h). */
#include <string.h>

#include "bascule/model/rules.h"

static int filter_parts(const RuleFilter *rule)
{
    return !rules_glob_has_wildcard(rule->schema) + !rules_glob_has_wildcard(rule->table);
}

static bool same_condition(const RuleFilter *a, const RuleFilter *b)
{
    return a->condition == NULL || b->condition == NULL
               ? a->condition == b->condition
               : strcmp(a->condition->text, b->condition->text) == 0;
}

/* The way back has the conditions of the way forward, by its own names. */
static bool filter_of_twin(const Rules *rules, const char *schema, const char *table,
                           const Expression **out_condition, const char **out_rule)
{
    const RuleTwin *twin = rules_twin(rules, schema, table);
    *out_condition = twin != NULL ? twin->filter : NULL;
    *out_rule = twin != NULL ? twin->filter_rule : NULL;
    return true;
}

/* The one that fits best; *out_best NULL: none does. */
static bool find_filter(const Rules *rules, const char *schema, const char *table,
                        const RuleFilter **out_best, Error *err)
{
    const RuleFilter *best = NULL;
    for (int i = 0; rules != NULL && i < rules->filter_count; i++) {
        RuleFilter *rule = &rules->filters[i];
        if (!rules_glob_match(rule->schema, schema) || !rules_glob_match(rule->table, table))
            continue;
        rule->matched++;
        int more = best == NULL ? 1 : filter_parts(rule) - filter_parts(best);
        if (more == 0 && !same_condition(rule, best)) {
            ERR(err, ERR_CONFIG, "%s: %s contradicts %s (%s) about the rows of %s.%s", rule->place,
                rule->text, best->text, best->place, schema, table);
            return err_hint(err, "Write one condition for the table, with 'and' or 'or'.");
        }
        if (more > 0)
            best = rule;
    }
    *out_best = best;
    return true;
}

bool rules_filter_part(const Rules *rules, Arena *arena, const char *schema, const char *table,
                       const char *root_schema, const char *root, const Expression **out_condition,
                       const char **out_rule, Error *err)
{
    const RuleFilter *best = NULL;
    *out_condition = NULL;
    *out_rule = NULL;
    if (rules != NULL && rules->twins != NULL)
        return filter_of_twin(rules, schema, table, out_condition, out_rule);
    if (!find_filter(rules, schema, table, &best, err) ||
        (best == NULL && root != NULL && !find_filter(rules, root_schema, root, &best, err)))
        return false;
    if (best == NULL || best->condition == NULL)
        return true;
    *out_condition = best->condition;
    *out_rule = arena_printf(arena, "%s: %s", best->place, best->text);
    return true;
}

bool rules_filter(const Rules *rules, Arena *arena, const char *schema, const char *table,
                  const Expression **out_condition, const char **out_rule, Error *err)
{
    return rules_filter_part(rules, arena, schema, table, NULL, NULL, out_condition, out_rule, err);
}
