/* What the target is asked about the rows of a batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sqltext/dml_filter.h"
#include "sqltext/reading.h"

static void questions(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    Arena *arena = arena_new(0);
    SqlText st = SQLTEXT_INIT;
    static int operands[] = {1, -1, -1};
    static const bool texts[] = {true, false, false};
    static const int key[] = {0}, asked[] = {1};
    static const DmlColumn columns[] = {
        {.name = "id", .type_schema = "p", .type_name = "i", .equal_schema = "p"},
        {.name = "word", .type_schema = "p", .type_name = "x"},
    };
    const DmlTable table = {.schema = "s",
                            .name = "t",
                            .column_count = 2,
                            .columns = columns,
                            .key_count = 1,
                            .key = key};
    Relation rel = {.filter_operands = operands, .filter_texts = texts};
    assert_true(expression_parse(arena, "$word > 'a'", &rel.filter, &err));
    dml_passes(&st, &table, &rel, asked, 1);
    assert_string_equal(
        sqltext_sql(&st).text,
        "SELECT pg_catalog.string_agg(CASE WHEN ( (s.c1 COLLATE pg_catalog.\"C\") >  'a') THEN '1' "
        "ELSE '0' END, '' ORDER BY s.o) FROM ROWS FROM (pg_catalog.unnest($1::\"p\".\"x\"[])) WITH "
        "ORDINALITY AS s (c1, o)");
    sqltext_clear(&st);
    dml_has(&st, &table, &rel);
    assert_string_equal(
        sqltext_sql(&st).text,
        "SELECT pg_catalog.string_agg(CASE WHEN EXISTS (SELECT FROM ONLY \"s\".\"t\" AS t WHERE "
        "\"t\".\"id\" OPERATOR(\"p\".=) s.c1 AND ( (t.\"word\" COLLATE pg_catalog.\"C\") >  'a') "
        "OFFSET 0) THEN '1' ELSE '0' END, '' ORDER BY s.o) FROM ROWS FROM "
        "(pg_catalog.unnest($1::\"p\".\"i\"[])) WITH ORDINALITY AS s (c1, o)");
    sqltext_done(&st);
    arena_free(arena);
}

/* A rule that does not fit any more is no rule for all rows. */
static void unknown_condition(void **state)
{
    (void)state;
    SqlText st = SQLTEXT_INIT;
    const Relation rel = {.rule_trouble = "it's gone"};
    reading_where(&st, &rel, false, NULL);
    assert_string_equal(sqltext_sql(&st).text, " WHERE 'it''s gone'::pg_catalog.bool");
    sqltext_done(&st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(questions),
                                       cmocka_unit_test(unknown_condition)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
