/* test_throttle - what readers take together stays below the rate, in simulated time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "verify/throttle.h"

enum { READERS = 7, TAKES = 20000, LARGEST = 1 << 16 };
#define RATE  ((int64_t)3000000)
#define START ((int64_t)5000000000)

static uint64_t state = 88172645463325252ULL;

static int64_t below(int64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int64_t)(state % (uint64_t)n);
}

typedef struct Taken {
    int64_t at_us, bytes;
} Taken;
static Taken taken[TAKES];

/* Each reader needs read_us for a piece, and reads on when it may; what it read counts from then. */
static int64_t simulate(int64_t read_us)
{
    Throttle throttle = {.rate_bytes = RATE};
    int64_t ready_us[READERS], now_us = START;
    for (int i = 0; i < READERS; i++)
        ready_us[i] = START;
    for (int n = 0; n < TAKES; n++) {
        int next = 0;
        for (int i = 1; i < READERS; i++)
            if (ready_us[i] < ready_us[next])
                next = i;
        now_us = ready_us[next];
        taken[n] = (Taken){now_us, 1 + below(LARGEST)};
        ready_us[next] =
            now_us + throttle_take(&throttle, taken[n].bytes, now_us) + below(2 * read_us + 1);
    }
    return now_us - START;
}

/* In every stretch of time, wherever it begins. */
static void assert_bounded(void)
{
    for (int first = 0; first < TAKES; first += 97) {
        int64_t sum = 0;
        for (int n = first; n < TAKES; n++) {
            sum += taken[n].bytes;
            double seconds = (double)(taken[n].at_us - taken[first].at_us) / 1e6;
            double most = seconds * (double)RATE + (double)(READERS + 1) * LARGEST;
            assert_true((double)sum <= most);
        }
    }
}

static int64_t total(void)
{
    int64_t sum = 0;
    for (int n = 0; n < TAKES; n++)
        sum += taken[n].bytes;
    return sum;
}

static void fast_readers(void **unused)
{
    (void)unused;
    int64_t us = simulate(0);
    assert_bounded();
    /* and nothing is given away */
    assert_true((double)total() > 0.99 * (double)RATE * (double)us / 1e6);
}

static void readers_that_take_time(void **unused)
{
    (void)unused;
    int64_t us = simulate(5000);
    assert_bounded();
    assert_true((double)total() > 0.9 * (double)RATE * (double)us / 1e6);
    /* slower than the rate by themselves: nobody waits for long */
    us = simulate(1000000);
    assert_bounded();
    assert_true((double)total() < (double)RATE * (double)us / 1e6);
}

static void a_pause_is_not_saved_up(void **unused)
{
    (void)unused;
    Throttle throttle = {.rate_bytes = RATE};
    assert_int_equal(throttle_take(&throttle, RATE, START), 1000000);
    /* an hour later */
    int64_t now_us = START + INT64_C(3600000000);
    assert_int_equal(throttle_take(&throttle, RATE / 2, now_us), 500000);
    assert_int_equal(throttle_take(&throttle, RATE / 2, now_us), 1000000);
    assert_int_equal(throttle_take(&throttle, RATE / 2, now_us + 1000000), 500000);
}

static void no_limit(void **unused)
{
    (void)unused;
    Throttle throttle = {.rate_bytes = 0};
    assert_int_equal(throttle_take(&throttle, INT64_C(1) << 40, START), 0);
    throttle.rate_bytes = RATE;
    assert_int_equal(throttle_take(&throttle, 0, START), 0);
    assert_int_equal(throttle_take(&throttle, -5, START), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_readers),
        cmocka_unit_test(readers_that_take_time),
        cmocka_unit_test(a_pause_is_not_saved_up),
        cmocka_unit_test(no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
