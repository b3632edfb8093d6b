/* preflight_rules - rules that fit nothing: of one that names a table or a column that is a mistake, of
 * one with wildcards perhaps. */
#include "source/mapped.h"
#include "source/preflight_internal.h"

static void idle_rule(PreflightGroup *group, Preflight *p, const char *place, const char *text)
{
    preflight_group_add(
        group, "source", preflight_text(p, "%s fits nothing in scope", text),
        preflight_text(p, "See %s; 'bascule plan' shows what each rule fits.", place));
}

/* What a rule makes of columns must make sense to the server. */
static void values(Preflight *p)
{
    for (int i = 0; i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        Error err = ERROR_INIT;
        if (rel->added_count > 0 && !mapped_try_values(p->source.conn, rel, &err))
            PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "rules", .subject = rel->display,
                          .what = preflight_text(p, "%s", err.message),
                          .why = "the server cannot make the value",
                          .remedy = "Correct the rule; 'bascule plan' shows what each one fits.");
    }
}

/* Rows that are made on the target after the cutover come back without these columns. */
static void left_out(Preflight *p)
{
    PreflightGroup group =
        preflight_group(p, PREFLIGHT_WARNING, "rules",
                        "cutover.reverse: new rows of the target could not come back");
    for (int i = 0; p->spec->way_back && i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        if (rel->left_out_needed == NULL)
            continue;
        preflight_group_add(
            &group, rel->display,
            preflight_text(p, "column '%s' stays behind, and is NOT NULL without default",
                           rel->left_out_needed),
            preflight_text(p, "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT ...;  -- on the source",
                           preflight_qualified(p, rel->schema, rel->name),
                           preflight_ident(p, rel->left_out_needed)));
    }
    preflight_group_end(&group);
}

void preflight_rules(Preflight *p)
{
    const Rules *rules = p->spec->rules;
    Error err = ERROR_INIT;
    int renamed = 0;
    if (rules == NULL)
        return;
    if (!rules_all_matched(rules, &err))
        PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "rules", .subject = "source",
                      .what = preflight_text(p, "%s", err.message),
                      .why = "the rule would do nothing",
                      .remedy = preflight_text(p, "%s", err_hint_of(&err)));
    PreflightGroup group = preflight_group(p, PREFLIGHT_WARNING, "rules", "the rule does nothing");
    for (int i = 0; i < rules->count; i++)
        if (rules->patterns[i].matched == 0)
            idle_rule(&group, p, "the configuration", rules->patterns[i].text);
    for (int i = 0; i < rules->rename_count; i++)
        if (rules->renames[i].matched == 0)
            idle_rule(&group, p, rules->renames[i].place, rules->renames[i].text);
    for (int i = 0; i < rules->column_count; i++)
        if (rules->columns[i].matched == 0)
            idle_rule(&group, p, rules->columns[i].place, rules->columns[i].text);
    for (int i = 0; i < rules->filter_count; i++)
        if (rules->filters[i].matched == 0 && rules->filters[i].condition != NULL)
            idle_rule(&group, p, rules->filters[i].place, rules->filters[i].text);
    preflight_group_end(&group);
    values(p);
    left_out(p);
    preflight_filters(p);
    for (int i = 0; i < p->rels->count; i++)
        renamed += mapped_differs(p->rels->all[i]);
    if (rules_map_anything(rules))
        PREFLIGHT_ADD(
            p, PREFLIGHT_OK, .code = "rules", .subject = "source",
            .what = preflight_text(
                p, "%d of %d tables are called otherwise on the target, or have other columns",
                renamed, p->rels->count));
}
