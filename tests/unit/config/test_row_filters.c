/* Rules about rows: lines, source filters of AWS DMS, which of several is taken, and the SQL they become. */
#include "../scratch.h"

#include <string.h>

#include "config/rules_dms.h"
#include "config/rules_lines.h"
#include "sqltext/reading.h"

/* Lines ------------------------------------------------------------------------------------------- */

static void lines(void **state)
{
    (void)state;
    static const struct {
        const char *line, *schema, *table, *condition;
    } CASES[] = {
        {"public.orders where $tenant = 5", "public", "orders", "$tenant = 5"},
        {"  *.log_%  WHERE\t$a is not null ", "*", "log_%", "$a is not null"},
        {"public.where where $\"where\" in (1, 2)", "public", "where", "$\"where\" in (1, 2)"},
        {"a\\.b.c where not $x between 1 and 2", "a\\.b", "c", "not $x between 1 and 2"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        RuleFilter out;
        if (!rules_read_filter_line(arena, CASES[i].line, "here:1", &out, &err))
            fail_msg("%s", err.message);
        assert_string_equal(out.schema, CASES[i].schema);
        assert_string_equal(out.table, CASES[i].table);
        assert_string_equal(out.condition->text, CASES[i].condition);
    }
}

static void wrong_lines(void **state)
{
    (void)state;
    static const char *const CASES[][2] = {
        {"public.orders", "is not schema.table where CONDITION"},
        {"public.orders $a = 1", "is not schema.table where CONDITION"},
        {"orders where $a = 1", "is not schema.table where CONDITION"},
        {"a.b.c where $a = 1", "is not schema.table where CONDITION"},
        {"public.orders where", "is not schema.table where CONDITION"},
        {"public.orders where ", "there is no expression"},
        {"where $a = 1", "is not schema.table where CONDITION"},
        {"public.orders where $a = 1; drop", "';' is not supported"},
        {"public.orders where $a = now()", "'now' is not supported"},
        {"public.orders where $a in (select 1)", "'select' is not supported"},
        {"public.orders where a = 1", "'a' is not supported"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        RuleFilter out;
        err = (Error)ERROR_INIT;
        assert_false(rules_read_filter_line(arena, CASES[i][0], "here:1", &out, &err));
        if (strstr(err.message, CASES[i][1]) == NULL || strncmp(err.message, "here:1", 6) != 0)
            fail_msg("%s: %s", CASES[i][0], err.message);
    }
}

/* AWS DMS ----------------------------------------------------------------------------------------- */

#define RULE(id, table, filters)                                                                   \
    "{\"rule-type\":\"selection\",\"rule-id\":\"" id "\",\"rule-name\":\"r\",\"rule-action\":"     \
    "\"include\",\"object-locator\":{\"schema-name\":\"public\",\"table-name\":\"" table "\"},"    \
    "\"filters\":" filters "}"
#define FILTER(column, conditions)                                                                 \
    "{\"filter-type\":\"source\",\"column-name\":\"" column                                        \
    "\",\"filter-conditions\":[" conditions "]}"
#define OPERATOR(name)     "{\"filter-operator\":\"" name "\"}"
#define VALUE(name, value) "{\"filter-operator\":\"" name "\",\"value\":\"" value "\"}"
#define ENDS(name, first, last)                                                                    \
    "{\"filter-operator\":\"" name "\",\"start-value\":\"" first "\",\"end-value\":\"" last "\"}"

static bool read_file(const char *rules, DmsRules *out)
{
    const char *text = arena_printf(arena, "{\"rules\":[%s]}", rules);
    return rules_read_dms(arena, "map.json", text, strlen(text), out, &err);
}

static void every_operator(void **state)
{
    (void)state;
    static const char *const CASES[][2] = {
        {FILTER("a", VALUE("eq", "5")), "($\"a\" = '5')"},
        {FILTER("a", VALUE("noteq", "it's")), "($\"a\" <> 'it''s')"},
        {FILTER("a", VALUE("gte", "5")), "($\"a\" >= '5')"},
        {FILTER("a", VALUE("lte", "5")), "($\"a\" <= '5')"},
        {FILTER("a", VALUE("ste", "5")), "($\"a\" <= '5')"},
        {FILTER("a", ENDS("between", "1", "2")), "($\"a\" between '1' and '2')"},
        {FILTER("a", ENDS("notbetween", "1", "2")), "($\"a\" not between '1' and '2')"},
        {FILTER("A b", OPERATOR("null")), "($\"A b\" is null)"},
        {FILTER("a", OPERATOR("notnull")), "($\"a\" is not null)"},
        {FILTER("a", VALUE("eq", "1") "," VALUE("eq", "2") "," OPERATOR("null")),
         "($\"a\" = '1' or $\"a\" = '2' or $\"a\" is null)"},
        {FILTER("a", VALUE("gte", "1")) "," FILTER("b", VALUE("eq", "x")),
         "($\"a\" >= '1') and ($\"b\" = 'x')"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        DmsRules out;
        const char *rule = arena_printf(
            arena,
            "{\"rule-type\":\"selection\",\"rule-id\":\"1\",\"rule-action\":\"include\","
            "\"object-locator\":{\"schema-name\":\"public\",\"table-name\":\"t\"},"
            "\"filters\":[%s]}",
            CASES[i][0]);
        if (!read_file(rule, &out))
            fail_msg("%s: %s", CASES[i][0], err.message);
        assert_int_equal(out.filter_count, 1);
        assert_string_equal(out.filters[0].condition->text, CASES[i][1]);
    }
}

static void wrong_filters(void **state)
{
    (void)state;
    static const char *const CASES[][2] = {
        {RULE("7", "%", "[" FILTER("a", VALUE("eq", "1")) "]"), "the name of one table"},
        {RULE("7", "t", "[" FILTER("a", VALUE("lt", "1")) "]"), "'lt' is not known"},
        {RULE("7", "t", "[" FILTER("a", VALUE("not", "1")) "]"), "'not' is not known"},
        {RULE("7", "t", "[" FILTER("a", OPERATOR("eq")) "]"), "'eq' needs 'value'"},
        {RULE("7", "t", "[" FILTER("a", OPERATOR("between")) "]"), "needs 'start-value'"},
        {RULE("7", "t", "[" FILTER("a", VALUE("null", "1")) "]"), "'null' takes no 'value'"},
        {RULE("7", "t", "[" FILTER("a", ENDS("gte", "1", "2")) "]"), "'gte' needs 'value'"},
        {RULE("7", "t", "[" FILTER("a", "") "]"), "with at least one condition"},
        {RULE("7", "t", "[{\"filter-type\":\"target\",\"column-name\":\"a\"}]"), "not 'target'"},
        {RULE("7", "t", "[{\"filter-type\":\"source\"}]"), "'column-name' is missing"},
        {RULE("7", "t", "[{\"filter-typ\":\"source\"}]"), "did you mean 'filter-type'?"},
        {RULE("7", "t", "[5]"), "a filter is an object"},
        {RULE("7", "t", "5"), "'filters' is a list"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        DmsRules out;
        err = (Error)ERROR_INIT;
        assert_false(read_file(CASES[i][0], &out));
        if (strstr(err.message, CASES[i][1]) == NULL || strstr(err.message, "rule 7") == NULL ||
            strncmp(err.message, "map.json:1:", 11) != 0)
            fail_msg("%s: %s", CASES[i][0], err.message);
    }
}

/* Which is taken ---------------------------------------------------------------------------------- */

static const char *taken(Rules *rules, const char *table)
{
    const Expression *condition;
    const char *rule;
    err = (Error)ERROR_INIT;
    if (!rules_filter(rules, arena, "public", table, &condition, &rule, &err))
        return "refused";
    return condition == NULL ? "all" : condition->text;
}

static void the_one_with_fewest_wildcards_is_taken(void **state)
{
    (void)state;
    static const char *const LINES[] = {"*.* where $a = 1",      "public.% where $a = 2",
                                        "public.t where $a = 3", "public.t where $a = 3",
                                        "public.u where $a = 4", "public.u where $a = 5"};
    RuleFilter filters[6];
    Rules rules = {.filters = filters, .filter_count = 6};
    for (int i = 0; i < 6; i++)
        assert_true(rules_read_filter_line(arena, LINES[i], "here", &filters[i], &err));
    assert_string_equal(taken(&rules, "t"), "$a = 3");
    assert_string_equal(taken(&rules, "v"), "$a = 2");
    assert_string_equal(taken(&rules, "u"), "refused");
    assert_non_null(strstr(err.message, "contradicts"));
    assert_true(rules_map_anything(&rules));
    rules_forget_matches(&rules);
    assert_string_equal(taken(&rules, "v"), "$a = 2");
    assert_false(rules_all_matched(&rules, &err));
    assert_non_null(strstr(rules_mapping_text(&rules, arena), "rows 'public' 't' $a = 3"));
}

/* A table that is named without filters moves whole, whatever the pattern of another rule says. */
static void rules_of_a_file_meet_lines(void **state)
{
    (void)state;
    DmsRules out;
    RuleFilter filters[4];
    Rules rules = {.filters = filters};
    assert_true(read_file(
        RULE("1", "t", "[]") "," RULE("2", "u", "[" FILTER("a", OPERATOR("null")) "]"), &out));
    assert_int_equal(out.filter_count, 2);
    memcpy(filters, out.filters, 2 * sizeof *filters);
    assert_true(rules_read_filter_line(arena, "*.* where $a = 1", "here", &filters[2], &err));
    rules.filter_count = 3;
    assert_string_equal(taken(&rules, "t"), "all");
    assert_string_equal(taken(&rules, "u"), "($\"a\" is null)");
    assert_string_equal(taken(&rules, "v"), "$a = 1");
    assert_true(read_file(RULE("1", "t", "[]"), &out));
    assert_int_equal(out.filter_count, 0);
    assert_true(read_file(
        RULE("1", "t", "[]") "," RULE("2", "t", "[" FILTER("a", OPERATOR("null")) "]"), &out));
    rules = (Rules){.filters = out.filters, .filter_count = out.filter_count};
    assert_string_equal(taken(&rules, "t"), "refused");
    assert_non_null(strstr(err.message, "rule 2"));
}

/* SQL --------------------------------------------------------------------------------------------- */

static void what_servers_are_asked(void **state)
{
    (void)state;
    static int operands[] = {0, -1, -1, -1, 1, -1, -1};
    static const bool texts[] = {false, false, false, false, true, false, false};
    Column columns[] = {{.name = "id", .target_name = "number"},
                        {.name = "Word", .target_name = "w"}};
    Relation rel = {
        .columns = columns, .column_count = 2, .filter_operands = operands, .filter_texts = texts};
    bool first = true;
    assert_true(expression_parse(arena, "$id > 5 and $Word <> 'x'", &rel.filter, &err));
    reading_where(&st, &rel, true, NULL);
    assert_string_equal(sqltext_sql(&st).text,
                        " WHERE ( \"id\" >  5 AND  (\"Word\" COLLATE pg_catalog.\"C\") <>  'x')");
    sqltext_clear(&st);
    reading_filter(&st, &rel, false, "t", &first);
    assert_false(first);
    reading_filter(&st, &rel, false, "t", &first);
    assert_non_null(strstr(sqltext_sql(&st).text, " WHERE ( \"t\".\"number\" >  5 AND "));
    assert_non_null(strstr(sqltext_sql(&st).text, ") AND ( \"t\".\"number\""));
    sqltext_clear(&st);
    reading_outside(&st, &rel, false);
    assert_non_null(strstr(sqltext_sql(&st).text, " IS NOT TRUE"));
    rel.filter = NULL;
    sqltext_clear(&st);
    reading_where(&st, &rel, true, NULL);
    assert_string_equal(sqltext_sql(&st).text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(every_operator, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_filters, setup, teardown),
        cmocka_unit_test_setup_teardown(the_one_with_fewest_wildcards_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(rules_of_a_file_meet_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(what_servers_are_asked, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
