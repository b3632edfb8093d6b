/* Points in time as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bascule/base/clock.h"
#include "cli/when.h"

/* 2026-01-30T23:30:00Z, 00:30 of the 31st in Berlin */
#define NOW_US (1769815800LL * 1000000)

static void expect(const char *text, const char *want)
{
    Error err = ERROR_INIT;
    int64_t at = 0;
    char shown[40];
    if (!when_parse(text, NOW_US, &at, &err))
        fail_msg("%s: %s", text, err.message);
    assert_string_equal(clock_format_wall(at, shown, sizeof shown), want);
}

static void refuse(const char *text)
{
    Error err = ERROR_INIT;
    int64_t at = 7;
    if (when_parse(text, NOW_US, &at, &err))
        fail_msg("'%s' was taken", text);
    assert_int_equal(err.cls, ERR_USAGE);
    assert_int_equal(at, 7);
}

static void local_times(void **state)
{
    (void)state;
    expect("02:00", "2026-01-31T01:00:00.000Z");
    expect("00:30:01", "2026-01-30T23:30:01.000Z");
    expect("00:30", "2026-01-31T23:30:00.000Z"); /* just over: the next one */
    expect("00:10", "2026-01-31T23:10:00.000Z");
    expect("2026-02-01 02:00", "2026-02-01T01:00:00.000Z");
    expect("2026-07-01T02:00:05", "2026-07-01T00:00:05.000Z"); /* summer time */
}

static void times_with_a_zone(void **state)
{
    (void)state;
    expect("2026-01-31T02:00:00Z", "2026-01-31T02:00:00.000Z");
    expect("2026-01-31T02:00:00+02:00", "2026-01-31T00:00:00.000Z");
    expect("2026-01-31 02:00-0530", "2026-01-31T07:30:00.000Z");
}

static void expect_past(const char *text, const char *want)
{
    Error err = ERROR_INIT;
    int64_t at = 0;
    char shown[40];
    if (!when_parse_past(text, NOW_US, &at, &err))
        fail_msg("%s: %s", text, err.message);
    assert_string_equal(clock_format_wall(at, shown, sizeof shown), want);
}

static void times_that_have_been(void **state)
{
    (void)state;
    static const char *const WRONG[] = {
        "",     "02:00", "2026-01-3",  "2026-02-30",           "2026-13-01",
        "soon", "-1d",   "2026-02-01", "2027-01-01T00:00:00Z", "2026-01-30 25:00"};
    expect_past("2026-01-30", "2026-01-29T23:00:00.000Z");
    expect_past("2026-01-30 02:00", "2026-01-30T01:00:00.000Z");
    expect_past("2026-01-30T02:00:00Z", "2026-01-30T02:00:00.000Z");
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        Error err = ERROR_INIT;
        int64_t at = 7;
        if (when_parse_past(WRONG[i], NOW_US, &at, &err))
            fail_msg("'%s' was taken", WRONG[i]);
        assert_int_equal(err.cls, ERR_USAGE);
    }
}

static void times_from_now(void **state)
{
    (void)state;
    expect("+30min", "2026-01-31T00:00:00.000Z");
    expect("+45s", "2026-01-30T23:30:45.000Z");
    expect("+2h", "2026-01-31T01:30:00.000Z");
    expect("+0s", "2026-01-30T23:30:00.000Z");
}

static void what_is_no_time(void **state)
{
    static const char *const BAD[] = {"",
                                      "now",
                                      "25:00",
                                      "02:60",
                                      "2",
                                      "02:00x",
                                      "+",
                                      "+5",
                                      "+5min ",
                                      "+min",
                                      "2026-13-01 02:00",
                                      "2026-02-30 02:00",
                                      "2026-01-31",
                                      "2026-01-31T02:00:00+99:00",
                                      "2026-01-31T02:00:00 Z",
                                      "2020-01-01 00:00",
                                      "-30min",
                                      "2:"};
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        refuse(BAD[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_times),          cmocka_unit_test(times_with_a_zone),
        cmocka_unit_test(times_that_have_been), cmocka_unit_test(times_from_now),
        cmocka_unit_test(what_is_no_time),
    };
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    return cmocka_run_group_tests_name("when", tests, NULL, NULL);
}
