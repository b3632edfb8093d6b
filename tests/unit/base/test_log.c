/* Log lines in both forms, read back from a pipe that stands for stderr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/log.h"

static int saved_stderr, pipe_fds[2];

static int setup(void **state)
{
    (void)state;
    saved_stderr = dup(STDERR_FILENO);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
    fcntl(pipe_fds[0], F_SETPIPE_SZ, 1 << 20);
    dup2(pipe_fds[1], STDERR_FILENO);
    log_set_component(NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

/* What was written since the last call. */
static const char *written(void)
{
    static char text[1 << 20];
    ssize_t n = read(pipe_fds[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* Without the time, which has a fixed length. */
static const char *sentence(void)
{
    const char *text = written();
    assert_true(strlen(text) > 25);
    assert_int_equal(text[23], 'Z');
    return text + 25;
}

static void text_form(void **state)
{
    (void)state;
    log_init(LOG_INFO, false);
    log_info("transaction applied lsn=%s rows=%d", "0/1", 42);
    assert_string_equal(sentence(), "INFO  transaction applied lsn=0/1 rows=42\n");
    log_set_component("apply");
    log_warn("careful");
    assert_string_equal(sentence(), "WARN  apply: careful\n");
    log_error("bad");
    assert_string_equal(sentence(), "ERROR apply: bad\n");
    log_debug("not shown");
    log_trace("not shown");
    assert_string_equal(written(), "");
    assert_false(log_enabled(LOG_DEBUG));
    log_init(LOG_TRACE, false);
    log_trace("shown");
    assert_string_equal(sentence(), "TRACE apply: shown\n");
}

static void one_event_is_one_line(void **state)
{
    (void)state;
    log_init(LOG_INFO, false);
    log_info("a\nb\r\tc\x1b[31m\x7f é");
    assert_string_equal(sentence(), "INFO  a b  c [31m  é\n");
}

static void long_lines(void **state)
{
    (void)state;
    static char text[100000];
    log_init(LOG_INFO, false);
    memset(text, 'x', sizeof text - 1);
    log_info("%s", text);
    assert_int_equal(strlen(sentence()), 6 + sizeof text - 1 + 1);
}

static void error_values(void **state)
{
    (void)state;
    Error err;
    log_init(LOG_INFO, false);
    ERR(&err, ERR_SQL, "relation\n\"x\" does not exist");
    strcpy(err.sqlstate, "42P01");
    err_hint(&err, "Make it.");
    log_error_value(LOG_ERROR, &err, "stopped after %d", 3);
    assert_string_equal(sentence(),
                        "ERROR stopped after 3: relation \"x\" does not exist class=sql "
                        "sqlstate=42P01 hint=\"Make it.\"\n");
    ERR(&err, ERR_ABORTED, "x");
    strcpy(err.hint, "");
    log_error_value(LOG_DEBUG, &err, "hidden");
    assert_string_equal(written(), "");
}

/* Parses the line with another library than the one under test. */
static json_t *parsed(void)
{
    json_error_t why;
    const char *text = written();
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (object == NULL)
        fail_msg("%s: %s", why.text, text);
    assert_int_equal(text[strlen(text) - 1], '\n');
    assert_null(strchr(text, '\n') + 1 == text + strlen(text) ? NULL : text);
    return object;
}

static const char *member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "(none)";
}

static void json_form(void **state)
{
    (void)state;
    json_t *line;
    log_init(LOG_INFO, true);
    log_set_component("apply/2");
    log_info("a=1 transaction \"applied\" lsn=0/1 rows=42 big=1234567890123456789 neg=-5 zero=007 "
             "empty= "
             "last=x=y");
    line = parsed();
    assert_string_equal(member(line, "level"), "info");
    assert_string_equal(member(line, "component"), "apply/2");
    /* `empty=` is no pair, so what stands before it belongs to the sentence */
    assert_string_equal(member(line, "last"), "x=y");
    assert_non_null(strstr(member(line, "message"), "rows=42"));
    json_decref(line);

    log_info("applied lsn=0/1 rows=42 big=1234567890123456789 neg=-5 zero=007");
    line = parsed();
    assert_string_equal(member(line, "message"), "applied");
    assert_string_equal(member(line, "lsn"), "0/1");
    assert_int_equal(json_integer_value(json_object_get(line, "rows")), 42);
    assert_int_equal(json_integer_value(json_object_get(line, "neg")), -5);
    assert_string_equal(member(line, "big"), "1234567890123456789"); /* no double can hold it */
    assert_string_equal(member(line, "zero"), "007");
    json_decref(line);
}

static void json_escapes(void **state)
{
    (void)state;
    json_t *line;
    log_init(LOG_INFO, true);
    log_info(
        "q\" b\\ n\n t\t c\x01 d\x7f e\xc3\xa9 bad\xff cut\xe2\x82 low\xc0\x80 sur\xed\xa0\x80 "
        "high\xf4\x90\x80\x80 fine\xf0\x9f\x98\x80");
    line = parsed();
    assert_string_equal(
        member(line, "message"),
        "q\" b\\ n\n t\t c\x01 d\x7f e\xc3\xa9 bad\xef\xbf\xbd cut\xef\xbf\xbd\xef\xbf\xbd "
        "low\xef\xbf\xbd\xef\xbf\xbd sur\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
        "high\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd fine\xf0\x9f\x98\x80");
    json_decref(line);
}

static void json_error_values(void **state)
{
    (void)state;
    Error err;
    json_t *line;
    log_init(LOG_INFO, true);
    ERR(&err, ERR_SQL, "no \"x\"");
    strcpy(err.sqlstate, "42P01");
    log_error_value(LOG_WARN, &err, "retrying in 4 s");
    line = parsed();
    assert_string_equal(member(line, "message"), "retrying in 4 s");
    assert_string_equal(member(line, "error"), "no \"x\"");
    assert_string_equal(member(line, "class"), "sql");
    assert_string_equal(member(line, "sqlstate"), "42P01");
    assert_string_equal(member(line, "hint"), "The server refused the statement.");
    json_decref(line);
}

static void levels(void **state)
{
    (void)state;
    LogLevel level = LOG_WARN;
    assert_true(log_parse_level("error", &level));
    assert_int_equal(level, LOG_ERROR);
    assert_true(log_parse_level("trace", &level));
    assert_int_equal(level, LOG_TRACE);
    assert_false(log_parse_level("loud", &level));
    assert_false(log_parse_level("", &level));
    assert_false(log_parse_level("INFO", &level));
    assert_int_equal(level, LOG_TRACE);
}

static void before(void)
{
    assert_int_equal(write(STDERR_FILENO, "<", 1), 1);
}

static void after(void)
{
    assert_int_equal(write(STDERR_FILENO, ">", 1), 1);
}

static void around(void **state)
{
    (void)state;
    const char *text;
    log_init(LOG_INFO, false);
    log_set_around(before, after);
    log_info("x");
    text = written();
    assert_int_equal(text[0], '<');
    assert_int_equal(text[strlen(text) - 1], '>');
    log_set_around(NULL, NULL);
    log_info("x");
    assert_int_equal(sentence()[0], 'I');
}

static void *logs(void *arg)
{
    log_set_component(arg);
    for (int i = 0; i < 200; i++)
        log_info("line of a thread number=%d end=yes", i);
    return NULL;
}

static void lines_do_not_mix(void **state)
{
    (void)state;
    pthread_t threads[4];
    int lines = 0;
    log_init(LOG_INFO, false);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, logs, (void *)"thread");
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (const char *line = written(); *line != '\0'; lines++) {
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        assert_int_equal(memcmp(end - 8, " end=yes", 8), 0);
        assert_int_equal(memcmp(line + 25, "INFO  thread: line", 18), 0);
        line = end + 1;
    }
    assert_int_equal(lines, 800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(text_form, setup, teardown),
        cmocka_unit_test_setup_teardown(one_event_is_one_line, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(error_values, setup, teardown),
        cmocka_unit_test_setup_teardown(json_form, setup, teardown),
        cmocka_unit_test_setup_teardown(json_escapes, setup, teardown),
        cmocka_unit_test_setup_teardown(json_error_values, setup, teardown),
        cmocka_unit_test_setup_teardown(levels, setup, teardown),
        cmocka_unit_test_setup_teardown(around, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_do_not_mix, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
