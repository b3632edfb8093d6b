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
    preflight_group_end(&group);
    for (int i = 0; i < p->rels->count; i++)
        renamed += mapped_differs(p->rels->all[i]);
    if (rules->rename_count > 0)
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "rules", .subject = "source",
                      .what = preflight_text(p, "%d of %d tables have other names on the target",
                                             renamed, p->rels->count));
}
