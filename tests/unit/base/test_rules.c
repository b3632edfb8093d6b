/* Selection patterns: parsing, matching, counting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "bascule/base/error.h"
#include "bascule/model/rules.h"
#include <cmocka.h>

static Arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static RulePattern parse(const char *text, bool exclude)
{
    RulePattern pattern;
    Error err = ERROR_INIT;
    if (!rules_parse_pattern(arena, text, exclude, &pattern, &err))
        fail_msg("%s", err.message);
    return pattern;
}

static bool matches(const char *text, const char *schema, const char *table)
{
    RulePattern pattern = parse(text, false);
    Rules rules = {.patterns = &pattern, .count = 1};
    bool selected = rules_select(&rules, schema, table);
    assert_int_equal(pattern.matched, selected);
    return selected;
}

static void plain_names(void **state)
{
    (void)state;
    assert_true(matches("public.users", "public", "users"));
    assert_false(matches("public.users", "public", "user"));
    assert_false(matches("public.users", "public", "users2"));
    assert_false(matches("public.users", "Public", "users"));
    assert_false(matches("public.users", "publi", "cusers"));
}

static void wildcards(void **state)
{
    (void)state;
    assert_true(matches("%.%", "any", "thing"));
    assert_true(matches("*.*", "", ""));
    assert_true(matches("public.*", "public", "x"));
    assert_true(matches("public.a%b", "public", "ab"));
    assert_true(matches("public.a%b", "public", "axxbxb"));
    assert_false(matches("public.a%b", "public", "axxbx"));
    assert_true(matches("public.%log%", "public", "my_log_2024"));
    assert_true(matches("public.**x", "public", "abx"));
    assert_true(matches("p%c.t*", "public", "t"));
    assert_true(matches("public.%aab", "public", "aaaab"));
    /* SQL's and the shell's single-character signs are ordinary here */
    assert_false(matches("public.a_c", "public", "abc"));
    assert_true(matches("public.a_c", "public", "a_c"));
    assert_false(matches("public.a?c", "public", "abc"));
    assert_true(matches("public.a?[c]", "public", "a?[c]"));
    /* not exponential */
    assert_false(matches("s.%a%a%a%a%a%a%a%a%a%a%a%a%b", "s",
                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void backslash_quotes(void **state)
{
    (void)state;
    assert_true(matches("my\\.schema.my\\.table", "my.schema", "my.table"));
    assert_true(matches("s.100\\%", "s", "100%"));
    assert_false(matches("s.100\\%", "s", "100x"));
    assert_true(matches("s.a\\*b", "s", "a*b"));
    assert_true(matches("s.a\\\\b", "s", "a\\b"));
    assert_true(matches("s.%\\%", "s", "50%"));
}

static void refuses(void **state)
{
    (void)state;
    static const char *const BAD[] = {"",  "users", ".users", "public.",
                                      ".", "a.b.c", "a.b\\",  "a\\.b"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        RulePattern pattern;
        Error err = ERROR_INIT;
        assert_false(rules_parse_pattern(arena, BAD[i], false, &pattern, &err));
        assert_int_equal(err.cls, ERR_CONFIG);
    }
}

static void knows_wildcards(void **state)
{
    (void)state;
    RulePattern plain = parse("a.b", false), glob = parse("a.b*", false),
                schema = parse("%.b", true);
    RulePattern quoted = parse("a.b\\*", false);
    assert_false(rules_pattern_has_wildcard(&plain));
    assert_true(rules_pattern_has_wildcard(&glob));
    assert_true(rules_pattern_has_wildcard(&schema));
    assert_false(rules_pattern_has_wildcard(&quoted));
}

static void includes_and_excludes(void **state)
{
    (void)state;
    RulePattern patterns[] = {parse("public.%", false), parse("public.log%", true),
                              parse("other.t", false), parse("nowhere.%", true)};
    Rules rules = {.patterns = patterns, .count = 4};
    Rules none = {.patterns = NULL, .count = 0};
    Rules only_excludes = {.patterns = patterns + 3, .count = 1};

    assert_true(rules_select(&rules, "public", "users"));
    assert_false(rules_select(&rules, "public", "log_a"));
    assert_false(rules_select(&rules, "other", "u"));
    assert_true(rules_select(&rules, "other", "t"));
    assert_int_equal(patterns[0].matched, 2);
    assert_int_equal(patterns[1].matched, 1);
    assert_int_equal(patterns[2].matched, 1);
    assert_int_equal(patterns[3].matched, 0);
    assert_true(rules_select(&none, "any", "thing"));
    assert_true(rules_select(&only_excludes, "any", "thing"));
    assert_false(rules_select(&only_excludes, "nowhere", "t"));
}

static void names_stay(void **state)
{
    (void)state;
    Rules rules = {0};
    const char *schema, *table, *column;
    Error err = ERROR_INIT;
    assert_true(rules_name_table(&rules, arena, "s", "t", &schema, &table, &err));
    assert_true(rules_name_column(NULL, arena, "s", "t", "c", &column, &err));
    assert_string_equal(schema, "s");
    assert_string_equal(table, "t");
    assert_string_equal(column, "c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_names),      cmocka_unit_test(wildcards),
        cmocka_unit_test(backslash_quotes), cmocka_unit_test(refuses),
        cmocka_unit_test(knows_wildcards),  cmocka_unit_test(includes_and_excludes),
        cmocka_unit_test(names_stay),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
