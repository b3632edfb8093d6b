/* timestamp: what the server prints, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "wire/timestamp.h"

static int64_t parse(const char *text)
{
    int64_t us = -1;
    assert_true(timestamp_parse(text, strlen(text), &us));
    return us;
}

static void known_instants(void **state)
{
    (void)state;
    assert_true(parse("1970-01-01 00:00:00+00") == 0);
    assert_true(parse("2026-11-21 07:29:04.408885+00") == 1795246144408885);
    assert_true(parse("2024-02-29 23:59:59.9+00") == 1709251199900000);
    assert_true(parse("2024-03-01 00:00:00+00") == 1709251200000000);
    assert_true(parse("1970-01-01 05:30:00+05:30") == 0);
    assert_true(parse("1969-12-31 19:00:00-05") == 0);
    assert_true(parse("1969-12-31 23:15:30-00:44:30") == 0);
    assert_true(parse("1969-12-31 23:59:59.999999+00") == -1);
    assert_true(parse("99999-12-31 23:59:59.999999+00") == 3093527980799999999);
    assert_true(parse("1970-01-01 00:00:00.1234567+00") == 123456);
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",
        "infinity",
        "294276-12-31 23:59:59.999999+00", /* does not fit microseconds since 1970 */
        "2026-11-21",
        "2026-11-21 07:29",
        "2026-11-21 07:29:04",
        "2026-11-21 07:29:04 UTC",
        "2026-11-21 07:29:04+0",
        "2026-11-21 07:29:04+00:",
        "2026-11-21 07:29:04+00:00:",
        "2026-11-21T07:29:04+00",
        "2026-13-21 07:29:04+00",
        "2026-00-21 07:29:04+00",
        "0044-03-15 12:00:00+00 BC",
        "11/21/2026 07:29:04 UTC",
    };
    int64_t us;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_false(timestamp_parse(BAD[i], strlen(BAD[i]), &us));
    static const char GOOD[] = "2026-11-21 07:29:04.408885+00";
    for (size_t len = 0; len < sizeof GOOD - 1; len++)
        assert_false(timestamp_parse(GOOD, len, &us));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_instants),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
