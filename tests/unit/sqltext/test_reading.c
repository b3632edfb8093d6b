/* What rules make of columns: expressions, and the statements that have them. */
#include "../scratch.h"

#include <string.h>

#include "sqltext/dml.h"
#include "sqltext/reading.h"

static const Expression *parsed(const char *text)
{
    const Expression *out;
    if (!expression_parse(arena, text, &out, &err))
        fail_msg("%s", err.message);
    return out;
}

/* id, "a b", made of text */
static Relation relation(const char *text, const char *type)
{
    Relation rel = {.schema = "s", .name = "t", .column_count = 3, .added_count = 1};
    Column *columns = arena_new_array(arena, Column, 3);
    columns[0] = (Column){.name = "id", .target_name = "id", .type_name = "int4"};
    columns[1] = (Column){.name = "a b", .target_name = "ab", .type_name = "text"};
    columns[2] = (Column){.name = "made", .target_name = "made", .value = parsed(text)};
    columns[2].target_type_schema = type != NULL ? "pg_catalog" : NULL;
    columns[2].target_type_name = type;
    columns[2].target_type_text = type != NULL ? arena_printf(arena, "%s(9)", type) : NULL;
    columns[2].operands = arena_new_array(arena, int, columns[2].value->count + 1);
    for (int i = 0; i < columns[2].value->count; i++) {
        const ExpressionPiece *piece = &columns[2].value->pieces[i];
        columns[2].operands[i] = piece->kind != PIECE_COLUMN ? -1 : strcmp(piece->text, "id") != 0;
    }
    rel.columns = columns;
    return rel;
}

#define READS(value_text, type, expected)                                                          \
    do {                                                                                           \
        Relation rel = relation(value_text, type);                                                 \
        sqltext_clear(&st);                                                                        \
        reading_column(&st, &rel.columns[2], &rel, true, "t");                                     \
        assert_string_equal(sqltext_sql(&st).text, expected);                                      \
    } while (0)

static void expressions(void **state)
{
    (void)state;
    READS("'it''s'", NULL, "( 'it''s')");
    READS("$id", "numeric", "CAST(( \"t\".\"id\") AS numeric(9))");
    READS("$id", "varchar", "CAST(( \"t\".\"id\") AS \"pg_catalog\".\"varchar\")");
    READS("LOWER($\"a b\")||1.5e2", NULL, "(pg_catalog.lower( \"t\".\"a b\") ||  1.5e2)");
    READS("case when $id>=10 then 'x' else null end", NULL,
          "( CASE  WHEN  \"t\".\"id\" >=  10 THEN  'x' ELSE  NULL  END )");
    READS("1 - - 1", NULL, "( 1 -  -  1)"); /* never a comment */
    READS("1 / * 1", NULL, "( 1 /  *  1)");
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } CASES[] = {
        {"", "there is no expression"},
        {"  ", "there is no expression"},
        {"now()", "'now' is not supported"},
        {"$id; drop table x", "';' is not supported"},
        {"first", "'first' is not supported"},
        {"$", "without the name"},
        {"$\"\"", "without the name"},
        {"$\"x", "a quote is not closed"},
        {"'x", "a quote is not closed"},
        {"lower($id", "without its ')'"},
        {"$id)", "without its '('"},
        {"$id, 2", "outside of parentheses"},
        {"12abc", "followed by something else"},
        {"1.2.3", "followed by something else"},
        {"\"id\"", "'\"' is not supported"},
        {"$id::text", "':' is not supported"},
        {"\\", "is not supported"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const Expression *out;
        err = (Error)ERROR_INIT;
        assert_false(expression_parse(arena, CASES[i].text, &out, &err));
        if (strstr(err.message, CASES[i].why) == NULL)
            fail_msg("%s: %s", CASES[i].text, err.message);
        assert_int_equal(err.cls, ERR_CONFIG);
    }
}

static void other_names(void **state)
{
    (void)state;
    const char *from[] = {"id", "a b"}, *to[] = {"a b", "id"};
    const Expression *turned = expression_renamed(arena, parsed("$id + $\"a b\" - 1"), 2, from, to);
    assert_string_equal(turned->pieces[0].text, "a b");
    assert_string_equal(turned->pieces[2].text, "id");
    assert_string_equal(turned->pieces[4].text, "1");
}

static void other_types(void **state)
{
    (void)state;
    Relation rel = relation("1", NULL);
    Column *col = &rel.columns[1];
    col->other_types = "";
    reading_column(&st, col, &rel, true, NULL);
    assert_string_equal(sqltext_sql(&st).text, "CASE WHEN \"a b\" IS DISTINCT FROM NULL THEN "
                                               "pg_catalog.format('%s', \"a b\") END");
    col->target_type_schema = "pg_catalog";
    col->target_type_name = "date";
    col->target_type_text = "date";
    sqltext_clear(&st);
    reading_column(&st, col, &rel, true, NULL);
    assert_string_equal(sqltext_sql(&st).text, "CAST(CASE WHEN \"a b\" IS DISTINCT FROM NULL THEN "
                                               "pg_catalog.format('%s', \"a b\") END AS date)");
    sqltext_clear(&st);
    reading_column(&st, col, &rel, false, NULL);
    assert_string_equal(sqltext_sql(&st).text, "\"ab\"");
}

#define BUILDS(call, expected)                                                                     \
    do {                                                                                           \
        sqltext_clear(&st);                                                                        \
        call;                                                                                      \
        assert_string_equal(sqltext_sql(&st).text, expected);                                      \
    } while (0)

static void statements_make_it(void **state)
{
    (void)state;
    Relation rel = relation("$id || $\"a b\"", NULL);
    static const int KEY[] = {0};
    static const char *const KEPT[] = {"own"};
    const DmlColumn columns[] = {
        {.name = "id", .type_schema = "p", .type_name = "i", .equal_schema = "p"},
        {.name = "ab", .type_schema = "p", .type_name = "x"},
        {.name = "made", .type_schema = "p", .type_name = "x", .made = &rel.columns[2]},
    };
    const DmlTable table = {.schema = "s",
                            .name = "t",
                            .column_count = 3,
                            .columns = columns,
                            .key_count = 1,
                            .key = KEY,
                            .kept_count = 1,
                            .kept = KEPT};
    const bool other[] = {false, true, false}, key[] = {true, false, false};
    const bool none[] = {false, false, false};
    BUILDS(dml_insert_row(&st, &table),
           "INSERT INTO \"s\".\"t\" (\"id\", \"ab\", \"made\") OVERRIDING SYSTEM VALUE VALUES "
           "($1::\"p\".\"i\", $2::\"p\".\"x\", ( $1::\"p\".\"i\" ||  $2::\"p\".\"x\"))");
    BUILDS(
        dml_update_set(&st, &table, other),
        "UPDATE ONLY \"s\".\"t\" AS t SET \"ab\" = s.c2, \"made\" = ( \"t\".\"id\" ||  s.c2) FROM "
        "ROWS FROM (pg_catalog.unnest($1::\"p\".\"i\"[]), pg_catalog.unnest($2::\"p\".\"x\"[])) AS "
        "s (c1, c2) WHERE \"t\".\"id\" OPERATOR(\"p\".=) s.c1");
    BUILDS(
        dml_update_set(&st, &table, none),
        "UPDATE ONLY \"s\".\"t\" AS t SET \"id\" = t.\"id\" FROM ROWS FROM (pg_catalog.unnest($1::"
        "\"p\".\"i\"[])) AS s (c1) WHERE \"t\".\"id\" OPERATOR(\"p\".=) s.c1");
    BUILDS(dml_update_row(&st, &table, key, false),
           "UPDATE ONLY \"s\".\"t\" AS t SET \"id\" = $2::\"p\".\"i\", \"made\" = ( "
           "$2::\"p\".\"i\" ||  "
           "\"t\".\"ab\") WHERE (\"t\".\"id\" OPERATOR(\"p\".=) $1::\"p\".\"i\")");
    BUILDS(
        dml_replace_row(&st, &table, key),
        "WITH gone AS (DELETE FROM ONLY \"s\".\"t\" AS t WHERE \"t\".\"id\" OPERATOR(\"p\".=) "
        "$1::\"p\".\"i\" RETURNING t.*) INSERT INTO \"s\".\"t\" (\"id\", \"ab\", \"made\", "
        "\"own\") OVERRIDING SYSTEM VALUE SELECT $2::\"p\".\"i\", gone.\"ab\", ( $2::\"p\".\"i\" "
        "||  \"gone\".\"ab\"), gone.\"own\" FROM gone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(expressions, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(other_names, setup, teardown),
        cmocka_unit_test_setup_teardown(other_types, setup, teardown),
        cmocka_unit_test_setup_teardown(statements_make_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
