/* Helper programs: output, environment, failures, stop and time limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/base/subprocess.h"

static Buf out;

static bool run_spec(const Subprocess *spec, Error *err)
{
    buf_clear(&out);
    *err = ERROR_INIT;
    return subprocess_run(spec, &out, err);
}

static bool shell(const char *script, Error *err)
{
    Subprocess spec = {.argv = (const char *const[]){"sh", "-c", script, NULL}};
    return run_spec(&spec, err);
}

static void output(void **state)
{
    (void)state;
    Error err;
    assert_true(shell("printf 'one\\ntwo'", &err));
    assert_string_equal(buf_str(&out), "one\ntwo");
    assert_true(shell("exit 0", &err));
    assert_string_equal(buf_str(&out), "");
    /* far more than a pipe holds, on both at once */
    assert_true(shell("i=0; while [ $i -lt 3000 ]; do "
                      "echo 0123456789012345678901234567890123456789; "
                      "echo 0123456789012345678901234567890123456789 >&2; i=$((i+1)); done",
                      &err));
    assert_int_equal(out.len, 3000 * 41);
    Subprocess quiet = {.argv = (const char *const[]){"sh", "-c", "echo to nobody", NULL}};
    assert_true(subprocess_run(&quiet, NULL, &err));
}

static void arguments_are_not_a_shell(void **state)
{
    (void)state;
    Error err;
    Subprocess spec = {.argv =
                           (const char *const[]){"printf", "%s|", "a b", "$(id)", "'", "", NULL}};
    assert_true(run_spec(&spec, &err));
    assert_string_equal(buf_str(&out), "a b|$(id)|'||");
}

static void environment(void **state)
{
    (void)state;
    Error err;
    setenv("BASCULE_TEST_ONE", "ours", 1);
    setenv("BASCULE_TEST_TWO", "ours", 1);
    Subprocess spec = {
        .argv =
            (const char *const[]){"sh", "-c",
                                  "echo $BASCULE_TEST_ONE $BASCULE_TEST_TWO $BASCULE_TEST_X", NULL},
        .env = (const char *const[]){"BASCULE_TEST_TWO=theirs", "BASCULE_TEST_X=new", NULL}};
    assert_true(run_spec(&spec, &err));
    assert_string_equal(buf_str(&out), "ours theirs new\n");
    assert_string_equal(getenv("BASCULE_TEST_TWO"), "ours");
}

static void failures(void **state)
{
    (void)state;
    Error err;
    assert_false(shell("echo first >&2; echo 'pg_dump: error: no such table' >&2; exit 3", &err));
    assert_int_equal(err.cls, ERR_SUBPROCESS);
    assert_string_equal(err.message,
                        "'sh' failed with exit code 3: first; pg_dump: error: no such table");
    assert_false(shell("exit 1", &err));
    assert_string_equal(err.message, "'sh' failed with exit code 1: it printed no message");
    assert_false(shell("kill -9 $$", &err));
    assert_non_null(strstr(err.message, "killed by signal 9"));
    assert_false(shell("printf 'no newline' >&2; exit 1", &err));
    assert_non_null(strstr(err.message, "no newline"));

    Subprocess missing = {.argv = (const char *const[]){"/nowhere/to/be-found", NULL}};
    assert_false(run_spec(&missing, &err));
    assert_int_equal(err.cls, ERR_SUBPROCESS);
    assert_string_equal(err.message,
                        "cannot run '/nowhere/to/be-found': No such file or directory");
    Subprocess no_program = {.argv = (const char *const[]){"/dev/null", NULL}};
    assert_false(run_spec(&no_program, &err));
    assert_non_null(strstr(err.message, "Permission denied"));
}

static void the_tail_of_a_long_message(void **state)
{
    (void)state;
    Error err;
    assert_false(
        shell("i=0; while [ $i -lt 500 ]; do echo line $i >&2; i=$((i+1)); done; exit 1", &err));
    assert_non_null(strstr(err.message, "line 499"));
    assert_null(strstr(err.message, "line 10;"));
}

static void rows_and_secrets_stay_out(void **state)
{
    (void)state;
    Error err;
    Subprocess spec = {
        .argv = (const char *const[]){"sh", "-c",
                                      "echo \"password is $PGPASSWORD, $PGPASSWORD\" >&2;"
                                      "echo \"  OPTIONS (password 'sesame', x 'y');\" >&2;"
                                      "echo 'DETAIL:  Key (a)=(row data)' >&2;"
                                      "echo 'CONTEXT:  COPY t, line 1: row data' >&2; exit 1",
                                      NULL},
        .env = (const char *const[]){"PGPASSWORD=hunter2", "PGHOST=password", NULL}};
    assert_false(run_spec(&spec, &err));
    assert_string_equal(err.message, "'sh' failed with exit code 1: password is *******, *******; "
                                     "  OPTIONS (password '****************");
}

static void *request_later(void *arg)
{
    stop_wait(NULL, 100000);
    stop_request(arg);
    return NULL;
}

static void stop_ends_the_group(void **state)
{
    (void)state;
    Error err;
    StopToken *stop = stop_new();
    pthread_t thread;
    int64_t start = clock_now_us();
    /* the shell waits for its own child, which must go too */
    Subprocess spec = {.argv = (const char *const[]){"sh", "-c", "sleep 60; echo after", NULL},
                       .stop = stop};
    pthread_create(&thread, NULL, request_later, stop);
    assert_false(run_spec(&spec, &err));
    assert_int_equal(err.cls, ERR_STOPPED);
    assert_true(clock_now_us() - start < 4000000);
    pthread_join(thread, NULL);
    assert_false(run_spec(&spec, &err)); /* not even started */
    assert_int_equal(err.cls, ERR_STOPPED);
    stop_free(stop);
}

static void time_limit(void **state)
{
    (void)state;
    Error err;
    int64_t start = clock_now_us();
    Subprocess spec = {.argv = (const char *const[]){"sh", "-c", "echo begun >&2; sleep 60", NULL},
                       .timeout_us = 200000};
    assert_false(run_spec(&spec, &err));
    assert_int_equal(err.cls, ERR_SUBPROCESS);
    assert_string_equal(err.message, "'sh' was ended because it took longer than 200 ms: begun");
    assert_true(clock_now_us() - start < 4000000);
}

/* Ignores SIGTERM: the SIGKILL comes 5 s later. */
static void a_deaf_child_is_killed(void **state)
{
    (void)state;
    Error err;
    int64_t start = clock_now_us();
    Subprocess spec = {
        .argv =
            (const char *const[]){"sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", NULL},
        .timeout_us = 100000};
    assert_false(run_spec(&spec, &err));
    assert_in_range(clock_now_us() - start, 5000000, 9000000);
}

/* A daemon left behind keeps the pipes open; the helper itself has ended. */
static void a_grandchild_does_not_hold_us(void **state)
{
    (void)state;
    Error err;
    int64_t start = clock_now_us();
    assert_true(shell("sleep 3 & echo done", &err));
    assert_string_equal(buf_str(&out), "done\n");
    assert_true(clock_now_us() - start < 2500000);
}

static void inherits_nothing(void **state)
{
    (void)state;
    Error err;
    int leaked = open("/dev/null", O_RDONLY); /* no O_CLOEXEC */
    sigset_t all, before;
    assert_true(leaked > 2);
    /* a worker's thread has all signals blocked; the child must not */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    signal(SIGPIPE, SIG_IGN);
    assert_true(shell("ls /proc/self/fd | tr '\\n' ' '; grep -E 'SigBlk|SigIgn' /proc/self/status "
                      "| grep -v 0000000000000000; true",
                      &err));
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_string_equal(buf_str(&out), "0 1 2 3 "); /* 3 is the directory that ls reads */
    close(leaked);
}

/* When we are killed the child goes too. */
static void dies_with_its_parent(void **state)
{
    (void)state;
    int fds[2];
    char pid_text[16] = "", byte;
    pid_t parent;
    assert_int_equal(pipe(fds), 0);
    parent = fork();
    if (parent == 0) {
        Error err;
        char script[100];
        close(fds[0]);
        /* its stdout is ours only through /proc, so that the test sees its end */
        snprintf(script, sizeof script, "echo $$ > /proc/%d/fd/%d; exec sleep 60", getpid(),
                 fds[1]);
        Subprocess spec = {.argv = (const char *const[]){"sh", "-c", script, NULL}};
        if (subprocess_run(&spec, NULL, &err))
            _exit(0);
        _exit(1);
    }
    close(fds[1]);
    for (size_t i = 0; i < sizeof pid_text - 1 && read(fds[0], &byte, 1) == 1 && byte != '\n'; i++)
        pid_text[i] = byte;
    pid_t child = (pid_t)atoi(pid_text);
    assert_true(child > 1);
    kill(parent, SIGKILL);
    /* it is a child of init now: wait until the kernel does not know it, or only as a zombie */
    for (int64_t end = clock_now_us() + 5000000; clock_now_us() < end; stop_wait(NULL, 10000)) {
        char path[64], line[256] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", child);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            break;
        if (fgets(line, sizeof line, file) == NULL || strstr(line, ") Z") != NULL)
            line[0] = '\0';
        fclose(file);
        if (line[0] == '\0')
            break;
        assert_true(clock_now_us() + 20000 < end);
    }
    close(fds[0]);
}

static int setup(void **state)
{
    (void)state;
    log_init(LOG_INFO, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_done(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output),
        cmocka_unit_test(arguments_are_not_a_shell),
        cmocka_unit_test(environment),
        cmocka_unit_test(failures),
        cmocka_unit_test(the_tail_of_a_long_message),
        cmocka_unit_test(rows_and_secrets_stay_out),
        cmocka_unit_test(stop_ends_the_group),
        cmocka_unit_test(time_limit),
        cmocka_unit_test(a_deaf_child_is_killed),
        cmocka_unit_test(a_grandchild_does_not_hold_us),
        cmocka_unit_test(inherits_nothing),
        cmocka_unit_test(dies_with_its_parent),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
