/* The text of the statements for rows that the target may have already. */
#include "dml_fixture.h"
#include "sqltext/dml_conflict.h"

static const DmlColumn COLUMNS[] = {
    ID_COLUMN,
    NAME_COLUMN,
};
static const int KEY[] = {0};
static const DmlClashPart PART = {.element = "lower((\"na\"\"me\")::text)",
                                  .operator_schema = "public",
                                  .operator_name = "=",
                                  .type_schema = "pg_catalog",
                                  .type_name = "text"};
static const DmlClash CLASH = {
    .parts = &PART, .count = 1, .predicate = "(id > 0)", .nulls_equal = true};
static const DmlTable TABLE = {
    .schema = "s", .name = "t", .column_count = 2, .columns = COLUMNS, .key_count = 1, .key = KEY};
static const bool ALL[] = {true, true};
static const bool ONE[] = {true, false};

#define TEXT(x)                                                                                    \
    "(CASE WHEN " x " IS DISTINCT FROM NULL THEN pg_catalog.format('%s', " x                       \
    ") END COLLATE pg_catalog.\"C\")"
#define ROW                                                                                        \
    "(SELECT $1::\"pg_catalog\".\"int4\" AS \"id\", $2::\"public\".\"citext\" AS \"na\"\"me\") "   \
    "AS s"
#define ROWS_OF                                                                                    \
    "pg_catalog.to_jsonb(t.*)::pg_catalog.text AS target, "                                        \
    "pg_catalog.to_jsonb(s.*)::pg_catalog.text AS source, "
#define DIFFERING                                                                                  \
    "ARRAY(SELECT v.n FROM (VALUES ('id', " TEXT("t.\"id\"") ", " TEXT(                            \
        "s.\"id\"") "), ('na\"me', " TEXT("t.\"na\"\"me\"") ", " TEXT("s.\"na\"\"me\"") ")) AS v " \
                                                                                        "(n, a, "  \
                                                                                        "b) "      \
                                                                                        "WHERE "   \
                                                                                        "v.a IS "  \
                                                                                        "DISTINCT" \
                                                                                        " FROM "   \
                                                                                        "v.b)::"   \
                                                                                        "pg_"      \
                                                                                        "catalog." \
                                                                                        "text AS " \
                                                                                        "columns," \
                                                                                        " "

#define ELEMENTS(of, name)                                                                         \
    " CROSS JOIN LATERAL (SELECT lower((\"na\"\"me\")::text) AS e1, (id > 0) AS p FROM "           \
    "(SELECT " of ".*) AS x) AS \"" name "\""

static void inserts_pass_over(void **state)
{
    (void)state;
    BUILDS(dml_insert_row_or_pass(&st, &TABLE),
           "INSERT INTO \"s\".\"t\" (\"id\", \"na\"\"me\") OVERRIDING SYSTEM VALUE VALUES "
           "($1::\"pg_catalog\".\"int4\", $2::\"public\".\"citext\") ON CONFLICT DO NOTHING");
    BUILDS(
        dml_equal_set(&st, &TABLE),
        "SELECT FROM ROWS FROM (pg_catalog.unnest($1::\"pg_catalog\".\"int4\"[]), "
        "pg_catalog.unnest($2::\"public\".\"citext\"[])) AS s (c1, c2) JOIN ONLY \"s\".\"t\" AS "
        "t ON \"t\".\"id\" OPERATOR(\"pg_catalog\".=) s.c1 AND t.\"id\" IS NOT DISTINCT FROM s.c1 "
        "AND " TEXT("t.\"na\"\"me\"") " IS NOT DISTINCT FROM " TEXT("s.c2"));
}

static void rows_are_looked_at(void **state)
{
    (void)state;
    BUILDS(dml_look(&st, &TABLE, ALL, 1),
           "SELECT " DIFFERING ROWS_OF "s.\"na\"\"me\" >= t.\"na\"\"me\" AS newer FROM " ROW
           " JOIN ONLY \"s\".\"t\" AS t ON \"t\".\"id\" OPERATOR(\"pg_catalog\".=) s.\"id\" FOR "
           "UPDATE "
           "OF t");
    BUILDS(dml_show_row(&st, &TABLE, ONE),
           "SELECT pg_catalog.to_jsonb(s.*)::pg_catalog.text FROM (SELECT "
           "$1::\"pg_catalog\".\"int4\" AS \"id\") AS s");
    BUILDS(dml_settles(&st, &TABLE, ALL),
           "SELECT FROM bascule.conflict AS c, " ROW
           " WHERE c.target_row || pg_catalog.to_jsonb(s.*) = c.target_row AND "
           "pg_catalog.to_jsonb(s.*) OPERATOR(pg_catalog.?&) COALESCE(c.columns, '{}') AND c.id = "
           "$3::pg_catalog.int8");
    BUILDS(dml_clash(&st, &TABLE, ALL, &CLASH, -1),
           "SELECT " DIFFERING ROWS_OF "NULL::pg_catalog.bool AS newer, " TEXT(
               "t.\"id\"") " FROM " ROW " CROSS JOIN ONLY \"s\".\"t\" AS t" ELEMENTS("t", "a")
               ELEMENTS("s", "b") " WHERE NOT (\"t\".\"id\" OPERATOR(\"pg_catalog\".=) s.\"id\") "
                                  "AND a.p AND b.p AND (\"a\".e1::\"pg_catalog\".\"text\" "
                                  "OPERATOR(\"public\".=) \"b\".e1::\"pg_catalog\".\"text\" OR "
                                  "\"a\".e1 IS NOT DISTINCT FROM NULL AND \"b\".e1 IS NOT "
                                  "DISTINCT FROM NULL) LIMIT 1 FOR UPDATE OF t");
}

/* What a rule makes of other columns takes no parameter, and is known when they are. */
static void columns_that_rules_make(void **state)
{
    (void)state;
    static const ExpressionPiece pieces[] = {{.kind = PIECE_COLUMN, .text = "id"}};
    static const Expression value = {.pieces = (ExpressionPiece *)(uintptr_t)pieces, .count = 1};
    static int operands[] = {1};
    static const Column made = {.name = "twin", .value = &value, .operands = operands};
    static const DmlColumn columns[] = {{.name = "twin",
                                         .type_schema = "pg_catalog",
                                         .type_name = "int4",
                                         .equal_is_exact = true,
                                         .made = &made},
                                        {.name = "id",
                                         .type_schema = "pg_catalog",
                                         .type_name = "int4",
                                         .equal_schema = "pg_catalog",
                                         .equal_is_exact = true}};
    static const int key[] = {1};
    static const DmlTable table = {.schema = "s",
                                   .name = "t",
                                   .column_count = 2,
                                   .columns = columns,
                                   .key_count = 1,
                                   .key = key};
    static const bool came[] = {false, true}, nothing[] = {false, false};
    BUILDS(
        dml_equal_set(&st, &table),
        "SELECT FROM ROWS FROM (pg_catalog.unnest($1::\"pg_catalog\".\"int4\"[])) AS s (c1) JOIN "
        "ONLY \"s\".\"t\" AS t ON \"t\".\"id\" OPERATOR(\"pg_catalog\".=) s.c1 AND t.\"twin\" IS "
        "NOT "
        "DISTINCT FROM ( s.c1) AND t.\"id\" IS NOT DISTINCT FROM s.c1");
    BUILDS(dml_show_row(&st, &table, came),
           "SELECT pg_catalog.to_jsonb(s.*)::pg_catalog.text FROM (SELECT ( "
           "$1::\"pg_catalog\".\"int4\") AS \"twin\", $1::\"pg_catalog\".\"int4\" AS \"id\") AS s");
    assert_true(dml_in_row(&table, came, 0));
    assert_false(dml_in_row(&table, nothing, 0));
}

static void rows_that_refer_are_asked_for(void **state)
{
    (void)state;
    static const DmlChildColumn columns[] = {
        {.name = "of", .referenced = "id", .operator_schema = "pg_catalog", .operator_name = "="},
        {.name = "as", .referenced = "na\"me", .operator_schema = "public", .operator_name = "="}};
    static const DmlChild child = {.schema = "o\"s", .name = "c", .columns = columns, .count = 2};
    BUILDS(dml_has_children(&st, &TABLE, &child),
           "SELECT EXISTS (SELECT FROM ONLY \"s\".\"t\" AS t JOIN \"o\"\"s\".\"c\" AS c ON "
           "t.\"id\" OPERATOR(\"pg_catalog\".=) c.\"of\" AND "
           "t.\"na\"\"me\" OPERATOR(\"public\".=) c.\"as\" WHERE "
           "\"t\".\"id\" OPERATOR(\"pg_catalog\".=) $1::\"pg_catalog\".\"int4\")");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inserts_pass_over),
        cmocka_unit_test(rows_are_looked_at),
        cmocka_unit_test(columns_that_rules_make),
        cmocka_unit_test(rows_that_refer_are_asked_for),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sqltext_done(&st);
    return failed;
}
