/* Rules about names: bascule's own lines and table-mappings.json, and what becomes of names by them. */
#include "../scratch.h"

#include <stdio.h>
#include <string.h>

#include "config/rules_dms.h"
#include "config/rules_lines.h"

static Rules lines(const char *const *texts)
{
    Rules rules = {.renames = arena_new_array(arena, RuleRename, 16)};
    for (; *texts != NULL; texts++)
        if (!rules_read_line(arena, *texts, "here", &rules.renames[rules.rename_count++], &err))
            fail_msg("%s", err.message);
    return rules;
}
#define LINES(...) lines((const char *const[]){__VA_ARGS__, NULL})

static const char *table(const Rules *rules, const char *schema, const char *name)
{
    const char *to_schema, *to_name;
    if (!rules_name_table(rules, arena, schema, name, &to_schema, &to_name, &err))
        return err.message;
    return arena_printf(arena, "%s.%s", to_schema, to_name);
}

static const char *column(const Rules *rules, const char *schema, const char *name, const char *col)
{
    const char *to;
    return rules_name_column(rules, arena, schema, name, col, &to, &err) ? to : err.message;
}

static void lines_name_tables(void **state)
{
    (void)state;
    Rules rules = LINES("public.users -> auth.users", "public.* -> app.*", "old.tbl_* -> app.t_*x",
                        "%.log -> %.journal", "loud.* -> lower(*).lower(*)");
    assert_string_equal(table(&rules, "public", "users"), "auth.users");
    assert_string_equal(table(&rules, "public", "orders"), "app.orders");
    assert_string_equal(table(&rules, "old", "tbl_a"), "app.t_ax");
    assert_string_equal(table(&rules, "old", "tbl_"), "app.t_x");
    assert_string_equal(table(&rules, "old", "other"), "old.other");
    assert_string_equal(table(&rules, "else", "log"), "else.journal");
    assert_string_equal(table(&rules, "loud", "ABC"), "loud.abc");
    assert_int_equal(rules.renames[0].matched, 1);
    assert_int_equal(rules.renames[1].matched, 2);
    assert_true(rules_all_matched(&rules, &err));
}

static void exact_names_stay_out_of_wildcards(void **state)
{
    (void)state;
    Rules rules = LINES("public.* -> app.*", "public.stays -> public.stays");
    assert_string_equal(table(&rules, "public", "stays"), "public.stays");
    assert_string_equal(table(&rules, "public", "goes"), "app.goes");
}

static void columns(void **state)
{
    (void)state;
    Rules rules = LINES("public.users.mail -> email", "*.*.c_* -> *", "shop.items.* -> upper(*)",
                        "a\\.b.t.x\\.y -> x\\.z");
    assert_string_equal(column(&rules, "public", "users", "mail"), "email");
    assert_string_equal(column(&rules, "public", "people", "mail"), "mail");
    assert_string_equal(column(&rules, "any", "t", "c_one"), "one");
    assert_string_equal(column(&rules, "shop", "items", "sku"), "SKU");
    assert_string_equal(column(&rules, "a.b", "t", "x.y"), "x.z");
    assert_non_null(strstr(column(&rules, "any", "t", "c_"), "leaves nothing"));
    /* a table's rule says nothing about columns */
    Rules tables = LINES("public.* -> app.*");
    assert_string_equal(column(&tables, "public", "users", "mail"), "mail");
}

static void contradictions(void **state)
{
    (void)state;
    Rules rules = LINES("public.* -> app.*", "public.tbl_* -> web.*", "x.* -> y.*", "x.a* -> y.b*");
    assert_non_null(strstr(table(&rules, "public", "tbl_a"), "contradicts"));
    assert_non_null(strstr(err_hint_of(&err), "fewest wildcards"));
    err_clear(&err);
    assert_string_equal(table(&rules, "public", "a"), "app.a");
    assert_string_equal(table(&rules, "x", "a1"), "y.b1"); /* they agree about the schema */
}

static void names_that_cannot_be(void **state)
{
    (void)state;
    char longest[80];
    memset(longest, 'n', 63);
    longest[63] = '\0';
    Rules rules = LINES("public.* -> public.p_*", "cased.* -> cased.lower(*)");
    assert_non_null(strstr(table(&rules, "public", longest), "longer than the 63 bytes"));
    longest[61] = '\0';
    err_clear(&err);
    assert_int_equal(strlen(strchr(table(&rules, "public", longest), '.') + 1), 63);
    assert_non_null(strstr(table(&rules, "cased", "\xC3\x84rger"), "depends on a locale"));
}

static void idle_rules(void **state)
{
    (void)state;
    Rules rules = LINES("public.nobody -> auth.nobody", "public.n* -> auth.n*");
    assert_string_equal(table(&rules, "public", "users"), "public.users");
    assert_false(rules_all_matched(&rules, &err));
    assert_non_null(strstr(err.message, "public.nobody"));
    Rules wild = LINES("public.n* -> auth.n*");
    assert_true(rules_all_matched(&wild, &err));
}

static void lines_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *why;
    } CASES[] = {
        {"public.users", "is not FROM -> TO"},
        {"users -> people", "neither"},
        {"public.users -> users", "neither"},
        {"public.users.mail -> users.email", "neither"},
        {"public. -> app.x", "neither"},
        {"a.b.c.d -> x", "neither"},
        {"public.*_* -> app.*", "stands for what one"},
        {"public.users -> app.*", "stands for what one"},
        {"public.* -> app.*_*", "stands for what one"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        RuleRename rule;
        err_clear(&err);
        assert_false(rules_read_line(arena, CASES[i].line, "f.yaml:3:7", &rule, &err));
        if (strstr(err.message, CASES[i].why) == NULL || strstr(err.message, "f.yaml:3:7") == NULL)
            fail_msg("%s: %s", CASES[i].line, err.message);
        assert_int_equal(err.cls, ERR_CONFIG);
    }
}

static void the_same_rules_have_the_same_text(void **state)
{
    (void)state;
    Rules one = LINES("public.users -> auth.users", "public.a.b -> c");
    Rules same = LINES("public.users ->  auth.users", "public.a.b -> c");
    Rules other = LINES("public.users -> auth.people", "public.a.b -> c");
    assert_string_equal(rules_mapping_text(&one, arena), rules_mapping_text(&same, arena));
    assert_string_not_equal(rules_mapping_text(&one, arena), rules_mapping_text(&other, arena));
    assert_string_equal(rules_mapping_text(&(Rules){0}, arena), "");
}

/* Columns ---------------------------------------------------------------------------------------- */

static Rules column_lines(ColumnAction action, const char *const *texts)
{
    Rules rules = {.columns = arena_new_array(arena, RuleColumn, 16)};
    for (; *texts != NULL; texts++)
        if (!rules_read_column_line(arena, action, *texts, "here",
                                    &rules.columns[rules.column_count++], &err))
            fail_msg("%s", err.message);
    return rules;
}
#define COLUMNS(action, ...) column_lines(action, (const char *const[]){__VA_ARGS__, NULL})

static bool goes(const Rules *rules, const char *schema, const char *name, const char *col)
{
    bool out;
    const RuleColumn *rule;
    assert_true(rules_column_goes(rules, schema, name, col, &out, &rule, &err));
    assert_true(out == (rule == NULL));
    return out;
}

static void columns_that_stay(void **state)
{
    (void)state;
    Rules omit = COLUMNS(COLUMN_OMIT, "public.users.secret", "*.*.tmp_*", "a\\.b.t.x\\.y");
    assert_false(goes(&omit, "public", "users", "secret"));
    assert_true(goes(&omit, "public", "people", "secret"));
    assert_false(goes(&omit, "x", "y", "tmp_1"));
    assert_false(goes(&omit, "a.b", "t", "x.y"));
    assert_int_equal(omit.columns[0].matched, 1);
    Rules only = COLUMNS(COLUMN_ONLY, "public.users.id", "public.users.m*");
    assert_true(goes(&only, "public", "users", "mail"));
    assert_false(goes(&only, "public", "users", "name"));
    assert_true(goes(&only, "public", "people", "name"));
    Rules both = COLUMNS(COLUMN_ONLY, "public.users.id", "public.users.*");
    both.columns[0].action = COLUMN_OMIT; /* the one with fewer wildcards */
    assert_false(goes(&both, "public", "users", "id"));
    both.columns[0].action = COLUMN_ONLY;
    both.columns[1].action = COLUMN_OMIT;
    bool out;
    const RuleColumn *rule;
    assert_false(rules_column_goes(&both, "public", "users", "id", &out, &rule, &err));
    assert_non_null(strstr(err.message, "contradicts"));
}

static void columns_that_are_added(void **state)
{
    (void)state;
    Rules rules = COLUMNS(COLUMN_ADD, "*.*.tenant = 'acme'", "public.users.tenant = 'other'",
                          "public.users.own", "public.users.full = $first || '=' || $last");
    const RuleColumn *added[8];
    int count;
    assert_true(rules_columns_added(&rules, "public", "users", added, &count, &err));
    assert_int_equal(count, 3);
    assert_string_equal(added[0]->value->pieces[0].text, "other");
    assert_null(added[1]->value);
    assert_string_equal(added[2]->column, "full");
    assert_int_equal(added[2]->value->count, 5);
    assert_true(rules_columns_added(&rules, "shop", "items", added, &count, &err));
    assert_int_equal(count, 1);
    Rules two = COLUMNS(COLUMN_ADD, "a.b.c = 1", "a.b.c = 2");
    assert_false(rules_columns_added(&two, "a", "b", added, &count, &err));
    assert_non_null(strstr(err.message, "contradicts"));
}

static void columns_of_another_type(void **state)
{
    (void)state;
    Rules rules = COLUMNS(COLUMN_TYPE, "a.b.id -> bigint", "a.b.* -> character varying(30)",
                          "a.c.x -> jsonb");
    const char *types;
    assert_true(rules_column_types(&rules, "a", "b", "id", &types, &err));
    assert_string_equal(types, "int8");
    assert_true(rules_column_types(&rules, "a", "b", "v", &types, &err));
    assert_string_equal(types, "varchar");
    assert_true(rules_column_types(&rules, "a", "d", "v", &types, &err));
    assert_null(types);
    Rules two = COLUMNS(COLUMN_TYPE, "a.b.id -> bigint", "a.b.id -> text");
    assert_false(rules_column_types(&two, "a", "b", "id", &types, &err));
}

static void column_lines_are_refused(void **state)
{
    (void)state;
    static const struct {
        ColumnAction action;
        const char *line, *why;
    } CASES[] = {
        {COLUMN_OMIT, "public.users", "is not schema.table.column"},
        {COLUMN_OMIT, "a.b.c.d", "is not schema.table.column"},
        {COLUMN_ADD, "a.b = 1", "is not schema.table.column = value"},
        {COLUMN_ADD, "a.b.c* = 1", "has no wildcard"},
        {COLUMN_ADD, "a.b.c =", "there is no expression"},
        {COLUMN_TYPE, "a.b.c", "is not schema.table.column -> type"},
        {COLUMN_TYPE, "a.b.c -> ", "is not schema.table.column -> type"},
        {COLUMN_TYPE, "a.b.c -> int4,int8", "is not schema.table.column -> type"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        RuleColumn out;
        err = (Error)ERROR_INIT;
        assert_false(
            rules_read_column_line(arena, CASES[i].action, CASES[i].line, "here:1", &out, &err));
        if (strstr(err.message, CASES[i].why) == NULL || strncmp(err.message, "here:1", 6) != 0)
            fail_msg("%s: %s", CASES[i].line, err.message);
    }
}

/* table-mappings.json ---------------------------------------------------------------------------- */

#define SELECT_ALL                                                                                 \
    "{\"rule-type\":\"selection\",\"rule-id\":\"1\",\"rule-name\":\"1\",\"object-locator\":"       \
    "{\"schema-name\":\"public\",\"table-name\":\"%\"},\"rule-action\":\"include\",\"filters\":[]" \
    "}"

static Rules dms(const char *text)
{
    DmsRules out;
    if (!rules_read_dms(arena, "map.json", text, strlen(text), &out, &err))
        fail_msg("%s", err.message);
    return (Rules){.patterns = out.patterns,
                   .count = out.pattern_count,
                   .renames = out.renames,
                   .rename_count = out.rename_count,
                   .notes = out.warnings,
                   .note_count = out.warning_count};
}

static Rules transformation(const char *target, const char *locator, const char *action)
{
    return dms(arena_printf(arena,
                            "{\"rules\":[%s,{\"rule-type\":\"transformation\",\"rule-id\":2,"
                            "\"rule-name\":\"n\",\"rule-target\":\"%s\",\"object-locator\":{%s},"
                            "%s}]}",
                            SELECT_ALL, target, locator, action));
}

static void dms_selection(void **state)
{
    (void)state;
    Rules rules =
        dms("{\"rules\": [\n" SELECT_ALL
            ",{\"rule-type\":\"selection\",\"rule-id\":2,\"rule-name\":\"x\","
            "\"object-locator\":{\"schema-name\":\"public\",\"table-name\":\"tmp[_]%\"},"
            "\"rule-action\":\"exclude\"},"
            "{\"rule-type\":\"selection\",\"rule-id\":3,\"rule-name\":\"y\","
            "\"object-locator\":{\"schema-name\":\"shop\",\"table-name\":\"y[12]_[a-c]\"},"
            "\"rule-action\":\"include\"},"
            "{\"rule-type\":\"selection\",\"rule-id\":4,\"rule-name\":\"z\","
            "\"object-locator\":{\"schema-name\":\"shop\",\"table-name\":\"a*b\"},"
            "\"rule-action\":\"explicit\",\"load-order\":0}]}");
    assert_true(rules_select(&rules, "public", "users"));
    assert_false(rules_select(&rules, "public", "tmp_x"));
    assert_true(rules_select(&rules, "public", "tmpx"));
    assert_true(rules_select(&rules, "shop",
                             "y1\xC3\xA4"
                             "b")); /* _ is one character */
    assert_false(rules_select(&rules, "shop", "y3xb"));
    assert_false(rules_select(&rules, "shop", "y1xd"));
    assert_true(rules_select(&rules, "shop", "a*b"));
    assert_false(rules_select(&rules, "shop", "axb"));
    assert_false(rules_select(&rules, "Public", "users"));
    assert_string_equal(rules.patterns[1].text, "rule 2 (public.tmp[_]%)");
}

#define TABLES "\"schema-name\":\"public\",\"table-name\":\"%\""
#define ONE    "\"schema-name\":\"public\",\"table-name\":\"health_metrics\""

static void dms_transforms(void **state)
{
    (void)state;
    static const struct {
        const char *target, *locator, *action, *from, *to;
    } CASES[] = {
        {"schema", "\"schema-name\":\"public\"", "\"rule-action\":\"rename\",\"value\":\"app\"",
         "users", "app.users"},
        {"schema", ONE, "\"rule-action\":\"rename\",\"value\":\"health\"", "health_metrics",
         "health.health_metrics"},
        {"schema", ONE, "\"rule-action\":\"rename\",\"value\":\"health\"", "users", "public.users"},
        {"table", ONE, "\"rule-action\":\"rename\",\"value\":\"metrics\",\"old-value\":null",
         "health_metrics", "public.metrics"},
        {"table", TABLES, "\"rule-action\":\"add-prefix\",\"value\":\"p_\"", "users",
         "public.p_users"},
        {"table", TABLES, "\"rule-action\":\"remove-prefix\",\"value\":\"us\"", "users",
         "public.ers"},
        {"table", TABLES, "\"rule-action\":\"remove-prefix\",\"value\":\"xx\"", "users",
         "public.users"},
        {"table", TABLES,
         "\"rule-action\":\"replace-prefix\",\"value\":\"me\",\"old-value\":\"us\"", "users",
         "public.meers"},
        {"table", TABLES, "\"rule-action\":\"add-suffix\",\"value\":\"_x\"", "users",
         "public.users_x"},
        {"table", TABLES, "\"rule-action\":\"remove-suffix\",\"value\":\"s\"", "users",
         "public.user"},
        {"table", TABLES, "\"rule-action\":\"replace-suffix\",\"value\":\"\",\"old-value\":\"ers\"",
         "users", "public.us"},
        {"table", TABLES, "\"rule-action\":\"convert-uppercase\"", "users", "public.USERS"},
        {"table", TABLES, "\"rule-action\":\"convert-lowercase\"", "Users", "public.users"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Rules rules = transformation(CASES[i].target, CASES[i].locator, CASES[i].action);
        assert_string_equal(table(&rules, "public", CASES[i].from), CASES[i].to);
    }
    Rules rules = transformation("column", ONE ",\"column-name\":\"v%\"",
                                 "\"rule-action\":\"add-prefix\",\"value\":\"c_\"");
    assert_string_equal(column(&rules, "public", "health_metrics", "val"), "c_val");
    assert_string_equal(column(&rules, "public", "health_metrics", "id"), "id");
}

static void dms_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *why;
    } CASES[] = {
        {"{}", "'rule-id' is missing"},
        {"7", "a rule is an object"},
        {"{\"rule-id\":1,\"rule-type\":\"selection\"}", "given twice"},
        {"{\"rule-id\":2}", "'rule-type' is missing"},
        {"{\"rule-id\":2,\"rule-type\":\"object-mapping\"}", "rule 2: 'rule-type' object-mapping"},
        {"{\"rule-id\":2,\"rule-type\":\"selection\",\"rule-action\":\"include\",\"objectlocator\":"
         "{}}",
         "did you mean 'object-locator'"},
        {"{\"rule-id\":2,\"rule-type\":\"selection\",\"rule-action\":\"include\"}",
         "'object-locator' with names is missing"},
        {"{\"rule-id\":2,\"rule-type\":\"selection\",\"rule-action\":\"only\",\"object-locator\":"
         "{" TABLES "}}",
         "include, exclude or explicit"},
        {"{\"rule-id\":2,\"rule-type\":\"selection\",\"rule-action\":\"explicit\",\"object-"
         "locator\":"
         "{" TABLES "}}",
         "names one table"},
        {"{\"rule-id\":2,\"rule-type\":\"selection\",\"rule-action\":\"include\",\"object-"
         "locator\":"
         "{" TABLES "},\"filters\":[{\"filter-type\":\"source\"}]}",
         "'filters' need the name of one table"},
        {"{\"rule-id\":2,\"rule-type\":\"selection\",\"rule-action\":\"include\",\"object-"
         "locator\":"
         "{" TABLES "},\"load-order\":\"first\"}",
         "'load-order' is a number"},
        {"{\"rule-id\":2,\"rule-type\":\"selection\",\"rule-action\":\"include\",\"object-"
         "locator\":"
         "{" TABLES ",\"table-type\":\"view\"}}",
         "views hold no rows"},
        {"{\"rule-id\":2,\"rule-type\":\"selection\",\"rule-action\":\"include\",\"object-"
         "locator\":"
         "{\"schema-name\":\"x\",\"table-name\":\"a[b\"}}",
         "'['"},
        {"{\"rule-id\":2,\"rule-type\":\"transformation\",\"rule-target\":\"table-tablespace\","
         "\"rule-action\":\"rename\",\"object-locator\":{" TABLES "}}",
         "tablespaces are the target's"},
        {"{\"rule-id\":2,\"rule-type\":\"transformation\",\"rule-target\":\"column\",\"rule-"
         "action\":"
         "\"define-primary-key\",\"object-locator\":{" TABLES ",\"column-name\":\"x\"}}",
         "rule 2: 'rule-action' define-primary-key is not supported"},
        {"{\"rule-id\":2,\"rule-type\":\"transformation\",\"rule-target\":\"column\",\"rule-"
         "action\":"
         "\"rename\",\"value\":\"y\",\"object-locator\":{" TABLES "}}",
         "'column-name' is missing"},
        {"{\"rule-id\":2,\"rule-type\":\"transformation\",\"rule-target\":\"table\",\"rule-"
         "action\":"
         "\"rename\",\"object-locator\":{" TABLES "}}",
         "needs a 'value'"},
        {"{\"rule-id\":2,\"rule-type\":\"transformation\",\"rule-target\":\"table\",\"rule-"
         "action\":"
         "\"rename-all\",\"value\":\"y\",\"object-locator\":{" TABLES "}}",
         "is not known"},
        {"{\"rule-id\":2,\"rule-type\":\"transformation\",\"rule-target\":\"column\",\"rule-"
         "action\":"
         "\"rename\",\"value\":\"y\",\"object-locator\":{" TABLES
         ",\"column-name\":\"x\",\"data-type\":\"int\"}}",
         "'data-type' in 'object-locator'"},
        {"{\"rule-id\":2,\"rule-id\":3}", "duplicate"},
        {"{\"rule-id\":2,", "map.json:"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        DmsRules out;
        const char *text =
            arena_printf(arena, "{\"rules\":[%s,\n  %s]}", SELECT_ALL, CASES[i].rule);
        err_clear(&err);
        assert_false(rules_read_dms(arena, "map.json", text, strlen(text), &out, &err));
        if (strstr(err.message, CASES[i].why) == NULL || strstr(err.message, "map.json:2:") == NULL)
            fail_msg("%s: %s", CASES[i].rule, err.message);
        assert_int_equal(err.cls, ERR_CONFIG);
    }
}

static void dms_files_are_refused(void **state)
{
    (void)state;
    static const char *const FILES[][2] = {
        {"", "map.json:"},
        {"[]", "expected"},
        {"{\"rulez\":[]}", "did you mean 'rules'"},
        {"{\"rules\":{}}", "'rules' with a list is missing"},
        {"{\"rules\":[]}", "no selection rule includes anything"},
        {"rules: []", "map.json:1:"},
    };
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        DmsRules out;
        err_clear(&err);
        assert_false(
            rules_read_dms(arena, "map.json", FILES[i][0], strlen(FILES[i][0]), &out, &err));
        if (strstr(err.message, FILES[i][1]) == NULL)
            fail_msg("%s: %s", FILES[i][0], err.message);
    }
}

static void settings_are_told(void **state)
{
    (void)state;
    Rules rules =
        dms("{\"rules\":[" SELECT_ALL
            ",{\"rule-type\":\"table-settings\",\"rule-id\":2,\"rule-name\":\"s\","
            "\"object-locator\":{" TABLES "},\"parallel-load\":{\"type\":\"partitions-auto\"},"
            "\"lob-settings\":{\"mode\":\"limited\",\"bulk-max-size\":16}}]}");
    assert_int_equal(rules.note_count, 2);
    assert_non_null(strstr(rules.notes[0], "rule 2: parallel-load"));
    assert_non_null(strstr(rules.notes[1], "values of any size move whole"));
}

#define COLUMN_RULE(action, more)                                                                  \
    "{\"rule-id\":2,\"rule-type\":\"transformation\",\"rule-target\":\"column\","                  \
    "\"rule-action\":\"" action "\",\"object-locator\":{" TABLES more "}"

static void dms_columns(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *why;
    } BAD[] = {
        {COLUMN_RULE("remove-column", "}"), "'column-name' is missing"},
        {COLUMN_RULE("remove-column", ",\"column-name\":\"x\"},\"value\":\"y\""),
         "'value' does not belong"},
        {COLUMN_RULE("add-column", "}"), "'value' is missing"},
        {COLUMN_RULE("add-column", ",\"column-name\":\"x\"},\"value\":\"y\""), "stands in 'value'"},
        {COLUMN_RULE("add-column", "},\"value\":\"y\",\"expression\":\"strftime('%Y')\""),
         "rule 2: 'strftime"},
        {COLUMN_RULE("add-column", "},\"value\":\"y\",\"data-type\":{\"type\":\"odd\"}"),
         "'type' odd is not supported"},
        {COLUMN_RULE("change-data-type", ",\"column-name\":\"x\"}"), "'data-type' with a 'type'"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        DmsRules out;
        const char *text = arena_printf(arena, "{\"rules\":[%s,%s]}", SELECT_ALL, BAD[i].rule);
        err = (Error)ERROR_INIT;
        assert_false(rules_read_dms(arena, "map.json", text, strlen(text), &out, &err));
        if (strstr(err.message, BAD[i].why) == NULL)
            fail_msg("%s: %s", BAD[i].rule, err.message);
    }
    DmsRules out;
    const char *text = "{\"rules\":[" SELECT_ALL "," COLUMN_RULE(
        "change-data-type", ",\"column-name\":\"x\"},\"data-type\":{\"type\":\"string\"}") "]}";
    err = (Error)ERROR_INIT;
    if (!rules_read_dms(arena, "map.json", text, strlen(text), &out, &err))
        fail_msg("%s", err.message);
    assert_int_equal(out.column_count, 1);
    assert_string_equal(out.columns[0].types, "varchar,text,bpchar");
    assert_string_equal(out.columns[0].text, "rule 2 (change-data-type)");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(lines_name_tables),
        T(exact_names_stay_out_of_wildcards),
        T(columns),
        T(contradictions),
        T(names_that_cannot_be),
        T(idle_rules),
        T(lines_are_refused),
        T(the_same_rules_have_the_same_text),
        T(columns_that_stay),
        T(columns_that_are_added),
        T(columns_of_another_type),
        T(column_lines_are_refused),
        T(dms_columns),
        T(dms_selection),
        T(dms_transforms),
        T(dms_refuses),
        T(dms_files_are_refused),
        T(settings_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
