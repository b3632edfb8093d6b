/* lanes: all work is done once, a failure stops the neighbours and is returned, retries, stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "load/lanes.h"

enum { LANES = 4 };

typedef struct Work {
    atomic_int next, done, resets, ticks, halts;
    int count;
    int fail_at; /* -1 never */
    ErrorClass fail_with;
    int fail_times; /* how often; RETRY and RECONNECT are tried again */
    atomic_int failed;
    bool wait; /* lanes wait for each other's end */
    StopToken *wake;
    bool tick_fails;
    StopToken *outer;   /* set by the first tick */
    int current[LANES]; /* a lane's item, kept over a failure; -1 none */
} Work;

static void work_init(Work *work, int count)
{
    memset(work, 0, sizeof *work);
    work->count = count;
    work->fail_at = -1;
    work->wake = stop_new();
    for (int i = 0; i < LANES; i++)
        work->current[i] = -1;
}

static StepResult step(void *self, int lane, Error *err)
{
    Work *work = self;
    int item = work->current[lane] >= 0 ? work->current[lane] : atomic_fetch_add(&work->next, 1);
    if (item >= work->count) {
        if (!work->wait)
            return STEP_DONE;
        (void)stop_wait(work->wake, 20000);
        return STEP_IDLE;
    }
    work->current[lane] = item;
    if (item == work->fail_at && atomic_load(&work->failed) < work->fail_times) {
        atomic_fetch_add(&work->failed, 1);
        ERR(err, work->fail_with, "item %d", item);
        return STEP_FAILED;
    }
    work->current[lane] = -1;
    atomic_fetch_add(&work->done, 1);
    return STEP_AGAIN;
}

static void reset(void *self, int lane)
{
    (void)lane;
    atomic_fetch_add(&((Work *)self)->resets, 1);
}

static bool tick(void *self, Error *err)
{
    Work *work = self;
    atomic_fetch_add(&work->ticks, 1);
    if (work->outer != NULL)
        stop_request(work->outer);
    return !work->tick_fails || ERR(err, ERR_CONN_LOST, "the watcher's session is gone");
}

static void halt(void *self)
{
    Work *work = self;
    atomic_fetch_add(&work->halts, 1);
    stop_request(work->wake);
}

static bool run(Work *work, StopToken *outer, Error *err)
{
    LanesSpec spec = {.name = "lane",
                      .count = LANES,
                      .outer_stop = outer,
                      .self = work,
                      .step = step,
                      .reset = reset,
                      .tick = tick,
                      .halt = halt};
    bool ok = lanes_run(&spec, err);
    stop_free(work->wake);
    return ok;
}

static void everything_is_done_once(void **state)
{
    (void)state;
    Work work;
    Error err = ERROR_INIT;
    work_init(&work, 10000);
    assert_true(run(&work, NULL, &err));
    assert_int_equal(work.done, 10000);
    assert_int_equal(work.resets, LANES);
    assert_int_equal(work.halts, 0);
}

static void a_failure_stops_the_others(void **state)
{
    (void)state;
    Work work;
    Error err = ERROR_INIT;
    work_init(&work, 100);
    work.wait = true;
    work.fail_at = 50;
    work.fail_with = ERR_SQL;
    work.fail_times = 1;
    assert_false(run(&work, NULL, &err));
    assert_int_equal(err.cls, ERR_SQL);
    assert_string_equal(err.message, "item 50");
    assert_int_equal(work.halts, 1);
    assert_int_equal(work.resets, LANES);
}

static void what_can_be_retried_is(void **state)
{
    (void)state;
    Work work;
    Error err = ERROR_INIT;
    work_init(&work, 100);
    work.fail_at = 3;
    work.fail_with = ERR_CONN_LOST;
    work.fail_times = 2;
    assert_true(run(&work, NULL, &err));
    assert_int_equal(work.done, 100);
    assert_int_equal(work.failed, 2);
    assert_int_equal(work.resets, LANES + 2);
}

static void the_program_stops(void **state)
{
    (void)state;
    Work work;
    Error err = ERROR_INIT;
    work_init(&work, 10);
    work.wait = true;
    work.outer = stop_new();
    int64_t begun = clock_now_us();
    assert_false(run(&work, work.outer, &err));
    assert_int_equal(err.cls, ERR_STOPPED);
    assert_true(clock_now_us() - begun < 5000000);
    assert_int_equal(work.halts, 1);
    stop_free(work.outer);
}

static void a_failing_tick_ends_it(void **state)
{
    (void)state;
    Work work;
    Error err = ERROR_INIT;
    work_init(&work, 10);
    work.wait = true;
    work.tick_fails = true;
    assert_false(run(&work, NULL, &err));
    assert_int_equal(err.cls, ERR_CONN_LOST);
    assert_int_equal(work.ticks, 1);
}

int main(void)
{
    log_init(LOG_ERROR, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_done_once), cmocka_unit_test(a_failure_stops_the_others),
        cmocka_unit_test(what_can_be_retried_is),  cmocka_unit_test(the_program_stops),
        cmocka_unit_test(a_failing_tick_ends_it),
    };
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
