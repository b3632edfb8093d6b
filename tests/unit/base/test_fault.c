/* Failpoints: the specification's syntax, counting, and what each action does (in child processes).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/fault.h"

#if BASCULE_FAULTS
static void init(const char *spec)
{
    Error err;
    if (!fault_init(spec, &err))
        fail_msg("%s", err.message);
}

static void nothing_set(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    init(NULL);
    init("");
    FAULT(COPY_MID);
    assert_false(FAULT_ERROR(COPY_MID, &err));
    assert_int_equal(err.cls, ERR_NONE);
}

static void error_once(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    init("COPY_MID:error");
    assert_false(FAULT_ERROR(APPLY_MID, &err));
    assert_true(FAULT_ERROR(COPY_MID, &err));
    assert_int_equal(err.cls, ERR_FAULT);
    assert_non_null(strstr(err.message, "COPY_MID"));
    assert_false(FAULT_ERROR(COPY_MID, &err));
}

static void hits_are_counted(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    init("COPY_MID@3:lost,COPY_MID@4:error,APPLY_MID@2:error");
    assert_false(FAULT_ERROR(COPY_MID, &err));
    FAULT(COPY_MID); /* counts as well, and cannot fail */
    assert_false(FAULT_ERROR(APPLY_MID, &err));
    assert_true(FAULT_ERROR(COPY_MID, &err));
    assert_int_equal(err.cls, ERR_CONN_LOST);
    assert_true(FAULT_ERROR(COPY_MID, &err));
    assert_int_equal(err.cls, ERR_FAULT);
    assert_true(FAULT_ERROR(APPLY_MID, &err));
    assert_false(FAULT_ERROR(COPY_MID, &err));
    init("COPY_MID@2:error"); /* starts to count anew */
    assert_false(FAULT_ERROR(COPY_MID, &err));
    assert_true(FAULT_ERROR(COPY_MID, &err));
}

static void wrong_specifications(void **state)
{
    (void)state;
    static const char *const BAD[] = {"COPY_MID",
                                      "NOWHERE:kill",
                                      "COPY_MID:",
                                      "COPY_MID:fly",
                                      "COPY_MID@0:kill",
                                      "COPY_MID@:kill",
                                      "COPY_MID@x:kill",
                                      "COPY_MID@-1:kill",
                                      "COPY_MID:stop",
                                      "COPY_MID:stop=",
                                      "COPY_MID:stop=x",
                                      ":kill",
                                      "COPY_MID:kill,",
                                      ",COPY_MID:kill",
                                      "copy_mid:kill",
                                      "COPY_MID:kill ",
                                      "COPY_MID@9999999999:kill",
                                      " COPY_MID:kill",
                                      "COPY_MI:kill",
                                      "COPY_MIDX:kill"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        Error err = ERROR_INIT;
        if (fault_init(BAD[i], &err))
            fail_msg("accepted: %s", BAD[i]);
        assert_int_equal(err.cls, ERR_USAGE);
        assert_false(FAULT_ERROR(COPY_MID, &err));
    }
}

static void too_many(void **state)
{
    (void)state;
    char spec[33 * 17 + 1] = "";
    Error err;
    for (int i = 0; i < 33; i++)
        strcat(spec, i == 0 ? "COPY_MID:error" : ",COPY_MID:error");
    assert_false(fault_init(spec, &err));
}

/* Runs the point in a child and gives its wait status. */
static int in_child(const char *spec)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        Error err;
        if (!fault_init(spec, &err))
            _exit(1);
        FAULT(COPY_MID);
        if (FAULT_ERROR(COPY_MID, &err))
            _exit(2);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static void kill_and_exit(void **state)
{
    (void)state;
    int status = in_child("COPY_MID:kill");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = in_child("COPY_MID@2:kill"); /* at a place that could fail, too */
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = in_child("COPY_MID:exit");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 99);
    status = in_child("COPY_MID@3:kill");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    status = in_child("COPY_MID@2:error");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

static void pauses(void **state)
{
    (void)state;
    int64_t start = clock_now_us();
    int status = in_child("COPY_MID:stop=50");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(clock_now_us() - start >= 50000);
}
#else
static void a_build_without_failpoints_says_so(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    assert_true(fault_init(NULL, &err));
    assert_true(fault_init("", &err));
    assert_false(fault_init("COPY_MID:kill", &err));
    assert_int_equal(err.cls, ERR_USAGE);
    FAULT(COPY_MID);
    assert_false(FAULT_ERROR(COPY_MID, &err));
}
#endif

static void every_point_has_name_and_place(void **state)
{
    (void)state;
    for (int i = 0; i < FAULT_COUNT; i++) {
        assert_true(strlen(fault_name((Fault)i)) > 0);
        assert_true(strlen(fault_where((Fault)i)) > 0);
    }
    assert_string_equal(fault_name(FAULT_COPY_MID), "COPY_MID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_point_has_name_and_place),
#if BASCULE_FAULTS
        cmocka_unit_test(nothing_set),
        cmocka_unit_test(error_once),
        cmocka_unit_test(hits_are_counted),
        cmocka_unit_test(wrong_specifications),
        cmocka_unit_test(too_many),
        cmocka_unit_test(kill_and_exit),
        cmocka_unit_test(pauses),
#else
        cmocka_unit_test(a_build_without_failpoints_says_so),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
