/* Queries shown to the operator hold no literals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cutover/internal.h"

static void expect(const char *query, const char *masked)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    blockers_mask(&out, query);
    assert_string_equal(buf_str(&out), masked);
}

static void literals_are_hidden(void **state)
{
    (void)state;
    expect("UPDATE t SET name = 'O''Brien' WHERE id = 42", "UPDATE t SET name = ? WHERE id = ?");
    expect("SELECT $$secret$$, $tag$se$$cret$tag$", "SELECT ?, ?");
    expect("UPDATE t1 SET x = $1, y2 = 3.25e7", "UPDATE t1 SET x = $1, y2 = ?");
    expect("INSERT INTO t VALUES (E'a\\'b', 0x1F)", "INSERT INTO t VALUES (E?, ?)");
    expect("a\n\t  b", "a b");
    expect("'never closed", "?");
    expect("", "");
}

static void long_ones_are_cut(void **state)
{
    (void)state;
    CLEANUP_BUF Buf out = BUF_INIT;
    char query[300];
    memset(query, 'x', sizeof query - 1);
    query[sizeof query - 1] = '\0';
    blockers_mask(&out, query);
    assert_int_equal(out.len, 63);
    assert_string_equal(out.data + 60, "...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_are_hidden),
        cmocka_unit_test(long_ones_are_cut),
    };
    return cmocka_run_group_tests_name("blockers", tests, NULL, NULL);
}
