/* Errors by value: messages, context, cutting, the table of classes. */
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

#include "bascule/base/error.h"

static void set_fills_everything(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    strcpy(err.hint, "old");
    strcpy(err.sqlstate, "XX000");
    assert_false(ERR(&err, ERR_IO, "file '%s' is %d", "a", 7));
    assert_int_equal(err.cls, ERR_IO);
    assert_string_equal(err.message, "file 'a' is 7");
    assert_string_equal(err.hint, "");
    assert_string_equal(err.sqlstate, "");
    assert_int_equal(err.os_errno, 0);
    assert_non_null(strstr(err.file, "test_error.c"));
    assert_true(err.line > 0);
}

static void os_error_keeps_errno(void **state)
{
    (void)state;
    Error err;
    errno = ENOENT;
    assert_false(ERR_OS(&err, ERR_IO, "cannot open '%s'", "x"));
    assert_int_equal(err.os_errno, ENOENT);
    assert_string_equal(err.message, "cannot open 'x': No such file or directory");
}

static void context_goes_in_front(void **state)
{
    (void)state;
    Error err;
    ERR(&err, ERR_SQL, "bad");
    assert_false(err_context(&err, "table '%s'", "t"));
    assert_false(err_context(&err, "copying"));
    assert_string_equal(err.message, "copying: table 't': bad");
    assert_int_equal(err.cls, ERR_SQL);
}

static void may_format_its_own_message(void **state)
{
    (void)state;
    Error err;
    ERR(&err, ERR_SQL, "inner");
    ERR(&err, ERR_IO, "outer (%s)", err.message);
    assert_string_equal(err.message, "outer (inner)");
    err_hint(&err, "one");
    err_hint(&err, "%s two", err.hint);
    assert_string_equal(err.hint, "one two");
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    static char text[5000];
    Error err;
    memset(text, 'x', sizeof text - 1);
    ERR(&err, ERR_SQL, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    err_context(&err, "front");
    assert_int_equal(strncmp(err.message, "front: xxx", 10), 0);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    err_context(&err, "%s", text);
    err_hint(&err, "%s", text);
    assert_int_equal(strlen(err.hint), sizeof err.hint - 1);
}

static void a_cut_does_not_split_a_character(void **state)
{
    (void)state;
    static char text[5000];
    Error err;
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "é", 2);
    /* two borders, whatever the parity of the room that is there */
    for (size_t shift = 0; shift < 2; shift++) {
        ERR(&err, ERR_SQL, "%s%s", shift ? "a" : "", text);
        size_t len = strlen(err.message);
        assert_int_equal((len - shift) % 2, 0);
        assert_true(len >= sizeof err.message - 2);
        err_context(&err, "x");
        assert_int_equal((strlen(err.message) - shift) % 2, 1);
    }
    /* what is no UTF-8 is cut anywhere */
    memset(text, 0xE9, sizeof text - 1);
    ERR(&err, ERR_SQL, "%s", text);
    assert_true(strlen(err.message) >= sizeof err.message - 3);
    memset(text, 0x80, sizeof text - 1);
    ERR(&err, ERR_SQL, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void every_class_has_a_row(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_CLASS_COUNT; i++) {
        ErrorClass cls = (ErrorClass)i;
        assert_true(strlen(err_slug(cls)) > 0);
        assert_in_range(err_exit_code(cls), 0, 7);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(err_slug(cls), err_slug((ErrorClass)j));
    }
    assert_string_equal(err_slug(ERR_CONN_LOST), "connection-lost");
    assert_int_equal(err_action(ERR_CONN_LOST), ERR_ACTION_RECONNECT);
    assert_int_equal(err_exit_code(ERR_NONE), 0);
    assert_string_equal(err_slug((ErrorClass)9999), "bug");
    assert_int_equal(err_action((ErrorClass)-1), ERR_ACTION_BUG);
}

static void hint_falls_back_to_the_class(void **state)
{
    (void)state;
    Error err;
    ERR(&err, ERR_NOT_RUNNING, "x");
    assert_string_equal(err_hint_of(&err), "Start it with 'bascule run'.");
    err_hint(&err, "Other.");
    assert_string_equal(err_hint_of(&err), "Other.");
    err_clear(&err);
    assert_int_equal(err.cls, ERR_NONE);
    assert_string_equal(err_hint_of(&err), "");
}

static void an_assertion_says_where_and_aborts(void **state)
{
    (void)state;
    int fds[2], status;
    char text[4000];
    size_t len = 0;
    ssize_t n;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        ASSERT(1 + 1 == 2);
        ASSERT(1 + 1 == 3);
        _exit(0);
    }
    close(fds[1]);
    while (len < sizeof text - 1 && (n = read(fds[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_int_equal(strncmp(text, "bascule: assertion failed: 1 + 1 == 3 (", 39), 0);
    assert_non_null(strstr(text, "test_error")); /* the stack */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_everything),
        cmocka_unit_test(os_error_keeps_errno),
        cmocka_unit_test(context_goes_in_front),
        cmocka_unit_test(may_format_its_own_message),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(a_cut_does_not_split_a_character),
        cmocka_unit_test(every_class_has_a_row),
        cmocka_unit_test(hint_falls_back_to_the_class),
        cmocka_unit_test(an_assertion_says_where_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
