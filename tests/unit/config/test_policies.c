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
    RuleConflict found;
    bool stated;
    if (!rules_conflict(rules, schema, table, &found, &stated, &err))
        return "contradiction";
    return arena_printf(arena, "%s%s%s%s%s%s", stated ? "" : "default ",
                        conflict_policy_name(found.policy), found.column != NULL ? " " : "",
                        found.column != NULL ? found.column : "", found.keep_extra ? " +extra" : "",
                        found.one_side_numbers ? " +numbers" : "");
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

static void more_may_stand_behind_the_policy(void **state)
{
    (void)state;
    Rules rules = POLICIES("a.x -> error , keep-extra", "a.y->latest(b, (c)),numbers-of-one-side",
                           "a.z -> keep-target, numbers-of-one-side, keep-extra", "a.* -> error");
    assert_string_equal(policy(&rules, "a", "x"), "error +extra");
    assert_string_equal(policy(&rules, "a", "y"), "latest b, (c) +numbers");
    assert_string_equal(policy(&rules, "a", "z"), "keep-target +extra +numbers");
    assert_string_equal(policy(&rules, "a", "other"), "error");
    rules = POLICIES("a.* -> error", "*.x -> error, keep-extra");
    assert_string_equal(policy(&rules, "a", "x"), "contradiction");
    rules = POLICIES("a.* -> error", "*.x -> error, numbers-of-one-side");
    assert_string_equal(policy(&rules, "a", "x"), "contradiction");
}

static void lines_are_refused(void **state)
{
    (void)state;
    static const char *const LINES[] = {"public.x",
                                        "x -> error",
                                        "a.b.c -> error",
                                        "a. -> error",
                                        "a.b -> latest",
                                        "a.b -> latest()",
                                        "a.b -> latest( )",
                                        "a.b -> never",
                                        "a.b -> ",
                                        " -> keep-target",
                                        ".b -> keep-target",
                                        "a.b -> error,",
                                        "a.b -> error, all",
                                        "a.b -> , keep-extra",
                                        "a.b -> error keep-extra",
                                        "a.b -> error, keep-extra, keep-extra"};
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
        cmocka_unit_test_setup_teardown(more_may_stand_behind_the_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
