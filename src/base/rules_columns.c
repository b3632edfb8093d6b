/* rules_columns - which columns go to the target, and what is asked of the rules as a whole
 * (bascule/model/rules.h). */
#include <string.h>

#include "bascule/base/buf.h"
#include "bascule/model/rules.h"

static bool fits_table(const RuleColumn *rule, const char *schema, const char *table)
{
    return rules_glob_match(rule->schema, schema) && rules_glob_match(rule->table, table);
}

static int exact_parts(const RuleColumn *rule)
{
    return !rules_glob_has_wildcard(rule->schema) + !rules_glob_has_wildcard(rule->table) +
           (rule->action != COLUMN_ADD && !rules_glob_has_wildcard(rule->column));
}

static bool contradict(const RuleColumn *a, const RuleColumn *b, const char *schema,
                       const char *table, const char *column, Error *err)
{
    ERR(err, ERR_CONFIG, "%s: %s contradicts %s (%s) about %s.%s.%s", b->place, b->text, a->text,
        a->place, schema, table, column);
    return err_hint(err, "Change one of them, or name the table without wildcard in one.");
}

/* Columns of the source ------------------------------------------------------------------------- */

static bool in_list(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

bool rules_column_goes(const Rules *rules, const char *schema, const char *table,
                       const char *column, bool *out_goes, const RuleColumn **out_rule, Error *err)
{
    const RuleColumn *omits = NULL, *takes = NULL, *some = NULL;
    *out_goes = true;
    *out_rule = NULL;
    if (rules == NULL)
        return true;
    if (rules->twins != NULL) {
        const RuleTwin *twin = rules_twin(rules, schema, table);
        *out_goes = twin == NULL || !in_list(twin->left_out, twin->left_out_count, column);
        return true;
    }
    for (int i = 0; i < rules->column_count; i++) {
        RuleColumn *rule = &rules->columns[i];
        if ((rule->action != COLUMN_OMIT && rule->action != COLUMN_ONLY) ||
            !fits_table(rule, schema, table))
            continue;
        if (rule->action == COLUMN_ONLY)
            some = rule;
        if (!rules_glob_match(rule->column, column))
            continue;
        rule->matched++;
        if (rule->action == COLUMN_OMIT)
            omits = rule;
        else
            takes = rule;
    }
    if (omits != NULL && takes != NULL && exact_parts(takes) >= exact_parts(omits))
        return contradict(takes, omits, schema, table, column, err);
    *out_rule = omits != NULL ? omits : takes == NULL ? some : NULL;
    *out_goes = *out_rule == NULL;
    return true;
}

bool rules_column_types(const Rules *rules, const char *schema, const char *table,
                        const char *column, const char **out_types, Error *err)
{
    const RuleColumn *best = NULL;
    *out_types = NULL;
    if (rules == NULL)
        return true;
    if (rules->twins != NULL) {
        const RuleTwin *twin = rules_twin(rules, schema, table);
        for (int i = 0; twin != NULL && i < twin->column_count; i++)
            if (twin->retyped[i] && strcmp(twin->columns[i], column) == 0)
                *out_types = "";
        return true;
    }
    for (int i = 0; i < rules->column_count; i++) {
        RuleColumn *rule = &rules->columns[i];
        if (rule->action != COLUMN_TYPE || !fits_table(rule, schema, table) ||
            !rules_glob_match(rule->column, column))
            continue;
        rule->matched++;
        if (best != NULL && exact_parts(best) > exact_parts(rule))
            continue;
        if (best != NULL && exact_parts(best) == exact_parts(rule) &&
            strcmp(best->types, rule->types) != 0)
            return contradict(best, rule, schema, table, column, err);
        best = rule;
        *out_types = rule->types;
    }
    return true;
}

/* Columns of the target ------------------------------------------------------------------------- */

static bool same_value(const RuleColumn *a, const RuleColumn *b)
{
    return a->value == NULL || b->value == NULL ? a->value == b->value
                                                : strcmp(a->value->text, b->value->text) == 0;
}

bool rules_columns_added(const Rules *rules, const char *schema, const char *table,
                         const RuleColumn **out, int *out_count, Error *err)
{
    *out_count = 0;
    for (int i = 0; rules != NULL && rules->twins == NULL && i < rules->column_count; i++) {
        RuleColumn *rule = &rules->columns[i];
        if (rule->action != COLUMN_ADD || !fits_table(rule, schema, table))
            continue;
        rule->matched++;
        int at = 0;
        while (at < *out_count && strcmp(out[at]->column, rule->column) != 0)
            at++;
        if (at == *out_count) {
            out[(*out_count)++] = rule;
            continue;
        }
        int before = exact_parts(out[at]), now = exact_parts(rule);
        if (before == now && !same_value(out[at], rule))
            return contradict(out[at], rule, schema, table, rule->column, err);
        if (now > before)
            out[at] = rule;
    }
    return true;
}

/* The rules as a whole --------------------------------------------------------------------------- */

bool rules_map_anything(const Rules *rules)
{
    return rules != NULL && (rules->rename_count > 0 || rules->column_count > 0 ||
                             rules->filter_count > 0 || rules->twin_count > 0);
}

void rules_forget_matches(Rules *rules)
{
    for (int i = 0; rules != NULL && i < rules->rename_count; i++)
        rules->renames[i].matched = 0;
    for (int i = 0; rules != NULL && i < rules->column_count; i++)
        rules->columns[i].matched = 0;
    for (int i = 0; rules != NULL && i < rules->filter_count; i++)
        rules->filters[i].matched = 0;
    for (int i = 0; rules != NULL && i < rules->conflict_count; i++)
        rules->conflicts[i].matched = 0;
}

static bool names_nothing(const char *place, const char *text, bool column, Error *err)
{
    ERR(err, ERR_CONFIG, "%s: %s names no %s in scope", place, text,
        column ? "column of a table" : "table");
    return err_hint(err, "Names are case-sensitive and as on the source; a partitioned table "
                         "is named by its partitions.");
}

bool rules_all_matched(const Rules *rules, Error *err)
{
    for (int i = 0; i < rules->rename_count; i++) {
        const RuleRename *rule = &rules->renames[i];
        if (rule->matched == 0 && !rules_glob_has_wildcard(rule->schema) &&
            !rules_glob_has_wildcard(rule->table) &&
            (rule->column == NULL || !rules_glob_has_wildcard(rule->column)))
            return names_nothing(rule->place, rule->text, rule->column != NULL, err);
    }
    for (int i = 0; i < rules->column_count; i++) {
        const RuleColumn *rule = &rules->columns[i];
        bool adds = rule->action == COLUMN_ADD;
        if (rule->matched == 0 && exact_parts(rule) == (adds ? 2 : 3))
            return names_nothing(rule->place, rule->text, !adds, err);
    }
    for (int i = 0; i < rules->filter_count; i++) {
        const RuleFilter *rule = &rules->filters[i];
        if (rule->matched == 0 && rule->condition != NULL &&
            !rules_glob_has_wildcard(rule->schema) && !rules_glob_has_wildcard(rule->table))
            return names_nothing(rule->place, rule->text, false, err);
    }
    return true;
}

static void put_change(Buf *out, const NameChange *change)
{
    static const char *const ACTIONS[] = {"keep", "to", "affix", "lower", "upper"};
    buf_printf(out, " %s", ACTIONS[change->action]);
    if (change->action == NAME_TO)
        buf_printf(out, " '%s'", change->to);
    if (change->action == NAME_AFFIX)
        buf_printf(out, " '%s' '%s' '%s' '%s'", change->cut_front, change->cut_back,
                   change->put_front, change->put_back);
}

const char *rules_mapping_text(const Rules *rules, Arena *arena)
{
    static const char *const ACTIONS[] = {"omit", "only", "add", "type"};
    CLEANUP_BUF Buf out = BUF_INIT;
    for (int i = 0; rules != NULL && i < rules->rename_count; i++) {
        const RuleRename *rule = &rules->renames[i];
        buf_printf(&out, "'%s' '%s' '%s'", rule->schema, rule->table,
                   rule->column != NULL ? rule->column : "");
        put_change(&out, &rule->to_schema);
        put_change(&out, &rule->to_table);
        put_change(&out, &rule->to_column);
        buf_putc(&out, '\n');
    }
    for (int i = 0; rules != NULL && i < rules->column_count; i++) {
        const RuleColumn *rule = &rules->columns[i];
        buf_printf(&out, "%s '%s' '%s' '%s' %s %s\n", ACTIONS[rule->action], rule->schema,
                   rule->table, rule->column, rule->value != NULL ? rule->value->text : "",
                   rule->types != NULL ? rule->types : "");
    }
    for (int i = 0; rules != NULL && i < rules->filter_count; i++) {
        const RuleFilter *rule = &rules->filters[i];
        if (rule->condition != NULL)
            buf_printf(&out, "rows '%s' '%s' %s\n", rule->schema, rule->table,
                       rule->condition->text);
    }
    return arena_strdup(arena, buf_str(&out));
}
