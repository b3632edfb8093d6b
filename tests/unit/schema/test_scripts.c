/* scripts: which names are revisions, and their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "schema/scripts.h"

static void is(const char *name, const char *revision)
{
    Revision out;
    if (!revision_of_file(name, &out))
        fail_msg("'%s' is refused", name);
    assert_string_equal(out.text, revision);
}

static void test_names(void **state)
{
    (void)state;
    is("001_accounts.sql", "1");
    is("1_a.sql", "1");
    is("20240131120000_first table.sql", "20240131120000");
    is("V1__accounts.sql", "1");
    is("v1.2__more.sql", "1.2");
    is("V01.0__x.sql", "1");
    is("V1_2__x.sql", "1.2");
    is("1.10_x.sql", "1.10");
    static const char *const NONE[] = {
        "accounts.sql", "001.sql",      "001_.sql",        "V1_accounts.sql",
        "V__x.sql",     "U1__undo.sql", "R__views.sql",    "_x.sql",
        "1a_x.sql",     "1..2_x.sql",   "1.2.3.4.5_x.sql", "1234567890123456789_x.sql"};
    Revision out;
    for (size_t i = 0; i < sizeof NONE / sizeof *NONE; i++)
        if (revision_of_file(NONE[i], &out))
            fail_msg("'%s' is taken as %s", NONE[i], out.text);
}

static int order(const char *a, const char *b)
{
    Revision x, y;
    assert_true(revision_parse(a, strlen(a), &x));
    assert_true(revision_parse(b, strlen(b), &y));
    return revision_compare(&x, &y);
}

static void test_order(void **state)
{
    (void)state;
    assert_true(order("2", "10") < 0);
    assert_true(order("1.10", "1.9") > 0);
    assert_true(order("1.1", "2") < 0);
    assert_int_equal(order("001", "1.0"), 0);
    assert_int_equal(order("V1_2", "1.2"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
