/* The one line of a pooler's file that is changed, and everything that is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "task/pooler_entry.h"

static const PoolerPlace THERE = {"10.0.0.9", "5433", "shop"};

static void moves(const char *text, const char *name, const char *expected)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    bool found = false;
    pooler_entry_move(text, name, &THERE, &out, &found);
    assert_int_equal(found, expected != NULL);
    assert_string_equal(buf_str(&out), expected != NULL ? expected : "");
}

static void only_the_entry_changes(void **state)
{
    (void)state;
    moves("; first\n[databases]\n;app = host=no\napp = host=db1 port=5432 dbname=shop pool_size=7\n"
          "app2 = host=db1\n[pgbouncer]\napp = host=not this\n",
          "app",
          "; first\n[databases]\n;app = host=no\napp = host=10.0.0.9 port=5433 dbname=shop "
          "pool_size=7\n"
          "app2 = host=db1\n[pgbouncer]\napp = host=not this\n");
}

static void every_way_to_write_it(void **state)
{
    (void)state;
    moves("app=", "app", "app=host=10.0.0.9 port=5433 dbname=shop");
    moves("\"my app\"  =  dbname=x\r\n", "my app",
          "\"my app\"  =  host=10.0.0.9 port=5433 dbname=shop\r\n");
    moves("a = password='it''s = host=x' host = 'old one' user=u\n", "a",
          "a = host=10.0.0.9 port=5433 dbname=shop password='it''s = host=x' user=u\n");
    moves("a = connect_query='select ''host=1'''   port=1", "a",
          "a = host=10.0.0.9 port=5433 dbname=shop connect_query='select ''host=1'''");
    moves("[pgbouncer]\na = host=x\n", "a", NULL);
    moves("ab = host=x\n", "a", NULL);
    moves("", "a", NULL);
    moves("a = host='never closed", "a", "a = host=10.0.0.9 port=5433 dbname=shop");
}

static void there_and_back_is_the_same_line(void **state)
{
    (void)state;
    static const PoolerPlace QUOTED = {"/var/run/my socket", "5432", "it's"};
    CLEANUP_BUF Buf there = BUF_INIT;
    CLEANUP_BUF Buf back = BUF_INIT;
    bool found;
    pooler_entry_move("[databases]\nx = pool_mode=session\n", "x", &QUOTED, &there, &found);
    assert_string_equal(buf_str(&there), "[databases]\nx = host='/var/run/my socket' port=5432 "
                                         "dbname='it''s' pool_mode=session\n");
    pooler_entry_move(buf_str(&there), "x", &THERE, &back, &found);
    assert_string_equal(buf_str(&back),
                        "[databases]\nx = host=10.0.0.9 port=5433 dbname=shop pool_mode=session\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_entry_changes),
        cmocka_unit_test(every_way_to_write_it),
        cmocka_unit_test(there_and_back_is_the_same_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
