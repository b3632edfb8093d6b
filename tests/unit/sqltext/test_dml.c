/* The text of the statements that change rows. */
#include "dml_fixture.h"

static const DmlColumn COLUMNS[] = {
    ID_COLUMN,
    NAME_COLUMN,
    {.name = "tags", .type_schema = "pg_catalog", .type_name = "_text", .as_text = true},
    {.name = "seq",
     .type_schema = "pg_catalog",
     .type_name = "int8",
     .equal_schema = "pg_catalog",
     .equal_is_exact = true,
     .identity_always = true},
};
static const int KEY[] = {0, 1};
static const int PINNED[] = {3};
static const DmlTable TABLE = {
    .schema = "s", .name = "t", .column_count = 4, .columns = COLUMNS, .key_count = 1, .key = KEY};
static const DmlTable WIDE_KEY = {.schema = "s",
                                  .name = "t",
                                  .column_count = 4,
                                  .columns = COLUMNS,
                                  .key_count = 2,
                                  .key = KEY,
                                  .pinned_count = 1,
                                  .pinned = PINNED};
static const DmlTable EMPTY = {.schema = "s", .name = "t", .columns = COLUMNS};
static const bool ALL[] = {true, true, true, true};
static const bool SOME[] = {false, false, true, false};
static const bool NONE[] = {false, false, false, false};

static void sets(void **state)
{
    (void)state;
    BUILDS(dml_insert_set(&st, &TABLE),
           "INSERT INTO \"s\".\"t\" (\"id\", \"na\"\"me\", \"tags\", \"seq\") OVERRIDING SYSTEM "
           "VALUE SELECT s.c1, s.c2, s.c3::\"pg_catalog\".\"_text\", s.c4 FROM ROWS FROM "
           "(pg_catalog.unnest($1::\"pg_catalog\".\"int4\"[]), "
           "pg_catalog.unnest($2::\"public\".\"citext\"[]), "
           "pg_catalog.unnest($3::pg_catalog.text[]), "
           "pg_catalog.unnest($4::\"pg_catalog\".\"int8\"[])) AS s (c1, c2, c3, c4)");
    BUILDS(dml_delete_set(&st, &TABLE),
           "DELETE FROM ONLY \"s\".\"t\" AS t USING ROWS FROM "
           "(pg_catalog.unnest($1::\"pg_catalog\".\"int4\"[])) AS s (c1) WHERE \"t\".\"id\" "
           "OPERATOR(\"pg_catalog\".=) s.c1");
    /* keys and identities are never set; pinned columns are compared */
    BUILDS(dml_update_set(&st, &WIDE_KEY, ALL),
           "UPDATE ONLY \"s\".\"t\" AS t SET \"tags\" = s.c4::\"pg_catalog\".\"_text\" FROM ROWS "
           "FROM (pg_catalog.unnest($1::\"pg_catalog\".\"int4\"[]), "
           "pg_catalog.unnest($2::\"public\".\"citext\"[]), "
           "pg_catalog.unnest($3::\"pg_catalog\".\"int8\"[]), "
           "pg_catalog.unnest($4::pg_catalog.text[])) AS s (c1, c2, c3, c4) WHERE \"t\".\"id\" "
           "OPERATOR(\"pg_catalog\".=) s.c1 AND \"t\".\"na\"\"me\" OPERATOR(\"public\".=) s.c2 AND "
           "\"t\".\"seq\" OPERATOR(\"pg_catalog\".=) s.c3");
    /* nothing to set: the rows are found and counted all the same */
    BUILDS(dml_update_set(&st, &TABLE, NONE),
           "UPDATE ONLY \"s\".\"t\" AS t SET \"id\" = t.\"id\" FROM ROWS FROM "
           "(pg_catalog.unnest($1::\"pg_catalog\".\"int4\"[])) AS s (c1) WHERE \"t\".\"id\" "
           "OPERATOR(\"pg_catalog\".=) s.c1");
    assert_true(dml_sets_anything(&TABLE, SOME, false));
    assert_false(dml_sets_anything(&TABLE, NONE, true));
}

static void rows(void **state)
{
    (void)state;
    BUILDS(dml_insert_row(&st, &TABLE),
           "INSERT INTO \"s\".\"t\" (\"id\", \"na\"\"me\", \"tags\", \"seq\") OVERRIDING SYSTEM "
           "VALUE VALUES ($1::\"pg_catalog\".\"int4\", $2::\"public\".\"citext\", "
           "$3::\"pg_catalog\".\"_text\", $4::\"pg_catalog\".\"int8\")");
    BUILDS(dml_insert_row(&st, &EMPTY), "INSERT INTO \"s\".\"t\" DEFAULT VALUES");
    BUILDS(dml_delete_row(&st, &TABLE),
           "DELETE FROM ONLY \"s\".\"t\" AS t WHERE \"t\".\"id\" OPERATOR(\"pg_catalog\".=) "
           "$1::\"pg_catalog\".\"int4\"");
    BUILDS(dml_update_row(&st, &TABLE, SOME, false),
           "UPDATE ONLY \"s\".\"t\" AS t SET \"tags\" = $2::\"pg_catalog\".\"_text\" WHERE "
           "(\"t\".\"id\" OPERATOR(\"pg_catalog\".=) $1::\"pg_catalog\".\"int4\")");
    BUILDS(dml_update_row(&st, &TABLE, SOME, true),
           "UPDATE ONLY \"s\".\"t\" AS t SET \"tags\" = $2::\"pg_catalog\".\"_text\" WHERE "
           "(\"t\".\"id\" OPERATOR(\"pg_catalog\".=) $1::\"pg_catalog\".\"int4\" OR (\"t\".\"id\" "
           "OPERATOR(\"pg_catalog\".=) $3::\"pg_catalog\".\"int4\" AND NOT EXISTS (SELECT FROM "
           "ONLY \"s\".\"t\" AS o WHERE \"o\".\"id\" OPERATOR(\"pg_catalog\".=) "
           "$1::\"pg_catalog\".\"int4\")))");
    BUILDS(dml_replace_row(&st, &TABLE, SOME),
           "WITH gone AS (DELETE FROM ONLY \"s\".\"t\" AS t WHERE \"t\".\"id\" "
           "OPERATOR(\"pg_catalog\".=) $1::\"pg_catalog\".\"int4\" RETURNING t.*) INSERT INTO "
           "\"s\".\"t\" (\"id\", \"na\"\"me\", \"tags\", \"seq\") OVERRIDING SYSTEM VALUE SELECT "
           "gone.\"id\", gone.\"na\"\"me\", $2::\"pg_catalog\".\"_text\", gone.\"seq\" FROM gone");
}

static void matches(void **state)
{
    (void)state;
    const DmlMatch match[] = {DML_VALUE, DML_VALUE, DML_NULL, DML_ANY};
    const DmlMatch any[] = {DML_ANY, DML_ANY, DML_ANY, DML_ANY};
    BUILDS(dml_delete_match(&st, &TABLE, match),
           "DELETE FROM ONLY \"s\".\"t\" WHERE ctid = (SELECT m.ctid FROM ONLY \"s\".\"t\" AS m "
           "WHERE \"m\".\"id\" OPERATOR(\"pg_catalog\".=) $1::\"pg_catalog\".\"int4\" AND "
           "\"m\".\"na\"\"me\" "
           "OPERATOR(\"public\".=) $2::\"public\".\"citext\" AND m.\"na\"\"me\" IS DISTINCT FROM "
           "NULL AND pg_catalog.format('%s', m.\"na\"\"me\") COLLATE pg_catalog.\"C\" "
           "OPERATOR(pg_catalog.=) "
           "pg_catalog.format('%s', $2::\"public\".\"citext\") AND m.\"tags\" IS NOT DISTINCT FROM "
           "NULL LIMIT 1)");
    BUILDS(dml_update_match(&st, &TABLE, any, SOME),
           "UPDATE ONLY \"s\".\"t\" AS t SET \"tags\" = $1::\"pg_catalog\".\"_text\" WHERE ctid = "
           "(SELECT m.ctid FROM ONLY \"s\".\"t\" AS m LIMIT 1)");
    BUILDS(dml_delete_match(&st, &EMPTY, any),
           "DELETE FROM ONLY \"s\".\"t\" WHERE ctid = (SELECT m.ctid FROM ONLY \"s\".\"t\" AS m "
           "LIMIT 1)");
}

/* Values of a domain are compared as what the domain is made of. */
static void domains(void **state)
{
    (void)state;
    static const DmlColumn column = {.name = "d",
                                     .type_schema = "public",
                                     .type_name = "feeling",
                                     .base_schema = "public",
                                     .base_name = "mood",
                                     .equal_schema = "pg_catalog"};
    static const DmlTable table = {.schema = "s",
                                   .name = "t",
                                   .column_count = 1,
                                   .columns = &column,
                                   .key_count = 1,
                                   .key = KEY};
    BUILDS(dml_delete_set(&st, &table),
           "DELETE FROM ONLY \"s\".\"t\" AS t USING ROWS FROM "
           "(pg_catalog.unnest($1::\"public\".\"feeling\"[])) AS s (c1) WHERE "
           "\"t\".\"d\"::\"public\".\"mood\" OPERATOR(\"pg_catalog\".=) "
           "s.c1::\"public\".\"mood\"");
    BUILDS(dml_delete_row(&st, &table),
           "DELETE FROM ONLY \"s\".\"t\" AS t WHERE \"t\".\"d\"::\"public\".\"mood\" "
           "OPERATOR(\"pg_catalog\".=) $1::\"public\".\"feeling\"::\"public\".\"mood\"");
}

static void others(void **state)
{
    (void)state;
    Relation a = {.target_schema = "s", .target_name = "a"};
    Relation b = {.target_schema = "S", .target_name = "b\""};
    BUILDS(dml_copy(&st, &TABLE, false),
           "COPY \"s\".\"t\" (\"id\", \"na\"\"me\", \"tags\", \"seq\") FROM STDIN");
    BUILDS(dml_copy(&st, &TABLE, true),
           "COPY \"s\".\"t\" (\"id\", \"na\"\"me\", \"tags\", \"seq\") FROM STDIN WITH (FORMAT "
           "binary)");
    BUILDS(dml_truncate(&st, (Relation *[]){&a, &b}, 2),
           "TRUNCATE TABLE ONLY \"s\".\"a\", ONLY \"S\".\"b\"\"\"");
    BUILDS(dml_insert_empty(&st, &EMPTY),
           "INSERT INTO \"s\".\"t\" SELECT FROM pg_catalog.generate_series(1, "
           "$1::pg_catalog.int8)");
}

static int done(void **state)
{
    (void)state;
    sqltext_done(&st);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets),    cmocka_unit_test(rows),   cmocka_unit_test(matches),
        cmocka_unit_test(domains), cmocka_unit_test(others),
    };
    return cmocka_run_group_tests_name("dml", tests, NULL, done);
}
