/* What is said of a plan that is not the confirmed one any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "bascule/base/sha256.h"
#include "cutover/internal.h"

static const char BEFORE[] = "task: clinic\nmax lag: 1000 ms\ntable a.b: to a.b, shape 12\n"
                             "table a.c: to a.c, shape 9\n";

static void expect(const char *now, const char *want)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    plan_changes(BEFORE, now, &out);
    assert_string_equal(buf_str(&out), want);
}

static void changes_are_named(void **state)
{
    (void)state;
    expect(BEFORE, "");
    expect("task: clinic\nmax lag: 2000 ms\ntable a.b: to a.b, shape 12\n"
           "table a.c: to a.c, shape 9\n",
           "max lag: 2000 ms (was 1000 ms)");
    expect("task: clinic\nmax lag: 1000 ms\ntable a.b: to a.b, shape 13\n"
           "table a.d: to a.d, shape 1\n",
           "table a.b: to a.b, shape 13 (was to a.b, shape 12); new: table a.d: to a.d, shape 1; "
           "gone: table a.c: to a.c, shape 9");
    expect("", "gone: task: clinic; gone: max lag: 1000 ms; gone: table a.b: to a.b, shape 12; "
               "gone: table a.c: to a.c, shape 9");
}

static void many_changes_are_counted(void **state)
{
    CLEANUP_BUF Buf now = BUF_INIT;
    CLEANUP_BUF Buf out = BUF_INIT;
    (void)state;
    for (int i = 0; i < 100; i++)
        buf_printf(&now, "table x%d: here\n", i);
    plan_changes("", buf_str(&now), &out);
    assert_non_null(strstr(buf_str(&out), "new: table x5: here; and 94 more"));
}

static void digests(void **state)
{
    char hex[SHA256_HEX_SIZE];
    (void)state;
    assert_string_equal(sha256_hex("abc", 3, hex),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(sha256_hex("", 0, hex),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_named),
        cmocka_unit_test(many_changes_are_counted),
        cmocka_unit_test(digests),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
