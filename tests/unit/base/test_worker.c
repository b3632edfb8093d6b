/* The worker loop: what each step result and each class of error leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/worker.h"

/* A script of step results; the last entry repeats. */
typedef struct Play {
    const char *script; /* a again, i idle, d done, r retry, c reconnect, s stop class, b bug,
                           x "stopped" */
    atomic_int steps, resets, ends;
    atomic_int end_class;
    int64_t times_us[64];
    StopToken *stop;
    char thread_name[32];
} Play;

static StepResult scripted(Error *err, ErrorClass cls)
{
    ERR(err, cls, "scripted");
    return STEP_FAILED;
}

static StepResult step(void *self, Error *err)
{
    Play *play = self;
    int n = atomic_fetch_add(&play->steps, 1);
    int last = (int)strlen(play->script) - 1;
    if (n < 64)
        play->times_us[n] = clock_now_us();
    pthread_getname_np(pthread_self(), play->thread_name, sizeof play->thread_name);
    switch (play->script[n < last ? n : last]) {
    case 'a':
        return STEP_AGAIN;
    case 'i':
        stop_wait(play->stop, 1000);
        return STEP_IDLE;
    case 'd':
        return STEP_DONE;
    case 'r':
        return scripted(err, ERR_SERIALIZATION);
    case 'c':
        return scripted(err, ERR_CONN_LOST);
    case 's':
        return scripted(err, ERR_CONFIG);
    case 'b':
        return scripted(err, ERR_BUG);
    default:
        return scripted(err, ERR_STOPPED);
    }
}

static void reset(void *self)
{
    atomic_fetch_add(&((Play *)self)->resets, 1);
}

static void on_end(void *self, const Error *err)
{
    Play *play = self;
    atomic_store(&play->end_class, (int)err->cls);
    atomic_fetch_add(&play->ends, 1);
}

static Worker *start_play(Play *play, const char *script, int max_restarts)
{
    WorkerSpec spec = {.name = "a-name-longer-than-15",
                       .self = play,
                       .step = step,
                       .reset = reset,
                       .on_end = on_end,
                       .max_restarts = max_restarts};
    Error err;
    Worker *worker;
    *play = (Play){.script = script, .stop = stop_new()};
    worker = worker_start(&spec, play->stop, &err);
    assert_non_null(worker);
    return worker;
}

static bool join_play(Play *play, Worker *worker, Error *err)
{
    bool fine = worker_join(worker, err);
    assert_int_equal(atomic_load(&play->ends), 1);
    assert_int_equal(atomic_load(&play->end_class), (int)err->cls);
    stop_free(play->stop);
    return fine;
}

static void wait_for_steps(Play *play, int count)
{
    while (atomic_load(&play->steps) < count)
        stop_wait(NULL, 1000);
}

static void done(void **state)
{
    (void)state;
    Play play;
    Error err;
    assert_true(join_play(&play, start_play(&play, "aaiad", 0), &err));
    assert_int_equal(play.steps, 5);
    assert_string_equal(play.thread_name, "a-name-longer-t");
}

static void stopped(void **state)
{
    (void)state;
    Play play;
    Error err;
    Worker *worker = start_play(&play, "i", 0);
    char trouble[100];
    wait_for_steps(&play, 3);
    assert_false(worker_ended(worker));
    worker_trouble(worker, trouble, sizeof trouble);
    assert_string_equal(trouble, "");
    stop_request(play.stop);
    assert_true(join_play(&play, worker, &err));
    assert_int_equal(err.cls, ERR_NONE);
}

static void stop_before_the_first_step(void **state)
{
    (void)state;
    StopToken *stop = stop_new();
    Play play = {.script = "a", .stop = stop};
    WorkerSpec spec = {.name = "w", .self = &play, .step = step};
    Error err;
    stop_request(stop);
    Worker *worker = worker_start(&spec, stop, &err);
    assert_non_null(worker);
    assert_true(worker_join(worker, NULL));
    assert_int_equal(play.steps, 0);
    stop_free(stop);
}

static void stopping_error_is_no_failure(void **state)
{
    (void)state;
    Play play;
    Error err;
    assert_true(join_play(&play, start_play(&play, "ax", 0), &err));
}

static void stop_class_ends(void **state)
{
    (void)state;
    Play play;
    Error err;
    assert_false(join_play(&play, start_play(&play, "as", 0), &err));
    assert_int_equal(err.cls, ERR_CONFIG);
    assert_string_equal(err.message, "scripted");
    assert_int_equal(play.resets, 0);
    assert_false(join_play(&play, start_play(&play, "b", 0), &err));
    assert_int_equal(err.cls, ERR_BUG);
}

static void retry_backs_off(void **state)
{
    (void)state;
    Play play;
    Error err;
    assert_true(join_play(&play, start_play(&play, "rrrd", 0), &err));
    assert_int_equal(play.steps, 4);
    assert_int_equal(play.resets, 0);
    /* 100, 200, 400 ms, each a quarter more or less */
    for (int i = 0; i < 3; i++) {
        int64_t waited = play.times_us[i + 1] - play.times_us[i];
        assert_true(waited >= (INT64_C(75000) << i));
        assert_true(waited < (INT64_C(125000) << i) + 400000);
    }
}

static void reconnect_resets(void **state)
{
    (void)state;
    Play play;
    Error err;
    assert_true(join_play(&play, start_play(&play, "acrcd", 0), &err));
    assert_int_equal(play.resets, 2);
}

static void progress_resets_the_backoff(void **state)
{
    (void)state;
    Play play;
    Error err;
    assert_true(join_play(&play, start_play(&play, "rararad", 2), &err));
    for (int i = 0; i < 6; i += 2)
        assert_true(play.times_us[i + 1] - play.times_us[i] < 500000);
    /* idle is not progress: the third failure in a row is one too many */
    assert_false(join_play(&play, start_play(&play, "ririri", 2), &err));
    assert_int_equal(play.steps, 5);
}

static void gives_up(void **state)
{
    (void)state;
    Play play;
    Error err;
    assert_false(join_play(&play, start_play(&play, "c", 2), &err));
    assert_int_equal(play.steps, 3);
    assert_int_equal(err.cls, ERR_CONN_LOST);
    assert_string_equal(err.message, "gave up after 3 attempts: scripted");
}

static void stop_ends_the_backoff(void **state)
{
    (void)state;
    Play play;
    Error err;
    char trouble[100] = "";
    Worker *worker = start_play(&play, "c", 0);
    int64_t start;
    while (strcmp(trouble, "scripted") != 0) {
        worker_trouble(worker, trouble, sizeof trouble);
        stop_wait(NULL, 1000);
    }
    wait_for_steps(&play, 4); /* now it waits for about 800 ms */
    start = clock_now_us();
    stop_request(play.stop);
    assert_true(join_play(&play, worker, &err));
    assert_true(clock_now_us() - start < 500000);
}

static StepResult looks_at_signals(void *self, Error *err)
{
    sigset_t mask;
    (void)err;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    *(int *)self = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGINT);
    return STEP_DONE;
}

static void signals_are_for_main(void **state)
{
    (void)state;
    int blocked = 0;
    WorkerSpec spec = {.name = "w", .self = &blocked, .step = looks_at_signals};
    StopToken *stop = stop_new();
    Error err;
    Worker *worker = worker_start(&spec, stop, &err);
    assert_true(worker_join(worker, &err));
    assert_true(blocked);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGTERM));
    stop_free(stop);
}

static int setup(void **state)
{
    (void)state;
    log_init(LOG_ERROR, false);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(done),
        cmocka_unit_test(stopped),
        cmocka_unit_test(stop_before_the_first_step),
        cmocka_unit_test(stopping_error_is_no_failure),
        cmocka_unit_test(stop_class_ends),
        cmocka_unit_test(retry_backs_off),
        cmocka_unit_test(reconnect_resets),
        cmocka_unit_test(progress_resets_the_backoff),
        cmocka_unit_test(gives_up),
        cmocka_unit_test(stop_ends_the_backoff),
        cmocka_unit_test(signals_are_for_main),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
