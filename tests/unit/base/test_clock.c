/* Clock texts and conversions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "bascule/base/clock.h"
#include <cmocka.h>

static void duration(int64_t us, const char *expected)
{
    char out[64];
    assert_string_equal(clock_format_duration(us, out, sizeof out), expected);
}

static void durations(void **state)
{
    (void)state;
    duration(0, "0 ms");
    duration(7, "7 us");
    duration(12345, "12 ms");
    duration(4210000, "4.2 s");
    duration(59999999, "59.9 s");
    duration(INT64_C(185) * 1000000, "3 min 5 s");
    duration(INT64_C(3600) * 1000000, "1 h 0 min");
    duration(INT64_C(93600) * 1000000, "1 d 2 h");
    duration(-12345, "-12 ms");
    duration(INT64_MIN, "-106751991 d 4 h");
}

static void wall(int64_t us, const char *expected)
{
    char out[64];
    assert_string_equal(clock_format_wall(us, out, sizeof out), expected);
}

static void walls(void **state)
{
    (void)state;
    wall(0, "1970-01-01T00:00:00.000Z");
    wall(-1, "1969-12-31T23:59:59.999Z");
    wall(INT64_C(1767323045678000), "2026-01-02T03:04:05.678Z");
    wall(clock_from_pg_us(0), "2000-01-01T00:00:00.000Z");
    assert_int_equal(clock_to_pg_us(clock_from_pg_us(12345)), 12345);
}

static void poll_milliseconds(void **state)
{
    (void)state;
    assert_int_equal(clock_poll_ms(CLOCK_NEVER), -1);
    assert_int_equal(clock_poll_ms(0), 0);
    assert_int_equal(clock_poll_ms(clock_now_us() - 5), 0);
    assert_in_range(clock_poll_ms(clock_now_us() + 10000), 1, 10);
    assert_int_equal(clock_poll_ms(clock_now_us() + 900), 1); /* up, never a busy loop */
    assert_int_equal(clock_poll_ms(CLOCK_NEVER - 1), INT32_MAX);
}

static void monotonic(void **state)
{
    (void)state;
    int64_t last = clock_now_us();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_now_us();
        assert_true(now >= last);
        last = now;
    }
    assert_true(clock_wall_us() > INT64_C(1700000000) * 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(walls),
        cmocka_unit_test(poll_milliseconds),
        cmocka_unit_test(monotonic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
