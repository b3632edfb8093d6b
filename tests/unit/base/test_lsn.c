/* WAL positions as text: strict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "bascule/model/lsn.h"
#include <cmocka.h>

static void good(const char *text, Lsn expected)
{
    Lsn lsn = 99;
    assert_true(lsn_parse(text, &lsn));
    assert_true(lsn == expected);
}

static void bad(const char *text)
{
    Lsn lsn = 99;
    assert_false(lsn_parse(text, &lsn));
    assert_int_equal(lsn, 99); /* untouched */
}

static void parses(void **state)
{
    (void)state;
    good("0/0", 0);
    good("0/16B3748", 0x16B3748);
    good("a/ff", UINT64_C(0xA000000FF));
    good("1/00000001", UINT64_C(0x100000001));
    good("FFFFFFFF/FFFFFFFF", UINT64_MAX);
}

static void refuses(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",      "0",     "/",     "0/",   "/0",          "0/0 ",        " 0/0",        "0 /0",
        "0/ 0",  "-1/0",  "+1/0",  "0/-1", "0x1/0",       "0/0x",        "0/g",         "g/0",
        "0/0/0", "0/0x1", "1/1\n", "0//0", "000000001/0", "0/000000001", "FFFFFFFFF/0", "0\\0",
        "(1/1)", "null",  "0/0\t"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        bad(BAD[i]);
    bad(NULL);
}

static void prints(void **state)
{
    (void)state;
    assert_string_equal(lsn_text(0).text, "0/0");
    assert_string_equal(lsn_text(UINT64_C(0xA000000FF)).text, "A/FF");
    assert_string_equal(lsn_text(UINT64_MAX).text, "FFFFFFFF/FFFFFFFF");
    for (Lsn lsn = 1; lsn != 0; lsn <<= 1) {
        Lsn back;
        assert_true(lsn_parse(lsn_text(lsn).text, &back));
        assert_true(back == lsn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),
        cmocka_unit_test(refuses),
        cmocka_unit_test(prints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
