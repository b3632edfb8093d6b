/* sqlsplit: a script's statements, where they begin, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "schema/sqlsplit.h"

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

static SqlSplit split(const char *script)
{
    SqlSplit out;
    Error err = ERROR_INIT;
    if (!sqlsplit(arena, script, strlen(script), &out, &err))
        fail_msg("%s: %s", script, err.message);
    return out;
}

static void refused(const char *script, const char *message)
{
    SqlSplit out;
    Error err = ERROR_INIT;
    assert_false(sqlsplit(arena, script, strlen(script), &out, &err));
    assert_int_equal(err.cls, ERR_CONFIG);
    if (strstr(err.message, message) == NULL)
        fail_msg("'%s' is not in '%s'", message, err.message);
}

static void test_semicolons_divide(void **state)
{
    (void)state;
    SqlSplit s = split("SELECT 1;\n\n ;; -- nothing\n/* no; thing */\nSELECT 2 ; SELECT\n3");
    assert_int_equal(s.count, 3);
    assert_string_equal(s.all[0].text, "SELECT 1");
    assert_int_equal(s.all[0].line, 1);
    assert_string_equal(s.all[1].text, "SELECT 2 ");
    assert_int_equal(s.all[1].line, 5);
    assert_string_equal(s.all[2].text, "SELECT\n3");
    assert_int_equal(split("").count, 0);
    assert_int_equal(split(" -- only this\n").count, 0);
}

static void test_what_hides_a_semicolon(void **state)
{
    (void)state;
    static const char *const ONE[] = {
        "SELECT 'a;b''c;d'",
        "SELECT E'a\\';b'",
        "SELECT e'\\\\', 1",
        "SELECT U&'a;b', B'1', N'x;'",
        "SELECT \"a;\"\"b;\"",
        "SELECT $$a;b$$",
        "SELECT $x$a;$$;$y$;$x$",
        "SELECT $\xc3\xa4$a;$\xc3\xa4$",
        "SELECT 1 /* a; /* b; */ c; */",
        "SELECT 1 -- a; b\n + 2",
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
        "CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END",
        "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC SELECT 1; END",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$",
        "DO $$ BEGIN PERFORM 1; END $$",
        "CREATE FUNCTION f(begin int, finish int) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$",
        "SELECT a$b$ FROM t WHERE a$b$ = $1",
    };
    for (size_t i = 0; i < sizeof ONE / sizeof *ONE; i++) {
        SqlSplit s = split(arena_printf(arena, "%s; SELECT 'end'", ONE[i]));
        if (s.count != 2)
            fail_msg("%d statements in: %s", s.count, ONE[i]);
        assert_string_equal(s.all[0].text, ONE[i]);
    }
}

static void test_what_does_not_end(void **state)
{
    (void)state;
    refused("SELECT 1;\nSELECT 'a\n\n", "line 2: a string");
    refused("SELECT E'a\\'", "line 1: a string");
    refused("\n\nSELECT \"a", "line 3: a quoted name");
    refused("SELECT $$ a $x$", "line 1: a dollar-quoted string");
    refused("/* a /* b */", "line 1: a comment");
    refused("SELECT 1;\n\\connect other", "line 2: '\\'");
}

static void test_transactions_are_seen(void **state)
{
    (void)state;
    static const char *const YES[] = {"BEGIN",
                                      "begin isolation level serializable",
                                      "/* x */ Commit",
                                      "END",
                                      "ABORT",
                                      "START TRANSACTION",
                                      "ROLLBACK",
                                      "rollback and chain",
                                      "PREPARE TRANSACTION 'x'",
                                      "ROLLBACK PREPARED 'x'"};
    static const char *const NO[] = {
        "SAVEPOINT a",           "ROLLBACK TO a", "ROLLBACK TO SAVEPOINT a",   "RELEASE a",
        "PREPARE q AS SELECT 1", "SELECT 1",      "DO $$ BEGIN COMMIT; END $$"};
    for (size_t i = 0; i < sizeof YES / sizeof *YES; i++)
        assert_true(sqlsplit_is_transaction(&split(YES[i]).all[0]));
    for (size_t i = 0; i < sizeof NO / sizeof *NO; i++)
        assert_false(sqlsplit_is_transaction(&split(NO[i]).all[0]));
    refused("SELECT 1;\nCOPY t FROM stdin;\n1\n\\.\n", "line 2: COPY");
    refused("COPY (SELECT 1) TO STDOUT", "line 1: COPY");
    split("COPY t FROM '/tmp/x'");
    split("COPY t (stdin) FROM '/tmp/x'");
}

static void test_positions_are_characters(void **state)
{
    (void)state;
    SqlSplit s = split("SELECT 1;\n\nSELECT '\xc3\xa4\xc3\xb6\xc3\xbc',\n  nope,\n  1;");
    const SqlStatement *st = &s.all[1];
    assert_int_equal(sqlsplit_line(st, 0), 3);
    assert_int_equal(sqlsplit_line(st, 1), 3);
    /* S E L E C T ' ' ... : "SELECT 'äöü',\n  nope" has 'n' as its 17th character */
    assert_int_equal(sqlsplit_line(st, 14), 3); /* the line end itself */
    assert_int_equal(sqlsplit_line(st, 17), 4);
    assert_int_equal(sqlsplit_line(st, 25), 5);
    assert_int_equal(sqlsplit_line(st, 9999), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_semicolons_divide, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_hides_a_semicolon, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_does_not_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_transactions_are_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_positions_are_characters, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
