/* Which transactions a snapshot's text sees as ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sync/names.h"

static void sees_what_has_ended(void **state)
{
    (void)state;
    assert_true(names_snapshot_sees("100:100:", 99));
    assert_false(names_snapshot_sees("100:100:", 100));
    assert_false(names_snapshot_sees("100:110:100,105", 100));
    assert_true(names_snapshot_sees("100:110:100,105", 101));
    assert_false(names_snapshot_sees("100:110:100,105", 105));
    assert_true(names_snapshot_sees("100:110:100,105", 109));
    assert_false(names_snapshot_sees("100:110:100,105", 110));
}

/* The text has 64 bits, the stream 32. */
static void ids_go_round(void **state)
{
    (void)state;
    assert_true(names_snapshot_sees("4294967290:4294967306:4294967300", 4294967295U));
    assert_false(names_snapshot_sees("4294967290:4294967306:4294967300", 4)); /* 4294967300 */
    assert_true(names_snapshot_sees("4294967290:4294967306:4294967300", 5));
    assert_false(names_snapshot_sees("4294967290:4294967306:4294967300", 10));
    assert_true(names_snapshot_sees("8589934593:8589934593:", 4294967295U));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sees_what_has_ended),
        cmocka_unit_test(ids_go_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
