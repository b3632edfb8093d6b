/* Policies for rows that both sides wrote: the lines, and which of them a table has. */
#include "../scratch.h"

#include <string.h>

#include "config/rules_policies.h"

static Rules policies(const char *const *texts)
{
    Rules rules = {.conflicts = arena_new_array(arena, RuleConflict, 16)};
    for (; *texts != NULL; texts++)
        if (!rules_read_policy(arena, *texts, "here", &rules.conflicts[rules.conflict_count++],
                               &err))
            fail_msg("%s", err.message);
    return rules;
}
#define POLICIES(...) policies((const char *const[]){__VA_ARGS__, NULL})

static const char *policy(const Rules *rules, const char *schema, const char *table)
{
    ConflictPolicy found;
    const char *column;
    bool stated;
    if (!rules_conflict(rules, schema, table, &found, &column, &stated, &err))
        return "contradiction";
    return arena_printf(arena, "%s%s%s%s", stated ? "" : "default ", conflict_policy_name(found),
                        column != NULL ? " " : "", column != NULL ? column : "");
}

static void the_line_with_fewest_wildcards_counts(void **state)
{
    (void)state;
    Rules rules = POLICIES("public.* -> keep-target", "%.orders -> take-source",
                           " public.prices->latest( updated at ) ", "a\\.b.c -> error");
    assert_string_equal(policy(&rules, "public", "users"), "keep-target");
    assert_string_equal(policy(&rules, "shop", "orders"), "take-source");
    assert_string_equal(policy(&rules, "public", "prices"), "latest updated at");
    assert_string_equal(policy(&rules, "a.b", "c"), "error");
    assert_string_equal(policy(&rules, "shop", "users"), "default error");
    assert_string_equal(policy(NULL, "shop", "users"), "default error");
    assert_int_equal(rules.conflicts[0].matched, 2);
}

static void equals_must_agree(void **state)
{
    (void)state;
    Rules rules = POLICIES("public.* -> keep-target", "*.orders -> take-source");
    assert_string_equal(policy(&rules, "public", "orders"), "contradiction");
    assert_non_null(strstr(err.message, "contradicts"));
    rules = POLICIES("public.* -> latest(a)", "*.orders -> latest(b)");
    assert_string_equal(policy(&rules, "public", "orders"), "contradiction");
    rules = POLICIES("public.* -> latest(a)", "*.orders -> latest(a)");
    assert_string_equal(policy(&rules, "public", "orders"), "latest a");
}

static void lines_are_refused(void **state)
{
    (void)state;
    static const char *const LINES[] = {"public.x",         "x -> error",       "a.b.c -> error",
                                        "a. -> error",      "a.b -> latest",    "a.b -> latest()",
                                        "a.b -> latest( )", "a.b -> never",     "a.b -> ",
                                        " -> keep-target",  ".b -> keep-target"};
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++) {
        RuleConflict rule;
        err_clear(&err);
        if (rules_read_policy(arena, LINES[i], "map.yaml:3:5", &rule, &err))
            fail_msg("'%s' was taken", LINES[i]);
        assert_int_equal(err.cls, ERR_CONFIG);
        assert_non_null(strstr(err.message, "map.yaml:3:5"));
        assert_non_null(strstr(err.hint, "latest(column)"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_line_with_fewest_wildcards_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(equals_must_agree, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
