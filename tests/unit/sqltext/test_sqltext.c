/* SQL text: what the pieces become, above all quotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "sqltext/sqltext.h"
#include <cmocka.h>

static const char *ident(SqlText *st, const char *name)
{
    sqltext_clear(st);
    sqltext_ident(st, name);
    return sqltext_sql(st).text;
}

static const char *string(SqlText *st, const char *value)
{
    sqltext_clear(st);
    sqltext_string(st, value);
    return sqltext_sql(st).text;
}

static void identifiers(void **state)
{
    (void)state;
    SqlText st CLEANUP_SQLTEXT = SQLTEXT_INIT;
    assert_string_equal(ident(&st, "plain"), "\"plain\"");
    assert_string_equal(ident(&st, "Mixed Case"), "\"Mixed Case\"");
    assert_string_equal(ident(&st, ""), "\"\"");
    assert_string_equal(ident(&st, "\""), "\"\"\"\"");
    assert_string_equal(ident(&st, "a\"b\"\"c"), "\"a\"\"b\"\"\"\"c\"");
    assert_string_equal(ident(&st, "\"; drop table t; --"), "\"\"\"; drop table t; --\"");
    assert_string_equal(ident(&st, "it's \\ fine"), "\"it's \\ fine\"");
    assert_string_equal(ident(&st, "größe"), "\"größe\"");
    assert_string_equal(ident(&st, "a.b"), "\"a.b\"");
    assert_string_equal(ident(&st, "$1"), "\"$1\"");
}

static void qualified(void **state)
{
    (void)state;
    SqlText st CLEANUP_SQLTEXT = SQLTEXT_INIT;
    sqltext_qualified(&st, "my.schema", "t\"able");
    assert_string_equal(sqltext_sql(&st).text, "\"my.schema\".\"t\"\"able\"");
}

static void strings(void **state)
{
    (void)state;
    SqlText st CLEANUP_SQLTEXT = SQLTEXT_INIT;
    assert_string_equal(string(&st, ""), "''");
    assert_string_equal(string(&st, "x"), "'x'");
    assert_string_equal(string(&st, "it's"), "'it''s'");
    assert_string_equal(string(&st, "'"), "''''");
    assert_string_equal(string(&st, "''"), "''''''");
    assert_string_equal(string(&st, "a\\b"), "'a\\b'");
    assert_string_equal(string(&st, "\\'"), "'\\'''");
    assert_string_equal(string(&st, "a\nb\"c"), "'a\nb\"c'");
}

static void whole_statements(void **state)
{
    (void)state;
    SqlText st CLEANUP_SQLTEXT = SQLTEXT_INIT;
    assert_string_equal(sqltext_sql(&st).text, "");
    sqltext_put(&st, "START_REPLICATION SLOT ");
    sqltext_ident(&st, "s");
    sqltext_put(&st, " LOGICAL ");
    sqltext_lsn(&st, UINT64_C(0xA000000FF));
    sqltext_put(&st, " (proto_version ");
    sqltext_string(&st, "1");
    sqltext_put(&st, ")");
    assert_string_equal(sqltext_sql(&st).text,
                        "START_REPLICATION SLOT \"s\" LOGICAL A/FF (proto_version '1')");
    sqltext_clear(&st);
    sqltext_append(&st, SQL("SELECT "));
    sqltext_param(&st, 1);
    sqltext_put(&st, ", ");
    sqltext_param(&st, 65535);
    assert_string_equal(sqltext_sql(&st).text, "SELECT $1, $65535");
}

static void numbers(void **state)
{
    (void)state;
    SqlText st CLEANUP_SQLTEXT = SQLTEXT_INIT;
    sqltext_i64(&st, INT64_MIN);
    sqltext_put(&st, " ");
    sqltext_i64(&st, INT64_MAX);
    assert_string_equal(sqltext_sql(&st).text, "-9223372036854775808 9223372036854775807");
    sqltext_clear(&st);
    sqltext_put(&st, "x -");
    sqltext_i64(&st, -5); /* two signs together would begin a comment */
    assert_string_equal(sqltext_sql(&st).text, "x - -5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identifiers),      cmocka_unit_test(qualified), cmocka_unit_test(strings),
        cmocka_unit_test(whole_statements), cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
