/* The stop token: flag, fd, polling together with another fd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/stop.h"

static void none_is_never_stopped(void **state)
{
    (void)state;
    assert_false(stop_requested(NULL));
    assert_int_equal(stop_fd(NULL), -1);
    assert_false(stop_wait(NULL, 1000));
    assert_int_equal(stop_poll(NULL, -1, 0, 0), 0);
    stop_free(NULL);
}

static void stays_readable(void **state)
{
    (void)state;
    StopToken *stop = stop_new();
    struct pollfd fd = {.fd = stop_fd(stop), .events = POLLIN};
    assert_false(stop_requested(stop));
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_false(stop_wait(stop, 1000));
    stop_request(stop);
    stop_request(stop);
    assert_true(stop_requested(stop));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(poll(&fd, 1, 0), 1);
        assert_true(stop_wait(stop, CLOCK_NEVER));
    }
    stop_free(stop);
}

static void polls_another_fd(void **state)
{
    (void)state;
    StopToken *stop = stop_new();
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(stop_poll(stop, pipe_fds[0], POLLIN, clock_now_us() + 2000), 0);
    assert_false(stop_requested(stop));
    assert_int_equal(stop_poll(stop, pipe_fds[1], POLLOUT, CLOCK_NEVER), POLLOUT);
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    assert_int_equal(stop_poll(stop, pipe_fds[0], POLLIN, CLOCK_NEVER), POLLIN);
    stop_request(stop); /* the stop comes before readiness */
    assert_int_equal(stop_poll(stop, pipe_fds[0], POLLIN, CLOCK_NEVER), 0);
    assert_int_equal(stop_poll(NULL, pipe_fds[0], POLLIN, CLOCK_NEVER), POLLIN);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    stop_free(stop);
}

static void *waits(void *arg)
{
    stop_wait(arg, CLOCK_NEVER);
    return NULL;
}

static void wakes_every_waiter(void **state)
{
    (void)state;
    StopToken *stop = stop_new();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, waits, stop), 0);
    stop_request(stop);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    stop_free(stop);
}

static StopToken *of_signal;

static void on_signal(int sig)
{
    (void)sig;
    stop_request(of_signal);
}

static void from_a_signal_handler(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_signal};
    of_signal = stop_new();
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    assert_true(stop_wait(of_signal, CLOCK_NEVER));
    signal(SIGUSR1, SIG_DFL);
    stop_free(of_signal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_never_stopped), cmocka_unit_test(stays_readable),
        cmocka_unit_test(polls_another_fd),      cmocka_unit_test(wakes_every_waiter),
        cmocka_unit_test(from_a_signal_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
